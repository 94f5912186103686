"""The figures by day equal what a straight count over the orders says, whatever happens to the orders in between."""

import random
import threading
from collections import Counter
from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from statistics import median_low
from typing import Any

import pytest
from bson import Decimal128
from django.conf import settings
from django.db import DatabaseError
from django.utils import timezone
from pymongo.database import Database

from orders.models import figures
from orders.models.states import PUBLIC_STATUSES
from orders.services import access, transitions
from orders.services import dashboard as dashboards
from orders.services import figures as refreshing
from orders.services.access import NotPermitted
from orders.services.acts import Act
from orders.services.dashboard import Dashboard, Day, InvalidPeriod, Period, dashboard, period
from orders.services.figures import Refresh, refresh
from tests.functional.admin_helpers import Document, profiled, stored

BOSS = access.admin("boss")
NOW = datetime.now(UTC).replace(microsecond=0, tzinfo=None)
TODAY = NOW.date()
ALL = Period(TODAY - timedelta(days=44), TODAY)
CHANCE = random.Random(11)
SOLD = ("paid", "processing", "shipped", "delivered")


def order(at: datetime, **changes: Any) -> Document:
    """An order that was placed at a moment (naive UTC) and went on from there, over a few products."""
    status = changes.get("status") or CHANCE.choice(["placing", "rejected", *PUBLIC_STATUSES])
    items = [
        {
            "product_id": f"{CHANCE.randrange(30):024x}",
            "quantity": CHANCE.randint(1, 4),
            "price": Decimal128(f"{CHANCE.randint(1, 9999) / 100:.2f}"),
            "stock": {"state": "reserved", "attempts": 1, "error": ""},
        }
        for _ in range(CHANCE.randint(1, 3))
    ]
    total = sum(item["price"].to_decimal() * item["quantity"] for item in items)
    made = stored(CHANCE.randrange(10**9), status=status, items=items, total_price=Decimal128(total))
    made |= {"created_at": at, "updated_at": at, "placed_at": at, "status_since": at}
    if status in (*SOLD, "refunded"):
        made["paid_at"] = at + timedelta(hours=1)
    if status in ("shipped", "delivered"):
        made["shipped_at"] = min(NOW, made["paid_at"] + timedelta(minutes=CHANCE.randint(0, 6000)))
    return made | changes


def straight(database: Database[Document], chosen: Period) -> Dashboard:
    """The figures of a period, added up in the plainest way."""
    since, until = (datetime.combine(day, datetime.min.time()) for day in (chosen.first, chosen.last))
    until += timedelta(days=1)
    placed = database["orders"].find({"created_at": {"$gte": since, "$lt": until}, "status": {"$in": PUBLIC_STATUSES}})
    days, money, statuses = Counter[date](), Counter[date](), Counter[str]()
    units, revenue = Counter[str](), Counter[str]()
    for found in placed:
        statuses[found["status"]] += 1
        days[found["created_at"].date()] += 1
        if found["status"] in SOLD:
            money[found["created_at"].date()] += found["total_price"].to_decimal()
            for item in found["items"]:
                units[item["product_id"]] += item["quantity"]
                revenue[item["product_id"]] += item["price"].to_decimal() * item["quantity"]
    shipped = database["orders"].find({"shipped_at": {"$gte": since, "$lt": until}, "paid_at": {"$ne": None}})
    times = [found["shipped_at"] - found["paid_at"] for found in shipped]
    made = Dashboard(chosen)
    dates = [chosen.first + timedelta(days=number) for number in range(chosen.days)]
    made.days = [Day(day, days[day], money[day] or Decimal("0.00")) for day in dates]
    made.statuses = {status: statuses[status] for status in PUBLIC_STATUSES}
    made.sold, made.revenue = sum(statuses[status] for status in SOLD), sum(money.values(), Decimal(0))
    made.shipped, made.to_ship = len(times), median_low(times) if times else None

    def best(by: Counter[str]) -> list[dashboards.Product]:
        top = sorted(by, key=lambda product: (-by[product], product))[:10]
        return [dashboards.Product(product, units[product], revenue[product]) for product in top]

    made.by_units, made.by_revenue = best(units), best(revenue)
    return made


def same(found: Dashboard, wanted: Dashboard) -> None:
    for name in ("days", "statuses", "sold", "revenue", "shipped", "by_units", "by_revenue", "orders", "average"):
        assert getattr(found, name) == getattr(wanted, name), name
    if wanted.to_ship is None:
        assert found.to_ship is None
    else:
        least = timedelta(minutes=1)  # what took less counts as a minute
        assert found.to_ship and abs(found.to_ship / max(wanted.to_ship, least) - 1) <= 0.011
    assert (found.missing, found.stale) == (0, 0)


def fill(database: Database[Document], number: int, days: int = 45) -> list[Document]:
    start = datetime.combine(TODAY - timedelta(days=days - 1), datetime.min.time())
    span = (NOW - start).total_seconds()
    made = [order(start + timedelta(seconds=int(CHANCE.random() * span))) for _ in range(number)]
    database["orders"].insert_many(made)
    return made


def refreshed() -> None:
    while refresh(seconds=30).more:
        pass


@pytest.fixture
def old_news(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whoever looks finds the figures fresh enough: only what the worker does counts."""
    monkeypatch.setattr(settings, "FIGURES_EVERY", 3600.0)


def test_the_figures_equal_a_straight_count_also_after_changes(database: Database[Document], old_news: None) -> None:
    made = fill(database, 3000)
    refreshed()
    same(dashboard(actor=BOSS, period=ALL), straight(database, ALL))
    for _ in range(4):
        for chosen in CHANCE.sample(made, 60):
            status = CHANCE.choice(PUBLIC_STATUSES)
            changes: Document = {"status": status, "updated_at": datetime.now(UTC)}
            if status == "shipped":
                changes |= {"paid_at": chosen["created_at"], "shipped_at": NOW}
            database["orders"].update_one({"_id": chosen["_id"]}, {"$set": changes})
        fill(database, 20, days=1)
        refreshed()
        for wanted in (ALL, Period(TODAY, TODAY), Period(TODAY - timedelta(days=20), TODAY - timedelta(days=7))):
            same(dashboard(actor=BOSS, period=wanted), straight(database, wanted))


def test_a_transition_made_by_the_service_is_in_the_next_figures(database: Database[Document], old_news: None) -> None:
    today, old = order(NOW, status="paid"), order(NOW - timedelta(days=40), status="pending")
    database["orders"].insert_many([today, old])
    refreshed()
    assert dashboard(actor=BOSS, period=ALL).sold == 1
    transitions.change_status(order_id=old["_id"], transition="pay", act=Act(BOSS, timezone.now()))
    refreshed()
    same(dashboard(actor=BOSS, period=ALL), straight(database, ALL))
    assert dashboard(actor=BOSS, period=ALL).sold == 2
