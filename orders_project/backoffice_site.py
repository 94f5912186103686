"""The backoffice's site: the theme's, with throttled changes of one's own password, and the page for locked logins."""

from functools import partial
from math import ceil
from typing import Any

from django.contrib import admin
from django.contrib.auth.views import PasswordChangeView
from django.core.exceptions import ValidationError
from django.http import HttpRequest, HttpResponse, HttpResponseBase
from django.template.response import TemplateResponse
from django.urls import reverse
from django.views.decorators.debug import sensitive_variables
from unfold.forms import AdminOwnPasswordChangeForm
from unfold.sites import UnfoldAdminSite

from orders_project.log_ins import is_password_of, seconds_to_wait


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
    def password_change(self, request: HttpRequest, extra_context: dict[str, Any] | None = None) -> HttpResponseBase:
        request.current_app = self.name
        view = PasswordChangeView.as_view(
            form_class=partial(OwnPasswordForm, request),
            success_url=reverse(f"{self.name}:password_change_done", current_app=self.name),
            extra_context={**self.each_context(request), **(extra_context or {})},
        )
        return view(request)


def locked_out(request: HttpRequest, response: HttpResponse, credentials: dict[str, Any] | None) -> HttpResponse:
    """The page that says how long to wait: 429 with Retry-After (RFC 6585)."""
    wait = seconds_to_wait(request, credentials)
    context = admin.site.each_context(request) | {"title": "Log in", "minutes": ceil(wait / 60)}
    page = TemplateResponse(request, "admin/locked_out.html", context, status=429, headers={"Retry-After": str(wait)})
    return page.render()
