"""What is done to a colleague: added, given another role, switched off and on, and helped back in.

Each is decided by :mod:`orders_project.staff.rights`, changes only its own fields, and is told in the admin log.
"""

from django.conf import settings
from django.contrib.admin.models import ADDITION, CHANGE, LogEntry
from django.contrib.auth.models import Group, User
from django.contrib.contenttypes.models import ContentType
from django.core.exceptions import PermissionDenied, ValidationError
from django.core.validators import validate_email
from django.db import IntegrityError
from django.utils.translation import gettext as _
from django.utils.translation import gettext_noop

from orders.services.text_rules import one_line, problem_within
from orders_project.sign_on import accounts
from orders_project.staff import links, second_factor, sign_ins
from orders_project.staff.names_and_passwords import is_taken
from orders_project.staff.rights import Deed, may

LONGEST_NAME, LONGEST_SUBJECT = 150, 255
SHOWN = 20
ADDED = gettext_noop("Added as %(role)s.")
ROLE_CHANGED = gettext_noop("Role changed from %(former)s to %(role)s.")
SWITCHED_ON = gettext_noop("Switched on.")
SWITCHED_OFF = gettext_noop("Switched off.")
PASSWORD_RESET = gettext_noop("Password reset; a link for a new one was made.")
SECOND_FACTOR_OFF = gettext_noop("Two-factor log-in turned off.")
SESSIONS_ENDED = gettext_noop("Sessions ended.")
DONE = (ADDED, ROLE_CHANGED, SWITCHED_ON, SWITCHED_OFF, PASSWORD_RESET, SECOND_FACTOR_OFF, SESSIONS_ENDED)
"""What the admin log says, in English whoever did it: pages translate it."""


def add(
    manager: User, *, username: str, name: str, email: str, role: Group | None, subject: str = ""
) -> tuple[User, str]:
    """Make an account, staff by its role, whose password nobody knows.

    :param subject: the person's at the sign-on provider, to whom the account is linked; empty if they come by password.
    :returns: the account, and the path by which they set a password: empty if they need none.
    :raises PermissionDenied:
    :raises ValidationError: by field; nothing was added.
    """
    if not may(Deed.ADD, manager, role=role):
        raise PermissionDenied
    username, name, email = username.strip(), one_line(name), email.strip()
    if problems := _problems(username, name, email, role, subject):
        raise ValidationError(problems)
    assert role is not None  # noqa: S101 - else it is a problem
    try:
        user = User.objects.create_user(username, email, first_name=name, is_staff=True)
    except IntegrityError as error:  # meanwhile
        raise ValidationError({"username": _("Somebody has this user name already.")}) from error
    if subject:
        _link(user, subject)
    user.groups.set([role])
    _log(manager, user, ADDED % {"role": role.name}, ADDITION)
    return user, "" if subject or not settings.LOCAL_LOGIN else links.new_link(user)


def change_role(manager: User, colleague: User, role: Group) -> None:
    """Give a colleague this role in place of all others, and end their sessions.

    :raises PermissionDenied:
    """
    _require(Deed.CHANGE_ROLE, manager, colleague, role)
    former = ", ".join(colleague.groups.order_by("name").values_list("name", flat=True)) or "-"
    colleague.groups.set([role])
    User.objects.filter(pk=colleague.pk).update(is_staff=True)
    links.void(colleague)
    sign_ins.end_all(colleague, by=manager)
    _log(manager, colleague, ROLE_CHANGED % {"former": former, "role": role.name})


def switch(manager: User, colleague: User, *, on: bool) -> None:
    """Let a colleague in again, or keep them out, at once. Done again, it ends the sessions that an error left open.

    :raises PermissionDenied:
    """
    _require(Deed.SWITCH_ON if on else Deed.SWITCH_OFF, manager, colleague)
    was_other = User.objects.filter(pk=colleague.pk, is_active=not on).update(is_active=on)
    ended = 0
    if not on:
        links.void(colleague)
        ended = sign_ins.end_all(colleague, by=manager)
    if was_other or ended:
        _log(manager, colleague, SWITCHED_ON if on else SWITCHED_OFF)


def reset_password(manager: User, colleague: User) -> str:
    """Take a colleague's password away, and end their sessions. :returns: the path by which they set another.

    :raises PermissionDenied: decided again once the link is made, which is void if their rights change after that.
    """
    _require(Deed.RESET_PASSWORD, manager, colleague)
    if not settings.LOCAL_LOGIN:
        raise PermissionDenied
    link = links.new_link(colleague)
    sign_ins.end_all(colleague, by=manager)
    _log(manager, colleague, PASSWORD_RESET)
    _require(Deed.RESET_PASSWORD, User.objects.get(pk=manager.pk), User.objects.get(pk=colleague.pk))
    return link


def reset_second_factor(manager: User, colleague: User) -> None:
    """Turn a colleague's second factor off, who has lost it, and end their sessions.

    :raises PermissionDenied:
    """
    _require(Deed.RESET_SECOND_FACTOR, manager, colleague)
    was_on, ended = second_factor.remove(colleague), sign_ins.end_all(colleague, by=manager)
    if was_on or ended:
        _log(manager, colleague, SECOND_FACTOR_OFF)


def end_sessions(manager: User, colleague: User) -> None:
    """:raises PermissionDenied:"""
    _require(Deed.END_SESSIONS, manager, colleague)
    if sign_ins.end_all(colleague, by=manager):
        _log(manager, colleague, SESSIONS_ENDED)


def done_to(user: User) -> list[LogEntry]:
    """The newest entries of the admin log about somebody."""
    return list(LogEntry.objects.filter(object_id=str(user.pk)).select_related("user").order_by("-action_time")[:SHOWN])


def _require(deed: Deed, manager: User, colleague: User, role: Group | None = None) -> None:
    if not may(deed, manager, colleague, role):
        raise PermissionDenied


def _problems(username: str, name: str, email: str, role: Group | None, subject: str) -> dict[str, str]:
    """What is wrong, by field."""
    found: dict[str, str] = {}
    if not accounts.USERNAME.fullmatch(username):
        found["username"] = _("Letters, digits and @ . + - _ only, beginning with a letter or digit; at most 100.")
    elif is_taken(username):
        found["username"] = _("Somebody has this user name already.")
    if problem := problem_within(name, LONGEST_NAME):
        found["name"] = problem
    try:
        validate_email(email)
    except ValidationError:
        found["email"] = _("Enter an e-mail address.")
    if role is None:
        found["role"] = _("Choose a role.")
    if subject and not settings.OIDC_ISSUER:
        found["subject"] = _("There is no sign-on provider here.")
    elif subject and (len(subject) > LONGEST_SUBJECT or problem_within(subject, LONGEST_SUBJECT)):
        found["subject"] = _("This cannot be a subject at the sign-on provider.")
    elif subject and accounts.linked(settings.OIDC_ISSUER, subject):
        found["subject"] = _("Somebody has an account for this subject already.")
    elif not (subject or settings.LOCAL_LOGIN):
        found["subject"] = _("Enter the person’s id at the sign-on provider: passwords are not accepted here.")
    return found


def _link(user: User, subject: str) -> None:
    try:
        accounts.link(user, settings.OIDC_ISSUER, subject)
    except IntegrityError as error:  # meanwhile
        user.delete()
        raise ValidationError({"subject": _("Somebody has an account for this subject already.")}) from error


def _log(manager: User, colleague: User, told: str, flag: int = CHANGE) -> None:
    LogEntry.objects.create(
        user_id=manager.pk,
        content_type=ContentType.objects.get_for_model(User),
        object_id=str(colleague.pk),
        object_repr=colleague.get_username(),
        action_flag=flag,
        change_message=told,
    )
