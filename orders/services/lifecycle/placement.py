"""Placing an order: a saga over three peers and one document, in which any step may be the last.

1. Take the idempotency key, if there is one.
2. Verify user, products, prices and stock, all at once. Nothing is kept of a placement that ends here.
3. Insert the draft (`placing`) with every line claimed.
4. Reserve every line.
5. `place` — or, once every outcome is known, `reject` and release what was reserved.

A process that dies on the way leaves a draft whose lease ends; a worker then rejects it and releases what is known to
be reserved (`orders.services.stock.worker`). Steps 3 to 5 stand in `reservation`, the checks before step 1 in `drafts`.
"""

from dataclasses import dataclass

from bson import ObjectId
from django.conf import settings
from django.db import DatabaseError
from django.utils.translation import gettext as _

from integrations import Deadline, PeerError, inventory
from observability import context
from observability.metrics import PLACEMENTS
from orders.models import Address, Document, Item, Order
from orders.services.audit import Act
from orders.services.errors import OrderError
from orders.services.identifiers import canonical
from orders.services.lifecycle import idempotency_keys
from orders.services.lifecycle.drafts import (
    Details,
    InvalidOrder,
    TooManyOpenOrders,
    new_draft,
    requested,
    require_room_for_orders,
)
from orders.services.lifecycle.idempotency_keys import Ticket
from orders.services.lifecycle.lost_demand import count_turned_away
from orders.services.lifecycle.reservation import (
    PlacementInterrupted,
    PlacingWrite,
    claim_draft,
    placed_alone,
    reserve_and_place,
)
from orders.services.lifecycle.verification import InsufficientStock, verify

__all__ = ["Details", "InvalidOrder", "Placement", "PlacementInterrupted", "TooManyOpenOrders", "place_order"]


@dataclass(frozen=True)
class Placement:
    """A placed order: its whole document, and whether it was placed by an earlier request with the same key."""

    order: Document
    replayed: bool = False


def place_order(
    *,
    user_id: str,
    items: list[Item],
    shipping_address: Address,
    act: Act,
    details: Details | None = None,
    idempotency_key: str | None = None,
    deadline: Deadline | None = None,
    write: PlacingWrite = placed_alone,
) -> Placement:
    """Place an order.

    :param items: with product_id, quantity and the price that the customer was shown.
    :param details: what else the customer said; by default nothing.
    :param deadline: when the caller's time is up; by default REQUEST_DEADLINE from now.
    :param write: see :mod:`orders.services.lifecycle.replacing`.
    :raises MalformedUserId, InvalidOrder: no peer was asked.
    :raises NotPermitted: an order in another's name.
    :raises KeyReused, KeyInUse: see :mod:`orders.services.lifecycle.idempotency_keys`.
    :raises TooManyOpenOrders: for customers only; no peer was asked.
    :raises VerificationFailed: its subclasses say what is wrong with user, products, prices or stock.
    :raises PeerUnavailable: products or inventory could not be asked; nothing is kept.
    :raises InsufficientStock, PlacementInterrupted: the draft, if there was one, was or will be rejected.
    :raises DatabaseError: it is not known how far it came; asking again with the same key finds out.
    """
    deadline = deadline or Deadline.after(settings.REQUEST_DEADLINE)
    try:
        user_id = canonical(user_id)
        act.actor.require_placing_for(user_id)
        order = new_draft(user_id, items, shipping_address, act.at, details or Details())
        placement = _place(order, act, idempotency_key, deadline, write)
    except Exception as error:
        PLACEMENTS.labels(_outcome_label(error)).inc()
        # Of an order that replaces another, the old one holds some of what is wanted.
        if isinstance(error, InsufficientStock) and write is placed_alone:
            count_turned_away(error.wanted, at=act.at)
        raise
    PLACEMENTS.labels("replayed" if placement.replayed else "placed").inc()
    return placement


def _outcome_label(error: Exception) -> str:
    """The label in the metrics for what kept an order from being placed."""
    match error:
        case OrderError():
            return error.code
        case PeerError():
            return "peer_unavailable"
        case DatabaseError():
            return "database_unavailable"
        case _:
            return "failed_here"


def _place(order: Order, act: Act, key: str | None, deadline: Deadline, write: PlacingWrite) -> Placement:
    ticket = _take_key(order, key, act)
    context.bind(order_id=str(ticket.order_id))
    if ticket.placed:
        return Placement(ticket.placed, replayed=True)
    try:
        require_room_for_orders(act.actor, order.user_id)
        order.user_verified = verify(order, deadline=_time_to_verify(deadline))
        if deadline.remaining() < inventory.full_timeout():
            raise PlacementInterrupted(_("Verifying the order took too long. Try again."), retry_after=5)
    except Exception:
        idempotency_keys.give_back(ticket)
        raise
    order.pk = ticket.order_id
    try:
        claim = claim_draft(order, act, deadline)
    except DatabaseError:
        # Nobody is called for it. If the draft was written after all, the next request finds it by its id.
        idempotency_keys.give_back(ticket)
        raise
    return Placement(reserve_and_place(order, claim, act, deadline, write))


def _time_to_verify(deadline: Deadline) -> Deadline:
    """Leave time to reserve: a peer that hangs must not fail an order that could do without it."""
    return deadline.sooner(deadline.remaining() - 1.25 * inventory.full_timeout())


def _take_key(order: Order, key: str | None, act: Act) -> Ticket:
    if key is None:
        return Ticket(ObjectId())
    fingerprint = idempotency_keys.fingerprint(requested(order))
    return idempotency_keys.take(caller=act.actor.label, key=key, fingerprint=fingerprint)
