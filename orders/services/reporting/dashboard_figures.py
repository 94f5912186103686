"""The dashboard: the daily figures, which `figures_refresh` keeps up to date, added up over a period."""

import logging
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from itertools import accumulate, zip_longest
from math import sqrt

from django.conf import settings
from django.db import DatabaseError

from orders.models import PUBLIC_STATUSES, Document
from orders.services.access import Actor, NotPermitted
from orders.services.errors import OrderError
from orders.services.reporting.figures_refresh import changed_days, first_day, refresh
from orders.storage import daily_figures, time_limit
from orders.storage.daily_figures import BUCKET, DAY, REASONED, SOLD, day_key
from orders.storage.order_names import product_names
from orders.storage.order_reads import server_time

logger = logging.getLogger(__name__)

LONGEST_PERIOD = 366
"""Days."""
TOP = 10
"""Best sellers shown."""
COUNTING, READING = 0.25, 2.0
"""Seconds that a request for the dashboard may spend on counting days, and on reading the figures."""


class InvalidPeriod(OrderError):
    """There are no figures for this period."""

    code = "invalid_period"


@dataclass(frozen=True)
class Period:
    """Days of TIME_ZONE, first and last included."""

    first: date
    last: date

    @property
    def days(self) -> int:
        return (self.last - self.first).days + 1


@dataclass(frozen=True)
class Day:
    """Orders placed on a day, and the revenue of those that count as sold; None if not counted yet.

    The revenue is that in the shop's currency.
    """

    date: date
    orders: int | None = None
    revenue: Decimal | None = None


@dataclass(frozen=True)
class Product:
    """A product that was sold; `name` is its id where it has none, and its revenue is in the shop's currency."""

    product_id: str
    name: str
    units: int
    revenue: Decimal


@dataclass
class Dashboard:
    """The figures of a period. Money is what orders in the shop's currency come to, but for `elsewhere`.

    :ivar as_of: changes up to this moment are included, except on `stale` days; None before the first count.
    :ivar statuses: orders placed in the period by their status now, for every public status.
    :ivar sold: orders that count as sold, in the shop's currency; `revenue`: what they come to.
    :ivar elsewhere: what those in other currencies come to, by currency.
    :ivar paid: what was paid for the orders placed in the period, `refunded` of it, and `owed` to customers.
    :ivar reasons: how often these orders, or parts of them, were cancelled, refunded or returned, by the code of the
        reason, and then by which of the three.
    :ivar to_ship: median time from payment to shipping of the orders shipped in the period, to one per cent.
    :ivar missing: days that have not been counted yet.
    :ivar recounting: how many of those have been counted in another time zone, before TIME_ZONE was changed.
    :ivar stale: days that have changed since they were counted.
    :ivar cut: whether only each day's best sellers are included in the products.
    """

    period: Period
    as_of: datetime | None = None
    days: list[Day] = field(default_factory=list)
    statuses: dict[str, int] = field(default_factory=dict)
    sold: int = 0
    revenue: Decimal = Decimal(0)
    elsewhere: dict[str, Decimal] = field(default_factory=dict)
    paid: Decimal = Decimal(0)
    refunded: Decimal = Decimal(0)
    owed: Decimal = Decimal(0)
    reasons: dict[str, dict[str, int]] = field(default_factory=dict)
    shipped: int = 0
    to_ship: timedelta | None = None
    by_units: list[Product] = field(default_factory=list)
    by_revenue: list[Product] = field(default_factory=list)
    missing: int = 0
    recounting: int = 0
    stale: int = 0
    cut: bool = False

    @property
    def orders(self) -> int:
        return sum(self.statuses.values())

    @property
    def average(self) -> Decimal | None:
        """Revenue per order that counts as sold."""
        return (self.revenue / self.sold).quantize(Decimal("0.01")) if self.sold else None


def period(first: date, last: date, *, today: date) -> Period:
    """Check a period.

    :raises InvalidPeriod: says what is wrong with it.
    """
    if first > last:
        raise InvalidPeriod("The start date is after the end date.")
    if last > today:
        raise InvalidPeriod("The period ends in the future.")
    if first < daily_figures.EARLIEST.date():
        raise InvalidPeriod(f"There are no figures before {daily_figures.EARLIEST.date()}.")
    if (chosen := Period(first, last)).days > LONGEST_PERIOD:
        raise InvalidPeriod(f"A period can be at most {LONGEST_PERIOD} days long; this one is {chosen.days}.")
    return chosen


def dashboard(*, actor: Actor, period: Period) -> Dashboard:
    """The figures of a period as far as they have been counted, in bounded time.

    :raises NotPermitted: the actor may not see all orders.
    :raises DatabaseError: the figures could not be read in time.
    """
    if not actor.sees_all:
        raise NotPermitted("You may not see the figures of the shop.")
    since, until = day_key(period.first), day_key(period.last)
    with time_limit(READING):
        _count_if_outdated(since, until)
        first, state, kept = first_day(), daily_figures.state(), daily_figures.days_kept(since, until)
        recounting = daily_figures.days_of_another_zone(since, until)
        best = daily_figures.best_sellers(since, until, TOP)
        names = product_names(row["_id"] for rows in best.values() for row in rows)
    found = Dashboard(period, as_of=_aware(state.get("until")), recounting=recounting)
    found.by_units, found.by_revenue = (_products(best[measure], names) for measure in ("units", "cents"))
    _days(found, {day["_id"]: day for day in kept}, first)
    counted = [day for day in kept if "computed_at" in day]
    found.cut = any(day["products_cut"] for day in counted)
    _statuses(found, counted)
    _ledger(found, counted)
    _shipping(found, counted)
    return found


def _count_if_outdated(since: datetime, until: datetime) -> None:
    """Count for a moment where no worker keeps the figures up to date."""
    now, last = server_time(), daily_figures.state().get("until")
    fresh = last and now - last < timedelta(seconds=settings.FIGURES_EVERY)
    if fresh and not changed_days(since, until, now):
        return
    try:
        with time_limit(COUNTING):
            refresh(seconds=COUNTING / 2, lease=4 * COUNTING, since=since, until=until)
    except DatabaseError as error:
        logger.info("showing the figures as they are: counting takes longer than %s s: %s", COUNTING, error)


def _aware(moment: datetime | None) -> datetime | None:
    return moment.replace(tzinfo=UTC) if moment else None


def _money(cents: int) -> Decimal:
    return Decimal(cents).scaleb(-2)


def _days(found: Dashboard, kept: dict[datetime, Document], first: datetime | None) -> None:
    for number in range(found.period.days):
        key = day_key(found.period.first) + number * DAY
        day = kept.get(key, {})
        if "computed_at" in day:
            found.stale += daily_figures.is_outdated(day)
            orders = sum(row["orders"] for row in day["statuses"])
            cents = sum(row["cents"] for row in day["statuses"] if row["status"] in SOLD and _is_ours(row))
            found.days.append(Day(key.date(), orders, _money(cents)))
        elif first is None or key < first:
            found.days.append(Day(key.date(), 0, _money(0)))
        else:
            found.missing += 1
            found.days.append(Day(key.date()))


def _statuses(found: Dashboard, days: Iterable[Document]) -> None:
    orders, elsewhere, cents = Counter[str](), Counter[str](), 0
    for row in (row for day in days for row in day["statuses"]):
        orders[row["status"]] += row["orders"]
        if row["status"] in SOLD and _is_ours(row):
            found.sold += row["orders"]
            cents += row["cents"]
        elif row["status"] in SOLD:
            elsewhere[row["currency"]] += row["cents"]
    found.statuses = {status: orders[status] for status in PUBLIC_STATUSES}
    found.revenue = _money(cents)
    found.elsewhere = {currency: _money(elsewhere[currency]) for currency in sorted(elsewhere)}


def _ledger(found: Dashboard, days: Iterable[Document]) -> None:
    cents: Counter[str] = Counter()
    for day in days:
        for row in filter(_is_ours, day.get("money", ())):
            cents.update({name: row[name] for name in ("paid", "refunded", "owed")})
        for row in day.get("reasons", ()):
            told = found.reasons.setdefault(row["code"], dict.fromkeys(REASONED.values(), 0))
            told[REASONED[row["act"]]] += row["times"]
    found.paid, found.refunded, found.owed = (_money(cents[name]) for name in ("paid", "refunded", "owed"))


def _is_ours(row: Document) -> bool:
    """Whether figures are in the shop's currency, as all were before orders had one."""
    return row.get("currency", settings.CURRENCY) == settings.CURRENCY


def _products(rows: Iterable[Document], names: Mapping[str, str]) -> list[Product]:
    return [Product(row["_id"], names.get(row["_id"], row["_id"]), row["units"], _money(row["cents"])) for row in rows]


def _shipping(found: Dashboard, days: Iterable[Document]) -> None:
    counts = [sum(column) for column in zip_longest(*(day["shipping"] for day in days), fillvalue=0)]
    found.shipped = sum(counts)
    for bucket, passed in enumerate(accumulate(counts)):
        if 2 * passed >= found.shipped:
            found.to_ship = timedelta(minutes=BUCKET**bucket * sqrt(BUCKET))
            return
