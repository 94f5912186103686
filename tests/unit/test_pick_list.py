"""What has to be fetched for several orders, and which of them are left out."""

from datetime import UTC, datetime

import pytest

from orders.models import Item, LineState, Order, Status, Stock
from orders.services.reporting.pick_list import pick_list, why_not_picked


def item(product_id: str, quantity: int, *, name: str = "", sku: str = "", state: str = LineState.RESERVED) -> Item:
    return Item(product_id=product_id, name=name, sku=sku, quantity=quantity, stock=Stock(state=state))


def order(number: str, *items: Item, status: str = Status.PAID) -> Order:
    return Order(number=number, status=status, items=list(items))


def test_units_of_a_product_are_added_up_over_orders_and_lines() -> None:
    found = pick_list([order("A", item("p", 2), item("q", 1), item("p", 3)), order("B", item("p", 4))])
    assert [(pick.product_id, pick.quantity, pick.orders) for pick in found.picks] == [
        ("p", 9, {"A": 5, "B": 4}),
        ("q", 1, {"A": 1}),
    ]
    assert found.units == 10
    assert [picked.number for picked in found.picked] == ["A", "B"]
    assert found.left_out == []


def test_products_come_by_sku_then_those_without_by_name_and_nameless_ones_last() -> None:
    items = [
        item("6", 1),
        item("5", 1),
        item("4", 1, name="Pen"),
        item("3", 1, name="ink"),
        item("2", 1, name="A pen", sku="b-2"),
        item("1", 1, name="Zip", sku="B-1"),
    ]
    found = pick_list([order("A", *items)])
    assert [pick.product_id for pick in found.picks] == ["1", "2", "3", "4", "5", "6"]


def test_a_product_is_called_what_the_first_order_that_knows_calls_it() -> None:
    orders = [
        order("A", item("p", 1)),
        order("B", item("p", 1, name="New mug")),
        order("C", item("p", 1, name="Old mug", sku="M")),
    ]
    [pick] = pick_list(orders).picks
    assert (pick.name, pick.sku) == ("New mug", "M")


@pytest.mark.parametrize("status", Status)
def test_only_paid_orders_that_have_not_been_shipped_are_picked(status: Status) -> None:
    given = order("A", item("p", 1), status=status)
    why = "not paid" if status is Status.PENDING else status.label.lower()
    if status in (Status.PAID, Status.PROCESSING):
        why = ""
    assert why_not_picked(given) == why
    found = pick_list([given])
    assert (len(found.picks), len(found.picked), len(found.left_out)) == ((0, 0, 1) if why else (1, 1, 0))


@pytest.mark.parametrize("state", [state for state in LineState if state != LineState.RESERVED])
def test_an_order_whose_stock_is_not_all_reserved_is_left_out_whole(state: LineState) -> None:
    held, not_held = item("p", 1), item("q", 1, state=state)
    found = pick_list([order("A", held, not_held), order("B", held, not_held, not_held)])
    assert found.picks == []
    assert [why for _, why in found.left_out] == ["stock not reserved: item 2", "stock not reserved: items 2, 3"]


def test_an_order_on_hold_is_left_out() -> None:
    held = Order(number="A", status=Status.PAID, items=[item("p", 1)], held_at=datetime(2026, 3, 1, tzinfo=UTC))
    found = pick_list([held, order("B", item("p", 1))])
    assert [(left.number, why) for left, why in found.left_out] == [("A", "on hold")]
    assert [picked.number for picked in found.picked] == ["B"]
