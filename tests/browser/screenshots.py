"""`make screenshots`: the backoffice's main pages as pictures, taken of the demo data that `make run` shows."""

import sys
import tempfile
from pathlib import Path
from typing import Any

from playwright.sync_api import Browser, Page, Playwright, sync_playwright

from devtools.localhost import ROOT
from tests.functional.quickstart_run import QuickstartRun

CHROMIUM = Path("/usr/bin/chromium")
WIDE = {"width": 1440, "height": 900}
NARROW = {"width": 375, "height": 800}
PICTURES = ROOT / "docs" / "screenshots"
LIST = "/admin/orders/order/"
FIRST_ORDER = "#result_list a[href*='/change/']"


def launch(playwright: Playwright) -> Browser:
    """Start Debian's chromium, else Playwright's own; `make` has got one of them (requirements/system.py)."""
    return playwright.chromium.launch(executable_path=CHROMIUM if CHROMIUM.exists() else None, args=["--no-sandbox"])


def take(root: str) -> list[str]:
    """Sign in to a running backoffice, and save a picture of each page. :returns: their names."""
    taken: list[str] = []
    with sync_playwright() as playwright:
        browser = launch(playwright)

        def signed_in(**options: Any) -> Page:
            page = browser.new_context(base_url=root, **{"viewport": WIDE} | options).new_page()
            page.goto("/admin/login/?next=/admin/")
            page.fill("input[name=username]", "admin")
            page.fill("input[name=password]", "admin")
            page.click("button[type=submit]")
            return page

        def shoot(name: str, page: Page) -> None:
            page.wait_for_load_state("networkidle")
            page.screenshot(path=PICTURES / f"{name}.png")
            taken.append(name)

        desk = signed_in()
        _await_figures(desk)
        shoot("dashboard", desk)
        desk.goto(LIST)
        shoot("orders", desk)
        desk.goto(f"{LIST}?status=processing")
        desk.locator(FIRST_ORDER).first.click()
        shoot("order", desk)
        desk.get_by_role("link", name="Packing slip").click()
        shoot("packing-slip", desk)
        desk.goto(f"{LIST}attention/")
        shoot("attention", desk)
        desk.goto(f"{LIST}?status=paid")
        desk.locator("#action-toggle").check()
        desk.get_by_label("With selected orders").select_option("start_processing")
        desk.get_by_role("button", name="Continue").click()
        desk.locator("form.bulk-card button[type=submit]").click()
        desk.locator(".bulk-results, .bulk-facts").first.wait_for()
        shoot("bulk-run", desk)
        shoot("dashboard-dark", _at(signed_in(color_scheme="dark"), "/admin/"))
        pocket = signed_in(viewport=NARROW)
        shoot("orders-narrow", _at(pocket, LIST))
        browser.close()
    return taken


def _at(page: Page, address: str) -> Page:
    page.goto(address)
    return page


def _await_figures(page: Page) -> None:
    """The worker counts the figures of the demo orders' days; some seconds after the start they are all there."""
    for _ in range(60):
        page.goto("/admin/")
        text = page.locator("#content").inner_text()
        if "counted yet" not in text and "last counted" not in text:
            return
        page.wait_for_timeout(1_000)


def main() -> int:
    PICTURES.mkdir(exist_ok=True)
    with tempfile.TemporaryDirectory() as name, QuickstartRun(Path(name) / "data") as run:
        run.await_welcome()
        names = take(f"http://127.0.0.1:{run.port}")
    sys.stdout.write(f"{', '.join(names)}: in {PICTURES}\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
