"""Orders that wait for staff: how each kind of them is found, by an index that holds no others."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django_mongodb_backend.query import wrap_database_errors

from orders.models import EPOCH, LineState, Status
from orders.models.parts import Document
from orders.storage.order_reads import STOCK_UNKNOWN
from orders.storage.order_writes import orders

OPEN = [Status.PENDING.value, Status.PAID.value, Status.PROCESSING.value]
UNSHIPPED = [Status.PAID.value, Status.PROCESSING.value]
FIELDS: Mapping[str, Any] = dict.fromkeys(
    (
        *("number", "user_id", "user_verified", "status", "version", "total_price", "items.product_id"),
        *("items.quantity", "items.stock", "created_at", "status_since", "stock_due_at"),
    ),
    1,
) | {
    # When a line became unknown stands in the history, of which nothing else is wanted here.
    "history": {
        "$filter": {"input": "$history", "as": "entry", "cond": {"$eq": ["$$entry.to", LineState.UNKNOWN.value]}}
    }
}


@dataclass(frozen=True)
class Waiting:
    """One kind of waiting: its condition, and the field by which those that have waited longest come first."""

    query: Document
    since: str


def unknown() -> Waiting:
    """A line of which nobody knows what became of its call."""
    return Waiting(dict(STOCK_UNKNOWN), "created_at")


def owed(before: datetime) -> Waiting:
    """Stock still owed by orders that came to their status before a moment."""
    return Waiting({"stock_due_at": {"$gt": EPOCH}, "status_since": {"$lt": before}}, "status_since")


def short() -> Waiting:
    """A line of which inventory gave back less than asked."""
    # Its index is by creation alone: without a condition on that it is not looked at where nothing is sorted.
    return Waiting({"items.stock.discrepancy": {"$gt": 0}, "created_at": {"$gt": EPOCH}}, "created_at")


def unverified() -> Waiting:
    """Open orders of users that could not be verified."""
    return Waiting({"user_verified": False, "status": {"$in": OPEN}}, "created_at")


def unshipped(before: datetime) -> Waiting:
    """Orders that have been paid, or been in processing, since before a moment."""
    return Waiting({"status": {"$in": UNSHIPPED}, "status_since": {"$lt": before}}, "status_since")


@wrap_database_errors
def find(waiting: Waiting, limit: int) -> list[Document]:
    """Those that have waited longest."""
    return orders().find(waiting.query, FIELDS).sort(waiting.since, 1).limit(limit).to_list()


@wrap_database_errors
def count(waiting: Waiting, most: int) -> int:
    """How many wait; `most` where there are as many or more."""
    return orders().count_documents(waiting.query, limit=most)
