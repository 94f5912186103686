"""The backoffice's site: the theme's, with a log-in of our own, sessions that can be ended, and pages about staff."""

from typing import Any

from django.conf import settings
from django.http import HttpRequest, HttpResponse, HttpResponseBase, HttpResponseRedirect
from django.urls import URLPattern, reverse
from django.utils.http import url_has_allowed_host_and_scheme

from orders_project.log_ins import seconds_to_wait
from orders_project.staff import log_in, own_password
from orders_project.staff.protected_site import ProtectedSite


class BackofficeSite(ProtectedSite):
    login_template = "admin/sign_on/login.html"
    logout_template = "admin/sign_on/logged_out.html"

    def extra_urls(self) -> list[URLPattern]:
        from orders_project.backoffice_urls import staff_urls  # which needs the models

        return staff_urls(self)

    def get_app_list(self, request: HttpRequest, app_label: str | None = None) -> list[Any]:
        """Nobody but staff has any; so pages that know nobody need no database."""
        return super().get_app_list(request, app_label) if self.has_permission(request) else []

    def search(self, request: HttpRequest, extra_context: dict[str, Any] | None = None) -> HttpResponse:
        """What the palette finds for `s`; looked for anew each time, see `command_palette`."""
        from orders.admin import palette_page  # which needs the models

        return palette_page.results(request, self.get_sidebar_list(request))

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
        from orders_project.sign_on import logging_out

        at_the_provider = logging_out.address_at_the_provider(request) if request.method == "POST" else ""
        answer: HttpResponse = super().logout(request, {**(extra_context or {}), "at_the_provider": at_the_provider})
        return answer

    def password_change(self, request: HttpRequest, extra_context: dict[str, Any] | None = None) -> HttpResponseBase:
        from orders_project.sign_on import views

        if not settings.LOCAL_LOGIN:
            return views.refuse(request, views.only_sign_on())
        return own_password.page(request, self, extra_context or {})


def _is_here(address: str, request: HttpRequest) -> bool:
    return url_has_allowed_host_and_scheme(address, {request.get_host()}, require_https=request.is_secure())


def locked_out(request: HttpRequest, response: HttpResponse, credentials: dict[str, Any] | None) -> HttpResponse:
    """AXES_LOCKOUT_CALLABLE."""
    return log_in.locked(request, seconds_to_wait(request, credentials))
