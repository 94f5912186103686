"""Placing an order: a saga over three peers and one document, in which any step may be the last.

1. Take the idempotency key, if there is one.
2. Verify user, products, prices and stock, side by side. Nothing is kept of a placement that ends here.
3. Insert the draft (`placing`) with every line claimed.
4. Reserve every line.
5. `place` — or, once every outcome is known, `reject` and release what was reserved.

A process that dies on the way leaves a draft whose lease lapses; a worker then rejects it and releases what is known
to be reserved (`settlement`).
"""

import logging
from dataclasses import dataclass
from datetime import datetime

from bson import ObjectId
from django.conf import settings
from django.core.exceptions import ValidationError
from django.db import DatabaseError

from integrations.deadline import Deadline
from integrations.errors import PeerError
from integrations.inventory import full_timeout
from observability import context
from observability.metrics import PLACEMENTS, TRANSITIONS
from orders.models.machine import moments
from orders.models.money import to_cents
from orders.models.order import Order
from orders.models.parts import Address, Item, Stock
from orders.models.states import Call, LineState, Status
from orders.services.access import Actor, Kind
from orders.services.addresses import problems_of
from orders.services.audit import Act
from orders.services.errors import OrderError
from orders.services.identifiers import canonical, new_number
from orders.services.lifecycle import idempotency_keys
from orders.services.lifecycle.idempotency_keys import Ticket
from orders.services.lifecycle.verification import refused_stock, verify
from orders.services.stock.claims import Claim, Line, claiming, new_lease
from orders.services.stock.inventory_calls import Outcome, Result, persistently, settle, talk, turn_away
from orders.services.stock.inventory_turns import RETRY_AFTER
from orders.storage import order_reads
from orders.storage.database import Document
from orders.storage.order_writes import LineStock, guarded_write, insert_draft, lines_by_index, new_id

logger = logging.getLogger(__name__)


class InvalidOrder(OrderError):
    """What was ordered breaks a rule that needs nobody else; `errors` maps each wrong field to its problems."""

    code = "invalid_order"


class TooManyOpenOrders(OrderError):
    """The customer has as many unpaid orders as one may have; `limit` says how many."""

    code = "too_many_open_orders"


class PlacementInterrupted(OrderError):
    """It could not be finished: inventory did not answer, or too late. No order was placed."""

    code = "placement_interrupted"


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
    idempotency_key: str | None = None,
    deadline: Deadline | None = None,
) -> Placement:
    """Place an order.

    :param items: with product_id, quantity and the price that the customer was shown.
    :param deadline: when the caller's time is up; by default REQUEST_DEADLINE from now.
    :raises MalformedUserId, InvalidOrder: nothing was asked of anybody.
    :raises NotPermitted: an order in another's name.
    :raises KeyReused, KeyInUse: see :mod:`orders.services.lifecycle.idempotency_keys`.
    :raises TooManyOpenOrders: of customers only; nothing was asked of anybody.
    :raises VerificationFailed: its subclasses say what is wrong with user, products, prices or stock.
    :raises PeerUnavailable: products or inventory could not be asked; nothing is kept.
    :raises InsufficientStock, PlacementInterrupted: the draft, if there was one, was or will be rejected.
    :raises DatabaseError: it is not known how far it came; asking again with the same key finds out.
    """
    deadline = deadline or Deadline.after(settings.REQUEST_DEADLINE)
    try:
        placement = _place_order(user_id, items, shipping_address, act, idempotency_key, deadline)
    except Exception as error:
        PLACEMENTS.labels(_word_for(error)).inc()
        raise
    PLACEMENTS.labels("replayed" if placement.replayed else "placed").inc()
    return placement


def _word_for(error: Exception) -> str:
    """How the metrics call what kept an order from being placed."""
    match error:
        case OrderError():
            return error.code
        case PeerError():
            return "peer_unavailable"
        case DatabaseError():
            return "database_unavailable"
        case _:
            return "failed_here"


def _place_order(
    user_id: str, items: list[Item], shipping_address: Address, act: Act, key: str | None, deadline: Deadline
) -> Placement:
    user_id = canonical(user_id)
    act.actor.require_placing_for(user_id)
    order = _draft(user_id, items, shipping_address, act.at)
    ticket = _take_key(order, key, act)
    context.bind(order_id=str(ticket.order_id))
    if ticket.placed:
        return Placement(ticket.placed, replayed=True)
    try:
        _require_room(act.actor, user_id)
        order.user_verified = verify(order, deadline=_time_to_verify(deadline))
        if deadline.remaining() < full_timeout():
            raise PlacementInterrupted("Verifying the order took too long. Try again.", retry_after=5)
    except Exception:
        _free_key(ticket)
        raise
    order.pk = ticket.order_id
    attempt, lease = new_id(), new_lease()
    try:
        _insert(order, attempt, act, deadline)
    except DatabaseError:
        # Nobody is called for it. Should the draft be there after all, whoever comes next finds it by its id.
        _free_key(ticket)
        raise
    return Placement(_reserve_and_place(order, _claim_of_draft(order, attempt, lease), act, deadline))


def _require_room(actor: Actor, user_id: str) -> None:
    """A customer's unpaid orders hold stock: there may be so many of them. Those who place for others answer for it.

    What is being placed counts once its draft is written, so that those that arrive at one moment may pass together.
    """
    limit = settings.MAX_OPEN_ORDERS_PER_USER
    if not limit or actor.kind is not Kind.CUSTOMER:
        return
    if order_reads.count_open(user_id, most=limit) >= limit:
        raise TooManyOpenOrders(
            f"You have reached the limit of unpaid orders ({limit}). Pay or cancel one of them first.", limit=limit
        )


def _time_to_verify(deadline: Deadline) -> Deadline:
    """Leave enough time to reserve in: a peer that hangs must not cost an order that could do without it."""
    return deadline.sooner(deadline.remaining() - 1.25 * full_timeout())


def _draft(user_id: str, items: list[Item], shipping_address: Address, at: datetime) -> Order:
    at = at.replace(microsecond=at.microsecond // 1000 * 1000)
    order = Order(
        number=new_number(),
        user_id=user_id,
        items=items,
        shipping_address=shipping_address,
        created_at=at,
        updated_at=at,
        status_since=at,
    )
    _check_limits(items)
    if problems := problems_of(shipping_address):
        errors = {f"shipping_address.{name}": found for name, found in problems.items()}
        raise InvalidOrder("Nothing can be sent to this address.", errors=errors)
    for item in items:
        # Lines of one product must be seen as such, however its ObjectId is spelt.
        item.product_id = item.product_id.lower()
        item.price = to_cents(item.price)
        item.stock = Stock()
    order.total_price = order.total
    if order.total_price > settings.MAX_ORDER_TOTAL:
        raise InvalidOrder(
            f"The total is {order.total_price}; an order may come to {settings.MAX_ORDER_TOTAL} at most.",
            errors={"items": ["The total is too high."]},
        )
    try:
        order.full_clean(exclude=["status", "history", "items", "shipping_address"])
    except ValidationError as error:
        raise InvalidOrder("The order is not valid.", errors=error.message_dict) from error
    return order


def require_number_of_lines(count: int) -> None:
    """:raises InvalidOrder: no order may have so many lines. Asked before anything is done for each of them."""
    if not 1 <= count <= settings.MAX_ORDER_LINES:
        raise InvalidOrder(
            f"An order has 1 to {settings.MAX_ORDER_LINES} lines; this one has {count}.",
            errors={"items": [f"1 to {settings.MAX_ORDER_LINES} lines are allowed."]},
        )


def _check_limits(items: list[Item]) -> None:
    require_number_of_lines(len(items))
    errors = {
        f"items.{index}.quantity": [f"At most {settings.MAX_LINE_QUANTITY} are allowed on one line."]
        for index, item in enumerate(items)
        if item.quantity > settings.MAX_LINE_QUANTITY
    }
    if errors:
        raise InvalidOrder(f"A line may have a quantity of {settings.MAX_LINE_QUANTITY} at most.", errors=errors)


def _take_key(order: Order, key: str | None, act: Act) -> Ticket:
    if key is None:
        return Ticket(ObjectId())
    address = {field.name: getattr(order.shipping_address, field.name) for field in Address._meta.fields[1:]}
    lines = [[item.product_id, item.quantity, str(item.price)] for item in order.items]
    request = [order.user_id, lines, address]
    return idempotency_keys.take(caller=act.actor.label, key=key, fingerprint=idempotency_keys.fingerprint(request))


def _free_key(ticket: Ticket) -> None:
    try:
        idempotency_keys.free(ticket)
    except DatabaseError:
        logger.warning("an idempotency key could not be freed; it frees itself when its lease lapses")


def _insert(order: Order, attempt: str, act: Act, deadline: Deadline) -> None:
    entry = act.entry("draft", target=Status.PLACING.value)
    with claiming(order.pk, attempt, within=deadline.remaining()):
        inserted = insert_draft(order, attempt=attempt, lease=settings.STOCK_LEASE, entry=entry)
    if not inserted:
        raise PlacementInterrupted("Another request with this Idempotency-Key was faster.", retry_after=1)


def _reserve_and_place(order: Order, claim: Claim, act: Act, deadline: Deadline) -> Document:
    outcomes = talk(claim, deadline=deadline, retries=True)
    if all(outcome.result is Result.DONE for outcome in outcomes.values()):
        return _place(order, claim, act, deadline)
    _turn_away(claim, outcomes, act, deadline)
    raise _failure(order, outcomes, deadline)


def _claim_of_draft(order: Order, attempt: str, lease: Deadline) -> Claim:
    lines = (
        Line(index, item.product_id, item.quantity, Call.RESERVE, attempts=1) for index, item in enumerate(order.items)
    )
    return Claim(order.pk, attempt, lease, tuple(lines))


def _place(order: Order, claim: Claim, act: Act, deadline: Deadline) -> Document:
    for item in order.items:
        item.stock = Stock(state=LineState.RESERVED, attempts=1)
    order.place()
    placed = persistently(claim, deadline)(
        guarded_write,
        order.pk,
        guard={"status": Status.PLACING.value}
        | {f"items.{line.index}.stock.attempt.id": claim.attempt for line in claim.lines},
        entries=[act.entry("place", source=Status.PLACING.value, target=order.status)],
        fields={"status": order.status, "placed_at": order.created_at, **moments(order.status, act.at)},
        items=lines_by_index({line.index: LineStock(LineState.RESERVED, attempts=1) for line in claim.lines}),
        seen_at=act.at,
        write_id=new_id(),
    )
    if placed is None:
        raise PlacementInterrupted("Placing the order took too long, and it was given up.", retry_after=1)
    TRANSITIONS.labels("place", act.actor.via).inc()
    return placed


def _turn_away(claim: Claim, outcomes: dict[int, Outcome], act: Act, deadline: Deadline) -> None:
    """Settle, reject and release as far as possible now; what fails here a worker finishes."""
    reason = next((outcome.detail for outcome in outcomes.values() if outcome.detail), "")
    act = Act(act.actor, act.at, reason)
    try:
        settled = settle(claim, outcomes, act, deadline=deadline)
        beyond = settings.DATABASE_DEADLINE - settings.REQUEST_DEADLINE
        if settled and (release := turn_away(settled, act, within=(deadline.remaining() + beyond) / 2)):
            settle(release, talk(release, deadline=deadline), act, deadline=deadline)
    except DatabaseError:
        logger.warning("order %s: its rejection could not be recorded; a worker takes over", claim.order_id)


def _failure(order: Order, outcomes: dict[int, Outcome], deadline: Deadline) -> OrderError:
    refused = [order.items[index].product_id for index, found in outcomes.items() if found.result is Result.REFUSED]
    failed = [outcome for outcome in outcomes.values() if outcome.result not in (Result.DONE, Result.REFUSED)]
    if refused and not failed:
        return refused_stock(order, refused, deadline=deadline)
    if all(outcome.had_no_turn for outcome in failed):
        return PlacementInterrupted(
            "Others are ordering the same product right now. Try again.", retry_after=RETRY_AFTER
        )
    return PlacementInterrupted("Inventory could not be reached to reserve the stock. Try again.", retry_after=5)
