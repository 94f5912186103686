"""Pages of the backoffice's list, by position instead of by number, so that the thousandth costs what the first does.

A page is read in two steps: its ids off an index, in the order of their creation, then its orders by their ids.
Nothing is ever counted beyond a cap.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime

from bson import ObjectId
from django_mongodb_backend.query import wrap_database_errors

from orders.models import Item, Order, Stock
from orders.models.parts import Document
from orders.storage.criteria import Branch, Criteria, Limits
from orders.storage.order_reads import Position
from orders.storage.order_writes import orders

FIELDS = dict.fromkeys(
    (
        *("number", "user_id", "user_verified", "status", "total_price", "created_at", "status_since", "stock_due_at"),
        *("items.product_id", "items.quantity", "items.stock.state"),
    ),
    1,
)
"""What a row of the list shows."""


@dataclass(frozen=True)
class Page:
    """Orders in the order of the list, and whether there are others before and after them."""

    orders: Sequence[Order]
    earlier: bool = False
    later: bool = False

    @property
    def first(self) -> Position:
        return _position(self.orders[0])

    @property
    def last(self) -> Position:
        return _position(self.orders[-1])


@wrap_database_errors
def page_after(criteria: Criteria, limits: Limits, size: int, position: Position | None = None) -> Page:
    """The page that follows a position, or the first one."""
    ids = _ids(criteria, limits, size + 1, position)
    return Page(_orders(ids[:size]), earlier=position is not None, later=len(ids) > size)


@wrap_database_errors
def page_before(criteria: Criteria, limits: Limits, size: int, position: Position) -> Page:
    """The page that ends before a position; the first one where no whole page is left."""
    back = replace(criteria, oldest_first=not criteria.oldest_first)
    ids = _ids(back, limits, size + 1, position)
    if len(ids) <= size:
        return page_after(criteria, limits, size)
    return Page(_orders(ids[size - 1 :: -1]), earlier=True, later=True)


@wrap_database_errors
def count(criteria: Criteria, limits: Limits, most: int) -> int:
    """How many orders there are, counted up to `most`."""
    return len(_ids(criteria, limits, most))


@wrap_database_errors
def first_ids(criteria: Criteria, limits: Limits, most: int) -> list[ObjectId]:
    """Ids of the first orders, up to `most`, in the order of the list."""
    return _ids(criteria, limits, most)


def _ids(criteria: Criteria, limits: Limits, limit: int, position: Position | None = None) -> list[ObjectId]:
    """Ids in order, merged from the branches; an order that several of them find is one."""
    found: dict[ObjectId, datetime] = {}
    for branch in criteria.branches(limits):
        found |= dict(_keys(branch, limit, position, oldest_first=criteria.oldest_first))
    ordered = sorted(found.items(), key=lambda pair: (pair[1], pair[0]), reverse=not criteria.oldest_first)
    return [order_id for order_id, _ in ordered[:limit]]


def _keys(
    branch: Branch, limit: int, position: Position | None, *, oldest_first: bool
) -> Iterable[tuple[ObjectId, datetime]]:
    query, way = branch.query(_beyond(position, oldest_first)), 1 if oldest_first else -1
    cursor = orders().find(query, {"created_at": 1}, sort=[("created_at", way), ("_id", way)], limit=limit)
    for document in cursor.hint(branch.index) if branch.index else cursor:
        yield document["_id"], document["created_at"]


def _beyond(position: Position | None, oldest_first: bool) -> Document:
    """What follows a position in the order of the list."""
    if position is None:
        return {}
    past = "$gt" if oldest_first else "$lt"
    return {
        "created_at": {f"{past}e": position.created_at},
        "$or": [{"created_at": {past: position.created_at}}, {"_id": {past: position.id}}],
    }


def _orders(ids: Sequence[ObjectId]) -> list[Order]:
    """Orders by their ids, in this order, with the fields of a row; one that has gone meanwhile is left out."""
    found = {document["_id"]: document for document in orders().find({"_id": {"$in": list(ids)}}, FIELDS)}
    return [_order(found[order_id]) for order_id in ids if order_id in found]


def _order(document: Document) -> Order:
    return Order(
        id=document["_id"],
        total_price=document["total_price"].to_decimal(),
        items=[
            Item(product_id=item["product_id"], quantity=item["quantity"], stock=Stock(state=item["stock"]["state"]))
            for item in document["items"]
        ],
        **{name: document[name] for name in ("number", "user_id", "user_verified", "status")},
        **{name: _aware(document.get(name)) for name in ("created_at", "status_since", "stock_due_at")},
    )


def _aware(moment: datetime | None) -> datetime | None:
    return moment and moment.replace(tzinfo=UTC)


def _position(order: Order) -> Position:
    return Position(order.created_at.replace(tzinfo=None), order.pk)
