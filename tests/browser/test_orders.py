"""A day in the backoffice: orders are found, cancelled, shipped, exported and printed, by mouse and keyboard."""

import csv
from typing import Any

import pytest
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
    desk.get_by_label("Reason (shown in the timeline)").fill("Ordered twice")
    desk.get_by_role("button", name="Cancel this order").click()
    expect(desk.locator(".order-head")).to_contain_text("Cancelled")
    expect(desk.locator(".order-timeline")).to_contain_text("Ordered twice")
    assert stock_of(sandbox) == (before[0] + 2, before[1] - 2)
    assert find(database, order)["status"] == "cancelled"


def test_an_order_is_not_cancelled_without_a_reason(sign_in: SignIn, database: Database[Document]) -> None:
    order = placed()
    desk = sign_in("Support", at=page(order))
    desk.get_by_text("Cancel…").click()
    desk.get_by_role("button", name="Cancel this order").click()
    expect(desk.locator("#reason-cancel:invalid")).to_be_visible()
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
    desk.get_by_label("Was the stock released? Evidence (required)").fill("Counted the shelf")
    desk.get_by_role("button", name="Released", exact=True).click()
    expect(desk.get_by_role("button", name="Released", exact=True)).to_have_count(0)
    settled = find(database, order)
    assert settled["items"][0]["stock"]["state"] == "released"
    assert settled["history"][-1]["reason"] == "Counted the shelf"


def test_what_the_list_shows_is_exported(sign_in: SignIn, database: Database[Document]) -> None:
    insert(database, *(stored(number, status=status) for number, status in enumerate(("paid", "pending", "paid"))))
    desk = sign_in("Finance", at=f"{LIST}?status=paid")
    with desk.expect_download() as download:
        desk.get_by_role("link", name="Export CSV").click()
    with open(download.value.path(), encoding="utf-8-sig", newline="") as file:
        rows = list(csv.DictReader(file))
    assert [row["status"] for row in rows] == ["paid", "paid"]


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
    second.get_by_label("Reason (shown in the timeline)").fill("Changed their mind")
    second.get_by_role("button", name="Cancel this order").click()
    alert = second.get_by_role("alert")
    expect(alert).to_contain_text("Someone updated this order while you were viewing it")
    expect(alert).to_contain_text("Finance")
    expect(second.locator("#reason-cancel")).to_have_value("Changed their mind")
    assert find(database, order)["status"] == "paid"
    second.get_by_role("button", name="Cancel this order").click()
    expect(second.locator(".order-head")).to_contain_text("Cancelled")


def search(desk: Page, text: str) -> None:
    desk.locator("#searchbar").fill(text)
    desk.locator("#searchbar").press("Enter")


def busy_shop(database: Database[Document]) -> dict[str, Any]:
    """Orders of every kind. :returns: one of unknown stock."""
    statuses = ("pending", "paid", "processing", "shipped", "delivered", "refunded", "rejected", "placing")
    insert(database, *(stored(number, status=status) for number, status in enumerate(statuses)))
    insert(database, stored(20, user_verified=False))
    return insert(database, stored(21, status="cancelled", items=[line("unknown", call="release"), line("released")]))
