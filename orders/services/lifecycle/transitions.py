"""Changing an order's status: one guarded write, and the calls to inventory that follow from it."""

from collections.abc import Collection
from dataclasses import asdict

from bson import ObjectId
from django.conf import settings

from integrations import Deadline
from observability.metrics import TRANSITIONS
from orders.models import (
    Document,
    Edge,
    Order,
    StockEffect,
    moments,
    transition_towards,
)
from orders.services.audit import Act, require_reason
from orders.services.lifecycle.allowed_transitions import cannot_become, edge_of
from orders.services.lifecycle.changes import Change, ChangeRequest, make, whole
from orders.services.lifecycle.payments import (
    is_recorded,
    payment_request,
    require_enough,
    terms_with_payment,
    valid_payment,
)
from orders.services.lifecycle.tracking import Tracking
from orders.services.stock.claims import claiming
from orders.services.stock.inventory_calls import release_written
from orders.storage import line_stock
from orders.storage.order_writes import as_read, guarded_write
from orders.storage.transition_stages import Paid, Stages, stages_of


def change_status(
    *,
    order_id: ObjectId,
    transition: str,
    act: Act,
    expected_version: int | None = None,
    deadline: Deadline | None = None,
) -> Document:
    """Make a transition, by its name.

    :param expected_version: refuse if the order has another one by now.
    :param deadline: how long calling inventory may take; a worker does what is not done by then.
    :returns: the whole document after it.
    :raises OrderNotFound: also where the actor may not know of the order.
    :raises NotPermitted: the actor may not make this transition.
    :raises ReasonMissing: staff or an operator gave none for a transition of REASON_NEEDED.
    :raises TransitionRefused: with `current_status` and `allowed` (the statuses it may change to).
    :raises StaleOrder: with `version` and `changes` since the expected one.
    :raises OrderBusy: others kept changing the order.
    :raises DatabaseError: it may or may not have happened; inventory was not called.
    """
    expected = None if expected_version is None else [expected_version]
    return _change(ChangeRequest(order_id, act, expected), transition, deadline).order


def change_status_to(
    *,
    order_id: ObjectId,
    status: str,
    act: Act,
    expected_versions: Collection[int] | None = None,
    idempotency_key: str | None = None,
    payment: Paid | None = None,
    tracking: Tracking | None = None,
    deadline: Deadline | None = None,
) -> Change:
    """Make the transition that leads to a public status; see :func:`change_status`.

    :param expected_versions: refuse if the order is at none of them by now.
    :param idempotency_key: the same request (order, actor, status and reason) with the same key is carried out once,
        and answered alike again, whatever has become of the order since: the key is checked before the version and
        the machine are. A request that is refused leaves its key unused.
    :param payment: of the status `paid`: the same payment, by its reference, is recorded once.
    :param tracking: of the status `shipped`.
    :raises KeyReused: this actor changed the order otherwise with the same key.
    :raises InvalidPayment, PaymentTooLow, InvalidTracking:
    """
    asked: Document = {"status": status, "reason": act.reason}
    more = {"payment": payment and payment_request(payment), "tracking": tracking and asdict(tracking)}
    asked |= {name: value for name, value in {"code": act.code, **more}.items() if value}
    request = ChangeRequest.of(order_id, act, expected_versions, idempotency_key, asked)
    transition = transition_towards(status)
    if transition is not None:
        return _change(request, transition, deadline, payment=payment, tracking=tracking)
    order = request.read()
    if request.keyed:
        request.keyed.was_made_on(order)
    raise cannot_become(order, status)


def _change(
    request: ChangeRequest,
    transition: str,
    deadline: Deadline | None,
    *,
    payment: Paid | None = None,
    tracking: Tracking | None = None,
) -> Change:
    deadline, act = deadline or Deadline.after(settings.REQUEST_DEADLINE), request.act
    payment = valid_payment(payment) if payment else None
    shown = tracking.shown() if tracking else None

    def permit(order: Order) -> None:
        act.actor.require_transition(transition, order.user_id)
        require_reason(transition, act)

    def write(order: Order) -> Document | Change | None:
        if payment and is_recorded(payment, order):
            return Change(whole(order), replayed=True)
        edge = edge_of(order, transition)
        if payment:
            require_enough(payment, order)
        stages = stages_of(transition, act.at, code=act.code, paid=payment, tracking=shown)
        terms = terms_with_payment(order, payment) if payment else {}
        return _write(order, edge, request, stages, terms, deadline)

    return make(request, permit=permit, write=write, lines=payment is not None)


def _write(
    order: Order, edge: Edge, request: ChangeRequest, stages: Stages, fields: Document, deadline: Deadline
) -> Document | None:
    """Run the machine on the order as read, and write the result if the order is still as read."""
    guard, source, act = as_read(order), order.status, request.act
    getattr(order, edge.name)()
    with claiming(order.pk, within=deadline.remaining()) as (attempt, lease):
        written = guarded_write(
            order.pk,
            guard=guard,
            entries=[request.entry(edge.name, source=source, target=order.status)],
            fields={"status": order.status, **moments(order.status, act.at), **fields},
            items=line_stock.lines_after(order.stock_effect, attempt, settings.STOCK_LEASE),
            seen_at=act.at,
            first=stages.first,
            then=stages.then,
        )
    if written is None:
        return None
    TRANSITIONS.labels(edge.name, act.actor.via).inc()
    if order.stock_effect is StockEffect.RELEASE:
        return release_written(written, attempt, lease, act, deadline=deadline)
    return written
