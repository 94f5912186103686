"""Payments: what somebody says a customer has paid. Recorded with the transition `pay`; nothing is charged here."""

from dataclasses import replace
from decimal import Decimal
from typing import Any

from django.utils.formats import localize
from django.utils.translation import gettext as _

from orders.models import Document, Order, Payment, is_amount, to_cents, worth
from orders.services.errors import OrderError, RefusalKind
from orders.services.search_terms import terms_of
from orders.services.text_rules import one_line, problem_within
from orders.storage import order_reads
from orders.storage.transition_stages import Paid as Paid  # what a payment is given as

LONGEST = {"reference": 64, "method": 40}


class InvalidPayment(OrderError):
    """A member of the payment cannot be kept; `errors` says which."""

    code = "invalid_payment"
    kind = RefusalKind.INVALID


class PaymentTooLow(OrderError):
    """The amount does not pay the order; `due` says what would."""

    code = "payment_too_low"
    kind = RefusalKind.CONFLICT


def valid_payment(payment: Paid) -> Paid:
    """A payment, tidied.

    :raises InvalidPayment:
    """
    tidied = replace(payment, reference=one_line(payment.reference), method=one_line(payment.method))
    texts = {name: problem_within(getattr(tidied, name), most) for name, most in LONGEST.items()}
    errors = {f"payment.{name}": [problem] for name, problem in texts.items() if problem}
    if payment.amount is not None:
        if not is_amount(payment.amount):
            errors["payment.amount"] = [_("Give an amount above 0, in cents, e.g. 64.90.")]
        else:
            tidied = replace(tidied, amount=to_cents(payment.amount))
    if errors:
        raise InvalidPayment(_("Check the payment."), errors=errors)
    return tidied


def payment_request(payment: Paid) -> dict[str, Any]:
    """What tells one payment from another, JSON-ready."""
    amount = None if payment.amount is None else str(payment.amount)
    return {"amount": amount, "reference": payment.reference, "method": payment.method}


def is_recorded(payment: Paid, order: Order) -> bool:
    """Tell whether an order has this payment: by its reference, and the amount if that is given."""
    return any(_is_same(payment, known) for known in order.payments) if payment.reference else False


def _is_same(payment: Paid, known: Payment) -> bool:
    return payment.reference == known.reference and payment.amount in (None, known.amount)


def require_enough(payment: Paid, order: Order) -> None:
    """:raises PaymentTooLow: with `due`. More than that is taken, and owed to the customer."""
    due = worth_of(order)
    if payment.amount is not None and payment.amount < due:
        amounts = {"due": localize(due), "amount": localize(payment.amount)}
        raise PaymentTooLow(_("The order comes to %(due)s; %(amount)s does not pay it.") % amounts, due=str(due))


def worth_of(order: Order) -> Decimal:
    """What the lines come to that are neither cancelled nor returned, with their part of the charges."""
    lines = [(item.price * item.quantity, not item.removed) for item in order.items]
    return to_cents(worth(lines, [(charge.kind, charge.amount) for charge in order.charges]))


def terms_with_payment(order: Order, payment: Paid) -> Document:
    """The search terms of an order that has this payment, too."""
    found = order_reads.get_searchable(order.pk) or {}
    payments = [*found.get("payments", ()), {"reference": payment.reference}]
    return {"terms": terms_of(found | {"payments": payments})}
