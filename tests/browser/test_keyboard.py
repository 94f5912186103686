"""A day's work by keyboard alone: each control is reached by Tab, shows that it has the focus, and none loses it."""

import re

import pytest
from playwright.sync_api import Locator, Page, expect
from pymongo.database import Database

from integrations.sandbox import Sandbox
from tests.browser.conftest import SignIn
from tests.browser.test_accessibility import NARROWEST
from tests.functional.admin_helpers import LIST, Document, find, insert, page, placed, stored

pytestmark = [pytest.mark.slow, pytest.mark.no_cover]

MOST_STEPS = 90
"""So often Tab is pressed before a control counts as out of reach."""
SHOWS_FOCUS = """(element) => {
    const style = getComputedStyle(element);
    const box = element.getBoundingClientRect();
    const hit = document.elementFromPoint(box.x + box.width / 2, box.y + box.height / 2);
    const outlined = style.outlineStyle !== "none" && parseFloat(style.outlineWidth) >= 1;
    return outlined && (element.contains(hit) || hit?.contains(element));
}"""
"""Whether an element has an outline, and nothing lies over it."""


def reach(desk: Page, control: Locator, key: str = "Tab") -> None:
    """Press a key until the control has the focus, and see that it shows."""
    for _ in range(MOST_STEPS):
        if control.evaluate("(element) => element === document.activeElement"):
            assert control.evaluate(SHOWS_FOCUS), f"the focus is not seen at {control}"
            return
        desk.keyboard.press(key)
    pytest.fail(f"{control} is out of reach of {key}")


def skip_to_content(desk: Page) -> None:
    reach(desk, desk.get_by_role("link", name="Skip to content"))
    desk.keyboard.press("Enter")
    expect(desk.locator("#content")).to_be_focused()


def test_an_order_is_found_and_its_status_changed_with_a_note(
    sign_in: SignIn, database: Database[Document], sandbox: Sandbox
) -> None:
    order = placed("pay")
    insert(database, *(stored(number) for number in range(3)))
    desk = sign_in("Fulfilment", at=LIST)
    skip_to_content(desk)
    reach(desk, desk.locator("#searchbar"))
    desk.keyboard.type(order["number"])
    desk.keyboard.press("Enter")
    expect(desk.locator(".order-number")).to_have_text(order["number"])
    skip_to_content(desk)
    reach(desk, desk.locator("form:has(#reason-start_processing) summary"))
    desk.keyboard.press("Enter")
    reach(desk, desk.locator("#reason-start_processing"))
    desk.keyboard.type("Gift wrapping")
    desk.keyboard.press("Enter")
    expect(desk.locator("#messages")).to_be_focused()
    assert find(database, order)["status"] == "processing"
    assert find(database, order)["history"][-1]["reason"] == "Gift wrapping"


def test_an_address_is_corrected_and_a_mistake_is_where_the_keyboard_is(
    sign_in: SignIn, database: Database[Document], sandbox: Sandbox
) -> None:
    order = placed()
    desk = sign_in("Support", at=page(order))
    skip_to_content(desk)
    reach(desk, desk.get_by_text("Edit address"))
    desk.keyboard.press("Enter")
    for typed, then in ((" ", "[aria-invalid=true]"), ("2 Short Street", "#messages")):
        reach(desk, desk.locator("#address-line1"))
        desk.keyboard.press("Control+a")
        desk.keyboard.type(typed)
        desk.keyboard.press("Enter")
        expect(desk.locator(then).first).to_be_focused()
    assert find(database, order)["shipping_address"]["line1"] == "2 Short Street"


def test_orders_are_changed_in_bulk_on_the_smallest_screen(sign_in: SignIn, database: Database[Document]) -> None:
    insert(database, *(stored(number, status="processing") for number in range(3)))
    desk = sign_in("Fulfilment", at=LIST, viewport=NARROWEST)
    skip_to_content(desk)
    reach(desk, desk.locator("#action-toggle"))
    desk.keyboard.press("Space")
    desk.evaluate("scrollTo(0, document.body.scrollHeight)")
    bar, pages = desk.locator("#changelist-actions").bounding_box(), desk.locator(".order-pages").bounding_box()
    assert bar
    assert pages
    assert pages["y"] + pages["height"] <= bar["y"], "the bar lies over what is below the orders"
    reach(desk, desk.locator("#bulk-action"), "Shift+Tab")
    desk.keyboard.type("Mark as shipped")
    reach(desk, desk.get_by_role("button", name="Continue"))
    desk.keyboard.press("Enter")
    expect(desk.get_by_role("heading", name="Mark 3 orders as shipped?")).to_be_focused()
    reach(desk, desk.get_by_role("button", name="Mark 3 orders as shipped"))
    desk.keyboard.press("Enter")
    expect(desk.get_by_text("Processed: 3 of 3")).to_be_visible()
    assert database["orders"].count_documents({"status": "shipped"}) == 3


def test_the_account_is_within_reach_and_what_opens_gives_the_focus_back(sign_in: SignIn) -> None:
    desk = sign_in("Support")
    opener = desk.get_by_role("button", name=re.compile("Account: Support"))
    change = desk.get_by_role("link", name="Change password")
    reach(desk, opener)
    desk.keyboard.press("Enter")
    expect(opener).to_have_attribute("aria-expanded", "true")
    expect(change).to_be_visible()
    desk.keyboard.press("Escape")
    expect(opener).to_be_focused()
    expect(change).to_be_hidden()
    desk.keyboard.press("Control+k")
    expect(desk.locator("#search-input-command")).to_be_focused()
    desk.keyboard.press("Escape")
    expect(opener).to_be_focused()
    desk.set_viewport_size(NARROWEST)
    navigation = desk.locator("#main").get_by_role("button", name="Navigation")
    reach(desk, navigation)
    desk.keyboard.press("Enter")
    expect(desk.locator("#nav-sidebar").get_by_role("button", name="Navigation")).to_be_focused()
    desk.keyboard.press("Escape")
    expect(navigation).to_be_focused()
    desk.keyboard.press("Enter")
    reach(desk, opener)
    desk.keyboard.press("Enter")
    expect(change).to_be_visible()
    reach(desk, change)
    desk.keyboard.press("Enter")
    expect(desk.get_by_label("Old password")).to_be_visible()
    reach(desk, navigation)
    desk.keyboard.press("Enter")
    reach(desk, opener)
    desk.keyboard.press("Enter")
    log_out = desk.get_by_role("button", name="Log out")
    expect(log_out).to_be_visible()
    reach(desk, log_out)
    desk.keyboard.press("Enter")
    expect(log_out).to_have_count(0)
