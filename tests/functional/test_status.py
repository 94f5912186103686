"""PUT /orders/{id}/status over real HTTP."""

from contextlib import closing
from http.client import HTTPConnection
from typing import Any

import pytest
import requests

from integrations.sandbox import Sandbox
from tests.api_client import ApiClient
from tests.factories import OrderFactory
from tests.functional.helpers import (
    NOBODYS_ID,
    Api,
    Documents,
    problem,
    stored,
    visitor_fixture,  # noqa: F401
)

ALLOWED = {
    "pending": ["paid", "cancelled"],
    "paid": ["processing", "cancelled", "refunded"],
    "processing": ["shipped", "cancelled", "refunded"],
    "shipped": ["delivered", "refunded"],
    "delivered": ["refunded"],
    "cancelled": [],
    "refunded": [],
}
"""The specification's table of allowed changes (ALLOWED_STATUS_TRANSITIONS), word for word."""


def put(client: ApiClient, order: Any, status: object, **headers: str) -> requests.Response:
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return client.put(f"orders/{order}/status", json={"status": status}, headers=named)


# --- the table ---


def test_a_change_is_answered_with_the_order_as_it_is_then(api: Api, database: Documents) -> None:
    source, target = "pending", "paid"
    order = OrderFactory(status=source)
    changed = put(api(admin=True), order.pk, target)
    assert changed.status_code == 200, changed.text
    assert (changed.json()["status"], changed.json()["version"]) == (target, order.version + 1)
    assert changed.headers["ETag"] == f'"{order.version + 1}"'
    assert changed.json()["updated_at"] > changed.json()["created_at"]
    assert api().get(f"orders/{order.pk}").json() == changed.json()
    entries = [entry for entry in stored(database, order.pk)["history"] if entry.get("line") is None]
    assert len(entries) == order.version + 2
    assert (entries[-1]["from"], entries[-1]["to"], entries[-1]["actor"]) == (source, target, "admin:staff")


@pytest.mark.parametrize(("source", "target"), [("pending", "shipped"), ("shipped", "cancelled"), ("refunded", "paid")])
def test_any_other_move_is_refused_with_the_allowed_ones(
    visitor: Api, running_sandbox: Sandbox, database: Documents, source: str, target: str
) -> None:
    order = OrderFactory(status=source)
    before, asked = stored(database, order.pk), running_sandbox.control.counts()
    refused = problem(put(visitor(admin=True), order.pk, target), 409, "transition_not_allowed")
    assert refused["allowed"] == ALLOWED[source]
    assert source in refused["detail"]
    assert all(status in refused["detail"] for status in ALLOWED[source])
    assert stored(database, order.pk) == before
    assert running_sandbox.control.counts() == asked


@pytest.mark.parametrize("path", ["orders/{}/status", "orders/{}/status/"])
def test_a_status_is_changed_with_and_without_a_slash(visitor: Api, path: str) -> None:
    path = path.format(OrderFactory().pk)
    assert visitor(admin=True).put(path, json={"status": "paid"}).status_code == 200


def test_a_reason_is_kept(visitor: Api, database: Documents) -> None:
    order = OrderFactory()
    told = {"status": "paid", "reason": "$name paid in cash"}
    assert visitor(admin=True).put(f"orders/{order.pk}/status", json=told).status_code == 200
    assert stored(database, order.pk)["history"][-1]["reason"] == "$name paid in cash"


def test_a_reason_may_have_several_lines(visitor: Api, database: Documents) -> None:
    order = OrderFactory()
    told = {"status": "paid", "reason": "paid in cash\r\n\u202ein the shop\n"}
    assert visitor(admin=True).put(f"orders/{order.pk}/status", json=told).status_code == 200
    assert stored(database, order.pk)["history"][-1]["reason"] == "paid in cash\nin the shop"


# --- bad input ---


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({"status": "lost"}, "status"),
        ({"status": "placing"}, "status"),
        ({"status": "rejected"}, "status"),
        ({"status": "PAID"}, "status"),
        ({"status": "pay"}, "status"),
        ({"status": ""}, "status"),
        ({"status": None}, "status"),
        ({"status": 1}, "status"),
        ({"status": True}, "status"),
        ({"status": ["paid"]}, "status"),
        ({"status": {"$ne": 1}}, "status"),
        ({}, "status"),
        ({"status": "paid", "reason": "a" * 501}, "reason"),
        ({"status": "paid", "reason": ["x"]}, "reason"),
        ({"status": "paid", "reason": "\0"}, "reason"),
        ([], ""),
        ("paid", ""),
    ],
)
def test_an_unknown_status_or_a_malformed_body_is_refused(
    visitor: Api, database: Documents, body: object, field: str
) -> None:
    order = OrderFactory()
    before = stored(database, order.pk)
    refused = problem(visitor(admin=True).put(f"orders/{order.pk}/status", json=body), 400, "invalid")
    assert list(refused["errors"]) == [field]
    assert stored(database, order.pk) == before


def test_a_body_of_another_type_is_refused(visitor: Api) -> None:
    path = f"orders/{OrderFactory().pk}/status"
    problem(visitor(admin=True).put(path, data="status=paid", headers={"Content-Type": "text/plain"}), 415)
    problem(visitor(admin=True).put(path, data="{", headers={"Content-Type": "application/json"}), 400)


@pytest.mark.parametrize(
    ("order_id", "status", "code"),
    [("1", 400, "invalid"), ("x" * 24, 400, "invalid"), (NOBODYS_ID, 404, "order_not_found")],
)
def test_an_order_that_is_none_is_not_changed(visitor: Api, order_id: str, status: int, code: str) -> None:
    problem(put(visitor(admin=True), order_id, "paid"), status, code)


# --- If-Match ---


@pytest.mark.parametrize("tag", ['"1"', "*", 'W/"1"', '"7", "1"', '"1-gzip"'])
def test_a_change_is_made_where_the_order_is_as_the_caller_saw_it(visitor: Api, tag: str) -> None:
    changed = put(visitor(admin=True), OrderFactory().pk, "paid", If_Match=tag)
    assert changed.status_code == 200, changed.text
    assert changed.headers["ETag"] == '"2"'


def test_a_change_of_an_order_that_has_changed_is_refused_with_what_has(visitor: Api, database: Documents) -> None:
    order = OrderFactory(status="processing")
    before = stored(database, order.pk)
    refused = problem(put(visitor(admin=True), order.pk, "shipped", If_Match='"1"'), 412, "stale_order")
    assert refused["version"] == 3
    changes = [(change["act"], change["to"], change["actor"]) for change in refused["changes"]]
    assert changes == [("pay", "paid", "admin:staff"), ("start_processing", "processing", "admin:staff")]
    assert stored(database, order.pk) == before


@pytest.mark.parametrize("tag", ["1", '"1', '"1" "1"', '*, "1"', b"\xff\xfe"])
def test_a_malformed_precondition_is_refused(visitor: Api, database: Documents, tag: Any) -> None:
    order = OrderFactory()
    assert list(problem(put(visitor(admin=True), order.pk, "paid", If_Match=tag), 400)["errors"]) == ["If-Match"]
    assert stored(database, order.pk)["status"] == "pending"


@pytest.mark.parametrize("tag", ['"one"', '"01"', '""', '"2", "3"', 'W/"0"', "", f'"{"1" * 5000}"'])
def test_a_precondition_that_no_version_of_the_order_meets_is_refused(
    visitor: Api, database: Documents, tag: str
) -> None:
    order = OrderFactory()
    assert problem(put(visitor(admin=True), order.pk, "paid", If_Match=tag), 412, "stale_order")["version"] == 1
    assert stored(database, order.pk)["status"] == "pending"


def test_preconditions_in_several_lines_are_one_list(visitor: Api, live_server_url: str) -> None:
    path = f"/api/v1/orders/{OrderFactory().pk}/status"
    with closing(HTTPConnection(live_server_url.removeprefix("http://"), timeout=30)) as connection:
        connection.putrequest("PUT", path)
        connection.putheader("Authorization", str(visitor(admin=True).headers["Authorization"]))
        connection.putheader("Content-Type", "application/json")
        for tag in ('"7"', 'W/"1"'):
            connection.putheader("If-Match", tag)
        connection.putheader("Content-Length", "18")
        connection.endheaders(b'{"status": "paid"}')
        assert connection.getresponse().status == 200


# --- what becomes of the stock ---
