"""What is looked at again and again to see how the service is: each read has an index, and an end."""

from dataclasses import dataclass
from datetime import UTC, datetime

from django_mongodb_backend.query import wrap_database_errors
from pymongo.collection import Collection

from orders.models import EPOCH, OPEN_STATES, Document
from orders.storage.alerts import STOCK_UNKNOWN
from orders.storage.bulk_runs import runs
from orders.storage.database import collection
from orders.storage.order_reads import server_time
from orders.storage.order_writes import orders

WORKER, PROBE = "worker", "probe"
_OWED: Document = {"stock_due_at": {"$gt": EPOCH}}
"""What the indexes `stock_due` and `stock_owed` are about."""


def vitals() -> Collection[Document]:
    """Two documents: when a worker was last seen, and what shows that the database takes writes."""
    return collection("vitals")


@dataclass(frozen=True)
class Vitals:
    """How the service is, by its database; counts end at the limit that was asked for.

    :ivar oldest_owed: seconds since the order came to its status that has waited longest for its stock.
    :ivar overdue: seconds since a worker should have looked at the stock that is due the longest.
    :ivar worker_seen: when a worker was last at work; None if never.
    """

    owed: int
    oldest_owed: float
    overdue: float
    unknown: int
    runs: dict[str, int]
    worker_seen: datetime | None


@wrap_database_errors
def read(limit: int) -> Vitals:
    """All of it: six reads, each by an index, none of more than `limit` entries."""
    now = server_time()
    return Vitals(
        owed=orders().count_documents(_OWED, limit=limit),
        oldest_owed=_since("status_since", now),
        overdue=_since("stock_due_at", now),
        unknown=orders().count_documents(STOCK_UNKNOWN, limit=limit),
        runs=_open_runs(limit),
        worker_seen=worker_seen(),
    )


def _since(field: str, now: datetime) -> float:
    """Seconds since the earliest such moment of an order that is owed stock; 0 where it is none, or still to come."""
    found = orders().find_one(_OWED, {"_id": 0, field: 1}, sort=[(field, 1)])
    earliest = found.get(field) if found else None
    return max(0.0, (now - earliest).total_seconds()) if earliest else 0.0


def _open_runs(limit: int) -> dict[str, int]:
    states = [str(state) for state in OPEN_STATES]
    match = {"for_worker": {"$in": [True, False]}, "state": {"$in": states}}
    grouped: list[Document] = [{"$match": match}, {"$limit": limit}, {"$group": {"_id": "$state", "runs": {"$sum": 1}}}]
    return dict.fromkeys(states, 0) | {row["_id"]: row["runs"] for row in runs().aggregate(grouped)}


@wrap_database_errors
def beat(by: str) -> None:
    """Note that a worker is at work."""
    vitals().update_one({"_id": WORKER}, [{"$set": {"at": "$$NOW", "by": {"$literal": by}}}], upsert=True)


@wrap_database_errors
def worker_seen() -> datetime | None:
    """When any worker was last at work, by mongod's clock."""
    found = vitals().find_one({"_id": WORKER}, {"at": 1})
    return found["at"].replace(tzinfo=UTC) if found else None


@wrap_database_errors
def probe() -> None:
    """Write something, and wait for a majority: the one proof that orders can be taken.

    :raises DatabaseError: they cannot.
    """
    vitals().update_one({"_id": PROBE}, [{"$set": {"at": "$$NOW"}}], upsert=True)
