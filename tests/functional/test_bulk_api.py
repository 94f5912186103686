"""Transitions of many orders over the API: admins start runs, follow them and steer them."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from bson import ObjectId
from django.utils import timezone

from integrations.sandbox import Sandbox
from orders.models import BulkRun
from orders.services import bulk
from orders.storage.order_query import OrderKeys, OrderQuery
from tests.api_client import ApiClient
from tests.factories import OrderFactory
from tests.functional.admin_helpers import profiled
from tests.functional.bulk_admin import only_run, statuses, worker_pass
from tests.functional.helpers import (
    NOBODYS_ID,
    Api,
    Documents,
    at_once,
    placed_in,
    problem,
    stored,
    visitor_fixture,  # noqa: F401
)
from tests.integration.builders import act

RUNS = "orders/bulk-transitions"
LONG_AGO = datetime(2026, 1, 5, 12, tzinfo=UTC)
GOOD = "0123456789abcdef01234567"


@pytest.fixture
def admin(visitor: Api) -> ApiClient:
    return visitor(admin=True)


def ids(count: int, **fields: Any) -> list[str]:
    return [str(order.pk) for order in OrderFactory.create_batch(count, **fields)]


def started(client: ApiClient, transition: str, **body: Any) -> dict[str, Any]:
    """Start a run; what it answers, checked."""
    answer = client.post(RUNS, json={"transition": transition, **body})
    assert answer.status_code == 202, answer.text
    run: dict[str, Any] = answer.json()
    assert answer.headers["Location"] == f"/api/v1/{RUNS}/{run['id']}"
    return run


def run_of(client: ApiClient, run: dict[str, Any], **query: Any) -> dict[str, Any]:
    answer = client.get(f"{RUNS}/{run['id']}", params=query)
    assert answer.status_code == 200, answer.text
    found: dict[str, Any] = answer.json()
    return found


# --- starting and following ---


def test_named_orders_change_once_the_workers_have_done_the_run(admin: ApiClient, database: Documents) -> None:
    chosen = ids(3, status="paid")
    other = ids(1, status="paid")
    run = started(admin, "start_processing", ids=chosen, reason="Early shift")
    assert (run["state"], run["total"], run["selected"], run["done"]) == ("queued", 3, True, 0)
    assert (run["actor"], run["via"], run["reason"]) == ("admin:staff", "api", "Early shift")
    assert statuses(database) == {"paid": 4}
    worker_pass()
    found = run_of(admin, run)
    assert (found["state"], found["done"], found["results"]) == ("done", 3, [])
    assert found["finished_at"].endswith("Z")
    assert stored(database, other[0])["status"] == "paid"
    entry = stored(database, chosen[0])["history"][-1]
    assert (entry["act"], entry["actor"], entry["via"]) == ("start_processing", "admin:staff", "api")
    assert (entry["reason"], entry["request_id"]) == ("Early shift", run["id"])


def test_the_code_of_a_reason_comes_back_and_is_in_each_history(admin: ApiClient, database: Documents) -> None:
    chosen = ids(2, status="paid")
    run = started(admin, "start_processing", ids=chosen, reason_code="customer")
    assert (run["reason"], run["reason_code"]) == ("", "customer")
    worker_pass()
    assert [stored(database, order_id)["history"][-1]["code"] for order_id in chosen] == ["customer"] * 2
    other = admin.post(RUNS, json={"transition": "pay", "ids": chosen, "reason_code": "other"})
    assert problem(other, 400, "invalid")["errors"] == {"reason": ["Say in words what the other reason is."]}
    assert BulkRun.objects.count() == 1


def test_a_dry_run_says_which_orders_are_on_hold(admin: ApiClient, database: Documents) -> None:
    ids(2, status="processing")
    ids(1, status="processing", held_at=timezone.now())
    answer = admin.post(RUNS, json={"transition": "ship", "filter": {"status": "processing"}, "dry_run": True})
    assert answer.json() | {"units": 0} == {
        "transition": "ship", "total": 3, "can": 2, "already": 0, "cannot": 1, "units": 0,
        "refused": [{"reason": "It is on hold.", "orders": 1}],
    }  # fmt: skip
    assert statuses(database) == {"processing": 3}


def test_orders_may_be_named_by_their_numbers(admin: ApiClient, database: Documents) -> None:
    order = OrderFactory()
    run = started(admin, "pay", ids=[order.number, str(order.pk), "2222-2222-2222"])
    worker_pass()
    found = run_of(admin, run)
    assert (found["total"], found["done"], found["refused"]) == (2, 1, 1)
    [missing] = found["results"]
    assert (missing["order_id"], missing["number"], missing["result"]) == ("2222-2222-2222", "", "refused")
    assert missing["reason"] == "There is no order 2222-2222-2222."
    assert stored(database, str(order.pk))["status"] == "paid"


@pytest.mark.parametrize(
    ("given", "meant"),
    [
        ({"status": "pending"}, 6),
        ({"status": ["pending", "paid"]}, 6),
        ({"status": "paid"}, 0),
        ({"user_id": "7"}, 1),
        ({"user_id": 7}, 1),
        ({"product_id": "{product}"}, 1),
        ({"created_before": "2026-01-06"}, 2),
        ({"created_from": "2026-01-05T12:00:00Z", "created_before": "2026-01-05T12:00:01+00:00"}, 1),
        ({"status": "pending", "limit": 4}, 4),
    ],
)
def test_a_filter_means_the_orders_that_meet_all_of_it(
    admin: ApiClient, database: Documents, given: dict[str, Any], meant: int
) -> None:
    ids(2)
    ids(1, user_id="7")
    rare = OrderFactory(lines=2)
    for hours in (0, 2):
        ids(1, created_at=LONG_AGO - timedelta(hours=hours))
    ids(1, status="shipped", user_id="8")
    product = rare.items[1].product_id
    given = {name: product if value == "{product}" else value for name, value in given.items()}
    run = started(admin, "pay", filter=given)
    assert not run["selected"]
    worker_pass()
    found = run_of(admin, run)
    assert (found["state"], found["done"]) == ("done", meant)
    assert statuses(database).get("paid", 0) == meant


def test_a_dry_run_answers_with_the_plan_and_changes_nothing(admin: ApiClient, database: Documents) -> None:
    chosen = ids(2) + ids(1, status="cancelled") + ids(1, status="shipped") + ids(1, status="placing")
    answer = admin.post(RUNS, json={"transition": "cancel", "ids": [*chosen, NOBODYS_ID], "dry_run": True})
    assert answer.status_code == 200
    assert "Location" not in answer.headers
    plan = answer.json()
    assert (plan["total"], plan["can"], plan["already"], plan["cannot"], plan["units"]) == (6, 2, 1, 3, 4)
    assert {row["reason"]: row["orders"] for row in plan["refused"]} == {
        "Cannot cancel an order that is shipped. It can become: delivered, refunded.": 1,
        "There is no such order.": 2,
    }
    assert not BulkRun.objects.exists()
    assert statuses(database)["pending"] == 2


def test_cancelling_many_releases_their_stock(api: Api, sandbox: Sandbox, database: Documents) -> None:
    orders = [placed_in(api, "paid") for _ in range(3)]
    product = orders[0]["items"][0]["product_id"]
    assert sandbox.control.stock(product).reserved == 6
    started(api(admin=True), "cancel", filter={"status": "paid"})
    worker_pass()
    assert statuses(database) == {"cancelled": 3}
    assert sandbox.control.stock(product).reserved == 0


def test_what_a_run_could_not_do_is_read_page_by_page(admin: ApiClient, database: Documents) -> None:
    chosen = ids(5, status="shipped") + ids(2)
    run = started(admin, "pay", ids=chosen)
    worker_pass()
    address, seen, pages = f"{RUNS}/{run['id']}?limit=2", [], 0
    while address:
        answer = admin.get(address)
        seen += [result["order_id"] for result in answer.json()["results"]]
        assert ("Next-Cursor" in answer.headers) is ("next" in answer.links)
        address, pages = answer.links.get("next", {}).get("url", ""), pages + 1
    assert (seen, pages) == (chosen[:5], 3)
    for result, expected in {"all": chosen, "done": chosen[5:], "failed": [], "refused": chosen[:5]}.items():
        assert [found["order_id"] for found in run_of(admin, run, result=result)["results"]] == expected
    [first, *_] = run_of(admin, run)["results"]
    assert first["reason"] == "Cannot pay an order that is shipped. It can become: delivered, refunded."
    assert first["number"] == stored(database, chosen[0])["number"]


@pytest.mark.parametrize("address", [RUNS, f"{RUNS}/"])
def test_the_address_works_with_and_without_a_slash_at_its_end(
    admin: ApiClient, database: Documents, address: str
) -> None:
    answer = admin.post(address, json={"transition": "pay", "ids": ids(1)})
    assert answer.status_code == 202
    for ending in ("", "/"):
        assert admin.get(f"{RUNS}/{answer.json()['id']}{ending}").status_code == 200
    for step in ("pause", "resume/", "cancel"):
        assert admin.post(f"{RUNS}/{answer.json()['id']}/{step}").status_code == 202


@pytest.mark.parametrize("address", [RUNS, f"{RUNS}/"])
def test_the_address_is_not_taken_for_an_order(admin: ApiClient, address: str) -> None:
    for method in ("GET", "DELETE", "PUT"):
        answer = admin.request(method, address)
        problem(answer, 405)
        assert "POST" in answer.headers["Allow"]
    problem(admin.get(f"{RUNS}/history"), 400)


# --- steering ---


def test_a_run_is_paused_resumed_and_cancelled(admin: ApiClient, database: Documents) -> None:
    run = started(admin, "pay", ids=ids(2))
    paused = admin.post(f"{RUNS}/{run['id']}/pause").json()
    assert (paused["state"], paused["last_error"]) == ("paused", "Stopped by admin:staff.")
    worker_pass()
    assert statuses(database) == {"pending": 2}
    assert admin.post(f"{RUNS}/{run['id']}/resume").json()["state"] == "queued"
    worker_pass()
    assert statuses(database) == {"paid": 2}
    problem(admin.post(f"{RUNS}/{run['id']}/cancel"), 409, "run_is_over")


def test_a_cancelled_run_changes_nothing_any_more(admin: ApiClient, database: Documents) -> None:
    run = started(admin, "pay", filter={"status": "pending"})
    ids(2)
    assert admin.post(f"{RUNS}/{run['id']}/cancel").json()["state"] == "cancelled"
    worker_pass()
    assert statuses(database) == {"pending": 2}
    problem(admin.post(f"{RUNS}/{run['id']}/resume"), 409, "run_is_over")


# --- repeating ---


def test_the_same_request_with_the_same_key_starts_one_run(admin: ApiClient, database: Documents) -> None:
    ids(5)
    body = {"transition": "pay", "filter": {"status": "pending", "limit": 2}}
    answers = at_once(4, lambda _: admin_again(admin).post(RUNS, json=body, headers={"Idempotency-Key": "night-1"}))
    assert {answer.status_code for answer in answers} == {202}
    assert {answer.json()["id"] for answer in answers} == {str(only_run().pk)}
    worker_pass()
    assert statuses(database) == {"paid": 2, "pending": 3}
    again = admin.post(RUNS, json=body, headers={"Idempotency-Key": "night-1"})
    assert (again.json()["state"], again.json()["done"]) == ("done", 2)


def admin_again(client: ApiClient) -> ApiClient:
    """Another connection of the same admin: sessions are not made for threads."""
    return ApiClient(client.root, client.user_id, admin=True)


def test_another_key_starts_another_run(admin: ApiClient, database: Documents) -> None:
    body = {"transition": "pay", "ids": ids(1)}
    for key in ("a", "b"):
        assert admin.post(RUNS, json=body, headers={"Idempotency-Key": key}).status_code == 202
    assert BulkRun.objects.count() == 2


@pytest.mark.parametrize("change", ["transition", "ids", "reason", "reason_code"])
def test_a_key_that_was_used_for_another_run_is_refused(admin: ApiClient, database: Documents, change: str) -> None:
    chosen = ids(7)
    body = {"transition": "pay", "ids": chosen, "reason": ""}
    # The other orders begin and count alike: it is the last that differs.
    others = {"transition": "refund", "ids": [*chosen[:6], GOOD], "reason": "another", "reason_code": "fraud"}
    assert admin.post(RUNS, json=body, headers={"Idempotency-Key": "k"}).status_code == 202
    answer = admin.post(RUNS, json=body | {change: others[change]}, headers={"Idempotency-Key": "k"})
    problem(answer, 422, "run_exists")
    assert only_run().transition == "pay"


# --- who may ---


@pytest.mark.parametrize("who", ["customer", "visitor", "forger"])
def test_nobody_but_an_admin_gets_in(visitor: Api, database: Documents, who: str) -> None:
    chosen = ids(1)
    run = bulk.start_run(selection=OrderQuery(keys=OrderKeys(map(ObjectId, chosen))), transition="pay", act=act())
    client = visitor() if who == "customer" else visitor(token="x.y.z")
    if who == "visitor":
        del client.headers["Authorization"]
    status = 403 if who == "customer" else 401
    for body in ({"transition": "pay", "ids": chosen}, {"transition": "pay", "ids": chosen, "dry_run": True}, {}):
        problem(client.post(RUNS, json=body), status)
    problem(client.get(f"{RUNS}/{run.pk}"), status)
    problem(client.get(f"{RUNS}/{NOBODYS_ID}"), status)
    for step in ("cancel", "pause", "resume"):
        problem(client.post(f"{RUNS}/{run.pk}/{step}"), status)
    assert only_run().state == "queued"
    assert statuses(database) == {"pending": 1}


# --- bad input ---


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({}, "transition"),
        ([], ""),
        ("pay", ""),
        ({"transition": "pay"}, ""),
        ({"transition": "nonsense", "ids": [GOOD]}, "transition"),
        ({"transition": "place", "ids": [GOOD]}, "transition"),
        ({"transition": ["pay"], "ids": [GOOD]}, "transition"),
        ({"transition": "pay", "ids": [GOOD], "filter": {"status": "paid"}}, ""),
        ({"transition": "pay", "ids": []}, "ids"),
        ({"transition": "pay", "ids": None}, "ids"),
        ({"transition": "pay", "ids": GOOD}, "ids"),
        ({"transition": "pay", "ids": {"0": GOOD}}, "ids"),
        ({"transition": "pay", "ids": [GOOD, "x"]}, "ids.1"),
        ({"transition": "pay", "ids": [GOOD, 7]}, "ids.1"),
        ({"transition": "pay", "ids": [GOOD, None]}, "ids.1"),
        ({"transition": "pay", "ids": ["order number"]}, "ids.0"),
        ({"transition": "pay", "ids": [GOOD] * 10_001}, "ids"),
        ({"transition": "pay", "ids": [GOOD], "bogus": 1}, "bogus"),
        ({"transition": "pay", "ids": [GOOD], "reason": "x" * 501}, "reason"),
        ({"transition": "pay", "ids": [GOOD], "reason": None}, "reason"),
        ({"transition": "pay", "ids": [GOOD], "reason_code": "weather"}, "reason_code"),
        ({"transition": "pay", "ids": [GOOD], "reason_code": None}, "reason_code"),
        ({"transition": "pay", "ids": [GOOD], "reason_code": ""}, "reason_code"),
        ({"transition": "pay", "ids": [GOOD], "dry_run": "perhaps"}, "dry_run"),
        ({"transition": "pay", "ids": [GOOD], "dry_run": None}, "dry_run"),
        ({"transition": "pay", "filter": None}, "filter"),
        ({"transition": "pay", "filter": []}, "filter"),
        ({"transition": "pay", "filter": {"statuses": "paid"}}, "filter.statuses"),
        ({"transition": "pay", "filter": {"status": []}}, "filter.status"),
        ({"transition": "pay", "filter": {"status": "placing"}}, "filter.status.0"),
        ({"transition": "pay", "filter": {"status": ["paid", 3]}}, "filter.status.1"),
        ({"transition": "pay", "filter": {"status": 3}}, "filter.status"),
        ({"transition": "pay", "filter": {"created_from": 3}}, "filter.created_from"),
        ({"transition": "pay", "filter": {"created_from": "soon"}}, "filter.created_from"),
        ({"transition": "pay", "filter": {"created_before": ["2026-01-01"]}}, "filter.created_before"),
        (
            {"transition": "pay", "filter": {"created_from": "2026-01-02", "created_before": "2026-01-02"}},
            "filter.created_before",
        ),
        ({"transition": "pay", "filter": {"product_id": "x"}}, "filter.product_id"),
        ({"transition": "pay", "filter": {"product_id": f"{GOOD}\n"}}, "filter.product_id"),
        ({"transition": "pay", "filter": {"status": "paid", "limit": 0}}, "filter.limit"),
        ({"transition": "pay", "filter": {"status": "paid", "limit": 10**9}}, "filter.limit"),
        ({"transition": "pay", "filter": {"status": "paid", "limit": "1_0"}}, "filter.limit"),
        ({"transition": "pay", "filter": {"user_id": True}}, "filter.user_id"),
        ({"transition": "pay", "filter": {"user_id": "x" * 129}}, "filter.user_id"),
    ],
)
def test_a_body_that_is_not_understood_is_refused_and_starts_nothing(
    admin: ApiClient, database: Documents, body: Any, field: str | None
) -> None:
    ids(1)
    answer = admin.post(RUNS, json=body)
    if field is None:  # trimmed, as every text is
        assert answer.status_code == 202
        return
    assert field in problem(answer, 400, "invalid")["errors"]
    assert not BulkRun.objects.exists()


@pytest.mark.parametrize("given", [{}, {"limit": 5}])
def test_a_filter_that_means_every_order_is_refused(
    admin: ApiClient, database: Documents, given: dict[str, Any]
) -> None:
    ids(1)
    for dry_run in (False, True):
        body = {"transition": "pay", "filter": given, "dry_run": dry_run}
        problem(admin.post(RUNS, json=body), 400, "nothing_selected")
    assert not BulkRun.objects.exists()


def test_a_user_id_of_no_kind_is_refused(admin: ApiClient, database: Documents) -> None:
    problem(admin.post(RUNS, json={"transition": "pay", "filter": {"user_id": "7.0"}}), 400)
    assert not BulkRun.objects.exists()


def test_no_json_and_too_much_of_it_are_refused(admin: ApiClient, database: Documents) -> None:
    json = {"Content-Type": "application/json"}
    problem(admin.post(RUNS, data=b"{", headers=json), 400)
    problem(admin.post(RUNS, data=b'{"x": "' + b"x" * 1_100_000 + b'"}', headers=json), 413)
    problem(admin.post(RUNS, json={"transition": "pay", "ids": [GOOD]}, headers={"Idempotency-Key": "ä"}), 400)
    assert not BulkRun.objects.exists()


def test_as_many_ids_as_are_allowed_are_taken(admin: ApiClient, database: Documents) -> None:
    run = started(admin, "pay", ids=[f"{number:024x}" for number in range(10_000)])
    assert run["total"] == 10_000
    assert run["selection"] == {"orders": 10_000, "first": [f"{number:024x}" for number in range(5)]}


@pytest.mark.parametrize("address", ["x", GOOD[:23], f"{GOOD}0", "%00", "status"])
def test_what_is_no_id_of_a_run_is_refused(admin: ApiClient, address: str) -> None:
    problem(admin.get(f"{RUNS}/{address}"), 400, "invalid")
    problem(admin.post(f"{RUNS}/{address}/cancel"), 400, "invalid")


def test_a_run_that_is_not_there_is_not_found(admin: ApiClient) -> None:
    problem(admin.get(f"{RUNS}/{NOBODYS_ID}"), 404, "run_not_found")
    for step in ("cancel", "pause", "resume"):
        problem(admin.post(f"{RUNS}/{NOBODYS_ID}/{step}"), 404, "run_not_found")


@pytest.mark.parametrize(
    "query",
    ["limit=0", "limit=1001", "limit=x", "cursor=x", "cursor=MS4", "result=nonsense", "bogus=1", "limit=1&limit=2"],
)
def test_a_parameter_that_is_not_understood_is_refused(admin: ApiClient, database: Documents, query: str) -> None:
    run = started(admin, "pay", ids=ids(1))
    problem(admin.get(f"{RUNS}/{run['id']}?{query}"), 400, "invalid")


# --- queries ---


@pytest.mark.parametrize("given", [{"status": "paid"}, {"user_id": "1"}, {"created_before": "2027-01-01"}])
def test_planning_starting_and_following_scan_no_collection(
    admin: ApiClient, database: Documents, given: dict[str, Any]
) -> None:
    ids(30, status="paid")
    with profiled(database) as done:
        body = {"transition": "deliver", "filter": given}
        assert admin.post(RUNS, json=body | {"dry_run": True}).json()["cannot"] == 30
        run = started(admin, **body)
        assert bulk.execute_pending_runs(seconds=20)
        assert len(run_of(admin, run)["results"]) == 30
    assert done
    for operation in done:
        assert "COLLSCAN" not in operation["planSummary"], operation


def test_a_plan_that_takes_too_long_is_given_up_in_time(
    admin: ApiClient, database: Documents, monkeypatch: pytest.MonkeyPatch
) -> None:
    chosen = ids(1)
    monkeypatch.setattr("orders.api.bulk_views.settings.REQUEST_DEADLINE", 0.00001)
    problem(admin.post(RUNS, json={"transition": "pay", "ids": chosen, "dry_run": True}), 503)
    assert not BulkRun.objects.exists()
