"""What staff call orders for themselves: how a tag is written, and when two are the same.

A tag is one line of up to LONGEST_TAG characters. Its spelling is kept; it is found, and told from others, by its key,
which knows no capitals. Several are written one after the other with commas between them, in files, too.
"""

import unicodedata
from collections.abc import Iterable

from django.utils.translation import gettext as _

from orders.services.text_rules import one_line, problem_within

MOST_TAGS = 20
LONGEST_TAG = 40
LONGEST_KEY = 120
"""Three for each character suffice, but for the few that stand for whole words, such as U+FDFA."""


def tags_typed(text: str) -> list[str]:
    """The tags of a text with commas between them, tidied; of several spellings of one the first."""
    return distinct(map(tidied, text.split(",")))


def tidied(tag: str) -> str:
    """A tag as it is kept, of what was typed: one line, in which one blank at a time stands between words."""
    return " ".join(one_line(tag).split())


def distinct(tags: Iterable[str]) -> list[str]:
    """These tags in their order without empty ones; of several spellings of one the first."""
    found: dict[str, str] = {}
    for tag in filter(None, tags):
        found.setdefault(tag_key(tag), tag)
    return list(found.values())


def tag_key(tag: str) -> str:
    """What a tag is found by: the same for all spellings that differ in capitals alone."""
    return unicodedata.normalize("NFKC", unicodedata.normalize("NFKC", tag).casefold())


def tags_problem(tags: Iterable[str]) -> str | None:
    """What is wrong with the tags of an order; None if nothing is."""
    found = list(tags)
    if len(found) > MOST_TAGS:
        return _("An order has %(most)d tags at most.") % {"most": MOST_TAGS}
    problems = ((tag, _problem(tag)) for tag in found)
    return next((f"“{tag[:LONGEST_TAG]}”: {problem}" for tag, problem in problems if problem), None)


def _problem(tag: str) -> str | None:
    if problem := problem_within(tag, LONGEST_TAG):
        return problem
    if len(tag_key(tag)) > LONGEST_KEY:
        return _("This is too long: some of its characters stand for several.")
    return None


def stored_tags(tags: Iterable[str]) -> dict[str, list[str]]:
    """Tags as an order has them, with their keys."""
    found = list(tags)
    return {"tags": found, "tag_keys": [tag_key(tag) for tag in found]}
