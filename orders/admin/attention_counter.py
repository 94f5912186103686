"""The number beside "Needs attention" in the navigation, on every page of the backoffice."""

import time

from django.db import DatabaseError
from django.http import HttpRequest
from django.utils import timezone

from orders.admin.staff_actions import actor_of
from orders.services.access import NotPermitted
from orders.services.reporting import attention

MOST = 100
"""Orders that are counted; of so many or more the badge says that there are more."""
KEPT_FOR = 15.0
"""Seconds for which a process shows a number before it counts again."""
WITHIN = 0.3
"""Seconds that counting may take."""

_kept: dict[str, tuple[float, str]] = {}


def badge(request: HttpRequest) -> str:
    """How many orders need attention; empty for none, and where the database does not say.

    The theme asks only for those who may open the page that the number stands beside.
    """
    counted_at, told = _kept.get("told", (0.0, ""))
    if not counted_at or time.monotonic() - counted_at > KEPT_FOR:
        told = _counted(request)
        _kept["told"] = time.monotonic(), told
    return told


def forget() -> None:
    """Count anew for the next page that this process shows."""
    _kept.clear()


def _counted(request: HttpRequest) -> str:
    try:
        number = attention.number(actor=actor_of(request), at=timezone.now(), most=MOST, within=WITHIN)
    except (DatabaseError, NotPermitted):
        return ""
    return f"{MOST - 1}+" if number >= MOST else str(number or "")
