"""The first page: the dashboard for staff who may see orders, a welcome for others."""

from collections.abc import Callable
from typing import Any

from django.conf import settings
from django.db import DatabaseError
from django.http import HttpRequest
from django.utils import timezone
from django.utils.translation import gettext, ngettext

from orders.admin import attention_summary
from orders.admin.dashboard_charts import charts
from orders.admin.dashboard_period import PERIODS, SLOW, chosen_period
from orders.admin.dashboard_tables import BELOW_CHARTS, TABLES
from orders.admin.figure_words import DEFINITIONS, amount, compared, duration
from orders.admin.local_formats import count
from orders.admin.staff_actions import actor_of
from orders.services.days import today, zone
from orders.services.reporting.dashboard_figures import dashboard
from orders.services.reporting.shop_figures import Dashboard, Spread


def fill(request: HttpRequest, context: dict[str, Any]) -> dict[str, Any]:
    """The context of the first page, called by django-unfold (DASHBOARD_CALLBACK)."""
    actor = actor_of(request)
    if not actor.sees_all:
        return context | {"title": gettext("Welcome")}
    chosen, key, problem = chosen_period(request.GET)
    context |= {
        "title": gettext("Dashboard"),
        "sees_figures": True,
        "periods": [(name, label, name == key) for name, (label, _) in PERIODS.items()],
        "period": chosen,
        "custom": key is None,
        "today": today(),
        "problem": problem,
    }
    try:
        waiting = attention_summary.waiting(actor, timezone.now())
        context |= {"waiting": waiting} | _figures(dashboard(actor=actor, period=chosen))
    except DatabaseError:
        context["failure"] = SLOW
    return context


def _figures(found: Dashboard) -> dict[str, Any]:
    drawn, days = charts(found)
    return {
        "figures": found,
        "zone": zone().key,
        "tiles": _tiles(found),
        "charts": drawn,
        "days": days,
        "tables": [make(found) for name, make in TABLES.items() if name not in BELOW_CHARTS],
        "definitions": DEFINITIONS.values(),
    }


def _tiles(found: Dashboard) -> list[dict[str, object]]:
    alone = {"currency": settings.CURRENCY} if len(found.money) > 1 else {}
    figures: list[tuple[str, str, Callable[[Dashboard], Any], Callable[[Any], str]]] = [
        ("orders", gettext("placed in the period"), lambda one: one.orders, count),
        ("revenue", _kept(found.sold, alone), lambda one: one.ours.revenue, amount),
        ("average", gettext("revenue per paid order"), lambda one: one.average, amount),
        ("gross", _paid(alone), lambda one: one.ours.paid, amount),
        ("refunded", gettext("of what was paid"), lambda one: one.ours.refunded, amount),
        ("net", gettext("paid and not refunded"), lambda one: one.ours.net, amount),
        ("owed", gettext("to customers, not refunded yet"), lambda one: one.ours.owed, amount),
        ("to_ship", _shipped(found.to_ship), lambda one: one.to_ship.median, duration),
    ]
    return [
        {
            "title": DEFINITIONS[name][0],
            "definition": DEFINITIONS[name][1],
            "value": words(figure(found)),
            "meaning": meaning,
            "compared": compared(figure(found), found.earlier and figure(found.earlier), words),
        }
        for name, meaning, figure, words in figures
    ]


def _kept(orders: int, alone: dict[str, str]) -> str:
    """:param alone: names the currency where there are several, as for the next."""
    if alone:
        told = ngettext(
            "kept of %(orders)s paid order in %(currency)s", "kept of %(orders)s paid orders in %(currency)s", orders
        )
    else:
        told = ngettext("kept of %(orders)s paid order", "kept of %(orders)s paid orders", orders)
    return told % {"orders": count(orders), **alone}


def _paid(alone: dict[str, str]) -> str:
    return gettext("paid for these orders in %(currency)s") % alone if alone else gettext("paid for these orders")


def _shipped(times: Spread) -> str:
    if not times.orders:
        return gettext("no orders shipped")
    told = {"orders": count(times.orders), "time": duration(times.p90)}
    return gettext("median of %(orders)s shipped; 9 in 10 within %(time)s") % told
