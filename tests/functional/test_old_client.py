"""What a client of the FastAPI service meets here, as docs/moving.md tells it."""

from typing import Any

import pytest

from tests.api_client import order_body
from tests.functional.helpers import NOBODYS_ID, TOWEL, TWO_TOWELS, Api

LINE = {"product_id": TOWEL.product_id, "quantity": 2, "price": TOWEL.price}
READ = ("_id", "user_id", "items", "total_price", "status", "shipping_address", "created_at", "updated_at")
"""What the documents of the FastAPI service have."""


@pytest.mark.parametrize(
    "changes",
    [
        {},
        {"items": [LINE | {"price": float(TOWEL.price)}]},
        {"items": [LINE | {"quantity": "2"}]},
        {"user_id": 1},
        {"shipping_address": {"line1": "1 Long Street", "line2": None, "city": "Springfield", "state": None,
                              "postal_code": "12345", "country": "US"}},
    ],
    ids=["as it was", "price as number", "quantity as text", "user as number", "null"],
)  # fmt: skip
@pytest.mark.parametrize("path", ["orders/", "orders"])
def test_the_bodies_that_it_sent_place_an_order(changes: dict[str, Any], path: str, api: Api) -> None:
    placed = api().post(path, json=order_body("1", TWO_TOWELS) | changes)
    assert placed.status_code == 201
    order = placed.json()
    assert set(READ) <= set(order)
    assert (order["_id"], order["total_price"], order["status"]) == (order["id"], "29.80", "pending")
    assert order["created_at"].endswith("Z")
    assert order["shipping_address"]["line2"] == ""


def test_the_addresses_that_it_asked_answer_as_before(api: Api) -> None:
    order_id = api().post("orders", json=order_body("1", TWO_TOWELS)).json()["_id"]
    customer, admin = api(), api(admin=True)
    for query in ("", "?skip=0&limit=100", "?status=pending", "?start_date=2026-01-01T00:00:00", "?user_id=1"):
        for slash in ("", "/"):
            assert [order["_id"] for order in customer.get(f"orders{slash}{query}").json()] == [order_id]
            assert customer.get(f"orders/user/1{slash}").status_code == 200
            assert customer.get(f"orders/{order_id}{slash}").json()["_id"] == order_id
    assert admin.put(f"orders/{order_id}/status/", json={"status": "paid"}).json()["status"] == "paid"
    gone = customer.delete(f"orders/{order_id}/")
    assert (gone.status_code, gone.content) == (204, b"")


@pytest.mark.parametrize(
    ("method", "path", "body", "status", "code"),
    [
        ("POST", "orders/", {"items": []}, 400, "invalid"),
        ("POST", "orders/", {"total_price": "29.80"}, 400, "invalid"),
        ("POST", "orders/", {"items": [LINE | {"price": "1.00"}]}, 409, "price_changed"),
        ("POST", "orders/", {"items": [LINE | {"quantity": 9000}]}, 409, "insufficient_stock"),
        ("POST", "orders/", {"user_id": "999"}, 403, "not_permitted"),
        ("GET", "orders/?limit=1000", None, 400, "invalid"),
        ("GET", "orders/?page=2", None, 400, "invalid"),
        ("GET", "orders/?user_id=2", None, 403, "not_permitted"),
        ("GET", "orders/user/2", None, 403, "not_permitted"),
        ("GET", "orders/17", None, 400, "invalid"),
        ("GET", f"orders/{NOBODYS_ID}", None, 404, "order_not_found"),
        ("PUT", f"orders/{NOBODYS_ID}/status", {"status": "PAID"}, 400, "invalid"),
    ],
)
def test_what_it_did_otherwise_has_a_code(
    method: str, path: str, body: dict[str, Any] | None, status: int, code: str, api: Api
) -> None:
    whole = order_body("1", TWO_TOWELS) | (body or {}) if method == "POST" else body
    answer = api().request(method, path, json=whole)
    assert (answer.status_code, answer.json()["code"]) == (status, code)
    assert answer.json()["detail"]


def test_only_admins_change_a_status_and_a_second_cancellation_is_refused(api: Api) -> None:
    order_id = api().post("orders", json=order_body("1", TWO_TOWELS)).json()["_id"]
    answer = api().put(f"orders/{order_id}/status", json={"status": "paid"})
    assert (answer.status_code, answer.json()["code"]) == (403, "not_permitted")
    assert api().put(f"orders/{order_id}/status", json={"status": "cancelled"}).status_code == 200
    again = api().delete(f"orders/{order_id}")
    assert (again.status_code, again.json()["code"], again.json()["allowed"]) == (409, "transition_not_allowed", [])
