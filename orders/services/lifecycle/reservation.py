"""Reserving a draft's stock, which places the order or rejects the draft: steps 3 to 5 of a placement."""

import logging
from collections.abc import Callable
from typing import Any

from django.conf import settings
from django.db import DatabaseError
from django.utils.translation import gettext as _

from integrations import Deadline
from observability.metrics import TRANSITIONS
from orders.models import Document, LineState, Order, Status, Stock, StockCall, moments
from orders.services.audit import Act
from orders.services.errors import OrderError, RefusalKind
from orders.services.lifecycle.verification import refused_stock
from orders.services.search_terms import terms_of
from orders.services.stock.claims import Claim, ClaimedLine, beyond_deadline, claiming, reject_draft
from orders.services.stock.inventory_calls import Outcome, Result, call_inventory, carry_out, record_outcomes
from orders.storage import new_id
from orders.storage.line_stock import LineStock, lines_by_index
from orders.storage.order_writes import guarded_write, insert_draft

logger = logging.getLogger(__name__)


class PlacementInterrupted(OrderError):
    """It could not be finished: inventory did not answer, or too late. No order was placed."""

    code = "placement_interrupted"
    kind = RefusalKind.UNAVAILABLE


def claim_draft(order: Order, act: Act, deadline: Deadline) -> Claim:
    """Insert a draft with every line claimed for its reservation.

    :raises PlacementInterrupted: there is an order by this id already.
    :raises DatabaseError: it may or may not be there; nobody was called for it.
    """
    entry = act.entry("draft", target=Status.PLACING.value)
    order.terms = terms_of(order)
    with claiming(order.pk, within=deadline.remaining()) as (attempt, lease):
        inserted = insert_draft(order, attempt=attempt, lease=settings.STOCK_LEASE, entry=entry)
    if not inserted:
        raise PlacementInterrupted(_("Another request with this Idempotency-Key was faster."), retry_after=1)
    lines = (
        ClaimedLine(index, item.product_id, item.quantity, StockCall.RESERVE, attempts=1)
        for index, item in enumerate(order.items)
    )
    return Claim(order.pk, attempt, lease, tuple(lines))


PlacingWrite = Callable[[Order, Claim, dict[str, Any], Deadline], Document | None]
"""Makes the write that places a claimed draft: given what `guarded_write` is, and when the caller's time is up.

Returns the whole document; None where a guard did not hold, and nothing changed.
"""


def placed_alone(order: Order, claim: Claim, change: dict[str, Any], deadline: Deadline) -> Document | None:
    """Place the draft by a write that concerns nothing else."""
    write = claim.retrying(deadline)
    return write(guarded_write, order.pk, **change, write_id=new_id())


def reserve_and_place(
    order: Order, claim: Claim, act: Act, deadline: Deadline, write: PlacingWrite = placed_alone
) -> Document:
    """Reserve every line of a claimed draft and place the order.

    :returns: its whole document.
    :raises InsufficientStock, PlacementInterrupted: the draft was or will be rejected.
    :raises DatabaseError: it is not known how far it came.
    """
    outcomes = call_inventory(claim, deadline=deadline, retries=True)
    if all(outcome.result is Result.DONE for outcome in outcomes.values()):
        try:
            placed = _place(order, claim, act, deadline, write)
        except DatabaseError:
            # If it happened after all, the attempt holds nothing any more, and this does nothing.
            _give_up(claim, outcomes, act, deadline)
            raise
        if placed is not None:
            return placed
        # Where it was not the draft that had changed, it still holds what it reserved.
        _give_up(claim, outcomes, act, deadline)
        raise PlacementInterrupted(_("Placing the order took too long, so it was cancelled."), retry_after=1)
    _give_up(claim, outcomes, act, deadline)
    raise _failure(order, outcomes, deadline)


def _place(order: Order, claim: Claim, act: Act, deadline: Deadline, write: PlacingWrite) -> Document | None:
    for item in order.items:
        item.stock = Stock(state=LineState.RESERVED, attempts=1)
    order.place()
    change = {
        "guard": {"status": Status.PLACING.value} | claim.guard,
        "entries": [act.entry("place", source=Status.PLACING.value, target=order.status)],
        "fields": {"status": order.status, "placed_at": order.created_at, **moments(order.status, act.at)},
        "items": lines_by_index({line.index: LineStock(LineState.RESERVED, attempts=1) for line in claim.lines}),
        "seen_at": act.at,
    }
    placed = write(order, claim, change, deadline)
    if placed is None:
        return None
    TRANSITIONS.labels("place", act.actor.via).inc()
    return placed


def _give_up(claim: Claim, outcomes: dict[int, Outcome], act: Act, deadline: Deadline) -> None:
    """Record, reject and release as far as possible now; a worker finishes what fails here."""
    reason = next((outcome.detail for outcome in outcomes.values() if outcome.detail), "")
    act = act.explained(reason)
    try:
        recorded = record_outcomes(claim, outcomes, act, deadline=deadline)
        within = (deadline.remaining() + beyond_deadline()) / 2
        if recorded and (release := reject_draft(recorded, act, within=within)):
            carry_out(release, act, deadline=deadline)
    except DatabaseError:
        logger.warning("order %s: its rejection could not be recorded; a worker takes over", claim.order_id)


def _failure(order: Order, outcomes: dict[int, Outcome], deadline: Deadline) -> OrderError:
    refused = [order.items[index].product_id for index, found in outcomes.items() if found.result is Result.REFUSED]
    failed = [outcome for outcome in outcomes.values() if outcome.result not in (Result.DONE, Result.REFUSED)]
    if refused and not failed:
        return refused_stock(order, refused, deadline=deadline)
    if all(outcome.was_locked for outcome in failed):
        return PlacementInterrupted(
            _("Others are ordering the same product right now. Try again."), retry_after=failed[0].retry_after
        )
    return PlacementInterrupted(_("Inventory could not be reached to reserve the stock. Try again."), retry_after=5)
