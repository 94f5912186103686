"""Parts of an order in the backoffice: parcels, cancelled items, refunds, returns and holds."""

from datetime import UTC, datetime
from typing import Any

import pytest
from bson import Decimal128
from django.http import HttpResponse
from django.test import Client
from pymongo.database import Database
from pytest_django.fixtures import Settings

from integrations.sandbox import Sandbox
from orders.services.errors import OrderError
from orders.services.fulfilment import returning
from orders.services.lifecycle.tracking import CARRIERS
from tests.functional.admin_helpers import (
    LIST,
    PATHS,
    Document,
    client_of,
    find,
    form_of,
    insert,
    line,
    page,
    placed,
    press,
    rows,
    said,
    stored,
    text_of,
)
from tests.integration.builders import stock_of

WHY = {"reason_code": "out_of_stock", "reason": "Broken"}


@pytest.fixture
def manager(database: Database[Document]) -> Client:
    return client_of("Manager")


def post(client: Client, order: Document, name: str, **fields: Any) -> HttpResponse:
    """Post a form with the version that the order was read at."""
    return client.post(form_of(order, name), {"version": order["version"]} | fields)


def done(client: Client, database: Database[Document], order: Document, name: str, **fields: Any) -> Document:
    """Post a form that is obeyed. :returns: the order after it."""
    response = post(client, order, name, **fields)
    assert (response.status_code, response.url) == (302, page(order)), said(response)
    return find(database, order)


def states(order: Document) -> list[str]:
    return [item["stock"]["state"] for item in order["items"]]


def test_units_leave_in_parcels_whose_tracking_is_shown_as_a_link(
    sandbox: Sandbox, database: Database[Document], manager: Client
) -> None:
    order = placed("pay", "start_processing", quantity=3)
    tracking = {"carrier": "ups", "tracking_number": "1Z 9", "tracking_url": ""}
    part = done(manager, database, order, "ship", quantity_0="1", **tracking)
    assert (part["status"], states(part)) == ("processing", ["reserved", "used"])
    text, content = text_of(response := manager.get(page(order))), response.content.decode()
    assert f"Parcel 1 of order {order['number']} has been shipped." in said(response)
    assert "Shipped in parcel 1" in text
    assert "Item 2, split from item 1" in text
    assert '<a href="https://www.ups.com/track?tracknum=1Z%209" rel="noopener noreferrer" target="_blank">' in content
    assert 'value="cancel"' not in content, "the way out is to cancel the rest"
    assert "Cancel items…" in text
    for carrier in CARRIERS:
        assert f'<option value="{carrier}">' in content
    whole = done(manager, database, part, "ship", quantity_0="2")
    assert (whole["status"], len(whole["shipments"])) == ("shipped", 2)
    assert "The order is now shipped." in said(manager.get(page(order)))[-1]


def test_a_tracking_is_corrected_and_the_link_follows(
    sandbox: Sandbox, database: Database[Document], manager: Client
) -> None:
    order = done(manager, database, placed("pay", "start_processing"), "ship", quantity_0="2", carrier="UPS",
                 tracking_number="OLD")  # fmt: skip
    assert 'name="tracking_url" type="url" maxlength="500" autocomplete="off" value=""' in " ".join(
        manager.get(page(order)).content.decode().split()
    ), "what follows from the carrier is not kept when the number changes"
    order = done(manager, database, order, "tracking", number="0", carrier="UPS", tracking_number="NEW")
    assert order["shipments"][0]["tracking_url"].endswith("=NEW")
    order = done(manager, database, order, "tracking", number="0", tracking_url="https://carrier.example/7")
    assert 'value="https://carrier.example/7"' in manager.get(page(order)).content.decode()
    typed = {"form": "tracking 0", "number": "0", "tracking_url": "javascript:alert(1)"}
    response = post(manager, order, "tracking", **typed)
    assert response.status_code == 400
    assert (
        said(response)[-1]
        == "Nothing was changed. Give an address that begins with https:// or http://, in visible ASCII."
    )
    assert "javascript:alert(1)" in response.content.decode(), "what was typed"
    assert find(database, order) == order
    for number in ("1", "x", ""):
        assert post(manager, order, "tracking", number=number).status_code in (400, 409)
    assert find(database, order) == order


def test_items_are_cancelled_in_part_and_what_was_paid_for_them_is_owed_until_it_is_refunded(
    sandbox: Sandbox, database: Database[Document], manager: Client
) -> None:
    order = placed("pay", quantity=3)
    before = stock_of(sandbox)
    text = text_of(manager.get(page(order)))
    assert "Releases 3 units of 1 product. €44.70 has been paid and will be owed to the customer." in text
    part = done(manager, database, order, "cancellation", quantity_0="2", **WHY)
    assert stock_of(sandbox) == (before[0] + 2, before[1] - 2)
    assert part["status"] == "paid"
    text = text_of(response := manager.get(page(order)))
    assert said(response)[-1] == f"2 units of order {order['number']} cancelled. €29.80 is owed to the customer."
    assert "Owed to the customer €29.80" in text
    assert "€29.80 is owed to the customer: pay it back, then record the refund." in text
    assert "Manager cancelled items. " in text
    assert " Out of stock: Broken " in text
    assert rows(manager.get(f"{LIST}?flag=money")) == [order["number"]]
    refunded = done(manager, database, part, "refund", amount="29,80", reference="RF-1", **WHY)
    assert "owed" not in refunded
    assert refunded["status"] == "paid"
    text = text_of(manager.get(page(order)))
    assert "Owed to the customer Nothing" in text
    assert "Refunded €29.80 , RF-1 , Out of stock" in text
    assert "€14.90 is left to refund." in text
    assert rows(manager.get(f"{LIST}?flag=money")) == []


def test_a_refund_never_exceeds_what_is_left_and_is_of_an_amount_or_of_items(
    sandbox: Sandbox, database: Database[Document], manager: Client
) -> None:
    order = find(database, placed("pay", quantity=3))
    refused = {
        "Enter an amount, or choose items.": {},
        "Enter an amount above 0, such as 12.50.": {"amount": "x"},
        "44.70 is left of what was paid": {"amount": "44.71"},
        "Give an amount or lines, not both.": {"amount": "1", "quantity_0": "1"},
        "A reason is required": {"amount": "1", "reason_code": "", "reason": ""},
        "Say in words what the other reason is.": {"amount": "1", "reason_code": "other", "reason": ""},
    }
    for why, fields in refused.items():
        response = post(manager, order, "refund", **{"form": "refund part", **WHY, **fields})
        assert response.status_code in (400, 409)
        assert why in said(response)[-1]
        assert f'value="{fields.get("amount", "")}"' in response.content.decode()
        assert find(database, order) == order
    assert post(manager, order, "refund", amount="0", **WHY).status_code == 400
    part = done(manager, database, order, "refund", quantity_0="1", **WHY)
    assert part["refunds"][0]["amount"] == Decimal128("14.90")
    assert done(manager, database, part, "refund", amount="29.80", **WHY)["status"] == "refunded"


def test_a_german_is_offered_what_is_owed_and_types_amounts_as_germans_write_them(
    sandbox: Sandbox, database: Database[Document]
) -> None:
    german = client_of("Manager")
    german.defaults["HTTP_ACCEPT_LANGUAGE"] = "de"
    order = find(database, placed("pay", quantity=3))
    part = done(german, database, order, "cancellation", quantity_0="2", **WHY)
    assert 'value="29,80"' in german.get(page(order)).content.decode()
    response = post(german, part, "refund", amount="29.800", **WHY)
    assert (response.status_code, find(database, order)) == (400, part)
    assert "12,50" in said(response)[-1]
    refunded = done(german, database, part, "refund", amount="29,80", **WHY)
    assert [refund["amount"] for refund in refunded["refunds"]] == [Decimal128("29.80")]


def test_items_are_cancelled_and_refunded_in_one_act(
    sandbox: Sandbox, database: Database[Document], manager: Client
) -> None:
    order = placed("pay", quantity=3)
    before = stock_of(sandbox)
    part = done(manager, database, order, "cancellation", quantity_0="2", refund="yes", **WHY)
    assert stock_of(sandbox) == (before[0] + 2, before[1] - 2)
    assert part["status"] == "paid"
    assert "owed" not in part
    assert (part["refunds"][0]["amount"], part["refunds"][0]["code"]) == (Decimal128("29.80"), "out_of_stock")
    assert said(manager.get(page(order)))[-1] == (
        f"2 units of order {order['number']} cancelled. €29.80 recorded as refunded."
    )
    unpaid = placed(quantity=3)
    part = done(manager, database, unpaid, "cancellation", quantity_0="1", refund="yes", **WHY)
    assert part["items"][1]["removed"] == "cancelled"
    assert "refunds" not in part
    assert "1 unit of order" in (told := said(manager.get(page(unpaid)))[-1])
    assert "The refund was not recorded." in told


def test_goods_that_are_here_are_taken_back_received_and_refunded_in_one_act(
    sandbox: Sandbox, database: Database[Document], manager: Client
) -> None:
    order = placed("pay", "start_processing", "ship", quantity=3)
    before = stock_of(sandbox)
    whole = {"quantity_0": "2", "reason_code": "customer", "refund": "yes"}
    seen = find(database, order)
    assert post(manager, order, "return", **whole).status_code == 400, "it does not say that they are here"
    assert find(database, order) == seen
    after = done(manager, database, order, "return", **whole, restock="yes")
    assert stock_of(sandbox) == (before[0] + 2, before[1] - 2)
    assert "owed" not in after
    assert (after["refunds"][0]["amount"], after["refunds"][0]["code"]) == (Decimal128("29.80"), "customer")
    assert said(manager.get(page(order)))[-1] == (
        f"Return 1 of order {order['number']} is received, and restocked. €29.80 recorded as refunded."
    )
    last = done(manager, database, after, "return", quantity_0="1", reason_code="customer", restock="no")
    assert last["owed"] == Decimal128("14.90")
    assert "not restocked. €14.90 is owed to the customer." in said(manager.get(page(order)))[-1]


def test_a_return_that_was_opened_and_could_not_be_received_says_so(
    sandbox: Sandbox, database: Database[Document], manager: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(**_given: object) -> None:
        raise OrderError("Somebody was faster.")

    order = placed("pay", "start_processing", "ship", quantity=3)
    monkeypatch.setattr(returning, "receive_return", refuse)
    after = done(manager, database, order, "return", quantity_0="1", reason_code="customer", restock="yes")
    assert after["returns"][0].get("received_at") is None
    told = f"Return 1 of order {order['number']} is open, but was not received. Somebody was faster."
    assert said(manager.get(page(order)))[-1] == told


@pytest.mark.parametrize(
    ("role", "status", "form"), [("Support", "paid", "cancellation"), ("Fulfilment", "shipped", "return")]
)
def test_who_may_not_refund_does_neither_with_a_refund(
    sandbox: Sandbox, database: Database[Document], role: str, status: str, form: str
) -> None:
    order, colleague = find(database, placed(*PATHS[status], quantity=3)), client_of(role)
    asked = {"quantity_0": "1", "restock": "yes", **WHY}
    assert post(colleague, order, form, **asked, refund="yes").status_code == 403
    assert find(database, order) == order
    offer = {"cancellation": "Cancel and record the refund", "return": "Take back and record the refund"}[form]
    assert offer in text_of(client_of("Manager").get(page(order)))
    assert offer not in text_of(colleague.get(page(order)))
    assert post(Client(), order, form, **asked).status_code == 302
    assert find(database, order) == order


def test_a_form_of_an_older_page_changes_nothing(
    sandbox: Sandbox, database: Database[Document], manager: Client
) -> None:
    order = placed("pay", "start_processing", quantity=3)
    seen = done(manager, database, order, "ship", quantity_0="1")
    forms: dict[str, dict[str, str]] = {
        "ship": {"quantity_0": "1"},
        "tracking": {"number": "0"},
        "cancellation": {"quantity_0": "1"},
        "refund": {"amount": "1"},
        "return": {"quantity_1": "1"},
        "hold": {},
        "lift": {},
    }
    for name, fields in forms.items():
        response = manager.post(form_of(order, name), {"version": order["version"], **WHY, **fields})
        assert response.status_code == 409, name
        assert said(response)[-1] == "Someone updated this order. Your change was not saved."
        assert manager.post(form_of(order, name), {**WHY, **fields}).status_code == 400, "no version"
        assert find(database, order) == seen
    for name in ("ship", "cancellation", "return"):
        for units in ({}, {"quantity_0": "0"}, {"quantity_0": "-1"}, {"quantity_0": "1.5"}, {"quantity_0": "99"}):
            assert post(manager, seen, name, **WHY, **units).status_code in (400, 409), (name, units)
    assert find(database, order) == seen


def test_what_was_typed_into_a_refused_form_is_still_there(
    sandbox: Sandbox, database: Database[Document], manager: Client
) -> None:
    order = placed("pay", "start_processing", quantity=3)
    typed = {"form": "ship", "quantity_0": "2", "carrier": "Own van", "tracking_number": "X" * 65}
    response = post(manager, order, "ship", **typed)
    assert response.status_code == 400
    content = response.content.decode()
    assert 'name="quantity_0" type="number" min="0" max="3" step="1" value="2"' in content
    assert 'value="Own van"' in content
    assert "Copy anything you still need." not in content


@pytest.mark.parametrize("restock", ["yes", "no"])
def test_goods_come_back_and_are_received(
    sandbox: Sandbox, database: Database[Document], manager: Client, restock: str
) -> None:
    order = placed("pay", "start_processing", "ship", quantity=3)
    before = stock_of(sandbox)
    back = done(manager, database, order, "return", quantity_0="1", reason_code="customer")
    text = text_of(manager.get(page(order)))
    assert "Coming back (return 1)" in text
    assert "Return 1 Coming back" in text
    assert post(manager, back, "receive", number="0").status_code == 400, "it does not say whether to restock"
    after = done(manager, database, back, "receive", number="0", restock=restock)
    told = "Returned, restocked" if restock == "yes" else "Returned, not restocked"
    text = text_of(manager.get(page(order)))
    assert f"Return 1 {told}" in text
    assert "Returned (return 1)" in text
    assert "Owed to the customer €14.90" in text
    gained = restock == "yes"
    assert stock_of(sandbox) == (before[0] + gained, before[1] - gained)
    assert after["status"] == "shipped"
    assert post(manager, after, "receive", number="0", restock="yes").status_code == 409
    assert post(manager, after, "receive", number="1", restock="yes").status_code == 409


def test_a_return_is_refunded_as_it_is_received(
    sandbox: Sandbox, database: Database[Document], manager: Client
) -> None:
    order = placed("pay", "start_processing", "ship", quantity=3)
    back = done(manager, database, order, "return", quantity_0="2", reason_code="customer")
    assert "Also record a refund of €29.80" in text_of(manager.get(page(order)))
    after = done(manager, database, back, "receive", number="0", restock="no", refund="yes")
    assert "owed" not in after
    assert (after["refunds"][0]["amount"], after["refunds"][0]["code"]) == (Decimal128("29.80"), "customer")
    assert "€29.80 recorded as refunded." in said(manager.get(page(order)))[-1]


def test_where_nothing_is_left_to_refund_the_return_is_received_all_the_same(
    database: Database[Document], manager: Client
) -> None:
    at = datetime.now(UTC)
    order = insert(
        database,
        stored(
            status="shipped",
            items=[line("used") | {"returned_in": 0}],
            paid_at=at,
            **{name: Decimal128("29.80") for name in ("paid", "refunded")},
            returns=[{"at": at, "code": "customer"}],
        ),
    )
    assert "Also record a refund" not in text_of(manager.get(page(order)))
    after = done(manager, database, order, "receive", number="0", restock="no", refund="yes")
    assert after["items"][0]["removed"] == "returned"
    assert "The refund was not recorded." in said(manager.get(page(order)))[-1]


def test_where_inventory_consumes_the_form_says_that_it_is_not_told(
    sandbox: Sandbox, database: Database[Document], manager: Client, settings: Settings
) -> None:
    order = placed("pay", "start_processing", "ship")
    done(manager, database, order, "return", quantity_0="1", reason_code="customer")
    told = "Inventory is not told about returned goods"
    assert told not in text_of(manager.get(page(order)))
    settings.INVENTORY_CONSUMES = True
    assert told in text_of(manager.get(page(order)))


def test_a_held_order_says_why_it_goes_no_further_until_the_hold_is_lifted(
    database: Database[Document], manager: Client
) -> None:
    order = insert(database, stored(status="paid"))
    held = done(manager, database, order, "hold", reason_code="fraud", reason="Third card today")
    text = text_of(response := manager.get(page(order)))
    assert "Paid On hold" in text
    assert "On hold: Suspected fraud Third card today By Manager" in text
    assert "Start processing It is on hold." in text
    assert 'value="start_processing"' not in response.content.decode()
    assert press(manager, held, "start_processing").status_code == 409
    assert find(database, order) == held
    assert rows(manager.get(f"{LIST}?flag=held")) == [order["number"]]
    assert post(manager, held, "hold", **WHY).status_code == 409
    free = done(manager, database, held, "lift")
    assert "held_at" not in free
    assert 'value="start_processing"' in manager.get(page(order)).content.decode()
    assert rows(manager.get(f"{LIST}?flag=held")) == []


def test_a_payment_is_recorded_with_its_reference_and_found_by_it(
    sandbox: Sandbox, database: Database[Document], manager: Client
) -> None:
    order = placed()
    assert press(manager, order, "pay", reference="TX-4711", method="Wire").status_code == 302
    assert find(database, order)["payments"][0]["reference"] == "TX-4711"
    text = text_of(manager.get(page(order)))
    assert "Paid €29.80 , TX-4711 , Wire" in text
    assert rows(manager.get(f"{LIST}?q=TX-4711&status=paid")) == [order["number"]]


def test_an_order_of_before_there_were_parts_shows_what_it_was_paid(
    database: Database[Document], manager: Client
) -> None:
    order = insert(database, stored(status="shipped", items=[line("used")], paid_at=datetime.now(UTC)))
    text = text_of(manager.get(page(order)))
    assert "Paid €29.80 Refunded €0.00 Owed to the customer Nothing" in text
    assert "Parcels" not in text
    assert "Take back…" in text


def test_an_order_that_was_never_paid_has_no_panel_of_money(database: Database[Document], manager: Client) -> None:
    order = insert(database, stored())
    text = text_of(manager.get(page(order)))
    assert "Payments and refunds" not in text
    assert "has been paid and will be owed" not in text


def test_the_cancelled_order_tells_what_is_owed(
    sandbox: Sandbox, database: Database[Document], manager: Client
) -> None:
    order = placed("pay")
    response = press(manager, order, "cancel", reason_code="customer", reason="")
    assert said(response)[-1] == f"Order {order['number']} is now cancelled. €29.80 is owed to the customer."
    assert find(database, order)["history"][-2]["code"] == "customer"
    attention = manager.get(f"{LIST}attention/")
    assert "Money owed 1" in text_of(attention)
    assert "€29.80 owed" in text_of(attention)
    assert f"{page(order)}#money" in attention.content.decode()
    assert "Record the refund" not in text_of(client_of("Support").get(f"{LIST}attention/"))
