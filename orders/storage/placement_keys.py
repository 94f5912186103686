"""Leases on the idempotency keys of placements (see `orders.services.lifecycle.idempotency_keys`)."""

from dataclasses import dataclass

from bson import ObjectId
from django_mongodb_backend.query import wrap_database_errors
from pymongo import ReturnDocument
from pymongo.collection import Collection

from orders.models import Document, IdempotencyKey
from orders.storage import leases
from orders.storage.database import collection, from_now, literal


@dataclass(frozen=True)
class Hold:
    """What a request writes into the key that it takes.

    :ivar fingerprint: of what it asks for.
    :ivar lease: seconds for which it may be under way.
    :ivar kept: seconds after which the key is forgotten.
    """

    fingerprint: str
    attempt: str
    lease: float
    kept: float

    def expression(self) -> Document:
        held = {"fingerprint": literal(self.fingerprint), "attempt": self.attempt}
        return held | {"until": from_now(self.lease), "expires_at": from_now(self.kept)}


def keys() -> Collection[Document]:
    """The collection of keys."""
    return collection(IdempotencyKey._meta.db_table)


@wrap_database_errors
def take_or_find(key_id: str, hold: Hold, order_id: ObjectId) -> Document:
    """Take a key that is new or was given back; find one that is neither as it is.

    :param order_id: which the order gets, unless the key was given back: then it keeps the one that it has.
    """
    free = {"$eq": [{"$type": "$fingerprint"}, "missing"]}
    mine = hold.expression() | {"order_id": {"$ifNull": ["$order_id", order_id]}}
    return leases.take(keys(), key_id, free=free, hold=mine)


@wrap_database_errors
def find(key_id: str) -> Document | None:
    """A key as it is."""
    return keys().find_one({"_id": key_id})


@wrap_database_errors
def take_over(found: Document, hold: Hold, order_id: ObjectId, *, lapsed: bool) -> Document | None:
    """Compare and set: take a key just as it was found.

    :param lapsed: only once its lease has ended.
    :returns: the key; None where it has changed, or its lease has not ended.
    """
    guard = {name: found[name] for name in ("_id", "order_id", "attempt")}
    if lapsed:
        guard["$expr"] = leases.ended("until")
    mine = hold.expression() | {"order_id": order_id}
    taken: Document | None = keys().find_one_and_update(guard, [{"$set": mine}], return_document=ReturnDocument.AFTER)
    # After a failover a repeated write can find its own first try in the way.
    return taken or keys().find_one({"_id": found["_id"], "attempt": hold.attempt})


@wrap_database_errors
def give_back(key_id: str, attempt: str) -> None:
    """Leave a key free for another request; it keeps its order id."""
    leases.give_back(keys(), {"_id": key_id, "attempt": attempt}, "fingerprint")
