"""The inventory service: what is in stock, and reserving it for an order. Asked as INVENTORY_BACKEND says.

`reserve` and `release` change stock that other orders share, so their outcome is reported exactly (docs/peers.md,
Outcomes). Whether they may be repeated is a setting, since the published service knows no idempotency keys.
"""

from dataclasses import replace
from functools import partial
from types import NoneType

from integrations import peer_requests
from integrations.backend_calls import change, kind_of, look_up
from integrations.backend_loading import inventory_backend
from integrations.backends import Availability, HttpCall, LookUp, StockLevel
from integrations.peer_requests import Deadline, PeerUnavailable

__all__ = ["PEER", "Availability", "StockLevel", "check", "full_timeout", "probe", "release", "reserve", "stock"]

PEER = peer_requests.Peer("inventory", "INVENTORY_SERVICE_URL")
WRITE_TIMEOUT = "INVENTORY_WRITE_TIMEOUT"
"""The setting for reserve and release: the published service commits, and then asks another one before it answers."""
PROBE_ANSWERS = (400, 404, 409, 410, 422)
"""Statuses that are about one product, and show that the peer is working."""


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
    question = partial(inventory_backend().check, product_id, quantity)
    return look_up(PEER, "check", question, kind_of(Availability), deadline=deadline, retries=retries)


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
    return change(
        PEER, "reserve",
        partial(inventory_backend().reserve, product_id, quantity, order_id=order_id, key=key),
        (quantity,),
        key=key, timeout_setting=WRITE_TIMEOUT, deadline=deadline, retries=retries, sent_before=sent_before,
    )  # fmt: skip


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
    return change(
        PEER, "release",
        partial(inventory_backend().release, product_id, quantity, order_id=order_id, key=key),
        range(quantity + 1),
        key=key, timeout_setting=WRITE_TIMEOUT, deadline=deadline, retries=retries, sent_before=sent_before,
    )  # fmt: skip


def stock(product_id: str, *, deadline: Deadline, retries: bool = True) -> StockLevel | None:
    """Return the stock of a product, or None if the peer knows no such product.

    :raises PeerUnavailable: if the peer does not say.
    """
    if peer_requests.path_segment(product_id) is None:
        return None
    question = partial(inventory_backend().stock, product_id)
    return look_up(PEER, "stock", question, kind_of(StockLevel, NoneType), deadline=deadline, retries=retries)


def probe(*, product_id: str, deadline: Deadline) -> None:
    """Return if the peer answers a read right now; one attempt. For use before a call that cannot be repeated.

    :raises PeerUnavailable: if it does not.
    """
    if peer_requests.path_segment(product_id) is None:
        raise PeerUnavailable(PEER.name, "not asked: no such product can exist", repeatable=False)

    def question() -> LookUp[StockLevel | None]:
        call = inventory_backend().stock(product_id)
        if isinstance(call, HttpCall):
            return replace(call, read=lambda _answer: None, accepted=(*call.accepted, *PROBE_ANSWERS))
        return call

    look_up(PEER, "stock", question, kind_of(StockLevel, NoneType), deadline=deadline, retries=False)
