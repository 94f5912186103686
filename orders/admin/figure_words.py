"""Figures of the dashboard as people read them, how they compare, and what each of them means."""

from collections.abc import Callable
from datetime import date, timedelta
from decimal import Decimal
from typing import Any

from django.conf import settings
from django.utils.translation import gettext, ngettext, pgettext_lazy
from django.utils.translation import gettext_lazy as _

from orders.admin.local_formats import count, day, percent
from orders.admin.money_format import money

NONE = "–"
DEFINITIONS = {
    "orders": (
        _("Orders"),
        _(
            "Orders placed in the period, whatever has become of them. All figures but those of shipping and of "
            "what was turned away are about these orders."
        ),
    ),
    "gross": (
        _("Gross"),
        _("All that was paid for these orders, whatever became of them."),
    ),
    "refunded": (
        _("Refunded"),
        _("What was given back of it, whole orders and parts."),
    ),
    "net": (
        _("Net"),
        _("Gross less refunded."),
    ),
    "owed": (
        pgettext_lazy("by the shop to customers", "Owed"),
        _(
            "What customers have paid for and will not get, because it was cancelled or returned, and have not "
            "got back."
        ),
    ),
    "revenue": (
        _("Revenue"),
        _(
            "What the shop keeps: net less owed, of the orders that are neither cancelled nor refunded. "
            "Cancelling or giving back something later reduces the revenue of the day on which it was ordered."
        ),
    ),
    "average": (
        _("Average order"),
        _("Revenue per order that is paid, and neither cancelled nor refunded."),
    ),
    "to_ship": (
        _("Paid to shipped"),
        _(
            "Time from payment to shipping of the orders shipped in the period, accurate to 1%: half of them took "
            "the median or less, and nine of ten the time beside it or less."
        ),
    ),
    "stays": (
        _("Time in each status"),
        _(
            "How long orders placed in the period were in a status before they left it, accurate to 5%. Orders "
            "that are still in it do not count; what took less than a minute counts as one."
        ),
    ),
    "reasons": (
        _("Reasons"),
        _(
            "How often these orders, or parts of them, were cancelled, refunded or returned, by the reason from "
            "the list."
        ),
    ),
    "best": (
        _("Best sellers"),
        _("Units of paid orders that were neither cancelled nor returned, and what they cost without charges."),
    ),
    "stock": (
        _("Stock trouble"),
        _(
            "Items of these orders whose stock is unconfirmed now, or of which inventory took back fewer units "
            "than asked."
        ),
    ),
    "turned_away": (
        _("Turned away"),
        _(
            "Units that were wanted in the period in orders refused because too little was in stock. Whoever "
            "tries again counts again."
        ),
    ),
    "compared": (
        _("Compared"),
        _("Each figure beside that of as many days just before. Today is not over: until then it has less to show."),
    ),
}
"""What each figure is called and means, for people; docs/dashboard.md says the same."""


def amount(value: Decimal | int | None) -> str:
    """In the shop's currency."""
    return NONE if value is None else money(Decimal(value), settings.CURRENCY)


def share(part: float, whole: float) -> str:
    return percent(part / whole) if whole else NONE


def duration(span: timedelta | None) -> str:
    if span is None:
        return NONE
    minutes = round(span.total_seconds() / 60)
    if minutes < 120:
        return gettext("%(minutes)s min") % {"minutes": minutes}
    hours = round(minutes / 60)
    if hours < 48:
        return gettext("%(hours)s h") % {"hours": hours}
    days, hours = divmod(hours, 24)
    return ngettext("%(days)s day %(hours)s h", "%(days)s days %(hours)s h", days) % {
        "days": count(days),
        "hours": hours,
    }


def days_named(first: date, last: date) -> str:
    """A day, or the first and the last of several."""
    return day(first) if first == last else f"{day(first)} – {day(last)}"


def compared(now: Any, before: Any, words: Callable[[Any], str]) -> str:
    """How a figure stands to that of the period before.

    :param now, before: both of one type, which can be subtracted; None where there is no such figure.
    """
    if now is None or before is None:
        return gettext("no earlier figure")
    told = {"before": words(before), "difference": words(abs(now - before)), "sign": "+" if now > before else "−"}
    if now == before:
        return gettext("the same as before")
    if not before:
        return gettext("%(sign)s%(difference)s; before %(before)s") % told
    told["percent"] = f"{told['sign']}{percent(abs((now - before) / before))}"
    return gettext("%(sign)s%(difference)s (%(percent)s); before %(before)s") % told
