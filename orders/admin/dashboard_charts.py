"""The charts of the dashboard: bars and a dashed line, drawn as SVG, which need no script and no colour to be read."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString
from django.utils.translation import gettext as _

from orders.admin.dashboard_tables import Table, days_table, hour_words, hours_table, shown_days
from orders.admin.figure_words import amount, days_named
from orders.admin.local_formats import count, day
from orders.services.reporting.shop_figures import Dashboard, Period, Stretch

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
    by_day, by_week = (_("Orders per day"), _("Revenue per day")), (_("Orders per week"), _("Revenue per week"))
    titles = by_week if len(shown) < found.period.days else by_day

    def slots(value: Callable[[Stretch], Value | None]) -> list[Slot]:
        return [
            Slot(day(days.first), days_named(days.first, days.last), value(days), value(earlier) if earlier else None)
            for days, earlier in zip(shown, before, strict=True)
        ]

    of_hours = [Slot(f"{hour:02}:00", hour_words(hour), orders) for hour, orders in enumerate(found.hours)]
    drawn = [
        _chart(titles[0], found.period, slots(lambda days: days.orders), count),
        _chart(titles[1], found.period, slots(lambda days: days.money.revenue if days.money else None), amount),
        _chart(_("Orders by hour of the day"), found.period, of_hours, count, hours_table(found)),
    ]
    return drawn, days_table(found, shown, before)


def _chart(
    title: str, period: Period, slots: Sequence[Slot], words: Callable[[Any], str], table: Table | None = None
) -> Chart:
    compared = any(slot.before is not None for slot in slots)
    top = max(value or 0 for slot in slots for value in (slot.value, slot.before))
    heading = {"title": title, "first": day(period.first), "last": day(period.last)}
    scale = (words(top), words(top / 2) if top > 1 else "", words(0))
    middle = slots[len(slots) // 2].tick if len(slots) > 2 else ""
    ends = (slots[0].tick, middle, slots[-1].tick if len(slots) > 1 else "")
    drawn = _drawn(slots, top, words) if top else SafeString("")
    return Chart(title, _summary(heading, slots, words, compared=compared), scale, ends, drawn, compared, table)


def _summary(heading: dict[str, str], slots: Sequence[Slot], words: Callable[[Any], str], *, compared: bool) -> str:
    """What a chart shows, in a sentence. :param heading: its title, and the first and last day of its period."""
    values = [slot.value or 0 for slot in slots]
    highest = max(values)
    if highest and compared:
        told = _(
            "%(title)s, from %(first)s to %(last)s: %(total)s in total, with a peak of %(most)s on %(when)s; "
            "the period before had %(before)s."
        )
    elif highest:
        told = _("%(title)s, from %(first)s to %(last)s: %(total)s in total, with a peak of %(most)s on %(when)s.")
    elif compared:
        told = _("%(title)s, from %(first)s to %(last)s: %(total)s in total; the period before had %(before)s.")
    else:
        told = _("%(title)s, from %(first)s to %(last)s: %(total)s in total.")
    return told % {
        **heading,
        "total": words(sum(values)),
        "most": words(highest),
        "when": slots[values.index(highest)].label,
        "before": words(sum(slot.before or 0 for slot in slots)),
    }


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
        return _("%(when)s: %(value)s") % {"when": slot.label, "value": value}
    return _("%(when)s: %(value)s, before: %(before)s") % {
        "when": slot.label,
        "value": value,
        "before": words(slot.before),
    }
