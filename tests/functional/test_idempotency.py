"""Idempotency-Key on POST /orders/: the same request may be sent again, and is placed once."""

import threading
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
import requests
from pytest_django import Settings

from integrations.sandbox import Sandbox
from tests.api_client import ApiClient, order_body
from tests.functional.helpers import (
    ONE_SKILLET,
    SCARCE,
    SKILLET,
    TOWEL,
    TWO_TOWELS,
    Api,
    Documents,
    at_once,
    dead_url,
    only_order,
    outage,
    problem,
    visitor_fixture,  # noqa: F401
)

LONGEST = "~" * 255


@pytest.mark.parametrize("key", ["a", "0c5f1a3e-7c1e-4a55-9f0e-5b0c1d2e3f40", '"quoted"', LONGEST])
def test_a_replay_gives_the_same_order_and_says_so(api: Api, sandbox: Sandbox, database: Documents, key: str) -> None:
    first = api().place(TWO_TOWELS, key=key)
    asked = sandbox.control.counts()
    replay = api().place(TWO_TOWELS, key=key)
    assert (first.status_code, replay.status_code) == (201, 201)
    assert "Idempotency-Replayed" not in first.headers
    assert replay.headers["Idempotency-Replayed"] == "true"
    assert replay.json() == first.json()
    assert replay.headers["Location"] == first.headers["Location"]
    assert replay.headers["ETag"] == first.headers["ETag"]
    assert sandbox.control.counts() == asked
    assert sandbox.control.stock(TOWEL.product_id).reserved == 2
    assert only_order(database)


def test_a_replay_shows_the_order_as_it_is_now(api: Api, sandbox: Sandbox) -> None:
    first = api().place(TWO_TOWELS, key="k").json()
    assert api().delete(f"orders/{first['id']}").status_code == 204
    replay = api().place(TWO_TOWELS, key="k")
    assert replay.status_code == 201
    assert replay.headers["Idempotency-Replayed"] == "true"
    assert (replay.json()["id"], replay.json()["status"]) == (first["id"], "cancelled")
    assert replay.headers["ETag"] == '"2"'
    assert sandbox.control.stock(TOWEL.product_id).reserved == 0


def test_a_replay_needs_no_peer(api: Api, sandbox: Sandbox, settings: Settings) -> None:
    first = api().place(TWO_TOWELS, key="k")
    for peer in ("USER", "PRODUCT", "INVENTORY"):
        setattr(settings, f"{peer}_SERVICE_URL", dead_url())
    assert api().place(TWO_TOWELS, key="k").json() == first.json()


def test_the_same_request_spelt_otherwise_is_the_same(api: Api, sandbox: Sandbox) -> None:
    first = api().place(TWO_TOWELS, key="k")
    body = order_body("01", (TOWEL.product_id.upper(), 2, "14.9"))
    del body["shipping_address"]["line2"]
    replay = api().post("orders/", json=body, headers={"Idempotency-Key": "k"})
    assert replay.status_code == 201, replay.text
    assert replay.json() == first.json()


@pytest.mark.parametrize(
    "changes",
    [
        {"items": order_body("1", ONE_SKILLET)["items"]},
        {"items": order_body("1", (TOWEL.product_id, 3, TOWEL.price))["items"]},
        {"items": order_body("1", TWO_TOWELS, TWO_TOWELS)["items"]},
        {"shipping_address": order_body("1")["shipping_address"] | {"line1": "2 Long Street"}},
    ],
    ids=["product", "quantity", "lines", "address"],
)
def test_a_key_that_stands_for_another_request_is_refused(
    api: Api, sandbox: Sandbox, database: Documents, changes: dict[str, Any]
) -> None:
    first = api().place(TWO_TOWELS, key="k").json()
    problem(api().place(TWO_TOWELS, key="k", **changes), 422, "idempotency_key_reused")
    assert str(only_order(database)["_id"]) == first["id"]
    assert len(sandbox.control.calls("reserve")) == 1


def test_anothers_key_of_the_same_name_is_another_key(api: Api, sandbox: Sandbox) -> None:
    callers = api("1"), api("2"), api(admin=True)
    answers = [caller.place(TWO_TOWELS, key="k", user_id="1" if caller.user_id == "1" else "2") for caller in callers]
    assert [answer.status_code for answer in answers] == [201, 201, 201]
    assert len({answer.json()["id"] for answer in answers}) == 3
    assert all("Idempotency-Replayed" not in answer.headers for answer in answers)


def test_another_key_places_another_order(api: Api, sandbox: Sandbox) -> None:
    answers = [api().place(TWO_TOWELS, key=key) for key in ("a", "A", None)]
    assert len({answer.json()["id"] for answer in answers}) == 3


@pytest.mark.parametrize("key", ["", "a b", "a" * 256, "ü".encode("latin-1"), b"a\x7fb", b"tab\tbed"])
def test_a_malformed_key_is_refused(
    visitor: Api, running_sandbox: Sandbox, database: Documents, key: str | bytes
) -> None:
    asked = running_sandbox.control.counts()
    refused = visitor().post("orders/", json=order_body("1", TWO_TOWELS), headers={"Idempotency-Key": key})
    assert list(problem(refused, 400)["errors"]) == ["Idempotency-Key"]
    assert running_sandbox.control.counts() == asked
    assert database["orders"].count_documents({}) == 0


def test_20_requests_at_once_with_one_key_place_one_order(
    api: Api, sandbox: Sandbox, database: Documents, settings: Settings, live_server_url: str
) -> None:
    settings.PEER_READ_TIMEOUT, settings.REQUEST_DEADLINE = 5.0, 20.0
    settings.INVENTORY_WRITE_TIMEOUT = settings.PEER_READ_TIMEOUT
    together = threading.Barrier(20)

    def place(_: int) -> requests.Response:
        with ApiClient(live_server_url, "1") as client:
            together.wait()
            return client.place(TWO_TOWELS, key="k")

    answers = at_once(20, place)
    order_id = str(only_order(database)["_id"])
    fresh = [answer for answer in answers if answer.ok and "Idempotency-Replayed" not in answer.headers]
    assert len(fresh) == 1
    for answer in answers:
        if answer.ok:
            assert answer.json()["id"] == order_id
        else:
            problem(answer, 409, "idempotency_key_in_use")
            assert int(answer.headers["Retry-After"]) >= 1
    assert len(sandbox.control.calls("reserve")) == 1
    assert sandbox.control.stock(TOWEL.product_id).reserved == 2


def test_a_key_is_free_again_after_a_refusal(api: Api, sandbox: Sandbox) -> None:
    problem(api().place((TOWEL.product_id, 2, "1.00"), key="k"), 409, "price_changed")
    problem(api().place((SCARCE.product_id, 5, SCARCE.price), key="k"), 409, "insufficient_stock")
    problem(api().place((TOWEL.product_id, 0, TOWEL.price), key="k"), 400)
    placed = api().place(TWO_TOWELS, key="k")
    assert placed.status_code == 201
    assert "Idempotency-Replayed" not in placed.headers


def test_a_key_is_free_again_after_an_outage(api: Api, sandbox: Sandbox) -> None:
    sandbox.control.fault("product", "status", status=500)
    outage(api().place(TWO_TOWELS, key="k"))
    sandbox.control.clear_faults()
    assert api().place(TWO_TOWELS, key="k").status_code == 201


@pytest.mark.parametrize("kind", ["status", "drop_before"], ids=["refused", "unknown"])
def test_a_corrected_basket_may_use_the_key_of_one_that_was_rejected(
    api: Api, sandbox: Sandbox, database: Documents, kind: str
) -> None:
    options = {"status": 400} if kind == "status" else {}
    sandbox.control.fault("reserve", kind, product_id=SKILLET.product_id, times=1, **options)
    assert api().place(TWO_TOWELS, ONE_SKILLET, key="k").status_code in (409, 503)
    rejected = only_order(database)
    placed = api().place(TWO_TOWELS, key="k")
    assert placed.status_code == 201, placed.text
    assert placed.json()["id"] != str(rejected["_id"])
    assert api().place(TWO_TOWELS, key="k").json() == placed.json()
    problem(api().place(TWO_TOWELS, ONE_SKILLET, key="k"), 422, "idempotency_key_reused")
    assert sandbox.control.stock(TOWEL.product_id).reserved == 2
    assert database["orders"].count_documents({}) == 2


@pytest.mark.parametrize("kind", ["status", "drop_before"], ids=["refused", "unknown"])
def test_a_key_is_free_again_after_a_rejection_and_gives_a_new_order(
    api: Api, sandbox: Sandbox, database: Documents, kind: str
) -> None:
    options = {"status": 400} if kind == "status" else {}
    sandbox.control.fault("reserve", kind, product_id=SKILLET.product_id, times=1, **options)
    assert api().place(ONE_SKILLET, key="k").status_code in (409, 503)
    rejected = only_order(database)
    placed = api().place(ONE_SKILLET, key="k")
    assert placed.status_code == 201, placed.text
    assert "Idempotency-Replayed" not in placed.headers
    assert placed.json()["id"] != str(rejected["_id"])
    assert sandbox.control.stock(SKILLET.product_id).reserved == 1
    assert api().place(ONE_SKILLET, key="k").json() == placed.json()


def test_a_key_whose_request_is_under_way_is_refused_until_its_lease_has_lapsed(
    api: Api, sandbox: Sandbox, database: Documents
) -> None:
    placed = api().place(TWO_TOWELS, key="k").json()
    # As after a crash between taking the key and inserting the order.
    database["orders"].delete_many({})
    refused = api().place(TWO_TOWELS, key="k")
    problem(refused, 409, "idempotency_key_in_use")
    assert int(refused.headers["Retry-After"]) >= 1
    assert database["orders"].count_documents({}) == 0
    past = datetime.now(UTC) - timedelta(seconds=1)
    database["idempotency_keys"].update_many({}, {"$set": {"until": past}})
    again = api().place(TWO_TOWELS, key="k")
    assert again.status_code == 201, again.text
    assert again.json()["id"] == placed["id"]


def test_where_a_key_is_required_an_order_without_one_is_refused(
    api: Api, sandbox: Sandbox, database: Documents, settings: Settings
) -> None:
    settings.REQUIRE_IDEMPOTENCY_KEY = True
    document = problem(api().place(TWO_TOWELS), 400, "idempotency_key_required")
    assert "Idempotency-Key" in document["detail"]
    assert sandbox.control.calls("verify") == []
    assert database["orders"].count_documents({}) == 0
    assert api().place(TWO_TOWELS, key="k").status_code == 201
