"""Idempotency-Key on PUT /orders/{id}/status and DELETE /orders/{id}: what the edge presents."""

from typing import Any

import pytest
import requests
from django.core.management import call_command

from integrations.sandbox import Sandbox
from tests.api_client import ApiClient
from tests.factories import OrderFactory
from tests.functional.helpers import (
    TOWEL,
    TWO_TOWELS,
    Api,
    Documents,
    problem,
    stored,
    visitor_fixture,  # noqa: F401
)


def put(client: ApiClient, order: Any, status: str, key: str | bytes = "k", **headers: str) -> requests.Response:
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return client.put(f"orders/{order}/status", json={"status": status}, headers={"Idempotency-Key": key, **named})


def delete(client: ApiClient, order: Any, key: str | bytes = "k", **headers: str) -> requests.Response:
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return client.delete(f"orders/{order}", headers={"Idempotency-Key": key, **named})


def test_a_change_asked_for_again_is_answered_as_the_first_time_and_says_so(visitor: Api, database: Documents) -> None:
    order, client = OrderFactory().pk, visitor(admin=True)
    first, again = (put(client, order, "paid", If_Match='"1"') for _ in range(2))
    assert (first.status_code, again.status_code) == (200, 200)
    assert "Idempotency-Replayed" not in first.headers
    assert again.headers["Idempotency-Replayed"] == "true"
    assert again.json() == first.json()
    assert again.headers["ETag"] == first.headers["ETag"] == '"2"'
    assert stored(database, order)["version"] == 2


def test_it_shows_the_order_as_it_is_now(visitor: Api) -> None:
    order, client = OrderFactory().pk, visitor(admin=True)
    put(client, order, "paid")
    put(client, order, "processing", "another")
    again = put(client, order, "paid")
    assert (again.status_code, again.json()["status"], again.headers["ETag"]) == (200, "processing", '"3"')


def test_a_cancellation_asked_for_again_has_no_content_again(api: Api, sandbox: Sandbox) -> None:
    order = api().place(TWO_TOWELS, key="k").json()["id"]
    first, again = (delete(api(), order, If_Match='W/"1"') for _ in range(2))
    assert (first.status_code, again.status_code, again.content) == (204, 204, b"")
    assert "Idempotency-Replayed" not in first.headers
    assert again.headers["Idempotency-Replayed"] == "true"
    assert len(sandbox.control.calls("release")) == 1
    assert sandbox.control.stock(TOWEL.product_id).reserved == 0
    problem(delete(api(), order, "another"), 409, "transition_not_allowed")


def test_the_two_ways_to_cancel_are_one_request(visitor: Api) -> None:
    order = OrderFactory().pk
    assert delete(visitor(), order).status_code == 204
    assert put(visitor(), order, "cancelled").headers["Idempotency-Replayed"] == "true"


def test_a_key_that_stands_for_another_change_is_refused(visitor: Api, database: Documents) -> None:
    order, client = OrderFactory().pk, visitor(admin=True)
    put(client, order, "paid")
    for refused in (put(client, order, "processing"), delete(client, order, If_Match="*")):
        problem(refused, 422, "idempotency_key_reused")
    assert stored(database, order)["status"] == "paid"


@pytest.mark.parametrize("key", ["", "a b", "a" * 256, "ü".encode("latin-1")])
@pytest.mark.parametrize("call", [delete, lambda *args: put(args[0], args[1], "cancelled", args[2])])
def test_a_malformed_key_is_refused(visitor: Api, database: Documents, call: Any, key: str | bytes) -> None:
    order = OrderFactory().pk
    assert list(problem(call(visitor(), order, key), 400, "invalid")["errors"]) == ["Idempotency-Key"]
    assert stored(database, order)["status"] == "pending"


def test_nobody_is_shown_a_key(visitor: Api, database: Documents, capsys: pytest.CaptureFixture[str]) -> None:
    order, client = OrderFactory().pk, visitor(admin=True)
    put(client, order, "paid", "secret-key")
    entry = stored(database, order)["history"][-1]
    hidden = (entry["key"], entry["fingerprint"], "secret-key", "fingerprint")
    call_command("export_orders", "--format", "jsonl")
    stale = put(client, order, "processing", "another", If_Match='"1"')
    shown = (client.get(f"orders/{order}/history"), client.get(f"orders/{order}"), stale)
    assert stale.status_code == 412
    for text in (capsys.readouterr().out, *(answer.text for answer in shown)):
        assert "paid" in text
        assert not [word for word in hidden if word in text]
