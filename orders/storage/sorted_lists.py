"""Lists in the order of the orders' totals, or of when they came to their status.

Few orders are found by what they have in common, and sorted. Where many are asked for, a walk along the index of the
order soon meets a page of them.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from django_mongodb_backend.query import wrap_database_errors

from orders.models import EPOCH, Document
from orders.storage.order_query import CLOCKS_DIFFER, FEW, AgePosition, OrderQuery, Place, TotalPosition, both
from orders.storage.order_writes import OURS, orders
from orders.storage.term_index import Read


@dataclass(frozen=True)
class Walk:
    """An index in the order of a list.

    :ivar always: what every order meets, and the bounds of the index need.
    :ivar free: conditions that the index tells by itself, so that they cost nothing.
    """

    index: str
    always: Document
    free: frozenset[str]
    sort: list[tuple[str, int]]


def _walk(query: OrderQuery) -> Walk:
    if query.longest_first is None:
        way = 1 if query.lowest_first else -1
        return Walk("total_newest", {}, frozenset(), [("total_price", way), ("created_at", -way), ("_id", -way)])
    way = 1 if query.longest_first else -1
    # No order came to its status before it was created, nor before it came to an earlier one.
    begins = (query.since, query.reached and query.reached.since)
    bounds: list[Document] = [
        {"status_since": {"$gte": moment - CLOCKS_DIFFER}} for moment in begins if moment and moment.year > EPOCH.year
    ]
    every = both({"status": {"$in": query.any_status}, "status_since": {"$gt": EPOCH}}, *bounds)
    return Walk("status_age", every, frozenset({"status"}), [("status_since", way), ("_id", way)])


@wrap_database_errors
def documents_by_total(
    query: OrderQuery, fields: Mapping[str, Any], *, after: TotalPosition | None = None, skip: int = 0, limit: int
) -> list[Document]:
    """Orders with these fields, as many, the lowest or the highest total first.

    Of one total the lowest first has the newest first, and the highest first the oldest.
    """
    return _documents(query, fields, query.after_total(after), skip, limit)


def sorted_places(query: OrderQuery, limit: int, after: Place | None) -> list[Place]:
    """Places in the order of the query, after one of the same order."""
    if query.longest_first is None:
        past = query.after_total(after if isinstance(after, TotalPosition) else None)
        found = _documents(query, {"total_price": 1, "created_at": 1}, past, 0, limit)
        return [TotalPosition(each["total_price"].to_decimal(), each["created_at"], each["_id"]) for each in found]
    past = query.after_age(after if isinstance(after, AgePosition) else None)
    found = _documents(query, {"status_since": 1}, past, 0, limit)
    return [AgePosition(each["status_since"], each["_id"]) for each in found]


def _documents(query: OrderQuery, fields: Mapping[str, Any], past: Document, skip: int, limit: int) -> list[Document]:
    walk = _walk(query)
    read = _read(query, walk)
    asked = both(read.filter | OURS, walk.always, past)
    return orders().find(asked, fields, sort=walk.sort, hint=read.index).skip(skip).limit(limit).to_list()


def _read(query: OrderQuery, walk: Walk) -> Read:
    if query.meanings or query.alerts:
        read = query.found_read()
        return Read(walk.index, read.filter) if read.index == "newest" else read
    if query.conditions.keys() <= walk.free:
        return Read(walk.index, query.conditions)
    index = query.index() if query.narrows else walk.index
    if index != walk.index and orders().count_documents(query.conditions, limit=FEW + 1, hint=index) > FEW:
        index = walk.index
    return Read(index, query.conditions)
