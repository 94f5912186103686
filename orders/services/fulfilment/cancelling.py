"""Cancelling a part of an order that has not been shipped: what it reserved is released."""

from collections.abc import Collection, Sequence

from bson import ObjectId
from django.conf import settings
from django.utils.translation import gettext_noop

from integrations import Deadline
from observability.metrics import TRANSITIONS
from orders.models import Document, LineState, Order, Removal, Status, moments, statuses_before
from orders.services.audit import Act, require_reason
from orders.services.fulfilment.parts import LineRequest, described, leaves_open, open_parts, request_of
from orders.services.lifecycle.allowed_transitions import TransitionRefused, allowed_of, refusal
from orders.services.lifecycle.changes import Change, ChangeRequest, make
from orders.services.stock.claims import claiming
from orders.services.stock.inventory_calls import release_written
from orders.storage.ledger import BALANCED, OPENED
from orders.storage.line_stock import as_counted, parts_taken, releasing
from orders.storage.order_writes import as_read, guarded_write
from orders.storage.transition_stages import LIFTED

CANCEL, SHIP = "cancel", "ship"
CANCELLED = gettext_noop("Cancelled: %(items)s")
CANCEL_PART = "cancel_part"
"""The act by which the history names it, unless it makes a transition."""


def cancel_lines(
    *,
    order_id: ObjectId,
    lines: Sequence[LineRequest],
    act: Act,
    expected_versions: Collection[int] | None = None,
    idempotency_key: str | None = None,
    deadline: Deadline | None = None,
) -> Change:
    """Cancel some lines before they are shipped.

    The last open line makes the order cancelled, or shipped where the others have been.

    :param deadline: how long calling inventory may take; a worker does what is not done by then.
    :raises NotPermitted, OrderNotFound, ReasonMissing, TransitionRefused, StaleOrder, OrderBusy, KeyReused:
        see :func:`orders.services.lifecycle.transitions.change_status_to`.
    :raises InvalidLines, LinesNotAvailable:
    :raises DatabaseError: it may or may not have happened; inventory was not called.
    """
    until = deadline or Deadline.after(settings.REQUEST_DEADLINE)
    asked = {"cancel": request_of(lines), "reason": act.reason, "code": act.code}
    request = ChangeRequest.of(order_id, act, expected_versions, idempotency_key, asked)

    def permit(order: Order) -> None:
        act.actor.require_transition(CANCEL, order.user_id)
        require_reason(CANCEL, act)

    def write(order: Order) -> Document | None:
        if order.status not in statuses_before(SHIP):
            raise TransitionRefused(
                refusal(CANCEL, order.status), current_status=order.status, allowed=allowed_of(order)
            )
        parts = open_parts(order, lines)
        target = "" if leaves_open(order, parts) else _end_of(order)
        name = {Status.CANCELLED.value: CANCEL, Status.SHIPPED.value: SHIP}.get(target, CANCEL_PART)
        source, what = order.status if target else "", CANCELLED % {"items": described(order, parts)}
        with claiming(order.pk, within=until.remaining()) as (attempt, lease):
            written = guarded_write(
                order.pk,
                guard=as_read(order) | as_counted(parts),
                entries=[request.entry(name, source=source, target=target, detail=what)],
                fields={"status": target, **moments(target, act.at)} if target else {},
                items=parts_taken(
                    parts,
                    {"removed": Removal.CANCELLED.value},
                    {LineState.RESERVED: releasing(attempt, settings.STOCK_LEASE)},
                ),
                seen_at=act.at,
                first=[OPENED],
                then=[BALANCED, LIFTED] if target else [BALANCED],
            )
        if written is None:
            return None
        if target:
            TRANSITIONS.labels(name, act.actor.via).inc()
        return release_written(written, attempt, lease, act, deadline=until)

    return make(request, permit=permit, write=write, lines=True)


def _end_of(order: Order) -> str:
    """What becomes of an order of which nothing is open any more."""
    return Status.SHIPPED.value if order.shipments else Status.CANCELLED.value
