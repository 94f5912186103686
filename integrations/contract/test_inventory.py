"""An INVENTORY_BACKEND and its peer. Nobody else may change the stock of the product meanwhile."""

import secrets
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress

import pytest

from integrations import Deadline, PeerRefused, inventory
from integrations.backend_loading import inventory_backend
from integrations.contract.canned import require_no_answer, require_told, require_unknown
from integrations.contract.known import Known

PATIENCE = 60.0
Change = Callable[..., int]


def stock(product_id: str) -> inventory.StockLevel | None:
    return inventory.stock(product_id, deadline=Deadline.after(PATIENCE))


def level(known: Known) -> inventory.StockLevel:
    found = stock(known.require_product())
    assert found is not None, "inventory does not know the product of CONTRACT_PRODUCT_ID"
    return found


def available(product_id: str, quantity: int) -> bool:
    return inventory.check(product_id, quantity, deadline=Deadline.after(PATIENCE)).available


class Order:
    """An order that nobody has, and what it has reserved."""

    def __init__(self) -> None:
        self.order_id = secrets.token_hex(12)
        self.held: dict[str, int] = {}
        self._changes = 0

    def reserve(self, product_id: str, quantity: int) -> int:
        reserved = self._change(inventory.reserve, product_id, quantity)
        self.held[product_id] = self.held.get(product_id, 0) + reserved
        return reserved

    def release(self, product_id: str, quantity: int) -> int:
        released = self._change(inventory.release, product_id, quantity)
        self.held[product_id] = self.held.get(product_id, 0) - released
        return released

    def _change(self, change: Change, product_id: str, quantity: int) -> int:
        self._changes += 1
        key = f"{self.order_id}:{self._changes}:{change.__name__}"
        deadline = Deadline.after(PATIENCE)
        return change(product_id, quantity, order_id=self.order_id, key=key, deadline=deadline, retries=False)


@contextmanager
def an_order() -> Iterator[Order]:
    """Yield an order; what it still holds in the end is given back."""
    order = Order()
    try:
        yield order
    finally:
        for product_id, held in order.held.items():
            if held > 0:
                order.release(product_id, held)


def test_a_check_agrees_with_the_stock(known: Known) -> None:
    there = level(known).available
    found = inventory.check(known.product_id, max(there, 1), deadline=Deadline.after(PATIENCE))
    assert found.available is (there > 0)
    assert found.current_quantity in (None, there)
    assert available(known.product_id, there + 1) is False


def test_a_product_that_does_not_exist_is_not_in_stock(known: Known) -> None:
    assert available(known.unknown_product_id, 1) is False
    assert stock(known.unknown_product_id) is None


def test_what_says_nothing_about_stock_is_no_answer(known: Known) -> None:
    require_no_answer(inventory_backend().check(known.product_id, 1))
    require_no_answer(inventory_backend().stock(known.product_id))


@pytest.mark.parametrize("change", ["reserve", "release"])
def test_what_says_nothing_about_a_change_leaves_its_outcome_unknown(known: Known, change: str) -> None:
    require_unknown(getattr(inventory_backend(), change)(known.product_id, 1, order_id="o", key="k"))


@pytest.mark.parametrize("change", ["reserve", "release"])
def test_a_change_says_what_and_how_many_for_which_order_and_the_same_each_time(known: Known, change: str) -> None:
    product_id, order_id, key = known.require_product(), "order-4711", "order-4711:0"
    one, other = (
        getattr(inventory_backend(), change)(product_id, 7213, order_id=order_id, key=key) for _attempt in range(2)
    )
    require_told(one, other, product_id=product_id, quantity=7213, order_id=order_id, key=key)


def test_units_are_reserved_and_given_back_as_asked(known: Known) -> None:
    known.require_writes()
    before = level(known)
    assert before.available >= 2, "the product must have two units in stock"
    with an_order() as order:
        assert order.reserve(known.product_id, 2) == 2
        assert level(known) == inventory.StockLevel(before.available - 2, before.reserved + 2)
        assert order.release(known.product_id, 1) == 1
        assert level(known) == inventory.StockLevel(before.available - 1, before.reserved + 1)
    assert level(known) == before


def test_more_than_there_is_is_refused_and_nothing_reserved(known: Known) -> None:
    known.require_writes()
    before = level(known)
    with an_order() as order, pytest.raises(PeerRefused):
        order.reserve(known.product_id, before.available + 1)
    assert level(known) == before


def test_a_product_that_does_not_exist_is_neither_reserved_nor_released(known: Known) -> None:
    known.require_writes()
    with an_order() as order, pytest.raises(PeerRefused):
        order.reserve(known.unknown_product_id, 1)
    with suppress(PeerRefused):
        assert order.release(known.unknown_product_id, 1) == 0
