"""Which orders a run over many is about, and how they are found: by an index, page by page, the oldest first."""

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

from bson import ObjectId
from django_mongodb_backend.query import wrap_database_errors

from orders.models.database import Document
from orders.models.reads import Position
from orders.models.states import PUBLIC_STATUSES
from orders.models.writes import orders

Key = ObjectId | str
"""An order as somebody names it: by its id, or by its number."""
MANY = 50_000
"""Up to so many keys of an index are counted, to learn which of two has fewer; so many orders are read in time."""
OLDEST_FIRST = [("created_at", 1), ("_id", 1)]


@dataclass(frozen=True)
class OrderSelection:
    """Public orders that meet every one of the criteria; drafts and rejected orders are never among them.

    :ivar since: created then or later; `before`: created earlier; both aware or naive UTC.
    :ivar keys: only these orders, by id or number; None where they are not named.
    :ivar limit: at most so many, the oldest first.
    :ivar everything: meant where there is no criterion at all.
    """

    statuses: tuple[str, ...] = ()
    since: datetime | None = None
    before: datetime | None = None
    user_id: str | None = None
    product_id: str | None = None
    keys: Sequence[Key] | None = None
    limit: int | None = None
    everything: bool = False

    @property
    def says_nothing(self) -> bool:
        """Whether there is no criterion: then every order would be meant, which nobody says by accident."""
        return self.keys is None and not self.narrows

    @property
    def narrows(self) -> bool:
        """Whether there is a criterion beside the keys."""
        return any((self.statuses, self.since, self.before, self.user_id, self.product_id))

    def filter(self) -> Document:
        """The query, but for `keys` and `limit`."""
        query: Document = {"status": {"$in": [*(self.statuses or PUBLIC_STATUSES)]}}
        if self.user_id is not None:
            query["user_id"] = self.user_id
        if self.product_id is not None:
            query["items.product_id"] = self.product_id
        span = {"$gte": self.since, "$lt": self.before}
        if span := {operator: moment for operator, moment in span.items() if moment is not None}:
            query["created_at"] = span
        return query

    @property
    def index(self) -> str:
        """The index that finds the orders in their order; the planner, trying them out, might take another.

        :raises PyMongoError: with a product and a status, orders are counted.
        """
        if self.user_id is not None:
            return "user_status_newest"
        if self.product_id is None:
            return "status_newest"
        if not self.statuses:
            return "product_newest"
        # What the fewest orders have is read; whether they have the other, too, is seen on each of them.
        span = {name: value for name, value in self.filter().items() if name == "created_at"}
        of_status = _capped("status_newest", {"status": {"$in": list(self.statuses)}} | span)
        of_product = _capped("product_newest", {"items.product_id": self.product_id} | span)
        return "status_newest" if of_status < of_product else "product_newest"

    def as_given(self) -> Document:
        """What was selected, as JSON-ready values; of keys just how many, some of them, and a digest of all."""
        given: Document = {
            "status": list(self.statuses),
            "created_from": self.since and self.since.isoformat(),
            "created_before": self.before and self.before.isoformat(),
            "user": self.user_id,
            "product": self.product_id,
            "limit": self.limit,
            "everything": self.everything,
        }
        if self.keys is not None:
            named = [str(key) for key in self.keys]
            digest = hashlib.sha256(" ".join(named).encode()).hexdigest() if named else ""
            given |= {"orders": len(named), "first": named[:5], "digest": digest}
        return {name: value for name, value in given.items() if value or name == "orders"}

    @classmethod
    def from_given(cls, given: Mapping[str, Any]) -> "OrderSelection":
        """The selection that :meth:`as_given` told of; without keys."""

        def moment(name: str) -> datetime | None:
            return datetime.fromisoformat(given[name]) if name in given else None

        return cls(
            statuses=tuple(given.get("status", ())),
            since=moment("created_from"),
            before=moment("created_before"),
            user_id=given.get("user"),
            product_id=given.get("product"),
            limit=given.get("limit"),
            everything=given.get("everything", False),
        )


def _capped(index: str, query: Document) -> int:
    return orders().count_documents(query, limit=MANY, hint=index)


@wrap_database_errors
def select_page(selection: OrderSelection, *, after: Position | None, size: int) -> list[Position]:
    """The next selected orders, the oldest first; `keys` and `limit` are the caller's business."""
    query = selection.filter()
    if after is None:
        return _find(selection.index, query, OLDEST_FIRST, size)
    index = replace(selection, since=after.created_at).index
    # By `$gte`, and what was seen dropped here: with an $or mongod would read every order, not the index alone.
    span = {name: moment for name, moment in query.get("created_at", {}).items() if name != "$gte"}
    seen = (after.created_at, after.id)
    found = _find(index, query | {"created_at": span | {"$gte": after.created_at}}, OLDEST_FIRST, size + 1)
    new = [order for order in found if (order.created_at, order.id) > seen]
    if len(found) <= size or len(new) >= size:
        return new[:size]
    # Many orders of one moment: they are asked for by themselves.
    found = _find(index, query | {"created_at": after.created_at, "_id": {"$gt": after.id}}, [("_id", 1)], size)
    if len(found) < size:
        later = query | {"created_at": span | {"$gt": after.created_at}}
        found += _find(index, later, OLDEST_FIRST, size - len(found))
    return found


def _find(index: str, query: Document, sort: Sequence[tuple[str, int]], size: int) -> list[Position]:
    fields = {"created_at": 1}
    found = orders().find(query, fields, sort=sort, limit=size, batch_size=size, hint=index)
    return [Position(order["created_at"], order["_id"]) for order in found]


@wrap_database_errors
def known_ids(keys: Sequence[Key]) -> list[Key]:
    """The keys with each number replaced by its order's id; numbers of no order stay as they are."""
    numbers = [key for key in keys if isinstance(key, str)]
    found: dict[str, list[Key]] = {}
    if numbers:
        for order in orders().find({"number": {"$in": numbers}}, {"number": 1}):
            found.setdefault(order["number"], []).append(order["_id"])
    return [known for key in keys for known in (found.get(key, [key]) if isinstance(key, str) else [key])]


@wrap_database_errors
def narrow(selection: OrderSelection, keys: Sequence[Key]) -> list[Key]:
    """Those of the keys whose orders meet the other criteria, in the order given."""
    ids = [key for key in keys if isinstance(key, ObjectId)]
    found = {order["_id"] for order in orders().find({"_id": {"$in": ids}, **selection.filter()}, {"_id": 1})}
    return [key for key in keys if key in found]


@wrap_database_errors
def count_by_status(selection: OrderSelection, ids: Sequence[ObjectId] | None = None) -> dict[str, int]:
    """How many of the selected orders are in each status.

    :param ids: count these orders, whatever the criteria say of them.
    """
    if ids is None and selection.limit is None and selection.product_id is None:
        return _count_each_status(selection)
    stages = [*_stages(selection, ids), {"$group": {"_id": "$status", "count": {"$sum": 1}}}]
    hint = selection.index if ids is None else "_id_"
    return {row["_id"]: row["count"] for row in orders().aggregate(stages, hint=hint)}


def _count_each_status(selection: OrderSelection) -> dict[str, int]:
    """The same, status by status: mongod counts the keys of an index several times as fast as it groups them."""
    found = {}
    for status in dict.fromkeys(selection.statuses or PUBLIC_STATUSES):
        stages: list[Document] = [{"$match": selection.filter() | {"status": status}}, {"$count": "count"}]
        for row in orders().aggregate(stages, hint=selection.index):
            found[status] = row["count"]
    return found


@wrap_database_errors
def reserved_units(selection: OrderSelection, statuses: Sequence[str], ids: Sequence[ObjectId] | None = None) -> int:
    """How many units are reserved for those of the selected orders that are in one of these statuses."""
    stages = [
        *_stages(selection, ids),
        {"$match": {"status": {"$in": list(statuses)}}},
        {"$project": {"items.quantity": 1, "items.stock.state": 1}},
        {"$unwind": "$items"},
        {"$match": {"items.stock.state": "reserved"}},
        {"$group": {"_id": None, "units": {"$sum": "$items.quantity"}}},
    ]
    hint = selection.index if ids is None else "_id_"
    return next((row["units"] for row in orders().aggregate(stages, hint=hint)), 0)


def _stages(selection: OrderSelection, ids: Sequence[ObjectId] | None) -> list[Document]:
    if ids is not None:
        return [{"$match": {"_id": {"$in": list(ids)}}}]
    limited: list[Document] = [{"$sort": dict(OLDEST_FIRST)}, {"$limit": selection.limit}] if selection.limit else []
    return [{"$match": selection.filter()}, *limited]
