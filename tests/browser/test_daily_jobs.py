"""Ten jobs of a day, each played in a browser and counted; docs/desk.md compares the counts with other systems."""

import csv
import os
import re
from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta
from typing import Any
from urllib.parse import urlsplit

import pytest
from django.utils import timezone
from playwright.sync_api import Locator, Page, expect
from pymongo.database import Database

from devtools.localhost import ROOT
from integrations.sandbox import Sandbox
from tests.browser import other_desks
from tests.browser.conftest import SignIn
from tests.browser.other_desks import NOT_SHOWN, PRODUCTS, READ, Count, Shown
from tests.browser.test_parts import card, packing
from tests.functional.admin_helpers import LIST, Document, find, insert, line, page, placed, stored

pytestmark = [pytest.mark.slow, pytest.mark.no_cover]

HOME = "/admin/"
PAGE = ROOT / "docs" / "desk.md"
BEGIN, END = "<!-- daily jobs -->\n", "<!-- end of daily jobs -->"
WRITING = bool(os.environ.get("WRITE_EXAMPLES"))
CALLED = """(element) => {
    const heard = element.getAttribute("aria-label") ?? element.labels?.[0]?.innerText ?? element.innerText;
    return heard.trim().split("\\n")[0];
}"""
"""What a control is called on the page."""


class Worker:
    """Somebody at the desk: everything that they press or fill in is counted, and each page that opens on the way."""

    def __init__(self, desk: Page) -> None:
        self.desk = desk
        self.steps: list[str] = []
        self._first = ""
        self._opened: set[str] = set()
        desk.on("framenavigated", lambda frame: self._arrive(frame.url) if frame == desk.main_frame else None)

    def begin(self, at: str) -> None:
        """Open the page on which a job begins; it is not counted, and neither is coming back to it."""
        self.desk.goto(at)
        self.steps, self._first, self._opened = [], at, set()

    def press(self, control: Locator, called: str = "") -> None:
        self._note("press", control, called)
        control.click()

    def fill_in(self, field: Locator, text: str, called: str = "", *, then: str = "") -> None:
        self._note("fill in", field, called)
        field.fill(text)
        if then:
            field.press(then)

    def choose(self, field: Locator, label: str, called: str = "") -> None:
        self._note("choose", field, called)
        field.select_option(label=label)

    @property
    def shown(self) -> Shown:
        """The job as it was done."""
        return Shown((*self.steps, *("opens a page" for _ in self._opened)), ())

    def _note(self, kind: str, control: Locator, called: str) -> None:
        self.steps.append(f"{kind} {called or control.evaluate(CALLED)}")

    def _arrive(self, address: str) -> None:
        path = urlsplit(address).path
        if path != self._first:
            self._opened.add(path)


@dataclass(frozen=True)
class Stage:
    """What a job needs."""

    me: Worker
    database: Database[Document]

    def by_role(self, role: Any, name: str) -> Locator:
        return self.me.desk.get_by_role(role, name=name, exact=True)

    def summary(self, text: str) -> Locator:
        return self.me.desk.locator("summary", has_text=re.compile(f"^{re.escape(text)}$"))

    def navigation(self, address: str) -> Locator:
        return self.me.desk.locator(f"#nav-sidebar a[href='{address}']")

    def orders(self, where: Document) -> int:
        return self.database["orders"].count_documents(where)


def find_by_name(stage: Stage) -> None:
    order = insert(stage.database, stored(70, contact={"name": "Zofia Wiśniewska"}), *(stored(n) for n in range(3)))
    stage.me.begin(HOME)
    stage.me.press(stage.navigation(LIST), "Orders")
    stage.me.fill_in(stage.me.desk.locator("#searchbar"), "wisniewska", "Search", then="Enter")
    stage.me.press(stage.me.desk.locator("#result_list a[href*='/change/']").first, "the order")
    expect(stage.me.desk.locator(".order-number")).to_have_text(order["number"])


def record_a_payment(stage: Stage) -> None:
    order = placed()
    stage.me.begin(page(order))
    stage.me.press(stage.summary("Add a reference or a reason"))
    stage.me.fill_in(stage.me.desk.get_by_label("Payment reference (optional)"), "Transfer 4711")
    stage.me.press(stage.by_role("button", "Mark as paid"))
    expect(stage.me.desk.locator(".order-head")).to_contain_text("Paid")
    assert [payment["reference"] for payment in find(stage.database, order)["payments"]] == ["Transfer 4711"]


def ship_with_tracking(stage: Stage) -> None:
    order = packing()
    stage.me.begin(page(order))
    stage.me.press(stage.summary("Ship…"))
    stage.me.fill_in(stage.me.desk.locator("#number-ship"), "00340434161094000000")
    stage.me.press(stage.by_role("button", "Ship this parcel"))
    expect(stage.me.desk.locator(".order-head")).to_contain_text("Shipped")
    assert [parcel["tracking_number"] for parcel in find(stage.database, order)["shipments"]] == [
        "00340434161094000000"
    ]


def ship_a_part(stage: Stage) -> None:
    order = packing()
    stage.me.begin(page(order))
    stage.me.press(stage.summary("Ship…"))
    stage.me.fill_in(stage.me.desk.locator("#ship-2"), "0", "the quantity")
    stage.me.fill_in(stage.me.desk.locator("#number-ship"), "00340434161094000001")
    stage.me.press(stage.by_role("button", "Ship this parcel"))
    expect(card(stage.me.desk, "Parcels")).to_contain_text("00340434161094000001")
    assert find(stage.database, order)["status"] == "processing"


def print_for_twenty(stage: Stage) -> None:
    insert(stage.database, *(stored(100 + number, status="paid") for number in range(20)))
    to_ship = stage.orders({"status": {"$in": ["paid", "processing"]}})
    stage.me.begin(HOME)
    stage.me.press(stage.navigation(LIST), "Orders")
    stage.me.press(stage.me.desk.get_by_label("Views").get_by_role("link", name="To ship"), "To ship")
    stage.me.press(stage.me.desk.locator("#action-toggle"), "Select all")
    stage.me.choose(stage.me.desk.get_by_label("With selected orders"), "Print pick list", "Print pick list")
    stage.me.press(stage.by_role("button", "Continue"))
    expect(stage.by_role("heading", "Pick list")).to_be_visible()
    stage.me.press(stage.by_role("button", "Print"))
    stage.me.press(stage.by_role("link", "Packing slips"))
    expect(stage.by_role("heading", "Packing slip")).to_have_count(to_ship)
    stage.me.press(stage.by_role("button", "Print"))


def cancel_a_line_and_refund_it(stage: Stage) -> None:
    order = packing()
    stage.me.begin(page(order))
    stage.me.press(stage.summary("Cancel items…"))
    stage.me.fill_in(stage.me.desk.locator("#cancellation-2"), "1", "the quantity")
    stage.me.choose(stage.me.desk.locator("#code-cancellation"), "Out of stock")
    stage.me.press(stage.by_role("button", "Cancel and record the refund"))
    expect(card(stage.me.desk, "Payments and refunds")).to_contain_text("Owed to the customer Nothing")
    after = find(stage.database, order)
    assert after["items"][2]["removed"] == "cancelled"
    assert after["refunded"].to_decimal() == after["items"][2]["price"].to_decimal()


def take_a_return_and_refund_it(stage: Stage) -> None:
    order = placed("pay", "start_processing", "ship", "deliver")
    stage.me.begin(page(order))
    stage.me.press(stage.summary("Take back…"))
    stage.me.fill_in(stage.me.desk.locator("#return-0"), "1", "the quantity")
    stage.me.choose(stage.me.desk.locator("#code-return"), "Customer's wish")
    stage.me.press(stage.me.desk.get_by_label("Yes, and they can be sold again"))
    stage.me.press(stage.by_role("button", "Take back and record the refund"))
    expect(card(stage.me.desk, "Returns")).to_contain_text("Returned, restocked")
    after = find(stage.database, order)
    assert after["refunded"].to_decimal() == after["items"][0]["price"].to_decimal()
    assert "owed" not in after


def correct_an_address(stage: Stage) -> None:
    order = placed("pay")
    stage.me.begin(page(order))
    stage.me.press(stage.summary("Edit address"))
    stage.me.fill_in(stage.me.desk.locator("#address-line1"), "2 Short Street")
    stage.me.press(stage.by_role("button", "Save address"))
    expect(stage.me.desk.locator(".order-address").first).to_contain_text("2 Short Street")
    assert find(stage.database, order)["shipping_address"]["line1"] == "2 Short Street"


def deal_with_what_needs_attention(stage: Stage) -> None:
    order = insert(stage.database, stored(90, status="cancelled", items=[line("unknown", call="release")]))
    stage.me.begin(HOME)
    stage.me.press(stage.navigation(f"{LIST}attention/"), "Needs attention")
    stage.me.press(stage.summary("Resolve item 1…"))
    stage.me.fill_in(stage.me.desk.get_by_label("Was the stock released? Evidence (required)"), "Counted the shelf")
    stage.me.press(stage.by_role("button", "Released"))
    expect(stage.by_role("button", "Released")).to_have_count(0)
    assert find(stage.database, order)["items"][0]["stock"]["state"] == "released"


def take_last_weeks_orders_as_csv(stage: Stage) -> None:
    week_ago, today = timezone.localdate() - timedelta(days=7), timezone.localdate()
    long_ago = timezone.now() - timedelta(days=30)
    old = insert(stage.database, stored(95, created_at=long_ago, placed_at=long_ago))
    stage.me.begin(HOME)
    stage.me.press(stage.navigation(LIST), "Orders")
    stage.me.press(stage.summary("Filters"))
    stage.me.fill_in(stage.me.desk.get_by_label("From", exact=True), str(week_ago))
    stage.me.fill_in(stage.me.desk.get_by_label("Until", exact=True), str(today))
    stage.me.press(stage.by_role("button", "Apply"))
    with stage.me.desk.expect_download() as download:
        stage.me.press(stage.by_role("link", "Export CSV"))
    with open(download.value.path(), encoding="utf-8-sig", newline="") as file:
        numbers = {row["number"] for row in csv.DictReader(file)}
    assert len(numbers) == stage.orders({"placed_at": {"$gt": long_ago}})
    assert old["number"] not in numbers


@dataclass(frozen=True)
class Job:
    """A job in words, and where it begins."""

    title: str
    begins: str
    do: Callable[[Stage], None]


ORDER_PAGE = "the order"
JOBS = {
    "find": Job("Find an order by the name that somebody says on the telephone", "home", find_by_name),
    "pay": Job("Record a payment, here with its reference", ORDER_PAGE, record_a_payment),
    "ship": Job("Ship an order with a tracking number", ORDER_PAGE, ship_with_tracking),
    "part": Job("Ship part of an order, with a tracking number", ORDER_PAGE, ship_a_part),
    "print": Job("Print the pick list and the packing slips of 20 orders", "home", print_for_twenty),
    "cancel": Job("Cancel one line and refund it", ORDER_PAGE, cancel_a_line_and_refund_it),
    "return": Job("Take goods back and refund them", ORDER_PAGE, take_a_return_and_refund_it),
    "address": Job("Correct a shipping address", ORDER_PAGE, correct_an_address),
    "attention": Job("Find what needs attention, and deal with one", "home", deal_with_what_needs_attention),
    "export": Job("Take last week's orders as CSV", "home", take_last_weeks_orders_as_csv),
}


def test_ten_daily_jobs_take_what_the_page_about_the_desk_says(
    sign_in: SignIn, database: Database[Document], sandbox: Sandbox
) -> None:
    stage = Stage(Worker(sign_in("Manager")), database)
    done = {}
    for name, job in JOBS.items():
        job.do(stage)
        done[name] = stage.me.shown
    more = {name for name, shown in done.items() if _is_more(name, shown.count)}
    text = PAGE.read_text()
    before, _, rest = text.partition(BEGIN)
    _, _, after = rest.partition(END)
    counted = f"{before}{BEGIN}{_written(done, more)}{END}{after}"
    if WRITING:
        PAGE.write_text(counted)
        return
    assert text == counted
    assert more == set()


def _is_more(job: str, here: Count) -> bool:
    """Whether a job takes more clicks or more pages here than the fewest that the others show."""
    others = [shown.count for shown in other_desks.JOBS[job].values()]
    return any(
        getattr(here, what) > min((getattr(other, what) for other in others), default=getattr(here, what))
        for what in ("clicks", "pages")
    )


def _written(done: dict[str, Shown], more: set[str]) -> str:
    """The table, how each figure was counted, and what was read for it."""
    rows = [f"| job | begins at | here | {' | '.join(PRODUCTS)} |", f"|---|---|{'---|' * (len(PRODUCTS) + 1)}"]
    told = []
    for name, job in JOBS.items():
        shown = {"Here": done[name]} | other_desks.JOBS[name]
        cells = [str(shown[product].count) if product in shown else NOT_SHOWN for product in ("Here", *PRODUCTS)]
        rows.append(f"| {job.title} | {job.begins} | {' | '.join(cells)} |")
        told += [f"\n**{job.title}**\n", *(_told(who, one) for who, one in shown.items())]
    numbers = [f"{number}. {title}: {address}" for number, (title, address) in enumerate(READ.values(), 1)]
    result = "\nNo job takes more clicks or pages here than in the best of the others."
    if more:
        names = "; ".join(job.title for name, job in JOBS.items() if name in more)
        result = f"\nMore clicks or pages here than in the best of the others: {names}."
    return "\n".join([*rows, result, "\n### Step by step", *told, "\n### What was read\n", *numbers, ""])


def _told(who: str, shown: Shown) -> str:
    numbers = ", ".join(str(list(READ).index(key) + 1) for key in shown.read)
    steps = "; ".join(step for step in shown.steps if step != "opens a page")
    note = f" ({shown.note})" if shown.note else ""
    return f"- {who}: {steps}{note}{f' [{numbers}]' if numbers else ''}"
