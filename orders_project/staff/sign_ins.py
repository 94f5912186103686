"""Sessions of staff: recorded when they begin, asked about at each request, and ended.

A session names its sign-in. It counts for nothing once that has ended, so ending one needs no search through the store
of sessions, and the key of a session may change (as it does with a new password) without anybody losing sight of it.
"""

import re
from collections.abc import Iterable
from datetime import timedelta
from ipaddress import ip_address, ip_network
from typing import Any

from django.conf import settings
from django.contrib.auth import BACKEND_SESSION_KEY
from django.contrib.auth.models import User
from django.db.models import QuerySet
from django.http import HttpRequest
from django.utils import timezone
from django.utils.translation import gettext_noop

from orders.api.client_address import client_address
from orders.services.identifiers import object_id
from orders_project.models import SignIn
from orders_project.settings.sign_on import BACKEND as PROVIDER

KEY = "sign_in"
"""Where a session says which sign-in it is."""
WAY = "sign_in_way"
"""Where a request says how somebody comes in, if not by a password alone."""
SEEN_EVERY = timedelta(minutes=1)
SHOWN = 20
BROWSERS = {"Edg": "Edge", "OPR": "Opera", "Firefox": "Firefox", "FxiOS": "Firefox", "CriOS": "Chrome",
            "Chrome": "Chrome", "Safari": "Safari"}  # fmt: skip
"""What a browser calls itself, the ones that also call themselves like others first."""
SYSTEMS = {"iPhone": "iPhone", "iPad": "iPad", "Android": "Android", "Windows": "Windows", "Mac OS X": "macOS",
           "CrOS": "ChromeOS", "Linux": "Linux"}  # fmt: skip
BROWSER = gettext_noop("%(browser)s on %(system)s")
KEPT_BITS = {4: 24, 6: 48}
"""How much of an address is kept, by its version: enough to tell the office from home."""


def record(sender: Any, request: HttpRequest, user: User, **kwargs: Any) -> None:
    """Somebody has logged in; the session ends STAFF_SESSION_AGE later. Django would put that off with each write."""
    now = timezone.now()
    ends_at = now + timedelta(seconds=settings.STAFF_SESSION_AGE)
    request.session.set_expiry(ends_at)
    if former := object_id(str(request.session.get(KEY, ""))):  # they logged in again, without logging out
        end(SignIn.objects.filter(pk=former), by=user)
    by_provider = request.session[BACKEND_SESSION_KEY] == PROVIDER
    made = SignIn.objects.create(
        user=user,
        way=getattr(request, WAY, SignIn.Way.PROVIDER if by_provider else SignIn.Way.PASSWORD),
        began_at=now,
        seen_at=now,
        ends_at=ends_at,
        browser=browser_of(request.headers.get("User-Agent", "")),
        address=network_of(client_address(request)),
        kept_until=now + timedelta(days=settings.STAFF_SIGN_INS_DAYS),
    )
    request.session[KEY] = str(made.pk)
    _remember(request, made)


def record_end(sender: Any, request: HttpRequest, user: User | None, **kwargs: Any) -> None:
    """Somebody logs out."""
    if user is not None and (sign_in := current(request)):
        end([sign_in], by=user)


def current(request: HttpRequest) -> SignIn | None:
    """The sign-in of this request's session, unless it has ended; asked once for each request."""
    if not hasattr(request, "_sign_in"):
        _remember(request, _found(request))
    found: SignIn | None = request._sign_in  # type: ignore[attr-defined]
    return found


def newest(user: User) -> list[SignIn]:
    return list(SignIn.objects.filter(user=user).order_by("-began_at")[:SHOWN])


def open_ones(user: User) -> QuerySet[SignIn]:
    """Those that go on; one that has run out needs no end."""
    return SignIn.objects.filter(user=user, ends_at__gt=timezone.now(), ended_at=None)


def end(which: Iterable[SignIn], *, by: User) -> int:
    """:returns: how many went on until now."""
    ids = [each.pk for each in which]
    told = {"ended_at": timezone.now(), "ended_by": by.get_username()}
    return SignIn.objects.filter(pk__in=ids, ended_at=None).update(**told) if ids else 0


def end_all(user: User, *, by: User, but: SignIn | None = None) -> int:
    """End all sessions of somebody, or all but one. :returns: how many went on until now."""
    return end([each for each in open_ones(user) if but is None or each.pk != but.pk], by=by)


def _found(request: HttpRequest) -> SignIn | None:
    key = object_id(str(request.session.get(KEY, "")))
    found = SignIn.objects.filter(pk=key, user=request.user.pk).first() if key else None
    if found is None or found.ended_at:
        return None
    now = timezone.now()
    if now - found.seen_at > SEEN_EVERY:
        SignIn.objects.filter(pk=found.pk).update(seen_at=now)
    return found


def _remember(request: HttpRequest, sign_in: SignIn | None) -> None:
    request._sign_in = sign_in  # type: ignore[attr-defined]


def browser_of(agent: str) -> str:
    """What somebody's browser and machine are called, roughly, e.g. `Firefox on Linux`."""
    browser = next((name for token, name in BROWSERS.items() if re.search(rf"\b{token}/", agent)), "")
    system = next((name for token, name in SYSTEMS.items() if token in agent), "")
    return BROWSER % {"browser": browser, "system": system} if browser and system else browser or system


def network_of(address: str) -> str:
    """The network of an address, e.g. `192.0.2.0/24`."""
    version = ip_address(address).version
    return str(ip_network((address, KEPT_BITS[version]), strict=False))
