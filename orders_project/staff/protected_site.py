"""The theme's site, for staff alone whose session has not been ended, and who have the second factor that they need."""

from collections.abc import Callable
from functools import update_wrapper
from typing import Any, cast

from django.contrib import messages
from django.contrib.auth.models import User
from django.contrib.auth.views import redirect_to_login
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.urls import reverse
from django.utils.translation import gettext as _
from django.views.decorators.cache import never_cache
from unfold.sites import UnfoldAdminSite

from orders_project.staff import second_factor, sign_ins
from orders_project.web.error_pages import page_of


class ProtectedSite(UnfoldAdminSite):
    """Who may see which of its pages, and where whoever may not is led."""

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


def _to_log_in(request: HttpRequest) -> HttpResponse:
    messages.warning(request, _("You are no longer logged in. Nothing was changed. Log in to continue."))
    return redirect_to_login(page_of(request), f"{reverse('admin:login')}?unsent=no")
