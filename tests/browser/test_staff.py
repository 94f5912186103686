"""A colleague comes to the backoffice: added, with a password and an app of their own, and out again."""

import pyotp
import pytest
from playwright.sync_api import Browser, Page, expect

from orders_project.models import SecondFactor
from orders_project.staff import second_factor
from tests.browser.conftest import SignIn
from tests.browser.screenshots import WIDE
from tests.browser.test_accessibility import problems
from tests.functional.admin_helpers import PASSWORD

pytestmark = [pytest.mark.slow, pytest.mark.no_cover]


def code_of(secret: str, step: int = 0) -> str:
    """What the app shows now, or in a time step."""
    app = pyotp.TOTP(secret)
    return app.generate_otp(step) if step else app.now()


def enter(page: Page, name: str, password: str) -> None:
    page.fill("input[name=username]", name)
    page.fill("input[name=password]", password)
    page.get_by_role("button", name="Log in").click()


def test_a_colleague_is_added_sets_a_password_and_an_app_logs_in_with_a_code_and_ends_a_session(
    sign_in: SignIn, browser: Browser, live_server_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(second_factor, "WINDOW", 20)  # however slow the machine is
    manager = sign_in("Manager", at="/admin/staff/")
    manager.get_by_role("link", name="Add a colleague").click()
    manager.get_by_label("User name").fill("maria")
    manager.get_by_label("E-mail").fill("maria@shop.example")
    manager.get_by_label("Role").select_option("Support")
    manager.get_by_role("button", name="Add colleague").click()
    link = manager.locator("#staff-link").inner_text()
    assert problems(manager) == []

    context = browser.new_context(base_url=live_server_url, viewport=WIDE, locale="en-GB")
    context.set_default_timeout(60_000)
    maria = context.new_page()
    maria.goto(link)
    assert problems(maria) == []
    maria.get_by_label("New password", exact=False).first.fill(PASSWORD)
    maria.get_by_label("New password confirmation").fill(PASSWORD)
    maria.get_by_role("button", name="Set password").click()
    expect(maria.get_by_text("Your password is set.")).to_be_visible()
    enter(maria, "maria", PASSWORD)
    maria.wait_for_url("**/admin/")

    maria.goto("/admin/account/security/")
    maria.get_by_role("link", name="Set up").click()
    secret = maria.locator("code.event-code").inner_text().replace(" ", "")
    maria.get_by_label("Code of your app").fill(code_of(secret))
    maria.get_by_label("Your password").fill(PASSWORD)
    maria.get_by_role("button", name="Turn on").click()
    expect(maria.locator(".staff-codes li")).to_have_count(10)
    assert problems(maria) == []
    recovery = maria.locator(".staff-codes li").first.inner_text()

    other = browser.new_context(base_url=live_server_url, viewport=WIDE).new_page()
    other.goto("/admin/login/?next=/admin/orders/order/")
    enter(other, "maria", PASSWORD)
    other.wait_for_url("**/admin/login/code/")
    assert problems(other) == []
    used = SecondFactor.objects.get().last_step
    other.get_by_label("Code of your app").fill(code_of(secret, used))
    other.get_by_role("button", name="Log in").click()
    expect(other.get_by_role("alert")).to_contain_text("already used")
    other.get_by_label("Code of your app").fill(code_of(secret, used + 1))
    other.get_by_role("button", name="Log in").click()
    other.wait_for_url("**/admin/orders/order/")

    maria.goto("/admin/account/security/")
    assert problems(maria) == []
    maria.get_by_role("button", name="End session").click()
    expect(maria.get_by_text("The session has been ended.")).to_be_visible()
    other.reload()
    other.wait_for_url("**/admin/login/**")
    enter(other, "maria", PASSWORD)
    other.get_by_label("Code of your app").fill(recovery)
    other.get_by_role("button", name="Log in").click()
    expect(other.get_by_text("9 recovery codes are left.")).to_be_visible()

    manager.get_by_role("link", name="Their page").click()
    manager.get_by_role("button", name="Switch account off").click()
    expect(manager.get_by_text("maria can no longer log in.")).to_be_visible()
    maria.reload()
    maria.wait_for_url("**/admin/login/**")
    for each in (other.context, context):
        each.close()
