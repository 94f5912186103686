"""Single sign-on in a browser: to a real provider and back, under the content security policy, for everybody."""

from collections.abc import Iterator
from typing import Any

import pytest
from django.contrib.auth.models import User
from playwright.sync_api import Browser, BrowserContext, Page, expect
from pymongo.database import Database
from pytest_django import Settings

from integrations.sandbox import Sandbox
from tests.browser.conftest import inaccessible
from tests.browser.test_everybody import SLICE
from tests.functional.sign_on_providers import RealProvider, real_provider, switch_on

pytestmark = [pytest.mark.slow, pytest.mark.no_cover]


@pytest.fixture(scope="module", name="running")
def running_fixture(live_server_url: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[RealProvider]:
    with real_provider(live_server_url, tmp_path_factory.mktemp("provider")) as running:
        yield running


@pytest.fixture(name="provider")
def provider_fixture(
    running: RealProvider, settings: Settings, sandbox: Sandbox, database: Database[dict[str, Any]]
) -> RealProvider:
    switch_on(settings, running.issuer)
    running.says(a1={"preferred_username": "alice", "groups": ["shop-support"]}, b1={"preferred_username": "bob"})
    return running


@pytest.fixture(name="context")
def context_fixture(browser: Browser, live_server_url: str) -> Iterator[BrowserContext]:
    context = browser.new_context(base_url=live_server_url)
    context.set_default_timeout(60_000)
    yield context
    context.close()


def log_in(page: Page, subject: str) -> None:
    """Fill in the provider's form."""
    page.fill("input[name=login]", subject)
    page.fill("input[name=password]", "any")
    page.click("button[type=submit]")


def test_somebody_signs_on_and_out_at_both_and_somebody_else_is_told_why_not(
    provider: RealProvider, context: BrowserContext, live_server_url: str
) -> None:
    page = context.new_page()
    blocked: list[str] = []
    page.on("console", lambda said: blocked.append(said.text) if "Content Security Policy" in said.text else None)
    page.goto("/admin/orders/order/")
    page.get_by_role("link", name="Log in with single sign-on").click()
    log_in(page, "a1")
    page.wait_for_url("**/admin/orders/order/")
    expect(page.get_by_text("alice").first).to_be_attached()

    page.locator("form[action='/admin/logout/']").first.evaluate("form => form.requestSubmit()")
    page.wait_for_url(f"{provider.issuer}/session/end?**")
    page.get_by_role("button", name="Yes, sign me out").click()
    page.wait_for_url(f"{live_server_url}/admin/login/**")
    page.get_by_role("link", name="Log in with single sign-on").click()
    log_in(page, "b1")
    expect(page.get_by_text("none of your groups there gives access")).to_be_visible()
    assert inaccessible(page) == []
    page.get_by_role("link", name="Log in with another account").click()
    log_in(page, "a1")
    page.wait_for_url("**/admin/")
    assert blocked == []
    assert list(User.objects.values_list("username", flat=True)) == ["alice"]


def test_the_log_in_page_can_be_used_by_everybody_with_both_ways_and_with_one(
    provider: RealProvider, browser: Browser, live_server_url: str, settings: Settings
) -> None:
    found = {}
    for local in (True, False):
        switch_on(settings, provider.issuer, local=local)
        for screen, (theme, viewport) in SLICE.items():
            context = browser.new_context(base_url=live_server_url, color_scheme=theme, viewport=viewport)
            page = context.new_page()
            page.goto("/admin/login/")
            expect(page.locator("html[x-cloak]")).to_have_count(0)
            expect(page.locator("input[name=password]")).to_have_count(int(local))
            wide = page.evaluate("document.documentElement.scrollWidth > innerWidth")
            found[local, screen] = inaccessible(page), wide
            context.close()
    assert found == dict.fromkeys(found, ([], False))
