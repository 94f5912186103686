"""Idempotency-Key on POST /orders/: the same request may be sent again, and is placed once."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from pytest_django import Settings

from integrations.sandbox import Sandbox
from tests.api_client import order_body
from tests.functional.helpers import (
    ONE_SKILLET,
    TOWEL,
    TWO_TOWELS,
    Api,
    Documents,
    only_order,
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


@pytest.mark.parametrize("key", ["", "a b", "a" * 256, "ü".encode("latin-1"), b"a\x7fb", b"tab\tbed"])
def test_a_malformed_key_is_refused(
    visitor: Api, running_sandbox: Sandbox, database: Documents, key: str | bytes
) -> None:
    asked = running_sandbox.control.counts()
    refused = visitor().post("orders/", json=order_body("1", TWO_TOWELS), headers={"Idempotency-Key": key})
    assert list(problem(refused, 400)["errors"]) == ["Idempotency-Key"]
    assert running_sandbox.control.counts() == asked
    assert database["orders"].count_documents({}) == 0


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
