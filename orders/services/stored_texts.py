"""Sentences that the database keeps are English, whoever acted; here they come into the language of their reader.

Each stands beside what keeps it, marked for translation, and is listed in `history_sentences` or `record_sentences`.
What people wrote themselves stays as it is, and so does what peers and the database said.
"""

import re
from collections.abc import Callable, Iterable
from datetime import date
from functools import cache

from django.utils.formats import date_format
from django.utils.translation import get_language, gettext, gettext_noop

from orders.services.history_sentences import SENTENCES_OF_HISTORIES
from orders.services.record_sentences import SENTENCES_OF_RECORDS
from orders.services.words import LANGUAGE, in_english, status_word, status_words, transition_word
from orders.storage.alerts import NEEDS_ATTENTION

KEPT = (*SENTENCES_OF_HISTORIES, *SENTENCES_OF_RECORDS, gettext_noop("Return %(number)s"))
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
