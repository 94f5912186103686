"""Orders that look like one that was placed twice: the same customer, the same items, minutes apart."""

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from bson import ObjectId

from orders.models import PUBLIC_STATUSES, Order, Status
from orders.storage.order_reads import placed_about

WITHIN = timedelta(minutes=10)
MOST_COMPARED = 20
"""Orders of the customer that are looked at, the newest of the span."""
AS_GOOD_AS_GONE = (Status.CANCELLED, Status.REFUNDED)


@dataclass(frozen=True)
class Duplicate:
    """Another order. :ivar placed_at: aware."""

    id: ObjectId
    number: str
    placed_at: datetime


def possible_duplicates(order: Order) -> list[Duplicate]:
    """Other orders of an order's customer with the same products and quantities, placed within WITHIN of it.

    None of an order that was cancelled or refunded, of a draft, or of one whose customer is not known any more; nor are
    such orders among them. One read.
    """
    if not order.user_id or order.erased_at or not _is_alive(order.status):
        return []
    since, until = order.created_at - WITHIN, order.created_at + WITHIN
    wanted = _contents((item.product_id, item.quantity) for item in order.items)
    return [
        Duplicate(found["_id"], found["number"], found["created_at"].replace(tzinfo=UTC))
        for found in placed_about(order.user_id, since=since, until=until, limit=MOST_COMPARED)
        if found["_id"] != order.pk
        and _is_alive(found["status"])
        and _contents((item["product_id"], item["quantity"]) for item in found["items"]) == wanted
    ]


def _is_alive(status: str) -> bool:
    return status in PUBLIC_STATUSES and status not in AS_GOOD_AS_GONE


def _contents(lines: Iterable[tuple[str, int]]) -> Counter[str]:
    """How many units of each product: the same however its lines were split."""
    units: Counter[str] = Counter()
    for product_id, quantity in lines:
        units[product_id] += quantity
    return units
