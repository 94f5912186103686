"""Webhook endpoints over the API: added, changed, tested, set back and deleted by admins, secrets shown once."""

import json
from collections.abc import Iterator
from typing import Any

import jsonschema
import pytest
from bson import ObjectId
from pytest_django import Settings
from standardwebhooks import Webhook

from orders.services.events.delivering import deliver
from orders.services.events.telling import tell
from orders.services.events.webhooks import MOST_ENDPOINTS
from tests.functional.helpers import NOBODYS_ID, TWO_TOWELS, Api, Documents, problem, visitor_fixture  # noqa: F401
from tests.functional.test_openapi import document_fixture, schema_of  # noqa: F401
from tests.integration.test_webhooks import Consumer

URL = "https://erp.example.com/orders"


@pytest.fixture
def consumer(settings: Settings) -> Iterator[Consumer]:
    settings.WEBHOOKS_INSECURE = True
    consumer = Consumer()
    yield consumer
    consumer.stop()


def created(api: Api, url: str = URL, **fields: Any) -> dict[str, Any]:
    answer = api(admin=True).post("webhooks", json={"url": url, **fields})
    assert answer.status_code == 201, answer.text
    made: dict[str, Any] = answer.json()
    return made


def happen(api: Api, orders: int = 1) -> None:
    for _ in range(orders):
        assert api().place(TWO_TOWELS).status_code == 201
    while tell():
        pass


def test_a_secret_is_shown_when_it_is_made_and_never_again(visitor: Api, document: dict[str, Any]) -> None:
    admin = visitor(admin=True)
    answer = admin.post("webhooks", json={"url": URL, "types": ["order.paid", "order.paid"], "description": " Books "})
    made = answer.json()
    assert answer.headers["Location"] == f"/api/v1/webhooks/{made['id']}"
    assert answer.headers["Cache-Control"] == "no-store"
    assert (made["types"], made["description"], made["active"]) == (["order.paid"], "Books", True)
    assert (made["created_by"], made["cursor"], made["lag"], made["secrets"]) == ("admin:staff", 0, 0, 1)
    rotated = admin.post(f"webhooks/{made['id']}/rotate-secret")
    assert rotated.headers["Cache-Control"] == "no-store"
    assert rotated.json()["secret"] != made["secret"]
    assert rotated.json()["secrets"] == 2
    shown = admin.get(f"webhooks/{made['id']}").json()
    later = [
        admin.get("webhooks"),
        admin.get(f"webhooks/{made['id']}"),
        admin.patch(f"webhooks/{made['id']}", json={"active": False}),
        admin.post(f"webhooks/{made['id']}/replay", json={"after": 0}),
        admin.post(f"webhooks/{made['id']}/end-rotation"),
    ]
    for shown_again in later:
        assert shown_again.status_code == 200
        assert "whsec" not in shown_again.text
        assert made["secret"][6:] not in shown_again.text
    for webhook in (made, rotated.json(), shown):
        jsonschema.validate(webhook, schema_of(document, "Webhook"))
    assert set(made) | set(shown) == set(document["components"]["schemas"]["Webhook"]["properties"])


def test_the_same_request_with_the_same_key_adds_one_endpoint(visitor: Api, database: Documents) -> None:
    admin, keyed = visitor(admin=True), {"Idempotency-Key": "books-1"}
    body = {"url": URL, "types": ["order.paid", "order.placed"], "description": "Books"}
    first = admin.post("webhooks", json=body, headers=keyed)
    again = admin.post("webhooks", json=body | {"types": ["order.placed", "order.paid"]}, headers=keyed)
    assert (first.status_code, again.status_code) == (201, 201)
    assert "Idempotency-Replayed" not in first.headers
    assert again.headers["Idempotency-Replayed"] == "true"
    assert (again.json(), again.headers["Location"]) == (first.json(), first.headers["Location"])
    assert again.headers["Cache-Control"] == "no-store"
    problem(admin.post("webhooks", json=body | {"url": f"{URL}/2"}, headers=keyed), 422, "idempotency_key_reused")
    problem(admin.post("webhooks", json=body, headers={"Idempotency-Key": "\u00fc".encode()}), 400, "invalid")
    assert database["webhook_endpoints"].count_documents({}) == 1
    other = admin.post("webhooks", json=body, headers={"Idempotency-Key": "books-2"}).json()
    assert other["id"] != first.json()["id"]


@pytest.mark.parametrize(
    ("body", "field", "code"),
    [
        ({}, "url", "invalid"),
        ({"url": 5}, "url", "invalid"),
        ({"url": "ftp://erp.example.com"}, "url", "invalid"),
        ({"url": f"{URL}\u00fc"}, "url", "invalid"),
        ({"url": f"{URL}/{'x' * 2000}"}, "url", "invalid"),
        ({"url": "http://erp.example.com/"}, "url", "invalid_webhook"),
        ({"url": "https://user:pass@erp.example.com/"}, "url", "invalid_webhook"),
        ({"url": "https://127.0.0.1/"}, "url", "invalid_webhook"),
        ({"url": "https://[::1]/"}, "url", "invalid_webhook"),
        ({"url": URL, "types": ["order.lost"]}, "types.0", "invalid"),
        ({"url": URL, "types": "order.paid"}, "types", "invalid"),
        ({"url": URL, "types": ["order.paid"] * 50}, "types", "invalid"),
        ({"url": URL, "description": "x" * 201}, "description", "invalid"),
        ({"url": URL, "active": True}, "active", "invalid"),
        ({"url": URL, "secret": "whsec_mine"}, "secret", "invalid"),
    ],
    ids=str,
)
def test_what_cannot_be_an_endpoint_is_refused(
    visitor: Api, database: Documents, body: dict[str, Any], field: str, code: str
) -> None:
    assert field in problem(visitor(admin=True).post("webhooks", json=body), 400, code)["errors"]
    assert database["webhook_endpoints"].count_documents({}) == 0


def test_there_are_so_many_endpoints_and_no_more(visitor: Api, database: Documents) -> None:
    for _ in range(MOST_ENDPOINTS):
        created(visitor)
    problem(visitor(admin=True).post("webhooks", json={"url": URL}), 409, "too_many_webhooks")
    assert len(visitor(admin=True).get("webhooks").json()) == MOST_ENDPOINTS


def test_only_what_is_given_is_changed(visitor: Api, database: Documents) -> None:
    made, admin = created(visitor, types=["order.paid"], description="Books"), visitor(admin=True)
    address = f"webhooks/{made['id']}"
    kept = {name: made[name] for name in ("url", "types", "description", "active")}
    changes: list[dict[str, Any]] = [
        {"url": f"{URL}/2"}, {"types": []}, {"description": ""}, {"active": False}, {"active": True}
    ]  # fmt: skip
    for change in changes:
        kept |= change
        answer = admin.patch(address, json=change).json()
        assert {name: answer[name] for name in kept} == kept
    for refused in ({}, {"url": ""}, {"url": "https://10.0.0.1/"}, {"types": None}, {"active": "no"}):
        assert admin.patch(address, json=refused).status_code == 400
    assert {name: admin.get(address).json()[name] for name in kept} == kept


def test_an_endpoint_shows_its_lag_and_its_last_deliveries(api: Api, consumer: Consumer) -> None:
    made = created(api, consumer.url)
    happen(api, 3)
    consumer.statuses = [204, 503]
    deliver(ObjectId(made["id"]))
    shown = api(admin=True).get(f"webhooks/{made['id']}").json()
    assert (shown["cursor"], shown["lag"], shown["failures"]) == (1, 2, 1)
    assert shown["failing_since"] is not None is not shown["due_at"]
    assert [(each["cursor"], each["status"]) for each in shown["deliveries"]] == [(2, 503), (1, 204)]
    assert [each["event_id"] for each in reversed(shown["deliveries"])] == consumer.ids
    [listed] = api(admin=True).get("webhooks").json()
    assert (listed["lag"], "deliveries" in listed) == (2, False)


def test_a_replay_sends_again_what_follows(api: Api, consumer: Consumer) -> None:
    made, admin = created(api, consumer.url), api(admin=True)
    happen(api, 3)
    deliver(ObjectId(made["id"]))
    answer = admin.post(f"webhooks/{made['id']}/replay", json={"after": 1}).json()
    assert (answer["cursor"], answer["lag"]) == (1, 2)
    deliver(ObjectId(made["id"]))
    assert consumer.cursors == [1, 2, 3, 2, 3]
    refused = problem(admin.post(f"webhooks/{made['id']}/replay", json={"after": 4}), 400, "invalid_webhook")
    assert "follow 0 to 3" in refused["errors"]["after"][0]
    for body in ({}, {"after": -1}, {"after": None}, {"after": 2**53}, {"after": 1, "before": 2}):
        problem(admin.post(f"webhooks/{made['id']}/replay", json=body), 400, "invalid")


def test_a_test_event_says_what_became_of_it(api: Api, consumer: Consumer, document: dict[str, Any]) -> None:
    made, admin = created(api, consumer.url), api(admin=True)
    consumer.statuses = [204, 500]
    taken, failed = (admin.post(f"webhooks/{made['id']}/test").json() for _ in range(2))
    assert (taken["delivered"], taken["status"], taken["error"]) == (True, 204, "")
    assert (failed["delivered"], failed["status"]) == (False, 500)
    headers, body = consumer.received[0]
    assert Webhook(made["secret"]).verify(body, headers)["type"] == json.loads(body)["type"] == "webhook.test"
    jsonschema.validate(failed, schema_of(document, "TestDelivery"))
    assert admin.get(f"webhooks/{made['id']}").json()["deliveries"] == []


def test_a_rotation_that_was_begun_twice_keeps_the_secret_that_is_in_use(api: Api, consumer: Consumer) -> None:
    made, admin = created(api, consumer.url), api(admin=True)
    new = [admin.post(f"webhooks/{made['id']}/rotate-secret").json()["secret"] for _ in range(2)][-1]
    happen(api)
    deliver(ObjectId(made["id"]))
    [(headers, body)] = consumer.received
    for secret in (made["secret"], new):
        Webhook(secret).verify(body, headers)
    assert admin.post(f"webhooks/{made['id']}/end-rotation").json()["secrets"] == 1


def test_an_endpoint_that_was_deleted_is_gone(visitor: Api, database: Documents) -> None:
    made, admin = created(visitor), visitor(admin=True)
    assert admin.delete(f"webhooks/{made['id']}").status_code == 204
    for method, step, body in (
        ("GET", "", None), ("DELETE", "", None), ("PATCH", "", {"active": True}), ("POST", "/test", None),
        ("POST", "/rotate-secret", None), ("POST", "/end-rotation", None), ("POST", "/replay", {"after": 0}),
    ):  # fmt: skip
        for webhook_id in (made["id"], NOBODYS_ID):
            problem(admin.request(method, f"webhooks/{webhook_id}{step}", json=body), 404, "webhook_not_found")
        problem(admin.request(method, f"webhooks/x{step}", json=body), 400, "invalid")
    assert database["webhook_endpoints"].count_documents({}) == 0


def test_customers_are_refused_before_anything_else_is_said(visitor: Api, database: Documents) -> None:
    made, customer = created(visitor), visitor()
    for method, address, body in (
        ("GET", "webhooks", None), ("POST", "webhooks", {"strange": 1}), ("GET", "webhooks/x", None),
        ("PATCH", f"webhooks/{made['id']}", {"strange": 1}), ("DELETE", f"webhooks/{made['id']}", {"strange": 1}),
        ("POST", f"webhooks/{NOBODYS_ID}/replay", {}),
    ):  # fmt: skip
        problem(customer.request(method, address, json=body), 403, "not_permitted")
    assert database["webhook_endpoints"].count_documents({}) == 1
