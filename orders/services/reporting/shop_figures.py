"""What the dashboard says about a period. Each figure is defined here, and for people in docs/dashboard.md.

Money is that of the orders placed on the days, as the ledger of each order has it now (`orders.storage.ledger`).
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from decimal import Decimal

from django.conf import settings
from django.utils.formats import date_format
from django.utils.translation import gettext as _

from orders.services.errors import OrderError, RefusalKind
from orders.storage.daily_figures import DAY, EARLIEST

LONGEST_PERIOD = 366
"""Days."""
NOTHING = Decimal("0.00")


class InvalidPeriod(OrderError):
    """There are no figures for this period."""

    code = "invalid_period"
    kind = RefusalKind.INVALID


@dataclass(frozen=True)
class Period:
    """Days of TIME_ZONE, first and last included."""

    first: date
    last: date

    @property
    def days(self) -> int:
        return (self.last - self.first).days + 1

    @property
    def before(self) -> "Period":
        """The period of the same length that ends where this one begins."""
        return Period(self.first - self.days * DAY, self.first - DAY)


def period(first: date, last: date, *, today: date) -> Period:
    """Check a period.

    :raises InvalidPeriod: says what is wrong with it.
    """
    if first > last:
        raise InvalidPeriod(_("The start date is after the end date."))
    if last > today:
        raise InvalidPeriod(_("The period ends in the future."))
    if first < EARLIEST.date():
        raise InvalidPeriod(_("There are no figures before %(day)s.") % {"day": date_format(EARLIEST, "DATE_FORMAT")})
    if (chosen := Period(first, last)).days > LONGEST_PERIOD:
        told = _("A period can be at most %(longest)d days long; this one is %(days)d.")
        raise InvalidPeriod(told % {"longest": LONGEST_PERIOD, "days": chosen.days})
    return chosen


@dataclass(frozen=True)
class Money:
    """What orders in one currency come to.

    :ivar paid: gross: all that was paid for them, whatever became of them.
    :ivar refunded: what was given back, in whole or in part.
    :ivar owed: what was paid beyond what the customers get, and has not been given back.
    :ivar revenue: what the shop keeps: paid, less refunded and owed, of orders neither cancelled nor refunded.
    """

    paid: Decimal = NOTHING
    refunded: Decimal = NOTHING
    owed: Decimal = NOTHING
    revenue: Decimal = NOTHING

    @property
    def net(self) -> Decimal:
        """Paid and not refunded."""
        return self.paid - self.refunded

    def __add__(self, other: "Money") -> "Money":
        return Money(*(getattr(self, name) + getattr(other, name) for name in ("paid", "refunded", "owed", "revenue")))


@dataclass(frozen=True)
class Day:
    """Orders placed on a day and, in the shop's currency, their money; None if not counted yet."""

    date: date
    orders: int | None = None
    money: Money | None = None


@dataclass(frozen=True)
class Stretch:
    """The same of one or several days, from the first to the last, as far as they are counted."""

    first: date
    last: date
    orders: int | None
    money: Money | None

    def __str__(self) -> str:
        return str(self.first) if self.first == self.last else f"{self.first} – {self.last}"


def stretches(days: Sequence[Day], width: int) -> list[Stretch]:
    """Days in stretches of a width; the last one is whole, the first is what is left."""
    parts = [days[max(0, end - width) : end] for end in range(len(days), 0, -width)]
    return [_stretch(part) for part in reversed(parts)]


def _stretch(days: Sequence[Day]) -> Stretch:
    orders = [day.orders for day in days if day.orders is not None]
    money = [day.money for day in days if day.money]
    return Stretch(
        days[0].date, days[-1].date, sum(orders) if orders else None, sum(money[1:], money[0]) if money else None
    )


@dataclass(frozen=True)
class Product:
    """A product that was sold; `name` is its id where it has none, and its revenue is in the shop's currency."""

    product_id: str
    name: str
    units: int
    revenue: Decimal


@dataclass(frozen=True)
class Demand:
    """A product that was wanted while too little was in stock: units, and how often an order was refused."""

    product_id: str
    name: str
    units: int
    times: int


@dataclass(frozen=True)
class Spread:
    """How long something took: how many orders are counted, half of them as long at most, and nine of ten."""

    orders: int = 0
    median: timedelta | None = None
    p90: timedelta | None = None


@dataclass(frozen=True)
class Trouble:
    """Lines of the orders placed, with something wrong with their stock, and the units that it is about.

    :ivar cut: there may be more: only the newest orders were looked at.
    """

    lines: int = 0
    units: int = 0
    cut: bool = False


@dataclass
class Dashboard:
    """The figures of a period.

    :ivar earlier: the period before, as far as it is compared; None where it has no figures.
    :ivar as_of: changes up to this moment are included, except on `stale` days; None before the first count.
    :ivar statuses: orders placed in the period by their status now, for every public status.
    :ivar sold: orders that count as sold, in the shop's currency.
    :ivar money: what the orders placed in the period come to, by currency, the shop's first.
    :ivar reasons: how often these orders, or parts of them, were cancelled, refunded or returned, by the code of the
        reason (empty where none of the list was given), and then by which of the three.
    :ivar to_ship: time from payment to shipping of the orders shipped in the period, to one per cent.
    :ivar stays: time in each status, of the orders placed in the period that have left it, to five per cent.
    :ivar hours: orders placed, by hour of the shop's clocks.
    :ivar unknown: stock that is unconfirmed; `short`: stock of which less was released than asked; both as they are
        now, whenever the rest was counted.
    :ivar turned_away: what was wanted most while too little was in stock; `others`: units of products past the cap.
    :ivar missing: days that have not been counted yet.
    :ivar recounting: how many of those have been counted in another time zone, before TIME_ZONE was changed.
    :ivar stale: days that have changed since they were counted.
    :ivar cut: whether only each day's best sellers are included in the products.
    """

    period: Period
    earlier: "Dashboard | None" = None
    as_of: datetime | None = None
    days: list[Day] = field(default_factory=list)
    statuses: dict[str, int] = field(default_factory=dict)
    sold: int = 0
    money: dict[str, Money] = field(default_factory=dict)
    reasons: dict[str, dict[str, int]] = field(default_factory=dict)
    to_ship: Spread = Spread()
    stays: dict[str, Spread] = field(default_factory=dict)
    hours: Sequence[int] = ()
    unknown: Trouble = Trouble()
    short: Trouble = Trouble()
    turned_away: list[Demand] = field(default_factory=list)
    others: int = 0
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
    def ours(self) -> Money:
        """The money in the shop's currency."""
        return self.money.get(settings.CURRENCY, Money())

    @property
    def average(self) -> Decimal | None:
        """Revenue per order that counts as sold."""
        return (self.ours.revenue / self.sold).quantize(Decimal("0.01")) if self.sold else None
