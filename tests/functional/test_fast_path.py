"""The fast path past the middleware of pages does what the API needs of that middleware, and answers as before."""

import pytest
from django.test import Client
from pytest_django import Settings

from tests.factories import OrderFactory
from tests.functional.helpers import Api, visitor_fixture  # noqa: F401

ADDRESSES = [
    *("orders", "orders/", "ordersx", "orders/x/y/z", f"orders/{'a' * 24}"),
    *("events", "webhooks", f"webhooks/{'a' * 24}"),
]


@pytest.mark.parametrize("address", ADDRESSES)
def test_each_answer_has_its_length_and_may_not_be_framed(client: Client, settings: Settings, address: str) -> None:
    answer = client.get(f"{settings.API_PREFIX}/{address}")
    assert answer.status_code == (404 if address in ("ordersx", "orders/x/y/z") else 401)
    assert answer["Content-Type"] == "application/problem+json"
    assert answer["Content-Length"] == str(len(answer.content))
    assert answer["X-Frame-Options"] == "DENY"
    assert "origin" in answer["Vary"].lower()
    assert "Set-Cookie" not in answer


def test_what_is_answered_is_kept_by_the_caller_alone_and_problems_by_nobody(visitor: Api) -> None:
    order, client, admin = OrderFactory(), visitor(), visitor(admin=True)
    at = f"orders/{order.pk}"
    known = client.get(at)
    kept = [known, client.get("orders/"), client.get("orders/user/1"), client.get(f"{at}/history")]
    kept += [client.get(at, headers={"If-None-Match": known.headers["ETag"]}), client.get(f"{at}/transitions")]
    kept += [admin.put(f"{at}/status", json={"status": "paid"}), client.delete(at)]
    kept += [client.get("events"), admin.get("webhooks")]
    assert [found.status_code for found in kept] == [200, 200, 200, 200, 304, 200, 200, 204, 200, 200]
    assert {found.headers["Cache-Control"] for found in kept} == {"private, no-cache"}
    refused = [client.delete(at), client.get(f"orders/{'0' * 24}"), client.get("orders/?x=1"), client.put(at)]
    refused += [
        client.get("orders/x/y/z"),
        client.get("nothing"),
        client.get("orders/", headers={"Authorization": None}),
    ]
    assert [found.status_code for found in refused] == [409, 404, 400, 405, 404, 404, 401]
    assert {found.headers["Cache-Control"] for found in refused} == {"no-store"}


@pytest.mark.parametrize("address", ADDRESSES)
def test_a_host_that_is_not_ours_is_refused(client: Client, settings: Settings, address: str) -> None:
    settings.ALLOWED_HOSTS = ["shop.example"]
    assert client.get(f"{settings.API_PREFIX}/{address}", headers={"Host": "elsewhere.example"}).status_code == 400
    assert client.get(f"{settings.API_PREFIX}/{address}", headers={"Host": "shop.example"}).status_code in (401, 404)


def test_neither_cookies_nor_csrf_tokens_are_looked_at(client: Client, settings: Settings) -> None:
    client.cookies["sessionid"] = "x" * 32
    client.handler.enforce_csrf_checks = True
    answer = client.post(f"{settings.API_PREFIX}/orders/", b"{}", "application/json")
    assert answer.status_code == 401
    assert "Cookie" not in answer["Vary"]
