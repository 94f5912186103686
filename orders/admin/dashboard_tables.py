"""The tables of the dashboard: each is shown on the page, and can be downloaded as CSV."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import timedelta
from decimal import Decimal
from enum import Enum
from typing import Any

from django.conf import settings
from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString, mark_safe
from django.utils.translation import gettext as _
from django.utils.translation import pgettext

from orders.admin import badges
from orders.admin.figure_words import NONE, amount, days_named, duration, share
from orders.admin.local_formats import count
from orders.admin.money_format import money
from orders.models import Status
from orders.services.audit import REASON_CODES
from orders.services.reporting.shop_figures import (
    Dashboard,
    Demand,
    Money,
    Product,
    Spread,
    Stretch,
    stretches,
)
from orders.services.transfer.file_format import csv_text

MOST_DAYS = 92
"""Longer periods are shown by the week, though not in files."""


class Kind(Enum):
    """What stands in the cells of a column."""

    TEXT = "text"
    PRODUCT = "a product, or the demand for one"
    COUNT = "count"
    OURS = "money in the shop's currency"
    MONEY = "money in the currency of the row, its first cell"
    SHARE = "a part of the whole, from 0 to 1"
    SPAN = "a timedelta"


@dataclass(frozen=True)
class Table:
    """Rows of raw values below their headings; None is a figure that there is not."""

    name: str
    title: str
    columns: Sequence[tuple[str, Kind]]
    rows: Sequence[Sequence[Any]]
    empty: str = ""
    note: str = ""
    wide: bool = False

    @property
    def head(self) -> SafeString:
        return format_html_join(
            "",
            '<th scope="col"{}>{}</th>',
            ((_number(kind), title) for title, kind in self.columns),
        )

    @property
    def body(self) -> SafeString:
        """As a loop of the template, a year of days would take longer than all queries of the page."""
        kinds = [kind for _title, kind in self.columns]
        cell = "".join(f"<td{_number(kind)}>{{}}</td>" for kind in kinds[1:])
        return format_html_join(
            "",
            f'<tr><th scope="row">{{}}</th>{cell}</tr>',
            ([_shown(value, kind, row) for value, kind in zip(row, kinds, strict=True)] for row in self.rows),
        )

    def csv(self) -> str:
        """Words in the reader's language; plain numbers: amounts with two decimals, minutes, shares in per cent.

        Days are as ISO 8601 writes them.
        """
        head = [part for title, kind in self.columns for part in _head(title, kind)]
        rows = ([part for value in row for part in _plain(value)] for row in self.rows)
        return csv_text([head, *rows])


def _number(kind: Kind) -> SafeString:
    return mark_safe("" if kind in (Kind.TEXT, Kind.PRODUCT) else ' class="figures-number"')  # noqa: S308 - no input


def _shown(value: Any, kind: Kind, row: Sequence[Any]) -> object:
    if value is None:
        return NONE
    match kind:
        case Kind.COUNT:
            return count(value)
        case Kind.OURS:
            return amount(value)
        case Kind.MONEY:
            return money(value, row[0])
        case Kind.SHARE:
            return share(value, 1)
        case Kind.SPAN:
            return duration(value)
        case Kind.PRODUCT:
            return _named(value)
    if isinstance(value, Stretch):
        return days_named(value.first, value.last)
    return badges.of(value) if isinstance(value, Status) else value


def _named(product: Product | Demand) -> SafeString:
    name = format_html('<bdi class="figures-product">{}</bdi> ', product.name)
    shown = name if product.name != product.product_id else SafeString("")
    return format_html('{}<span class="figures-id">{}</span>', shown, product.product_id)


def _head(title: str, kind: Kind) -> list[str]:
    if kind is Kind.PRODUCT:
        return [_("Product id"), title]
    units = {Kind.OURS: settings.CURRENCY, Kind.SHARE: "%", Kind.SPAN: _("minutes")}
    return [f"{title} ({units[kind]})" if kind in units else title]


def _plain(value: Any) -> list[object]:
    match value:
        case None:
            return [""]
        case Status():
            return [str(value.label)]
        case Product() | Demand():
            return [value.product_id, value.name]
        case Decimal():
            return [f"{value:.2f}"]
        case timedelta():
            return [round(value.total_seconds() / 60)]
        case float():
            return [round(100 * value, 2)]
    return [value if isinstance(value, int) else str(value)]


def shown_days(found: Dashboard) -> tuple[list[Stretch], Sequence[Stretch | None]]:
    """The days of the period and of the one before, or their weeks where there are many; None where none is known."""
    return _stretched(found, 7 if found.period.days > MOST_DAYS else 1)


def _stretched(found: Dashboard, width: int) -> tuple[list[Stretch], Sequence[Stretch | None]]:
    shown = stretches(found.days, width)
    return shown, stretches(found.earlier.days, width) if found.earlier else [None] * len(shown)


def _days(found: Dashboard) -> Table:
    return days_table(found, *_stretched(found, 1))


def days_table(found: Dashboard, shown: Sequence[Stretch], before: Sequence[Stretch | None]) -> Table:
    """The table of the days, or of the weeks that :func:`shown_days` made of them."""
    weekly = len(shown) < len(found.days)
    columns = [
        (_("Week") if weekly else _("Day"), Kind.TEXT), (_("Orders"), Kind.COUNT), *_amounts(Kind.OURS),
        (_("Compared with"), Kind.TEXT), (_("Orders before"), Kind.COUNT), (_("Revenue before"), Kind.OURS),
    ]  # fmt: skip
    rows = [
        (days, days.orders, *_of_money(days.money), *_before(earlier))
        for days, earlier in zip(reversed(shown), reversed(before), strict=True)
    ]
    note = _("A day beside which nothing stands has not been counted yet.") if found.missing else ""
    title = _("Orders and money by week") if weekly else _("Orders and money by day")
    return Table("days", title, columns, rows, note=note)


def _before(days: Stretch | None) -> tuple[Any, ...]:
    return (days, days.orders, days.money.revenue if days.money else None) if days else (None,) * 3


def _amounts(kind: Kind) -> list[tuple[str, Kind]]:
    return [
        (title, kind)
        for title in (_("Gross"), _("Refunded"), _("Net"), pgettext("by the shop to customers", "Owed"), _("Revenue"))
    ]


def _of_money(money: Money | None) -> tuple[Decimal | None, ...]:
    return (money.paid, money.refunded, money.net, money.owed, money.revenue) if money else (None,) * 5


def hours_table(found: Dashboard) -> Table:
    columns = [(_("Hour"), Kind.TEXT), (_("Orders"), Kind.COUNT), (pgettext("part of a whole", "Share"), Kind.SHARE)]
    rows = [(hour_words(hour), orders, _part(orders, sum(found.hours))) for hour, orders in enumerate(found.hours)]
    return Table("hours", _("Orders by hour of the day"), columns, rows)


def hour_words(hour: int) -> str:
    return f"{hour:02}:00–{hour:02}:59"


def _part(some: int, whole: int) -> float | None:
    return some / whole if whole else None


def _money(found: Dashboard) -> Table:
    columns = [(_("Currency"), Kind.TEXT), *_amounts(Kind.MONEY)]
    rows = [(currency, *_of_money(money)) for currency, money in found.money.items()]
    note = _("Amounts in different currencies are not added up: elsewhere on this page, money is in %(currency)s.")
    return Table(
        "money", _("Money by currency"), columns, rows, wide=True,
        note=note % {"currency": settings.CURRENCY} if len(rows) > 1 else "",
    )  # fmt: skip


def _statuses(found: Dashboard) -> Table:
    columns = [
        (_("Status"), Kind.TEXT), (_("Orders"), Kind.COUNT), (pgettext("part of a whole", "Share"), Kind.SHARE),
        (pgettext("in the period before", "Before"), Kind.COUNT),
    ]  # fmt: skip
    before = found.earlier.statuses if found.earlier else {}
    rows = [
        (Status(status), orders, _part(orders, found.orders), before.get(status))
        for status, orders in found.statuses.items()
    ]
    return Table("statuses", _("Orders by status"), columns, rows)


def _stays(found: Dashboard) -> Table:
    columns = [
        (_("Status"), Kind.TEXT), (_("Orders"), Kind.COUNT), (_("Half within"), Kind.SPAN),
        (_("9 in 10 within"), Kind.SPAN),
    ]  # fmt: skip
    named: list[tuple[str, Spread]] = [(Status(status), stay) for status, stay in found.stays.items()]
    rows = [
        (name, stay.orders, stay.median, stay.p90) for name, stay in [*named, (_("Paid to shipped"), found.to_ship)]
    ]
    return Table("stays", _("Time in each status"), columns, rows)


def _reasons(found: Dashboard) -> Table:
    columns = [
        (_("Reason"), Kind.TEXT), (_("Cancellations"), Kind.COUNT), (_("Refunds"), Kind.COUNT),
        (_("Returns"), Kind.COUNT),
    ]  # fmt: skip
    named = {**REASON_CODES, "": _("None from the list")}
    rows = [(named[code], *found.reasons[code].values()) for code in named if code in found.reasons]
    return Table(
        "reasons", _("Reasons"), columns, rows, empty=_("Nothing was cancelled, refunded or returned."), wide=True
    )


def _products(name: str, title: str, products: Sequence[Product], found: Dashboard) -> Table:
    columns = [(_("Product"), Kind.PRODUCT), (_("Units"), Kind.COUNT), (_("Revenue"), Kind.OURS)]
    rows = [(product, product.units, product.revenue) for product in products]
    note = _("Based on the best sellers of each day: products with small daily sales may be undercounted.")
    return Table(name, title, columns, rows, empty=_("No sales in this period."), note=note if found.cut else "")


def _stock(found: Dashboard) -> Table:
    columns = [(_("Trouble"), Kind.TEXT), (_("Items"), Kind.COUNT), (_("Units"), Kind.COUNT)]
    named = ((_("Unconfirmed stock"), found.unknown), (_("Short release"), found.short))
    rows = [(name, trouble.lines, trouble.units) for name, trouble in named if trouble.lines or trouble.cut]
    empty = _("All stock of these orders is accounted for.")
    note = _("There may be more: only the newest of the orders concerned are counted.")
    is_cut = found.unknown.cut or found.short.cut
    return Table("stock", _("Stock trouble"), columns, rows, empty=empty, note=note if is_cut else "")


def _turned_away(found: Dashboard) -> Table:
    columns = [(_("Product"), Kind.PRODUCT), (_("Units"), Kind.COUNT), (_("Orders refused"), Kind.COUNT)]
    rows = [(demand, demand.units, demand.times) for demand in found.turned_away]
    others = _("Units of further products, which are not counted one by one: %(units)s.")
    note = others % {"units": count(found.others)} if found.others else ""
    title, empty = _("Turned away for lack of stock"), _("Nobody was turned away for lack of stock.")
    return Table("turned-away", title, columns, rows, empty=empty, note=note)


TABLES: dict[str, Callable[[Dashboard], Table]] = {
    "days": _days,
    "hours": hours_table,
    "money": _money,
    "statuses": _statuses,
    "stays": _stays,
    "reasons": _reasons,
    "best-units": lambda found: _products("best-units", _("Best sellers"), found.by_units, found),
    "best-revenue": lambda found: _products("best-revenue", _("Best sellers by revenue"), found.by_revenue, found),
    "stock": _stock,
    "turned-away": _turned_away,
}
"""Every table, by its name, in the order of the page."""
BELOW_CHARTS = ("days", "hours")
"""Those that the charts bring along."""
