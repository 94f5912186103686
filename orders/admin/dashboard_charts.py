"""The charts of the dashboard: bars and a dashed line, drawn as SVG, which need no script and no colour to be read."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString
from django.utils.translation import gettext as _

from orders.admin.dashboard_tables import Table, days_table, hour_words, hours_table, shown_days
from orders.admin.figure_words import amount
from orders.admin.local_formats import count
from orders.services.reporting.shop_figures import Dashboard, Stretch

Value = int | Decimal


@dataclass(frozen=True)
class Slot:
    """A bar, and what the period before had in its place; None where that is not known.

    :ivar tick: what stands below it, where there is room.
    """

    tick: str
    label: str
    value: Value | None
    before: Value | None = None


@dataclass(frozen=True)
class Chart:
    """A chart with its values in words, and the table below it, if that belongs to it alone."""

    title: str
    told: str
    scale: tuple[str, str, str]
    ends: tuple[str, str, str]
    drawn: SafeString
    compared: bool
    table: Table | None = None


def charts(found: Dashboard) -> tuple[list[Chart], Table]:
    """Of orders and revenue over the period, and of orders over the hours; and the first two as a table."""
    shown, before = shown_days(found)
    span = _("from %(first)s to %(last)s") % {"first": found.period.first, "last": found.period.last}
    by_day, by_week = (_("Orders per day"), _("Revenue per day")), (_("Orders per week"), _("Revenue per week"))
    titles = by_week if len(shown) < found.period.days else by_day

    def slots(value: Callable[[Stretch], Value | None]) -> list[Slot]:
        return [
            Slot(str(days.first), str(days), value(days), value(earlier) if earlier else None)
            for days, earlier in zip(shown, before, strict=True)
        ]

    of_hours = [Slot(f"{hour:02}:00", hour_words(hour), orders) for hour, orders in enumerate(found.hours)]
    drawn = [
        _chart(titles[0], span, slots(lambda days: days.orders), count),
        _chart(titles[1], span, slots(lambda days: days.money.revenue if days.money else None), amount),
        _chart(_("Orders by hour of the day"), span, of_hours, count, hours_table(found)),
    ]
    return drawn, days_table(found, shown, before)


def _chart(
    title: str, span: str, slots: Sequence[Slot], words: Callable[[Any], str], table: Table | None = None
) -> Chart:
    values = [slot.value or 0 for slot in slots]
    compared = any(slot.before is not None for slot in slots)
    highest = max(values)
    top = max([highest, *(slot.before or 0 for slot in slots)])
    told = _("%(title)s, %(span)s: %(total)s in total") % {"title": title, "span": span, "total": words(sum(values))}
    if highest:
        peak = {"most": words(highest), "when": slots[values.index(highest)].label}
        told += _(", with a peak of %(most)s on %(when)s") % peak
    if compared:
        total = words(sum(slot.before or 0 for slot in slots))
        told += _("; the period before had %(total)s") % {"total": total}
    scale = (words(top), words(top / 2) if top > 1 else "", words(0))
    middle = slots[len(slots) // 2].tick if len(slots) > 2 else ""
    ends = (slots[0].tick, middle, slots[-1].tick if len(slots) > 1 else "")
    drawn = _drawn(slots, top, words) if top else SafeString("")
    return Chart(title, f"{told}.", scale, ends, drawn, compared, table)


def _drawn(slots: Sequence[Slot], top: Value, words: Callable[[Any], str]) -> SafeString:
    """The picture, 100 wide and 100 high, upside down: bars, the line of before, and a field for each bar."""
    width = 100 / len(slots)

    def height(value: Value | None) -> float:
        return round(float(100 * (value or 0) / top), 2)

    # As a loop of the template, a year of bars would take longer than all queries of the page.
    bars = format_html_join(
        "",
        '<rect x="{}" y="0" width="{}" height="{}"/>',
        (
            (round((index + 0.1) * width, 3), round(width * 0.8, 3), height(slot.value))
            for index, slot in enumerate(slots)
            if slot.value
        ),
    )
    steps = [
        f"{round(end * width, 3)},{height(slot.before)}"
        for index, slot in enumerate(slots)
        if slot.before is not None
        for end in (index, index + 1)
    ]
    line = format_html('<polyline points="{}"/>', " ".join(steps)) if steps else SafeString("")
    fields = format_html_join(
        "",
        '<rect class="figures-field" x="{}" y="0" width="{}" height="100"><title>{}</title></rect>',
        ((round(index * width, 3), round(width, 3), _told(slot, words)) for index, slot in enumerate(slots)),
    )
    return format_html("{}{}{}", bars, line, fields)


def _told(slot: Slot, words: Callable[[Any], str]) -> str:
    value = _("not counted yet") if slot.value is None else words(slot.value)
    if slot.before is None:
        return f"{slot.label}: {value}"
    return _("%(when)s: %(value)s, before: %(before)s") % {
        "when": slot.label,
        "value": value,
        "before": words(slot.before),
    }
