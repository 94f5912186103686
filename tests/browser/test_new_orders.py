"""An order on the telephone, and one whose items are changed, in a real browser."""

import pytest
from playwright.sync_api import Page, expect
from pymongo.database import Database
from pytest_django import Settings

from integrations.sandbox import Sandbox
from integrations.sandbox.catalogue import PRODUCTS
from tests.browser.conftest import SignIn, inaccessible
from tests.browser.test_unsent_forms import BACK, end_session
from tests.functional.admin_helpers import LIST, PASSWORD, Document, page

pytestmark = [pytest.mark.slow, pytest.mark.no_cover]
MUG, TOWEL = PRODUCTS[6], PRODUCTS[0]


@pytest.fixture
def searchable(settings: Settings) -> None:
    settings.PRODUCT_BACKEND = "integrations.sandbox.searchable.Products"


@pytest.mark.usefixtures("searchable")
def test_an_order_is_taken_on_the_telephone_and_its_items_are_changed(
    sign_in: SignIn, database: Database[Document], sandbox: Sandbox
) -> None:
    desk = sign_in("Support", at=LIST)
    desk.get_by_role("link", name="New order").first.click()
    desk.get_by_label("Customer’s user id").fill("1")
    find_product(desk, 0, "mug", MUG.name)
    for _ in range(4):
        desk.get_by_role("button", name="More rows").click()
    desk.locator("#product-8").fill(TOWEL.product_id)
    desk.locator("#quantity-8").fill("2")
    for name, text in {"line1": "1 Long Street", "city": "Springfield", "country": "Freedonia"}.items():
        desk.locator(f"#new-shipping_{name}").fill(text)
    end_session(desk)
    desk.get_by_role("button", name="Check prices and stock").click()
    desk.fill("input[name=username]", "Support")
    desk.fill("input[name=password]", PASSWORD)
    desk.click("button[type=submit]")
    expect(desk.get_by_text(BACK)).to_be_visible()
    expect(desk.locator("#product-8")).to_have_value(TOWEL.product_id)
    expect(desk.locator("#new-shipping_city")).to_have_value("Springfield")
    desk.locator("#quantity-8").press("Enter")  # the Enter key checks, and removes nothing
    expect(desk.locator(".new-total").first).to_contain_text("€42.30")
    expect(desk.get_by_text("Amara Okafor")).to_be_visible()
    assert inaccessible(desk) == []
    desk.get_by_role("button", name="Place order").click()
    expect(desk.get_by_text("is placed.")).to_be_visible()
    old = database["orders"].find_one({})
    assert old is not None
    assert desk.url.endswith(page(old))

    desk.get_by_role("link", name="Change items").click()
    expect(desk.locator("#product-0")).to_have_value(MUG.product_id)
    desk.get_by_role("button", name="Remove item 2").click()
    desk.locator("#quantity-0").fill("3")
    desk.get_by_role("button", name="Check prices and stock").click()
    expect(desk.locator(".new-total").first).to_contain_text("€37.50")
    assert inaccessible(desk) == []
    desk.get_by_role("button", name="Place it and cancel the old order").click()
    expect(desk.get_by_text(f"It replaces order {old['number']}")).to_be_visible()
    desk.get_by_role("link", name=old["number"]).first.click()
    expect(desk.locator(".order-head")).to_contain_text("Cancelled")
    assert sorted(order["status"] for order in database["orders"].find({})) == ["cancelled", "pending"]


def find_product(desk: Page, row: int, words: str, name: str) -> None:
    """Choose a product by its name, with the keyboard alone."""
    product = desk.locator(f"#product-{row}")
    product.press_sequentially(words)
    expect(desk.get_by_role("option", name=name)).to_be_visible()
    assert inaccessible(desk) == []
    product.press("ArrowDown")
    product.press("Enter")
    expect(product).to_be_focused()
    expect(desk.locator(f"#about-{row}")).to_contain_text(name)
    expect(desk.get_by_role("option")).to_have_count(0)
