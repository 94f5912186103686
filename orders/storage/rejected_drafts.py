"""Rejected drafts of which nothing is owed and nothing is told any more, and their removal."""

from collections.abc import Sequence
from datetime import datetime

from bson import ObjectId
from django_mongodb_backend.query import wrap_database_errors

from orders.models import IdempotencyKey, LineState, Status
from orders.models.parts import Document
from orders.storage.database import collection
from orders.storage.order_reads import Position
from orders.storage.order_writes import orders

INDEX = "status_newest"
SETTLED = [LineState.NONE.value, LineState.RELEASED.value]


def purgeable(before: datetime) -> Document:
    """Whatever must be true of a draft that may go; the filter of the search and, again, of each removal.

    Rejected, created before a moment, each line `none` or `released` without an attempt or missing units, nothing due.
    """
    unsettled = [
        {"stock.state": {"$nin": SETTLED}},
        {"stock.attempt": {"$ne": None}},
        {"stock.discrepancy": {"$gt": 0}},
    ]
    return {
        "status": Status.REJECTED.value,
        "created_at": {"$lt": before},
        "stock_due_at": None,
        "items": {"$type": "array", "$not": {"$elemMatch": {"$or": unsettled}}},
    }


@wrap_database_errors
def purgeable_drafts(before: datetime, *, after: Position | None, limit: int) -> list[Position]:
    """The next of them, the oldest first."""
    query: Document = purgeable(before)
    if after is not None:
        later = [{"created_at": {"$gt": after.created_at}}, {"_id": {"$gt": after.id}}]
        query = {"$and": [query, {"created_at": {"$gte": after.created_at}}, {"$or": later}]}
    order = [("created_at", 1), ("_id", 1)]
    found = orders().find(query, {"created_at": 1}, sort=order, limit=limit, hint=INDEX)
    return [Position(draft["created_at"], draft["_id"]) for draft in found]


@wrap_database_errors
def kept_by_keys(ids: Sequence[ObjectId]) -> set[ObjectId]:
    """Those of these orders for which an idempotency key stands. Reads every key: they last for a day or so."""
    keys = collection(IdempotencyKey._meta.db_table)
    return {key["order_id"] for key in keys.find({"order_id": {"$in": list(ids)}}, {"order_id": 1})}


@wrap_database_errors
def remove_drafts(ids: Sequence[ObjectId], before: datetime) -> int:
    """Delete those of these orders that are still purgeable. :returns: how many were."""
    return orders().delete_many({"_id": {"$in": list(ids)}, **purgeable(before)}).deleted_count
