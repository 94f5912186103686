"""An order that does not leave in one piece: packed in part, the rest cancelled and refunded, one unit taken back."""

from decimal import Decimal
from typing import Any

import pytest
from django.utils import timezone
from playwright.sync_api import Locator, Page, expect
from pymongo.database import Database

from integrations.sandbox import Sandbox
from integrations.sandbox.catalogue import PRODUCTS
from orders.models import Address, Item
from orders.services import access
from orders.services.audit import Act
from orders.services.lifecycle import placement, transitions
from tests.browser.conftest import SignIn, inaccessible
from tests.browser.screenshots import NARROW
from tests.functional.admin_helpers import ADDRESS, LIST, Document, find, insert, line, page, stored
from tests.integration.builders import stock_of

pytestmark = [pytest.mark.slow, pytest.mark.no_cover]

DHL = "https://www.dhl.de/de/privatkunden/dhl-sendungsverfolgung.html?piececode=00340434161094000000"


def packing() -> Document:
    """An order of three items, one unit each but two of the first, that is being prepared."""
    items = [
        Item(product_id=product.product_id, quantity=quantity, price=Decimal(product.price))
        for product, quantity in zip(PRODUCTS[:3], (2, 1, 1), strict=True)
    ]
    order = placement.place_order(
        user_id="1", items=items, shipping_address=Address(**ADDRESS), act=Act(access.customer("1"), timezone.now())
    ).order
    for name in ("pay", "start_processing"):
        act = Act(access.admin("tests"), timezone.now())
        order = transitions.change_status(order_id=order["_id"], transition=name, act=act)
    return order


def card(desk: Page, title: str) -> Locator:
    return desk.locator("section.order-card").filter(has=desk.get_by_role("heading", name=title, exact=True))


def test_a_part_is_shipped_the_rest_cancelled_and_refunded_and_a_unit_taken_back(
    sign_in: SignIn, database: Database[Document], sandbox: Sandbox
) -> None:
    order = packing()
    prices = [Decimal(product.price) for product in PRODUCTS[:3]]
    total, before = 2 * prices[0] + prices[1] + prices[2], stock_of(sandbox)
    desk = sign_in("Manager", at=page(order))
    expect(desk.get_by_text(f"€{total} has been paid and will be owed to the customer.")).to_be_visible()

    # two of three items are packed
    desk.get_by_text("Ship…").click()
    desk.locator("#ship-2").fill("0")
    desk.get_by_role("button", name="Ship this parcel").click()
    expect(desk.locator("body")).to_contain_text(f"Parcel 1 of order {order['number']} has been shipped.")
    expect(desk.locator(".order-head")).to_contain_text("Processing")
    expect(card(desk, "Items")).to_contain_text("Shipped in parcel 1")
    parcel = card(desk, "Parcels")
    expect(parcel).to_contain_text("No tracking yet.")
    expect(desk.get_by_role("button", name="Cancel this order")).to_have_count(0)
    assert inaccessible(desk) == []

    # its tracking comes later
    parcel.get_by_text("Add or correct tracking").click()
    parcel.get_by_label("Carrier (optional)").fill("dhl paket")
    parcel.get_by_label("Tracking number (optional)").fill("00340434161094000000")
    desk.get_by_role("button", name="Save tracking").click()
    link = desk.get_by_role("link", name="00340434161094000000")
    expect(link).to_have_attribute("href", DHL)
    assert "noopener" in (link.get_attribute("rel") or "")
    expect(card(desk, "Parcels")).to_contain_text("DHL Paket")

    # the rest is cancelled, and its price is owed
    desk.get_by_text("Cancel items…").click()
    desk.locator("#cancellation-2").fill("1")
    desk.locator("#code-cancellation").select_option(label="Out of stock")
    desk.get_by_role("button", name="Cancel these items").click()
    expect(desk.locator(".order-head")).to_contain_text("Shipped")
    expect(desk.locator("body")).to_contain_text(f"€{prices[2]} is owed to the customer.")
    expect(card(desk, "Items")).to_contain_text("Cancelled")
    expect(card(desk, "Payments and refunds")).to_contain_text(f"Owed to the customer €{prices[2]}")
    desk.goto(f"{LIST}attention/")
    expect(desk.locator("#money")).to_contain_text(f"€{prices[2]} owed")
    desk.locator("#money").get_by_role("link", name="Record the refund").click()

    # it is refunded
    desk.get_by_text("Record a refund…").click()
    expect(desk.get_by_label("Amount", exact=True)).to_have_value(str(prices[2]))
    desk.locator("#code-refund-part").select_option(label="Out of stock")
    desk.get_by_label("Reference (optional)").fill("RF-1")
    desk.get_by_role("button", name="Record this refund").click()
    expect(card(desk, "Payments and refunds")).to_contain_text("Owed to the customer Nothing")
    expect(card(desk, "Payments and refunds")).to_contain_text("RF-1")

    # one of the units that were shipped comes back, and can be sold again
    desk.get_by_text("Take back…").click()
    desk.locator("#return-0").fill("1")
    desk.locator("#code-return").select_option(label="Customer's wish")
    desk.get_by_role("button", name="Open a return").click()
    expect(card(desk, "Items")).to_contain_text("Coming back (return 1)")
    expect(card(desk, "Returns")).to_contain_text("Coming back")
    desk.get_by_text("Receive…").click()
    desk.get_by_label("Yes, they can be sold again").check()
    assert inaccessible(desk) == []
    desk.get_by_role("button", name="Receive this return").click()
    expect(card(desk, "Returns")).to_contain_text("Returned, restocked")
    expect(card(desk, "Items")).to_contain_text("Returned (return 1)")
    expect(card(desk, "Payments and refunds")).to_contain_text(f"Owed to the customer €{prices[0]}")
    assert inaccessible(desk) == []

    after = find(database, order)
    assert [item["stock"]["state"] for item in after["items"]] == ["used", "used", "released", "released"]
    assert stock_of(sandbox) == (before[0] + 1, before[1] - 1), "the unit that came back"
    assert after["status"] == "shipped"


def test_an_order_on_hold_says_why_it_cannot_be_prepared(sign_in: SignIn, database: Database[Document]) -> None:
    order = insert(database, stored(status="paid", items=[line()]))
    desk = sign_in("Fulfilment", at=page(order))
    desk.get_by_text("Hold…").click()
    desk.locator("#code-hold").select_option(label="Address problem")
    desk.get_by_label("Details").fill("No house number")
    desk.get_by_role("button", name="Hold this order").click()
    expect(desk.locator(".order-head")).to_contain_text("On hold")
    expect(desk.get_by_text("No house number").first).to_be_visible()
    expect(desk.get_by_role("button", name="Start processing")).to_be_disabled()
    expect(card(desk, "To do")).to_contain_text("It is on hold.")
    assert inaccessible(desk) == []
    desk.goto(LIST)
    desk.get_by_role("link", name="On hold").first.click()
    expect(desk.locator("#result_list tbody tr")).to_have_count(1)
    desk.goto(page(order))
    desk.get_by_role("button", name="Lift hold").click()
    expect(desk.get_by_role("button", name="Start processing")).to_be_enabled()
    expect(desk.locator(".order-head")).not_to_contain_text("On hold")


def test_the_forms_fit_a_telephone(sign_in: SignIn, database: Database[Document]) -> None:
    order: dict[str, Any] = packing()
    desk = sign_in("Manager", at=page(order), viewport=NARROW)
    desk.get_by_text("Ship…").click()
    desk.get_by_text("Cancel items…").click()
    desk.get_by_text("Record a refund…").click()
    assert desk.evaluate("document.documentElement.scrollWidth") <= NARROW["width"]
