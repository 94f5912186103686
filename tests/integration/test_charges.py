"""Charges of an order: what of them belongs to its lines, in what is due, owed and given back."""

import random
from decimal import Decimal
from typing import Any

import pytest
from bson import ObjectId

from orders.models import Charge, Item, Order, Stock, worth
from orders.services.fulfilment.cancelling import cancel_lines
from orders.services.fulfilment.overview import refundable_for
from orders.services.fulfilment.refunding import InvalidRefund, RefundTooHigh, refund
from orders.services.fulfilment.returning import open_return, receive_return
from orders.services.lifecycle.payments import PaymentTooLow
from orders.services.lifecycle.transitions import change_status_to
from orders.services.public_order import public_order
from orders.storage.order_writes import orders
from orders.storage.transition_stages import Paid
from tests.factories import OrderFactory
from tests.integration.builders import A, B, act, read
from tests.integration.parts_helpers import amounts, because, some
from tests.order_invariants import violations_of

SHIPPING, TAX = ("shipping", "5.00"), ("tax", "7.60")
OFF = ("discount", "-20.00")


@pytest.fixture(autouse=True)
def _sound(sandbox: Any) -> Any:
    """Charges are computed by mongod in writes and by Python in reads: the invariants hold the two equal."""
    yield
    broken = {str(order["_id"]): found for order in orders().find() if (found := violations_of(order))}
    assert not broken


def ordered(status: str, *charges: tuple[str, str], lines: Any = ((3, "20.00"), (2, "10.00"))) -> ObjectId:
    """An order that was imported: its lines hold no stock."""
    order: Any = OrderFactory(
        status=status,
        charges=[Charge(kind=kind, label="x", amount=Decimal(amount)) for kind, amount in charges],
        items=[
            Item(product_id=product, quantity=quantity, price=Decimal(price), stock=Stock(state="none"))
            for product, (quantity, price) in zip((A, B, "free", "more"), lines, strict=False)
        ],
    )
    key: ObjectId = order.pk
    return key


def test_of_what_is_kept_taxes_and_discounts_are_shared_and_shipping_is_whole() -> None:
    five, fifteen = (Decimal("5.00"), False), (Decimal("15.00"), True)
    for lines, charges, expected in (
        ([five, fifteen], [], "15.00"),
        ([five, fifteen], [("shipping", "4.00"), ("fee", "1.00")], "20.00"),
        ([five, fifteen], [("tax", "2.00"), ("discount", "-4.00")], "13.50"),
        ([five, fifteen], [("tax", "0.02")], "15.02"),  # half a cent goes to the even one
        ([five, fifteen], [("tax", "0.06")], "15.04"),
        ([five], [("shipping", "4.00"), ("tax", "2.00")], "0.00"),
        ([(Decimal(0), True)], [("shipping", "4.00"), ("tax", "2.00")], "6.00"),
        ([five, fifteen], [("shipping", "9.00"), ("discount", "-28.00")], "1.00"),  # never more than the total
        ([five, (Decimal("1.00"), True)], [("shipping", "-1.00"), ("discount", "-3.00")], "0.00"),
    ):
        found = worth(lines, [(kind, Decimal(amount)) for kind, amount in charges])
        assert str(found) == expected, (lines, charges)


def test_the_whole_with_its_charges_is_due_and_paid() -> None:
    order_id = ordered("pending", SHIPPING, TAX, OFF)
    with pytest.raises(PaymentTooLow) as refused:
        change_status_to(order_id=order_id, status="paid", payment=Paid(amount=Decimal("72.59")), act=act())
    assert refused.value.members["due"] == "72.60"
    order = change_status_to(order_id=order_id, status="paid", act=act()).order
    assert amounts(order) == ("72.60", "0.00", "0.00")
    assert public_order(order)["charges"] == [
        {"kind": "shipping", "label": "x", "amount": "5.00"},
        {"kind": "tax", "label": "x", "amount": "7.60"},
        {"kind": "discount", "label": "x", "amount": "-20.00"},
    ]


def test_what_is_cancelled_is_owed_with_its_tax_and_without_its_discount_and_the_last_part_with_shipping() -> None:
    order_id = ordered("paid", SHIPPING, TAX, OFF)
    assert amounts(cancel_lines(order_id=order_id, lines=some((0, 1)), act=because()).order)[2] == "16.90"
    cancel_lines(order_id=order_id, lines=some((0, None)), act=because())
    order = cancel_lines(order_id=order_id, lines=some((1, None)), act=because()).order
    assert (order["status"], amounts(order)[2]) == ("cancelled", "72.60")
    order = refund(order_id=order_id, act=because()).order
    assert amounts(order) == ("72.60", "72.60", "0.00")


def test_refunds_of_all_lines_one_by_one_come_to_what_was_paid_to_the_cent() -> None:
    order_id = ordered("delivered", SHIPPING, ("tax", "0.07"), ("discount", "-0.04"), lines=((3, "0.33"), (2, "0.01")))
    total = read(order_id)["total_price"].to_decimal()
    for line in (0, 1):
        open_return(order_id=order_id, lines=some((line, None)), act=because())
        receive_return(order_id=order_id, number=line, restock=True, act=act())
        owed = amounts(read(order_id))[2]
        assert str(refundable_for(Order.objects.get(pk=order_id), line)) == owed
        order = refund(order_id=order_id, lines=some((line, None)), act=because()).order
        assert amounts(order)[2] == "0.00"
    assert (order["status"], amounts(order)[1]) == ("refunded", str(total))


def test_units_of_a_line_that_was_not_removed_are_refunded_with_their_share() -> None:
    order_id = ordered("delivered", SHIPPING, TAX, OFF)
    order = refund(order_id=order_id, lines=some((0, 1)), act=because()).order
    assert amounts(order)[1] == "16.90"


def test_lines_that_cost_nothing_are_cancelled_and_returned_and_there_is_nothing_to_refund() -> None:
    order_id = ordered("paid", lines=((1, "5.00"), (1, "0.00"), (2, "0.00")))
    order = cancel_lines(order_id=order_id, lines=some((1, None)), act=because()).order
    assert amounts(order) == ("5.00", "0.00", "0.00")
    with pytest.raises(InvalidRefund) as refused:
        refund(order_id=order_id, lines=some((2, 1)), act=because())
    assert refused.value.members["errors"] == {"lines": ["These units cost nothing."]}
    free = ordered("pending", lines=((1, "0.00"),))
    order = change_status_to(order_id=free, status="paid", act=act()).order
    assert (order["status"], amounts(order)) == ("paid", ("0.00", "0.00", "0.00"))
    with pytest.raises(RefundTooHigh):
        refund(order_id=free, act=because())
    assert change_status_to(order_id=free, status="refunded", act=because()).order["status"] == "refunded"


def test_whatever_is_taken_off_what_mongod_owes_is_what_python_says() -> None:
    chance = random.Random(22)
    for _ in range(25):
        lines = [(chance.randint(1, 7), f"{chance.randint(0, 3000) / 100:.2f}") for _ in range(3)]
        goods = sum(quantity * Decimal(price) for quantity, price in lines)
        charges = [("tax", f"{chance.randint(0, 999) / 100:.2f}"), ("shipping", f"{chance.randint(0, 9)}.90")]
        charges += [("discount", f"{-(goods * chance.randint(0, 10) / 10).quantize(Decimal('0.01'))}"), ("fee", "0.35")]
        order_id = ordered("paid", *charges, lines=lines)
        for line in chance.sample(range(3), 2):
            cancel_lines(order_id=order_id, lines=some((line, chance.randint(1, lines[line][0]))), act=because())
        order = read(order_id)
        assert Decimal(0) <= Decimal(amounts(order)[2]) <= order["total_price"].to_decimal()
