"""Keep the daily figures up to date: the worker does, or, where none runs, a request for the dashboard.

Every visible change of an order sets its `updated_at`. A refresh finds the orders that changed since the last one,
marks the days on which they were placed or shipped, and counts those days again. `SLACK` allows for changes that become
visible after their `updated_at`. Each day is also counted again after `RECOUNT`, so no mistake lasts longer.
"""

import logging
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta

from django.db import DatabaseError

from orders.services.days import day_bounds, day_of
from orders.storage import daily_figures, time_limit
from orders.storage.daily_figures import DAY, EARLIEST, day_key
from orders.storage.order_reads import server_time

logger = logging.getLogger(__name__)

SLACK = timedelta(minutes=5)
"""How much later than its `updated_at` a change may become visible: a request's time, and clocks that differ."""
RECOUNT = timedelta(days=1)
"""After this time an unchanged day is counted again, one in each refresh, so that no mistake lasts."""
LEASE = 10.0
LONGEST = 5.0
"""Seconds allowed for counting one day."""
LOOKING = 5.0
"""Seconds allowed for finding what has changed."""
PUT_OFF = timedelta(minutes=1)
"""When a day that could not be counted is tried again."""
AT_ONCE = 50
"""Days that one refresh counts at most."""


@dataclass(frozen=True)
class Refresh:
    """How many days a refresh counted, and whether it left days for the next one."""

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
    """Find what has changed and count days until none is left or the time is up.

    Any number of processes may call it at once: one does the work, the others return immediately.

    :param seconds: how long to go on; one day is counted in any case.
    :param lease: seconds after which another process may take over.
    :param since: with `until`, a period (keys of days, both included) that is counted before other days.
    :raises DatabaseError: days that were not counted stay marked.
    """
    holder = daily_figures.take_lease(lease)
    if holder is None:
        return Refresh()
    try:
        now = server_time()
        _mark_changes(now)
        asked = changed_days(since, until, now) if since and until else []
        changed = changed_days(EARLIEST, _key_of(now), now)
        end = time.monotonic() + seconds
        done = _count(list(dict.fromkeys([*asked, *changed])), now, end, stopping)
        if done.more or stopping() or (done.counted and time.monotonic() >= end):
            return done
        return replace(done, counted=done.counted + _count(_oldest_count(now), now, end, stopping).counted)
    finally:
        with suppress(DatabaseError):  # the lease lapses by itself
            daily_figures.give_lease_back(holder)


def first_day() -> datetime | None:
    """The key of the day of the oldest order."""
    first = daily_figures.oldest_order(day_bounds(EARLIEST.date())[0])
    return day_key(day_of(first)) if first else None


def changed_days(since: datetime, until: datetime, now: datetime) -> list[datetime]:
    """The days from `since` to `until`, both included, that have not been counted since they changed; newest first."""
    counts, first = daily_figures.counts(since, until), first_day()
    known = [*counts, *([first] if first else [])]  # in another zone, the first day may have been an earlier one
    if not known:
        return []
    since = max(since, min(known))
    days = (until - number * DAY for number in range((until - since).days + 1))
    return [
        day
        for day in days
        if (count := counts.get(day, {"stale": True}))["stale"] and count.get("retry_at", EARLIEST) <= now
    ]


def _oldest_count(now: datetime) -> list[datetime]:
    """The day that was counted the longest ago, if that is longer than RECOUNT."""
    counts = daily_figures.counts(EARLIEST, _key_of(now))
    old = [
        (count["computed_at"], day)
        for day, count in counts.items()
        if not count["stale"] and count["computed_at"] < now - RECOUNT and count.get("retry_at", EARLIEST) <= now
    ]
    return [min(old)[1]] if old else []


def _mark_changes(now: datetime) -> None:
    state = daily_figures.state()
    if not daily_figures.is_current(state):
        daily_figures.mark()  # figures of this zone, from before it was another, may have missed changes
    elif last := state.get("until"):
        try:
            with time_limit(LOOKING):
                touched = _touched_days(last - SLACK)
        except DatabaseError as error:
            if not getattr(error.__cause__, "timeout", False):
                raise
            # Each further attempt would have more to look through and never finish.
            logger.warning("changes could not be found in %s s; counting every day again", LOOKING)
            daily_figures.mark()
        else:
            daily_figures.mark(touched)
    daily_figures.set_until(now)


def _touched_days(since: datetime) -> set[datetime]:
    """The days on which orders that have changed since a moment were placed or shipped."""
    spans = [(day_key(day_of(first)), day_key(day_of(last))) for first, last in daily_figures.touched(since)]
    return {first + number * DAY for first, last in spans for number in range((last - first).days + 1)}


def _key_of(moment: datetime) -> datetime:
    """:param moment: naive UTC."""
    return day_key(day_of(moment.replace(tzinfo=UTC)))


def _count(days: list[datetime], now: datetime, end: float, stopping: Callable[[], bool]) -> Refresh:
    counted = 0
    for done, day in enumerate(days[:AT_ONCE]):
        if stopping() or (done and time.monotonic() >= end):  # at least one day, or it would never finish
            return Refresh(counted, more=True)
        counted += _count_day(day, now)
    return Refresh(counted, more=len(days) > AT_ONCE)


def _count_day(day: datetime, now: datetime) -> bool:
    try:
        with time_limit(LONGEST):
            return daily_figures.count(day, *day_bounds(day.date()))
    except DatabaseError as error:
        logger.warning("the figures of %s could not be counted: %s", day.date(), error)
        daily_figures.put_off(day, now + PUT_OFF)
        return False
