"""Reading the feed: who may read which events, from where on."""

from dataclasses import dataclass
from datetime import datetime

from bson import ObjectId
from django.utils.formats import date_format
from django.utils.translation import gettext as _

from orders.models import EVENT_TYPES, PUBLIC_STATUSES, Document
from orders.services.access import Actor
from orders.services.days import local
from orders.services.errors import OrderError, RefusalKind
from orders.storage import event_feed

LONGEST_PAGE = 500
CUSTOMER_TYPES = ("order.placed", *(f"order.{status}" for status in PUBLIC_STATUSES if status != "pending"),
                  "order.address_changed")  # fmt: skip
"""What customers may know of their orders; the rest is internal."""


class CursorExpired(OrderError):
    """Events after this cursor have been deleted; `oldest` is where the feed begins now."""

    code = "cursor_expired"
    kind = RefusalKind.GONE


class CursorUnknown(OrderError):
    """The feed has not come to this cursor; `newest` is where it ends now."""

    code = "cursor_unknown"
    kind = RefusalKind.CONFLICT


@dataclass(frozen=True)
class EventPage:
    """Events in the order of the feed.

    :ivar next: the cursor after which to go on: no event up to it is missing here.
    :ivar more: there may be more to read at once.
    """

    events: list[Document]
    next: int
    more: bool


def events_after(
    actor: Actor,
    after: int | None = None,
    *,
    limit: int = 100,
    types: tuple[str, ...] | None = None,
    order_id: ObjectId | None = None,
) -> EventPage:
    """Events that the actor may read.

    :param after: the number of the last event that is known; None: from the oldest one that is kept.
    :param types: only these; all by default.
    :raises NotPermitted:
    :raises CursorExpired: events between the known one and those that are kept have been deleted.
    :raises CursorUnknown: there is no such event yet.
    """
    actor.require_following()
    known, user_id = after or 0, None
    if not actor.follows_all:
        types, user_id = tuple(kind for kind in types or CUSTOMER_TYPES if kind in CUSTOMER_TYPES), actor.id
    elif not types or set(types) == set(EVENT_TYPES):
        types = None
    page = event_feed.page_after(known, limit=limit, types=types, order_id=order_id, user_id=user_id)
    if after is not None:
        _require_known(after, page)
    more = len(page.events) == limit
    return EventPage(page.events, page.events[-1]["_id"] if more else max(known, page.newest), more)


def problem_of_moment(since: datetime, at: datetime) -> str:
    """Why the events that were told since a moment cannot be sent again; empty if they can. :param at: now."""
    oldest = event_feed.oldest_cursor()
    kept_since = event_feed.told_after(0) if oldest and oldest > 1 else None
    if since > at:
        return _("This moment is still to come.")
    if kept_since and since < kept_since:
        return _("The events that are kept were told since %(moment)s.") % {
            "moment": date_format(local(kept_since), "DATETIME_FORMAT")
        }
    return ""


def newest_cursor() -> int:
    """The number of the newest event; 0 if there is none."""
    return event_feed.newest_cursor()


def _require_known(after: int, page: event_feed.FeedPage) -> None:
    if after < page.oldest - 1:
        raise CursorExpired(
            f"Events after {after} have been deleted; the feed begins with {page.oldest}. Read the orders afresh, "
            f"then follow the feed from there.",
            oldest=page.oldest,
        )
    # What was read before may be newer than what a new primary knows a majority to have.
    if after > page.newest and after > (newest := event_feed.newest_appended()):
        raise CursorUnknown(
            f"The feed ends with {newest}; it has not come to {after}. If it stays so, an older state of the database "
            f"was restored: read the orders afresh, then follow the feed from {newest}.",
            newest=newest,
        )
