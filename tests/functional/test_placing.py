"""POST /orders/ over real HTTP."""

from collections.abc import Callable

from integrations.sandbox import Sandbox
from integrations.sandbox.catalogue import PRODUCTS
from tests.api_client import ApiClient

LAMP = PRODUCTS[0]


def test_an_order_is_placed_and_its_stock_reserved(api: Callable[..., ApiClient], sandbox: Sandbox) -> None:
    before = sandbox.control.stock(LAMP.product_id).available
    answer = api().place((LAMP.product_id, 2, LAMP.price))
    assert answer.status_code == 201, answer.text
    assert answer.json()["status"] == "pending"
    assert sandbox.control.stock(LAMP.product_id).available == before - 2
    assert api().get(f"orders/{answer.json()['id']}").json() == answer.json()
