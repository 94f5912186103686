"""The packing slip, the order confirmation and the pick list: of one order, and of the orders selected on the list."""

import html
import re
from datetime import UTC, datetime
from typing import Any

import pytest
import segno
from bson import Decimal128, ObjectId
from django.contrib.auth.models import Permission
from django.http import HttpResponse
from django.test import Client
from pymongo.database import Database
from pytest_django import Settings

from tests.functional.admin_helpers import (
    ADDRESS,
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
    rows,
    said,
    staff,
    stored,
    text_of,
)
from tests.functional.bulk_admin import across, choose

DOCUMENTS = ("packing-slip", "confirmation")
OF_MANY = ("packing-slips", "confirmations", "pick-list")
SCRIPT = "<script>alert('x')</script>"
CONTROLS = "a\x00b\x1b[31mc\x9bd"
FORMULA = "=1+1"
ARABIC = "شارع الملك فهد"
MUG = {"product_id": "665f1c0a9b1e8a0012a40006", "name": "Enamel mug", "sku": "MUG-01"}
CONTACT = {"name": "Amara Okafor", "email": "amara@example.com", "phone": "+44 20 7946 0958"}
BILLED = ADDRESS | {"name": "Accounts", "company": "Okafor Ltd", "line1": "2 Short Street", "city": "Shelbyville"}
TOO_MANY = "Select at most 50 orders to print at a time."


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
    charges = [("shipping", SCRIPT, "4.90"), ("discount", "SPRING", "-2.00")]
    order = stored(status="processing", total_price=Decimal128("32.70"))
    order["charges"] = [{"kind": kind, "label": label, "amount": Decimal128(cost)} for kind, label, cost in charges]
    insert(database, order)
    slip, confirmation = (text_of(printed(support, order, name)) for name in DOCUMENTS)
    assert "€14.90" in confirmation
    assert f"Shipping ({SCRIPT}) €4.90 Discount (SPRING) -€2.00 Total €32.70" in confirmation
    for price in ("14.90", "29.80", "€", "Price", "Total", "Shipping (", "SPRING", "4.90"):
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


def told(**changes: Any) -> Document:
    """An order with all that people may be told of it."""
    facts = {"contact": CONTACT, "currency": "CHF", "reference": "SHOP-4711", "note": "Ring twice.\nThird floor."}
    return stored(**{"status": "processing", "items": [line() | MUG], **facts, **changes})


def test_a_packing_slip_names_whoever_receives_it_and_the_products(
    database: Database[Document], support: Client
) -> None:
    text = text_of(printed(support, insert(database, told()), "packing-slip"))
    assert "Customer Amara Okafor 1 " in text
    assert "Ship to Amara Okafor 1 Long Street 12345 Springfield Freedonia Phone +44 20 7946 0958" in text
    assert "Reference SHOP-4711" in text
    assert "Customer’s note Ring twice. Third floor." in text
    assert "1 Enamel mug SKU MUG-01 665f1c0a9b1e8a0012a40006 2 2 units" in text
    for not_for_the_parcel in ("amara@", "CHF"):
        assert not_for_the_parcel not in text


def test_a_confirmation_says_whom_to_reach_who_pays_and_how_much(database: Database[Document], support: Client) -> None:
    order = insert(database, told(billing_address=BILLED))
    text = text_of(printed(support, order, "confirmation"))
    assert "Customer Amara Okafor 1 E-mail amara@example.com Placed" in text
    assert "Ship to Amara Okafor 1 Long Street 12345 Springfield Freedonia Phone +44 20 7946 0958" in text
    assert "Bill to Accounts Okafor Ltd 2 Short Street 12345 Shelbyville Freedonia" in text
    assert "Reference SHOP-4711" in text
    assert "Ring twice." in text
    assert "Enamel mug SKU MUG-01 665f1c0a9b1e8a0012a40006 2 CHF\xa014.90 CHF\xa029.80".replace("\xa0", " ") in text
    assert "Total CHF 29.80" in text


@pytest.mark.parametrize(
    ("address", "recipient", "phone"),
    [
        ({"name": "Chidi Eze", "company": "", "phone": ""}, "Chidi Eze 1 Long Street", CONTACT["phone"]),
        ({"name": "", "company": "Okafor Ltd", "phone": ""}, "Okafor Ltd 1 Long Street", CONTACT["phone"]),
        (
            {"name": "Chidi Eze", "company": "Okafor Ltd", "phone": "555-0199"},
            "Chidi Eze Okafor Ltd 1 Long",
            "555-0199",
        ),
        ({"name": "", "company": "", "phone": "555-0199"}, "Amara Okafor 1 Long Street", "555-0199"),
    ],
)
def test_the_address_says_who_receives_a_parcel_else_the_contact_does(
    database: Database[Document], support: Client, address: Document, recipient: str, phone: str
) -> None:
    order = insert(database, told(shipping_address=ADDRESS | address))
    slip, confirmation = (text_of(printed(support, order, name)) for name in DOCUMENTS)
    for text in (slip, confirmation):
        assert f"Ship to {recipient}" in text
        assert f"Phone {phone} " in text
    assert CONTACT["phone"] in confirmation


@pytest.mark.parametrize("name", DOCUMENTS)
def test_an_order_without_names_is_printed_without_gaps(
    database: Database[Document], support: Client, name: str
) -> None:
    response = printed(support, insert(database, stored(status="paid")), name)
    text, content = text_of(response), response.content.decode()
    assert (
        f"Item Product Quantity {'Packed' if name == 'packing-slip' else 'Price Total'} 1 {line()['product_id']} 2"
        in text
    )
    assert "Ship to 1 Long Street 12345 Springfield Freedonia" in text
    assert "<bdi>1 Long Street</bdi><br><bdi>12345 Springfield</bdi><br><bdi>Freedonia</bdi>" in content
    for absent in ("None", "SKU", "Phone", "E-mail", "Reference", "note", "Bill to"):
        assert absent not in text
    for gap in ("<br><br>", "<bdi></bdi>"):
        assert gap not in content


@pytest.mark.parametrize("number", ["7K2M-9QWX-4HTC", "Bestell-Nr. 1", "№ 12 <b>", "٣-ش"])
@pytest.mark.parametrize("name", DOCUMENTS)
def test_a_printed_document_has_its_number_as_a_qr_code(
    database: Database[Document], support: Client, name: str, number: str
) -> None:
    response = printed(support, insert(database, stored() | {"number": number}), name)
    assert f"Order {number}" in text_of(response)
    [code] = re.findall(r'<div class="code" role="img"[^>]*>(<svg.*?</svg>)</div>', response.content.decode(), re.S)
    assert dark_modules(code) == [list(map(bool, row)) for row in segno.make_qr(number).matrix]


def dark_modules(svg: str) -> list[list[bool]]:
    """The squares that a code's path draws, without the margin of four around it."""
    [size] = re.findall(r'viewBox="0 0 (\d+) \1"', svg)
    [path] = re.findall(r' d="([^"]+)"', svg)
    drawn, x, y = set(), 0.0, 0.0
    for step, across_, down in re.findall(r"([Mmh])(-?[\d.]+)(?: (-?[\d.]+))?", path):
        if step == "h":
            drawn |= {(int(x) + offset, int(y)) for offset in range(int(across_))}
            x += float(across_)
        else:
            x, y = (float(across_), float(down)) if step == "M" else (x + float(across_), y + float(down or 0))
    return [[(x, y) in drawn for x in range(4, int(size) - 4)] for y in range(4, int(size) - 4)]


@pytest.mark.parametrize("text", [SCRIPT, FORMULA, CONTROLS, ARABIC, "x" * 300], ids=ascii)
@pytest.mark.parametrize("name", [*DOCUMENTS, "pick-list"])
def test_what_others_wrote_is_printed_as_the_text_that_it_is(
    database: Database[Document], support: Client, name: str, text: str
) -> None:
    address = dict.fromkeys((*ADDRESS, "name", "company", "phone"), text)
    product = dict.fromkeys(("product_id", "name", "sku", "image_url"), text)
    theirs: dict[str, Any] = {"user_id": text, "number": text, "reference": text, "note": text}
    theirs |= {"contact": dict.fromkeys(("name", "email", "phone"), text), "metadata": {"x-metadata": text}}
    theirs |= {"shipping_address": address, "billing_address": address, "items": [line() | product]}
    order = insert(database, stored(status="paid") | theirs)
    content = (
        printed_many(support, [order], name).content.decode()
        if name == "pick-list"
        else (printed(support, order, name).content.decode())
    )
    assert "<script>alert" not in content
    assert content.count(html.escape(text)) >= (3 if name == "pick-list" else 15)
    assert "x-metadata" not in content


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


# --- several orders at once ---


def printed_many(client: Client, orders: list[Document], name: str) -> HttpResponse:
    """What the list's action leads to."""
    chosen = choose(client, name, orders)
    assert chosen.status_code == 302, said(chosen)
    response = client.get(chosen.url)
    assert response.status_code == 200
    return response


def newly_said(client: Client, response: HttpResponse) -> list[str]:
    """The messages of a response, which the list then shows: the next response has only its own."""
    messages = said(response)
    client.get(LIST)
    return messages


def insert_many(database: Database[Document], many: int, **changes: Any) -> list[Document]:
    orders = [stored(number, **{"status": "paid"} | changes) for number in range(many)]
    insert(database, *orders)
    return orders


@pytest.mark.parametrize("name", OF_MANY)
def test_the_address_of_a_print_says_no_more_than_ids_and_can_be_reloaded(
    database: Database[Document], support: Client, name: str
) -> None:
    orders = [insert(database, told()), insert(database, told(status="paid"))]
    before = list(database["orders"].find())
    chosen = choose(support, name, orders, query="?user=1")
    assert chosen.url == f"{LIST}{name}/?ids={orders[0]['_id']},{orders[1]['_id']}"
    once, again = support.get(chosen.url), support.get(chosen.url)
    assert text_of(once) == text_of(again)
    assert list(database["orders"].find()) == before
    ids = chosen.url.partition("?")[2]
    links = [f'<a href="{LIST}{other}/?{ids}">' in once.content.decode() for other in OF_MANY]
    assert links == [other != name for other in OF_MANY], "the others of the same orders, without selecting them again"


@pytest.mark.parametrize(
    ("name", "heading"), [("packing-slips", "Packing slip"), ("confirmations", "Order confirmation")]
)
def test_fifty_orders_are_one_document_in_the_order_of_the_list_by_one_query(
    database: Database[Document], support: Client, name: str, heading: str
) -> None:
    orders = insert_many(database, 50)
    listed = rows(support.get(f"{LIST}?sort=oldest"))
    ticked = sorted(orders, key=lambda order: listed.index(order["number"]))
    address = choose(support, name, ticked).url
    support.get(address)
    with profiled(database) as operations:
        response = support.get(address)
    content = response.content.decode()
    assert re.findall(r'<dd class="number"><bdi>([^<]*)<', content) == listed
    assert re.findall(r"<h1 [^>]*>([^<]*)</h1>", content) == [heading] * 50
    ids = re.findall(r' id="([^"]*)"', content)
    assert len(ids) == len(set(ids))
    assert content.count('id="print"') == 1
    assert [operation["planSummary"] for operation in operations if operation["ns"].endswith(".orders")] == [
        "IXSCAN { _id: 1 }"
    ]


@pytest.mark.parametrize("name", OF_MANY)
def test_of_more_than_fifty_orders_nothing_is_printed_but_a_clear_message(
    database: Database[Document], support: Client, name: str
) -> None:
    orders, paid = insert_many(database, 51), "?status=paid"
    for ask in (lambda: choose(support, name, orders, query=paid), lambda: across(support, name, paid)):
        answer = ask()
        assert (answer.status_code, answer.url, newly_said(support, answer)) == (302, f"{LIST}{paid}", [TOO_MANY])
    answer = support.get(f"{LIST}{name}/", {"ids": ",".join(str(order["_id"]) for order in orders)})
    assert (answer.status_code, answer.url, said(answer)) == (302, LIST, [TOO_MANY])


def test_all_that_match_are_printed_in_the_order_of_the_list(database: Database[Document], support: Client) -> None:
    orders = insert_many(database, 4)
    insert(database, stored(9, status="shipped"))
    query = "?status=paid&status=placing&sort=oldest"
    draft = insert(database, stored(5, status="placing"))
    ids = [str(order["_id"]) for order in [draft, *reversed(orders)]]
    assert across(support, "packing-slips", query).url == f"{LIST}packing-slips/?ids={','.join(ids)}"


@pytest.mark.parametrize("name", OF_MANY)
def test_a_choice_of_nothing_or_of_something_else_is_refused_clearly(
    database: Database[Document], support: Client, name: str
) -> None:
    order = insert(database, stored())
    nothing, filters = "Select orders first, then choose an action.", "The filter is not valid."
    other = "The selection contains something other than orders."
    for ask, why in (
        (lambda: choose(support, name), nothing),
        (lambda: choose(support, name, [{"_id": "x"}]), other),
        (lambda: across(support, name, "?status=nonsense"), filters),
        (lambda: across(support, name, "?password=x"), filters),
        (lambda: across(support, name, "?status=refunded"), "No orders match the filter."),
        (lambda: support.get(f"{LIST}{name}/"), nothing),
        (lambda: support.get(f"{LIST}{name}/", {"ids": f"{order['_id']},x"}), other),
        (lambda: support.get(f"{LIST}{name}/", {"ids": "\x00" * 3000}), other),
    ):
        answer = ask()
        assert answer.status_code == 302
        [message] = newly_said(support, answer)
        assert message.startswith(why)
    for method in (support.post, support.put, support.delete):
        assert method(f"{LIST}{name}/?ids={order['_id']}").status_code == 405


@pytest.mark.parametrize("name", OF_MANY)
def test_orders_that_have_gone_meanwhile_are_missed_aloud(
    database: Database[Document], support: Client, name: str
) -> None:
    order = insert(database, stored(status="paid"))
    gone = [str(ObjectId()), str(ObjectId())]
    here = f"{LIST}{name}/?ids={order['_id']}"
    assert "no longer exist" not in text_of(support.get(here))
    assert "1 of the selected orders no longer exists." in text_of(support.get(f"{here},{gone[0]}"))
    assert "2 of the selected orders no longer exist." in text_of(support.get(f"{here},{','.join(gone)}"))
    assert support.get(f"{LIST}{name}/?ids={gone[0]}").status_code == 404


def test_a_database_that_does_not_answer_in_time_prints_nothing(
    database: Database[Document], support: Client, settings: Settings
) -> None:
    orders = insert_many(database, 2)
    settings.BACKOFFICE_QUERY_MS = 0.001
    answer = across(support, "packing-slips", "?status=paid")
    assert said(answer) == ["Nothing was printed: the database did not answer in time."]
    assert answer.url == f"{LIST}?status=paid"
    assert len(orders) == database["orders"].count_documents({})


@pytest.mark.parametrize("name", OF_MANY)
def test_whoever_may_look_may_print_and_nobody_else(database: Database[Document], name: str) -> None:
    order, reader, nobody = insert(database, told()), staff("Support"), staff("nobody")
    reader.groups.clear()
    reader.user_permissions.set(Permission.objects.filter(codename="view_order"))
    address = f"{LIST}{name}/?ids={order['_id']}"
    client = Client()
    client.force_login(reader)
    assert choose(client, name, [order]).url == address
    assert client.get(address).status_code == 200
    client.force_login(nobody)
    for refused in (choose(client, name, [order]), across(client, name, ""), client.get(address)):
        assert refused.status_code == 403
    assert Client().get(address).url.startswith("/admin/login/")


def test_a_pick_list_adds_up_what_the_selected_orders_need_and_names_what_it_leaves_out(
    database: Database[Document], support: Client
) -> None:
    pen = {"product_id": str(ObjectId()), "name": "Pen", "sku": "A-9", "quantity": 1}
    first = told(items=[line() | MUG, line() | pen])
    second = stored(1, status="paid", items=[line() | MUG | {"quantity": 3}, line() | {"product_id": "f" * 24}])
    left = [
        stored(2, status="cancelled", items=[line("released") | MUG]),
        stored(3, status="shipped", items=[line("used") | MUG]),
        stored(4, status="pending", items=[line() | MUG]),
        stored(5, status="paid", items=[line() | MUG, line("unknown", call="reserve")]),
    ]
    insert(database, first, second, *left)
    text = text_of(printed_many(support, [first, second, *left], "pick-list"))
    one, two, *others = (order["number"] for order in (first, second, *left))
    assert f"Pen SKU A-9 {pen['product_id']} 1 {one} × 1" in text
    assert f"Enamel mug SKU MUG-01 {MUG['product_id']} 5 {one} × 2, {two} × 3" in text
    assert f"{'f' * 24} 2 {two} × 2" in text
    assert text.index("Pen") < text.index("Enamel mug") < text.index("f" * 24)
    assert "8 units of 3 products for 2 orders" in text
    told_why = ("cancelled", "shipped", "not paid", "stock not reserved: item 2")
    listed = " ".join(f"{number} : {why}" for number, why in zip(others, told_why, strict=True))
    assert f"Not on this list: 4 orders {listed}" in text


def test_a_pick_list_of_nothing_says_so(database: Database[Document], support: Client) -> None:
    order = insert(database, stored(status="shipped", items=[line("used")]))
    text = text_of(printed_many(support, [order], "pick-list"))
    assert "None of these orders can be picked." in text
    assert f"Not on this list: 1 order {order['number']} : shipped" in text
    assert "units" not in text


def in_parcels() -> Document:
    """An order of which one parcel has left, a line is still to ship, and another was cancelled."""
    parcel = {"at": datetime.now(UTC), "carrier": "UPS", "tracking_number": "1Z99", "tracking_url": ""}
    items = [
        line() | {"name": "Left behind"},
        line("used") | {"name": "Sent", "split_from": 0, "shipment": 0},
        line("released") | {"name": "Not wanted", "removed": "cancelled"},
    ]
    return stored(status="processing", items=items, shipments=[parcel])


def test_a_packing_slip_of_a_parcel_names_what_is_in_it_alone(database: Database[Document], support: Client) -> None:
    order = insert(database, in_parcels())
    address = form_of(order, "packing-slip")
    assert f'{address}?parcel=1"' in support.get(page(order)).content.decode()
    text = text_of(support.get(f"{address}?parcel=1"))
    assert "Sent" in text
    assert "Left behind" not in text
    assert "Not wanted" not in text
    assert "Parcel 1 Tracking UPS 1Z99" in text
    assert "2 units in 1 item" in text
    for number in ("0", "2", "-1", "x", "", "9" * 30):
        assert support.get(f"{address}?parcel={number}").status_code == 404, number


def test_a_packing_slip_of_the_whole_leaves_out_what_was_cancelled(
    database: Database[Document], support: Client
) -> None:
    order = insert(database, in_parcels())
    text = text_of(printed(support, order, "packing-slip"))
    assert "Left behind" in text
    assert "Sent" in text
    assert "Not wanted" not in text
    assert "4 units in 2 items" in text
    assert "Not wanted" in text_of(printed(support, order, "confirmation"))


def test_a_pick_list_fetches_what_has_not_left_and_nothing_for_an_order_on_hold(
    database: Database[Document], support: Client
) -> None:
    order = insert(database, in_parcels())
    held = insert(database, stored(1, status="paid", held_at=datetime.now(UTC)))
    text = text_of(printed_many(support, [order, held], "pick-list"))
    assert "2 units of 1 product for 1 order" in text
    assert f"{held['number']}: on hold" in " ".join(text.split()).replace(" :", ":")
