"""Nothing of a person is ever logged: not at DEBUG, not where a peer fails, input is refused or a page breaks."""

from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
import requests
from bson import ObjectId

from integrations.sandbox import Sandbox
from orders.models import Address, Contact
from orders.services import access
from orders.services.lifecycle.drafts import Details
from orders.storage.order_writes import orders
from tests.api_client import ApiClient
from tests.functional.admin_helpers import LIST, Browser, form_of, page, staff
from tests.functional.helpers import TWO_TOWELS, Documents, dead_url
from tests.functional.observed_service import Process, Service, environment, eventually, shop_fixture
from tests.functional.test_secrets import listening
from tests.integration.builders import line, now, place, read
from tests.integration.test_erasing import whole, words_in

pytestmark = pytest.mark.slow

__all__ = ["shop_fixture"]

STREET = {
    "name": "Zyx-recipient", "company": "Zyx-company", "line1": "Zyx-line1", "line2": "Zyx-line2", "city": "Zyx-city",
    "state": "Zyx-state", "postal_code": "Zyx-98765", "country": "Freedonia", "phone": "+99 98989898",
}  # fmt: skip
CONTACT = {"name": "Zyx-contact", "email": "zyx-mail@example.com", "phone": "+99 98989898"}
DETAILS: dict[str, Any] = {
    "contact": CONTACT, "shipping_address": STREET, "billing_address": STREET | {"line1": "Zyx-billing"},
    "note": "Zyx-note", "metadata": {"zyx-key": "Zyx-value"},
}  # fmt: skip
MARKS = ("zyx", "98989898")
"""What each of these texts holds, and nothing else does."""


@pytest.fixture(scope="module", name="service")
def service_fixture(
    mongo_uri: str, running_sandbox: Sandbox, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Service]:
    log = tmp_path_factory.mktemp("service") / "web.log"
    with Service(environment(mongo_uri, running_sandbox), log) as service:
        yield service.await_ready()


@pytest.fixture(autouse=True)
def known(sandbox: Sandbox) -> None:
    sandbox.control.put_user(1, email="zyx-user@example.com", full_name="Zyx-user")


def expect_nobody(service: Service) -> None:
    mark = f"the-last-{now():%H%M%S%f}"
    requests.get(f"{service.root}/health", headers={"X-Request-ID": mark}, timeout=60)
    assert service.requests(mark)
    assert service.environment["LOG_LEVEL"] == "DEBUG"
    assert marks_in(service.log.read_text()) == []


def marks_in(*texts: str) -> list[str]:
    return [found for found in MARKS if found in "\n".join(texts).lower()]


def test_of_a_placement_its_changes_and_its_reads_nobody_is_told(shop: Any, service: Service) -> None:
    client: ApiClient = shop("1")
    answer = client.place(TWO_TOWELS, key="zyx-key", **DETAILS)
    assert answer.status_code == 201, answer.text
    assert "Zyx-contact" in answer.text
    address = f"orders/{answer.json()['id']}"
    for path in (address, "orders/", f"{address}/history"):
        assert client.get(path).status_code == 200
    assert client.place(TWO_TOWELS, key="zyx-key", **DETAILS).status_code == 201
    assert client.place(TWO_TOWELS, key="zyx-key", **DETAILS | {"note": "Zyx-other"}).status_code == 422
    assert client.put(f"{address}/status", json={"status": "Zyx-status", "reason": "Zyx"}).status_code == 400
    assert client.put(f"{address}/status", json={"status": "paid", "reason": "Zyx-reason"}).status_code == 403
    assert client.put(f"{address}/status", json={"status": "cancelled", "reason": "Zyx-reason"}).status_code == 200
    assert client.delete(address).status_code == 409
    expect_nobody(service)


BAD: dict[str, Any] = {
    "an address that is none": {"contact": CONTACT | {"email": "zyx at example"}},
    "a telephone number that is none": {"contact": CONTACT | {"phone": "zyx"}},
    "a control character": {"note": "Zyx\x00"},
    "another type": {"shipping_address": "Zyx-line1", "metadata": ["Zyx"]},
    "too long": {"note": "Zyx" * 500, "metadata": {"Zyx" * 50: "Zyx" * 500}},
    "an unknown field": {"zyx-field": "Zyx", "shipping_address": STREET | {"zyx-street": "Zyx"}},
    "another user": {"user_id": "zyx@example.com"},
    "a currency that is none": {"currency": "Zyx"},
}


@pytest.mark.parametrize("wrong", BAD)
def test_of_bad_input_nothing_is_repeated(shop: Any, service: Service, wrong: str) -> None:
    assert shop("1").place(TWO_TOWELS, **DETAILS | BAD[wrong]).status_code in (400, 403)
    expect_nobody(service)


def test_of_input_that_cannot_be_read_nothing_is_repeated(shop: Any, service: Service) -> None:
    client: ApiClient = shop("1")
    headers = {"Content-Type": "application/json"}
    for body in (
        b'{"contact": {"name": "Zyx-contact',
        b"Zyx-contact",
        b'"Zyx"',
        '{"note": "Zyx"}'.encode("utf-16"),
    ):
        assert client.post("orders/", data=body, headers=headers).status_code in (400, 415)
    assert client.post("orders/", data={"note": "Zyx-note"}).status_code in (400, 415)
    for parameters in (
        {"q": "Zyx-contact"},
        {"email": "zyx-mail@example.com"},
        {"status": "Zyx"},
        {"start_date": "Zyx"},
    ):
        assert client.get("orders/", params=parameters).status_code < 500
    expect_nobody(service)


@pytest.mark.parametrize("operation", ["verify", "product", "check", "reserve"])
@pytest.mark.parametrize("fault", [{"kind": "status", "status": 500}, {"kind": "latency", "seconds": 1}])
def test_of_a_placement_that_fails_with_a_peer_nobody_is_told(
    shop: Any, service: Service, sandbox: Sandbox, operation: str, fault: dict[str, Any]
) -> None:
    sandbox.control.fault(operation, **fault)
    answer = shop("1").place(TWO_TOWELS, **DETAILS)
    assert answer.status_code in (201, 503), answer.text
    expect_nobody(service)


def test_of_what_staff_do_nobody_is_told(live_server_url: str, database: Documents) -> None:
    order_id = placed_here()
    staff("superuser")
    with listening() as said, Browser(live_server_url) as browser:
        assert browser.log_in("superuser").status_code == 302
        token = {"csrfmiddlewaretoken": browser.csrf_token(browser.get("/admin/password_change/"))}
        forms: list[tuple[str, dict[str, Any], int]] = [
            ("note", {"text": "Zyx-note of staff"}, 200),
            ("note", {"text": "Zyx" * 200}, 400),
            ("address", STREET | {"city": "Zyx-elsewhere", "version": "2", "reason": "Zyx-moved"}, 200),
            ("address", STREET | {"city": "Zyx-stale", "version": "2"}, 409),
            ("address", STREET | {"line1": "", "city": "Zyx", "version": "3"}, 400),
            ("transition", {"transition": "cancel", "version": "3", "reason": "Zyx-asked on the phone"}, 200),
        ]
        for name, fields, status in forms:
            assert browser.post(form_of(order_id, name), data=token | fields).status_code == status, (name, fields)
        for query in ("Zyx-contact", "zyx-mail@example.com", "98989898"):
            assert browser.get(LIST, params={"q": query}).status_code == 200
        assert marks_in(repr(read(order_id))) == list(MARKS)
        erased = browser.post(form_of(order_id, "erase"), data=token | {"erase": "customer", "reason": "Request 4711"})
        assert erased.status_code == 200
    assert marks_in(repr(read(order_id))) == []
    assert [line for line in said if "request" in line]
    assert marks_in(*said) == []


def placed_here() -> ObjectId:
    """An order of the person whom these tests know, placed without HTTP."""
    details = Details(
        contact=Contact(**CONTACT),
        note=DETAILS["note"],
        metadata=DETAILS["metadata"],
        billing_address=Address(**STREET),
    )
    order_id: ObjectId = place(actor=access.customer("1"), details=details).order["_id"]
    return order_id


@pytest.mark.parametrize(
    "broken",
    [
        {"items": "Zyx-items"},
        {"shipping_address": "Zyx-line1"},
        {"contact": ["Zyx"]},
        {"total_price": "Zyx"},
        {"history": 1},
    ],
    ids=str,
)
def test_of_a_document_that_breaks_a_page_the_trace_tells_nobody(
    shop: Any, service: Service, live_server_url: str, broken: dict[str, Any]
) -> None:
    order_id = placed_here()
    orders().update_one({"_id": order_id}, {"$set": broken})
    for path in (f"orders/{order_id}", "orders/", f"orders/{order_id}/history"):
        shop("1").get(path)
    expect_nobody(service)
    staff("superuser")
    with listening() as said, Browser(live_server_url) as browser:
        browser.log_in("superuser")
        for address in (page(order_id), LIST, form_of(order_id, "packing-slip")):
            browser.get(address)
    assert marks_in(*said) == []


def test_a_worker_erases_what_was_kept_long_enough_and_tells_of_nobody(
    mongo_uri: str, sandbox: Sandbox, tmp_path: Path
) -> None:
    at = now() - timedelta(days=31)
    old = [whole("delivered", created_at=at, status_since=at) for _ in range(3)]
    young = whole("delivered")
    owed = whole(created_at=at, status_since=at, items=[line("releasing")], stock_due_at=now())
    more = {"PERSONAL_DATA_DAYS": "30", "INVENTORY_SERVICE_URL": dead_url()}
    command = ["manage.py", "settle_stock", "--loop", "--limit", "2"]
    with Process(command, environment(mongo_uri, sandbox, **more), tmp_path / "worker.log") as worker:
        told = [
            worker.await_line(lambda line, left=left: f"erased from {left} orders" in line["event"]) for left in (2, 1)
        ]
        eventually(lambda: [line for line in worker.lines() if line.get("peer") == "inventory"])
    assert {line["level"] for line in told} == {"info"}
    assert words_in(*map(read, old)) == []
    assert words_in(read(young))
    assert words_in(read(owed)), "its stock is still to be released"
    assert words_in(worker.log.read_text()) == []


def test_without_the_setting_a_worker_erases_nothing(mongo_uri: str, sandbox: Sandbox, tmp_path: Path) -> None:
    at = now() - timedelta(days=4000)
    old = whole("delivered", created_at=at, status_since=at)
    due = whole(created_at=at, status_since=at, items=[line("releasing")], stock_due_at=now())
    command = ["manage.py", "settle_stock", "--loop"]
    with Process(command, environment(mongo_uri, sandbox), tmp_path / "worker.log"):
        eventually(lambda: read(due).get("stock_due_at") is None)
    assert words_in(read(old), read(due))
