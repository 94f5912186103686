"""The backoffice's site: the theme's, with single sign-on, throttled changes of one's own password, and the page for
locked logins.
"""

from collections.abc import Callable
from functools import partial, update_wrapper
from math import ceil
from time import monotonic
from typing import Any

from django.conf import settings
from django.contrib import admin, messages
from django.contrib.auth.views import PasswordChangeView, redirect_to_login
from django.core.exceptions import ValidationError
from django.http import HttpRequest, HttpResponse, HttpResponseBase, HttpResponseRedirect
from django.template.response import TemplateResponse
from django.urls import URLPattern, path, reverse
from django.utils.http import url_has_allowed_host_and_scheme
from django.views.decorators.debug import sensitive_variables
from unfold.forms import AdminOwnPasswordChangeForm
from unfold.sites import UnfoldAdminSite

from orders_project.log_ins import is_password_of, seconds_to_wait
from orders_project.web.error_pages import page_of


class OwnPasswordForm(AdminOwnPasswordChangeForm):
    """A wrong old password counts as a failed log-in, so that a hijacked session cannot be used to guess it."""

    def __init__(self, request: HttpRequest, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.request = request

    @sensitive_variables("given")
    def clean_old_password(self) -> str:
        given = str(self.cleaned_data["old_password"])
        if not is_password_of(self.user, given, self.request):
            raise ValidationError(self.error_messages["password_incorrect"], code="password_incorrect")
        return given


class BackofficeSite(UnfoldAdminSite):
    login_template = "admin/sign_on/login.html"
    logout_template = "admin/sign_on/logged_out.html"

    def extra_urls(self) -> list[URLPattern]:
        from orders_project.sign_on import views  # which needs the models

        return [
            path("sign-on/", views.sign_on, name="sign_on"),
            path("sign-on/callback/", views.callback, name="sign_on_callback"),
        ]

    def admin_view(self, view: Callable[..., HttpResponse], cacheable: bool = False) -> Callable[..., HttpResponse]:
        """Have whoever is no longer logged in come back, after the log-in, to the page with the form that they sent.

        What they typed stays in their browser (unsent_form.js): nothing is kept here, and nothing is sent again.
        """
        protected = super().admin_view(view, cacheable)

        def inner(request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
            if request.method != "POST" or self.has_permission(request) or request.path == reverse("admin:logout"):
                return protected(request, *args, **kwargs)
            messages.warning(request, "You are no longer logged in. Nothing was changed. Log in to continue.")
            return redirect_to_login(page_of(request), f"{reverse('admin:login')}?unsent=no")

        return update_wrapper(inner, protected)

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
        answer: HttpResponse = super().login(request, {**(extra_context or {}), **views.choices(request)})
        return answer

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


def locked_out(request: HttpRequest, response: HttpResponse, credentials: dict[str, Any] | None) -> HttpResponse:
    """The page that says how long to wait: 429 with Retry-After (RFC 6585)."""
    wait = seconds_to_wait(request, credentials)
    context = admin.site.each_context(request) | {"title": "Log in", "minutes": ceil(wait / 60)}
    page = TemplateResponse(request, "admin/locked_out.html", context, status=429, headers={"Retry-After": str(wait)})
    return page.render()
