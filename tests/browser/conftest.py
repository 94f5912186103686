"""A real browser at the backoffice: Debian's chromium or Playwright's own, driven by Playwright."""

from collections.abc import Callable, Iterator
from typing import Any

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser, BrowserContext, Page, expect, sync_playwright
from pymongo.database import Database

from integrations.sandbox import Sandbox
from tests.browser.screenshots import WIDE, launch
from tests.functional.admin_helpers import PASSWORD, staff

SignIn = Callable[..., Page]
expect.set_options(timeout=60_000)


@pytest.fixture(scope="package")
def browser(live_server_url: str) -> Iterator[Browser]:
    # Playwright runs an event loop in this thread, and Django would then refuse to talk to its database. Both end with
    # this directory's tests, so that all others are held to Django's rule.
    with pytest.MonkeyPatch.context() as patch, sync_playwright() as playwright:
        patch.setenv("DJANGO_ALLOW_ASYNC_UNSAFE", "true")
        browser = launch(playwright)
        yield browser
        browser.close()


@pytest.fixture
def sign_in(
    browser: Browser, database: Database[dict[str, Any]], sandbox: Sandbox, live_server_url: str
) -> Iterator[SignIn]:
    """A maker of signed-in people: `sign_in("Support")` is a page of somebody with that role, at the backoffice's door.

    An uncaught error of a script fails the test, and so does what the content security policy has kept out.
    """
    contexts: list[BrowserContext] = []
    errors: list[str] = []

    def make(role: str, *, at: str = "/admin/", **options: Any) -> Page:
        context = browser.new_context(base_url=live_server_url, **{"viewport": WIDE, "locale": "en-GB"} | options)
        context.set_default_timeout(60_000)
        contexts.append(context)
        page = context.new_page()
        page.on("pageerror", lambda error: errors.append(str(error)))
        page.on("console", lambda said: errors.append(said.text) if "Content Security Policy" in said.text else None)
        staff(role)
        page.goto(f"/admin/login/?next={at}")
        page.fill("input[name=username]", role)
        page.fill("input[name=password]", PASSWORD)
        page.click("button[type=submit]")
        page.wait_for_url(f"**{at}")
        return page

    yield make
    for context in contexts:
        context.close()
    assert errors == []


def inaccessible(page: Page) -> list[str]:
    """What keeps people from using a page, by axe-core: its serious and critical violations, and where they are."""
    found = Axe().run(page).response["violations"]
    return [
        f"{violation['id']} ({violation['impact']}): {violation['help']} at {node['target']}"
        for violation in found
        if violation["impact"] in ("serious", "critical")
        for node in violation["nodes"]
    ]
