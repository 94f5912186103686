"""Reading the feed: who may read which events, from where on."""

from bson import ObjectId

from orders.models import EVENT_TYPES, PUBLIC_STATUSES, Document
from orders.services.access import Actor
from orders.services.errors import OrderError
from orders.storage import event_feed

LONGEST_PAGE = 500
CUSTOMER_TYPES = ("order.placed", *(f"order.{status}" for status in PUBLIC_STATUSES if status != "pending"),
                  "order.address_changed")  # fmt: skip
"""What customers may know of their orders; the rest is internal."""


class CursorExpired(OrderError):
    """Events after this cursor have been deleted; `oldest` is where the feed begins now."""

    code = "cursor_expired"


def events_after(
    actor: Actor,
    after: int | None = None,
    *,
    limit: int = 100,
    types: tuple[str, ...] = (),
    order_id: ObjectId | None = None,
) -> list[Document]:
    """Events that the actor may read, in the order of the feed.

    :param after: the number of the last event that is known; None: from the oldest one that is kept.
    :param types: only these; all by default.
    :raises CursorExpired: events between the known one and those that are kept have been deleted.
    """
    oldest = event_feed.oldest_cursor()
    if after is not None and oldest is not None and after < oldest - 1:
        raise CursorExpired(
            f"Events after {after} have been deleted; the feed begins with {oldest}. Read the orders afresh, "
            f"then follow the feed from there.",
            oldest=oldest,
        )
    if not actor.sees_all:
        types = tuple(kind for kind in types or CUSTOMER_TYPES if kind in CUSTOMER_TYPES)
        if not types:
            return []
    user_id = None if actor.sees_all else actor.id
    types = () if set(types) == set(EVENT_TYPES) else types
    return event_feed.events_after(after or 0, limit=limit, types=types, order_id=order_id, user_id=user_id)
