"""The inventory service: what is in stock, and reserving it for an order.

`reserve` and `release` change stock that other orders share, so their outcome is reported exactly (docs/peers.md,
Outcomes). Whether they may be repeated is a setting, since the published service knows no idempotency keys.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, TypeVar

from django.conf import settings

from integrations import peer_requests
from integrations.peer_requests import Answer, Deadline, PeerRefused, PeerRequest, PeerUnavailable, Unexpected

T = TypeVar("T")

PEER = peer_requests.Peer("inventory", "INVENTORY_SERVICE_URL")
WRITE_TIMEOUT = "INVENTORY_WRITE_TIMEOUT"
"""The setting for reserve and release: the published service commits, and then asks another one before it answers."""
PROBE_ANSWERS = (400, 404, 409, 410, 422)
"""Statuses that are about one product, and show that the peer is working."""


@dataclass(frozen=True, slots=True)
class Availability:
    """Whether the units are in stock; how many there are, if the peer says so; its message, if any."""

    available: bool
    current_quantity: int | None
    message: str


@dataclass(frozen=True, slots=True)
class StockLevel:
    """Units that can be reserved, and units that are reserved."""

    available: int
    reserved: int


def full_timeout() -> float:
    """Return the seconds that one reserve or release may take: PEER_CONNECT_TIMEOUT + INVENTORY_WRITE_TIMEOUT."""
    return peer_requests.full_timeout(WRITE_TIMEOUT)


def check(product_id: str, quantity: int, *, deadline: Deadline, retries: bool = True) -> Availability:
    """Ask whether `quantity` units are in stock. Nothing is reserved: the answer may be outdated when it arrives.

    A product that the peer does not know, or a question that it refuses, is not available.

    :raises PeerUnavailable: if the peer does not say.
    """
    if peer_requests.path_segment(product_id) is None:
        return Availability(available=False, current_quantity=None, message="There is no such product")
    params = {"product_id": product_id, "quantity": str(quantity)}
    request = PeerRequest(PEER, "check", "GET", "/inventory/check", params=params, accepted=(400, 404, 422))
    return peer_requests.read(request, _availability, deadline=deadline, retries=retries)


def _availability(answer: Answer) -> Availability:
    if not answer.succeeded:
        return Availability(available=False, current_quantity=None, message=answer.detail())
    body = answer.json_object()
    if not isinstance(body.get("available"), bool):
        raise Unexpected("answered something unexpected: no true or false in `available`")
    message = body.get("message") and answer.detail()
    return Availability(body["available"], _count(body.get("current_quantity")), message or "")


def reserve(
    product_id: str,
    quantity: int,
    *,
    order_id: str,
    key: str,
    deadline: Deadline,
    retries: bool = True,
    sent_before: bool = False,
) -> int:
    """Reserve `quantity` units for an order: all of them or none. `key` is the idempotency key of the line.

    `sent_before` says that the same may have been sent before, to a peer that honours keys: then "not sent" or a
    conflict (409) now does not tell what happened then, and the outcome is unknown.

    :raises PeerUnavailable: if certainly nothing was reserved; a later attempt may succeed.
    :raises PeerRefused: if the peer said no: too little stock (400), no such product (404).
    :raises OutcomeUnknown: if they may or may not be reserved.
    """

    def interpret(answer: Answer) -> int:
        if _count(_done(answer, "reserved").get("quantity")) != quantity:
            raise Unexpected(f"answered something unexpected: not {quantity} in `quantity`")
        return quantity

    request = _change("reserve", product_id, quantity, order_id, key)
    return _write(request, interpret, deadline=deadline, retries=retries, sent_before=sent_before)


def release(
    product_id: str,
    quantity: int,
    *,
    order_id: str,
    key: str,
    deadline: Deadline,
    retries: bool = True,
    sent_before: bool = False,
) -> int:
    """Release up to `quantity` reserved units.

    `sent_before` is as for `reserve`.

    :returns: the units released, which may be fewer: the peer releases no more than is reserved.
    :raises PeerUnavailable: if certainly nothing was released; a later attempt may succeed.
    :raises PeerRefused: if the peer said no: nothing reserved (400), no such product (404).
    :raises OutcomeUnknown: if they may or may not be released.
    """

    def interpret(answer: Answer) -> int:
        released = _count(_done(answer, "released").get("quantity"))
        if released is None or released > quantity:
            raise Unexpected(f"answered something unexpected: not 0 to {quantity} in `quantity`")
        return released

    request = _change("release", product_id, quantity, order_id, key)
    return _write(request, interpret, deadline=deadline, retries=retries, sent_before=sent_before)


def stock(product_id: str, *, deadline: Deadline, retries: bool = True) -> StockLevel | None:
    """Return the stock of a product, or None if the peer knows no such product.

    :raises PeerUnavailable: if the peer does not say.
    """
    segment = peer_requests.path_segment(product_id)
    if segment is None:
        return None
    return peer_requests.read(_stock_of(segment), _level, deadline=deadline, retries=retries)


def probe(*, product_id: str, deadline: Deadline) -> None:
    """Return if the peer answers a read right now; one attempt. For use before a call that cannot be repeated.

    :raises PeerUnavailable: if it does not.
    """
    segment = peer_requests.path_segment(product_id)
    if segment is None:
        raise PeerUnavailable(PEER.name, "not asked: no such product can exist", repeatable=False)
    peer_requests.read(
        _stock_of(segment, accepted=PROBE_ANSWERS), lambda _answer: None, deadline=deadline, retries=False
    )


def _stock_of(segment: str, *, accepted: tuple[int, ...] = (404,)) -> PeerRequest:
    return PeerRequest(PEER, "stock", "GET", f"/inventory/{segment}", accepted=accepted)


def _level(answer: Answer) -> StockLevel | None:
    if answer.status == 404:
        return None
    body = answer.json_object()
    available, reserved = _count(body.get("available_quantity")), _count(body.get("reserved_quantity"))
    if available is None or reserved is None:
        raise Unexpected("answered something unexpected: no numbers of units")
    return StockLevel(available, reserved)


def _change(operation: str, product_id: str, quantity: int, order_id: str, key: str) -> PeerRequest:
    body = {"product_id": product_id, "quantity": quantity, "order_id": order_id}
    headers = {"Idempotency-Key": key}
    path = f"/inventory/{operation}"
    return PeerRequest(PEER, operation, "POST", path, body=body, headers=headers, timeout_setting=WRITE_TIMEOUT)


def _write(
    request: PeerRequest, interpret: Callable[[Answer], T], *, deadline: Deadline, retries: bool, sent_before: bool
) -> T:
    return peer_requests.write(
        request,
        interpret,
        deadline=deadline,
        not_acted=settings.INVENTORY_NOT_ACTED_STATUSES,
        # One that is not atomic may still be working on the lost call while it receives the repeat.
        honours_keys=settings.INVENTORY_HONOURS_IDEMPOTENCY_KEY and settings.INVENTORY_IS_ATOMIC,
        retries=retries,
        sent_before=sent_before,
    )


def _done(answer: Answer, word: str) -> dict[str, Any]:
    """Return the body if it says that it was done; a 200 may also say that it was not."""
    body = answer.json_object()
    if body.get(word) is False:
        detail = f"answered `{word}: false`: {answer.detail()}".rstrip(": ")
        raise PeerRefused(PEER.name, detail, status=answer.status)
    if body.get(word) is not True:
        raise Unexpected(f"answered something unexpected: no true or false in `{word}`")
    return body


def _count(found: object) -> int | None:
    """Return a number of units, or None if it is not one."""
    return found if isinstance(found, int) and not isinstance(found, bool) and found >= 0 else None
