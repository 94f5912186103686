"""A day in the backoffice: orders are found, cancelled, shipped, exported and printed, by mouse and keyboard."""

import base64
import csv
import re
from datetime import UTC, datetime
from typing import Any, Literal

import pytest
import segno
from bson import Decimal128
from playwright.sync_api import Page, expect
from pymongo.database import Database

from integrations.sandbox import Sandbox
from tests.browser.conftest import SignIn, inaccessible
from tests.functional.admin_helpers import LIST, Document, find, insert, line, page, placed, stored
from tests.integration.builders import stock_of

pytestmark = pytest.mark.no_cover


def test_support_finds_an_order_by_its_number_and_cancels_it_with_a_reason(
    sign_in: SignIn, database: Database[Document], sandbox: Sandbox
) -> None:
    order = placed("pay")
    insert(database, *(stored(number) for number in range(3)))
    before = stock_of(sandbox)
    desk = sign_in("Support", at=LIST)
    search(desk, order["number"].replace("-", "").lower())
    expect(desk.locator(".order-number")).to_have_text(order["number"])
    expect(desk.get_by_text("Releases 2 units of 1 product.")).to_be_visible()
    desk.get_by_text("Cancel…").click()
    desk.locator("#code-cancel").select_option(label="Customer's wish")
    desk.locator("#reason-cancel").fill("Ordered twice")
    desk.get_by_role("button", name="Cancel this order").click()
    expect(desk.locator(".order-head")).to_contain_text("Cancelled")
    expect(desk.locator(".order-past")).to_contain_text("Ordered twice")
    assert stock_of(sandbox) == (before[0] + 2, before[1] - 2)
    assert find(database, order)["status"] == "cancelled"


@pytest.mark.slow
def test_an_order_is_not_cancelled_without_a_reason(sign_in: SignIn, database: Database[Document]) -> None:
    order = placed()
    desk = sign_in("Support", at=page(order))
    desk.get_by_text("Cancel…").click()
    desk.get_by_role("button", name="Cancel this order").click()
    expect(desk.locator("#code-cancel:invalid")).to_be_visible()
    assert find(database, order)["status"] == "pending"


def test_fulfilment_ships_ten_orders_at_once(sign_in: SignIn, database: Database[Document]) -> None:
    insert(database, *(stored(number, status="processing") for number in range(10)), stored(10, status="paid"))
    desk = sign_in("Fulfilment", at=LIST)
    desk.locator("#action-toggle").check()
    expect(desk.locator(".action-counter")).to_contain_text("11 of 11")
    desk.get_by_label("With selected orders").select_option("ship")
    desk.get_by_role("button", name="Continue").click()
    expect(desk.locator("#content-main")).to_contain_text("Mark 10 orders as shipped?")
    assert inaccessible(desk) == []
    desk.get_by_role("button", name="Mark 10 orders as shipped").click()
    expect(desk.get_by_text("Processed: 11 of 11")).to_be_visible()
    expect(desk.locator(".bulk-results tbody tr")).to_have_count(1)
    assert inaccessible(desk) == []
    assert database["orders"].count_documents({"status": "shipped", "items.stock.state": "used"}) == 10
    assert database["orders"].count_documents({"status": "paid", "items.stock.state": "reserved"}) == 1


def test_an_unknown_line_is_settled_where_it_is_listed(sign_in: SignIn, database: Database[Document]) -> None:
    order = insert(database, stored(status="cancelled", items=[line("unknown", call="release")]))
    desk = sign_in("Fulfilment")
    desk.get_by_role("link", name="Needs attention").first.click()
    desk.get_by_text("Resolve item 1…").click()
    desk.get_by_label("Was the stock released? Evidence (required)").fill("Counted the shelf")
    desk.get_by_role("button", name="Released", exact=True).click()
    expect(desk.get_by_role("button", name="Released", exact=True)).to_have_count(0)
    settled = find(database, order)
    assert settled["items"][0]["stock"]["state"] == "released"
    assert settled["history"][-1]["reason"] == "Counted the shelf"


@pytest.mark.slow
def test_what_the_list_shows_is_exported(sign_in: SignIn, database: Database[Document]) -> None:
    insert(database, *(stored(number, status=status) for number, status in enumerate(("paid", "pending", "paid"))))
    desk = sign_in("Finance", at=f"{LIST}?status=paid")
    with desk.expect_download() as download:
        desk.get_by_role("link", name="Export CSV").click()
    with open(download.value.path(), encoding="utf-8-sig", newline="") as file:
        rows = list(csv.DictReader(file))
    assert [row["status"] for row in rows] == ["paid", "paid"]
    expect(desk.locator("[data-export-status]")).to_have_text("Done: 2 orders, 0.0 MB")


@pytest.mark.slow
def test_documents_are_printed(sign_in: SignIn, database: Database[Document]) -> None:
    order = placed("pay", quantity=3)
    desk = sign_in("Fulfilment", at=page(order))
    desk.get_by_role("link", name="Packing slip").click()
    expect(desk.get_by_role("heading", name="Packing slip")).to_be_visible()
    assert "44.70" not in desk.locator("body").inner_text(), "a price on a packing slip"
    assert inaccessible(desk) == []
    desk.emulate_media(media="print")
    expect(desk.get_by_role("link", name="Back to the order")).to_be_hidden()
    desk.emulate_media(media="screen")
    desk.go_back()
    desk.get_by_role("link", name="Order confirmation").click()
    expect(desk.locator("body")).to_contain_text("44.70")
    assert len(desk.pdf()) > 1000


@pytest.mark.slow
def test_selected_orders_are_printed_as_one_document_in_one_dialog(
    sign_in: SignIn, database: Database[Document]
) -> None:
    insert(database, *(stored(number, status="paid") for number in range(3)), stored(3, status="shipped"))
    desk = sign_in("Fulfilment", at=f"{LIST}?status=paid")
    desk.locator("#action-toggle").check()
    desk.get_by_label("With selected orders").select_option(label="Print packing slips")
    desk.get_by_role("button", name="Continue").click()
    expect(desk.get_by_role("heading", name="Packing slip")).to_have_count(3)
    assert inaccessible(desk) == []
    desk.evaluate("() => { window.dialogs = 0; window.print = () => { window.dialogs += 1; }; }")
    desk.get_by_role("button", name="Print").click()
    assert desk.evaluate("window.dialogs") == 1
    assert pages_of(desk.pdf(format="A4")) == pages_of(desk.pdf(format="Letter")) == 3
    desk.reload()
    expect(desk.get_by_role("heading", name="Packing slip")).to_have_count(3)


@pytest.mark.slow
def test_orders_of_many_lines_run_over_pages_and_each_begins_a_new_one(
    sign_in: SignIn, database: Database[Document]
) -> None:
    long = [line() | {"name": "A rather long name of a product " * 9} for _ in range(100)]
    orders = [stored(0, items=long), stored(1), stored(2, items=long)]
    insert(database, *orders)
    desk = sign_in("Fulfilment")
    counts = []
    for which in (orders, orders[:1], orders[1:2]):
        desk.goto(f"{LIST}packing-slips/?ids={','.join(str(order['_id']) for order in which)}")
        counts.append(pages_of(desk.pdf(format="A4")))
    together, long_one, short_one = counts
    assert short_one == 1
    assert long_one > 2
    assert together == 2 * long_one + short_one


@pytest.mark.slow
def test_a_pick_list_is_printed(sign_in: SignIn, database: Database[Document]) -> None:
    insert(database, *(stored(number, status="paid") for number in range(2)), stored(2, status="cancelled"))
    desk = sign_in("Fulfilment", at=LIST)
    desk.locator("#action-toggle").check()
    desk.get_by_label("With selected orders").select_option(label="Print pick list")
    desk.get_by_role("button", name="Continue").click()
    expect(desk.locator("tbody tr")).to_have_count(1)
    expect(desk.locator("main")).to_contain_text("Not on this list: 1 order")
    assert inaccessible(desk) == []
    assert pages_of(desk.pdf()) == 1


@pytest.mark.slow
def test_a_product_that_fifty_orders_need_is_picked_off_one_page(sign_in: SignIn, database: Database[Document]) -> None:
    orders = [stored(number, status="paid") for number in range(50)]
    insert(database, *orders)
    desk = sign_in("Fulfilment", at=f"{LIST}pick-list/?ids={','.join(str(order['_id']) for order in orders)}")
    expect(desk.locator("main")).to_contain_text("100 units of 1 product for 50 orders")
    assert pages_of(desk.pdf(format="A4")) == pages_of(desk.pdf(format="Letter")) == 1


@pytest.mark.slow
@pytest.mark.parametrize("media", ["screen", "print"])
def test_a_scanner_sees_the_whole_code_of_an_orders_number_black_on_white(
    sign_in: SignIn, database: Database[Document], media: Literal["screen", "print"]
) -> None:
    order = insert(database, stored(items=[line() | {"name": "A rather long name of a product " * 9}]))
    code = segno.make_qr(order["number"])
    desk = sign_in("Fulfilment", at=page(order).replace("/change/", "/packing-slip/"), device_scale_factor=4)
    desk.emulate_media(media=media)
    picture = base64.b64encode(desk.locator(".code svg").screenshot()).decode()
    seen = desk.evaluate(MODULES_SEEN, [picture, code.symbol_size()[0]])
    assert seen == [[int(dark) for dark in row] for row in code.matrix_iter(border=4)]


MODULES_SEEN = """async ([picture, size]) => {
    const image = new Image();
    image.src = `data:image/png;base64,${picture}`;
    await image.decode();
    const canvas = document.createElement("canvas");
    [canvas.width, canvas.height] = [image.width, image.height];
    const pen = canvas.getContext("2d");
    pen.drawImage(image, 0, 0);
    const at = (place, length) => Math.floor((place + 0.5) * length / size);
    const dark = (x, y) => pen.getImageData(at(x, image.width), at(y, image.height), 1, 1).data[0] < 128 ? 1 : 0;
    return [...Array(size).keys()].map((y) => [...Array(size).keys()].map((x) => dark(x, y)));
}"""
"""What the middle of each square of a pictured code is: 1 is dark. Needs the code to fill the picture."""


def pages_of(pdf: bytes) -> int:
    return len(re.findall(rb"/Type */Page\b", pdf))


@pytest.mark.slow
def test_who_may_not_change_orders_sees_no_buttons_and_a_forged_post_changes_nothing(
    sign_in: SignIn, database: Database[Document]
) -> None:
    order = placed("pay")
    finance = sign_in("Finance", at=page(order))
    expect(finance.get_by_role("button", name="Start processing")).to_have_count(0)
    answers = finance.evaluate(
        """async ([address, version]) => {
            const token = document.querySelector('[name=csrfmiddlewaretoken]').value;
            const body = new URLSearchParams({csrfmiddlewaretoken: token, transition: 'ship', version, reason: 'x'});
            return (await fetch(address, {method: 'POST', body})).status;
        }""",
        [page(order).replace("/change/", "/transition/"), str(order["version"])],
    )
    assert answers == 403
    assert find(database, order) == order


def test_of_two_people_at_one_order_the_second_is_told_what_the_first_did(
    sign_in: SignIn, database: Database[Document]
) -> None:
    order = placed()
    first, second = sign_in("Finance", at=page(order)), sign_in("Support", at=page(order))
    first.get_by_role("button", name="Mark as paid").click()
    expect(first.locator(".order-head")).to_contain_text("Paid")
    second.get_by_text("Cancel…").click()
    second.locator("#code-cancel").select_option(label="Customer's wish")
    second.locator("#reason-cancel").fill("Changed their mind")
    second.get_by_role("button", name="Cancel this order").click()
    alert = second.get_by_role("alert")
    expect(alert).to_contain_text("Someone updated this order while you were viewing it")
    expect(alert).to_contain_text("Finance")
    expect(second.locator("#reason-cancel")).to_have_value("Changed their mind")
    expect(second.locator("#code-cancel")).to_have_value("customer")
    assert find(database, order)["status"] == "paid"
    second.get_by_role("button", name="Cancel this order").click()
    expect(second.locator(".order-head")).to_contain_text("Cancelled")


def search(desk: Page, text: str) -> None:
    desk.locator("#searchbar").fill(text)
    desk.locator("#searchbar").press("Enter")


def in_parts() -> Document:
    """An order on hold of which a parcel has left, and comes back, and of which an item was cancelled."""
    at = datetime.now(UTC)
    items = [
        line() | {"quantity": 1},
        line("used") | {"quantity": 1, "split_from": 0, "shipment": 0, "returned_in": 0},
        line("released") | {"removed": "cancelled"},
    ]
    tracking = {"carrier": "UPS", "tracking_number": "1Z" + "9" * 60, "tracking_url": "https://ups.example/1Z"}
    moved = {"at": at, "reference": "R" * 64}
    return stored(
        22,
        status="processing",
        items=items,
        paid_at=at,
        shipments=[{"at": at, **tracking}],
        returns=[{"at": at, "code": "customer"}],
        payments=[moved | {"amount": Decimal128("59.60"), "method": "Card"}],
        refunds=[moved | {"amount": Decimal128("9.60"), "code": "customer"}],
        paid=Decimal128("59.60"),
        refunded=Decimal128("9.60"),
        owed=Decimal128("20.20"),
        held_at=at,
        hold={"code": "fraud", "reason": "Third card today", "actor": "staff:Finance"},
    )


def busy_shop(database: Database[Document]) -> dict[str, Any]:
    """Orders of every kind. :returns: one of unknown stock."""
    statuses = ("pending", "paid", "processing", "shipped", "delivered", "refunded", "rejected", "placing")
    insert(database, *(stored(number, status=status) for number, status in enumerate(statuses)))
    insert(database, stored(20, user_verified=False), in_parts())
    return insert(database, stored(21, status="cancelled", items=[line("unknown", call="release"), line("released")]))
