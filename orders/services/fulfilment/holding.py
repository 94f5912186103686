"""Holds: an order that is held back is neither prepared nor shipped until somebody lifts the hold."""

from collections.abc import Collection

from bson import ObjectId
from django.utils.translation import gettext as _

from orders.models import Document, Order, statuses_before
from orders.services.access import HOLD
from orders.services.audit import Act
from orders.services.errors import OrderError, RefusalKind
from orders.services.lifecycle.changes import Change, ChangeRequest, make
from orders.services.words import status_word
from orders.storage.order_writes import as_read, guarded_write
from orders.storage.transition_stages import LIFTED

HOLD_BACK, LIFT = "hold", "lift_hold"
"""The acts by which the history names them."""


class HoldRefused(OrderError):
    """There is nothing left to hold back, or it is held back already; or there is no hold to lift."""

    code = "hold_refused"
    kind = RefusalKind.CONFLICT


def hold(
    *,
    order_id: ObjectId,
    act: Act,
    expected_versions: Collection[int] | None = None,
    idempotency_key: str | None = None,
) -> Change:
    """Hold an order back, for the reason of the act, which has a code.

    :raises NotPermitted, OrderNotFound, ReasonMissing, HoldRefused, StaleOrder, OrderBusy, KeyReused:
    :raises DatabaseError: it may or may not have happened.
    """
    asked = {"hold": act.code, "reason": act.reason}
    request = ChangeRequest.of(order_id, act, expected_versions, idempotency_key, asked)

    def permit(_order: Order) -> None:
        act.actor.require(HOLD)
        act.require_reason(_("A reason is required: why is it held back?"))

    def write(order: Order) -> Document | None:
        if order.held_at is not None:
            raise HoldRefused(_("This order is on hold already."))
        if order.status not in statuses_before("ship"):
            raise HoldRefused(
                _("An order that is %(status)s cannot be held back.") % {"status": status_word(order.status)}
            )
        why = {"code": act.code or "other", "reason": act.reason, "actor": act.actor.label}
        return guarded_write(
            order.pk,
            guard=as_read(order),
            entries=[request.entry(HOLD_BACK)],
            fields={"held_at": act.at, "hold": why},
            seen_at=act.at,
        )

    return make(request, permit=permit, write=write)


def lift(
    *,
    order_id: ObjectId,
    act: Act,
    expected_versions: Collection[int] | None = None,
    idempotency_key: str | None = None,
) -> Change:
    """Lift the hold of an order.

    :raises NotPermitted, OrderNotFound, HoldRefused, StaleOrder, OrderBusy, KeyReused:
    :raises DatabaseError: it may or may not have happened.
    """
    request = ChangeRequest.of(order_id, act, expected_versions, idempotency_key, {"lift": True, "reason": act.reason})

    def write(order: Order) -> Document | None:
        if order.held_at is None:
            raise HoldRefused(_("This order is not on hold."))
        return guarded_write(
            order.pk,
            guard=as_read(order),
            entries=[request.entry(LIFT)],
            seen_at=act.at,
            then=[LIFTED],
        )

    return make(request, permit=lambda _order: act.actor.require(HOLD), write=write)
