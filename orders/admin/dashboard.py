"""The first page: the dashboard for staff who may see orders, a welcome for others."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from decimal import Decimal
from typing import Any

from django.conf import settings
from django.db import DatabaseError
from django.http import HttpRequest, QueryDict
from django.utils import timezone
from django.utils.html import format_html_join
from django.utils.safestring import SafeString

from orders.admin import badges
from orders.admin.attention_page import EVENTS, FOREIGN, WEBHOOKS, counted
from orders.admin.money_format import amounts, money
from orders.admin.staff_actions import actor_of
from orders.models import Status
from orders.services.access import Actor
from orders.services.audit import REASON_CODES
from orders.services.days import today, zone
from orders.services.reporting import attention, event_troubles
from orders.services.reporting.dashboard_figures import Dashboard, Day, InvalidPeriod, Period, dashboard, period

PERIODS = {"today": ("Today", 1), "7": ("7 days", 7), "30": ("30 days", 30), "90": ("90 days", 90),
           "year": ("Last 12 months", 365)}  # fmt: skip
DEFAULT = "30"
SLOW = "The figures could not be read in time. Try again in a moment."


@dataclass(frozen=True)
class Chart:
    """A bar chart with a description in words."""

    title: str
    told: str
    scale: tuple[str, str, str]
    days: tuple[str, str, str]
    bars: SafeString


def fill(request: HttpRequest, context: dict[str, Any]) -> dict[str, Any]:
    """The context of the first page, called by django-unfold (DASHBOARD_CALLBACK)."""
    actor = actor_of(request)
    if not actor.sees_all:
        return context | {"title": "Welcome"}
    chosen, key, problem = _chosen(request.GET)
    context |= {
        "title": "Dashboard",
        "sees_figures": True,
        "periods": [(name, label, name == key) for name, (label, _) in PERIODS.items()],
        "period": chosen,
        "custom": key is None,
        "today": today(),
        "problem": problem,
    }
    try:
        context |= _attention(actor) | _figures(dashboard(actor=actor, period=chosen))
    except DatabaseError:
        context["failure"] = SLOW
    return context


def _chosen(given: QueryDict) -> tuple[Period, str | None, str]:
    """The requested period, its name if it has one, and what is wrong with the request."""
    key = given.get("period", DEFAULT)
    fallback = _last(PERIODS[DEFAULT][1])
    if "from" in given or "to" in given:
        try:
            first, last = (date.fromisoformat(given.get(name, "")) for name in ("from", "to"))
            return period(first, last, today=today()), None, ""
        except InvalidPeriod as error:
            return fallback, DEFAULT, error.detail
        except ValueError:
            return fallback, DEFAULT, "Enter both dates as YYYY-MM-DD."
    if key not in PERIODS:
        return fallback, DEFAULT, "Unknown period."
    return _last(PERIODS[key][1]), key, ""


def _last(days: int) -> Period:
    last = today()
    return Period(last - timedelta(days=days - 1), last)


def _attention(actor: Actor) -> dict[str, Any]:
    now = timezone.now()
    waiting = [
        {
            "name": found.alert.value,
            "title": found.alert.label,
            "count": f"{found.count}{'+' if found.more else ''}",
        }
        for found in attention.counts(actor=actor, at=now)
        if found.count
    ]
    if found := counted(attention.foreign(actor=actor)):
        waiting.append({"name": "foreign", "title": FOREIGN, "count": found})
    troubles = event_troubles.event_troubles(actor=actor, at=now)
    if troubles.late:
        waiting.append({"name": "events", "title": EVENTS, "count": str(troubles.late)})
    if troubles.webhooks:
        waiting.append({"name": "webhooks", "title": WEBHOOKS, "count": str(len(troubles.webhooks))})
    return {"waiting": waiting}


def _figures(found: Dashboard) -> dict[str, Any]:
    most = max(found.statuses.values(), default=0) or 1
    return {
        "figures": found,
        "zone": zone().key,
        "elsewhere": amounts(found.elsewhere),
        "currency": settings.CURRENCY,
        "tiles": _tiles(found),
        "charts": [
            _chart("Orders per day", found.days, lambda day: day.orders, _count),
            _chart("Revenue per day", found.days, lambda day: day.revenue, _money),
        ],
        "table": _table(found.days),
        "statuses": [
            (badges.of(Status(status)), _count(orders), _share(orders, found.orders), round(100 * orders / most, 1))
            for status, orders in found.statuses.items()
        ],
        "reasons": [
            (REASON_CODES[code], *(_count(times) for times in found.reasons[code].values()))
            for code in REASON_CODES
            if code in found.reasons
        ],
        "best": [
            (title, [(row, _count(row.units), _money(row.revenue)) for row in products])
            for title, products in (("Best sellers", found.by_units), ("Best sellers by revenue", found.by_revenue))
        ],
    }


def _tiles(found: Dashboard) -> list[tuple[str, str, str]]:
    alone = f" in {settings.CURRENCY}" if found.elsewhere else ""
    shipped = f"of {_count(found.shipped)} shipped" if found.shipped else "no orders shipped"
    return [
        ("Orders", _count(found.orders), "placed in the period"),
        ("Revenue", _money(found.revenue), f"from {_count(found.sold)} paid orders{alone}"),
        ("Average order", _money(found.average), "revenue per paid order"),
        ("Gross", _money(found.paid), f"paid for these orders{alone}"),
        ("Refunded", _money(found.refunded), "of what was paid"),
        ("Net", _money(found.paid - found.refunded), "paid and not refunded"),
        ("Owed", _money(found.owed), "to customers, not refunded yet"),
        ("Paid to shipped", _duration(found.to_ship), f"median {shipped}"),
    ]


def _table(days: Sequence[Day]) -> SafeString:
    cell = '<td class="figures-number">{}</td>'
    return format_html_join(
        "",
        f'<tr><th scope="row">{{}}</th>{cell}{cell}</tr>',
        (
            (day.date, *(("not counted yet",) * 2 if day.orders is None else (_count(day.orders), _money(day.revenue))))
            for day in reversed(days)
        ),
    )


def _chart(title: str, days: Sequence[Day], value: Callable[[Day], Any], words: Callable[[Any], str]) -> Chart:
    values = [value(day) or 0 for day in days]
    top, width = max(values), 100 / len(days)
    # As a loop of the template, a year of bars takes longer than all queries of the page.
    bars = format_html_join(
        "",
        '<rect x="{}" y="0" width="{}" height="{}"><title>{}: {}</title></rect>',
        (
            (round(index * width, 3), round(width * 0.8, 3), round(float(100 * amount / top), 2), day, words(amount))
            for index, (day, amount) in enumerate(zip((day.date for day in days), values, strict=True))
            if amount
        ),
    )
    told = f"{title}, from {days[0].date} to {days[-1].date}: {words(sum(values))} in total"
    if top:
        told += f", with a peak of {words(top)} on {days[values.index(top)].date}"
    middle = days[len(days) // 2].date if len(days) > 2 else ""
    ends = (str(days[0].date), str(middle), str(days[-1].date) if len(days) > 1 else "")
    return Chart(title, f"{told}.", (words(top), words(top / 2) if top > 1 else "", words(0)), ends, bars)


def _count(number: float) -> str:
    return f"{number:,.0f}"


def _money(amount: Decimal | int | None) -> str:
    return "–" if amount is None else money(Decimal(amount), settings.CURRENCY)


def _share(part: int, whole: int) -> str:
    return f"{100 * part / whole:.1f} %" if whole else "–"


def _duration(span: timedelta | None) -> str:
    if span is None:
        return "–"
    minutes = round(span.total_seconds() / 60)
    if minutes < 120:
        return f"{minutes} min"
    hours = round(minutes / 60)
    return f"{hours} h" if hours < 48 else f"{hours // 24} days {hours % 24} h"
