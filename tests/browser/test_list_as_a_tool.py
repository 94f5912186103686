"""The list of orders by keyboard, narrowed, kept under a name, and found again after a look at an order."""

from datetime import timedelta

import pytest
from django.utils import timezone
from playwright.sync_api import Page, expect
from pymongo.database import Database

from tests.browser.conftest import SignIn, inaccessible
from tests.functional.admin_helpers import LIST, Document, find, insert, stored

pytestmark = [pytest.mark.slow, pytest.mark.no_cover]

FOCUSED_ROW = "#result_list tr:focus-within"


def focused(desk: Page, order: Document) -> None:
    expect(desk.locator(FOCUSED_ROW)).to_contain_text(order["number"])


def test_a_list_is_worked_through_by_keyboard(sign_in: SignIn, database: Database[Document]) -> None:
    orders = [stored(number, status="processing") for number in range(4)]
    insert(database, *orders)
    desk = sign_in("Fulfilment", at=LIST)
    desk.goto(f"{LIST}?status=processing")
    desk.keyboard.press("j")
    focused(desk, orders[0])
    desk.keyboard.press("j")
    desk.keyboard.press("j")
    desk.keyboard.press("k")
    focused(desk, orders[1])
    desk.keyboard.press("x")
    expect(desk.locator(f"{FOCUSED_ROW} input[type=checkbox]")).to_be_checked()
    desk.keyboard.press("x")
    expect(desk.locator(f"{FOCUSED_ROW} input[type=checkbox]")).not_to_be_checked()
    # The help keeps the keyboard, and gives it back.
    desk.keyboard.press("?")
    dialog = desk.get_by_role("dialog", name="Keyboard shortcuts")
    expect(dialog).to_be_visible()
    assert inaccessible(desk) == []
    for _ in range(5):
        desk.keyboard.press("Tab")
        assert desk.evaluate("document.activeElement === document.body || !!document.activeElement.closest('#keys')")
    desk.keyboard.press("j")
    desk.keyboard.press("Escape")
    expect(dialog).to_be_hidden()
    focused(desk, orders[1])
    # Enter opens; j and k lead on along the list, and what is done there keeps it.
    desk.keyboard.press("Enter")
    expect(desk.locator(".order-number")).to_have_text(orders[1]["number"])
    desk.wait_for_load_state()  # keys are understood once the page's scripts have run
    desk.keyboard.press("j")
    expect(desk.locator(".order-number")).to_have_text(orders[2]["number"])
    desk.get_by_role("button", name="Mark as shipped").first.click()
    expect(desk.locator("#messages li, #messages [role=alert], #messages p").first).to_be_visible()
    assert find(database, orders[2])["status"] == "shipped"
    desk.wait_for_load_state()
    desk.keyboard.press("k")
    expect(desk.locator(".order-number")).to_have_text(orders[1]["number"])
    desk.get_by_role("link", name="Back to the list").click()
    desk.wait_for_url(lambda url: url.endswith(f"{LIST}?status=processing"))
    expect(desk.locator("#result_list tbody tr")).to_have_count(3)
    # Typing is typing.
    desk.keyboard.press("/")
    desk.keyboard.type("jkx?/")
    expect(desk.locator("#searchbar")).to_have_value("jkx?/")
    expect(dialog).to_be_hidden()
    # Single keys are switched off, also for the next page.
    desk.get_by_role("button", name="Keyboard shortcuts").click()
    desk.get_by_label("Use shortcuts of a single key").uncheck()
    desk.get_by_role("button", name="Close").click()
    desk.reload()
    desk.keyboard.press("j")
    desk.keyboard.press("?")
    expect(dialog).to_be_hidden()
    expect(desk.locator(FOCUSED_ROW)).to_have_count(0)


def test_a_list_is_narrowed_kept_and_found_by_the_palette(sign_in: SignIn, database: Database[Document]) -> None:
    insert(database, *(stored(number, status="paid" if number % 2 else "pending") for number in range(4)))
    desk = sign_in("Support", at=LIST)
    desk.goto(f"{LIST}?status=paid&user=1")
    desk.get_by_role("link", name="Customer: 1").click()
    expect(desk.get_by_role("link", name="Customer: 1")).to_have_count(0)
    expect(desk.get_by_role("link", name="Status: Paid")).to_be_visible()
    desk.get_by_role("link", name="Total").click()
    expect(desk.get_by_role("columnheader", name="Total")).to_have_attribute("aria-sort", "descending")
    desk.get_by_text("Columns", exact=True).click()
    desk.get_by_role("checkbox", name="Stock", exact=True).uncheck()
    desk.get_by_label("In status since").check()
    desk.get_by_role("button", name="Show these columns").click()
    expect(desk.get_by_role("columnheader", name="In status since")).to_be_visible()
    expect(desk.get_by_role("columnheader", name="Stock", exact=True)).to_have_count(0)
    desk.get_by_text("Views", exact=True).click()
    desk.get_by_label("Save this list as").fill("Paid, dearest first")
    assert inaccessible(desk) == []
    desk.get_by_role("button", name="Save view").click()
    tab = desk.get_by_role("navigation", name="Views").get_by_role("link", name="Paid, dearest first")
    expect(tab).to_have_attribute("aria-current", "page")
    desk.goto("/admin/")
    desk.keyboard.press("Control+k")
    box = desk.locator("#search-input-command")
    expect(box).to_be_focused()
    box.press_sequentially("dearest")
    expect(desk.locator("#command-results-list")).to_contain_text("Paid, dearest first")
    assert inaccessible(desk) == []
    for _ in range(5):
        desk.keyboard.press("Tab")
        assert desk.evaluate("!!document.activeElement.closest('[role=dialog]')"), "the keyboard stays where it is seen"
    desk.locator("#command-results-list a").first.press("Enter")
    expect(tab).to_have_attribute("aria-current", "page")
    expect(desk.locator("#result_list tbody tr")).to_have_count(2)


@pytest.mark.parametrize("locale", ["en-GB", "de-DE"])
def test_the_table_with_all_its_columns_keeps_within_its_frame(
    sign_in: SignIn, database: Database[Document], locale: str
) -> None:
    late = timezone.now() - timedelta(days=20)
    insert(database, *(stored(number, status="processing", status_since=late, created_at=late) for number in range(3)))
    desk = sign_in("Support", at=LIST, locale=locale)
    for width in (1440, 1366, 1280, 1024):
        desk.set_viewport_size({"width": width, "height": 900})
        desk.goto(f"{LIST}?sort=longest")
        frame, table = desk.locator(".order-table-frame"), desk.locator("#result_list")
        expect(desk.locator("#result_list thead .column-age")).to_be_visible()
        right = "element => element.getBoundingClientRect().right"
        fits = table.evaluate(right) <= frame.evaluate(right) + 1
        assert fits or frame.evaluate("frame => getComputedStyle(frame).overflowX") == "auto", width
