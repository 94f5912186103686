"""Which account somebody gets whom the provider vouches for, and with which groups.

People are known by issuer and subject, and by nothing else: e-mail addresses and names change, are given to others, and
are matched here as patterns. No claim links anybody to an account that exists: `manage.py link_staff_login` does.
"""

import logging
import re
from contextlib import suppress
from typing import Any

from django.conf import settings
from django.contrib.auth.models import Group, User
from django.core.exceptions import ValidationError
from django.core.validators import validate_email
from django.db import IntegrityError
from django.utils import timezone
from django.utils.crypto import get_random_string
from django.utils.translation import gettext as _

from orders.services.text_rules import one_line, problem_of
from orders_project.models import StaffIdentity, key_of
from orders_project.sign_on import no_access
from orders_project.staff.names_and_passwords import is_taken

logger = logging.getLogger(__name__)

USERNAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9@.+_-]{0,99}")
"""Plain letters only: a name stands in the history of orders, and none may look like another."""

APART = "abcdefghjkmnpqrstuvwxyz23456789"
"""What tells names apart, without characters that look alike."""


def account_for(claims: dict[str, Any]) -> User:
    """The account of the person whom the claims describe, with the groups that they give.

    :raises SignOnRefused: they have none, it is disabled, or none of their groups is one of ours.
    """
    issuer, subject = settings.OIDC_ISSUER, claims["sub"]
    groups, user = groups_of(claims), linked(issuer, subject)
    if user is not None:
        if not user.is_active:
            raise no_access(_("Your account here is disabled."), why=f"{user.get_username()} is disabled")
        _set_groups(user, groups)
    if not groups:
        raise no_access(
            _("You signed on as %(name)s, but none of your groups there gives access to this backoffice.")
            % {"name": _shown(claims)},
            why=f"subject {subject!r} has no group of OIDC_GROUPS",
        )
    if user is None:
        if not settings.OIDC_CREATE_ACCOUNTS:
            raise no_access(
                _(
                    "There is no account here for %(name)s. Ask an administrator of this backoffice to link one to "
                    "you: your subject there is %(subject)s."
                )
                % {"name": _shown(claims), "subject": subject},
                why=f"subject {subject!r} is linked to no account",
            )
        user = _created(issuer, subject, claims)
        _set_groups(user, groups)
    _set_profile(user, claims)
    logger.info("%s signed on, with the groups %s", user.get_username(), ", ".join(sorted(map(str, groups))))
    return user


def linked(issuer: str, subject: str) -> User | None:
    """The account of a person at a provider; one that was deleted past Django leaves no link behind."""
    identities = StaffIdentity.objects.filter(pk=key_of(issuer, subject))
    found = identities.values_list("user", flat=True).first()
    user = None if found is None else User.objects.filter(pk=found).first()
    if user is None:
        identities.filter(user=found).delete()
    return user


def link(user: User, issuer: str, subject: str) -> None:
    """:raises IntegrityError: the person has an account."""
    StaffIdentity.objects.create(
        key=key_of(issuer, subject), issuer=issuer, subject=subject, user=user, created_at=timezone.now()
    )


def groups_of(claims: dict[str, Any]) -> list[Group]:
    """Our groups for what the groups claim says; what OIDC_GROUPS does not name gives nothing."""
    given = claims.get(settings.OIDC_GROUPS_CLAIM)
    values = {value for value in (given if isinstance(given, list) else [given]) if isinstance(value, str)}
    names = {settings.OIDC_GROUPS[value] for value in values & settings.OIDC_GROUPS.keys()}
    groups = list(Group.objects.filter(name__in=names))
    if missing := names - {group.name for group in groups}:
        logger.error("OIDC_GROUPS names groups that do not exist: %s", ", ".join(sorted(missing)))
    return groups


def _created(issuer: str, subject: str, claims: dict[str, Any]) -> User:
    """A new account without a password; another log-in of the same person at the same time may be first."""
    user = _named(_username(claims))
    try:
        link(user, issuer, subject)
    except IntegrityError:
        user.delete()
        first = linked(issuer, subject)
        assert first is not None  # noqa: S101 - it is why this one could not be linked
        return first
    return user


def _named(name: str) -> User:
    """A new account of that name, or of one like it."""
    if name and not is_taken(name):
        with suppress(IntegrityError):  # taken meanwhile
            return User.objects.create_user(name)
    return User.objects.create_user(f"{name or 'staff'}-{get_random_string(6, APART)}")


def _username(claims: dict[str, Any]) -> str:
    """What the provider calls them, if it can be read out; else empty."""
    for given in (claims.get("preferred_username"), _email(claims)):
        if isinstance(given, str) and USERNAME.fullmatch(given):
            return given
    return ""


def _set_groups(user: User, groups: list[Group]) -> None:
    """Exactly these: what was taken from somebody there is taken here. A superuser is staff in any case."""
    try:
        user.groups.set(groups)
    except IntegrityError:  # another log-in of theirs, at the same time, was first with one of them
        user.groups.set(groups)
    if not user.is_superuser and user.is_staff != bool(groups):
        user.is_staff = bool(groups)
        user.save(update_fields=["is_staff"])


def _set_profile(user: User, claims: dict[str, Any]) -> None:
    """Names and address as the provider has them now; an address that it has not verified is none."""
    said = {
        "first_name": _line(claims.get("given_name")),
        "last_name": _line(claims.get("family_name")),
        "email": _email(claims),
    }
    changed = {name: value for name, value in said.items() if value and getattr(user, name) != value}
    if changed:
        for name, value in changed.items():
            setattr(user, name, value)
        user.save(update_fields=list(changed))


def _email(claims: dict[str, Any]) -> str:
    given = claims.get("email")
    if claims.get("email_verified") is not True or not isinstance(given, str) or len(given) > 254 or problem_of(given):
        return ""
    try:
        validate_email(given)
    except ValidationError:
        return ""
    return given


def _line(given: object) -> str:
    line = one_line(given) if isinstance(given, str) else ""
    return "" if problem_of(line) else line[:150]


def _shown(claims: dict[str, Any]) -> str:
    """How they are called in a message to themselves."""
    named = (_line(claims.get(name)) for name in ("preferred_username", "email", "name"))
    return next(filter(None, named), claims["sub"])
