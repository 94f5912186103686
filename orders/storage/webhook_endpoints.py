"""Webhook endpoints: who delivers to one, how far it is, and what became of the last calls."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from bson import ObjectId
from django_mongodb_backend.query import wrap_database_errors
from pymongo import ReturnDocument
from pymongo.collection import Collection

from orders.models import Document, WebhookEndpoint
from orders.storage import leases
from orders.storage.database import collection, from_now, literal, writing

KEPT = 20
"""How many of the last deliveries an endpoint remembers."""


@dataclass(frozen=True)
class Attempted:
    """One delivery that was attempted: which event, and what came of it."""

    cursor: int
    event_id: str
    type: str
    status: int | None
    milliseconds: int
    error: str


_IS_DUE: Document = {"$or": [{"$eq": [{"$ifNull": ["$due_at", None]}, None]}, {"$lte": ["$due_at", "$$NOW"]}]}


def endpoints() -> Collection[Document]:
    return collection(WebhookEndpoint._meta.db_table)


@wrap_database_errors
def add(endpoint: WebhookEndpoint, *, request: str = "") -> Document:
    """Add an endpoint under its id, unless there is one already, which stays as it is.

    :param request: what was asked for, if the same may be asked for again.
    :returns: the endpoint of this id.
    """
    fields = {str(field.column): field.value_from_object(endpoint) for field in WebhookEndpoint._meta.concrete_fields}
    is_new = {"$not": [{"$ifNull": ["$url", False]}]}
    with writing():
        return leases.take(endpoints(), endpoint.pk, free=is_new, hold=literal(fields | {"request": request}))


@wrap_database_errors
def whole(endpoint_id: ObjectId) -> Document | None:
    """The stored document of an endpoint, `request` included."""
    return endpoints().find_one({"_id": endpoint_id})


@wrap_database_errors
def due_endpoints(*, before: int) -> list[ObjectId]:
    """Active endpoints whose cursor lies before a number, and that may be called now, by mongod's clock.

    There are few: the collection is read whole.
    """
    asked = {"active": True, "cursor": {"$lt": before}, "$expr": _IS_DUE}
    return [found["_id"] for found in endpoints().find(asked, {"_id": 1})]


@wrap_database_errors
def take(endpoint_id: ObjectId, holder: str, seconds: float) -> Document | None:
    """Take, or keep, the lease of an active endpoint that may be called now.

    :returns: the endpoint; None if another has it, it is off, or another has failed to deliver to it just now.
    """
    free = {"$or": [leases.ended("lease.until"), {"$eq": ["$lease.id", literal(holder)]}]}
    return endpoints().find_one_and_update(
        {"_id": endpoint_id, "active": True, "$expr": {"$and": [free, _IS_DUE]}},
        [{"$set": {"lease": leases.attempt(holder, seconds)}}],
        return_document=ReturnDocument.AFTER,
    )


@wrap_database_errors
def give_back(endpoint_id: ObjectId, holder: str) -> None:
    leases.give_back(endpoints(), {"_id": endpoint_id, "lease.id": holder}, "lease")


@wrap_database_errors
def delivered(endpoint_id: ObjectId, holder: str, cursor: int, attempted: Attempted | None) -> bool:
    """Record that all up to `cursor` has been dealt with. :returns: False if the lease, or the endpoint, is gone."""
    fields: dict[str, Any] = {"cursor": cursor, "failures": 0, "failing_since": None, "due_at": None}
    return _write(endpoint_id, holder, fields, attempted)


@wrap_database_errors
def failed(endpoint_id: ObjectId, holder: str, attempted: Attempted, *, failures: int, again_in: float) -> bool:
    """Record a delivery that failed, to be repeated in so many seconds."""
    computed = {"failing_since": {"$ifNull": ["$failing_since", "$$NOW"]}, "due_at": from_now(again_in)}
    return _write(endpoint_id, holder, {"failures": failures}, attempted, computed)


@wrap_database_errors
def stop(endpoint_id: ObjectId, holder: str, attempted: Attempted | None, why: str) -> bool:
    """Switch an endpoint off because it cannot be delivered to."""
    return _write(endpoint_id, holder, {"active": False, "stopped_because": why[:300]}, attempted)


def _write(
    endpoint_id: ObjectId,
    holder: str,
    fields: Mapping[str, Any],
    attempted: Attempted | None,
    computed: Document | None = None,
) -> bool:
    changes: Document = {name: literal(value) for name, value in fields.items()} | (computed or {})
    if attempted:
        record = {"$mergeObjects": [literal(vars(attempted)), {"at": "$$NOW"}]}
        known = {"$concatArrays": [{"$ifNull": ["$deliveries", []]}, [record]]}
        changes["deliveries"] = {"$slice": [known, -KEPT]}
    held = {"_id": endpoint_id, "lease.id": holder, "active": True}
    return endpoints().update_one(held, [{"$set": changes}]).matched_count == 1


@wrap_database_errors
def change(endpoint_id: ObjectId, fields: Mapping[str, Any]) -> bool:
    """Change what people decide of an endpoint. Whoever is delivering to it stops after the present call.

    :returns: False if there is none.
    """
    update = {"$set": dict(fields), "$unset": {"lease": ""}}
    with writing():
        return endpoints().update_one({"_id": endpoint_id}, update).matched_count == 1


@wrap_database_errors
def add_secret(endpoint_id: ObjectId, secret: str, most: int) -> bool:
    """Put a secret before those that an endpoint has; of two at once, both stay. :returns: False if there is none."""
    return _change_secrets(endpoint_id, {"$slice": [{"$concatArrays": [[literal(secret)], "$secrets"]}, most]})


@wrap_database_errors
def keep_newest_secret(endpoint_id: ObjectId) -> bool:
    """:returns: False if there is no such endpoint."""
    return _change_secrets(endpoint_id, {"$slice": ["$secrets", 1]})


def _change_secrets(endpoint_id: ObjectId, secrets: Document) -> bool:
    update: list[Document] = [{"$set": {"secrets": secrets}}, {"$unset": ["lease"]}]
    with writing():
        return endpoints().update_one({"_id": endpoint_id}, update).matched_count == 1


@wrap_database_errors
def deliveries(endpoint_id: ObjectId) -> list[Document]:
    """The last deliveries of an endpoint, the newest first; `at` is aware."""
    found = endpoints().find_one({"_id": endpoint_id}, {"deliveries": 1}) or {}
    return [entry | {"at": _aware(entry["at"])} for entry in reversed(found.get("deliveries") or [])]


@wrap_database_errors
def last_deliveries() -> dict[ObjectId, Document]:
    """The last delivery to each endpoint that has had one, by endpoint; `at` is aware."""
    found = endpoints().find({}, {"deliveries": {"$slice": -1}})
    return {row["_id"]: last | {"at": _aware(last["at"])} for row in found for last in row.get("deliveries") or ()}


def _aware(moment: datetime) -> datetime:
    return moment.replace(tzinfo=UTC)
