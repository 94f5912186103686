"""Orders placed by staff, and unpaid orders whose items they change: what the pages parse and present."""

import json
import re
from collections.abc import Callable
from decimal import Decimal
from typing import Any

import pytest
from django.db import DatabaseError
from django.http import HttpResponse
from django.test import Client
from pymongo.database import Database
from pytest_django import Settings

from integrations.sandbox import Sandbox
from integrations.sandbox.catalogue import PRODUCTS
from orders.admin.new_order_fields import SPARE_ROWS
from orders.services.lifecycle import placement
from orders.services.product_search import MOST_FOUND
from tests.functional.admin_helpers import Document, client_of, find, form_of, page, placed, said, text_of
from tests.functional.helpers import dead_url
from tests.other_shop import Shop, other_fixture, shop_fixture  # noqa: F401

ADD = "/admin/orders/order/add/"
SEARCH = "/admin/orders/order/products/"
TOWEL, SKILLET, LAMP = PRODUCTS[0], PRODUCTS[1], PRODUCTS[12]
FORM = {
    "user_id": "1",
    "currency": "EUR",
    "product": [TOWEL.product_id, SKILLET.product_id],
    "quantity": ["2", ""],
    "shipping_line1": "1 Long Street",
    "shipping_city": "Springfield",
    "shipping_country": "Freedonia",
    "note": "Rang at noon\nRing again",
}
REASON = {"reason_code": "customer", "reason": ""}


@pytest.fixture
def support(database: Database[Document]) -> Client:
    return client_of("Support")


def fields_of(response: HttpResponse) -> dict[str, Any]:
    """What the form shows and would send, as a browser reads it."""
    form = response.content.decode().partition('class="new-form"')[2]
    fields: dict[str, Any] = {}
    for name, value in re.findall(r'<input[^>]*? name="(\w+)" value="([^"]*)"', form):
        fields.setdefault(name, []).append(value)
    fields["note"] = [re.search(r'<textarea id="new-note"[^>]*>([^<]*)<', form)[1]]  # type: ignore[index]
    for name, options in re.findall(r'<select[^>]* name="(\w+)"[^>]*>(.*?)</select>', form, re.S):
        fields[name] = re.findall(r'value="(\w+)" selected', options)
    return fields


def check(client: Client, address: str = ADD, **changes: Any) -> HttpResponse:
    return client.post(address, {"check": "1", **FORM, **changes})


def place(client: Client, checked: HttpResponse, address: str = ADD, /, **changes: Any) -> HttpResponse:
    """Press the button of a page that has been checked."""
    assert 'name="place"' in checked.content.decode(), text_of(checked)
    return client.post(address, fields_of(checked) | {"place": "1", **changes})


def only_order(database: Database[Document]) -> Document:
    [order] = database["orders"].find({})
    return order


def test_an_order_is_checked_and_then_placed_for_the_customer(
    sandbox: Sandbox, database: Database[Document], support: Client
) -> None:
    assert "New order" in text_of(support.get(ADD))
    checked = check(support)
    text = text_of(checked)
    for told in ("Amara Okafor", TOWEL.name, "SKU TW-LIN-2", "€14.90", "1,800 in stock", "Total €78.80"):
        assert told in text
    assert database["orders"].count_documents({}) == 0
    assert sandbox.control.calls("reserve") == []
    response = place(support, checked)
    order = only_order(database)
    assert (response.status_code, response.url) == (302, page(order))
    assert said(response) == [f"Order {order['number']} is placed."]
    assert (order["status"], order["user_id"], order["note"]) == ("pending", "1", "Rang at noon\nRing again")
    assert [(item["product_id"], item["quantity"]) for item in order["items"]] == [
        (TOWEL.product_id, 2),
        (SKILLET.product_id, 1),
    ]
    assert {(entry["actor"], entry["via"]) for entry in order["history"]} == {("staff:Support", "admin")}
    assert order["untold_at"], "others hear of it"
    assert "placed the order for the customer." in text_of(support.get(page(order)))


def test_a_form_that_is_sent_twice_places_one_order(
    sandbox: Sandbox, database: Database[Document], support: Client
) -> None:
    checked = check(support)
    first, again = place(support, checked), place(support, checked)
    assert first.url == again.url == page(only_order(database))
    other = check(support, **{**fields_of(checked), "quantity": ["3", "1"]})
    refused = place(support, other)
    assert refused.status_code == 409
    order = only_order(database)
    link = f'<a href="{page(order)}">{order["number"]}</a>'
    told = f"Order {link} has been placed with this form already. Open a new form for another one."
    assert said(refused)[-1] == told
    assert told in refused.content.decode()
    assert fields_of(refused)["quantity"][:2] == ["3", "1"]
    assert place(support, check(support, **fields_of(refused))).status_code == 409
    only_order(database)


def test_a_form_that_is_pressed_again_while_it_is_worked_on_says_so_and_then_finds_what_came_of_it(
    sandbox: Sandbox, database: Database[Document], support: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    checked, real, second = check(support), placement.verify, []

    def meanwhile(*args: Any, **options: Any) -> bool:
        monkeypatch.setattr(placement, "verify", real)
        second.append(place(support, checked))
        return real(*args, **options)

    monkeypatch.setattr(placement, "verify", meanwhile)
    first = place(support, checked)
    [pressed] = second
    assert pressed.status_code == 409
    assert said(pressed)[-1] == "This form is still being worked on. Press again to see what came of it."
    assert place(support, pressed).url == first.url == page(only_order(database))


@pytest.mark.parametrize("replaces", [False, True], ids=["a new order", "one that replaces another"])
def test_a_form_that_changed_after_it_was_sent_in_vain_says_that_nothing_is_known_and_the_next_press_places_it(
    sandbox: Sandbox, database: Database[Document], support: Client, monkeypatch: pytest.MonkeyPatch, replaces: bool
) -> None:
    before = [placed()] if replaces else []
    address = form_of(before[0], "items") if replaces else ADD
    checked = check(support, address, **fields_of(support.get(address)) | FORM | REASON)
    dies(monkeypatch, "claim_draft", lambda: place(support, checked, address))
    refused = place(support, check(support, address, **fields_of(checked) | {"quantity": ["3", "1"]}), address)
    assert refused.status_code == 409
    assert said(refused)[-1].startswith("The form has changed since it was sent, and no order is known to have been")
    assert database["orders"].count_documents({}) == len(before)
    assert place(support, refused, address).status_code == 302
    [order] = database["orders"].find({"status": "pending"})
    assert [item["quantity"] for item in order["items"]] == [3, 1]


def test_a_form_that_changed_after_it_was_sent_is_not_placed_anew_while_a_draft_of_it_may_become_an_order(
    sandbox: Sandbox, database: Database[Document], support: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    checked = check(support)
    dies(monkeypatch, "reserve_and_place", lambda: place(support, checked))
    changed = check(support, **fields_of(checked) | {"quantity": ["3", "1"]})
    for _ in range(2):
        refused = place(support, changed)
        assert (refused.status_code, said(refused)[-1]) == (
            409,
            "This form is still being worked on. Press again to see what came of it.",
        )
        changed = refused
    assert only_order(database)["status"] == "placing"


def dies(monkeypatch: pytest.MonkeyPatch, where: str, press: Callable[[], Any]) -> None:
    """The process dies in a step of a placement, and nothing that follows is done."""

    class Killed(BaseException):
        pass

    def killed(*_args: Any) -> None:
        raise Killed

    with monkeypatch.context() as patch:
        patch.setattr(placement, where, killed)
        with pytest.raises(Killed):
            press()


def test_what_was_not_checked_is_checked_and_not_placed(
    sandbox: Sandbox, database: Database[Document], support: Client
) -> None:
    checked = check(support)
    for changes in ({"quantity": ["5", "1"]}, {"user_id": "2"}, {"checked": ""}, {"price": ["", ""]}):
        response = place(support, checked, **changes)
        assert response.status_code == 200
        assert said(response)[-1].startswith("The items were not checked as they are now.")
        assert 'name="place"' in response.content.decode()
    assert "Total €123.50" in text_of(place(support, checked, quantity=["5", "1"]))
    assert database["orders"].count_documents({}) == 0


def test_a_price_that_no_page_has_shown_is_refused(
    sandbox: Sandbox, database: Database[Document], support: Client
) -> None:
    checked = fields_of(check(support))
    for price in ("NaN", "sNaN", "Infinity", "1E+99", "٣"):
        fields = checked | {"price": [price, price]}
        assert support.post(ADD, fields | {"more": "1"}).status_code == 200, price
        assert support.post(ADD, fields | {"place": "1"}).status_code == 400, price
    assert database["orders"].count_documents({}) == 0


def test_a_price_that_has_changed_since_is_said_and_asked_again(
    sandbox: Sandbox, database: Database[Document], support: Client
) -> None:
    checked = check(support)
    sandbox.control.put_product(TOWEL.product_id, name=TOWEL.name, price=Decimal("15.90"), available=10)
    response = place(support, checked)
    assert response.status_code == 409
    assert f"A price has changed. Nothing was placed: {TOWEL.name} €14.90 → €15.90." in said(response)[-1]
    assert "Total €80.80" in text_of(response)
    assert database["orders"].count_documents({}) == 0
    assert place(support, response).status_code == 302
    assert str(only_order(database)["total_price"]) == "80.80"


def test_stock_that_ran_out_since_is_said_beside_its_item(
    sandbox: Sandbox, database: Database[Document], support: Client
) -> None:
    checked = check(support)
    sandbox.control.put_product(TOWEL.product_id, name=TOWEL.name, price=TOWEL.price, available=1)
    response = place(support, checked)
    assert response.status_code == 409
    text = text_of(response)
    assert "2 wanted, 1 in stock" in text
    assert 'name="place"' not in response.content.decode()
    assert database["orders"].count_documents({}) == 0


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        ({"user_id": ""}, "Enter the customer’s user id."),
        ({"user_id": "99"}, "Unknown or inactive."),
        ({"user_id": " "}, "Enter the customer’s user id."),
        ({"user_id": "{1}"}, "A user id is"),
        ({"shipping_city": ""}, "This field cannot be blank."),
        ({"contact_email": "nobody"}, "An email address is expected"),
        ({"contact_phone": "x"}, "at least three digits"),
        ({"billing_city": "Town"}, "This field cannot be blank."),
        ({"currency": "XXX"}, "Orders are taken in"),
        ({"reference": "\x00"}, "Control characters"),
        ({"product": ["f" * 24], "quantity": ["1"]}, "There is no product ffff"),
        ({"product": ["mug"], "quantity": ["1"]}, "There is no product mug."),
        ({"quantity": ["two", "1"]}, "greater than or equal to 1"),
        ({"quantity": ["²", "1"]}, "greater than or equal to 1"),
        ({"quantity": ["999999", "1"]}, "At most 10000"),
        ({"product": [LAMP.product_id], "quantity": ["5"]}, "5 wanted, 4 in stock"),
        ({"product": [LAMP.product_id] * 2, "quantity": ["3", "2"]}, "5 wanted, 4 in stock"),
        ({"product": [], "quantity": []}, "lines are allowed"),
    ],
)
def test_what_keeps_an_order_from_being_placed_is_said_beside_its_field_and_nothing_typed_is_lost(
    sandbox: Sandbox, database: Database[Document], support: Client, changes: dict[str, Any], told: str
) -> None:
    response = check(support, **changes)
    content = response.content.decode()
    assert told in text_of(response)
    assert 'class="order-error"' in content
    assert 'name="place"' not in content
    assert "This cannot be placed yet." in content
    shown = fields_of(response)
    for name, typed in (FORM | changes).items():
        values = [text.strip() for text in (typed if isinstance(typed, list) else [typed])]
        if name not in ("currency", "reference"):
            assert shown[name][: len(values)] == values
    assert database["orders"].count_documents({}) == 0


@pytest.mark.parametrize(
    ("peer", "told"),
    [
        ("PRODUCT_SERVICE_URL", "The product service did not answer."),
        ("INVENTORY_SERVICE_URL", "The inventory service did not answer."),
    ],
)
def test_a_peer_that_is_away_is_said_and_not_guessed(
    sandbox: Sandbox, database: Database[Document], settings: Settings, support: Client, peer: str, told: str
) -> None:
    checked, known = check(support), getattr(settings, peer)
    setattr(settings, peer, dead_url())
    away = check(support)
    assert told in text_of(away)
    assert ("in stock" in text_of(away)) is (peer == "PRODUCT_SERVICE_URL")
    assert ("€14.90" in text_of(away)) is (peer == "INVENTORY_SERVICE_URL")
    assert 'name="place"' not in away.content.decode()
    refused = place(support, checked)
    assert refused.status_code == 503
    assert said(refused)[-1].startswith("Nothing was placed: the ")
    assert database["orders"].count_documents({}) == 0
    setattr(settings, peer, known)


def test_an_order_for_a_customer_who_cannot_be_verified_says_so(
    sandbox: Sandbox, database: Database[Document], settings: Settings, support: Client
) -> None:
    settings.USER_SERVICE_URL = dead_url()
    checked = check(support)
    assert "so the customer is not verified" in text_of(checked)
    place(support, checked)
    assert only_order(database)["user_verified"] is False
    settings.ALLOW_UNVERIFIED_USERS = False
    assert 'name="place"' not in check(support).content.decode()


def test_rows_are_added_and_removed_without_a_script(sandbox: Sandbox, support: Client) -> None:
    sandbox.control.clear_faults()
    more = support.post(ADD, FORM | {"more": "1"})
    assert len(fields_of(more)["product"]) == 2 + 5
    fewer = support.post(ADD, FORM | {"remove_0": "1"})
    assert fields_of(fewer)["product"] == [SKILLET.product_id, *[""] * SPARE_ROWS]
    assert sandbox.control.calls() == []
    assert fields_of(support.get(ADD, {"user_id": "7"}))["user_id"] == ["7"]


def test_a_database_that_does_not_answer_leaves_a_form_that_finds_out(
    sandbox: Sandbox, database: Database[Document], support: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    checked, real = check(support), placement.reserve_and_place

    def answer_lost(*args: Any) -> Document:
        real(*args)
        raise DatabaseError("the primary went away")

    with monkeypatch.context() as patch:
        patch.setattr(placement, "reserve_and_place", answer_lost)
        response = place(support, checked)
    assert response.status_code == 503
    assert "Press the button again to find out whether the order was placed" in said(response)[-1]
    again = place(support, response)
    assert again.url == page(only_order(database))


# --- changing the items of an unpaid order ---------------------------------------------------------------------------


def test_the_items_of_an_unpaid_order_are_changed_from_its_page(
    sandbox: Sandbox, database: Database[Document], support: Client
) -> None:
    old = placed(quantity=2)
    address = form_of(old, "items")
    assert f'href="{address}"' in support.get(page(old)).content.decode()
    shown = fields_of(support.get(address))
    assert (shown["product"][:1], shown["quantity"][:1]) == ([TOWEL.product_id], ["2"])
    assert (shown["shipping_line1"], shown["version"]) == (["1 Long Street"], ["1"])
    sandbox.control.put_product(TOWEL.product_id, name=TOWEL.name, price=Decimal("15.00"), available=10, reserved=2)
    checked = support.post(address, shown | {"check": "1", "quantity": ["1"], "product": [TOWEL.product_id]})
    assert "€14.90 in the order so far" in text_of(checked)
    response = place(support, checked, address)
    new = database["orders"].find_one({"status": "pending"})
    assert new is not None
    assert response.url == page(new)
    assert said(response) == [f"Order {new['number']} is placed, and order {old['number']} is cancelled."]
    texts = text_of(support.get(page(new))), text_of(support.get(page(old)))
    assert f"It replaces order {old['number']}" in texts[0]
    assert f"Replaces order {old['number']}" in texts[0]
    assert f"It was replaced by order {new['number']}" in texts[1]
    assert f"Replaced by order {new['number']}" in texts[1]
    assert f'href="{page(new)}"' in support.get(page(old)).content.decode()
    assert place(support, checked, address).url == page(new), "a second press finds what the first did"
    assert database["orders"].count_documents({}) == 2


def test_whoever_changes_the_items_of_an_order_that_somebody_paid_meanwhile_is_told(
    sandbox: Sandbox, database: Database[Document], support: Client
) -> None:
    old = placed()
    address = form_of(old, "items")
    checked = support.post(address, fields_of(support.get(address)) | {"check": "1"})
    client_of("Finance").post(form_of(old, "transition"), {"transition": "pay", "version": "1"})
    response = place(support, checked, address)
    assert response.status_code == 409
    assert said(response)[-1] == "Someone updated this order. Your change was not saved."
    assert "Only the items of an unpaid order can be changed." in text_of(response)
    assert fields_of(response)["version"] == ["2"]
    assert fields_of(response)["product"][0] == TOWEL.product_id
    assert only_order(database)["status"] == "paid"
    assert f'href="{address}"' not in support.get(page(old)).content.decode()


def test_a_replacement_without_its_reason_is_refused(
    sandbox: Sandbox, database: Database[Document], support: Client
) -> None:
    old = placed()
    address = form_of(old, "items")
    checked = support.post(address, fields_of(support.get(address)) | {"check": "1"})
    for reason in ({"reason_code": ""}, {"reason_code": "other"}, {"reason_code": "none of these"}):
        assert place(support, checked, address, **reason).status_code == 400
    assert find(database, old) == old


def test_only_whoever_may_place_and_cancel_changes_items(sandbox: Sandbox, database: Database[Document]) -> None:
    old, finance = placed(), client_of("Finance")
    for address in (ADD, SEARCH, form_of(old, "items")):
        assert finance.get(address).status_code == 403
    assert "items/" not in finance.get(page(old)).content.decode()
    assert client_of("Support").get(form_of("0" * 24, "items")).status_code == 404


# --- products by name ------------------------------------------------------------------------------------------------


def test_where_products_cannot_be_searched_the_form_asks_for_ids(sandbox: Sandbox, support: Client) -> None:
    content = support.get(ADD).content.decode()
    assert "data-search" not in content
    assert "Product id" in content
    assert support.get(SEARCH, {"q": "towel"}).status_code == 404


def test_where_they_can_they_are_found_by_name(
    database: Database[Document], other: Shop, support: Client, settings: Settings
) -> None:
    other.prices |= {f"{number:024x}": "2.50" for number in range(20)}
    assert f'data-search="{SEARCH}"' in support.get(ADD).content.decode()
    found = json.loads(support.get(SEARCH, {"q": " no.  000 "}).content)["products"]
    assert len(found) == MOST_FOUND
    assert found[0] == {"id": f"{0:024x}", "name": f"No. {0:024x}", "sku": "", "price": "€2.50"}
    assert json.loads(support.get(SEARCH, {"q": "none"}).content) == {"products": []}
    before = len(other.asked)
    assert json.loads(support.get(SEARCH, {"q": "n "}).content) == {"products": []}
    assert len(other.asked) == before, "one character is not asked for"
    settings.PRODUCT_SERVICE_URL = dead_url()
    away = support.get(SEARCH, {"q": "no."})
    assert away.status_code == 503
    assert "Enter the product’s id." in json.loads(away.content)["problem"]
