"""Coming in by password: the form, the code that is asked for after it, and setting a password by a link."""

import logging
from math import ceil
from typing import Any

from django import forms
from django.conf import settings
from django.contrib import admin, messages
from django.contrib.auth import login
from django.contrib.auth.forms import SetPasswordForm
from django.contrib.auth.models import User
from django.contrib.auth.views import LoginView, PasswordResetConfirmView
from django.core.exceptions import PermissionDenied
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseBase, HttpResponseRedirect
from django.template.response import TemplateResponse
from django.urls import reverse, reverse_lazy
from django.utils import timezone
from django.utils.crypto import constant_time_compare
from django.utils.translation import gettext as _
from django.utils.translation import ngettext
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_http_methods
from unfold.forms import AuthenticationForm
from unfold.widgets import BASE_INPUT_CLASSES

from orders_project.models import SignIn
from orders_project.staff import second_factor, sign_ins
from orders_project.staff.links import tokens

logger = logging.getLogger(__name__)

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


@require_http_methods(["GET", "HEAD", "POST"])
@never_cache
def ask_for_code(request: HttpRequest) -> HttpResponse:
    """The second step of a log-in: GET the form; POST `code`."""
    waiting, user = _waiting(request)
    if user is None:
        return HttpResponseRedirect(reverse("admin:login"))
    problem = ""
    if request.method == "POST":
        try:
            way = second_factor.take(user, request.POST.get("code", ""))
        except second_factor.TooManyCodes as too_many:
            return locked(request, too_many.wait)
        if way:
            return _let_in(request, user, waiting, way)
        logger.warning("log-in refused: a wrong code of %s", user.get_username())
        problem = wrong_code()
    context = admin.site.each_context(request) | {"title": _("Enter the code"), "problem": problem}
    return TemplateResponse(request, "admin/staff/code.html", context | {"input_class": " ".join(BASE_INPUT_CLASSES)})


def wrong_code() -> str:
    return _("This code is wrong, out of date or already used. Wait for the next one, and enter that.")


def _waiting(request: HttpRequest) -> tuple[dict[str, Any], User | None]:
    """What the session says of a log-in that waits for its code, and whose it is, unless the password has changed."""
    waiting = request.session.get(WAITING, {})
    if not waiting or waiting["until"] < timezone.now().timestamp():
        return {}, None
    user = User.objects.filter(pk=waiting["user"], is_active=True, is_staff=True).first()
    if user is None or not constant_time_compare(waiting["hash"], user.get_session_auth_hash()):
        return {}, None
    return waiting, user


def _let_in(request: HttpRequest, user: User, waiting: dict[str, Any], way: Any) -> HttpResponse:
    del request.session[WAITING]
    setattr(request, sign_ins.WAY, way)
    login(request, user, backend=waiting["backend"])
    if way == SignIn.Way.RECOVERY:
        left = second_factor.recovery_codes_left(user)
        told = ngettext("%(left)d recovery code is left.", "%(left)d recovery codes are left.", left)
        messages.warning(request, told % {"left": left})
    return HttpResponseRedirect(waiting["next"])


def locked(request: HttpRequest, wait: int) -> HttpResponse:
    """The page that says how long to wait: 429 with Retry-After (RFC 6585)."""
    context = admin.site.each_context(request) | {"title": _("Log in"), "minutes": ceil(wait / 60)}
    page = TemplateResponse(request, "admin/locked_out.html", context, status=429, headers={"Retry-After": str(wait)})
    return page.render()


class NewPasswordForm(SetPasswordForm):
    """A new password, written only if the account still has the one for which the link was made."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        for field in self.fields.values():
            field.widget.attrs["class"] = " ".join(BASE_INPUT_CLASSES)

    def save(self, commit: bool = True) -> Any:
        """:raises PermissionDenied: the link was used, or replaced by another, meanwhile."""
        former = self.user.password
        super().save(commit=False)
        if not User.objects.filter(pk=self.user.pk, password=former).update(password=self.user.password):
            raise PermissionDenied(_("This link has been used already."))
        sign_ins.end_all(self.user, by=self.user)
        return self.user


class SetPassword(PasswordResetConfirmView):
    """The page to which a link leads. The token moves from the address into the session at once."""

    form_class = NewPasswordForm
    token_generator = tokens
    template_name = "admin/staff/set_password.html"
    success_url = reverse_lazy("admin:login")

    def dispatch(self, *args: Any, **kwargs: Any) -> HttpResponseBase:
        if not settings.LOCAL_LOGIN:
            raise Http404
        return super().dispatch(*args, **kwargs)

    def get_context_data(self, **kwargs: Any) -> dict[str, Any]:
        return admin.site.each_context(self.request) | super().get_context_data(**kwargs)

    def form_valid(self, form: Any) -> HttpResponse:
        answer: HttpResponse = super().form_valid(form)
        messages.success(self.request, _("Your password is set. Log in with it."))
        return answer
