"""Money is rounded half-up to cents, and a total is exact."""

from decimal import Decimal

import pytest

from orders.models import Item, Order, to_cents


@pytest.mark.parametrize(
    ("amount", "cents"),
    [
        ("20.305", "20.31"),  # half-even would say 20.30
        ("20.315", "20.32"),
        ("20.3049999999", "20.30"),
        ("0.005", "0.01"),
        ("0.0049", "0.00"),
        ("-20.305", "-20.31"),
        ("7", "7.00"),
        ("1E+3", "1000.00"),
        ("999999999999.995", "1000000000000.00"),
    ],
)
def test_half_a_cent_is_rounded_up(amount: str, cents: str) -> None:
    assert str(to_cents(Decimal(amount))) == cents


@pytest.mark.parametrize(
    ("lines", "total"),
    [
        ([], "0.00"),
        ([("0.10", 3)], "0.30"),
        ([("0.10", 1), ("0.20", 1)], "0.30"),
        ([("19.99", 3), ("0.01", 1)], "59.98"),
        ([("99999999.99", 10_000)] * 100, "99999999990000.00"),
    ],
)
def test_a_total_is_the_exact_sum_of_the_lines(lines: list[tuple[str, int]], total: str) -> None:
    items = [Item(price=Decimal(price), quantity=quantity) for price, quantity in lines]
    assert str(Order(items=items).total) == total
