"""PUT /orders/{id}/status over real HTTP."""

import threading
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
    ONE_SKILLET,
    SKILLET,
    TOWEL,
    TWO_TOWELS,
    Api,
    Documents,
    at_once,
    line_states,
    placed_in,
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
PAIRS = [(source, target) for source in ALLOWED for target in ALLOWED]


def put(client: ApiClient, order: Any, status: object, **headers: str) -> requests.Response:
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return client.put(f"orders/{order}/status", json={"status": status}, headers=named)


# --- the table ---


@pytest.mark.parametrize(("source", "target"), [pair for pair in PAIRS if pair[1] in ALLOWED[pair[0]]])
def test_a_move_of_the_table_is_made(api: Api, database: Documents, source: str, target: str) -> None:
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


@pytest.mark.parametrize(("source", "target"), [pair for pair in PAIRS if pair[1] not in ALLOWED[pair[0]]])
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


@pytest.mark.parametrize("status", ["placing", "rejected"])
@pytest.mark.parametrize("target", ["pending", "cancelled"])
def test_a_draft_is_not_changed_by_anybody(visitor: Api, database: Documents, status: str, target: str) -> None:
    order = OrderFactory(status=status)
    problem(put(visitor(admin=True), order.pk, target), 404, "order_not_found")
    assert stored(database, order.pk)["status"] == status


# --- who may ---


@pytest.mark.parametrize(("source", "target"), [pair for pair in PAIRS if pair[1] in ALLOWED[pair[0]]])
def test_a_customer_may_cancel_his_order_and_nothing_else(
    api: Api, database: Documents, source: str, target: str
) -> None:
    order = OrderFactory(status=source)
    before = stored(database, order.pk)
    answer = put(api(), order.pk, target)
    if target == "cancelled":
        assert answer.status_code == 200, answer.text
        assert answer.json()["status"] == "cancelled"
    else:
        problem(answer, 403, "not_permitted")
        assert stored(database, order.pk) == before


@pytest.mark.parametrize("target", ["paid", "cancelled", "shipped", "pending"])
def test_anothers_order_is_not_found(visitor: Api, database: Documents, target: str) -> None:
    order = OrderFactory(user_id="2")
    problem(put(visitor("1"), order.pk, target), 404, "order_not_found")
    assert stored(database, order.pk)["status"] == "pending"


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


def test_a_customer_is_not_told_by_name_who_changed_his_order(visitor: Api, database: Documents) -> None:
    order = OrderFactory(status="paid")
    refused = problem(put(visitor(), order.pk, "cancelled", If_Match='"1"'), 412, "stale_order")
    assert [(change["act"], change["actor"]) for change in refused["changes"]] == [("pay", "admin")]
    assert stored(database, order.pk)["status"] == "paid"


def test_a_version_that_is_yet_to_come_is_refused(visitor: Api) -> None:
    refused = problem(put(visitor(admin=True), OrderFactory().pk, "paid", If_Match='"7"'), 412, "stale_order")
    assert refused["changes"] == []


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


@pytest.mark.parametrize(("headers", "code"), [({}, 409), ({"If_Match": '"1"'}, 412)], ids=["blind", "guarded"])
def test_of_ten_changes_at_once_one_is_made(
    visitor: Api, database: Documents, live_server_url: str, headers: dict[str, str], code: int
) -> None:
    order = OrderFactory()
    together = threading.Barrier(10)

    def pay(_: int) -> requests.Response:
        with ApiClient(live_server_url, "1", admin=True) as client:
            together.wait()
            return put(client, order.pk, "paid", **headers)

    assert sorted(answer.status_code for answer in at_once(10, pay)) == [200] + [code] * 9
    assert stored(database, order.pk)["version"] == 2


# --- what becomes of the stock ---


@pytest.mark.parametrize(
    ("source", "target", "released"),
    [
        ("pending", "cancelled", True),
        ("paid", "cancelled", True),
        ("processing", "cancelled", True),
        ("paid", "refunded", True),
        ("processing", "refunded", True),
        ("shipped", "refunded", False),
        ("delivered", "refunded", False),
    ],
)
def test_stock_is_released_unless_the_goods_have_left(
    api: Api, sandbox: Sandbox, database: Documents, source: str, target: str, released: bool
) -> None:
    before = sandbox.control.stocks()
    order = placed_in(api, source, TWO_TOWELS, ONE_SKILLET)
    held = sandbox.control.stocks()
    assert put(api(admin=True), order["id"], target).status_code == 200
    assert sandbox.control.stocks() == (before if released else held)
    calls = sandbox.control.calls("release")
    keys = {f"{order['id']}:0:release", f"{order['id']}:1:release"} if released else set()
    assert ({call["key"] for call in calls}, len(calls)) == (keys, len(keys))
    after = stored(database, order["id"])
    assert line_states(after) == ["released" if released else "used"] * 2
    assert "stock_due_at" not in after


@pytest.mark.parametrize("status", ["paid", "processing", "shipped", "delivered"])
def test_stock_stays_reserved_on_the_way_to_the_customer(
    api: Api, sandbox: Sandbox, database: Documents, status: str
) -> None:
    order = placed_in(api, status)
    assert sandbox.control.stock(TOWEL.product_id).reserved == 2
    assert sandbox.control.calls("release") == []
    used = status in ("shipped", "delivered")
    assert line_states(stored(database, order["id"])) == ["used" if used else "reserved"]


def test_nothing_is_released_for_a_refused_move(api: Api, sandbox: Sandbox) -> None:
    order = placed_in(api, "shipped", ONE_SKILLET)
    problem(put(api(admin=True), order["id"], "cancelled"), 409, "transition_not_allowed")
    assert sandbox.control.calls("release") == []
    assert sandbox.control.stock(SKILLET.product_id).reserved == 1
