"""The backoffice's site: the theme's, with a log-in of our own, sessions that can be ended, and pages about staff."""

from collections.abc import Callable
from functools import partial, update_wrapper
from time import monotonic
from typing import Any, cast

from django.conf import settings
from django.contrib import messages
from django.contrib.auth.models import User
from django.contrib.auth.views import PasswordChangeView, redirect_to_login
from django.core.exceptions import ValidationError
from django.http import HttpRequest, HttpResponse, HttpResponseBase, HttpResponseRedirect
from django.template.response import TemplateResponse
from django.urls import URLPattern, path, reverse
from django.utils.http import url_has_allowed_host_and_scheme
from django.utils.translation import gettext as _
from django.views.decorators.cache import never_cache
from django.views.decorators.debug import sensitive_variables
from unfold.forms import AdminOwnPasswordChangeForm
from unfold.sites import UnfoldAdminSite

from orders_project.log_ins import reauthenticated, seconds_to_wait, write_password
from orders_project.staff import log_in, second_factor, sign_ins
from orders_project.web.error_pages import page_of


class OwnPasswordForm(AdminOwnPasswordChangeForm):
    """A wrong old password counts as a failed log-in, so that a hijacked session cannot be used to guess it."""

    def __init__(self, request: HttpRequest, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.request = request

    @sensitive_variables("given")
    def clean_old_password(self) -> str:
        given = str(self.cleaned_data["old_password"])
        found = reauthenticated(self.user, given, self.request)
        if found is None:
            raise ValidationError(self.error_messages["password_incorrect"], code="password_incorrect")
        self.former = found.password
        return given

    def save(self, commit: bool = True) -> Any:
        """Django ends the other sessions; they are told of as ended, too.

        :raises PermissionDenied: they were kept out, or their password was changed, meanwhile.
        """
        saved = super().save(commit=False)
        write_password(self.user, self.former, is_active=True, is_staff=True)
        sign_ins.end_all(self.user, by=self.user, but=sign_ins.current(self.request))
        return saved


class BackofficeSite(UnfoldAdminSite):
    login_template = "admin/sign_on/login.html"
    logout_template = "admin/sign_on/logged_out.html"

    def extra_urls(self) -> list[URLPattern]:
        from orders_project.sign_on import views  # which needs the models
        from orders_project.staff import account_pages, code_step, colleague_pages, links

        of_account = [
            path("account/security/", self.admin_view(account_pages.security), name="account"),
            path("account/act/", self.admin_view(account_pages.act), name="account_act"),
            path("account/two-factor/", self.while_missing(account_pages.two_factor), name="two_factor"),
        ]
        of_colleagues = [
            path("staff/", self.admin_view(colleague_pages.colleagues), name="colleagues"),
            path("staff/add/", self.admin_view(colleague_pages.add), name="colleague_add"),
            path("staff/<str:user_id>/change/", self.admin_view(colleague_pages.colleague), name="colleague"),
            path("staff/<str:user_id>/act/", self.admin_view(colleague_pages.act), name="colleague_act"),
        ]
        return [
            path("sign-on/", views.sign_on, name="sign_on"),
            path("sign-on/callback/", views.callback, name="sign_on_callback"),
            path("login/code/", code_step.ask_for_code, name="second_factor"),
            path("set-password/<uidb64>/<token>/", links.SetPassword.as_view(), name="set_password"),
            *of_account,
            *of_colleagues,
        ]

    def has_permission(self, request: HttpRequest) -> bool:
        return self.is_in(request) and not self.misses_second_factor(request)

    def is_in(self, request: HttpRequest) -> bool:
        """Whether they are staff, and their session has not been ended."""
        return bool(super().has_permission(request)) and sign_ins.current(request) is not None

    def misses_second_factor(self, request: HttpRequest) -> bool:
        """Whether somebody who is in has to set up a second factor before anything else."""
        sign_in = sign_ins.current(request)
        return sign_in is not None and second_factor.is_missing(cast("User", request.user), sign_in)

    def admin_view(self, view: Callable[..., HttpResponse], cacheable: bool = False) -> Callable[..., HttpResponse]:
        """Have whoever is no longer logged in come back, after the log-in, to the page with the form that they sent.

        What they typed stays in their browser (unsent_form.js): nothing is kept here, and nothing is sent again.
        """
        protected = super().admin_view(view, cacheable)

        def inner(request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
            if self.has_permission(request):
                return protected(request, *args, **kwargs)
            if self.is_in(request):
                leaves = request.path == reverse("admin:logout")
                return view(request, *args, **kwargs) if leaves else HttpResponseRedirect(reverse("admin:two_factor"))
            if request.method != "POST" or request.path == reverse("admin:logout"):
                return protected(request, *args, **kwargs)
            return _to_log_in(request)

        return update_wrapper(inner, protected)

    def while_missing(self, view: Callable[..., HttpResponse]) -> Callable[..., HttpResponse]:
        """A page for whoever is in, though they may not see any other yet."""

        def inner(request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
            if self.is_in(request):
                return view(request, *args, **kwargs)
            if request.method == "POST":
                return _to_log_in(request)
            return redirect_to_login(request.get_full_path(), reverse("admin:login"))

        return update_wrapper(never_cache(inner), view)

    def get_app_list(self, request: HttpRequest, app_label: str | None = None) -> list[Any]:
        """Nobody but staff has any; so pages that know nobody need no database."""
        return super().get_app_list(request, app_label) if self.has_permission(request) else []

    def search(self, request: HttpRequest, extra_context: dict[str, Any] | None = None) -> HttpResponse:
        """What the palette finds for `s`; looked for anew each time, see `command_palette`."""
        from orders.admin import command_palette  # which needs the models

        text = request.GET.get("s", "").strip()
        if not text:
            return HttpResponse()
        began = monotonic()
        results = command_palette.found(request, text, self.get_sidebar_list(request))
        context = {
            "results": results,
            "page_obj": {"count": len(results)},
            "page_counter": 0,
            "execution_time": monotonic() - began,
        }
        template = "unfold/helpers/command_results.html"
        return TemplateResponse(request, template, context, headers={"HX-Trigger": "search"})

    def login(self, request: HttpRequest, extra_context: dict[str, Any] | None = None) -> HttpResponse:
        """Lead whoever has logged in meanwhile, in another tab, to where they were going."""
        from orders_project.sign_on import views

        goal = request.GET.get("next", "")
        if request.method == "GET" and self.has_permission(request) and _is_here(goal, request):
            return HttpResponseRedirect(goal)
        if request.method == "POST" and not settings.LOCAL_LOGIN:
            return views.refuse(request, views.only_sign_on())
        if self.is_in(request) and self.misses_second_factor(request):
            return HttpResponseRedirect(reverse("admin:two_factor"))
        if request.method == "GET" and self.has_permission(request):
            return HttpResponseRedirect(reverse("admin:index"))
        return log_in.page(request, self, {**(extra_context or {}), **views.choices(request)})

    def logout(self, request: HttpRequest, extra_context: dict[str, Any] | None = None) -> HttpResponse:
        """End the session here, and have the page go on to where it is ended at the provider."""
        from orders_project.sign_on import views

        at_the_provider = views.leaving(request) if request.method == "POST" else ""
        answer: HttpResponse = super().logout(request, {**(extra_context or {}), "at_the_provider": at_the_provider})
        return answer

    def password_change(self, request: HttpRequest, extra_context: dict[str, Any] | None = None) -> HttpResponseBase:
        from orders_project.sign_on import views

        if not settings.LOCAL_LOGIN:
            return views.refuse(request, views.only_sign_on())
        request.current_app = self.name
        view = PasswordChangeView.as_view(
            form_class=partial(OwnPasswordForm, request),
            success_url=reverse(f"{self.name}:password_change_done", current_app=self.name),
            extra_context={**self.each_context(request), **(extra_context or {})},
        )
        return view(request)


def _is_here(address: str, request: HttpRequest) -> bool:
    return url_has_allowed_host_and_scheme(address, {request.get_host()}, require_https=request.is_secure())


def _to_log_in(request: HttpRequest) -> HttpResponse:
    messages.warning(request, _("You are no longer logged in. Nothing was changed. Log in to continue."))
    return redirect_to_login(page_of(request), f"{reverse('admin:login')}?unsent=no")


def locked_out(request: HttpRequest, response: HttpResponse, credentials: dict[str, Any] | None) -> HttpResponse:
    """AXES_LOCKOUT_CALLABLE."""
    return log_in.locked(request, seconds_to_wait(request, credentials))
