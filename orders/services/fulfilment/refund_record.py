"""Recording a refund, if so much is still left of what was paid.

That is in the filter of the write itself, so that any number of refunds at once cannot exceed it, and none of them has
to wait for another.
"""

from decimal import Decimal

from django.conf import settings

from integrations import Deadline
from observability.metrics import TRANSITIONS
from orders.models import Document, Order, Status, StockEffect, edges_from, moments
from orders.services.lifecycle.changes import ChangeRequest
from orders.services.stock.claims import claiming
from orders.services.stock.inventory_calls import release_written
from orders.storage import ledger, line_stock, new_id
from orders.storage.order_writes import guarded_write
from orders.storage.transition_stages import LIFTED

REFUND = "refund"
REFUND_PART = "refund_part"
"""The act by which the history names a refund that leaves something."""


def record_refund(
    order: Order, amount: Decimal, reference: str, request: ChangeRequest, deadline: Deadline, *, ends: bool
) -> Document | None:
    """Record it if the amount is still left. What else has changed does not matter, unless a version was named.

    A refund that leaves nothing must be the one that ends the order, and a refund that leaves something must not be.
    """
    act, source = request.act, order.status
    can_end = any(edge.name == REFUND for edge in edges_from(source))
    guard = ledger.refund_leaves_none(amount) if ends else ledger.refund_fits(amount, leaves_some=can_end)
    guard |= {"status": source} | ({"version": order.version} if request.expected_versions is not None else {})
    guard |= {"history.key": {"$ne": request.keyed.key}} if request.keyed else {}
    # A version would shut out a write that the driver repeats after a failover; what is left may well suffice twice.
    write_id = new_id()
    guard["history.write_id"] = {"$ne": write_id}
    target = Status.REFUNDED.value if ends else ""
    name, effect = (REFUND, StockEffect.RELEASE) if ends else (REFUND_PART, StockEffect.NOTHING)
    entered = ledger.refunding(act.at, amount=amount, reference=reference, code=act.code)
    with claiming(order.pk, within=deadline.remaining()) as (attempt, lease):
        written = guarded_write(
            order.pk,
            guard=guard,
            entries=[request.entry(name, source=source if ends else "", target=target, detail=f"{amount} {reference}")],
            fields={"status": target, **moments(target, act.at)} if ends else {},
            items=line_stock.lines_after(effect, attempt, settings.STOCK_LEASE),
            seen_at=act.at,
            write_id=write_id,
            first=[ledger.OPENED],
            then=[entered, ledger.BALANCED, *([LIFTED] if ends else [])],
        )
    if written is None:
        return None
    if not ends:
        return written
    TRANSITIONS.labels(REFUND, act.actor.via).inc()
    return release_written(written, attempt, lease, act, deadline=deadline)
