"""The feed as staff look at it: the newest event first, a page at a time."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from bson import ObjectId
from django.utils.translation import gettext as _

from orders.models import Document
from orders.services.access import Actor, NotPermitted
from orders.services.identifiers import order_typed
from orders.services.order_queries import InvalidOrderQuery, customers_of
from orders.storage import event_feed, order_numbers

PAGE = 50


@dataclass(frozen=True)
class EventPage:
    """:ivar older: the number from which the next page goes on; None if this one is the last.

    :ivar customers: whose orders the events tell of, as far as that is known, by order.
    """

    events: list[Document]
    older: int | None
    customers: Mapping[ObjectId, str] = field(default_factory=dict)


def newest_first(
    actor: Actor, *, upto: int | None = None, types: Sequence[str] = (), order: str = "", limit: int = PAGE
) -> EventPage:
    """A page of events, without the orders that they tell of.

    :param upto: begin with this number; None: with the newest.
    :param order: only events of the order that this text means, by its id or number.
    :raises NotPermitted: the actor does not see all orders.
    :raises InvalidOrderQuery: the text can mean no order.
    """
    _require_seeing_all(actor)
    order_ids = None
    if order:
        typed = order_typed(order)
        if typed is None:
            raise InvalidOrderQuery(_("Enter an order number or an order id."))
        order_ids = order_numbers.ids_by_number([typed])[typed] if isinstance(typed, str) else [typed]
    found = event_feed.newest_first(upto, limit=limit + 1, types=types, order_ids=order_ids)
    events, older = found[:limit], found[limit]["_id"] if len(found) > limit else None
    return EventPage(events, older, customers_of(event["order_id"] for event in events if event.get("order_id")))


def get_event(cursor: int, actor: Actor) -> Document | None:
    """The event of this number, with its order as it was told; None if it is not, or no longer, there.

    :raises NotPermitted:
    """
    _require_seeing_all(actor)
    return event_feed.event_numbered(cursor)


def _require_seeing_all(actor: Actor) -> None:
    if not actor.sees_all:
        raise NotPermitted(_("You may not see the events of all orders."))
