"""The API's short way past the middleware of pages does for it what it needs of that, and answers as before."""

import pytest
from django.test import Client
from pytest_django import Settings

ADDRESSES = ["orders", "orders/", "ordersx", "orders/x/y/z", f"orders/{'a' * 24}"]


@pytest.mark.parametrize("address", ADDRESSES)
def test_each_answer_has_its_length_and_may_not_be_framed(client: Client, settings: Settings, address: str) -> None:
    answer = client.get(f"{settings.API_PREFIX}/{address}")
    assert answer.status_code == (404 if address in ("ordersx", "orders/x/y/z") else 401)
    assert answer["Content-Type"] == "application/problem+json"
    assert answer["Content-Length"] == str(len(answer.content))
    assert answer["X-Frame-Options"] == "DENY"
    assert "origin" in answer["Vary"].lower()
    assert "Set-Cookie" not in answer


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
