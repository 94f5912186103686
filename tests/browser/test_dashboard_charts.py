"""What a chart of the dashboard shows is told to whoever points at it, goes along it by keys, or opens its table."""

from datetime import UTC, datetime, timedelta

import pytest
from playwright.sync_api import expect
from pymongo.database import Database

from orders.services.reporting.figures_refresh import refresh
from tests.browser.conftest import SignIn
from tests.browser.test_keyboard import reach, skip_to_content
from tests.functional.admin_helpers import Document, insert, stored

pytestmark = [pytest.mark.slow, pytest.mark.no_cover]


def test_the_bars_say_what_they_stand_for(sign_in: SignIn, database: Database[Document]) -> None:
    now = datetime.now(UTC).replace(microsecond=0)
    days = [now - timedelta(days=number) for number in range(8)]
    insert(database, *(stored(number, status="paid", created_at=days[number % 8]) for number in range(20)))
    while refresh(seconds=60).more:
        pass
    desk = sign_in("Support", at="/admin/?period=7")
    chart = desk.get_by_role("figure", name="Orders per day")
    plot, output = chart.get_by_role("group"), chart.locator("output")
    plot.locator(".figures-field").nth(5).hover()
    expect(output).to_have_text(f"{days[1].date()}: 3, before: 0")
    skip_to_content(desk)
    reach(desk, plot)
    expect(output).to_have_text(f"{days[1].date()}: 3, before: 0")
    for key, text in (
        ("End", f"{days[0].date()}: 3, before: 2"),
        ("ArrowRight", f"{days[0].date()}: 3, before: 2"),
        ("ArrowLeft", f"{days[1].date()}: 3, before: 0"),
        ("Home", f"{days[6].date()}: 2, before: 0"),
    ):
        desk.keyboard.press(key)
        expect(output).to_have_text(text)
    reach(desk, desk.get_by_text("Orders and money by day"))
    desk.keyboard.press("Enter")
    table = desk.locator("#figures-days")
    expect(table.get_by_role("row").nth(2)).to_contain_text(f"{days[1].date()}3€89.40")
    with desk.expect_download() as download:
        table.get_by_role("link", name="Download CSV: Orders and money by day").click()
    assert download.value.suggested_filename == f"days-{days[6].date()}-{days[0].date()}.csv"
