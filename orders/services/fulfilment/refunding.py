"""Refunds: money that somebody says was given back, in whole or in part. Nothing is transferred here.

What is given back never comes to more than what was paid: see `refund_record`.
"""

from collections.abc import Collection, Sequence
from decimal import Decimal

from bson import ObjectId
from django.conf import settings
from django.utils.formats import localize
from django.utils.translation import gettext as _

from integrations import Deadline
from orders.models import Document, Order, edges_from, is_amount, to_cents
from orders.services.audit import Act, require_reason
from orders.services.errors import OrderError, RefusalKind
from orders.services.fulfilment.overview import price_of
from orders.services.fulfilment.parts import NOT_OPEN, LineRequest, parts_of, request_of
from orders.services.fulfilment.refund_record import REFUND, record_refund
from orders.services.lifecycle.changes import Change, ChangeRequest, make
from orders.services.text_rules import one_line, problem_within

LONGEST_REFERENCE = 64


class InvalidRefund(OrderError):
    """The refund makes no sense; `errors` says why."""

    code = "invalid_refund"
    kind = RefusalKind.INVALID


class RefundTooHigh(OrderError):
    """More than is left of what was paid; `left` says how much that is."""

    code = "refund_too_high"
    kind = RefusalKind.CONFLICT


def refund(
    *,
    order_id: ObjectId,
    act: Act,
    amount: Decimal | None = None,
    lines: Sequence[LineRequest] | None = None,
    reference: str = "",
    expected_versions: Collection[int] | None = None,
    idempotency_key: str | None = None,
    deadline: Deadline | None = None,
) -> Change:
    """Record that an amount, or the price of some lines, was given back.

    The refund that reaches all that was paid makes the transition `refund`, where the order is in a status that has it.

    :param amount: above 0, in cents; without it and without `lines`, all that is left.
    :raises NotPermitted, OrderNotFound, ReasonMissing, StaleOrder, OrderBusy, KeyReused:
        see :func:`orders.services.lifecycle.transitions.change_status_to`.
    :raises InvalidRefund, InvalidLines, LinesNotAvailable:
    :raises RefundTooHigh: with `left`.
    :raises DatabaseError: it may or may not have happened; inventory was not called.
    """
    until, reference = deadline or Deadline.after(settings.REQUEST_DEADLINE), one_line(reference)
    _require_sense(amount, lines, reference)
    amount = None if amount is None else to_cents(amount)
    asked = {"refund": None if amount is None else str(amount), "lines": request_of(lines), "reference": reference}
    asked |= {"reason": act.reason, "code": act.code}
    request = ChangeRequest.of(order_id, act, expected_versions, idempotency_key, asked)

    def permit(order: Order) -> None:
        act.actor.require_transition(REFUND, order.user_id)
        require_reason(REFUND, act)

    def write(order: Order) -> Document | None:
        left = (order.paid or Decimal(0)) - (order.refunded or Decimal(0))
        wanted = amount if amount is not None else to_cents(left if lines is None else _price_of(order, lines))
        if lines is not None and not wanted:
            raise InvalidRefund(_("Check the refund."), errors={"lines": [_("These units cost nothing.")]})
        if not 0 < wanted <= left:
            told = _("%(left)s is left of what was paid for this order.") % {"left": localize(left)}
            raise RefundTooHigh(told, left=str(left))
        ends = wanted == left and any(edge.name == REFUND for edge in edges_from(order.status))
        return record_refund(order, wanted, reference, request, until, ends=ends)

    return make(request, permit=permit, write=write, lines=True)


def _require_sense(amount: Decimal | None, lines: Sequence[LineRequest] | None, reference: str) -> None:
    errors = {}
    if amount is not None and lines is not None:
        errors["amount"] = [_("Give an amount or lines, not both.")]
    elif amount is not None and not is_amount(amount):
        errors["amount"] = [_("Give an amount above 0, in cents, e.g. 12.50.")]
    if problem := problem_within(reference, LONGEST_REFERENCE):
        errors["reference"] = [problem]
    if errors:
        raise InvalidRefund(_("Check the refund."), errors=errors)


def _price_of(order: Order, lines: Sequence[LineRequest]) -> Decimal:
    parts = parts_of(order, lines, eligible=lambda _item: True, told=NOT_OPEN, splits=False)
    return price_of(order, {part.line: part.quantity for part in parts})
