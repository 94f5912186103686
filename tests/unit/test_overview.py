"""What has become of an order in hand: the lines of a parcel and of a return, and what can be given back for one."""

from datetime import UTC, datetime
from decimal import Decimal

from orders.models import Item, Order
from orders.services.fulfilment import overview

PRICE = Decimal("10.00")
AT = datetime(2026, 3, 1, tzinfo=UTC)


def order(*, refunded: str = "0.00") -> Order:
    """Two parcels: of the first both lines come back, of the second none; and a line that was taken out."""
    items = [
        Item(product_id="a" * 24, quantity=2, price=PRICE, shipment=0, returned_in=0),
        Item(product_id="b" * 24, quantity=1, price=PRICE, shipment=0, returned_in=0),
        Item(product_id="c" * 24, quantity=3, price=PRICE, shipment=1),
        Item(product_id="d" * 24, quantity=1, price=PRICE, removed="cancelled"),
    ]
    money = {"total_price": Decimal("60.00"), "paid": Decimal("60.00"), "refunded": Decimal(refunded)}
    return Order(items=items, status="shipped", paid_at=AT, shipped_at=AT, owed=Decimal("0.00"), **money)


def test_the_lines_of_a_parcel_and_of_a_return_are_those_that_name_it() -> None:
    assert [overview.lines_of_shipment(order(), number) for number in (0, 1, 2)] == [[0, 1], [2], []]
    assert [overview.lines_of_return(order(), number) for number in (0, 1)] == [[0, 1], []]


def test_each_line_says_what_has_become_of_it() -> None:
    given = order()
    states = [overview.state_of(given, item) for item in given.items]
    assert states == ["returning", "returning", "shipped", "cancelled"]


def test_for_a_return_the_price_of_its_lines_is_given_back_and_no_more_than_is_left() -> None:
    assert overview.refundable_for(order(), 0) == Decimal("30.00")
    assert overview.refundable_for(order(refunded="45.00"), 0) == Decimal("15.00")
    assert overview.refundable_for(order(), 1) == 0
