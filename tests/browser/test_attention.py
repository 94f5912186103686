"""The queue of what needs attention: selected and shipped, snoozed with a reason, woken up, until nothing is left."""

import re
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from playwright.sync_api import Page, expect
from pymongo.database import Database

from orders.admin import attention_counter
from tests.browser.conftest import SignIn, inaccessible
from tests.browser.screenshots import NARROW
from tests.functional.admin_helpers import LIST, Document, find, insert, stored

pytestmark = [pytest.mark.slow, pytest.mark.no_cover]

QUEUE = f"{LIST}attention/"
LONG_AGO = datetime.now(UTC).replace(microsecond=0) - timedelta(days=9)


def counter(desk: Page) -> Any:
    return desk.locator("#nav-sidebar .nav-count")


def test_the_queue_is_worked_off(
    sign_in: SignIn, database: Database[Document], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(attention_counter, "KEPT_FOR", 0.0)
    late = [
        stored(number, status="processing", created_at=LONG_AGO, status_since=LONG_AGO - timedelta(hours=number))
        for number in range(3)
    ]
    unchecked = stored(9, status="pending", user_verified=False)
    insert(database, *late, unchecked)
    desk = sign_in("Manager")
    expect(counter(desk)).to_have_text("4")
    desk.get_by_role("link", name=re.compile("Needs attention")).first.click()
    unshipped, asleep = desk.locator("#unshipped"), desk.locator("#snoozed")
    expect(unshipped.locator("h3")).to_have_text([order["number"] for order in reversed(late)])
    expect(unshipped.get_by_role("link", name="All 3 in the list")).to_be_visible()
    ship = unshipped.get_by_role("button", name="Mark as shipped…")
    expect(ship).to_be_disabled()
    unshipped.get_by_label("Select all shown").check()
    unshipped.get_by_label(f"Select order {late[0]['number']}").uncheck()
    expect(unshipped.locator(".queue-with")).to_contain_text("2")
    ship.click()
    expect(desk.locator("#content-main")).to_contain_text("Mark 2 orders as shipped?")
    desk.get_by_role("button", name="Mark 2 orders as shipped").click()
    expect(desk.get_by_text("Processed: 2 of 2")).to_be_visible()
    expect(counter(desk)).to_have_text("2")

    desk.set_viewport_size(NARROW)
    for section, order in (("unshipped", late[0]), ("unchecked", unchecked)):
        desk.goto(QUEUE)
        group = desk.locator(f"#{section}")
        group.get_by_label(f"Select order {order['number']}").check()
        group.get_by_text("Snooze…").click()
        assert inaccessible(desk) == []
        assert desk.evaluate("document.documentElement.scrollWidth <= innerWidth")
        group.get_by_label("For how long").select_option(label="3 days")
        group.get_by_role("button", name="Snooze", exact=True).click()
        expect(group.locator("[name=reason]:invalid").first).to_be_visible()
        group.get_by_label("Reason (required)").fill("The customer is on holiday")
        group.get_by_role("button", name="Snooze", exact=True).click()
        expect(desk.get_by_text("1 order is snoozed until")).to_be_visible()
    expect(desk.get_by_role("heading", name="All caught up")).to_be_visible()
    desk.set_viewport_size({"width": 1440, "height": 900})
    expect(counter(desk)).to_have_count(0)
    assert {find(database, order)["snoozed"]["reason"] for order in (late[0], unchecked)} == {
        "The customer is on holiday"
    }

    desk.get_by_role("link", name="Snoozed (2)").click()
    asleep.get_by_label("Select all shown").check()
    asleep.get_by_role("button", name="Wake up").click()
    expect(desk.get_by_text("2 orders are awake again.")).to_be_visible()
    expect(asleep).to_have_count(0)
    expect(desk.locator("#unchecked h3")).to_have_text(unchecked["number"])
    expect(counter(desk)).to_have_text("2")
