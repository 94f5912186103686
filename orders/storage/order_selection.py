"""Which orders a run over many is about, and how they are found: by an index, page by page, the oldest first."""

import hashlib
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from itertools import islice
from typing import Any

from bson import ObjectId
from django_mongodb_backend.query import wrap_database_errors

from orders.models.states import PUBLIC_STATUSES
from orders.storage.criteria import fewest
from orders.storage.database import Document
from orders.storage.order_numbers import ids_by_number
from orders.storage.order_reads import Position
from orders.storage.order_writes import orders

Key = ObjectId | str
"""An order as somebody names it: by its id, or by its number."""


class OrderKeys(Collection[Key]):
    """Orders by name, each once, in the order given; as bytes a million take half of what ObjectIds do."""

    def __init__(self, keys: Iterable[Key] = ()) -> None:
        self._packed: dict[bytes | str, None] = {}
        for key in keys:
            self.add(key)

    def add(self, key: Key) -> None:
        self._packed[_packed(key)] = None

    def __contains__(self, key: object) -> bool:
        return isinstance(key, Key) and _packed(key) in self._packed

    def __iter__(self) -> Iterator[Key]:
        return (ObjectId(packed) if isinstance(packed, bytes) else packed for packed in self._packed)

    def __len__(self) -> int:
        return len(self._packed)


def _packed(key: Key) -> bytes | str:
    return key.binary if isinstance(key, ObjectId) else key


MANY = 50_000
"""Up to so many keys of an index are counted, to learn which of two has fewer; so many orders are read in time."""
OLDEST_FIRST = [("created_at", 1), ("_id", 1)]
INDEXED = {
    "user_status_newest": ("user_id", "status", "created_at"),
    "status_newest": ("status", "created_at"),
    "product_newest": ("items.product_id", "created_at"),
}
"""What each index knows of an order."""


@dataclass(frozen=True)
class OrderSelection:
    """Public orders that meet every one of the criteria; drafts and rejected orders are never among them.

    :ivar since: created then or later; `before`: created earlier; both aware or naive UTC.
    :ivar keys: only these orders; None where they are not named.
    :ivar limit: at most so many, the oldest first.
    :ivar everything: meant where there is no criterion at all.
    """

    statuses: tuple[str, ...] = ()
    since: datetime | None = None
    before: datetime | None = None
    user_id: str | None = None
    product_id: str | None = None
    keys: OrderKeys | None = None
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
        query = self.filter()
        asked = {
            index: {name: query[name] for name in INDEXED[index] if name in query}
            for index in ("product_newest", "status_newest")
        }
        return fewest(asked, MANY)[0]

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
            digest = hashlib.sha256()
            for place, key in enumerate(self.keys):
                digest.update(f" {key}".encode() if place else str(key).encode())
            first = [str(key) for key in islice(self.keys, 5)]
            given |= {"orders": len(self.keys), "first": first, "digest": digest.hexdigest() if first else ""}
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


@wrap_database_errors
def select_page(
    selection: OrderSelection, *, after: Position | None, size: int
) -> tuple[list[Position], Position | None]:
    """Go through the orders that one criterion finds, so many at once, and say which of them meet them all.

    So a page takes bounded time however few do. `keys` and `limit` are the caller's business.

    :returns: the selected orders, the oldest first, and where to go on; None at the end.
    """
    if after is None:
        page = _read(selection, selection.index, {}, OLDEST_FIRST, size)
    else:
        page = _read_after(selection, after, size)
    found = [Position(order["created_at"], order["_id"]) for order in page]
    chosen = [position for position, order in zip(found, page, strict=True) if order.get("chosen", True)]
    return chosen, found[-1] if len(found) == size else None


def _read_after(selection: OrderSelection, after: Position, size: int) -> list[Document]:
    index = replace(selection, since=after.created_at).index
    # By `$gte`, and what was seen dropped here: with an $or mongod would read every order, not the index alone.
    found = _read(selection, index, {"created_at": {"$gte": after.created_at}}, OLDEST_FIRST, size + 1)
    new = [order for order in found if (order["created_at"], order["_id"]) > (after.created_at, after.id)]
    if len(found) <= size or len(new) >= size:
        return new[:size]
    # Many orders of one moment: they are asked for by themselves.
    same = {"created_at": {"$eq": after.created_at}, "_id": {"$gt": after.id}}
    found = _read(selection, index, same, [("_id", 1)], size)
    if len(found) < size:
        later = {"created_at": {"$gt": after.created_at}}
        found += _read(selection, index, later, OLDEST_FIRST, size - len(found))
    return found


def _read(
    selection: OrderSelection, index: str, where: Document, sort: Sequence[tuple[str, int]], size: int
) -> list[Document]:
    """Orders by what the index knows of them; `chosen` says whether they meet the other criteria, too."""
    asked = selection.filter()
    query = {name: asked[name] for name in INDEXED[index] if name in asked}
    span = {operator: moment for operator, moment in query.get("created_at", {}).items() if operator != "$gte"}
    if where:
        query |= where | {"created_at": span | where["created_at"]}
    fields: Document = {"created_at": 1}
    if conditions := [_says(name, asked[name]) for name in asked if name not in INDEXED[index]]:
        fields["chosen"] = {"$and": conditions}
    return orders().find(query, fields, sort=sort, limit=size, batch_size=size, hint=index).to_list()


def _says(name: str, wanted: Any) -> Document:
    """A criterion that no index looks at, as an expression."""
    if name == "status":
        return {"$in": ["$status", wanted["$in"]]}
    return {"$in": [wanted, "$items.product_id"]}


NAMED_AT_ONCE = 1000


def named(selection: OrderSelection) -> Iterator[Key]:
    """The named orders that meet the other criteria, each once and at most `limit`: ids, and numbers of no order.

    :raises DatabaseError: while it is iterated over.
    """
    return islice(_named(selection, selection.keys or OrderKeys()), selection.limit)


def _named(selection: OrderSelection, keys: OrderKeys) -> Iterator[Key]:
    rest, numbered = iter(keys), OrderKeys()
    while chunk := list(islice(rest, NAMED_AT_ONCE)):
        known: list[Key] = []
        for key, ids in _known_ids(chunk):
            for order_id in ids:
                if order_id == key:
                    known.append(order_id)
                elif order_id not in keys and order_id not in numbered:
                    known.append(order_id)
                    numbered.add(order_id)  # its number may be given twice, spelt otherwise
        yield from _narrow(selection, known) if selection.narrows else known


def _known_ids(keys: Sequence[Key]) -> list[tuple[Key, Sequence[Key]]]:
    """Each key with the id of its order, or the ids; numbers of no order stay as they are."""
    found = ids_by_number([key for key in keys if isinstance(key, str)])
    return [(key, (found.get(key) if isinstance(key, str) else None) or [key]) for key in keys]


@wrap_database_errors
def _narrow(selection: OrderSelection, keys: Sequence[Key]) -> list[Key]:
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
