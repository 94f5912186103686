"""How a run finds its orders, the oldest first: by name, or page by page off an index; and how many they are."""

import hashlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from itertools import islice
from typing import Any

from bson import ObjectId
from django_mongodb_backend.query import wrap_database_errors

from orders.models import EPOCH, Document, Edge, LineState, Order, edges_named, not_on_hold, nothing_shipped
from orders.storage.foreign_orders import count_foreign, foreign_among
from orders.storage.order_numbers import ids_named
from orders.storage.order_query import ANY_TIME, IN_ORDER, Key, OrderKeys, OrderQuery, Position, both
from orders.storage.order_reads import machine_of
from orders.storage.order_writes import CONDITION_FIELDS, OURS, guard_of, orders

FEW = 50_000
"""Up to so many keys of an index are counted, to learn which of two has fewer: all of them are read."""
OLDEST_FIRST = [("created_at", 1), ("_id", 1)]


def as_given(query: OrderQuery) -> Document:
    """What a run is about, as JSON-ready values; of keys just how many, some of them, and a digest of all."""
    given: Document = {
        "status": list(query.statuses),
        "created_from": query.since and query.since.isoformat(),
        "created_before": query.before and query.before.isoformat(),
        "user": query.user_id,
        "product": query.product_id,
        "limit": query.limit,
        "everything": query.everything,
    }
    if query.keys is not None:
        digest = hashlib.sha256()
        for place, key in enumerate(query.keys):
            digest.update(f" {key}".encode() if place else str(key).encode())
        first = [str(key) for key in islice(query.keys, 5)]
        given |= {"orders": len(query.keys), "first": first, "digest": digest.hexdigest() if first else ""}
    return {name: value for name, value in given.items() if value or name == "orders"}


def from_given(given: Mapping[str, Any]) -> OrderQuery:
    """The query that :func:`as_given` told of; without keys."""

    def moment(name: str) -> datetime | None:
        return datetime.fromisoformat(given[name]) if name in given else None

    return OrderQuery(
        statuses=tuple(given.get("status", ())),
        since=moment("created_from"),
        before=moment("created_before"),
        user_id=given.get("user"),
        product_id=given.get("product"),
        limit=given.get("limit"),
        everything=given.get("everything", False),
    )


@wrap_database_errors
def select_page(query: OrderQuery, *, after: Position | None, size: int) -> tuple[list[Position], Position | None]:
    """Go through the orders that one condition finds, so many at once, and say which of them meet them all.

    So a page takes bounded time however few do. Alerts, meanings, `keys` and `limit` are the caller's business.

    :returns: the selected orders, the oldest first, and where to go on; None at the end.
    """
    if after is None:
        page = _read(query, query.index(FEW), size)
    else:
        index = replace(query, since=after.created_at).index(FEW)
        # In two steps, by the index alone: with the $or of `query.after` mongod would read every order.
        same = {"created_at": after.created_at, "_id": {"$gt": after.id}}
        page = _read(query, index, size, same, OLDEST_FIRST[1:])
        if len(page) < size:
            page += _read(query, index, size - len(page), {"created_at": {"$gt": after.created_at}})
    found = [Position(order["created_at"], order["_id"]) for order in page]
    chosen = [position for position, order in zip(found, page, strict=True) if order.get("chosen", True)]
    theirs = foreign_among([position.id for position in chosen])
    chosen = [position for position in chosen if position.id not in theirs]
    return chosen, found[-1] if len(found) == size else None


def _read(
    query: OrderQuery,
    index: str,
    size: int,
    where: Document | None = None,
    sort: Sequence[tuple[str, int]] = OLDEST_FIRST,
) -> list[Document]:
    """Orders by what the index knows of them; `chosen` says whether they meet the other conditions, too."""
    asked, known = query.conditions, (*IN_ORDER[index], "created_at")
    by_index = ANY_TIME | {path: asked[path] for path in known if path in asked}
    fields: Document = {"created_at": 1}
    if others := [_says(path, asked[path]) for path in asked if path not in known]:
        fields["chosen"] = {"$and": others}
    found = orders().find(both(by_index, where or {}), fields, sort=sort, limit=size, hint=index)
    return found.batch_size(size).to_list()


def _says(path: str, wanted: Any) -> Document:
    """A condition that the index does not look at, as an expression."""
    if path == "status":
        return {"$in": ["$status", wanted["$in"] if isinstance(wanted, dict) else [wanted]]}
    return {"$in": [wanted, f"${path}"]}


NAMED_AT_ONCE = 1000


def named(query: OrderQuery) -> Iterator[Key]:
    """The named orders that meet the other conditions, each once and at most `limit`: ids, and numbers of no order.

    :raises DatabaseError: while it is iterated over.
    """
    return islice(_named(query, query.keys or OrderKeys()), query.limit)


def _named(query: OrderQuery, keys: OrderKeys) -> Iterator[Key]:
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
        yield from _narrow(query, known) if query.narrows else known


def _known_ids(keys: Sequence[Key]) -> list[tuple[Key, Sequence[Key]]]:
    """Each key with the id of its order, or the ids; numbers of no order stay as they are."""
    found = ids_named([key for key in keys if isinstance(key, str)])
    return [(key, (found.get(key) if isinstance(key, str) else None) or [key]) for key in keys]


@wrap_database_errors
def _narrow(query: OrderQuery, keys: Sequence[Key]) -> list[Key]:
    """Those of the keys whose orders meet the other conditions, in the order given."""
    ids = [key for key in keys if isinstance(key, ObjectId)]
    found = {order["_id"] for order in orders().find({"_id": {"$in": ids}, **query.conditions, **OURS}, {"_id": 1})}
    return [key for key in keys if key in found]


@wrap_database_errors
def count_by_status(query: OrderQuery, ids: Sequence[ObjectId] | None = None) -> dict[str, int]:
    """How many of the selected orders are in each status.

    :param ids: count these orders, whatever the query says of them.
    """
    if ids is None and query.limit is None and query.product_id is None:
        return _count_each_status(query)
    stages = [*_stages(query, ids, OURS), {"$group": {"_id": "$status", "count": {"$sum": 1}}}]
    hint = query.index(FEW) if ids is None else "_id_"
    return {row["_id"]: row["count"] for row in orders().aggregate(stages, hint=hint)}


def _count_each_status(query: OrderQuery) -> dict[str, int]:
    """The same, status by status: mongod counts the keys of an index several times as fast as it groups them."""
    found = {}
    for status in query.any_status:
        asked = query.conditions | {"status": status}
        stages: list[Document] = [{"$match": asked}, {"$count": "count"}]
        for row in orders().aggregate(stages, hint=query.index(FEW)):
            found[status] = row["count"] - count_foreign(row["count"], asked)
    return found


UNMET: dict[Callable[[Order], bool], tuple[str, Document]] = {
    nothing_shipped: ("partly_shipped", {"shipments.at": {"$gt": EPOCH}}),
    not_on_hold: ("held_newest", {"held_at": {"$gt": EPOCH}}),
}
"""For each condition of the transitions: the orders that do not meet it, and the index that has no others."""


def unmet(query: OrderQuery, transition: str, ids: Sequence[ObjectId] | None = None) -> Iterator[Order]:
    """Those of the selected orders to which a condition refuses a transition that their status allows.

    :param ids: of these orders, whatever the query says of them.
    :returns: each once, with what the conditions look at.
    :raises DatabaseError:
    """
    conditions = {condition for edge in edges_named(transition) for condition in edge.conditions}
    last = _last(query) if conditions and ids is None and query.limit else {}
    found = {
        order["_id"]: order for condition in conditions for order in _unmet(condition, query, transition, ids, last)
    }
    return map(machine_of, found.values())


@wrap_database_errors
def _unmet(
    condition: Callable[[Order], bool],
    query: OrderQuery,
    transition: str,
    ids: Sequence[ObjectId] | None,
    last: Document,
) -> list[Document]:
    edges = [edge for edge in edges_named(transition) if condition in edge.conditions]
    index, asked = UNMET[condition]
    chosen = query.conditions if ids is None else {"_id": {"$in": list(ids)}}
    every = {"$and": [{"status": {"$in": [edge.source for edge in edges]}}, asked, chosen, last]}
    hint = index if ids is None else "_id_"
    return orders().find(every, CONDITION_FIELDS, hint=hint).to_list()


@wrap_database_errors
def _last(query: OrderQuery) -> Document:
    """What the orders of a query meet that are within its limit; nothing where there are fewer."""
    found = orders().find(query.conditions | OURS, {"created_at": 1}, sort=OLDEST_FIRST, hint=query.index(FEW))
    for last in found.skip((query.limit or 1) - 1).limit(1):
        at = last["created_at"]
        return {"$or": [{"created_at": {"$lt": at}}, {"created_at": at, "_id": {"$lte": last["_id"]}}]}
    return {}


@wrap_database_errors
def reserved_units(query: OrderQuery, edges: Sequence[Edge], ids: Sequence[ObjectId] | None = None) -> int:
    """How many units are reserved for those of the selected orders that may take one of these arrows."""
    stages = [
        *_stages(query, ids),
        {"$match": {"$or": [guard_of(edge) for edge in edges]}},
        {"$project": {"items.quantity": 1, "items.stock.state": 1}},
        {"$unwind": "$items"},
        {"$match": {"items.stock.state": LineState.RESERVED.value}},
        {"$group": {"_id": None, "units": {"$sum": "$items.quantity"}}},
    ]
    hint = query.index(FEW) if ids is None else "_id_"
    return next((row["units"] for row in orders().aggregate(stages, hint=hint)), 0)


def _stages(query: OrderQuery, ids: Sequence[ObjectId] | None, only: Document | None = None) -> list[Document]:
    only = only or {}
    if ids is not None:
        return [{"$match": {"_id": {"$in": list(ids)}, **only}}]
    limited: list[Document] = [{"$sort": dict(OLDEST_FIRST)}, {"$limit": query.limit}] if query.limit else []
    return [{"$match": query.conditions | only}, *limited]
