"""Staff and their sessions, as pages tell of them."""

from collections.abc import Iterable
from typing import Any

from django.contrib import admin
from django.contrib.admin.models import LogEntry
from django.contrib.auth.models import Group, User
from django.http import HttpRequest, HttpResponse
from django.template.response import TemplateResponse
from django.utils import timezone
from django.utils.translation import gettext as _

from orders.admin import badges, labels
from orders.services import stored_texts
from orders_project.models import SecondFactor, SignIn
from orders_project.staff.sign_ins import BROWSER


def answer(request: HttpRequest, name: str, context: dict[str, Any], status: int = 200) -> HttpResponse:
    """A page about staff, by the name of its template."""
    context = {**admin.site.each_context(request), **context}
    return TemplateResponse(request, f"admin/staff/{name}.html", context, status=status)


def people(users: Iterable[User]) -> list[dict[str, Any]]:
    """Rows of the list of colleagues."""
    listed, now = list(users), timezone.now()
    ids = [user.pk for user in listed]
    with_code = set(SecondFactor.objects.filter(pk__in=ids).values_list("pk", flat=True))
    names = dict(Group.objects.values_list("pk", "name"))
    roles: dict[Any, list[str]] = {}
    for user_id, group_id in User.groups.through.objects.filter(user__in=ids).values_list("user_id", "group_id"):
        roles.setdefault(user_id, []).append(names.get(group_id, ""))
    return [
        {
            "user": user,
            "role": _("Superuser") if user.is_superuser else ", ".join(sorted(roles.get(user.pk, []))),
            "state": state_of(user),
            "has_code": user.pk in with_code,
            "last": user.last_login and labels.moment(user.last_login, now),
        }
        for user in listed
    ]


def role_of(user: User) -> str:
    if user.is_superuser:
        return _("Superuser")
    return ", ".join(user.groups.order_by("name").values_list("name", flat=True))


def state_of(user: User) -> str:
    """A badge: whether somebody can log in."""
    if not user.is_active:
        return badges.badge("revoked", _("Switched off"))
    return badges.badge("active", _("Active")) if user.is_staff else badges.badge("", _("No role"))


def sessions(sign_ins: Iterable[SignIn], current: SignIn | None = None) -> list[dict[str, Any]]:
    """Rows of a list of sessions."""
    now = timezone.now()
    return [
        {
            "sign_in": each,
            "browser": translated(each.browser, BROWSER),
            "began": labels.moment(each.began_at, now),
            "seen": labels.moment(each.seen_at, now),
            "is_current": current is not None and each.pk == current.pk,
            "is_open": each.ended_at is None and each.ends_at > now,
            "ended": _ended(each),
        }
        for each in sign_ins
    ]


def _ended(sign_in: SignIn) -> str:
    if sign_in.ended_at is None:
        return _("Expired")
    if sign_in.ended_by == sign_in.user.get_username():
        return _("Ended")
    return _("Ended by %(login)s") % {"login": sign_in.ended_by}


def deeds(entries: Iterable[LogEntry], *messages: str) -> list[tuple[labels.Moment, Any, str]]:
    """What was done to somebody: when, by whom, and what.

    :param messages: what is kept of a deed, as :func:`translated` takes them.
    """
    now = timezone.now()
    return [
        (labels.moment(each.action_time, now), each.user, translated(each.get_change_message(), *messages))
        for each in entries
    ]


def translated(kept: str, *messages: str) -> str:
    """A text that was kept in English, for its reader: where it is one of the messages, with its names filled in."""
    return stored_texts.translated(kept, messages) or kept
