"""DELETE /orders/{id}, and cancelling while inventory fails, over real HTTP."""

import pytest

from integrations.sandbox import Sandbox
from tests.factories import OrderFactory
from tests.functional.helpers import (
    NOBODYS_ID,
    ONE_SKILLET,
    TOWEL,
    TWO_TOWELS,
    Api,
    Documents,
    line_states,
    placed_in,
    problem,
    stored,
    visitor_fixture,  # noqa: F401
)

CANCEL = {
    "DELETE": (lambda client, order: client.delete(f"orders/{order['id']}"), 204),
    "PUT": (lambda client, order: client.put(f"orders/{order['id']}/status", json={"status": "cancelled"}), 200),
    "refund": (lambda client, order: client.put(f"orders/{order['id']}/status", json={"status": "refunded"}), 200),
}
"""The calls that release stock, and the status with which each answers."""


@pytest.mark.parametrize(("status", "slash", "admin"), [("pending", "", False), ("paid", "/", True)])
def test_an_order_is_cancelled_and_its_stock_released(
    api: Api, sandbox: Sandbox, database: Documents, status: str, slash: str, admin: bool
) -> None:
    before = sandbox.control.stocks()
    order = placed_in(api, status)
    answer = api(admin=admin).delete(f"orders/{order['id']}{slash}")
    assert (answer.status_code, answer.content) == (204, b"")
    found = api().get(f"orders/{order['id']}").json()
    assert (found["status"], found["version"]) == ("cancelled", order["version"] + 1)
    assert sandbox.control.stocks() == before
    after = stored(database, order["id"])
    assert line_states(after) == ["released"]
    assert "stock_due_at" not in after


def test_an_order_that_has_left_is_not_cancelled_and_what_is_allowed_is_told(
    visitor: Api, running_sandbox: Sandbox, database: Documents
) -> None:
    order = OrderFactory(status="shipped")
    before, asked = stored(database, order.pk), running_sandbox.control.counts()
    refused = problem(visitor().delete(f"orders/{order.pk}"), 409, "transition_not_allowed")
    assert refused["allowed"] == ["delivered", "refunded"]
    assert stored(database, order.pk) == before
    assert running_sandbox.control.counts() == asked


@pytest.mark.parametrize(("order_id", "status"), [("1", 400), ("x" * 24, 400), ("0" * 25, 400), (NOBODYS_ID, 404)])
def test_an_order_that_is_none_is_not_cancelled(visitor: Api, order_id: str, status: int) -> None:
    problem(visitor().delete(f"orders/{order_id}"), status)


@pytest.mark.parametrize(
    ("tag", "status"), [('"1"', 204), ("*", 204), ('W/"1"', 204), ('"0"', 412), ('"2"', 412), ("x", 400)]
)
def test_a_cancellation_honours_if_match(api: Api, sandbox: Sandbox, tag: str, status: int) -> None:
    order = placed_in(api, "pending")
    answer = api().delete(f"orders/{order['id']}", headers={"If-Match": tag})
    assert answer.status_code == status, answer.text
    cancelled = status == 204
    assert api().get(f"orders/{order['id']}").json()["status"] == ("cancelled" if cancelled else "pending")
    assert sandbox.control.stock(TOWEL.product_id).reserved == (0 if cancelled else 2)


# --- inventory fails ---


@pytest.mark.parametrize("call", CANCEL)
def test_a_cancellation_succeeds_while_inventory_does_not(
    api: Api, sandbox: Sandbox, database: Documents, call: str
) -> None:
    cancel, status = CANCEL[call]
    order = placed_in(api, "paid", TWO_TOWELS, ONE_SKILLET)
    sandbox.control.fault("release", "status", status=503)
    assert cancel(api(admin=True), order).status_code == status
    assert api().get(f"orders/{order['id']}").json()["status"] == ("refunded" if call == "refund" else "cancelled")
    owed = stored(database, order["id"])
    assert line_states(owed) == ["releasing", "releasing"]
    assert owed["stock_due_at"]
