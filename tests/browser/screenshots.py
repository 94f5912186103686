"""`make screenshots`: the backoffice's main pages as pictures, taken of the demo data that `make run` shows."""

import sys
import tempfile
from pathlib import Path
from typing import Any

from playwright.sync_api import Page, sync_playwright

from orders_project.children import ROOT
from tests.functional.quickstart_run import QuickstartRun

CHROMIUM = "/usr/bin/chromium"
WIDE = {"width": 1440, "height": 900}
PICTURES = ROOT / "docs" / "screenshots"
LIST = "/admin/orders/order/"
FIRST_ORDER = "th a[href*='/change/'], td a[href*='/change/']"


def take(root: str) -> list[str]:
    """Sign in to a running backoffice, and save a picture of each page. :returns: their names."""
    taken: list[str] = []
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])

        def shoot(name: str, page: Page, **options: Any) -> None:
            page.wait_for_load_state("networkidle")
            page.screenshot(path=PICTURES / f"{name}.png", **options)
            taken.append(name)

        for theme in ("light", "dark"):
            page = browser.new_context(base_url=root, viewport=WIDE, color_scheme=theme).new_page()
            page.goto("/admin/login/?next=/admin/")
            page.fill("input[name=username]", "admin")
            page.fill("input[name=password]", "admin")
            page.click("button[type=submit]")
            shoot(f"dashboard-{theme}", page)
            page.goto(LIST)
            shoot(f"orders-{theme}", page)
            page.locator(FIRST_ORDER).first.click()
            shoot(f"order-{theme}", page)
        browser.close()
    return taken


def main() -> int:
    PICTURES.mkdir(exist_ok=True)
    with tempfile.TemporaryDirectory() as name, QuickstartRun(Path(name) / "data") as run:
        run.await_card()
        names = take(f"http://127.0.0.1:{run.port}")
    sys.stdout.write(f"{', '.join(names)}: in {PICTURES}\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
