"""Names and passwords of logins: whether a name is taken, and how a password is written."""

import re
from typing import Any

from django.contrib.auth.base_user import AbstractBaseUser
from django.contrib.auth.models import User
from django.core.exceptions import PermissionDenied
from django.utils.translation import gettext as _


def write_password(user: AbstractBaseUser, former: str, *, told: str = "", **still: Any) -> None:
    """Write a user's new password and nothing else, if the stored one is still the former, and the rest as given.

    Django writes the whole account, and with it undoes what others changed meanwhile.

    :param former: a hash.
    :param told: why it is not written, where it is not.
    :raises PermissionDenied:
    """
    if not User.objects.filter(pk=user.pk, password=former, **still).update(password=user.password):
        raise PermissionDenied(told or _("This account was changed meanwhile. The password is not changed."))


def is_taken(username: str) -> bool:
    """Whether there is such a login, whatever its case. The backend uses `iexact` as a pattern without escaping it."""
    return User.objects.filter(username__iregex=rf"^{re.escape(username)}$").exists()
