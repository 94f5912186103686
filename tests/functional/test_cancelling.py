"""DELETE /orders/{id}, and cancelling while inventory fails, over real HTTP."""

import threading
from typing import Any

import pytest
import requests
from pytest_django import Settings

from integrations.sandbox import Sandbox
from tests.api_client import ApiClient
from tests.factories import OrderFactory
from tests.functional.helpers import (
    NOBODYS_ID,
    ONE_SKILLET,
    SKILLET,
    TOWEL,
    TWO_TOWELS,
    Api,
    Documents,
    at_once,
    dead_url,
    line_states,
    placed_in,
    problem,
    settle,
    stored,
    visitor_fixture,  # noqa: F401
)

CANCEL = {
    "DELETE": (lambda client, order: client.delete(f"orders/{order['id']}"), 204),
    "PUT": (lambda client, order: client.put(f"orders/{order['id']}/status", json={"status": "cancelled"}), 200),
    "refund": (lambda client, order: client.put(f"orders/{order['id']}/status", json={"status": "refunded"}), 200),
}
"""The calls that release stock, and the status with which each answers."""


@pytest.mark.parametrize(("status", "slash"), [("pending", ""), ("paid", "/"), ("processing", "")])
@pytest.mark.parametrize("admin", [False, True])
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


@pytest.mark.parametrize(
    ("status", "allowed"),
    [("shipped", ["delivered", "refunded"]), ("delivered", ["refunded"]), ("cancelled", []), ("refunded", [])],
)
@pytest.mark.parametrize("admin", [False, True])
def test_an_order_that_has_left_or_is_over_is_not_cancelled(
    visitor: Api, running_sandbox: Sandbox, database: Documents, status: str, allowed: list[str], admin: bool
) -> None:
    order = OrderFactory(status=status)
    before, asked = stored(database, order.pk), running_sandbox.control.counts()
    refused = problem(visitor(admin=admin).delete(f"orders/{order.pk}"), 409, "transition_not_allowed")
    assert refused["allowed"] == allowed
    assert stored(database, order.pk) == before
    assert running_sandbox.control.counts() == asked


def test_an_order_is_cancelled_once(api: Api, sandbox: Sandbox) -> None:
    before = sandbox.control.stocks()
    order = placed_in(api, "pending")
    assert api().delete(f"orders/{order['id']}").status_code == 204
    problem(api().delete(f"orders/{order['id']}"), 409, "transition_not_allowed")
    assert len(sandbox.control.calls("release")) == 1
    assert sandbox.control.stocks() == before


def test_of_ten_cancellations_at_once_one_releases_the_stock(api: Api, sandbox: Sandbox, live_server_url: str) -> None:
    before = sandbox.control.stocks()
    order, other = placed_in(api, "paid"), placed_in(api, "paid")
    together = threading.Barrier(10)

    def cancel(_: int) -> requests.Response:
        with ApiClient(live_server_url, "1") as client:
            together.wait()
            return client.delete(f"orders/{order['id']}")

    assert sorted(answer.status_code for answer in at_once(10, cancel)) == [204] + [409] * 9
    assert [call["order_id"] for call in sandbox.control.calls("release")] == [order["id"]]
    assert sandbox.control.stock(TOWEL.product_id).reserved == 2
    assert api().delete(f"orders/{other['id']}").status_code == 204
    assert sandbox.control.stocks() == before


@pytest.mark.parametrize(("order_id", "status"), [("1", 400), ("x" * 24, 400), ("0" * 25, 400), (NOBODYS_ID, 404)])
def test_an_order_that_is_none_is_not_cancelled(visitor: Api, order_id: str, status: int) -> None:
    problem(visitor().delete(f"orders/{order_id}"), status)


@pytest.mark.parametrize(("user_id", "status"), [("2", "pending"), ("1", "placing"), ("1", "rejected")])
def test_anothers_order_or_a_draft_is_not_found(visitor: Api, database: Documents, user_id: str, status: str) -> None:
    order = OrderFactory(user_id=user_id, status=status)
    problem(visitor("1").delete(f"orders/{order.pk}"), 404, "order_not_found")
    assert stored(database, order.pk)["status"] == status


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
@pytest.mark.parametrize("failure", ["down", 503, 429])
def test_a_cancellation_succeeds_while_inventory_does_not_and_the_worker_finishes_it(
    api: Api, sandbox: Sandbox, database: Documents, settings: Settings, call: str, failure: str | int
) -> None:
    cancel, status = CANCEL[call]
    before = sandbox.control.stocks()
    order = placed_in(api, "paid", TWO_TOWELS, ONE_SKILLET)
    held, alive = sandbox.control.stocks(), settings.INVENTORY_SERVICE_URL
    if failure == "down":
        settings.INVENTORY_SERVICE_URL = dead_url()
    else:
        sandbox.control.fault("release", "status", status=failure)
    assert cancel(api(admin=True), order).status_code == status
    assert api().get(f"orders/{order['id']}").json()["status"] == ("refunded" if call == "refund" else "cancelled")
    assert sandbox.control.stocks() == held
    owed = stored(database, order["id"])
    assert line_states(owed) == ["releasing", "releasing"]
    assert owed["stock_due_at"]
    settings.INVENTORY_SERVICE_URL = alive
    sandbox.control.clear_faults()
    settle(database)
    assert sandbox.control.stocks() == before
    assert line_states(stored(database, order["id"])) == ["released", "released"]


@pytest.mark.parametrize(
    ("call", "kind", "options", "acted"),
    [
        ("DELETE", "status", {"status": 500}, False),
        ("PUT", "drop_before", {}, False),
        ("DELETE", "stall_before", {"seconds": 1.0}, False),
        ("PUT", "drop_after", {}, True),
        ("DELETE", "drop_after", {}, True),
        ("DELETE", "garbage", {}, True),
    ],
)
def test_a_release_of_unknown_outcome_waits_for_a_person(
    api: Api, sandbox: Sandbox, database: Documents, call: str, kind: str, options: dict[str, Any], acted: bool
) -> None:
    cancel, status = CANCEL[call]
    order = placed_in(api, "pending")
    sandbox.control.fault("release", kind, **options)
    assert cancel(api(), order).status_code == status
    sandbox.control.clear_faults()
    settle(database)
    after = stored(database, order["id"])
    assert after["status"] == "cancelled"
    assert "stock_due_at" not in after
    assert (line_states(after), after["items"][0]["stock"]["call"]) == (["unknown"], "release")
    assert len(sandbox.control.calls("release")) == 1
    assert sandbox.control.stock(TOWEL.product_id).reserved == (0 if acted else 2)


@pytest.mark.parametrize("kind", ["drop_before", "drop_after"])
def test_a_release_of_unknown_outcome_is_repeated_where_inventory_honours_keys(
    api: Api, sandbox: Sandbox, database: Documents, settings: Settings, kind: str
) -> None:
    # The worker waits for a whole lease before it repeats what may yet act.
    settings.INVENTORY_HONOURS_IDEMPOTENCY_KEY, settings.STOCK_LEASE = True, 2.5
    sandbox.control.honour_keys(True)
    order, other = placed_in(api, "pending"), placed_in(api, "pending")
    sandbox.control.fault("release", kind)
    assert api().delete(f"orders/{order['id']}").status_code == 204
    sandbox.control.clear_faults()
    settle(database)
    assert line_states(stored(database, order["id"])) == ["released"]
    assert line_states(stored(database, other["id"])) == ["reserved"]
    assert sandbox.control.stock(TOWEL.product_id).reserved == 2
    assert {call["key"] for call in sandbox.control.calls("release")} == {f"{order['id']}:0:release"}


@pytest.mark.parametrize("status", [400, 404, 409, 422])
def test_a_release_that_inventory_refuses_is_final_and_shown_to_staff(
    api: Api, sandbox: Sandbox, database: Documents, status: int
) -> None:
    order = placed_in(api, "pending")
    sandbox.control.fault("release", "status", status=status)
    assert api().delete(f"orders/{order['id']}").status_code == 204
    after = stored(database, order["id"])
    assert line_states(after) == ["released"]
    assert after["items"][0]["stock"]["discrepancy"] == 2
    assert "stock_due_at" not in after


def test_fewer_units_released_than_asked_for_are_a_discrepancy(api: Api, sandbox: Sandbox, database: Documents) -> None:
    order = placed_in(api, "pending", TWO_TOWELS, ONE_SKILLET)
    sandbox.control.put_product(TOWEL.product_id, name=TOWEL.name, price=TOWEL.price, available=0, reserved=1)
    assert api().delete(f"orders/{order['id']}").status_code == 204
    stock = [item["stock"] for item in stored(database, order["id"])["items"]]
    assert [(line["state"], line.get("discrepancy")) for line in stock] == [("released", 1), ("released", None)]
    assert sandbox.control.stock(SKILLET.product_id).reserved == 0
