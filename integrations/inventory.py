"""The inventory service: what is in stock, and setting it aside for an order.

`reserve` and `release` change stock that belongs to others too, so what became of them is told exactly
(docs/peers.md, Outcomes). Whether they may be repeated is a setting, since the published service knows no
idempotency keys.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, TypeVar

from django.conf import settings

from integrations import http
from integrations.http import Deadline, PeerRefused, PeerUnavailable, Reply, Unexpected

T = TypeVar("T")

PEER = http.Peer("inventory", "INVENTORY_SERVICE_URL")
PATIENCE = "INVENTORY_WRITE_TIMEOUT"
"""The setting for reserve and release: the published service commits, and then asks another one before it answers."""
ANSWERS = (400, 404, 409, 410, 422)
"""Statuses that say something of one product, and that the peer is there."""


@dataclass(frozen=True, slots=True)
class Availability:
    """Whether so many units can be had; how many there are, if the peer says so; its words, if any."""

    available: bool
    current_quantity: int | None
    message: str


@dataclass(frozen=True, slots=True)
class Reservation:
    """Units set aside, as many as were asked for; what is left for others, if the peer says so."""

    quantity: int
    available_quantity: int | None


@dataclass(frozen=True, slots=True)
class Release:
    """Units given back: from 0 to what was asked for, since the peer gives back no more than is reserved."""

    quantity: int


@dataclass(frozen=True, slots=True)
class StockLevel:
    """Units that can be reserved, and units that are."""

    available: int
    reserved: int


def full_timeout() -> float:
    """Return the seconds that one reserve or release may take: PEER_CONNECT_TIMEOUT + INVENTORY_WRITE_TIMEOUT."""
    return http.full_timeout(PATIENCE)


def check(product_id: str, quantity: int, *, deadline: Deadline, retries: bool = True) -> Availability:
    """Ask whether `quantity` units can be had. Nothing is set aside: the answer may be old when it arrives.

    A product that the peer does not know, or a question that it refuses, is not available.

    :raises PeerUnavailable: if the peer does not say.
    """
    if http.segment(product_id) is None:
        return Availability(available=False, current_quantity=None, message="There is no such product")
    params = {"product_id": product_id, "quantity": str(quantity)}
    call = http.Call(PEER, "check", "GET", "/inventory/check", params=params, known=(400, 404, 422))
    return http.read(call, _availability, deadline=deadline, retries=retries)


def _availability(reply: Reply) -> Availability:
    if not reply.succeeded:
        return Availability(available=False, current_quantity=None, message=reply.detail())
    body = reply.json_object()
    if not isinstance(body.get("available"), bool):
        raise Unexpected("answered something unexpected: no true or false in `available`")
    message = body.get("message") and reply.detail()
    return Availability(body["available"], _count(body.get("current_quantity")), message or "")


def reserve(
    product_id: str,
    quantity: int,
    *,
    order_id: str,
    key: str,
    deadline: Deadline,
    retries: bool = True,
    repeated: bool = False,
) -> Reservation:
    """Set `quantity` units aside for an order: all of them or none. `key` is the idempotency key of the line.

    `repeated` says that the same may have been sent before, to a peer that honours keys: then "not sent" or a
    conflict (409) now says nothing of what happened then, and the outcome is unknown.

    :raises PeerUnavailable: if surely nothing was set aside; later it may be.
    :raises PeerRefused: if the peer said no: too little stock (400), no such product (404).
    :raises OutcomeUnknown: if they may or may not be set aside.
    """

    def interpret(reply: Reply) -> Reservation:
        body = _done(reply, "reserved")
        if _count(body.get("quantity")) != quantity:
            raise Unexpected(f"answered something unexpected: not {quantity} in `quantity`")
        return Reservation(quantity, _count(body.get("available_quantity")))

    call = _change("reserve", product_id, quantity, order_id, key)
    return _write(call, interpret, deadline=deadline, retries=retries, repeated=repeated)


def release(
    product_id: str,
    quantity: int,
    *,
    order_id: str,
    key: str,
    deadline: Deadline,
    retries: bool = True,
    repeated: bool = False,
) -> Release:
    """Give back up to `quantity` reserved units. The peer may give back fewer: whoever calls compares.

    `repeated` is as for `reserve`.

    :raises PeerUnavailable: if surely nothing was given back; later it may be.
    :raises PeerRefused: if the peer said no: nothing reserved (400), no such product (404).
    :raises OutcomeUnknown: if they may or may not be given back.
    """

    def interpret(reply: Reply) -> Release:
        released = _count(_done(reply, "released").get("quantity"))
        if released is None or released > quantity:
            raise Unexpected(f"answered something unexpected: not 0 to {quantity} in `quantity`")
        return Release(released)

    call = _change("release", product_id, quantity, order_id, key)
    return _write(call, interpret, deadline=deadline, retries=retries, repeated=repeated)


def stock(product_id: str, *, deadline: Deadline, retries: bool = True) -> StockLevel | None:
    """Return the stock of a product, or None if the peer knows no such product.

    :raises PeerUnavailable: if the peer does not say.
    """
    segment = http.segment(product_id)
    if segment is None:
        return None
    return http.read(_stock_of(segment), _level, deadline=deadline, retries=retries)


def answers(*, product_id: str, deadline: Deadline) -> None:
    """Return if the peer answers a read right now; one attempt. Asked before a call that cannot be repeated.

    :raises PeerUnavailable: if it does not.
    """
    segment = http.segment(product_id)
    if segment is None:
        raise PeerUnavailable(PEER.name, "not asked: no such product can exist", repeatable=False)
    http.read(_stock_of(segment, known=ANSWERS), lambda _reply: None, deadline=deadline, retries=False)


def _stock_of(segment: str, *, known: tuple[int, ...] = (404,)) -> http.Call:
    return http.Call(PEER, "stock", "GET", f"/inventory/{segment}", known=known)


def _level(reply: Reply) -> StockLevel | None:
    if reply.status == 404:
        return None
    body = reply.json_object()
    available, reserved = _count(body.get("available_quantity")), _count(body.get("reserved_quantity"))
    if available is None or reserved is None:
        raise Unexpected("answered something unexpected: no numbers of units")
    return StockLevel(available, reserved)


def _change(operation: str, product_id: str, quantity: int, order_id: str, key: str) -> http.Call:
    body = {"product_id": product_id, "quantity": quantity, "order_id": order_id}
    headers = {"Idempotency-Key": key}
    path = f"/inventory/{operation}"
    return http.Call(PEER, operation, "POST", path, body=body, headers=headers, patience=PATIENCE)


def _write(call: http.Call, interpret: Callable[[Reply], T], *, deadline: Deadline, retries: bool, repeated: bool) -> T:
    return http.write(
        call,
        interpret,
        deadline=deadline,
        not_acted=settings.INVENTORY_NOT_ACTED_STATUSES,
        # One that is not atomic may still be at work on the call that was lost, beside its repetition.
        honours_keys=settings.INVENTORY_HONOURS_IDEMPOTENCY_KEY and settings.INVENTORY_IS_ATOMIC,
        retries=retries,
        repeated=repeated,
    )


def _done(reply: Reply, word: str) -> dict[str, Any]:
    """Return the body if it says that the thing was done; a 200 may also say that it was not."""
    body = reply.json_object()
    if body.get(word) is False:
        detail = f"answered `{word}: false`: {reply.detail()}".rstrip(": ")
        raise PeerRefused(PEER.name, detail, status=reply.status)
    if body.get(word) is not True:
        raise Unexpected(f"answered something unexpected: no true or false in `{word}`")
    return body


def _count(found: object) -> int | None:
    """Return a number of units, or None for what is none."""
    return found if isinstance(found, int) and not isinstance(found, bool) and found >= 0 else None
