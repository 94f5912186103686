"""One order in the backoffice: what its page shows, and what its buttons do."""

from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from bson import Decimal128, ObjectId
from django.test import Client
from pymongo.database import Database
from pytest_django.fixtures import Settings

from integrations.sandbox import Sandbox
from integrations.sandbox.catalogue import PRODUCTS
from orders.admin import labels
from orders.models import LineState, Status, Stock
from orders.services.lifecycle import transitions
from tests.functional.admin_helpers import (
    ADDRESS,
    EDGES,
    LIST,
    PATHS,
    Document,
    client_of,
    entry,
    find,
    insert,
    insert_each_status,
    line,
    page,
    placed,
    press,
    profiled,
    said,
    stored,
    text_of,
    transition_of,
)
from tests.functional.helpers import database_down, dead_url, settle

TOWEL = PRODUCTS[0]
SCRIPT = "<script>alert('x')</script>"
HISTORY = {
    "pending": ["The customer placed the order."],
    "paid": ["Admin tests recorded €29.80 as paid."],
    "processing": ["Admin tests started processing the order."],
    "shipped": ["Admin tests shipped parcel 1: the order is shipped."],
    "delivered": ["Admin tests marked the order as delivered."],
    "cancelled": ["Admin tests cancelled the order.", "Item 1: stock released."],
    "refunded": ["Admin tests recorded €29.80 as refunded: the order is refunded.", "Item 1: stock released."],
}
"""What the page says in the end of a path."""


@pytest.fixture
def manager(database: Database[Document]) -> Client:
    return client_of("Manager")


@pytest.mark.parametrize("status", PATHS)
def test_an_order_of_every_public_status_shows_its_lines_and_its_history(
    sandbox: Sandbox, manager: Client, status: str
) -> None:
    order = placed(*PATHS[status])
    response = manager.get(page(order))
    assert response.status_code == 200
    text = text_of(response)
    for told in (
        order["number"],
        "€29.80",
        "1 Long Street 12345 Springfield Freedonia",
        TOWEL.product_id,
        "draft · → placing · customer:1 · api",
    ):
        assert told in text
    for told in [*HISTORY["pending"], *HISTORY[status]]:
        assert f"{told} " in text
    used = "Shipped"
    stock = {"shipped": used, "delivered": used, "cancelled": "Released", "refunded": "Released"}
    assert f"{TOWEL.product_id} 2 €14.90 €29.80 {stock.get(status, 'Reserved')} " in text
    assert f"{order['number']} Copy order number {Status(status).label} " in text
    assert "placing" not in text.partition("Technical details")[0]


@pytest.mark.parametrize("status", ["placing", "rejected"])
def test_drafts_and_rejected_orders_are_visible_to_staff(
    database: Database[Document], manager: Client, status: str
) -> None:
    order = insert(database, stored(status=status, placed_at=None))
    database["orders"].update_one({}, {"$unset": {"placed_at": ""}})
    assert order["number"] in text_of(manager.get(LIST))
    text = text_of(manager.get(page(order)))
    assert f"{order['number']} Copy order number {Status(status).label} " in text
    assert "placing" not in text.partition("Technical details")[0]
    assert 'name="transition"' not in manager.get(page(order)).content.decode()


def test_a_draft_and_a_rejected_order_are_moved_by_nobody(database: Database[Document], manager: Client) -> None:
    for status in ("placing", "rejected"):
        order = insert(database, stored(status=status))
        before = find(database, order)
        for transition in ("place", "reject", "pay", "cancel", "refund"):
            response = press(manager, order, transition)
            assert response.status_code in (400, 409)
            assert said(response)[-1].startswith("Nothing was changed.")
            assert find(database, order) == before


def test_a_line_of_every_state_is_shown_with_what_is_owed_for_it(database: Database[Document], manager: Client) -> None:
    lines = {
        LineState.NONE: (line("none", error="Only 1 left"), "Not reserved Inventory: Only 1 left"),
        LineState.RESERVING: (line("reserving", call="reserve"), "Being reserved 1 attempt"),
        LineState.RESERVED: (line("reserved"), "Reserved"),
        LineState.USED: (line("used"), "Shipped"),
        LineState.RELEASING: (
            line("releasing", call="release", attempts=3, error="503", attempt={"id": "0" * 32, "until": order_time()}),
            "Being released 3 attempts Inventory: 503",
        ),
        LineState.RELEASED: (
            line("released", discrepancy=2, error="unknown there"),
            "Short release 2 units not returned to stock Inventory: unknown there",
        ),
        LineState.UNKNOWN: (
            line("unknown", call="release", error="timed out"),
            "Release not confirmed 1 attempt Inventory: timed out",
        ),
    }
    assert lines.keys() == set(LineState)
    order = insert(database, stored(items=[document for document, _ in lines.values()]))
    text = text_of(manager.get(page(order)))
    for _, shown in lines.values():
        assert f"{TOWEL.product_id} 2 €14.90 €29.80 {shown} " in text
    for state, (document, _) in lines.items():
        alone = insert(database, stored(items=[document]))
        assert manager.get(page(alone)).status_code == 200, state
    listed = text_of(manager.get(LIST))
    words = " ".join(labels.stock(Stock(state=state, call="release")) for state in LineState)
    words = words.replace(" Released ", " Short release ")
    assert f"and 6 more items, 14 units €29.80 Pending {words} " in listed


def test_an_order_names_its_products_and_people_with_their_ids_beside_them(
    database: Database[Document], manager: Client
) -> None:
    towel = line() | {"name": "Bath towel", "sku": "BT-70", "image_url": "https://shop.example/towel.png"}
    address = ADDRESS | {"name": "Chidi Okafor", "company": "Okafor & Sons", "phone": "+44 20 7946 0000"}
    order = insert(
        database,
        stored(
            user_id="8", currency="CHF", items=[towel, line()], reference="WEB-1", note="Ring twice.\nThen wait.",
            metadata={"campaign": "spring", "items": "3", "empty": ""},
            contact={"name": "Amara Okafor", "email": "amara+1@example.com", "phone": "+44 20 7946 0958"},
            shipping_address=address, billing_address=ADDRESS | {"name": "Accounts", "city": "Zürich"},
            delivered_at=order_time(), cancelled_at=order_time(), refunded_at=order_time(),
            charges=[{"kind": "tax", "label": "VAT", "amount": Decimal128("5.00")},
                     {"kind": "discount", "label": "", "amount": Decimal128("-5.00")}],
        ),
    )  # fmt: skip
    response = manager.get(page(order))
    text, body = text_of(response), response.content.decode()
    for told in (
        "Customer Amara Okafor id 8 , verified amara+1@example.com Copy e-mail address "
        "+44 20 7946 0958 Copy phone number",
        "Total CHF 29.80 4 units in 2 items",
        "Tax (VAT) CHF 5.00 Discount -CHF 5.00 2 items 4 CHF 29.80",
        "Reference WEB-1 in the storefront",
        f"Bath towel SKU BT-70 {TOWEL.product_id} Picture of Bath towel, in a new tab 2 CHF 14.90 CHF 29.80 Reserved",
        f"To ship {TOWEL.product_id} 2 CHF 14.90 CHF 29.80 Reserved",
        "Shipping address Chidi Okafor Okafor & Sons 1 Long Street 12345 Springfield Freedonia "
        "Copy shipping address Phone +44 20 7946 0000",
        "Billing address Accounts 1 Long Street 12345 Zürich Freedonia Copy billing address",
        "Customer’s note Ring twice. Then wait.",
        "Metadata from the storefront (3) campaign spring items 3 empty",
        "Delivered just now",
        "Cancelled just now",
        "Refunded just now",
    ):
        assert told in text, told
    assert 'href="mailto:amara%2B1@example.com"' in body
    assert 'data-copy="amara+1@example.com"' in body
    assert 'data-copy="Accounts\n1 Long Street\n12345 Zürich\nFreedonia"' in body
    assert body.count("towel.png") == 1
    assert '<a class="order-detail" href="https://shop.example/towel.png" target="_blank" rel="noreferrer' in body


@pytest.mark.parametrize("address", ["javascript:alert(1)", "data:text/html,1", "//evil.example/x", "not an address"])
def test_what_is_no_address_of_a_picture_is_no_link(
    database: Database[Document], manager: Client, address: str
) -> None:
    order = insert(database, stored(items=[line() | {"name": "Bath towel", "image_url": address}]))
    body = manager.get(page(order)).content.decode()
    assert address not in body
    assert "Picture" not in body


def test_an_address_reads_on_the_page_as_it_does_on_paper(database: Database[Document], manager: Client) -> None:
    """Where a company is named and no person, the contact is not put in front of it."""
    contact = {"name": "Amara Okafor", "email": "", "phone": ""}
    address = ADDRESS | {"company": "Okafor & Sons"}
    order = insert(database, stored(contact=contact, shipping_address=address, billing_address=ADDRESS))
    text, slip = (text_of(manager.get(found)) for found in (page(order), f"{LIST}{order['_id']}/confirmation/"))
    shipping, billing = "Okafor & Sons 1 Long Street 12345", "Amara Okafor 1 Long Street 12345"
    assert f"Shipping address {shipping}" in text
    assert f"Billing address {billing}" in text
    assert f"Ship to {shipping}" in slip
    assert f"Bill to {billing}" in slip


def test_an_order_from_before_there_were_names_reads_well_by_its_ids(
    database: Database[Document], manager: Client
) -> None:
    order = insert(database, stored(user_id="8"))
    text = text_of(manager.get(page(order)))
    assert "Customer 8 verified Shipping address" in text
    assert "Summary Total €29.80" in text
    assert f"Stock Status {TOWEL.product_id} 2 €14.90 €29.80 Reserved" in text
    assert "Shipping address 1 Long Street 12345 Springfield Freedonia" in text
    for absent in (
        "SKU",
        "Contact",
        "Copy e-mail",
        "Copy phone",
        "Billing address",
        "Customer’s note",
        "Metadata",
        "Reference",
    ):
        assert absent not in text, absent


def test_who_receives_an_order_is_its_contact_where_the_address_names_nobody(
    database: Database[Document], manager: Client
) -> None:
    contact = {"name": "Amara Okafor", "email": "", "phone": ""}
    order = insert(database, stored(contact=contact))
    assert "Shipping address Amara Okafor 1 Long Street" in text_of(manager.get(page(order)))


def order_time() -> Any:
    return stored()["created_at"]


def test_what_others_wrote_is_escaped_everywhere(database: Database[Document], manager: Client) -> None:
    address = dict.fromkeys(("line1", "line2", "city", "state", "postal_code", "country"), SCRIPT)
    history = [entry(SCRIPT, source=SCRIPT, target=SCRIPT, reason=SCRIPT, actor=SCRIPT, via=SCRIPT, request_id=SCRIPT)]
    items = [line("released", error=SCRIPT, discrepancy=1) | {"product_id": SCRIPT}]
    theirs = {"user_id": SCRIPT, "number": SCRIPT, "shipping_address": address, "history": history, "items": items}
    order = insert(database, stored() | theirs)
    for address in (page(order), LIST):
        content = manager.get(address).content.decode()
        assert "<script>alert" not in content
        assert "&lt;script&gt;alert" in content


def test_a_typed_reason_is_kept_as_typed_and_shown_escaped(database: Database[Document], manager: Client) -> None:
    order = insert(database, stored())
    reason = f"{SCRIPT} $total_price {{{{ 7|add:7 }}}} “über”"
    press(manager, order, "pay", reason=f"  {reason} ")
    assert find(database, order)["history"][-1]["reason"] == reason
    content = manager.get(page(order)).content.decode()
    assert "<script>alert" not in content
    assert "$total_price {{ 7|add:7 }} “über”" in content


def test_a_reason_may_be_long_but_not_too_long_or_missing(database: Database[Document], manager: Client) -> None:
    order = insert(database, stored())
    refused = press(manager, order, "pay", reason="ü" * 501)
    assert refused.status_code == 400
    assert "At most 500 characters, please: it has 501." in text_of(refused)
    assert find(database, order)["version"] == order["version"]
    press(manager, order, "pay", reason="ü" * 500)
    press(manager, find(database, order), "start_processing", reason=None)
    after = find(database, order)
    assert after["status"] == "processing"
    assert [entry["reason"] for entry in after["history"][-2:]] == ["ü" * 500, ""]


def test_an_unverified_user_shows(database: Database[Document], manager: Client) -> None:
    order = insert(database, stored(user_verified=False))
    assert "Unverified customer: the user service was unavailable" in text_of(manager.get(page(order)))
    verified = insert(database, stored(1))
    assert "Unverified customer" not in text_of(manager.get(page(verified)))


def test_a_button_makes_its_transition_and_says_so(
    sandbox: Sandbox, manager: Client, database: Database[Document]
) -> None:
    order = placed()
    response = manager.post(
        transition_of(order),
        {"transition": "cancel", "version": order["version"], "reason": "Ordered twice"},
        headers={"X-Request-ID": "call-4711"},
        follow=True,
    )
    assert response.redirect_chain == [(page(order), 302)]
    assert f"Order {order['number']} is now cancelled." in text_of(response)
    after = find(database, order)
    assert (after["status"], after["version"]) == ("cancelled", order["version"] + 1)
    expected = {"act": "cancel", "from": "pending", "to": "cancelled", "actor": "staff:Manager", "via": "admin"}
    expected |= {"reason": "Ordered twice", "request_id": "call-4711"}
    [cancelled] = [entry for entry in after["history"] if entry["act"] == "cancel"]
    assert cancelled.items() >= expected.items()
    assert "Manager cancelled the order. " in text_of(response)
    assert " Ordered twice " in text_of(response)
    assert "cancel · pending → cancelled · staff:Manager · admin · request call-4711" in text_of(response)
    assert after["items"][0]["stock"]["state"] == "released"
    assert sandbox.control.stock(TOWEL.product_id).reserved == 0


def test_a_request_without_an_id_gets_one_for_the_history(database: Database[Document], manager: Client) -> None:
    order = insert(database, stored())
    response = press(manager, order, "pay")
    assert response["X-Request-ID"]
    assert find(database, order)["history"][-1]["request_id"] == response["X-Request-ID"]


def test_an_order_goes_all_its_way_by_buttons(sandbox: Sandbox, manager: Client, database: Database[Document]) -> None:
    order = placed()
    for transition in ("pay", "start_processing", "ship", "deliver", "refund"):
        order = find(database, order)
        content = manager.get(page(order)).content.decode()
        assert f'name="transition" value="{transition}"' in content
        assert f'name="version" value="{order["version"]}"' in content
        press(manager, order, transition)
    after = find(database, order)
    assert after["status"] == "refunded"
    assert after["items"][0]["stock"]["state"] == "used"
    assert sandbox.control.stock(TOWEL.product_id).reserved == 2


def test_a_version_that_is_none_changes_nothing(database: Database[Document], manager: Client) -> None:
    order = insert(database, stored())
    before = find(database, order)
    for version in (None, "", " ", "x", "-1", "1.0", "1e3", "0x1", "²", "None", "1\0", "9" * 30, "9" * 5000):
        response = press(manager, order, "pay", version=version)
        assert response.status_code in (400, 409), version
        assert said(response)[-1].startswith("Nothing was changed.")
        assert len(said(response)[-1]) < 300
        assert find(database, order) == before


def test_a_transition_that_is_none_changes_nothing(database: Database[Document], manager: Client) -> None:
    order = insert(database, stored())
    before = find(database, order)
    for transition in (None, "", "save", "delete", "__init__", "place", "reject", "PAY", "refund_order", "pay\0"):
        response = press(manager, order, transition)
        assert response.status_code == 400
        assert said(response)[-1] == "Nothing was changed. Unknown action."
        assert find(database, order) == before


def test_a_page_out_of_date_says_that_nothing_was_changed(database: Database[Document], manager: Client) -> None:
    order = insert(database, stored())
    before = find(database, order)
    for version in (0, 2, 10**12):
        response = press(manager, order, "pay", version=str(version))
        assert response.status_code == 409
        assert said(response) == ["Someone updated this order. Your change was not saved."]
        assert find(database, order) == before


def test_the_second_of_two_people_is_told_and_changes_nothing(database: Database[Document], manager: Client) -> None:
    seen, finance = insert(database, stored()), client_of("Finance")
    press(finance, seen, "pay")
    between = find(database, seen)
    response = press(manager, seen, "cancel")
    assert said(response) == ["Someone updated this order. Your change was not saved."]
    assert find(database, seen) == between
    assert between["status"] == "paid"


@pytest.mark.parametrize("status", PATHS)
def test_an_illegal_transition_is_told_and_changes_nothing(
    database: Database[Document], manager: Client, status: str
) -> None:
    order = insert(database, stored(status=status))
    before = find(database, order)
    names = {name for edges in EDGES.values() for name in edges}
    for transition in sorted(names - EDGES[status].keys()):
        response = press(manager, order, transition)
        assert response.status_code == 409
        message = said(response)[-1]
        assert message.startswith(
            f"Nothing was changed. Cannot {transition.replace('_', ' ')} an order that is {status}."
        )
        assert all(target in message for target in EDGES[status].values())
        assert find(database, order) == before


def test_a_cancellation_succeeds_while_inventory_is_down_and_a_worker_releases(
    sandbox: Sandbox, manager: Client, database: Database[Document], settings: Settings
) -> None:
    order, alive = placed(), settings.INVENTORY_SERVICE_URL
    settings.INVENTORY_SERVICE_URL = dead_url()
    response = press(manager, order, "cancel", reason="Found it elsewhere")
    assert said(response) == [f"Order {order['number']} is now cancelled."]
    cancelled = find(database, order)
    assert cancelled["status"] == "cancelled"
    assert cancelled["items"][0]["stock"]["state"] == "releasing"
    assert cancelled["stock_due_at"]
    assert sandbox.control.stock(TOWEL.product_id).reserved == 2
    assert "Being released 1 attempt" in text_of(manager.get(page(order)))

    settings.INVENTORY_SERVICE_URL = alive
    settle(database)
    assert find(database, order)["items"][0]["stock"]["state"] == "released"
    assert sandbox.control.stock(TOWEL.product_id).reserved == 0
    text = text_of(manager.get(page(order)))
    assert "Item 1: stock released. " in text
    assert "stock · items.0 · → released · system:settle_stock · worker" in text
    assert "Released" in text


def test_what_staff_did_about_a_lines_stock_is_told_in_words(manager: Client, database: Database[Document]) -> None:
    history = [
        entry("draft", target="pending"), entry("retry", source="releasing", line=0),
        entry("accept_shortage", line=1, detail="2 not released. gave 0 of 2"),
        entry("verify_user", detail="The user service knows 1 as an active user."),
    ]  # fmt: skip
    order = insert(database, stored(history=history, items=[line(), line("released")]))
    text = text_of(manager.get(page(order)))
    assert "The customer requested another attempt at the stock of item 1. " in text
    assert "The customer acknowledged the short release of item 2. " in text
    assert "2 not released. gave 0 of 2" in text
    assert "The user service knows 1" in text
    assert "Stock of line" not in text
    assert "Before:" not in text


def test_a_release_of_unknown_outcome_is_shown_and_not_repeated(
    sandbox: Sandbox, manager: Client, database: Database[Document]
) -> None:
    order = placed()
    sandbox.control.fault("release", "drop_after", times=1)
    press(manager, order, "cancel")
    after = find(database, order)
    assert (after["status"], after["items"][0]["stock"]["state"]) == ("cancelled", "unknown")
    assert "stock_due_at" not in after
    assert "Release not confirmed 1 attempt" in text_of(manager.get(page(order)))
    assert sandbox.control.counts()["release"] == 1


def test_a_write_that_the_database_does_not_confirm_is_told_as_such(
    database: Database[Document], manager: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    order = insert(database, stored())

    def write_without_database(*args: Any, **kwargs: Any) -> Any:
        with database_down(), ThreadPoolExecutor(1) as thread:
            return thread.submit(guarded_write, *args, **kwargs).result()

    guarded_write = transitions.guarded_write
    monkeypatch.setattr(transitions, "guarded_write", write_without_database)
    response = press(manager, order, "pay")
    assert response.status_code == 503
    assert said(response)[0].startswith("The database did not answer in time.")
    assert 'value="As agreed on the phone"' in response.content.decode()
    assert find(database, order)["status"] == "pending"


def test_an_id_that_is_none_leads_back_with_a_message(manager: Client) -> None:
    for given in ("x", "0" * 23, "g" * 24, "_", "%00", "0" * 24, "a/b", "..%2f..", "9" * 3000, "ü"):
        response = manager.get(f"{LIST}{given}/change/", follow=True)
        assert response.status_code == 200, given
        assert "doesn’t exist" in text_of(response)
        assert manager.get(f"{LIST}{given}/history/").status_code == 302
        assert manager.post(f"{LIST}{given}/transition/", {"transition": "pay", "version": "1"}).status_code == 404


def test_an_id_in_upper_case_is_the_same_order(database: Database[Document], manager: Client) -> None:
    order = insert(database, stored(_id=ObjectId("abcdefabcdefabcdefabcdef")))
    assert order["number"] in text_of(manager.get(page("ABCDEFABCDEFABCDEFABCDEF")))


def test_the_admins_own_history_page_opens(database: Database[Document], manager: Client) -> None:
    order = insert(database, stored())
    assert manager.get(f"{LIST}{order['_id']}/history/").status_code == 200


def test_an_order_is_read_by_its_id_and_a_page_asks_nothing_that_scans(
    database: Database[Document], manager: Client
) -> None:
    orders = insert_each_status(database)
    manager.get(page(orders["paid"]))
    with profiled(database) as operations:
        manager.get(page(orders["paid"]))
        press(manager, orders["paid"], "start_processing")
    assert operations
    of_orders = [operation for operation in operations if operation["ns"].endswith(".orders")]
    beside = [operation for operation in of_orders if operation["planSummary"] == "IXSCAN { created_at: -1, _id: -1 }"]
    assert len(beside) == 2, "the previous order and the next"
    assert all(one["keysExamined"] <= 2 and one["docsExamined"] <= 2 for one in beside)
    by_customer = [operation for operation in of_orders if operation["command"].get("hint") == "user_newest"]
    [duplicates] = by_customer
    assert duplicates["planSummary"] == "IXSCAN { user_id: 1, created_at: -1, _id: -1 }"
    assert duplicates["docsExamined"] <= len(orders)
    others = [operation for operation in of_orders if operation not in [*by_customer, *beside]]
    assert {operation["planSummary"] for operation in others} <= {"IDHACK", "IXSCAN { _id: 1 }"}
    assert all(operation["docsExamined"] <= 1 for operation in others)
    assert len(others) >= 4
    assert sum(operation["ns"].endswith(".auth_user") for operation in operations) <= 3, "two who ask, and colleagues"
    for operation in operations:
        if operation["ns"].endswith((".auth_user", ".django_session")):
            assert "COLLSCAN" not in operation["planSummary"], operation
