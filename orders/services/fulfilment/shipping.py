"""Shipping an order in parcels: each has a tracking number of its own, and the last one makes the order shipped."""

from collections.abc import Callable, Collection, Sequence
from dataclasses import asdict

from bson import ObjectId
from django.utils.translation import gettext as _
from django.utils.translation import gettext_noop

from observability.metrics import TRANSITIONS
from orders.models import Document, LineState, Order, moments
from orders.services.audit import Act
from orders.services.errors import OrderError, RefusalKind
from orders.services.fulfilment.parts import LineRequest, described, leaves_open, open_parts, request_of
from orders.services.lifecycle.allowed_transitions import edge_of
from orders.services.lifecycle.changes import Change, ChangeRequest, make
from orders.services.lifecycle.tracking import LONGEST, Tracking, corrected
from orders.storage import parcels
from orders.storage.line_stock import LineStock, as_counted, parts_taken
from orders.storage.order_writes import as_read, guarded_write

SHIP = "ship"
SHIP_PART, TRACK = "ship_part", "track"
"""The acts by which the history names a parcel that leaves others behind, and a change of its tracking."""


TRACKED = gettext_noop("Shipment %(shipment)s: %(tracking)s")
USED = {LineState.RESERVED.value: LineStock(LineState.USED)}
"""Lines of imported orders reserved nothing, and stay so."""


class ShipmentNotFound(OrderError):
    """The order has no such shipment."""

    code = "shipment_not_found"
    kind = RefusalKind.NOT_FOUND


def ship(
    *,
    order_id: ObjectId,
    lines: Sequence[LineRequest] | None,
    tracking: Tracking,
    act: Act,
    expected_versions: Collection[int] | None = None,
    idempotency_key: str | None = None,
    caller: str | None = None,
) -> Change:
    """Ship some lines in one parcel; the one that ships the last open line also makes the transition `ship`.

    :param lines: None for all that is open.
    :param caller: whose the key is; by default the actor's.
    :raises NotPermitted, OrderNotFound, TransitionRefused, StaleOrder, OrderBusy, KeyReused:
        see :func:`orders.services.lifecycle.transitions.change_status_to`.
    :raises InvalidLines, LinesNotAvailable, InvalidTracking:
    :raises DatabaseError: it may or may not have happened.
    """
    shown = tracking.shown()
    asked = asked_to_ship(lines, tracking)
    request = ChangeRequest.of(order_id, act, expected_versions, idempotency_key, asked, caller)

    def write(order: Order) -> Document | None:
        edge = edge_of(order, SHIP)
        parts = open_parts(order, lines)
        is_last = not leaves_open(order, parts)
        name, source, target = (SHIP, order.status, edge.target) if is_last else (SHIP_PART, "", "")
        written = guarded_write(
            order.pk,
            guard=as_read(order) | as_counted(parts),
            entries=[request.entry(name, source=source, target=target, detail=described(order, parts))],
            fields={"status": target, **moments(target, act.at)} if is_last else {},
            items=parts_taken(
                parts, {"shipment": len(order.shipments)}, {LineState.RESERVED: LineStock(LineState.USED)}
            ),
            seen_at=act.at,
            then=[parcels.shipping(act.at, shown)],
        )
        if written and is_last:
            TRANSITIONS.labels(SHIP, act.actor.via).inc()
        return written

    return make(request, permit=_may_ship(act), write=write, lines=True)


def asked_to_ship(lines: Sequence[LineRequest] | None, tracking: Tracking) -> Document:
    """What tells one parcel from another, JSON-ready."""
    return {"ship": request_of(lines), "tracking": asdict(tracking)}


def change_tracking(
    *,
    order_id: ObjectId,
    shipment: int,
    tracking: Tracking,
    members: Collection[str] = tuple(LONGEST),
    act: Act,
    expected_versions: Collection[int] | None = None,
    idempotency_key: str | None = None,
) -> Change:
    """Say where a shipment is, or correct it.

    :param shipment: its index, from 0.
    :param members: of the tracking, those that are said; the others stay as they are.
    :raises NotPermitted, OrderNotFound, ShipmentNotFound, StaleOrder, OrderBusy, KeyReused, InvalidTracking:
    :raises DatabaseError: it may or may not have happened.
    """
    asked = {"track": shipment, "tracking": {name: getattr(tracking, name) for name in sorted(members)}}
    request = ChangeRequest.of(order_id, act, expected_versions, idempotency_key, asked)

    def write(order: Order) -> Document | None:
        if not 0 <= shipment < len(order.shipments):
            raise ShipmentNotFound(
                _("Order %(order)s has no shipment %(shipment)d.") % {"order": order_id, "shipment": shipment}
            )
        known = order.shipments[shipment]
        shown = corrected(known, tracking, members).shown()
        detail = TRACKED % {"shipment": shipment + 1, "tracking": known}
        return guarded_write(
            order.pk,
            guard=as_read(order),
            entries=[request.entry(TRACK, detail=detail)],
            seen_at=act.at,
            then=[parcels.tracked(shipment, shown)],
        )

    return make(request, permit=_may_ship(act), write=write)


def _may_ship(act: Act) -> Callable[[Order], None]:
    return lambda order: act.actor.require_transition(SHIP, order.user_id)
