"""POST /orders/ over real HTTP: what is placed, what is refused, and what is left when a peer fails."""

import re
import time
from concurrent.futures import ThreadPoolExecutor
from copy import deepcopy
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any
from urllib.parse import quote

import pytest
import requests
from bson import Decimal128, ObjectId
from pytest_django import Settings

from integrations.sandbox import Sandbox
from integrations.sandbox.catalogue import PRODUCTS
from tests.api_client import ApiClient, order_body
from tests.functional.helpers import (
    NOBODYS_ID,
    ONE_SKILLET,
    SCARCE,
    SKILLET,
    TOWEL,
    TWO_TOWELS,
    Api,
    Documents,
    at_once,
    dead_url,
    line_states,
    only_order,
    outage,
    problem,
    stored,
    visitor_fixture,  # noqa: F401
)
from tests.raw_server import RawServer, answer

MISSING = object()
KEYS = [
    "_id", "id", "number", "user_id", "user_verified", "status", "version", "items", "charges", "total_price",
    "currency", "contact", "shipping_address", "billing_address", "reference", "note", "metadata", "on_hold",
    "shipments", "returns", "paid", "refunded", "owed", "payments", "refunds", "created_at", "updated_at",
    "paid_at", "shipped_at", "delivered_at", "cancelled_at", "refunded_at",
]  # fmt: skip
NOBODY = {"name": "", "company": "", "phone": ""}
"""What an address says of who receives it, where it says nothing."""


# --- the good path ---


def test_an_order_is_placed_and_its_stock_reserved(api: Api, sandbox: Sandbox, database: Documents) -> None:
    before = sandbox.control.stock(TOWEL.product_id).available
    placed = api().place(TWO_TOWELS)
    assert placed.status_code == 201, placed.text
    assert placed.json()["status"] == "pending"
    assert sandbox.control.stock(TOWEL.product_id).available == before - 2
    [call] = sandbox.control.calls("reserve")
    assert (call["order_id"], call["key"]) == (placed.json()["id"], f"{placed.json()['id']}:0:reserve")
    order = only_order(database)
    assert line_states(order) == ["reserved"]
    assert "stock_due_at" not in order
    assert api().get(f"orders/{placed.json()['id']}").json() == placed.json()


def test_an_order_has_exactly_the_shape_that_storefronts_read(api: Api, database: Documents) -> None:
    before = datetime.now(UTC) - timedelta(milliseconds=1)
    placed = api().place(TWO_TOWELS, ONE_SKILLET)
    order = placed.json()
    assert list(order) == KEYS
    assert order["_id"] == order["id"]
    assert ObjectId.is_valid(order["id"])
    assert re.fullmatch(r"[0-9A-HJKMNP-TV-Z]{4}(-[0-9A-HJKMNP-TV-Z]{4}){2}", order["number"])
    assert (order["user_id"], order["user_verified"], order["status"], order["version"]) == ("1", True, "pending", 1)
    assert order["items"] == [
        {"product_id": TOWEL.product_id, "quantity": 2, "price": "14.90",
         "name": "Linen tea towel, set of 2", "sku": "TW-LIN-2", "image_url": "",
         "state": "open", "split_from": None},
        {"product_id": SKILLET.product_id, "quantity": 1, "price": "49.00",
         "name": "Cast iron skillet, 26 cm", "sku": "SK-CI-26", "image_url": "",
         "state": "open", "split_from": None},
    ]  # fmt: skip
    assert (order["total_price"], order["currency"]) == ("78.80", "EUR")
    assert order["contact"] == {"name": "Amara Okafor", "email": "amara.okafor@example.com", "phone": ""}
    assert order["shipping_address"] == order_body("1")["shipping_address"] | NOBODY
    assert (order["billing_address"], order["reference"], order["note"], order["metadata"]) == (None, "", "", {})
    assert {order[f"{status}_at"] for status in ("paid", "shipped", "delivered", "cancelled", "refunded")} == {None}
    for moment in ("created_at", "updated_at"):
        assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d{3,6})?Z", order[moment])
        assert before <= datetime.fromisoformat(order[moment]) <= datetime.now(UTC)
    assert placed.headers["Content-Type"] == "application/json"
    assert placed.headers["ETag"] == '"1"'
    assert "Idempotency-Replayed" not in placed.headers
    assert stored(database, order["id"])["total_price"] == Decimal128("78.80")


def test_its_location_leads_to_the_order(api: Api, live_server_url: str) -> None:
    placed = api().place(TWO_TOWELS)
    found = api().get(requests.compat.urljoin(live_server_url, placed.headers["Location"]))
    assert found.json() == placed.json()


def test_an_address_is_kept_as_it_is_read(api: Api, database: Documents) -> None:
    body = order_body("1", TWO_TOWELS)
    body["shipping_address"] |= {
        "line1": "\t1 Long Street\r\nRear building\n", "city": "\u2067\u05ea\u05dc \u05d0\u05d1\u05d9\u05d1\u2069",
        "country": "\u202bIL\u202c\u200b",
    }  # fmt: skip
    placed = api().post("orders/", json=body)
    assert placed.status_code == 201, placed.text
    address = placed.json()["shipping_address"]
    assert address == only_order(database)["shipping_address"]
    assert (address["line1"], address["country"]) == ("1 Long Street Rear building", "IL")
    assert address["city"] == "\u05ea\u05dc \u05d0\u05d1\u05d9\u05d1"


@pytest.mark.parametrize(("number", "kept"), [(12345, "12345"), (0, "0"), (12345.0, "12345"), (10**20 - 1, "9" * 20)])
def test_a_postal_code_may_come_as_a_number(api: Api, number: float, kept: str) -> None:
    body = order_body("1", TWO_TOWELS)
    body["shipping_address"]["postal_code"] = number
    placed = api().post("orders/", json=body)
    assert placed.status_code == 201, placed.text
    assert placed.json()["shipping_address"]["postal_code"] == kept


@pytest.mark.parametrize("given", [{}, {"postal_code": ""}, {"postal_code": None}, {"postal_code": " "}])
def test_there_are_addresses_without_a_postal_code(api: Api, given: dict[str, Any]) -> None:
    address = {"line1": "1 Queen's Road", "city": "Hong Kong", "country": "Hong Kong"}
    placed = api().place(TWO_TOWELS, shipping_address=address | given)
    assert placed.status_code == 201, placed.text
    assert placed.json()["shipping_address"] == address | {"line2": "", "state": "", "postal_code": ""} | NOBODY


def test_the_address_may_leave_out_what_not_every_address_has(api: Api) -> None:
    body = order_body("1", TWO_TOWELS)
    del body["shipping_address"]["line2"]
    body["shipping_address"]["state"] = None
    placed = api().post("orders/", json=body)
    assert placed.status_code == 201, placed.text
    address = placed.json()["shipping_address"]
    assert (address["line2"], address["state"]) == ("", "")


@pytest.mark.parametrize("text", ["$name", "$$ROOT", "Ünter den Linden 1", "<b>&'\"", "日本"])
def test_an_address_is_kept_as_it_was_written(api: Api, text: str) -> None:
    body = order_body("1", TWO_TOWELS)
    body["shipping_address"] |= {"line1": text, "city": text}
    placed = api().post("orders/", json=body).json()
    assert placed["shipping_address"] == body["shipping_address"] | NOBODY


@pytest.mark.parametrize("path", ["orders/", "orders"])
@pytest.mark.parametrize("content_type", ["application/json", "application/json; charset=utf-8"])
def test_it_is_placed_with_and_without_a_slash_and_a_charset(api: Api, path: str, content_type: str) -> None:
    placed = api().post(path, json=order_body("1", TWO_TOWELS), headers={"Content-Type": content_type})
    assert placed.status_code == 201


@pytest.mark.parametrize("price", [14.9, "14.9", "14.90"])
def test_a_price_may_be_a_number_or_a_string_and_is_exact(api: Api, price: object) -> None:
    body = order_body("1", TWO_TOWELS)
    body["items"][0]["price"] = price
    placed = api().post("orders/", json=body)
    assert placed.status_code == 201, placed.text
    assert placed.json()["total_price"] == "29.80"


@pytest.mark.parametrize(
    ("member", "value", "named"),
    [
        ("contact", None, "contact"), ("contact", "Amara", "contact"), ("contact", {"email": "amara"}, "contact.email"),
        ("contact", {"phone": 5550199}, "contact.phone"), ("contact", {"name": "a\u0000"}, "contact.name"),
        ("contact", {"fax": "1"}, "contact.fax"), ("billing_address", None, "billing_address"),
        ("billing_address", {}, "billing_address.line1"), ("currency", "eur", "currency"),
        ("currency", 978, "currency"),
        ("currency", "CHF", "currency"), ("reference", 20931, "reference"), ("note", ["a"], "note"),
        ("metadata", [], "metadata"), ("metadata", {"a": 1}, "metadata.a"), ("metadata", {"a": None}, "metadata.a"),
        ("metadata", {"a": {"b": "c"}}, "metadata.a"), ("metadata", {"a": "x" * 501}, "metadata.a"),
        ("metadata", {str(number): "" for number in range(51)}, "metadata"),
    ],
    ids=str,
)  # fmt: skip
def test_what_an_order_may_say_is_refused_where_it_is_malformed(
    api: Api, sandbox: Sandbox, database: Documents, member: str, value: Any, named: str
) -> None:
    document = problem(api().place(TWO_TOWELS, **{member: value}), 400)
    assert set(document["errors"]) >= {named}
    assert database["orders"].count_documents({}) == 0
    assert sandbox.control.calls() == []


@pytest.mark.parametrize(
    "said", [{"currency": None, "reference": None, "note": None, "metadata": None}, {"contact": {}}]
)
def test_what_is_null_or_empty_says_nothing(api: Api, said: dict[str, Any]) -> None:
    order = api().place(TWO_TOWELS, **said).json()
    assert (order["currency"], order["reference"], order["note"], order["metadata"]) == ("EUR", "", "", {})
    assert order["contact"]["name"] == "Amara Okafor"


def test_an_admin_may_place_an_order_for_anybody(api: Api, sandbox: Sandbox) -> None:
    placed = api(admin=True).place(TWO_TOWELS, user_id="7")
    assert placed.status_code == 201
    assert placed.json()["user_id"] == "7"
    assert api("7").get(f"orders/{placed.json()['id']}").status_code == 200


def test_a_hundred_lines_are_placed(api: Api, sandbox: Sandbox, settings: Settings) -> None:
    settings.PEER_READ_TIMEOUT, settings.REQUEST_DEADLINE = 5.0, 20.0
    settings.INVENTORY_WRITE_TIMEOUT = settings.PEER_READ_TIMEOUT
    placed = api().place(*[(TOWEL.product_id, 1, TOWEL.price)] * 100)
    assert placed.status_code == 201, placed.text
    assert sandbox.control.stock(TOWEL.product_id).reserved == 100


# --- user ids ---


@pytest.mark.parametrize("given", [7, "7", "007"])
def test_a_user_id_may_be_a_json_integer_and_has_one_spelling(api: Api, sandbox: Sandbox, given: object) -> None:
    placed = api("7").place(TWO_TOWELS, user_id=given)
    assert placed.status_code == 201, placed.text
    assert placed.json()["user_id"] == "7"


@pytest.mark.parametrize(
    ("given", "canonical"),
    [
        ("665F1C0A9B1E8A0012A4FFFF", "665f1c0a9b1e8a0012a4ffff"),
        ("7D9F3A521F0E4A539A530C8F0B5F7A11", "7d9f3a52-1f0e-4a53-9a53-0c8f0b5f7a11"),
        ("7D9F3A52-1F0E-4A53-9A53-0C8F0B5F7A11", "7d9f3a52-1f0e-4a53-9a53-0c8f0b5f7a11"),
        ("auth0|5f7c8ec7c33c6c004bbafe82", "auth0|5f7c8ec7c33c6c004bbafe82"),
        ("Alice+shop@Example.com", "Alice+shop@Example.com"),
        ("a/b?c=田#", "a/b?c=田#"),
    ],
)
def test_other_user_ids_have_one_spelling_too(
    api: Api, sandbox: Sandbox, settings: Settings, given: str, canonical: str
) -> None:
    with RawServer(answer(200, {"valid": True})) as users:
        settings.USER_SERVICE_URL = f"{users.url}/api/v1"
        placed = api(canonical).place(TWO_TOWELS, user_id=given)
        assert placed.status_code == 201, placed.text
        assert placed.json()["user_id"] == canonical
        assert placed.json()["user_verified"] is True
        assert f"/users/{quote(canonical, safe='')}/verify" in users.sent()[0]
    assert [order["user_id"] for order in api(given).get("orders/").json()] == [canonical]


@pytest.mark.parametrize("user_id", ["999", "12", "665f1c0a9b1e8a0012a4ffff"], ids=["unknown", "inactive", "foreign"])
def test_an_unknown_or_inactive_user_is_refused(api: Api, sandbox: Sandbox, database: Documents, user_id: str) -> None:
    document = problem(api(user_id).place(TWO_TOWELS), 400, "unknown_user")
    assert list(document["errors"]) == ["user_id"]
    _nothing_happened(sandbox, database)


def test_an_order_in_anothers_name_is_refused(api: Api, sandbox: Sandbox, database: Documents) -> None:
    problem(api("1").place(TWO_TOWELS, user_id="2"), 403, "not_permitted")
    assert sandbox.control.calls() == []
    _nothing_happened(sandbox, database)


# --- what the peers say no to ---


def test_a_wrong_price_is_refused_with_the_current_one(api: Api, sandbox: Sandbox, database: Documents) -> None:
    document = problem(api().place(TWO_TOWELS, (SKILLET.product_id, 1, "48.99")), 409, "price_changed")
    assert list(document["errors"]) == ["items.1.price"]
    assert document["current_prices"] == {"items.1": "49.00"}
    assert "49.00" in document["detail"]
    _nothing_happened(sandbox, database)


@pytest.mark.parametrize(
    ("listed", "shown"),
    [
        ("0.30000000000000004", "0.30"),
        ("0.305", "0.31"),
        ("0.3049999999999999", "0.30"),
        ("14.9", "14.90"),
        ("1.0049999999999998934", "1.00"),
        ("2.675", "2.68"),
    ],
)
def test_a_price_that_is_no_whole_number_of_cents_is_rounded_half_up(
    api: Api, sandbox: Sandbox, database: Documents, listed: str, shown: str
) -> None:
    sandbox.control.put_product(TOWEL.product_id, name="Towel", price=listed, category="", available=10)
    wrong = problem(api().place((TOWEL.product_id, 2, "99.00")), 409, "price_changed")
    assert wrong["current_prices"] == {"items.0": shown}
    placed = api().place((TOWEL.product_id, 2, shown))
    assert placed.status_code == 201, placed.text
    assert stored(database, placed.json()["id"])["items"][0]["price"] == Decimal128(shown)


def test_too_little_stock_is_refused_and_names_the_line(api: Api, sandbox: Sandbox, database: Documents) -> None:
    document = problem(api().place(TWO_TOWELS, (SCARCE.product_id, 5, SCARCE.price)), 409, "insufficient_stock")
    assert list(document["errors"]) == ["items.1.quantity"]
    assert SCARCE.product_id in document["detail"]
    _nothing_happened(sandbox, database)


def test_too_many_unpaid_orders_are_refused_with_the_limit(
    api: Api, sandbox: Sandbox, database: Documents, settings: Settings
) -> None:
    settings.MAX_OPEN_ORDERS_PER_USER = 1
    assert api().place(TWO_TOWELS).status_code == 201
    asked = len(sandbox.control.calls())
    document = problem(api().place(TWO_TOWELS), 409, "too_many_open_orders")
    assert document["limit"] == 1
    assert "Pay or cancel" in document["detail"]
    assert len(sandbox.control.calls()) == asked
    assert database["orders"].count_documents({}) == 1
    assert api("2").place(TWO_TOWELS).status_code == 201


def test_lines_of_one_product_that_fit_together_are_placed(api: Api, sandbox: Sandbox) -> None:
    lines = (SCARCE.product_id, 2, SCARCE.price), (SCARCE.product_id.upper(), 2, SCARCE.price)
    placed = api().place(*lines)
    assert placed.status_code == 201, placed.text
    assert {item["product_id"] for item in placed.json()["items"]} == {SCARCE.product_id}
    assert sandbox.control.stock(SCARCE.product_id).available == 0


@pytest.mark.parametrize(
    ("product_id", "code"),
    [
        (NOBODYS_ID, "unknown_product"),
        *((text, "invalid") for text in ("no-object-id", "..", "%2e", "a/b?c", "0" * 23)),
    ],
)
def test_an_unknown_product_is_refused_and_names_the_line(
    api: Api, sandbox: Sandbox, database: Documents, product_id: str, code: str
) -> None:
    document = problem(api().place(TWO_TOWELS, (product_id, 1, "1.00")), 400, code)
    assert list(document["errors"]) == ["items.1.product_id"]
    _nothing_happened(sandbox, database)


# --- bad input: nobody is asked, nothing is kept ---


def _bad(path: str, *values: object) -> list[Any]:
    return [
        pytest.param(path, value, id=f"{path}={'missing' if value is MISSING else repr(value)[:30]}")
        for value in values
    ]


@pytest.mark.parametrize(
    ("path", "value"),
    [
        *_bad("user_id", MISSING, None, "", " ", " a", "-1", -1, 1.5, True, [], {}, "9" * 20, "a" * 129, "1\0"),
        *_bad("items", MISSING, None, "x", 1, {}, [], [None], ["x"], [[]], [{}]),
        *_bad("items.0.product_id", MISSING, None, "", True, [], {}, "a" * 25, "\ud800"),
        *_bad(
            "items.0.quantity", MISSING, None, "", "two", 0, -1, 1.5, True, [], {}, "1_0", 10_001, 2**31, 2**63, 10**400
        ),
        *_bad("items.0.price", MISSING, None, "", "dear", 0, "0.00", -1, "-0.01", True, [], {}),
        *_bad("items.0.price", "14.905", 14.905, "123456789.01", "NaN", "sNaN", "Infinity", "-Infinity", "1e999999"),
        *_bad("items.0.price", "1e1000000000000000000000", "1" * 5000),
        *_bad("shipping_address", MISSING, None, "x", [], {}),
        *_bad("shipping_address.line1", MISSING, None, "", "  ", True, [], {}, "a" * 201, "\0"),
        *_bad("shipping_address.line2", True, [], "a" * 201),
        *_bad("shipping_address.city", MISSING, None, "", "a" * 101, 17, "\x0c", "a\x1f"),
        *_bad("shipping_address.state", [], "a" * 101),
        *_bad("shipping_address.postal_code", "a" * 21, -1, 1.5, 10**20, 1e300, True),
        *_bad("shipping_address.country", MISSING, None, "", "a" * 101),
    ],
)
def test_a_malformed_field_is_refused_by_name(
    visitor: Api, running_sandbox: Sandbox, database: Documents, path: str, value: object
) -> None:
    asked = running_sandbox.control.counts()
    document = problem(visitor().post("orders/", json=_altered(path, value)), 400)
    if document["code"] == "invalid":
        assert any(field.startswith(path) for field in document["errors"])
    assert running_sandbox.control.counts() == asked
    _nothing_is_kept(database)


@pytest.mark.parametrize("number", ["NaN", "Infinity", "-Infinity", "1e1000000000000000000000", "9" * 5000])
def test_a_number_that_is_none_is_refused(visitor: Api, database: Documents, number: str) -> None:
    body = '{"user_id": "1", "items": [{"product_id": "x", "quantity": 1, "price": %s}]}' % number  # noqa: UP031
    problem(_post(visitor(), body.encode()), 400)
    _nothing_is_kept(database)


@pytest.mark.parametrize(
    "body",
    [
        b"", b"{", b"order", b"[]", b"[{}]", b"null", b"1", b'"x"', b"{}", b"\xff\xfe\xfd", b"{'user_id': 1}",
        b"[" * 100_000, b'{"a":' * 100_000, b'{"items": ' + b"[" * 50_000 + b"]" * 50_000 + b"}",
    ],
    ids=lambda body: repr(body[:12]),
)  # fmt: skip
def test_a_body_that_is_no_json_object_is_refused(visitor: Api, database: Documents, body: bytes) -> None:
    problem(_post(visitor(), body), 400)
    _nothing_is_kept(database)


def test_a_body_beyond_a_mebibyte_is_refused(visitor: Api, database: Documents) -> None:
    problem(_post(visitor(), b'{"user_id": "1", "padding": "' + b"a" * 1024 * 1024 + b'"}'), 413)
    _nothing_is_kept(database)


def test_a_body_of_just_a_mebibyte_is_read(visitor: Api) -> None:
    body = b'{"user_id": "1", "padding": "%s"}'
    problem(_post(visitor(), body % (b"a" * (1024 * 1024 - len(body) + 2))), 400)


@pytest.mark.parametrize("content_type", ["text/plain", "application/x-www-form-urlencoded", "multipart/form-data", ""])
def test_a_body_of_another_type_is_refused(visitor: Api, database: Documents, content_type: str) -> None:
    problem(_post(visitor(), b'{"user_id": "1"}', content_type), 415)
    _nothing_is_kept(database)


def test_more_than_a_hundred_lines_are_refused(visitor: Api, running_sandbox: Sandbox, database: Documents) -> None:
    asked = running_sandbox.control.counts()
    document = problem(visitor().place(*[(TOWEL.product_id, 1, TOWEL.price)] * 101), 400)
    assert list(document["errors"]) == ["items"]
    assert "100" in document["detail"]
    assert running_sandbox.control.counts() == asked
    _nothing_is_kept(database)


def test_a_total_beyond_the_maximum_is_refused(
    visitor: Api, running_sandbox: Sandbox, database: Documents, settings: Settings
) -> None:
    asked = running_sandbox.control.counts()
    settings.MAX_ORDER_TOTAL = Decimal("29.79")
    document = problem(visitor().place(TWO_TOWELS), 400)
    assert "29.79" in document["detail"]
    problem(visitor().place(*[(TOWEL.product_id, 10_000, "99999999.99")] * 100), 400)
    assert running_sandbox.control.counts() == asked
    _nothing_is_kept(database)


def test_a_total_of_just_the_maximum_is_placed(api: Api, settings: Settings) -> None:
    settings.MAX_ORDER_TOTAL = Decimal("29.80")
    assert api().place(TWO_TOWELS).status_code == 201


def test_every_wrong_line_is_named(visitor: Api) -> None:
    lines = [(TOWEL.product_id, 0, "14.90"), TWO_TOWELS, (TOWEL.product_id, 1, "0")]
    errors = problem(visitor().place(*lines), 400)["errors"]
    assert list(errors) == ["items.0.quantity", "items.2.price"]


# --- peers that fail while the order is verified: nothing is kept ---


def test_a_user_service_that_is_down_lets_the_order_through_unverified(
    api: Api, sandbox: Sandbox, settings: Settings
) -> None:
    settings.USER_SERVICE_URL = dead_url()
    placed = api().place(TWO_TOWELS)
    assert placed.status_code == 201, placed.text
    assert placed.json()["user_verified"] is False


def test_a_peer_that_cannot_verify_the_order_stops_it_and_says_when_to_come_again(
    api: Api, sandbox: Sandbox, database: Documents
) -> None:
    sandbox.control.fault("check", "status", status=503, retry_after=7)
    failed = api().place(TWO_TOWELS, ONE_SKILLET)
    outage(failed, "peer_unavailable")
    assert failed.headers["Retry-After"] == "7"
    _nothing_happened(sandbox, database)


# --- inventory fails while the stock is reserved ---


def test_a_refused_line_is_named_without_what_inventory_said(api: Api, sandbox: Sandbox, database: Documents) -> None:
    sandbox.control.fault("reserve", "status", status=409, product_id=SKILLET.product_id)
    document = problem(api().place(TWO_TOWELS, ONE_SKILLET), 409, "insufficient_stock")
    assert list(document["errors"]) == ["items.1.quantity"]
    assert document["available"] == {"items.1": None}  # inventory says that there is enough
    assert "status" not in str(document["errors"])  # what it said is for staff
    _is_rejected(api, database, "released", "none")


def _sold_meanwhile(
    api: Api, sandbox: Sandbox, left: int, *lines: tuple[str, int, str], key: str, silent: bool = False
) -> Any:
    """Place an order while somebody else buys all but so many of SCARCE, between our check and our reserve.

    :param silent: inventory answers no further check.
    """
    sandbox.control.fault("reserve", "latency", seconds=2, product_id=SCARCE.product_id, times=1)
    with ThreadPoolExecutor(1) as threads:
        answer = threads.submit(api().place, *lines, key=key)
        until = time.monotonic() + 60
        while SCARCE.product_id not in [call["product_id"] for call in sandbox.control.calls("reserve")]:
            assert time.monotonic() < until
            time.sleep(0.01)
        sandbox.control.room.stock.update_one({"_id": ObjectId(SCARCE.product_id)}, {"$set": {"available": left}})
        if silent:
            sandbox.control.fault("check", "stall_before", seconds=30)
        return answer.result()


def test_an_inventory_that_no_longer_says_what_there_is_keeps_nobody_waiting_for_long(
    api: Api, sandbox: Sandbox, settings: Settings, database: Documents
) -> None:
    settings.PEER_READ_TIMEOUT = 1.0
    line, began = (SCARCE.product_id, 3, SCARCE.price), time.monotonic()
    document = problem(_sold_meanwhile(api, sandbox, 1, line, key="k", silent=True), 409, "insufficient_stock")
    assert time.monotonic() - began < 20
    assert document["available"] == {"items.0": None}
    _is_rejected(api, database, "none")


@pytest.mark.parametrize("left", [0, 2])
def test_stock_that_runs_out_is_told_alike_by_check_and_by_reserve(
    api: Api, sandbox: Sandbox, settings: Settings, left: int
) -> None:
    settings.PEER_READ_TIMEOUT, settings.REQUEST_DEADLINE = 5.0, 20.0
    lines = TWO_TOWELS, (SCARCE.product_id, 3, SCARCE.price)
    by_reserve = problem(_sold_meanwhile(api, sandbox, left, *lines, key="by-reserve"), 409, "insufficient_stock")
    assert len(sandbox.control.calls("reserve")) == 2
    by_check = problem(api().place(*lines, key="by-check"), 409, "insufficient_stock")
    assert len(sandbox.control.calls("reserve")) == 2
    assert by_reserve == by_check
    assert by_check["available"] == {"items.1": left}
    assert by_check["errors"] == {"items.1.quantity": [by_check["detail"]]}
    assert by_check["detail"] == f"Product {SCARCE.product_id}: 3 wanted, {left} in stock."


def test_a_reserve_of_unknown_outcome_is_told_as_an_outage(api: Api, sandbox: Sandbox, database: Documents) -> None:
    sandbox.control.fault("reserve", "drop_after")
    outage(api().place(TWO_TOWELS), "placement_interrupted")
    _is_rejected(api, database, "unknown")


# --- many at once ---


def test_of_200_orders_at_once_for_50_units_exactly_50_are_placed(
    api: Api, sandbox: Sandbox, database: Documents, settings: Settings, live_server_url: str
) -> None:
    # Clients, server and peers share this one process: nobody is to run out of time on a slow machine.
    settings.PEER_CONNECT_TIMEOUT, settings.PEER_READ_TIMEOUT = 20.0, 30.0
    settings.INVENTORY_WRITE_TIMEOUT = settings.PEER_READ_TIMEOUT
    settings.REQUEST_DEADLINE, settings.DATABASE_DEADLINE, settings.STOCK_LEASE = 110.0, 120.0, 300.0
    wanted = PRODUCTS[2]
    sandbox.control.put_product(wanted.product_id, name=wanted.name, price=wanted.price, available=50)

    def place(number: int) -> requests.Response:
        with ApiClient(live_server_url, str(number % 11 + 1)) as client:
            return client.place((wanted.product_id, 1, wanted.price))

    answers = at_once(200, place)
    statuses = [answered.status_code for answered in answers]
    assert {status: statuses.count(status) for status in statuses} == {201: 50, 409: 150}
    for refused in answers:
        if refused.status_code == 409:
            problem(refused, 409, "insufficient_stock")
    stock = sandbox.control.stock(wanted.product_id)
    assert (stock.available, stock.reserved) == (0, 50)
    orders = database["orders"]
    assert orders.count_documents({"status": "pending", "items.stock.state": "reserved"}) == 50
    assert orders.count_documents({"status": {"$nin": ["pending", "rejected"]}}) == 0
    assert orders.count_documents({"stock_due_at": {"$exists": True}}) == 0
    assert orders.count_documents({"items.stock.state": {"$nin": ["reserved", "none"]}}) == 0


def _post(client: ApiClient, body: bytes, content_type: str = "application/json") -> requests.Response:
    return client.post("orders/", data=body, headers={"Content-Type": content_type})


def _altered(path: str, value: object) -> dict[str, Any]:
    """A good body with one value changed, or left out."""
    body = deepcopy(order_body("1", TWO_TOWELS))
    *parents, name = path.split(".")
    inner: Any = body
    for parent in parents:
        inner = inner[int(parent)] if isinstance(inner, list) else inner[parent]
    if value is MISSING:
        del inner[name]
    else:
        inner[name] = value
    return body


def _nothing_is_kept(database: Documents) -> None:
    assert database["orders"].count_documents({}) == 0
    assert database["idempotency_keys"].count_documents({}) == 0


def _nothing_happened(sandbox: Sandbox, database: Documents) -> None:
    assert sandbox.control.calls("reserve") == []
    assert sandbox.control.calls("release") == []
    assert all(sandbox.control.stock(product.product_id).reserved == 0 for product in (TOWEL, SKILLET, SCARCE))
    _nothing_is_kept(database)


def _is_rejected(api: Api, database: Documents, *states: str) -> None:
    order = only_order(database)
    assert order["status"] == "rejected"
    assert line_states(order) == list(states)
    problem(api().get(f"orders/{order['_id']}"), 404)
    assert api(admin=True).get("orders/").json() == []
