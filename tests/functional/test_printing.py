"""The packing slip and the order confirmation."""

import re
from typing import Any

import pytest
from bson import ObjectId
from django.http import HttpResponse
from django.test import Client
from pymongo.database import Database

from tests.functional.admin_helpers import (
    EDGES,
    LIST,
    Document,
    client_of,
    entry,
    find,
    form_of,
    insert,
    line,
    page,
    profiled,
    stored,
    text_of,
)

DOCUMENTS = ("packing-slip", "confirmation")
SCRIPT = "<script>alert('x')</script>"


@pytest.fixture
def support(database: Database[Document]) -> Client:
    return client_of("Support")


def printed(client: Client, order: Document, name: str) -> HttpResponse:
    response = client.get(form_of(order, name))
    assert response.status_code == 200
    return response


@pytest.mark.parametrize("name", DOCUMENTS)
def test_a_printed_document_says_whose_order_goes_where(
    database: Database[Document], support: Client, name: str
) -> None:
    order = insert(database, stored(status="processing"))
    before = find(database, order)
    response = printed(support, order, name)
    text = text_of(response)
    for told in (order["number"], "Customer 1", "Ship to 1 Long Street 12345 Springfield Freedonia"):
        assert told in text
    assert order["items"][0]["product_id"] in text
    assert find(database, order) == before
    assert f'href="{form_of(order, name)}"' in support.get(page(order)).content.decode()


def test_a_packing_slip_has_no_prices_and_a_confirmation_has(database: Database[Document], support: Client) -> None:
    order = insert(database, stored(status="processing"))
    slip, confirmation = (text_of(printed(support, order, name)) for name in DOCUMENTS)
    assert "14.90" in confirmation
    assert "Total 29.80" in confirmation
    for price in ("14.90", "29.80", "Price", "Total"):
        assert price not in slip
    assert "2 units in 1 item" in slip


@pytest.mark.parametrize("name", DOCUMENTS)
def test_what_is_internal_is_not_printed(database: Database[Document], support: Client, name: str) -> None:
    history = [*stored()["history"], entry("note", reason="a difficult customer", actor="staff:maria")]
    order = insert(database, stored(status="paid", history=history, items=[line("reserved", error="timed out")]))
    text = text_of(printed(support, order, name))
    for secret in ("difficult", "maria", "timed out", "Reserved"):
        assert secret not in text


@pytest.mark.parametrize("status", EDGES)
def test_a_packing_slip_warns_of_what_must_not_be_packed(
    database: Database[Document], support: Client, status: str
) -> None:
    order = insert(database, stored(status=status))
    slip, confirmation = (text_of(printed(support, order, name)) for name in DOCUMENTS)
    called_off = status in ("placing", "rejected", "cancelled", "refunded")
    told = "a draft" if status == "placing" else status
    assert (f"This order is {told}. Do not pack it." in slip) == called_off
    assert (f"This order is {told}." in confirmation) == called_off
    assert ("has not been paid" in slip) == (status == "pending")


@pytest.mark.parametrize("name", DOCUMENTS)
def test_a_printed_document_needs_no_inline_scripts_or_styles(
    database: Database[Document], support: Client, name: str
) -> None:
    order = insert(database, stored())
    content = printed(support, order, name).content.decode()
    assert re.findall(r"<script([^>]*)>(.*?)</script>", content, flags=re.S) == [
        (' src="/static/orders/print.js" defer', "")
    ]
    for inline in ("<style", " style=", "onclick", "javascript:"):
        assert inline not in content
    assert content.count("<h1") == 1


@pytest.mark.parametrize("name", DOCUMENTS)
def test_what_others_wrote_is_printed_escaped(database: Database[Document], support: Client, name: str) -> None:
    address = dict.fromkeys(("line1", "line2", "city", "state", "postal_code", "country"), SCRIPT)
    theirs: dict[str, Any] = {"user_id": SCRIPT, "number": SCRIPT, "shipping_address": address}
    order = insert(database, stored() | theirs | {"items": [line() | {"product_id": SCRIPT}]})
    content = printed(support, order, name).content.decode()
    assert "<script>alert" not in content
    assert "&lt;script&gt;alert" in content


@pytest.mark.parametrize("name", DOCUMENTS)
def test_an_order_of_a_hundred_lines_is_printed_whole_off_one_document(
    database: Database[Document], support: Client, name: str
) -> None:
    products = [str(ObjectId()) for _ in range(100)]
    order = insert(database, stored(items=[line() | {"product_id": product} for product in products]))
    support.get(form_of(order, name))
    with profiled(database) as operations:
        text = text_of(printed(support, order, name))
    assert [product for product in products if product not in text] == []
    of_orders = [operation for operation in operations if operation["ns"].endswith(".orders")]
    assert [operation["planSummary"] in ("IDHACK", "IXSCAN { _id: 1 }") for operation in of_orders] == [True]


@pytest.mark.parametrize("name", DOCUMENTS)
def test_only_whoever_may_look_prints_and_only_orders_that_exist(database: Database[Document], name: str) -> None:
    order, support = insert(database, stored()), client_of("Support")
    assert client_of("nobody").get(form_of(order, name)).status_code == 403
    assert Client().get(form_of(order, name)).status_code == 302
    for method in (support.post, support.put, support.delete):
        assert method(form_of(order, name)).status_code == 405
    assert support.head(form_of(order, name)).status_code == 200
    for given in ("x", "0" * 24, "a/b", "%00", "9" * 3000):
        assert support.get(f"{LIST}{given}/{name}/").status_code == 404


def test_addresses_without_second_line_or_state_leave_no_gap(database: Database[Document], support: Client) -> None:
    order = insert(database, stored())
    content = printed(support, order, "packing-slip").content.decode()
    assert "<br><br>" not in content
    assert "1 Long Street<br>12345 Springfield<br>Freedonia" in content
