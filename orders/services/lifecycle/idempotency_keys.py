"""Idempotency keys: a client that got no answer may send the same request again, and it is carried out once.

A key is scoped to its caller. That of a change is kept by the very write that makes the change, in its entry of the
order's history: it is there if and only if the change was made (:class:`Mark`).

That of a placement is taken by one atomic write before any peer is called, together with the id that the order will
have. While an attempt may be under way the key is *live*; when its lease has lapsed without an order,
the next request takes the attempt over **with the same order id**, so that of two late attempts only one can insert;
when the order was rejected, with a new id, and for a
corrected request too; a key that is given back keeps its order id (docs/adr/0003-idempotency-keys.md).
"""

import hashlib
from dataclasses import dataclass
from typing import Any

import orjson
from bson import ObjectId
from django.conf import settings
from django_mongodb_backend.query import wrap_database_errors
from pymongo import ReturnDocument
from pymongo.collection import Collection

from orders.models.idempotency_key import IdempotencyKey
from orders.models.order import Order
from orders.models.states import PUBLIC_STATUSES, Status
from orders.services.errors import OrderError
from orders.storage import order_reads
from orders.storage.database import Document, collection
from orders.storage.order_writes import from_now, literal, new_id

RETRY_AFTER = 2
"""Seconds after which a client may ask again about an attempt under way."""


class KeyReused(OrderError):
    """The key was used for another request."""

    code = "idempotency_key_reused"


class KeyInUse(OrderError):
    """A request with this key is under way."""

    code = "idempotency_key_in_use"


@dataclass(frozen=True)
class Ticket:
    """The right to place one order under a key, or the order that was placed under it.

    :ivar order_id: the id that the order has, or must get.
    :ivar placed: the whole document of the order that the key stands for, if it was placed.
    :ivar key: the key's `_id`; None for a placement without a key.
    :ivar attempt: identifies this request's hold of the key.
    """

    order_id: ObjectId
    placed: Document | None = None
    key: str | None = None
    attempt: str = ""


@dataclass(frozen=True)
class Mark:
    """What the history of an order keeps of a request with a key, in the entry of the change that it made.

    :ivar key: the key, scoped to its caller.
    :ivar fingerprint: what was asked for.
    """

    key: str
    fingerprint: str

    @classmethod
    def of(cls, *, caller: str, key: str, request: Any) -> "Mark":
        """:param caller: the actor's label. :param request: see :func:`fingerprint`."""
        return cls(_scoped(caller, key), fingerprint(request))

    def is_in(self, order: Order) -> bool:
        """Tell whether the request was carried out. :param order: as `order_reads.get_machine` finds it by this key.

        :raises KeyReused: the key came with another request, which was.
        """
        if any(entry.fingerprint != self.fingerprint for entry in order.history):
            raise _reused()
        return bool(order.history)


def fingerprint(request: Any) -> str:
    """What tells one request from another under the same key. :param request: JSON-ready, Decimals as strings."""
    return hashlib.sha256(orjson.dumps(request, option=orjson.OPT_SORT_KEYS)).hexdigest()


@wrap_database_errors
def take(*, caller: str, key: str, fingerprint: str) -> Ticket:
    """Take a key, or find what became of it.

    :param caller: the actor's label.
    :raises KeyReused: the key came with another request before, and that left an order, or may leave one.
    :raises KeyInUse: an attempt is under way; `retry_after` says when to ask again, in seconds.
    """
    key_id = _scoped(caller, key)
    fresh, attempt = ObjectId(), new_id()
    found = _insert_or_find(key_id, fingerprint, fresh, attempt)
    if found["fingerprint"] != fingerprint:
        return _take_after_rejection(found, fingerprint, fresh, attempt)
    is_mine = found["attempt"] == attempt
    # A key that was freed keeps its order id, and the draft may have been written after all.
    order = None if is_mine and found["order_id"] == fresh else order_reads.get_whole(found["order_id"])
    if is_mine and order is None:
        return Ticket(found["order_id"], key=key_id, attempt=attempt)
    if order and order["status"] in PUBLIC_STATUSES:
        return Ticket(order["_id"], placed=order)
    taken: Document | None = None
    if order is None:
        taken = _take_over(found, fingerprint, found["order_id"], attempt, lapsed=True)
    elif order["status"] == Status.REJECTED:
        taken = _take_over(found, fingerprint, fresh, attempt, lapsed=False)
    return _ticket(taken, attempt)


def _take_after_rejection(found: Document, fingerprint: str, fresh: ObjectId, attempt: str) -> Ticket:
    """Take a key for a corrected request: only once the order that it stood for is rejected, which is final.

    :raises KeyReused, KeyInUse:
    """
    order = order_reads.get_whole(found["order_id"])
    if order is None or order["status"] != Status.REJECTED:
        raise _reused()
    return _ticket(_take_over(found, fingerprint, fresh, attempt, lapsed=False), attempt)


def _ticket(taken: Document | None, attempt: str) -> Ticket:
    if taken is None:
        raise KeyInUse("A request with this Idempotency-Key is still under way.", retry_after=RETRY_AFTER)
    return Ticket(taken["order_id"], key=taken["_id"], attempt=attempt)


@wrap_database_errors
def free(ticket: Ticket) -> None:
    """Give a key back after a placement that left no order; the client may correct the request and use it again.

    The key keeps its order id: an earlier holder that was only slow, and whose key was taken over, may still insert.
    """
    if ticket.key:
        _keys().update_one({"_id": ticket.key, "attempt": ticket.attempt}, {"$unset": {"fingerprint": ""}})


def _scoped(caller: str, key: str) -> str:
    return hashlib.sha256(f"{caller}\0{key}".encode()).hexdigest()


def _reused() -> KeyReused:
    return KeyReused("This Idempotency-Key was used before, for a different request. Use a new key.")


def _insert_or_find(key_id: str, fingerprint: str, order_id: ObjectId, attempt: str) -> Document:
    """Take a key that is new or was freed; find one that is not as it is."""
    free = {"$eq": [{"$type": "$fingerprint"}, "missing"]}
    mine = literal({"_id": key_id, "fingerprint": fingerprint, "attempt": attempt})
    hold = {"$mergeObjects": [mine, {"order_id": {"$ifNull": ["$order_id", order_id]}, **_times()}]}
    found: Document | None = _keys().find_one_and_update(
        {"_id": key_id},
        [{"$replaceWith": {"$cond": [free, hold, "$$ROOT"]}}],
        upsert=True,
        return_document=ReturnDocument.AFTER,
    )
    assert found is not None  # noqa: S101 - an upsert leaves a document
    return found


def _take_over(found: Document, fingerprint: str, order_id: ObjectId, attempt: str, *, lapsed: bool) -> Document | None:
    """Compare and set: succeeds for one request only, and where asked only once the lease has lapsed."""
    guard = {name: found[name] for name in ("_id", "order_id", "attempt")}
    if lapsed:
        guard["$expr"] = {"$lte": ["$until", "$$NOW"]}
    hold = {"order_id": literal(order_id), "attempt": attempt, "fingerprint": literal(fingerprint), **_times()}
    taken: Document | None = _keys().find_one_and_update(guard, [{"$set": hold}], return_document=ReturnDocument.AFTER)
    # After a failover a repeated write can find its own first try in the way.
    return taken or _keys().find_one({"_id": found["_id"], "attempt": attempt})


def _times() -> Document:
    return {"until": from_now(settings.STOCK_LEASE), "expires_at": from_now(settings.IDEMPOTENCY_KEY_TTL)}


def _keys() -> Collection[Document]:
    return collection(IdempotencyKey._meta.db_table)
