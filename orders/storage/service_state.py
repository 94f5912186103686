"""What monitoring reads of the database, again and again: each read uses an index, and is bounded."""

from collections import Counter
from dataclasses import dataclass
from datetime import UTC, datetime

from django_mongodb_backend.query import wrap_database_errors
from pymongo.collection import Collection

from orders.models import EPOCH, OPEN_STATES, Document, EndpointState, endpoint_state
from orders.storage import alerts, event_cursors, event_feed
from orders.storage.alerts import Alert
from orders.storage.bulk_runs import runs
from orders.storage.database import collection
from orders.storage.foreign_orders import count_foreign
from orders.storage.order_reads import server_time
from orders.storage.order_writes import orders
from orders.storage.webhook_endpoints import endpoints

WORKER, PROBE = "worker", "probe"
_OWED: Document = {"stock_due_at": {"$gt": EPOCH}}
"""Covered by the indexes `stock_due` and `stock_owed`."""


def heartbeats() -> Collection[Document]:
    """Two documents: when a worker was last seen, and the last write of a probe."""
    return collection("vitals")


@dataclass(frozen=True)
class ServiceFigures:
    """What the database knows of the state of the service; counts stop at the limit that was asked for.

    :ivar oldest_owed: age of the oldest order with stock still to settle, in seconds since it reached its status.
    :ivar overdue: seconds since the stock that has been due longest became due.
    :ivar unknown: orders with unconfirmed stock that wait for a person, as everywhere; `snoozed`: orders that sleep.
    :ivar worker_seen: when a worker was last seen; None if never.
    :ivar foreign: documents of another service in the collection of orders.
    :ivar untold: seconds for which an event has waited to be told.
    :ivar told: how many events were ever told.
    :ivar endpoints: how many webhook endpoints there are in each state.
    :ivar lags: how many events those who follow the feed have not had, by kind: of the endpoints that are on, the one
        that is furthest behind, and the broker if there is one.
    """

    owed: int
    oldest_owed: float
    overdue: float
    unknown: int
    snoozed: int
    foreign: int
    runs: dict[str, int]
    worker_seen: datetime | None
    untold: float
    told: int
    endpoints: dict[str, int]
    lags: dict[str, int]


@wrap_database_errors
def read(limit: int, *, broker: bool = False) -> ServiceFigures:
    """Twelve reads at most, each by an index, none of more than `limit` entries.

    :param broker: whether events are published to one.
    """
    now, told = server_time(), event_feed.newest_cursor()
    untold_since = event_feed.untold_since()
    known = endpoints().find({}, _OF_ENDPOINTS, limit=limit, hint="_id_").to_list()
    behind = [told - endpoint["cursor"] for endpoint in known if endpoint["active"]]
    lags = {"webhooks": max(behind, default=0)}
    if broker and (position := event_cursors.position(event_cursors.AMQP)) is not None:
        lags["broker"] = told - position
    return ServiceFigures(
        owed=orders().count_documents(_OWED, limit=limit),
        oldest_owed=_since("status_since", now),
        overdue=_since("stock_due_at", now),
        unknown=alerts.count(Alert.UNKNOWN, now, limit),
        snoozed=alerts.count(Alert.SNOOZED, now, limit),
        foreign=count_foreign(limit),
        runs=_open_runs(limit),
        worker_seen=worker_seen(),
        untold=max(0.0, (now - untold_since).total_seconds()) if untold_since else 0.0,
        told=told,
        endpoints=dict.fromkeys(map(str, EndpointState), 0) | Counter(map(_state_of, known)),
        lags={follower: max(0, lag) for follower, lag in lags.items()},
    )


_OF_ENDPOINTS = dict.fromkeys(("active", "cursor", "failing_since", "stopped_because"), 1)


def _state_of(endpoint: Document) -> str:
    return str(
        endpoint_state(
            active=endpoint["active"],
            failing=endpoint.get("failing_since") is not None,
            stopped=bool(endpoint.get("stopped_because")),
        )
    )


def _since(field: str, now: datetime) -> float:
    """Seconds since the earliest such moment of an order with stock to settle; 0 if there is none, or it is to come."""
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
    """Record that a worker is running."""
    heartbeats().update_one({"_id": WORKER}, [{"$set": {"at": "$$NOW", "by": {"$literal": by}}}], upsert=True)


@wrap_database_errors
def worker_seen() -> datetime | None:
    """When any worker was last seen, by mongod's clock."""
    found = heartbeats().find_one({"_id": WORKER}, {"at": 1})
    return found["at"].replace(tzinfo=UTC) if found else None


@wrap_database_errors
def probe() -> None:
    """Write something, and wait for a majority: the only proof that orders can be placed.

    :raises DatabaseError: they cannot be.
    """
    heartbeats().update_one({"_id": PROBE}, [{"$set": {"at": "$$NOW"}}], upsert=True)
