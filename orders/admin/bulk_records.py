"""What the record of a bulk run says, which is English, in the language of its reader."""

import re
from collections.abc import Iterable
from functools import lru_cache

from django.utils.translation import gettext, override
from django.utils.translation import gettext_noop as noop

from orders.services.access import Kind
from orders.services.bulk import skip_reasons

ERRORS = (
    noop("Stopped by %(actor)s."),
    noop("Cancelled by %(actor)s."),
    noop("%(actor)s no longer has the permission. Cancel the run; someone who has it can start another one."),
    noop("It was interrupted while its orders were being recorded. No order was changed. Start it again."),
    noop("Some orders are missing from its record. Start another run for the same orders, and cancel this one."),
    noop("A run with %(size)s orders a batch is about %(most)s orders at most."),
    noop("the database does not answer: %(error)s"),
    noop("the database refuses every order: %(error)s"),
    noop("inventory does not answer: %(error)s"),
    noop("inventory answers, but failed to release the last %(orders)s orders"),
    noop("internal error: %(error)s"),
)
"""Why a run is paused, cancelled or failed."""
FAULTS = (
    noop("There is no order %(order)s."),
    noop("The database refused: %(error)s"),
    noop("Internal error: %(error)s"),
)
"""Why an order was not changed, beside what the transition itself says."""


def error(text: str) -> str:
    """Why a run is not under way, with the names of staff as people know them."""
    return _told(text.replace(f"{Kind.STAFF}:", ""), ERRORS)


def reason(text: str, transition: str) -> str:
    """Why a run of this transition did not change an order."""
    if text in (recorded := _skip_reasons_recorded(transition)):
        return skip_reasons(transition)[recorded.index(text)]
    return _told(text, FAULTS)


def _told(text: str, templates: Iterable[str]) -> str:
    """The text by that of the templates which it was made of; as it is if there is none."""
    for template in templates:
        if found := _pattern(template).fullmatch(text):
            return gettext(template) % found.groupdict()
    return text


@lru_cache
def _pattern(template: str) -> re.Pattern[str]:
    """Finds what was filled in."""
    return re.compile(re.sub(r"%\\\((\w+)\\\)s", r"(?P<\1>.+)", re.escape(template)), re.DOTALL)


@lru_cache
def _skip_reasons_recorded(transition: str) -> tuple[str, ...]:
    with override("en"):
        return tuple(skip_reasons(transition))
