"""What the forms about refunds post: a refund alone, or beside another change; and what is owed to the customer."""

from collections.abc import Sequence
from decimal import Decimal
from typing import TYPE_CHECKING

from django.utils.translation import gettext as _

from orders.admin.labels import in_a_row
from orders.admin.money_format import money
from orders.admin.posted import amount_typed, lines_chosen, required_version
from orders.models import Document, Order
from orders.services.audit import Act
from orders.services.errors import OrderError
from orders.services.fulfilment import refunding
from orders.services.fulfilment.overview import refundable_of
from orders.services.fulfilment.parts import LineRequest

if TYPE_CHECKING:
    from django.http import QueryDict


def refund(order: Order, post: "QueryDict", act: Act) -> str:
    """Take `version`, `amount` or `quantity_…` of lines, `reason_code`, `reason` and `reference`."""
    act.actor.require_transition("refund", order.user_id)
    version, given = required_version(post), post.get("amount", "").strip()
    lines = lines_chosen(post, required=False)
    if not given and not lines:
        raise OrderError(_("Enter an amount, or choose items."))
    amount = amount_typed(given) if given else None
    done = refunding.refund(
        order_id=order.pk,
        act=act,
        amount=amount,
        lines=lines or None,
        reference=post.get("reference", ""),
        expected_versions=[version],
    ).order
    names = {"amount": _refunded(done), "number": order.number}
    return in_a_row(_("%(amount)s recorded as refunded for order %(number)s.") % names, owed_after(done))


def wants_refund(order: Order, post: "QueryDict", act: Act) -> bool:
    """Whether the price is to be refunded as well. :raises NotPermitted: by somebody who may not."""
    if post.get("refund") != "yes":
        return False
    act.actor.require_transition("refund", order.user_id)
    return True


def price_of(order: Order, lines: Sequence[LineRequest]) -> Decimal:
    return refundable_of(order, {line.line: line.quantity or 0 for line in lines})


def then_refund(changed: Document, amount: Decimal, act: Act, reference: str) -> str:
    """Record what is given back for what was just taken off an order. :returns: sentences."""
    try:
        done = refunding.refund(
            order_id=changed["_id"], act=act, amount=amount, reference=reference, expected_versions=[changed["version"]]
        ).order
    except OrderError as error:
        return in_a_row(_("The refund was not recorded."), error.detail)
    return in_a_row(_("%(amount)s recorded as refunded.") % {"amount": _refunded(done)}, owed_after(done))


def _refunded(order: Document) -> str:
    return _money(order, order["refunds"][-1]["amount"].to_decimal())


def owed_after(order: Document) -> str:
    """What is owed to the customer after a change, as a sentence; empty where nothing is."""
    owed = order.get("owed")
    return _("%(amount)s is owed to the customer.") % {"amount": _money(order, owed.to_decimal())} if owed else ""


def _money(order: Document, amount: Decimal) -> str:
    return money(amount, order.get("currency") or "")
