"""WCAG 2.2 AA on every page of the backoffice that its URL conf leads to, the theme's defaults included."""

from collections.abc import Iterator
from typing import Any

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser, Page, expect

from tests.browser.screenshots import WIDE
from tests.functional.access.admin_rules import ADMIN_RULES
from tests.functional.access.fixtures import key_server_fixture, stage_fixture  # noqa: F401
from tests.functional.access.routes import ADMIN, Route, routes
from tests.functional.access.rules import Ask, rule_of
from tests.functional.access.stage import Stage
from tests.functional.admin_helpers import PASSWORD, staff

pytestmark = [pytest.mark.slow, pytest.mark.no_cover, pytest.mark.timeout(480)]

NARROWEST = {"width": 320, "height": 640}
"""A page of 1,280 pixels at 400 %."""
HABITS = ("target-size", "landmark-one-main", "landmark-no-duplicate-main", "page-has-heading-one", "skip-link")
EVERYTHING = {
    "runOnly": {"type": "tag", "values": ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa"]},
    "rules": {name: {"enabled": True} for name in HABITS},
}
CONTRAST = {"runOnly": {"type": "rule", "values": ["color-contrast"]}}
DATA = (".json", ".csv", "export/", "jsi18n/", "autocomplete/", "version/", "admin:search/")
"""How addresses end that answer with no page."""
READ_OUT = """() => [...document.querySelectorAll("[class*='material-symbols']")]
    .filter((icon) => icon.checkVisibility() && !icon.closest("[aria-hidden=true]") && !icon.ariaLabel)
    .map((icon) => icon.outerHTML.slice(0, 120))"""
"""Icons whose words a screen reader would say."""
OUT_OF_REACH = """() => [...document.querySelectorAll("[x-on\\\\:click]")]
    .filter((control) => control.checkVisibility() && control.tabIndex < 0)
    .map((control) => control.outerHTML.slice(0, 120))"""
"""What a mouse can press and no key."""


@pytest.fixture(scope="module", name="desk")
def desk_fixture(browser: Browser, stage: Stage, live_server_url: str) -> Iterator[Page]:
    """A superuser, signed in."""
    staff("superuser")
    context = browser.new_context(base_url=live_server_url, viewport=WIDE, locale="en-GB")
    context.set_default_timeout(60_000)
    page = context.new_page()
    page.goto("/admin/login/")
    page.fill("input[name=username]", "superuser")
    page.fill("input[name=password]", PASSWORD)
    page.click("button[type=submit]")
    page.wait_for_url("**/admin/")
    yield page
    context.close()


def pages() -> Iterator[tuple[Route, Ask]]:
    """What a superuser can look at, of all that the URL conf has."""
    for route in routes():
        if route.kind == ADMIN and not str(route).endswith(DATA):
            yield from (
                (route, ask)
                for ask in rule_of(route, ADMIN_RULES).asks
                if ask.method == "GET" and ask.answers["superuser"] == 200
            )


def test_nothing_on_any_page_keeps_anybody_from_using_it(desk: Page, stage: Stage) -> None:
    seen, wrong = 0, []
    for route, ask in pages():
        answer = desk.goto(stage.address(route, ask))
        assert answer is not None
        assert answer.ok, route
        wrong += [f"{route}: {told}" for told in problems(desk)]
        seen += 1
    assert seen > 30
    assert not wrong, "\n".join(wrong)


def problems(desk: Page) -> list[str]:
    """What is wrong with a page: light and dark, wide, and as narrow as it becomes at 400 %."""
    desk.set_viewport_size(WIDE)
    expect(desk.locator("html[x-cloak]")).to_have_count(0)  # Alpine has run
    wrong = [f"read out: {icon}" for icon in desk.evaluate(READ_OUT)]
    wrong += [f"out of reach: {control}" for control in desk.evaluate(OUT_OF_REACH)]
    wrong += violations(desk, EVERYTHING)
    desk.evaluate("document.documentElement.classList.add('dark')")
    wrong += [f"dark: {told}" for told in violations(desk, CONTRAST)]
    desk.set_viewport_size(NARROWEST)
    if desk.evaluate("document.documentElement.scrollWidth > innerWidth"):
        wrong.append("scrolls sideways at 320 pixels")
    return wrong


def violations(desk: Page, options: dict[str, Any]) -> list[str]:
    found = Axe().run(desk, options=options).response["violations"]
    return [f"{rule['id']}: {rule['help']} at {node['target']}" for rule in found for node in rule["nodes"]]


def test_nothing_keeps_anybody_from_coming_in(browser: Browser, stage: Stage, live_server_url: str) -> None:
    context = browser.new_context(base_url=live_server_url)
    page = context.new_page()
    page.goto("/admin/login/")
    assert problems(page) == []
    context.close()
