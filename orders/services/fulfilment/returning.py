"""Returns: goods that were shipped and come back. What can be sold again goes back into stock."""

from collections.abc import Collection, Sequence
from functools import partial

from bson import ObjectId
from django.conf import settings
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, gettext_noop

from integrations import Deadline
from orders.models import Document, Item, LineState, Order, Removal, Status
from orders.services.access import RETURN
from orders.services.audit import Act
from orders.services.errors import OrderError, RefusalKind
from orders.services.fulfilment.parts import Ineligible, LineRequest, described, parts_of, request_of
from orders.services.lifecycle.changes import Change, ChangeRequest, make
from orders.services.stock.claims import claiming
from orders.services.stock.inventory_calls import release_written
from orders.storage import parcels
from orders.storage.ledger import BALANCED, OPENED
from orders.storage.line_stock import LinePart, as_counted, parts_taken, releasing
from orders.storage.order_writes import as_read, guarded_write

OPEN_RETURN, RECEIVE_RETURN = "open_return", "receive_return"
"""The acts by which the history names them."""
NOT_TOLD = gettext_noop("Inventory was not told: it does not count what was shipped as reserved. Book it in there.")
NOT_RESTOCKED = gettext_noop("Not restocked.")
NOT_SHIPPED = Ineligible(
    gettext_lazy("No item of this order is shipped and not on its way back."),
    gettext_lazy("None is shipped and not on its way back."),
    gettext_lazy("Line %(line)d is not shipped and not on its way back."),
)
IMPORTED_AS = (Status.SHIPPED, Status.DELIVERED)
"""Statuses in which all lines have been shipped that are still part of what the customer gets."""


class ReturnNotFound(OrderError):
    """The order has no such return."""

    code = "return_not_found"
    kind = RefusalKind.NOT_FOUND


class ReturnReceived(OrderError):
    """The return has been received already."""

    code = "return_received"
    kind = RefusalKind.CONFLICT


def open_return(
    *,
    order_id: ObjectId,
    lines: Sequence[LineRequest] | None,
    act: Act,
    expected_versions: Collection[int] | None = None,
    idempotency_key: str | None = None,
) -> Change:
    """Say that the customer sends some shipped lines back.

    :param lines: None for all that was shipped.
    :raises NotPermitted, OrderNotFound, ReasonMissing, StaleOrder, OrderBusy, KeyReused:
    :raises InvalidLines, LinesNotAvailable: also for what is on its way back already.
    :raises DatabaseError: it may or may not have happened.
    """
    asked = {"return": request_of(lines), "reason": act.reason, "code": act.code}
    request = ChangeRequest.of(order_id, act, expected_versions, idempotency_key, asked)

    def write(order: Order) -> Document | None:
        parts = parts_of(order, lines, eligible=partial(can_come_back, order), told=NOT_SHIPPED)
        return guarded_write(
            order.pk,
            guard=as_read(order) | as_counted(parts),
            entries=[request.entry(OPEN_RETURN, detail=described(order, parts))],
            items=parts_taken(parts, {"returned_in": len(order.returns)}, {}),
            seen_at=act.at,
            then=[parcels.returning(act.at, act.code)],
        )

    def permit(_order: Order) -> None:
        act.actor.require(RETURN)
        act.require_reason(_("A reason is required: why does it come back?"))

    return make(request, permit=permit, write=write, lines=True)


def receive_return(
    *,
    order_id: ObjectId,
    number: int,
    restock: bool,
    act: Act,
    expected_versions: Collection[int] | None = None,
    idempotency_key: str | None = None,
    deadline: Deadline | None = None,
) -> Change:
    """Say that a return has arrived. Its price is owed to the customer until it is refunded.

    :param number: its index, from 0.
    :param restock: its units can be sold again: inventory releases them, unless it `INVENTORY_CONSUMES`.
    :raises NotPermitted, OrderNotFound, ReturnNotFound, ReturnReceived, StaleOrder, OrderBusy, KeyReused:
    :raises DatabaseError: it may or may not have happened; inventory was not called.
    """
    until = deadline or Deadline.after(settings.REQUEST_DEADLINE)
    asked = {"receive": number, "restock": restock, "reason": act.reason}
    request = ChangeRequest.of(order_id, act, expected_versions, idempotency_key, asked)

    def write(order: Order) -> Document | None:
        parts = _parts_of_return(order, number)
        with claiming(order.pk, within=until.remaining()) as (attempt, lease):
            told = restock and not settings.INVENTORY_CONSUMES
            becoming = {LineState.USED.value: releasing(attempt, settings.STOCK_LEASE)} if told else {}
            written = guarded_write(
                order.pk,
                guard=as_read(order) | as_counted(parts),
                entries=[request.entry(RECEIVE_RETURN, detail=_told(order, parts, restock=restock))],
                items=parts_taken(parts, {"removed": Removal.RETURNED.value}, becoming),
                seen_at=act.at,
                first=[OPENED],
                then=[parcels.received(number, act.at, restocked=restock), BALANCED],
            )
        return written and release_written(written, attempt, lease, act, deadline=until)

    return make(request, permit=lambda _order: act.actor.require(RETURN), write=write, lines=True)


def can_come_back(order: Order, item: Item) -> bool:
    """Whether the customer has it, and it is not on its way back.

    What was shipped before it was imported reserved nothing, and names no shipment.
    """
    came = order.status in IMPORTED_AS and item.stock.state == LineState.NONE and not item.removed
    return (item.is_shipped or came) and item.returned_in is None


def _parts_of_return(order: Order, number: int) -> list[LinePart]:
    if not 0 <= number < len(order.returns):
        raise ReturnNotFound(_("This order has no return %(number)d.") % {"number": number})
    if order.returns[number].received_at is not None:
        raise ReturnReceived(_("Return %(number)d of this order has been received already.") % {"number": number})
    return [
        LinePart(index, item.quantity, item.quantity, item.stock.state)
        for index, item in enumerate(order.items)
        if item.returned_in == number
    ]


def _told(order: Order, parts: Sequence[LinePart], *, restock: bool) -> str:
    note = "" if restock else NOT_RESTOCKED
    if restock and (settings.INVENTORY_CONSUMES or any(part.state == LineState.NONE for part in parts)):
        note = NOT_TOLD
    return f"{described(order, parts)}. {note}".strip()
