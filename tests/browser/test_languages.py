"""The language of the backoffice is chosen in the menu of the account, by keyboard and by mouse, and stays chosen."""

import re

import pytest
from playwright.sync_api import Locator, Page, expect
from pymongo.database import Database

from tests.browser.conftest import SignIn
from tests.browser.test_keyboard import reach
from tests.functional.admin_helpers import LIST, PASSWORD, Document, insert, stored

pytestmark = [pytest.mark.slow, pytest.mark.no_cover]
PAID = f"{LIST}?status=paid"


def opener(desk: Page) -> Locator:
    return desk.locator(".account button[aria-controls=account-menu]")


def speaks(desk: Page, language: str) -> None:
    """The page is in a language, and its menu says so."""
    expect(desk.locator("html")).to_have_attribute("lang", language)
    expect(desk.locator("#account-menu button[aria-current=true]")).to_have_attribute("lang", language)


def test_a_language_is_chosen_by_keyboard_and_given_up_by_mouse_on_the_page_that_somebody_is_at(
    sign_in: SignIn, database: Database[Document]
) -> None:
    insert(database, stored(status="paid"))
    desk, other = sign_in("Support", at=PAID), sign_in("Finance")
    speaks(desk, "en")
    expect(desk.locator("#result_list")).to_contain_text("€29.80")
    reach(desk, opener(desk))
    desk.keyboard.press("Enter")
    reach(desk, desk.get_by_role("button", name="Deutsch"))
    desk.keyboard.press("Enter")
    speaks(desk, "de")
    expect(desk).to_have_url(re.compile(f"{re.escape(PAID)}$"))
    expect(desk.locator("#result_list")).to_contain_text("29,80 €")
    other.reload()
    speaks(other, "en")
    opener(desk).click()
    desk.get_by_role("button", name="English").click()
    speaks(desk, "en")
    expect(desk).to_have_url(re.compile(f"{re.escape(PAID)}$"))


def test_the_chosen_language_is_there_after_the_next_log_in(sign_in: SignIn) -> None:
    desk = sign_in("Support")
    opener(desk).click()
    desk.get_by_role("button", name="Deutsch").click()
    speaks(desk, "de")
    opener(desk).click()
    desk.locator("form[action$='logout/'] button").click()
    expect(desk.locator("html")).to_have_attribute("lang", "de")
    desk.goto("/admin/login/")
    expect(desk.locator("html")).to_have_attribute("lang", "de")
    desk.fill("input[name=username]", "Support")
    desk.fill("input[name=password]", PASSWORD)
    desk.click("button[type=submit]")
    speaks(desk, "de")


def test_whoever_has_chosen_none_is_shown_what_their_browser_asks_for(sign_in: SignIn) -> None:
    speaks(sign_in("Support", locale="de-AT"), "de")
    speaks(sign_in("Finance", locale="fr-FR"), "en")
