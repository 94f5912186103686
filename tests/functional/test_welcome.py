"""The text that `make run` prints: whatever stands on it works."""

import re
import shlex
import shutil
import subprocess
import time
from collections.abc import Iterator
from typing import Any

import jwt
import pytest
import requests
from django.conf import settings as django_settings
from pymongo.database import Database
from pytest_django import Settings

from devtools import demo_data
from devtools.welcome import welcome_text
from integrations.sandbox import Sandbox
from integrations.sandbox.catalogue import CUSTOMERS, PRODUCTS
from tests.functional.admin_helpers import Browser, Document


@pytest.fixture
def welcome(live_server_url: str, sandbox: Sandbox) -> str:
    return welcome_text(live_server_url)


@pytest.fixture
def web() -> Iterator[requests.Session]:
    with requests.Session() as session:
        session.trust_env = False
        yield session


def address(welcome: str, name: str) -> str:
    found = re.search(rf"^  {name} +(http\S+)$", welcome, re.M)
    assert found
    return found[1]


def tokens(welcome: str) -> tuple[str, str]:
    """The customer's token and the admin's."""
    customer, admin = re.findall(r"^  (eyJ\S+)$", welcome, re.M)
    return customer, admin


def bearer(token: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {token}"}


def curl_of(welcome: str) -> list[str]:
    [line] = [line for line in welcome.splitlines() if line.startswith("curl ")]
    return shlex.split(line)


def run(command: list[str], web: requests.Session) -> tuple[int, str]:
    """Run the pasted line by curl, where there is one. :returns: status and answer."""
    if shutil.which("curl"):
        done = subprocess.run(
            [*command, "--noproxy", "*", "-s"], capture_output=True, text=True, timeout=30, check=True
        )
        head, body = done.stdout.replace("\r\n", "\n").split("\n\n", 1)
        return int(head.split()[1]), body
    headers = dict(command[at + 1].split(": ", 1) for at, part in enumerate(command) if part == "-H")
    answer = web.post(command[2], headers=headers, data=command[command.index("-d") + 1], timeout=30)
    return answer.status_code, answer.text


def test_every_address_on_it_answers(welcome: str, web: requests.Session) -> None:
    addresses = set(re.findall(r"https?://[^\s'\"]+", welcome))
    assert {address(welcome, name) for name in ("API", "Docs", "Admin")} <= addresses
    for found in addresses:
        answer = web.get(found, timeout=30)
        assert answer.status_code == (401 if found.endswith("/orders/") else 200), found
    assert "swagger" in web.get(address(welcome, "Docs"), timeout=30).text.lower()
    assert "Log in" in web.get(address(welcome, "Admin"), timeout=30).text


def test_the_docs_load_nothing_from_elsewhere(welcome: str, web: requests.Session, live_server_url: str) -> None:
    page = web.get(address(welcome, "Docs"), timeout=30).text
    assets = re.findall(r'(?:src|href)="([^"]+)"', page)
    assert assets
    for asset in assets:
        assert asset.startswith(("/static/", "/api/v1/docs?script=")), asset
        assert web.get(live_server_url + asset, timeout=30).status_code == 200, asset


def test_the_customers_token_is_that_of_the_named_customer(welcome: str, web: requests.Session) -> None:
    customer, _ = tokens(welcome)
    assert f"Token of customer {CUSTOMERS[0].user_id}, {CUSTOMERS[0].full_name}:" in welcome
    api = address(welcome, "API")
    assert web.get(f"{api}user/{CUSTOMERS[0].user_id}", headers=bearer(customer), timeout=30).json() == []
    assert web.get(f"{api}user/{CUSTOMERS[1].user_id}", headers=bearer(customer), timeout=30).status_code == 403


def test_the_admins_token_sees_every_order_and_changes_its_status(welcome: str, web: requests.Session) -> None:
    customer, admin = tokens(welcome)
    status, _ = run(curl_of(welcome), web)
    assert status == 201
    api = address(welcome, "API")
    [order] = web.get(api, headers=bearer(admin), timeout=30).json()
    target = f"{api}{order['id']}/status"
    refused = web.put(target, json={"status": "paid"}, headers=bearer(customer), timeout=30)
    assert refused.status_code == 403
    paid = web.put(target, json={"status": "paid"}, headers=bearer(admin), timeout=30)
    assert (paid.status_code, paid.json()["status"]) == (200, "paid")


def test_the_line_to_paste_places_an_order(
    welcome: str, web: requests.Session, sandbox: Sandbox, database: Database[Document]
) -> None:
    command = curl_of(welcome)
    assert command[0] == "curl"
    assert sum(part.startswith("Idempotency-Key: ") for part in command) == 1
    status, body = run(command, web)
    assert status == 201, body
    order = database["orders"].find_one()
    assert order is not None
    assert str(order["_id"]) in body
    assert (order["status"], order["user_id"], order["user_verified"]) == ("pending", str(CUSTOMERS[0].user_id), True)
    assert order["history"][-1]["actor"] == f"customer:{CUSTOMERS[0].user_id}"
    assert (order["contact"]["name"], order["contact"]["email"]) == (CUSTOMERS[0].full_name, CUSTOMERS[0].email)
    assert all((order["contact"]["phone"], order["reference"], order["note"]))
    assert sandbox.control.stock(PRODUCTS[0].product_id).reserved == 1


def test_the_line_can_be_pasted_again_and_has_placed_one_order(
    welcome: str, web: requests.Session, database: Database[Document]
) -> None:
    assert [run(curl_of(welcome), web)[0] for _ in range(2)] == [201, 201]
    assert database["orders"].count_documents({}) == 1


def test_the_logins_open_the_admin(welcome: str, sandbox: Sandbox, live_server_url: str, settings: Settings) -> None:
    demo_data.make_logins()
    found = re.search(r"^  Logins +(.+) \(each one's password is its name\)$", welcome, re.M)
    assert found
    logins = found[1].split(", ")
    assert logins == ["admin", "support", "fulfilment", "finance", "manager"]
    for login in logins:
        with Browser(live_server_url) as browser:
            answer = browser.log_in(login, "/admin/orders/order/", password=login)
            assert answer.status_code == 302, login
            assert "No orders yet" in browser.get("/admin/orders/order/").text


def test_the_tokens_last_a_month(welcome: str) -> None:
    for token in tokens(welcome):
        claims = jwt.decode(token, django_settings.SECRET_KEY, algorithms=["HS256"])
        assert claims["type"] == "access"
        assert 29 * 86400 < claims["exp"] - time.time() <= 30 * 86400


@pytest.mark.parametrize(
    "changes",
    [
        {"JWT_SHARED_KEY": "a shared key of the development user service"},
        {"JWT_ISSUER": "users.example.com"},
        {"JWT_AUDIENCE": "orders"},
        {"JWT_ADMIN_CLAIM": "roles", "JWT_ADMIN_VALUES": ("staff", "root")},
    ],
    ids=lambda changes: next(iter(changes)),
)
def test_the_tokens_fit_the_settings_they_are_verified_by(
    live_server_url: str, sandbox: Sandbox, web: requests.Session, settings: Settings, changes: dict[str, Any]
) -> None:
    for name, value in changes.items():
        setattr(settings, name, value)
    welcome = welcome_text(live_server_url)
    customer, admin = tokens(welcome)
    api = address(welcome, "API")
    assert web.get(api, headers=bearer(customer), timeout=30).status_code == 200
    assert web.get(f"{api}user/2", headers=bearer(admin), timeout=30).status_code == 200


def test_the_prefix_of_the_api_is_that_of_the_settings(settings: Settings) -> None:
    settings.API_PREFIX = "/shop/v9"
    welcome = welcome_text("http://192.0.2.1:80")
    assert address(welcome, "API") == "http://192.0.2.1:80/shop/v9/orders/"
    assert curl_of(welcome)[2] == "http://192.0.2.1:80/shop/v9/orders/"
    assert address(welcome, "Admin") == "http://192.0.2.1:80/admin/"
