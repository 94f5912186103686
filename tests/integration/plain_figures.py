"""The dashboard's figures, added up order by order in the plainest way, to compare with those that are kept."""

from collections import Counter
from datetime import UTC, date, datetime, timedelta
from decimal import ROUND_HALF_EVEN, Decimal
from math import ceil
from typing import Any

from django.conf import settings
from django.utils import timezone
from pymongo.database import Database

from orders.models import PUBLIC_STATUSES
from orders.services.reporting.shop_figures import Dashboard, Day, Money, Period, Product, Spread, Trouble
from tests.functional.admin_helpers import Document

SOLD = ("paid", "processing", "shipped", "delivered")
KINDS = {"cancel": "cancel", "cancel_part": "cancel", "refund": "refund", "refund_part": "refund",
         "open_return": "return"}  # fmt: skip


def on_the_clocks(moment: datetime) -> datetime:
    """A stored moment on the clocks of the shop."""
    return moment.replace(tzinfo=UTC).astimezone(timezone.get_default_timezone())


def day_of(moment: datetime | None) -> date | None:
    """The day that the clocks of the shop show."""
    return moment and on_the_clocks(moment).date()


def straight(database: Database[Document], chosen: Period) -> Dashboard:
    """The figures of a period, with everything but the period before."""
    dates = [chosen.first + timedelta(days=number) for number in range(chosen.days)]
    made = list(database["orders"].find())
    placed = [found for found in made if found["status"] in PUBLIC_STATUSES and day_of(found["created_at"]) in dates]
    added = Dashboard(chosen)
    by_day: dict[date | None, list[Document]] = {day: [] for day in dates}
    for found in placed:
        by_day[day_of(found["created_at"])].append(found)
    added.days = [
        Day(day, len(orders), money_of([order for order in orders if currency_of(order) == settings.CURRENCY]))
        for day, orders in by_day.items()
    ]
    statuses = Counter(found["status"] for found in placed)
    added.statuses = {status: statuses[status] for status in PUBLIC_STATUSES}
    added.sold = sum(found["status"] in SOLD and currency_of(found) == settings.CURRENCY for found in placed)
    for currency in dict.fromkeys([settings.CURRENCY, *sorted({currency_of(found) for found in placed})]):
        added.money[currency] = money_of([found for found in placed if currency_of(found) == currency])
    for found in placed:
        for told in (told for told in found["history"] if told["act"] in KINDS):
            times = added.reasons.setdefault(told.get("code", ""), dict.fromkeys(KINDS.values(), 0))
            times[KINDS[told["act"]]] += 1
    shipped = [found for found in made if found.get("paid_at") and day_of(found.get("shipped_at")) in dates]
    added.to_ship = spread([found["shipped_at"] - found["paid_at"] for found in shipped])
    added.stays = {status: spread(stays_of(placed, status)) for status in ("pending", "paid", "processing", "shipped")}
    hours = Counter(on_the_clocks(found["created_at"]).hour for found in placed)
    added.hours = [hours[hour] for hour in range(24)]
    lines = [line for found in placed for line in found["items"]]
    unknown = [line["quantity"] for line in lines if line["stock"]["state"] == "unknown"]
    short = [line["stock"]["discrepancy"] for line in lines if line["stock"].get("discrepancy")]
    added.unknown, added.short = Trouble(len(unknown), sum(unknown)), Trouble(len(short), sum(short))
    add_products(added, database, placed)
    return added


def currency_of(order: Document) -> str:
    return str(order.get("currency", settings.CURRENCY))


def money_of(orders: list[Document]) -> Money:
    paid, refunded, owed, revenue = (Decimal("0.00") for _ in range(4))
    for order in orders:
        of_order = ledger_of(order)
        paid, refunded, owed = (
            sum_ + cents(amount) for sum_, amount in zip((paid, refunded, owed), of_order, strict=True)
        )
        if order["status"] in SOLD:
            revenue += cents(of_order[0] - of_order[1] - of_order[2])
    return Money(paid, refunded, owed, revenue)


def ledger_of(order: Document) -> tuple[Decimal, Decimal, Decimal]:
    """What was paid for an order, given back, and is owed; those without a ledger were paid in full, if at all."""
    was_paid = order["status"] in SOLD or "paid_at" in order
    paid = order["paid"].to_decimal() if "paid" in order else order["total_price"].to_decimal() * was_paid
    given_back = paid if order["status"] == "refunded" else Decimal(0)
    refunded = order["refunded"].to_decimal() if "refunded" in order else given_back
    return paid, refunded, order["owed"].to_decimal() if "owed" in order else Decimal(0)


def cents(amount: Decimal) -> Decimal:
    return amount.quantize(Decimal("0.01"), ROUND_HALF_EVEN)


def stays_of(orders: list[Document], status: str) -> list[timedelta]:
    """How long orders were in a status that they have left, where their history tells when they came to it."""
    stays = []
    for order in orders:
        came = [entry["at"] for entry in order["history"] if entry["to"] == status and entry["from"]]
        left = [entry["at"] for entry in order["history"] if entry["from"] == status != entry["to"]]
        stays += [left[0] - came[0]] if came and left else []
    return stays


def spread(times: list[timedelta]) -> Spread:
    ordered = sorted(times)
    if not ordered:
        return Spread()
    return Spread(len(ordered), *(ordered[ceil(len(ordered) * tenths / 10) - 1] for tenths in (5, 9)))


def add_products(added: Dashboard, database: Database[Document], placed: list[Document]) -> None:
    units, revenue = Counter[str](), Counter[str]()
    for found in (found for found in placed if found["status"] in SOLD):
        for item in (item for item in found["items"] if not item.get("removed")):
            units[item["product_id"]] += item["quantity"]
            ours = currency_of(found) == settings.CURRENCY
            revenue[item["product_id"]] += item["price"].to_decimal() * item["quantity"] * ours  # type: ignore[assignment]

    def best(by: Counter[str]) -> list[Product]:
        top = sorted(by, key=lambda product: (-by[product], product))[:10]
        return [Product(product, name(product), units[product], Decimal(revenue[product])) for product in top]

    def name(product: str) -> str:
        newest = max(database["orders"].find({"items.product_id": product}), key=lambda order: order["created_at"])
        names = [item.get("name") for item in newest["items"] if item["product_id"] == product]
        return next(filter(None, names), product)

    added.by_units, added.by_revenue = best(units), best(revenue)


def same(found: Dashboard, wanted: Dashboard) -> None:
    for name in ("days", "statuses", "sold", "money", "ours", "reasons", "hours", "unknown", "short", "by_units",
                 "by_revenue", "orders", "average"):  # fmt: skip
        assert getattr(found, name) == getattr(wanted, name), name
    about_the_same(found.to_ship, wanted.to_ship, error=0.011)
    assert found.stays.keys() == wanted.stays.keys()
    for status, stay in found.stays.items():
        about_the_same(stay, wanted.stays[status], error=0.05)
    assert (found.missing, found.stale) == (0, 0)


def about_the_same(found: Spread, wanted: Spread, *, error: float) -> None:
    assert found.orders == wanted.orders
    for name in ("median", "p90"):
        exact: Any = getattr(wanted, name)
        told: Any = getattr(found, name)
        assert (told is None) == (exact is None), name
        # What took less than a minute counts as one.
        assert exact is None or abs(told / max(exact, timedelta(minutes=1)) - 1) <= error, (name, told, exact)
