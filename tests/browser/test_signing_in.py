"""The door of the backoffice."""

import pytest
from playwright.sync_api import Page, expect

from tests.browser.conftest import SignIn, inaccessible
from tests.functional.admin_helpers import PASSWORD

pytestmark = pytest.mark.no_cover


def test_staff_sign_in_and_out_and_a_wrong_password_stays_outside(sign_in: SignIn) -> None:
    page = sign_in("Support")
    page.context.clear_cookies()
    _sign_in(page, "wrong")
    expect(page.get_by_text("The user name or the password is wrong")).to_be_visible()
    _sign_in(page, PASSWORD)
    expect(page.get_by_role("link", name="Orders").first).to_be_visible()


@pytest.mark.slow
def test_the_door_can_be_used_by_everybody_and_the_judge_of_that_has_eyes(sign_in: SignIn) -> None:
    page = sign_in("Support")
    page.context.clear_cookies()
    page.goto("/admin/")
    assert inaccessible(page) == []
    page.set_content('<html lang="en"><title>A page</title><main><h1>A picture</h1><img src="a.png"></main></html>')
    assert [problem.split(" ")[0] for problem in inaccessible(page)] == ["image-alt"]


def _sign_in(page: Page, password: str) -> None:
    page.goto("/admin/login/")
    page.fill("input[name=username]", "Support")
    page.fill("input[name=password]", password)
    page.click("button[type=submit]")
