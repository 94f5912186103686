"""Shipping a list of parcels, as a warehouse hands it over: planned, and then shipped one by one.

Each parcel is known by its order and its tracking number or, if it has none, by its lines. It is shipped once, whoever
ships the list, and however often: so a list that was cut off is finished by shipping it again.
"""

from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace

from bson import ObjectId
from django.db import DatabaseError
from django.utils import timezone

from observability import context
from orders.models import Order, OrderOutcome
from orders.services.audit import Act
from orders.services.errors import OrderError
from orders.services.fulfilment.parts import LineRequest, leaves_open, open_parts, request_of
from orders.services.fulfilment.shipping import SHIP, asked_to_ship, ship
from orders.services.lifecycle.allowed_transitions import edge_of
from orders.services.lifecycle.changes import ChangeRequest
from orders.services.lifecycle.idempotency_keys import KeyReused
from orders.services.lifecycle.tracking import Tracking
from orders.storage.database import refusal_of
from orders.storage.line_stock import LinePart

CALLER = "parcel list"
"""Whose the keys of parcels are: everybody's who ships lists."""
SHIPPED_OTHERWISE = "This parcel was shipped before, with other lines or other tracking. Correct the tracking instead."


@dataclass(frozen=True)
class Parcel:
    """A parcel of a list.

    :ivar line: its place in the list.
    :ivar lines: None for all that is open.
    """

    line: int
    order_id: ObjectId
    number: str
    lines: tuple[LineRequest, ...] | None
    tracking: Tracking

    @property
    def key(self) -> str:
        """What tells it from any other parcel."""
        return f"{self.order_id} {self.tracking.tracking_number or request_of(self.lines)}"


@dataclass(frozen=True)
class ParcelResult:
    """What became of a parcel, or would. :ivar result: a value of `OrderOutcome`; `waiting`: it can be shipped."""

    parcel: Parcel
    result: str
    reason: str = ""


def plan_parcels(parcels: Sequence[Parcel], *, act: Act) -> Iterator[ParcelResult]:
    """What shipping these parcels one after the other would do with the orders as they are now.

    :raises NotPermitted: at once.
    :raises DatabaseError: between two of them.
    """
    act.actor.require_bulk(SHIP)
    return _plan(parcels, act)


def _plan(parcels: Sequence[Parcel], act: Act) -> Iterator[ParcelResult]:
    several = {order_id for order_id, count in Counter(parcel.order_id for parcel in parcels).items() if count > 1}
    after: dict[ObjectId, Order] = {}
    for parcel in parcels:
        try:
            request = _request(parcel, act)
            order = request.read(lines=True)
            if request.keyed and request.keyed.was_made_on(order):
                yield ParcelResult(parcel, OrderOutcome.ALREADY)
                continue
            if parcel.order_id in several:
                order = after.setdefault(parcel.order_id, order)
            _take(order, parcel)
            yield ParcelResult(parcel, OrderOutcome.WAITING)
        except OrderError as error:
            yield _refused(parcel, error)


def _request(parcel: Parcel, act: Act) -> ChangeRequest:
    asked = asked_to_ship(parcel.lines, parcel.tracking)
    return ChangeRequest.of(parcel.order_id, act, None, parcel.key, asked, CALLER)


def _take(order: Order, parcel: Parcel) -> None:
    """Take the parcel out of the order in memory. :raises TransitionRefused, InvalidLines, LinesNotAvailable:"""
    edge_of(order, SHIP)
    parts = open_parts(order, parcel.lines)
    if not leaves_open(order, parts):
        order.ship()
    for part in parts:
        _take_part(order, part)


def _take_part(order: Order, part: LinePart) -> None:
    item = order.items[part.line]
    if part.is_whole:
        item.shipment = len(order.shipments)
    else:
        item.quantity -= part.quantity


def ship_parcels(
    parcels: Sequence[Parcel], *, act: Act, stopping: Callable[[], bool] = lambda: False
) -> Iterator[ParcelResult]:
    """Ship these parcels one after the other; one that is refused does not stop the rest.

    :param stopping: asked before each parcel; those that are left are `waiting`.
    :raises NotPermitted: at once.
    :raises DatabaseError: at a parcel that may or may not have been shipped; the same call goes on from there.
    """
    act.actor.require_bulk(SHIP)
    return (ParcelResult(parcel, OrderOutcome.WAITING) if stopping() else _ship(parcel, act) for parcel in parcels)


def _ship(parcel: Parcel, act: Act) -> ParcelResult:
    with context.work(order_id=str(parcel.order_id)) as request_id:
        one = replace(act, actor=replace(act.actor, request_id=request_id), at=timezone.now())
        try:
            change = ship(
                order_id=parcel.order_id,
                lines=parcel.lines,
                tracking=parcel.tracking,
                act=one,
                idempotency_key=parcel.key,
                caller=CALLER,
            )
        except OrderError as error:
            return _refused(parcel, error)
        except DatabaseError as error:
            if (refused := refusal_of(error)) is None:
                raise
            return ParcelResult(parcel, OrderOutcome.FAILED, f"The database refused: {refused[0]}")
    return ParcelResult(parcel, OrderOutcome.ALREADY if change.replayed else OrderOutcome.DONE)


def _refused(parcel: Parcel, error: OrderError) -> ParcelResult:
    why = SHIPPED_OTHERWISE if isinstance(error, KeyReused) else error.detail
    return ParcelResult(parcel, OrderOutcome.REFUSED, why)
