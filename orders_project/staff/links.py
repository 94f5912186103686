"""Links by which colleagues set their own passwords: Django's tokens, void as soon as the account's rights change."""

from typing import Any

from django.conf import settings
from django.contrib import admin, messages
from django.contrib.auth.forms import SetPasswordForm
from django.contrib.auth.hashers import UNUSABLE_PASSWORD_PREFIX, make_password
from django.contrib.auth.models import User
from django.contrib.auth.tokens import PasswordResetTokenGenerator
from django.contrib.auth.views import PasswordResetConfirmView
from django.http import Http404, HttpResponse, HttpResponseBase
from django.urls import reverse, reverse_lazy
from django.utils.encoding import force_bytes
from django.utils.http import urlsafe_base64_encode
from django.utils.translation import gettext as _
from unfold.widgets import BASE_INPUT_CLASSES

from orders_project.staff import sign_ins
from orders_project.staff.names_and_passwords import write_password
from orders_project.staff.rights import permissions_of, signs_on


class LinkTokens(PasswordResetTokenGenerator):
    """Besides being void once used, after a log-in and after PASSWORD_RESET_TIMEOUT.

    Whoever made the link may then no longer have the right to give the account a password.
    """

    key_salt = "orders_project.staff.links"

    def _make_hash_value(self, user: User, timestamp: int) -> str:  # type: ignore[override]
        rights = " ".join(sorted(map(str, permissions_of(user))))
        state = f"{user.is_active} {user.is_superuser} {signs_on(user)}"
        return f"{super()._make_hash_value(user, timestamp)} {state} {rights}"


tokens = LinkTokens()


def take_password(user: User) -> None:
    """Leave somebody without a password: the old one and former links are worth nothing now."""
    user.password = make_password(None)
    User.objects.filter(pk=user.pk).update(password=user.password)


def new_link(user: User) -> str:
    """The path of a page on which somebody sets a new password; see :func:`take_password`."""
    take_password(user)
    named = urlsafe_base64_encode(force_bytes(user.pk))
    return reverse("admin:set_password", kwargs={"uidb64": named, "token": tokens.make_token(user)})


def void(user: User) -> None:
    """Make open links worth nothing for good, even if the account is one day again what it was when they were made."""
    is_unset = User.objects.filter(pk=user.pk, password__startswith=UNUSABLE_PASSWORD_PREFIX)
    is_unset.update(password=make_password(None))


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
        write_password(self.user, former, told=_("This link has been used already."))
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
