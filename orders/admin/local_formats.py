"""Numbers and moments as the reader's language writes them. Django's own come from `orders_project.formats`."""

from datetime import date, datetime
from functools import lru_cache

from babel.core import Locale, UnknownLocaleError
from babel.dates import TIMEDELTA_UNITS, format_timedelta
from babel.numbers import parse_pattern
from django.utils.formats import date_format
from django.utils.translation import get_language, gettext, to_locale

from orders.services.days import local

WHOLE, TENTHS = parse_pattern("#,##0"), parse_pattern("#,##0.0")  # to parse one takes longer than to use it


def reader_locale() -> Locale:
    """The locale of the language that is active: the reader's on a page of the backoffice, else English."""
    return _locale(get_language() or "")


@lru_cache
def _locale(language: str) -> Locale:
    try:
        return Locale.parse(to_locale(language))
    except (UnknownLocaleError, ValueError):
        return Locale("en")


def count(number: float) -> str:
    """A whole number, e.g. `1,234`; a fraction is rounded."""
    return WHOLE.apply(number, reader_locale())


def percent(share: float) -> str:
    """:param share: of one, e.g. 0.123 is `12.3 %`."""
    return f"{TENTHS.apply(100 * share, reader_locale())} %"


def exact(at: datetime) -> str:
    """An aware moment by the clocks of the shop, e.g. `2026-03-29 14:05:09 CEST`."""
    return date_format(local(at), "DATETIME_FORMAT")


def minute(at: datetime) -> str:
    """The same to the minute, e.g. `2026-03-29 14:05 CEST`."""
    return date_format(local(at), "SHORT_DATETIME_FORMAT")


def day(at: date) -> str:
    """A day, or that of an aware moment by the clocks of the shop, e.g. `2026-03-29`."""
    return date_format(local(at) if isinstance(at, datetime) else at, "DATE_FORMAT")


def ago(at: datetime, now: datetime) -> str:
    """How long ago something was, in its largest unit, e.g. `3 hours ago` until it is 4. :param at, now: aware."""
    seconds = int((now - at).total_seconds())
    if seconds < 60:
        return gettext("just now")
    unit = next(length for _, length in TIMEDELTA_UNITS if length <= seconds)
    return format_timedelta(-(seconds // unit * unit), add_direction=True, threshold=1, locale=reader_locale())
