"""Keeping the figures by day up to date: by the worker, or, where none runs, by whoever looks at them.

Every change that people see stamps an order's `updated_at`. A refresh looks for the orders stamped since the last one,
marks the days on which they were placed or shipped, and counts those anew. `SLACK` covers what is stamped earlier than
it can be seen. Beyond that each day is counted again once in a while, so that no mistake lasts.
"""

import logging
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime, timedelta

from django.db import DatabaseError

from orders.storage import daily_figures, time_limit
from orders.storage.order_reads import server_time

logger = logging.getLogger(__name__)

SLACK = timedelta(minutes=5)
"""The most by which a change may be seen later than its `updated_at` says: a request's time, and clocks that differ."""
KEPT = timedelta(days=400)
"""Of so many days figures are kept without anybody asking."""
RECOUNT = timedelta(days=1)
"""After so long a day is counted again although nothing seems to have changed."""
LEASE = 10.0
LONGEST = 5.0
"""Seconds that counting one day may take."""
LOOKING = 5.0
"""Seconds that looking for what has changed may take."""
PUT_OFF = timedelta(minutes=1)
AT_ONCE = 50


@dataclass(frozen=True)
class Refresh:
    """What a refresh did. `more`: its time was up before all was counted."""

    counted: int = 0
    more: bool = False


def refresh(
    *,
    seconds: float,
    lease: float = LEASE,
    since: datetime | None = None,
    until: datetime | None = None,
    stopping: Callable[[], bool] = lambda: False,
) -> Refresh:
    """Look for what has changed, and count days until there is none left to count or the time is up.

    Any number may try at once: one does it, the others return at once.

    :param seconds: of counting, after which no further day is begun; one is in any case.
    :param lease: seconds after which others may try, should this not get to its end.
    :param since: first and, with `until`, last day (naive UTC midnights) that the caller wants, counted first; they are
        kept from then on.
    :raises DatabaseError: what is not counted stays marked.
    """
    holder = daily_figures.take_lease(lease)
    if holder is None:
        return Refresh()
    try:
        now = server_time()
        _mark_changes(now)
        _keep(now, since, until)
        return _count(_wanted(now, since, until), now, time.monotonic() + seconds, stopping)
    finally:
        with suppress(DatabaseError):  # it lapses by itself
            daily_figures.give_lease_back(holder)


def _mark_changes(now: datetime) -> None:
    if last := daily_figures.state().get("until"):
        try:
            with time_limit(LOOKING):
                touched = daily_figures.touched_days(last - SLACK)
        except DatabaseError as error:
            if not getattr(error.__cause__, "timeout", False):
                raise
            # With each try there would be more to look through: it would never get to its end.
            logger.warning("what has changed could not be found in %s s, all days are counted anew", LOOKING)
            daily_figures.mark_all()
        else:
            daily_figures.mark(touched)
    daily_figures.set_until(now)


def _keep(now: datetime, since: datetime | None, until: datetime | None) -> None:
    first, today = daily_figures.first_day(), daily_figures.midnight(now)
    if first is None:
        return
    daily_figures.keep(max(first, today - KEPT), today)
    if since and until:
        daily_figures.keep(max(first, since), min(until, today))


def _wanted(now: datetime, since: datetime | None, until: datetime | None) -> list[datetime]:
    first = daily_figures.stale_days(now, AT_ONCE, since, until) if since and until else []
    return list(dict.fromkeys([*first, *daily_figures.stale_days(now, AT_ONCE)]))


def _count(days: list[datetime], now: datetime, end: float, stopping: Callable[[], bool]) -> Refresh:
    counted = 0
    for done, day in enumerate(days):
        if stopping() or (done and time.monotonic() >= end):  # one day at least, or it would never get anywhere
            return Refresh(counted, more=True)
        counted += _count_day(day, now)
    if len(days) >= AT_ONCE:
        return Refresh(counted, more=True)
    # In a busy shop there is always a day that has changed; the old ones have their turn all the same.
    if (not days or time.monotonic() < end) and (day := daily_figures.oldest_count(now - RECOUNT, now)):
        counted += _count_day(day, now)
    return Refresh(counted)


def _count_day(day: datetime, now: datetime) -> bool:
    try:
        with time_limit(LONGEST):
            return daily_figures.count(day)
    except DatabaseError as error:
        logger.warning("the figures of %s could not be counted: %s", day.date(), error)
        daily_figures.put_off(day, now + PUT_OFF)
        return False
