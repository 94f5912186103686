"""How the API says no, and by which id a request is known, over real HTTP."""

import os
import re
import subprocess
import sys

import pytest
import requests
from bson import ObjectId
from pytest_django import Settings

from devtools.localhost import ROOT
from integrations.sandbox import Sandbox
from tests.api_client import ApiClient, order_body
from tests.factories import OrderFactory
from tests.functional.helpers import (
    NOBODYS_ID,
    TWO_TOWELS,
    Api,
    Documents,
    database_down,
    only_order,
    outage,
    problem,
    visitor_fixture,  # noqa: F401
)
from tests.integration.builders import answer_lost
from tests.raw_server import RawServer, answer

ID = NOBODYS_ID
ORIGIN = "https://shop.example"


@pytest.mark.parametrize(
    ("path", "methods", "allowed"),
    [
        ("orders/", ["PUT", "PATCH", "DELETE"], {"GET", "POST"}),
        ("orders", ["PUT", "PATCH", "DELETE"], {"GET", "POST"}),
        (f"orders/{ID}", ["POST", "PUT", "PATCH"], {"GET", "DELETE"}),
        (f"orders/{ID}/", ["POST", "PUT", "PATCH"], {"GET", "DELETE"}),
        (f"orders/{ID}/status", ["GET", "POST", "PATCH", "DELETE"], {"PUT"}),
        (f"orders/{ID}/history", ["POST", "PUT", "PATCH", "DELETE"], {"GET"}),
        (f"orders/{ID}/transitions", ["POST", "PUT", "PATCH", "DELETE"], {"GET"}),
        ("orders/user/1", ["POST", "PUT", "PATCH", "DELETE"], {"GET"}),
    ],
)
def test_a_method_that_an_address_does_not_have_is_refused(
    visitor: Api, path: str, methods: list[str], allowed: set[str]
) -> None:
    for method in methods:
        refused = visitor(admin=True).request(method, path, json={})
        problem(refused, 405)
        assert allowed <= set(re.split(r",\s*", refused.headers["Allow"]))
        assert method not in refused.headers["Allow"]


@pytest.mark.parametrize(
    "path",
    [
        "",
        "nothing",
        "order/",
        f"orders/{ID}/items",
        f"orders/{ID}/status/x",
        "orders/user/1/x",
        "orders//status",
        "%00",
    ],
)
@pytest.mark.parametrize("method", ["GET", "POST"])
def test_an_address_that_the_api_does_not_have_is_not_found(visitor: Api, method: str, path: str) -> None:
    problem(visitor().request(method, path), 404, "not_found")


def test_an_address_outside_the_api_is_not_found_either(visitor: Api, live_server_url: str) -> None:
    assert visitor().get(f"{live_server_url}/nothing").status_code == 404


def test_a_representation_that_there_is_not_is_refused(visitor: Api) -> None:
    problem(visitor().get("orders/", headers={"Accept": "text/html"}), 406)


@pytest.mark.parametrize("method", ["GET", "DELETE"])
def test_a_client_that_names_problem_documents_alone_is_answered(visitor: Api, method: str) -> None:
    """As clients of openapi-generator do where an operation answers nothing else with a body."""
    accept = {"Accept": "application/problem+json"}
    problem(visitor().request(method, f"orders/{ID}", headers=accept), 404, "order_not_found")


@pytest.mark.parametrize("accept", ["*/*", "application/json", "text/html,application/xhtml+xml,*/*;q=0.8"])
def test_json_is_sent_to_whoever_takes_it(visitor: Api, accept: str) -> None:
    answer = visitor().get("orders/", headers={"Accept": accept})
    assert (answer.status_code, answer.headers["Content-Type"]) == (200, "application/json")


WRITES = {
    "find_one_and_update": ("cancel", "change"),
    "update_one": ("place", "place with a key", "pause a run", "cancel a run"),
    "insert_many": ("start a run",),
}


def _write(client: ApiClient, what: str, order: ObjectId, run: ObjectId) -> requests.Response:
    match what.split():
        case ["cancel"]:
            return client.delete(f"orders/{order}")
        case ["change"]:
            return client.put(f"orders/{order}/status", json={"status": "cancelled"})
        case ["place", *key]:
            return client.place(TWO_TOWELS, user_id="1", key="k" if key else None)
        case ["start", *_]:
            return client.post("orders/bulk-transitions", json={"transition": "pay", "ids": [str(order)]})
        case [verb, *_]:
            return client.post(f"orders/bulk-transitions/{run}/{verb}")
    raise AssertionError(what)


@pytest.mark.parametrize("written", [True, False])
@pytest.mark.parametrize(("method", "what"), [(method, what) for method, acts in WRITES.items() for what in acts])
def test_of_a_write_whose_answer_is_lost_nobody_is_told_that_nothing_happened(
    api: Api, sandbox: Sandbox, database: Documents, monkeypatch: pytest.MonkeyPatch, settings: Settings,
    method: str, what: str, written: bool,
) -> None:  # fmt: skip
    order, client = OrderFactory().pk, api(admin=True)
    run = client.post("orders/bulk-transitions", json={"transition": "pay", "ids": [NOBODYS_ID]}).json()["id"]
    settings.RATE_LIMIT_ADMIN_WRITES = 0  # which would be counted by a write of its own
    answer_lost(monkeypatch, method, written=written)
    document = outage(_write(client, what, order, run), "outcome_unknown")
    assert "not known" in document["detail"]
    assert "Idempotency-Key" in document["detail"]


def test_a_database_that_is_down_is_an_outage_and_no_peer_hears_of_the_order(
    api: Api, sandbox: Sandbox, database: Documents
) -> None:
    order, client = OrderFactory(), api(admin=True)
    with database_down():
        for answer in (
            client.get("orders/"),
            client.get(f"orders/{order.pk}"),
            client.get(f"orders/{order.pk}/history"),
            client.put(f"orders/{order.pk}/status", json={"status": "cancelled"}),
            client.delete(f"orders/{order.pk}"),
            client.place(TWO_TOWELS, user_id="1"),
            client.place(TWO_TOWELS, user_id="1", key="k"),
        ):
            outage(answer, "database_unavailable")
    assert sandbox.control.calls("reserve") == []
    assert sandbox.control.calls("release") == []
    assert only_order(database)["status"] == "pending"
    assert client.get(f"orders/{order.pk}").status_code == 200


# --- CORS ---


def test_other_origins_may_call_where_the_setting_says_so(visitor: Api, settings: Settings) -> None:
    settings.CORS_ALLOWED_ORIGINS = [ORIGIN]
    answer = visitor().get("orders/", headers={"Origin": ORIGIN})
    assert answer.headers["Access-Control-Allow-Origin"] == ORIGIN
    exposed = {"ETag", "Link", "Location", "Retry-After", "Idempotency-Replayed", "X-Request-ID"}
    assert exposed <= set(re.split(r",\s*", answer.headers["Access-Control-Expose-Headers"]))
    assert (
        "Access-Control-Allow-Origin" not in visitor().get("orders/", headers={"Origin": "https://x.example"}).headers
    )


@pytest.mark.parametrize(
    "header",
    ["authorization", "content-type", "idempotency-key", "if-match", "if-none-match", "x-request-id", "traceparent"],
)
def test_a_browser_may_send_every_header_that_the_api_reads(visitor: Api, settings: Settings, header: str) -> None:
    settings.CORS_ALLOWED_ORIGINS = [ORIGIN]
    asked = {"Origin": ORIGIN, "Access-Control-Request-Method": "POST", "Access-Control-Request-Headers": header}
    client = visitor()
    del client.headers["Authorization"]
    answer = client.options("orders/", headers=asked)
    assert answer.status_code == 200
    assert header in re.split(r",\s*", answer.headers["Access-Control-Allow-Headers"].lower())


def test_a_star_lets_pages_of_any_site_call_the_api_without_cookies_and_nothing_else(live_server_url: str) -> None:
    """As the settings read it, in a process of its own."""
    ask = (
        "import django; django.setup(); from django.test import Client; client = Client(SERVER_NAME='127.0.0.1')\n"
        "for path in ('/api/v1/orders/', '/admin/login/'):\n"
        "    asked = {'Origin': 'https://anybody.example', 'Access-Control-Request-Method': 'POST'}\n"
        "    for answer in (client.get(path, headers=asked), client.options(path, headers=asked)):\n"
        "        told = answer.headers.get('Access-Control-Allow-Origin')\n"
        "        print(told, 'Access-Control-Allow-Credentials' in answer.headers)\n"
    )
    environment = os.environ | {
        "DJANGO_SETTINGS_MODULE": "orders_project.settings.test",
        "CORS_ALLOWED_ORIGINS": "*",
    }
    done = subprocess.run(
        [sys.executable, "-c", ask], env=environment, cwd=ROOT, capture_output=True, text=True, check=True
    )
    assert done.stdout.splitlines() == ["* False", "* False", "None False", "None False"]


def test_no_other_origin_may_call_unless_told(visitor: Api) -> None:
    assert "Access-Control-Allow-Origin" not in visitor().get("orders/", headers={"Origin": ORIGIN}).headers


# --- request ids ---


@pytest.mark.parametrize("request_id", ["a", "0c5f1a3e-7c1e-4a55-9f0e-5b0c1d2e3f40", "A.b_c:d/e+f=g-h", "a" * 64])
def test_a_request_id_is_echoed_handed_to_the_peers_and_kept(
    api: Api, sandbox: Sandbox, database: Documents, request_id: str
) -> None:
    client = api()
    client.headers["X-Request-ID"] = request_id
    placed = client.place(TWO_TOWELS)
    assert placed.headers["X-Request-ID"] == request_id
    assert client.delete(f"orders/{placed.json()['id']}").headers["X-Request-ID"] == request_id
    assert {call["operation"] for call in sandbox.control.calls()} == {
        "verify",
        "product",
        "check",
        "reserve",
        "release",
    }
    assert {call["request_id"] for call in sandbox.control.calls()} == {request_id}
    assert {entry["request_id"] for entry in only_order(database)["history"]} == {request_id}


@pytest.mark.parametrize(
    "given",
    ["", " ", "a b", "a" * 65, '"a"', "<b>", "a;b", "a,b", "%0d%0a", "{}", "$where", b"\xfc", b"a\x7f", b"a\tb"],
)
def test_a_hostile_or_missing_request_id_is_replaced(visitor: Api, database: Documents, given: str | bytes) -> None:
    order, client = OrderFactory(), visitor(admin=True)
    told = {"status": "paid"}
    answer = client.put(f"orders/{order.pk}/status", json=told, headers={"X-Request-ID": given.strip()})
    assert answer.status_code == 200, answer.text
    assert re.fullmatch(r"[0-9a-f]{32}", answer.headers["X-Request-ID"])
    assert only_order(database)["history"][-1]["request_id"] == answer.headers["X-Request-ID"]


TRACE = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"


@pytest.mark.parametrize(
    ("given", "sent"),
    [
        (TRACE, TRACE),
        (f"01{TRACE[2:-2]}00", f"01{TRACE[2:-2]}00"),
        (f"ff{TRACE[2:]}", None),
        (TRACE.upper(), None),
        (f"{TRACE}-more", None),
        (f"{TRACE},{TRACE}", None),
        (TRACE.replace("4bf92f3577b34da6a3ce929d0e0e4736", "0" * 32), None),
        (TRACE.replace("00f067aa0ba902b7", "0" * 16), None),
        (TRACE[:-1], None),
        ("nonsense", None),
        (b"\xb2" + TRACE[1:].encode(), None),
        (None, None),
    ],
)
def test_a_trace_that_is_one_is_handed_to_the_peers(
    api: Api, settings: Settings, given: str | bytes | None, sent: str | None
) -> None:
    with RawServer(answer(200, {"valid": True})) as users:
        settings.USER_SERVICE_URL = users.url
        client = api()
        placed = client.post("orders/", json=order_body("1", TWO_TOWELS), headers={"traceparent": given})
        assert placed.status_code == 201, placed.text
        assert users.sent()[1].get("traceparent") == sent


def test_every_request_has_an_id_of_its_own(visitor: Api) -> None:
    client: ApiClient = visitor()
    assert len({client.get("orders/").headers["X-Request-ID"] for _ in range(5)}) == 5


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [("GET", "orders/x", 400), ("GET", f"orders/{ID}", 404), ("GET", "nothing", 404), ("PATCH", "orders/", 405)],
)
def test_refusals_carry_the_request_id_too(visitor: Api, method: str, path: str, status: int) -> None:
    refused = visitor().request(method, path, headers={"X-Request-ID": "r-1"})
    assert (refused.status_code, refused.headers["X-Request-ID"]) == (status, "r-1")
