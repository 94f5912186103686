"""What the forms of the attention page post of several orders at a time: read, handed to a service, told in words."""

import re
from datetime import date, datetime, timedelta
from typing import TYPE_CHECKING, Any

from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, ngettext

from orders.admin.bulk_selection import keys_of
from orders.admin.local_formats import count, exact
from orders.services import days
from orders.services.audit import LONGEST_REASON, Act
from orders.services.days import ONE_DAY, day_bounds
from orders.services.errors import OrderError
from orders.services.reporting import snoozing
from orders.services.reporting.snoozing import Done

if TYPE_CHECKING:
    from django.http import QueryDict

DATE = "date"
LENGTHS = {
    "4": gettext_lazy("4 hours"),
    "24": gettext_lazy("1 day"),
    "72": gettext_lazy("3 days"),
    "168": gettext_lazy("1 week"),
    "336": gettext_lazy("2 weeks"),
    DATE: gettext_lazy("Until a date"),
}
"""For how long orders are snoozed, by hours."""
DAY = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}\Z")


def snooze(post: "QueryDict", act: Act) -> str:
    """Take `_selected_action`, `for`, `date` if that is the choice, and `reason`."""
    until = _until(post, act.at)
    done = snoozing.snooze(order_ids=keys_of(post.getlist("_selected_action")), until=until, act=act)
    told = ngettext(
        "%(count)s order is snoozed until %(until)s.", "%(count)s orders are snoozed until %(until)s.", done.changed
    )
    return _told(done, told % {"count": count(done.changed), "until": exact(until)})


def wake(post: "QueryDict", act: Act) -> str:
    """Take `_selected_action`."""
    done = snoozing.wake(order_ids=keys_of(post.getlist("_selected_action")), act=act)
    told = ngettext("%(count)s order is awake again.", "%(count)s orders are awake again.", done.changed)
    return _told(done, told % {"count": count(done.changed)})


def _told(done: Done, told: str) -> str:
    """What was done, and what was not. :raises OrderError: nothing was."""
    skipped = [
        ngettext("%(count)s was skipped: %(why)s.", "%(count)s were skipped: %(why)s.", number)
        % {"count": count(number), "why": why.rstrip(".")}
        for why, number in done.skipped.items()
    ]
    if not done.changed:
        raise OrderError(" ".join(skipped))
    return " ".join([told, *skipped])


def _until(post: "QueryDict", at: datetime) -> datetime:
    """:raises OrderError: the form does not say it."""
    chosen = post.get("for", "")
    if chosen not in LENGTHS:
        raise OrderError(_("Choose for how long the orders are snoozed."))
    if chosen != DATE:
        return at + timedelta(hours=int(chosen))
    given = post.get("date", "")
    try:
        day = date.fromisoformat(given) if DAY.match(given) else None
    except ValueError:
        day = None
    if day is None:
        raise OrderError(_("Enter the date until which the orders are snoozed."))
    return day_bounds(day)[0]


def choices() -> dict[str, Any]:
    """What the form that snoozes orders offers."""
    today = days.today()
    return {
        "lengths": LENGTHS.items(),
        "first_day": today + ONE_DAY,
        "last_day": today + snoozing.LONGEST,
        "longest_reason": LONGEST_REASON,
    }
