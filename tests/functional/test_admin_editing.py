"""Addresses, notes and reasons on an order's page: what they change, and what becomes of what was typed."""

import re
from typing import Any

import pytest
from django.http import HttpResponse
from django.test import Client
from pymongo.database import Database

from integrations.sandbox import Sandbox
from orders.admin import timeline
from orders.models import edges_from
from tests.functional.admin_helpers import (
    ADDRESS,
    EDGES,
    LIST,
    WHY,
    Document,
    client_of,
    entry,
    find,
    form_of,
    insert,
    line,
    main_of,
    page,
    placed,
    press,
    profiled,
    said,
    stored,
    text_of,
)
from tests.integration.builders import answer_lost

NOBODY = {"name": "", "company": "", "phone": ""}
ELSEWHERE = ADDRESS | NOBODY | {"line1": "2 Short Street", "line2": "c/o Rufus", "city": "Sylvania"}
TYPED = "The customer moved “yesterday” <b>"
ESCAPED = "The customer moved “yesterday” &lt;b&gt;"


@pytest.fixture
def manager(database: Database[Document]) -> Client:
    return client_of("Manager")


def post(client: Client, order: Document, name: str, fields: dict[str, Any], **changes: Any) -> HttpResponse:
    """Post a form of the page; a None leaves a field out."""
    form = fields | changes
    return client.post(form_of(order, name), {name: value for name, value in form.items() if value is not None})


def move(client: Client, order: Document, **changes: Any) -> HttpResponse:
    return post(client, order, "address", {**ELSEWHERE, "version": order["version"], "reason": TYPED}, **changes)


def note(client: Client, order: Document, text: str | None = TYPED) -> HttpResponse:
    return post(client, order, "note", {"text": text})


def test_a_new_address_is_on_the_page_and_the_old_one_in_the_timeline(
    database: Database[Document], manager: Client
) -> None:
    order = insert(database, stored())
    response = move(manager, order)
    assert (response.status_code, response.url) == (302, page(order))
    assert said(response) == [
        f"The shipping address of order {order['number']} is now 2 Short Street, c/o Rufus, 12345 Sylvania, Freedonia."
    ]
    after = find(database, order)
    assert (after["shipping_address"], after["version"], after["status"]) == (ELSEWHERE, 2, "pending")
    last = after["history"][-1]
    assert (last["act"], last["actor"], last["via"], last["reason"]) == (
        *("change_address", "staff:Manager", "admin", TYPED),
    )
    text = text_of(manager.get(page(order)))
    assert "Shipping address 2 Short Street c/o Rufus 12345 Sylvania Freedonia" in text
    assert "Manager changed the shipping address. " in text
    assert f" {TYPED} Before: 1 Long Street, 12345 Springfield, Freedonia" in text


def test_who_receives_it_is_part_of_the_address(database: Database[Document], manager: Client) -> None:
    order = insert(database, stored())
    form = main_of(manager.get(page(order)))
    for name, label, longest in (("name", "Recipient name", 200), ("company", "Company", 200), ("phone", "Phone", 40)):
        assert f'<label for="address-{name}">{label} (optional)</label>' in form
        assert f'name="{name}" value="" maxlength="{longest}" autocomplete' in form
    recipient = {"name": "<b>Rufus</b>", "company": "=1+1", "phone": "555 0199"}
    form_data = ELSEWHERE | recipient | {"version": order["version"], "reason": TYPED}
    assert said(post(manager, order, "address", form_data)) == [
        f"The shipping address of order {order['number']} is now <b>Rufus</b>, =1+1, 2 Short Street, c/o Rufus, "
        "12345 Sylvania, Freedonia, 555 0199."
    ]
    assert find(database, order)["shipping_address"] == ELSEWHERE | recipient
    main = main_of(manager.get(page(order)))
    assert 'name="name" value="&lt;b&gt;Rufus&lt;/b&gt;"' in main
    assert "<b>Rufus" not in main
    response = move(manager, find(database, order), phone="call me")
    assert response.status_code == 400
    assert re.search(r'name="phone" value="call me" .*aria-invalid="true"', main_of(response))
    assert "A telephone number has at least three digits." in text_of(response)


def test_an_address_may_be_without_a_postal_code(database: Database[Document], manager: Client) -> None:
    order = insert(database, stored())
    response = move(manager, order, postal_code="")
    assert said(response) == [
        f"The shipping address of order {order['number']} is now 2 Short Street, c/o Rufus, Sylvania, Freedonia."
    ]
    assert find(database, order)["shipping_address"]["postal_code"] == ""


@pytest.mark.parametrize("status", EDGES)
def test_the_address_can_be_edited_until_shipping(database: Database[Document], manager: Client, status: str) -> None:
    order = insert(database, stored(status=status))
    before = find(database, order)
    editable = status in ("pending", "paid", "processing")
    assert ('name="line1"' in main_of(manager.get(page(order)))) == editable
    response = move(manager, order)
    if editable:
        assert response.status_code == 302
        assert find(database, order)["shipping_address"] == ELSEWHERE
        return
    assert response.status_code == 409
    assert said(response) == [f"Nothing was changed. This order is {status}: its address can no longer be changed."]
    assert find(database, order) == before
    kept = f"2 Short Street c/o Rufus Sylvania 12345 Freedonia {TYPED}"
    told = "What you typed This form is no longer available. Copy anything you still need."
    assert f"{told} {kept}" in text_of(response)


def test_line_breaks_of_an_address_are_shown_in_its_form(database: Database[Document], manager: Client) -> None:
    order = stored()
    order["shipping_address"]["line1"] = "1 Long Street\r\nRear building\nLeft"
    insert(database, order)
    main = main_of(manager.get(page(order)))
    assert 'name="line1" value="1 Long Street, Rear building, Left"' in main


def test_an_older_address_with_characters_that_turn_the_text_round_can_be_edited(
    database: Database[Document], manager: Client
) -> None:
    order = stored()
    order["shipping_address"]["city"] = "Spring\u202efield"
    insert(database, order)
    kept = order["shipping_address"] | {"line2": "Rear\tbuilding"}
    assert move(manager, order, **kept).status_code == 302
    assert find(database, order)["shipping_address"] == kept | NOBODY | {
        "city": "Springfield", "line2": "Rear building",
    }  # fmt: skip


def test_a_wrong_address_is_shown_again_with_what_is_wrong(database: Database[Document], manager: Client) -> None:
    order = insert(database, stored())
    before = find(database, order)
    response = move(manager, order, city=" ", postal_code="9" * 21)
    assert response.status_code == 400
    assert said(response) == ["Nothing was changed. Check the address."]
    main = main_of(response)
    assert re.search(r'name="city" value=" " .*aria-invalid="true" aria-describedby="address-city-error"', main)
    assert f'name="postal_code" value="{"9" * 21}"' in main
    assert 'name="line1" value="2 Short Street"' in main
    assert f'value="{ESCAPED}"' in main
    assert "<details open>" in main
    assert "This field cannot be blank." in text_of(response)
    assert find(database, order) == before


@pytest.mark.parametrize(
    "nonsense",
    [{"version": None}, {"version": "x"}, {"version": "9" * 30}, {"version": "٣"}, {"line1": None}, {"country": None},
     {"line1": "a\0b"}, {"line1": "x" * 100_000}, ADDRESS],
)  # fmt: skip
def test_an_address_form_that_was_tampered_with_changes_nothing(
    database: Database[Document], manager: Client, nonsense: dict[str, Any]
) -> None:
    order = insert(database, stored())
    before = find(database, order)
    response = move(manager, order, **nonsense)
    assert response.status_code in (400, 409)
    assert said(response)[-1].startswith("Nothing was changed.")
    assert find(database, order) == before


def test_a_note_is_in_the_timeline_of_an_order_of_any_status(database: Database[Document]) -> None:
    support = client_of("Support")
    for index, status in enumerate(EDGES):
        order = insert(database, stored(index, status=status))
        response = note(support, order)
        assert (response.status_code, response.url) == (302, page(order))
        assert said(response)[-1] == "Note added."
        after = find(database, order)
        assert (after["version"], after["status"], after["history"][-1]["reason"]) == (2, status, TYPED)
        assert re.search(
            rf"Support added an internal note\. [0-9:]+ UTC {re.escape(TYPED)} ", text_of(support.get(page(order)))
        )


@pytest.mark.parametrize("text", [None, "", "  ", "x" * 501])
def test_a_note_that_is_none_is_refused_and_kept(
    database: Database[Document], manager: Client, text: str | None
) -> None:
    order = insert(database, stored())
    before = find(database, order)
    response = note(manager, order, text)
    assert response.status_code == 400
    assert said(response)[-1].startswith("Nothing was changed. A note has 1 to 500 characters;")
    assert find(database, order) == before
    assert f"required>{text or ''}</textarea>" in main_of(response)


def test_a_note_contradicts_nobody(database: Database[Document], manager: Client) -> None:
    order = insert(database, stored())
    press(client_of("Finance"), order, "pay")
    assert post(manager, order, "note", {"text": "Hello", "version": "1"}).status_code == 302
    after = find(database, order)
    assert (after["status"], after["version"]) == ("paid", 3)


@pytest.mark.parametrize("name", ["address", "note"])
def test_a_form_without_its_csrf_token_changes_nothing(database: Database[Document], name: str) -> None:
    order = insert(database, stored())
    client = client_of("Manager", enforce_csrf_checks=True)
    fields = {**ELSEWHERE, "version": "1", "text": "Hello"}
    assert post(client, order, name, fields).status_code == 403
    assert find(database, order)["version"] == 1
    token = re.search(r'name="csrfmiddlewaretoken" value="(\w+)"', main_of(client.get(page(order))))
    assert token
    assert post(client, order, name, fields, csrfmiddlewaretoken=token[1]).status_code == 302
    assert find(database, order)["version"] == 2


@pytest.mark.parametrize("name", ["address", "note"])
def test_a_form_is_posted_to_an_order_that_exists(database: Database[Document], manager: Client, name: str) -> None:
    order = insert(database, stored())
    assert manager.get(form_of(order, name)).status_code == 405
    for given in ("0" * 24, "x", "a/b", "%00"):
        assert manager.post(f"{LIST}{given}/{name}/", {"text": "Hello"} | ELSEWHERE).status_code == 404
    assert find(database, order)["version"] == 1


# --- somebody else was faster -----------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["cancel", "address"])
def test_who_is_late_sees_what_changed_and_by_whom_and_keeps_what_was_typed(
    database: Database[Document], sandbox: Sandbox, name: str
) -> None:
    seen, manager = placed(), client_of("Manager")
    press(client_of("Finance"), seen, "pay", reason="Wire transfer")
    note(client_of("Support"), seen, "Is in a hurry")
    between = find(database, seen)
    response = move(manager, seen) if name == "address" else press(manager, seen, "cancel", reason=TYPED)
    assert response.status_code == 409
    assert find(database, seen) == between
    assert sandbox.control.counts().get("release", 0) == 0
    text, main = text_of(response), main_of(response)
    assert "Someone updated this order while you were viewing it" in text
    assert "Finance recorded €29.80 as paid. just now : “Wire transfer”" in text
    assert "Support added an internal note. just now : “Is in a hurry”" in text
    assert "<details open>" in main
    assert f'value="{ESCAPED}"' in main
    if name == "address":
        assert 'name="line1" value="2 Short Street"' in main
        assert re.search(r"Shipping address [\w ]*\b1 Long Street", text)
    versions = set(re.findall(r'name="version" value="(\d+)"', main))
    assert versions == {str(between["version"])}
    again = between if name == "cancel" else between | {"version": int(versions.pop())}
    response = move(manager, again) if name == "address" else press(manager, again, "cancel", reason=TYPED)
    assert response.status_code == 302
    assert find(database, seen)["version"] == between["version"] + 1


def test_what_was_typed_is_not_lost_with_its_form(database: Database[Document], manager: Client) -> None:
    order = insert(database, stored(status="paid"))
    press(client_of("Finance"), order, "refund")
    response = press(manager, order, "cancel", reason=TYPED)
    assert response.status_code == 409
    text = text_of(response)
    assert "Finance recorded €29.80 as refunded: the order is refunded. just now" in text
    assert f"What you typed This form is no longer available. Copy anything you still need. {TYPED}" in text
    assert find(database, order)["status"] == "refunded"


def changed(what: str, who: str) -> str:
    return f"Someone updated this order. Last change: {what}, by {who}."


def test_an_open_page_can_ask_whether_the_order_has_changed(database: Database[Document], manager: Client) -> None:
    order = insert(database, stored())
    main = main_of(manager.get(page(order)))
    url = re.search(r'data-version-url="([^"]+)" data-version="1"', main)
    assert url
    assert manager.get(url[1]).json() == {"version": 1, "told": changed("Order placed", "customer 1")}
    press(client_of("Finance"), order, "pay")
    with profiled(database) as operations:
        assert manager.get(url[1]).json() == {"version": 2, "told": changed("Paid", "Finance")}
    [asked] = [operation for operation in operations if operation["ns"].endswith(".orders")]
    assert asked["planSummary"] in ("IDHACK", "IXSCAN { _id: 1 }")
    assert asked["docsExamined"] == 1
    database["orders"].update_one({"_id": order["_id"]}, {"$set": {"history": [entry("stock", line=0)]}})
    assert manager.get(url[1]).json() == {"version": 2, "told": "Someone updated this order."}
    for given in ("x", "0" * 24, "a/b", "z" * 24, "%00"):
        assert manager.get(f"{LIST}{given}/version/").status_code == 404
    assert client_of("nobody").get(url[1]).status_code == 403


def test_a_write_that_the_database_does_not_confirm_keeps_what_was_typed(
    database: Database[Document], manager: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    order = insert(database, stored())
    answer_lost(monkeypatch, written=True)
    response = move(manager, order)
    assert response.status_code == 503
    assert said(response)[0].startswith("The database did not answer in time.")
    main = main_of(response)
    assert 'name="line1" value="2 Short Street"' in main
    assert 'name="version" value="1"' in main
    assert find(database, order)["version"] == 2
    again = move(manager, order)
    assert again.status_code == 409
    assert "Manager changed the shipping address. just now" in text_of(again)


# --- what the buttons say ---------------------------------------------------------------------------------------------

LINES = {
    "pending": [line("reserved"), line("reserved")],
    "paid": [line("reserved") | {"quantity": 1}],
    "processing": [line("reserved"), line("reserved") | {"quantity": 3, "product_id": "f" * 24}],
    "shipped": [line("used")],
    "delivered": [line("used")],
}
OWED = "€29.80 has been paid and will be owed to the customer."
SAYS = {
    ("pending", "pay"): "Records the payment. Stock stays reserved.",
    ("pending", "cancel"): "Releases 4 units of 1 product. This cannot be undone.",
    ("paid", "start_processing"): "Records that the order is being prepared. Stock stays reserved.",
    ("paid", "cancel"): f"Releases 1 unit of 1 product. {OWED} This cannot be undone.",
    ("paid", "refund"): "Releases 1 unit of 1 product. This cannot be undone.",
    ("processing", "ship"): "Deducts 5 units from stock. This cannot be undone.",
    ("processing", "cancel"): f"Releases 5 units of 2 products. {OWED} This cannot be undone.",
    ("processing", "refund"): "Releases 5 units of 2 products. This cannot be undone.",
    ("shipped", "deliver"): "Records the delivery.",
    ("shipped", "refund"): "Releases no stock: the goods have been shipped. This cannot be undone.",
    ("delivered", "refund"): "Releases no stock: the goods have been shipped. This cannot be undone.",
}


@pytest.mark.parametrize("status", LINES)
def test_each_button_says_what_it_will_do(database: Database[Document], manager: Client, status: str) -> None:
    order = insert(database, stored(status=status, items=LINES[status]))
    main = main_of(manager.get(page(order)))
    for edge in edges_from(status):
        assert f'<p id="about-{edge.name}">{SAYS[status, edge.name]}</p>' in main
        assert (f'aria-describedby="about-{edge.name}"') in main


def test_of_an_order_without_stock_nothing_is_released_or_used(database: Database[Document], manager: Client) -> None:
    main = main_of(manager.get(page(insert(database, stored(status="processing", items=[line("none")])))))
    assert "Releases no stock: none is reserved for this order." in main
    assert "Deducts nothing from stock: none is reserved for this order." in main


@pytest.mark.parametrize("reason", [None, "", "  "])
@pytest.mark.parametrize("transition", ["cancel", "refund"])
def test_nobody_cancels_or_refunds_without_saying_why(
    database: Database[Document], sandbox: Sandbox, manager: Client, transition: str, reason: str | None
) -> None:
    order = insert(database, stored(status="paid"))
    before = find(database, order)
    response = press(manager, order, transition, reason=reason)
    assert response.status_code == 400
    assert said(response) == [f"Nothing was changed. A reason is required to {transition} an order."]
    assert find(database, order) == before
    assert sandbox.control.calls() == []
    main = main_of(manager.get(page(order)))
    assert f'<select id="code-{transition}" name="reason_code" required>' in main
    assert press(manager, order, "start_processing", reason=reason).status_code == 302


def test_a_long_timeline_is_open_at_its_new_end(database: Database[Document], manager: Client) -> None:
    notes = [entry("note", reason=f"note {number}.", actor="staff:maria", via="admin") for number in range(40)]
    order = insert(database, stored(version=41))
    database["orders"].update_one({"_id": order["_id"]}, {"$push": {"history": {"$each": notes}}})
    text = text_of(manager.get(page(order)))
    places = [
        text.index(told) for told in ("note 39.", "16 earlier entries", "note 14.", "The customer placed the order.")
    ]
    assert places == sorted(places)
    assert text.index(f"note {40 - timeline.RECENT}.") < text.index("16 earlier entries")


def test_products_and_customers_lead_to_their_orders(database: Database[Document], manager: Client) -> None:
    order = insert(database, stored())
    main = main_of(manager.get(page(order)))
    assert f'href="{LIST}?product={order["items"][0]["product_id"]}"' in main
    assert f'href="{LIST}?user=1"' in main
    assert WHY not in main
