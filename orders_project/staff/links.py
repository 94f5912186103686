"""Links by which colleagues set their own passwords: Django's tokens, void as soon as the account's rights change."""

from django.contrib.auth.hashers import make_password
from django.contrib.auth.models import User
from django.contrib.auth.tokens import PasswordResetTokenGenerator
from django.urls import reverse
from django.utils.encoding import force_bytes
from django.utils.http import urlsafe_base64_encode

from orders_project.staff.rights import permissions_of


class LinkTokens(PasswordResetTokenGenerator):
    """Besides being void once used, after a log-in and after PASSWORD_RESET_TIMEOUT.

    Whoever made the link may then no longer have the right to give the account a password.
    """

    key_salt = "orders_project.staff.links"

    def _make_hash_value(self, user: User, timestamp: int) -> str:  # type: ignore[override]
        rights = " ".join(sorted(map(str, permissions_of(user))))
        return f"{super()._make_hash_value(user, timestamp)} {user.is_active} {user.is_superuser} {rights}"


tokens = LinkTokens()


def new_link(user: User) -> str:
    """The path of a page on which somebody sets a new password. The old one and former links are worth nothing now."""
    user.password = make_password(None)
    User.objects.filter(pk=user.pk).update(password=user.password)
    named = urlsafe_base64_encode(force_bytes(user.pk))
    return reverse("admin:set_password", kwargs={"uidb64": named, "token": tokens.make_token(user)})
