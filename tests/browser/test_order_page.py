"""The page of an order: it is taken in one press, tagged, and what one needs of it is copied by keyboard."""

import pytest
from playwright.sync_api import expect
from pymongo.database import Database

from tests.browser.conftest import SignIn, inaccessible
from tests.functional.admin_helpers import Document, find, insert, page, placed, stored

pytestmark = [pytest.mark.slow, pytest.mark.no_cover]


def test_an_order_is_taken_tagged_and_copied_from(sign_in: SignIn, database: Database[Document]) -> None:
    shipment = {"at": stored()["created_at"], "carrier": "DHL", "tracking_number": "JD0123", "tracking_url": ""}
    contact = {"name": "Amara Okafor", "email": "amara@example.com", "phone": ""}
    order = insert(database, stored(status="shipped", contact=contact, shipments=[shipment]))
    desk = sign_in("Support", at=page(order), permissions=["clipboard-read", "clipboard-write"])
    desk.get_by_role("button", name="Assign to me").click()
    expect(desk.locator("section", has=desk.get_by_role("heading", name="Assigned to"))).to_contain_text("(you)")
    assert find(database, order)["assignee"]["name"] == "Support"
    desk.get_by_label("Add tags").fill("VIP, gift")
    desk.keyboard.press("Enter")
    expect(desk.get_by_role("link", name="gift", exact=True)).to_be_visible()
    desk.get_by_role("button", name="Remove tag VIP").press("Enter")
    expect(desk.get_by_role("link", name="VIP", exact=True)).to_have_count(0)
    assert find(database, order)["tags"] == ["gift"]
    for what, text in {
        "order number": order["number"],
        "e-mail address": "amara@example.com",
        "shipping address": "Amara Okafor\n1 Long Street\n12345 Springfield\nFreedonia",
        "tracking number of parcel 1": "JD0123",
    }.items():
        button = desk.get_by_role("button", name=f"Copy {what}")
        button.focus()
        desk.keyboard.press("Enter")
        expect(desk.locator("#copied")).to_have_text("Copied")
        expect(button).to_be_focused()
        assert desk.evaluate("navigator.clipboard.readText()") == text
        desk.locator("#copied").evaluate("(told) => { told.textContent = ''; }")
    desk.get_by_text("Technical details").click()
    expect(desk.get_by_text("UTC · tag · staff:Support · admin")).to_be_visible()
    assert inaccessible(desk) == []


def test_an_open_page_says_who_has_changed_the_order_meanwhile(sign_in: SignIn, database: Database[Document]) -> None:
    order = placed()
    desk, other = sign_in("Support", at=page(order)), sign_in("Finance", at=page(order))
    other.get_by_role("button", name="Mark as paid").click()
    expect(other.locator(".order-head")).to_contain_text("Paid")
    desk.evaluate("document.dispatchEvent(new Event('visibilitychange'))")  # as when one comes back to the tab
    told = desk.locator("#order-changed")
    expect(told).to_have_text("Someone updated this order. Last change: Paid, by Finance. Show the current order")
    told.get_by_role("link").click()
    expect(desk.locator(".order-head")).to_contain_text("Paid")
    expect(told).to_be_hidden()
