"""The dashboard: the daily figures, which `figures_refresh` keeps up to date, added up over a period."""

import logging
from datetime import UTC, datetime, timedelta

from django.conf import settings
from django.db import DatabaseError
from django.utils.translation import gettext as _

from orders.services.access import Actor, NotPermitted
from orders.services.days import day_bounds
from orders.services.reporting.days_added_up import TOP, add_details, add_turned_away, added_up, products_sold
from orders.services.reporting.figures_refresh import changed_days, first_day, refresh
from orders.services.reporting.shop_figures import Dashboard, Period, Trouble
from orders.storage import daily_figures, stock_trouble, time_limit, turned_away
from orders.storage.daily_figures import day_key
from orders.storage.order_names import product_names
from orders.storage.order_reads import server_time

logger = logging.getLogger(__name__)

COUNTING, READING = 0.25, 2.0
"""Seconds that a request for the dashboard may spend on counting days, and on reading the figures."""
NOT_COMPARED = ("half_hours", "stays", "reasons")
"""Figures that are not read of the period before."""


def dashboard(*, actor: Actor, period: Period) -> Dashboard:
    """The figures of a period as far as they have been counted, and of the one before it, in bounded time.

    :raises NotPermitted: the actor may not see all orders.
    :raises DatabaseError: the figures could not be read in time.
    """
    if not actor.sees_all:
        raise NotPermitted(_("You may not see the figures of the shop."))
    (since, until), (earlier_since, earlier_until) = _keys(period), _keys(period.before)
    with time_limit(READING):
        _count_if_outdated(earlier_since, until)
        first, state, kept = first_day(), daily_figures.state(), daily_figures.days_kept(since, until)
        before = daily_figures.days_kept(earlier_since, earlier_until, without=NOT_COMPARED)
        recounting = daily_figures.days_of_another_zone(since, until)
        best = daily_figures.best_sellers(since, until, TOP)
        wanted = turned_away.most_wanted(since, until, TOP)
        products = [row["_id"] for rows in best.values() for row in rows] + [row["product"] for row in wanted]
        names = product_names(filter(None, products))
        bounds = day_bounds(period.first)[0], day_bounds(period.last)[1]
        unknown, short = stock_trouble.unknown(*bounds), stock_trouble.short(*bounds)
    found = added_up(period, kept, first)
    found.as_of, found.recounting = _aware(state.get("until")), recounting
    found.by_units, found.by_revenue = (products_sold(best[measure], names) for measure in ("units", "cents"))
    found.unknown, found.short = Trouble(**unknown), Trouble(**short)
    add_turned_away(found, wanted, names)
    add_details(found, [day for day in kept if "computed_at" in day])
    earlier = added_up(period.before, before, first)
    if first and first <= day_key(earlier.period.last) and not earlier.missing:
        found.earlier = earlier
    return found


def _keys(period: Period) -> tuple[datetime, datetime]:
    return day_key(period.first), day_key(period.last)


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
