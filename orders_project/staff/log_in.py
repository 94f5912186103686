"""Coming in by password: the form, and the page that says how long to wait."""

from math import ceil
from typing import Any, cast

from django import forms
from django.conf import settings
from django.contrib import admin
from django.contrib.admin import AdminSite
from django.contrib.auth import REDIRECT_FIELD_NAME
from django.contrib.auth.views import LoginView
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.template.response import TemplateResponse
from django.urls import reverse
from django.utils import timezone
from django.utils.translation import gettext as _
from django.utils.translation import ngettext
from django.views.decorators.cache import never_cache
from unfold.forms import AuthenticationForm

from orders_project.staff import second_factor

WAITING = "waiting_for_code"
"""Where a session says whose password was right."""
PATIENCE = 600
"""Seconds until the password has to be typed again."""


class LogInForm(AuthenticationForm):
    def get_invalid_login_error(self) -> forms.ValidationError:
        """The same for every reason, so that it tells nobody which names there are."""
        minutes = ceil(settings.LOG_IN_COOL_OFF / 60)
        told = ngettext(
            "The user name or the password is wrong, or the account is switched off. After too many tries, log-in is "
            "locked for %(minutes)d minute.",
            "The user name or the password is wrong, or the account is switched off. After too many tries, log-in is "
            "locked for %(minutes)d minutes.",
            minutes,
        )
        return forms.ValidationError(told % {"minutes": minutes}, code="invalid_login")

    def confirm_login_allowed(self, user: Any) -> None:
        """Customers and others without a role do not exist here."""
        if not (user.is_active and user.is_staff):
            raise self.get_invalid_login_error()


class LogIn(LoginView):
    def form_valid(self, form: Any) -> HttpResponse:
        user = form.get_user()
        if not second_factor.is_asked_of(user):
            return super().form_valid(form)
        session = self.request.session
        session[WAITING] = {
            "user": str(user.pk),
            "backend": user.backend,
            "hash": user.get_session_auth_hash(),
            "until": timezone.now().timestamp() + PATIENCE,
            "next": self.get_success_url(),
        }
        session.cycle_key()
        return HttpResponseRedirect(reverse("admin:second_factor"))


def locked(request: HttpRequest, wait: int) -> HttpResponse:
    """The page that says how long to wait: 429 with Retry-After (RFC 6585)."""
    context = admin.site.each_context(request) | {"title": _("Log in"), "minutes": ceil(wait / 60)}
    page = TemplateResponse(request, "admin/locked_out.html", context, status=429, headers={"Retry-After": str(wait)})
    return page.render()


@never_cache
def page(request: HttpRequest, site: AdminSite, extra_context: dict[str, Any]) -> HttpResponse:
    """As Django's `AdminSite.login`, which takes no view of ours."""
    context = {
        **site.each_context(request),
        "title": _("Log in"),
        "subtitle": None,
        "app_path": request.get_full_path(),
        "username": request.user.get_username(),
    }
    if REDIRECT_FIELD_NAME not in request.GET and REDIRECT_FIELD_NAME not in request.POST:
        context[REDIRECT_FIELD_NAME] = reverse("admin:index", current_app=site.name)
    request.current_app = site.name
    view = LogIn.as_view(
        extra_context=context | extra_context,
        authentication_form=LogInForm,
        template_name=site.login_template,
    )
    return cast("HttpResponse", view(request))
