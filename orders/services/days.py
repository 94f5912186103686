"""The time zone of the shop (`TIME_ZONE`): which day a moment belongs to, and where each day begins.

A day may have 23 or 25 hours, begin at 01:00 where clocks are put forward at midnight, and be empty where a zone has
skipped it. Boundaries are computed here and not by mongod, whose list of zones may be an older one.
"""

from datetime import UTC, date, datetime, time, timedelta
from zoneinfo import ZoneInfo

from django.utils import timezone

ONE_DAY = timedelta(days=1)


def zone() -> ZoneInfo:
    """The time zone that `TIME_ZONE` names."""
    return timezone.get_default_timezone()


def local(moment: datetime) -> datetime:
    """An aware moment on the clocks of the shop; in UTC where that would be beyond the years 1 to 9999."""
    try:
        return moment.astimezone(zone())
    except OverflowError:
        return moment.astimezone(UTC)


def day_bounds(day: date) -> tuple[datetime, datetime]:
    """The moment at which a day begins, and that at which the next one does, in UTC."""
    return _beginning(day), _beginning(day + ONE_DAY) if day < date.max else datetime.max.replace(tzinfo=UTC)


def day_of(moment: datetime) -> date:
    """The one day between whose bounds an aware moment lies."""
    day = local(moment).date()
    # Where clocks were put back from after midnight to before it, the day before had ended all the same.
    return day + ONE_DAY if moment >= day_bounds(day)[1] else day


def today() -> date:
    """The day that it is now."""
    return day_of(timezone.now())


def _beginning(day: date) -> datetime:
    # Of a midnight that occurs twice this is the first; one that clocks skip is the moment at which they do.
    try:
        return datetime.combine(day, time.min, zone()).astimezone(UTC)
    except OverflowError:
        return datetime.min.replace(tzinfo=UTC)
