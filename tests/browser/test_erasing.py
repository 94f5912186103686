"""Personal data erased with a mouse: two clicks, and a page that says so; readable for everybody, wide and narrow."""

import pytest

from tests.browser.conftest import SignIn, inaccessible
from tests.functional.admin_helpers import page
from tests.integration.builders import read
from tests.integration.test_erasing import whole, words_in

pytestmark = [pytest.mark.slow, pytest.mark.no_cover]


@pytest.mark.parametrize("width", [375, 1440])
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_a_manager_erases_a_customers_data_from_the_orders_page(sign_in: SignIn, width: int, scheme: str) -> None:
    order_id = whole()
    shown = sign_in("Manager", viewport={"width": width, "height": 900}, color_scheme=scheme)
    shown.goto(page(order_id))
    shown.get_by_text("Erase personal data…").click()
    shown.get_by_label("Reason, without personal data (optional)").fill("Request 4711")
    assert inaccessible(shown) == []
    assert words_in(read(order_id))
    shown.get_by_role("button", name="Erase personal data of customer 1").click()
    shown.get_by_text("Personal data erased from 1 order of customer 1.").wait_for()
    assert words_in(read(order_id), shown.locator("#content-main").inner_text()) == []
    assert shown.get_by_text("Personal data erased on").is_visible()
    assert inaccessible(shown) == []
    assert shown.evaluate("document.documentElement.scrollWidth <= window.innerWidth")
