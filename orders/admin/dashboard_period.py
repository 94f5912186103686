"""The period that the dashboard is asked for."""

from datetime import date, timedelta

from django.http import QueryDict
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _

from orders.services.days import today
from orders.services.reporting.shop_figures import InvalidPeriod, Period, period

PERIODS = {
    "today": (_("Today"), 1),
    "7": (_("7 days"), 7),
    "30": (_("30 days"), 30),
    "90": (_("90 days"), 90),
    "year": (_("Last 12 months"), 365),
}
DEFAULT = "30"
SLOW = _("The figures could not be read in time. Try again in a moment.")


def chosen_period(given: QueryDict) -> tuple[Period, str | None, str]:
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
            return fallback, DEFAULT, gettext("Enter both dates as YYYY-MM-DD.")
    if key not in PERIODS:
        return fallback, DEFAULT, gettext("Unknown period.")
    return _last(PERIODS[key][1]), key, ""


def _last(days: int) -> Period:
    last = today()
    return Period(last - timedelta(days=days - 1), last)
