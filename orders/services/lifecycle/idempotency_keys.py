"""Idempotency keys: a client that got no answer may send the same request again, and it is carried out once.

A key is scoped to its caller. The key of a change is kept by the very write that makes the change, in its entry of the
order's history: it is there if and only if the change was made (:class:`KeyedRequest`).

The key of a placement is taken by one atomic write before any peer is called, together with the id that the order will
have. While an attempt may be under way the key is *live*. When its lease has ended without an order, the next request
takes it over **with the same order id**, so that of two late attempts only one can insert. When the order was rejected,
it is taken over with a new id, by a corrected request too. A key that is given back keeps its order id
(docs/adr/0003-idempotency-keys.md).
"""

import hashlib
import logging
from dataclasses import dataclass
from typing import Any

import orjson
from bson import ObjectId
from django.conf import settings
from django.db import DatabaseError
from django.utils.translation import gettext as _

from orders.models import PUBLIC_STATUSES, Document, Order, Status
from orders.services.errors import OrderError, RefusalKind
from orders.storage import new_id, order_reads, placement_keys
from orders.storage.placement_keys import Hold

logger = logging.getLogger(__name__)

RETRY_AFTER = 2
"""Seconds after which a client may ask again about an attempt under way."""


class KeyReused(OrderError):
    """The key was used for another request."""

    code = "idempotency_key_reused"
    kind = RefusalKind.ALREADY_USED


class KeyInUse(OrderError):
    """A request with this key is under way."""

    code = "idempotency_key_in_use"
    kind = RefusalKind.CONFLICT


@dataclass(frozen=True)
class Ticket:
    """The right to place one order under a key, or the order that was placed under it.

    :ivar order_id: the id that the order has, or must get.
    :ivar placed: the whole document of the order that the key stands for, if it was placed.
    :ivar key: the key's `_id`; None for a placement without a key.
    :ivar attempt: identifies this request as the holder of the key.
    """

    order_id: ObjectId
    placed: Document | None = None
    key: str | None = None
    attempt: str = ""


@dataclass(frozen=True)
class KeyedRequest:
    """A request with a key, as the history keeps it in the entry of the change that it made.

    :ivar key: the key, scoped to its caller.
    :ivar fingerprint: what was asked for.
    """

    key: str
    fingerprint: str

    @classmethod
    def of(cls, *, caller: str, key: str, request: Any) -> "KeyedRequest":
        """:param caller: the actor's label. :param request: see :func:`fingerprint`."""
        return cls(_scoped(caller, key), fingerprint(request))

    def was_made_on(self, order: Order) -> bool:
        """Tell whether the request was carried out before.

        :param order: as `order_reads.get_machine` finds it by this key.
        :raises KeyReused: the key came with another request, and that was carried out.
        """
        if any(entry.fingerprint != self.fingerprint for entry in order.history):
            raise reused()
        return bool(order.history)


def fingerprint(request: Any) -> str:
    """What tells one request from another under the same key. :param request: JSON-ready, Decimals as strings."""
    return hashlib.sha256(orjson.dumps(request, option=orjson.OPT_SORT_KEYS)).hexdigest()


def take(*, caller: str, key: str, fingerprint: str) -> Ticket:
    """Take a key, or find what became of it.

    :param caller: the actor's label.
    :raises KeyReused: the key came with another request before, and that left an order, or may leave one.
    :raises KeyInUse: an attempt is under way; `retry_after` says when to ask again, in seconds.
    """
    key_id = _scoped(caller, key)
    fresh, attempt = ObjectId(), new_id()
    found = placement_keys.take_or_find(key_id, _hold(fingerprint, attempt), fresh)
    if found["fingerprint"] != fingerprint:
        return _take_after_rejection(found, fingerprint, fresh, attempt)
    is_mine = found["attempt"] == attempt
    # A key that was given back keeps its order id, and the draft may have been written after all.
    order = None if is_mine and found["order_id"] == fresh else order_reads.get_whole(found["order_id"])
    if is_mine and order is None:
        return Ticket(found["order_id"], key=key_id, attempt=attempt)
    if order and order["status"] in PUBLIC_STATUSES:
        return Ticket(order["_id"], placed=order)
    taken: Document | None = None
    if order is None:
        taken = placement_keys.take_over(found, _hold(fingerprint, attempt), found["order_id"], lapsed=True)
    elif order["status"] == Status.REJECTED:
        taken = placement_keys.take_over(found, _hold(fingerprint, attempt), fresh, lapsed=False)
    return _ticket(taken, attempt)


def order_of(*, caller: str, key: str) -> ObjectId | None:
    """The id that the order under a key has, or would get; None where the key was never used."""
    found = placement_keys.find(_scoped(caller, key))
    return found["order_id"] if found else None


def order_under(*, caller: str, key: str) -> Document | None:
    """The whole document of the order under a key, which may be a draft; None where none is known."""
    order_id = order_of(caller=caller, key=key)
    return order_reads.get_whole(order_id) if order_id else None


def _take_after_rejection(found: Document, fingerprint: str, fresh: ObjectId, attempt: str) -> Ticket:
    """Take a key for a corrected request: only once the order that it stood for is rejected, which is final.

    :raises KeyReused, KeyInUse:
    """
    order = order_reads.get_whole(found["order_id"])
    if order is None or order["status"] != Status.REJECTED:
        raise reused()
    return _ticket(placement_keys.take_over(found, _hold(fingerprint, attempt), fresh, lapsed=False), attempt)


def _ticket(taken: Document | None, attempt: str) -> Ticket:
    if taken is None:
        raise KeyInUse(_("A request with this Idempotency-Key is still under way."), retry_after=RETRY_AFTER)
    return Ticket(taken["order_id"], key=taken["_id"], attempt=attempt)


def give_back(ticket: Ticket) -> None:
    """Give a key back after a placement that left no order; the client may correct the request and use it again.

    The key keeps its order id: an earlier holder that was only slow, and whose key was taken over, may still insert.
    Where the database fails, the key becomes free when its lease ends.
    """
    if not ticket.key:
        return
    try:
        placement_keys.give_back(ticket.key, ticket.attempt)
    except DatabaseError:
        logger.warning("an idempotency key could not be given back; it becomes free when its lease ends")


def _scoped(caller: str, key: str) -> str:
    return hashlib.sha256(f"{caller}\0{key}".encode()).hexdigest()


def reused() -> KeyReused:
    """What to raise of a key that came with another request."""
    return KeyReused(_("This Idempotency-Key was used before, for a different request. Use a new key."))


def _hold(fingerprint: str, attempt: str) -> Hold:
    return Hold(fingerprint, attempt, settings.STOCK_LEASE, settings.IDEMPOTENCY_KEY_TTL)
