"""What the daily figures of a period come to."""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime, timedelta
from decimal import Decimal
from itertools import accumulate, zip_longest

from django.conf import settings

from orders.models import PUBLIC_STATUSES, Document
from orders.services.days import day_bounds, local
from orders.services.reporting.shop_figures import Dashboard, Day, Demand, Money, Period, Product, Spread
from orders.storage import daily_figures, turned_away
from orders.storage.daily_figures import DAY, day_key
from orders.storage.day_counts import BUCKET, REASONED, SLOT_MINUTES, SOLD, STAY_BUCKET, TIMED

TOP = 10
"""Products shown: best sellers, and those that were turned away."""
SLOT = timedelta(minutes=SLOT_MINUTES)
SLOTS_OF_AN_HOUR = 60 // SLOT_MINUTES


def added_up(period: Period, kept: Sequence[Document], first: datetime | None) -> Dashboard:
    """What is compared between periods."""
    found = Dashboard(period)
    _days(found, {day["_id"]: day for day in kept}, first)
    counted = [day for day in kept if "computed_at" in day]
    orders = Counter[str]()
    for row in (row for day in counted for row in day["statuses"]):
        orders[row["status"]] += row["orders"]
        found.sold += row["orders"] if row["status"] in SOLD and _is_ours(row) else 0
    found.statuses = {status: orders[status] for status in PUBLIC_STATUSES}
    found.money = _by_currency(counted)
    found.to_ship = _spread((day["shipping"] for day in counted), BUCKET)
    return found


def _days(found: Dashboard, kept: Mapping[datetime, Document], first: datetime | None) -> None:
    for number in range(found.period.days):
        key = day_key(found.period.first) + number * DAY
        day = kept.get(key, {})
        if "computed_at" in day:
            found.stale += daily_figures.is_outdated(day)
            orders = sum(row["orders"] for row in day["statuses"])
            found.days.append(Day(key.date(), orders, _by_currency([day])[settings.CURRENCY]))
        elif first is None or key < first:
            found.days.append(Day(key.date(), 0, Money()))
        else:
            found.missing += 1
            found.days.append(Day(key.date()))


def _by_currency(days: Iterable[Document]) -> dict[str, Money]:
    cents: dict[str, Counter[str]] = {settings.CURRENCY: Counter()}
    for day in days:
        for row in day.get("money", ()):
            of_currency = cents.setdefault(row["currency"], Counter())
            for name in ("paid", "refunded", "owed"):
                of_currency[name] += row[name]
        for row in day["statuses"]:
            if row["status"] in SOLD:
                cents.setdefault(row.get("currency", settings.CURRENCY), Counter())["revenue"] += row["cents"]
    ours, *others = cents
    return {
        currency: Money(*(_money(cents[currency][name]) for name in ("paid", "refunded", "owed", "revenue")))
        for currency in (ours, *sorted(others))
    }


def _is_ours(row: Document) -> bool:
    """Whether figures are in the shop's currency, as all were before orders had one."""
    return bool(row.get("currency", settings.CURRENCY) == settings.CURRENCY)


def add_details(found: Dashboard, days: Sequence[Document]) -> None:
    """What is shown of the period alone. Days that were counted by an earlier layout tell less."""
    found.cut = any(day["products_cut"] for day in days)
    found.stays = {
        status: _spread((day.get("stays", {}).get(status, ()) for day in days), STAY_BUCKET) for status in TIMED
    }
    found.hours = _hours(days)
    for day in days:
        for row in day.get("reasons", ()):
            told = found.reasons.setdefault(row["code"], dict.fromkeys(REASONED.values(), 0))
            told[REASONED[row["act"]]] += row["times"]


def _hours(days: Iterable[Document]) -> list[int]:
    hours = [0] * 24
    for day in days:
        since, before = day_bounds(day["_id"].date())
        is_plain = before - since == DAY and local(since).hour == 0
        for slot, orders in enumerate(day.get("half_hours", ())):
            hours[slot // SLOTS_OF_AN_HOUR if is_plain else local(since + slot * SLOT).hour] += orders
    return hours


def products_sold(rows: Iterable[Document], names: Mapping[str, str]) -> list[Product]:
    """Products by what was sold of them, as rows of the figures have it."""
    return [Product(row["_id"], names.get(row["_id"], row["_id"]), row["units"], _money(row["cents"])) for row in rows]


def add_turned_away(found: Dashboard, rows: Iterable[Document], names: Mapping[str, str]) -> None:
    """What customers asked for and did not get. :param names: of products, by their ids."""
    for row in rows:
        product = row["product"]
        if product == turned_away.OTHERS:
            found.others = row["units"]
        elif len(found.turned_away) < TOP:
            found.turned_away.append(Demand(product, names.get(product, product), row["units"], row["times"]))


def _spread(days: Iterable[Sequence[int]], width: float) -> Spread:
    """Of counts by bucket of `width`, day by day."""
    counts = [sum(column) for column in zip_longest(*days, fillvalue=0)]
    passed = list(accumulate(counts))
    orders = passed[-1] if passed else 0

    def reached(tenths: int) -> timedelta:
        bucket = next(bucket for bucket, so_far in enumerate(passed) if 10 * so_far >= tenths * orders)
        return timedelta(minutes=width ** (bucket + 0.5))

    return Spread(orders, reached(5), reached(9)) if orders else Spread()


def _money(cents: int) -> Decimal:
    return Decimal(cents).scaleb(-2)
