"""Sentences that the database keeps are English, whoever acted; here they come into the language of their reader.

Each stands beside what keeps it, marked for translation. What people wrote themselves stays as it is, and so does what
peers and the database said.
"""

import re
from collections.abc import Callable, Iterable
from datetime import date
from functools import cache

from django.utils.formats import date_format
from django.utils.translation import get_language, gettext, gettext_noop

from integrations import webhook_calls
from orders.models.machine import CONDITION_WORDS
from orders.services.adoption import documents, following
from orders.services.bulk import batches, jobs, outages, run_steps, runs, selecting
from orders.services.events import delivering
from orders.services.fulfilment import cancelling, returning, shipping
from orders.services.lifecycle import erasing_many, expiry, late_verification, transitions
from orders.services.reporting import snoozing
from orders.services.stock import claims, inventory_calls, product_locks, resolution
from orders.services.words import LANGUAGE, in_english, status_word, status_words, transition_word
from orders.storage.alerts import NEEDS_ATTENTION

KEPT = (
    documents.SINCE, documents.FILLED, following.FOLLOWED,
    cancelling.CANCELLED, returning.NOT_RESTOCKED, returning.NOT_TOLD, shipping.TRACKED,
    erasing_many.TOO_OLD, expiry.UNPAID, transitions.CANNOT, transitions.CAN_BECOME, transitions.FINAL,
    resolution.NOT_RELEASED, late_verification.KNOWN, snoozing.SNOOZED,
    claims.ABANDONED, claims.INTERRUPTED, inventory_calls.RELEASED_LESS, product_locks.NOT_SENT,
    product_locks.NO_TIME, product_locks.NO_LOCK, product_locks.OTHERS, product_locks.THOSE_BEFORE,
    batches.CHANGED_MEANWHILE, batches.FAILED_HERE, outages.NOT_RELEASED, *CONDITION_WORDS.values(),
    run_steps.INTERRUPTED, run_steps.INCOMPLETE, run_steps.NOT_PERMITTED, jobs.OF_RUN, runs.STOPPED, runs.CANCELLED,
    outages.DATABASE_AWAY, outages.INVENTORY_AWAY, outages.REFUSED, outages.ALL_REFUSED, selecting.TOO_MANY,
    delivering.DELETED, delivering.ANSWERED_GONE, delivering.ANSWERED, delivering.GIVEN_UP,
    webhook_calls.NO_PUBLIC_ADDRESS, webhook_calls.LEADS_TO_NO_PUBLIC_ADDRESS,
    gettext_noop("Return %(number)s"),
)  # fmt: skip
"""All of them, with the names of their values."""
LONGEST = 10
"""Sentences of a text that are looked at: ours have fewer."""


def for_reader(text: str) -> str:
    """A text that was kept, as its reader is to see it: sentence by sentence, as far as we know them."""
    if (get_language() or LANGUAGE).startswith(LANGUAGE):
        return text
    return _told(re.split("(?<=[.]) ", text, maxsplit=LONGEST))


def _told(sentences: list[str]) -> str:
    """The shortest beginning that is known, then what follows it."""
    for end in range(1, len(sentences) + 1):
        if (told := translated(" ".join(sentences[:end]), _templates())) is not None:
            break
    else:
        told, end = sentences[0], 1
    return " ".join([told, _told(sentences[end:])]) if sentences[end:] else told


def translated(text: str, templates: Iterable[str]) -> str | None:
    """A text that one of these templates made, in its reader's language; None where none of them did."""
    for template in templates:
        if found := _pattern(template).fullmatch(text):
            return gettext(template) % {name: VALUES.get(name, str)(value) for name, value in found.groupdict().items()}
    return None


@cache
def _templates() -> list[str]:
    with in_english():
        return list(map(str, KEPT))


@cache
def _pattern(template: str) -> re.Pattern[str]:
    """What a template looks like once its values are there."""
    pieces = re.split(r"%\((\w+)\)s", template)  # names of values stand at every second place
    return re.compile(
        "".join(
            f"(?P<{piece}>{SHAPES.get(piece, '.+?')})" if place % 2 else re.escape(piece)
            for place, piece in enumerate(pieces)
        ),
        re.DOTALL,
    )


def _transition(english: str) -> str:
    return transition_word(english.replace(" ", "_"))


def _statuses(english: str) -> str:
    return status_words(english.split(", "))


def _alerts(english: str) -> str:
    for alert in NEEDS_ATTENTION:
        with in_english():
            label = str(alert.label)
        english = english.replace(label, str(alert.label))
    return english


def _moment(english: str) -> str:
    """Of a day and perhaps the time of day: it is the day that languages write differently."""
    day, _space, time = english.partition(" ")
    try:
        return f"{date_format(date.fromisoformat(day), 'DATE_FORMAT')} {time}".strip()
    except ValueError:  # no day, or somebody wrote a sentence that is like one of ours
        return english


VALUES: dict[str, Callable[[str], str]] = {
    "alerts": _alerts,
    "error": for_reader,
    "moment": _moment,
    "status": status_word,
    "statuses": _statuses,
    "tracking": _moment,  # a shipment without any is named by its day
    "transition": _transition,
}
"""How those values come into the reader's language that are words, by their names."""
SHAPES = {
    "days": r"\d+", "items": r"\d+ × .+?", "moment": r"\d{4}-\d\d-\d\d.*?", "number": r"\d+", "shipment": r"\d+",
    "former": ".+",  # a role may have a " to " in its name
}  # fmt: skip
"""What those values look like that could be taken for others, or a sentence that somebody wrote for one of ours."""
