"""A language in which each text stands in brackets, and a reader that finds what people see and stands in none.

Data are to be in Greek letters (:func:`as_data`), so that a Latin letter outside of the brackets is a text that no
translator has ever seen.
"""

import json
import re
from collections import defaultdict
from collections.abc import Iterator
from contextlib import contextmanager
from html.parser import HTMLParser
from string import ascii_letters
from typing import Any

import pytest
from babel.dates import format_timedelta
from django.conf import settings
from django.utils.translation import trans_real
from django.utils.translation.trans_real import CONTEXT_SEPARATOR, DjangoTranslation

from orders.admin import local_formats

OPEN, CLOSE = "⟦", "⟧"
LANGUAGE = "de"
LANGUAGES = dict(settings.LANGUAGES).values()
"""Each in its own language, in every language."""
NO_WORDS = re.compile(r"(%\(\w+\)[-.\d]*[a-z]|%[a-z%]|\{\w*[^{}]*\}|<[^>]*>|&\w+;)")
"""What a text holds beside words: places for data, and tags."""
LETTER = re.compile(r"[^\W\d_Ͱ-Ͽ]")
GREEK = str.maketrans(ascii_letters, "αβξδεφγηικλμνοπρςστυωχψζθϑΑΒΞΔΕΦΓΗΙΚΛΜΝΟΠΡΣΤΥΩΧΨΖΘϴϷ")


def as_data(text: str) -> str:
    """The same in Greek letters."""
    return text.translate(GREEK)


class Marked:
    """The translation object of a language, with brackets around the words of each of its texts.

    :ivar missing: each text that was asked for and is in no catalogue of the language, Django's and ours alike.
    """

    def __init__(self, real: DjangoTranslation) -> None:
        self._real, self._catalog = real, real._catalog  # type: ignore[attr-defined]
        self.missing: set[str] = set()

    def __getattr__(self, name: str) -> Any:
        return getattr(self._real, name)

    def gettext(self, message: str) -> str:
        if OPEN in message:  # it has been through here
            return message
        if message not in self._catalog and LETTER.search(message) and message not in LANGUAGES:
            self.missing.add(message.replace(CONTEXT_SEPARATOR, ": "))
        return marked(self._real.gettext(message).rpartition(CONTEXT_SEPARATOR)[2])

    def ngettext(self, singular: str, plural: str, number: int) -> str:
        try:
            self._catalog.plural(singular, number)
        except KeyError:
            self.missing.add(singular.replace(CONTEXT_SEPARATOR, ": "))
        return marked(self._real.ngettext(singular, plural, number).rpartition(CONTEXT_SEPARATOR)[2])


def marked(text: str) -> str:
    """With each run of words in brackets; what is put in later stands outside of them."""
    parts = NO_WORDS.split(text)
    return "".join(
        f"{OPEN}{part}{CLOSE}" if number % 2 == 0 and LETTER.search(part) else part for number, part in enumerate(parts)
    )


@contextmanager
def marking() -> Iterator[Marked]:
    """Have the German of this process in brackets; Babel's words too, of whose translation Babel takes care."""
    language = Marked(trans_real.translation(LANGUAGE))

    def ago(*given: Any, **more: Any) -> str:
        return marked(format_timedelta(*given, **more))

    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(trans_real._translations, LANGUAGE, language)  # type: ignore[attr-defined]
        patch.setattr(
            local_formats, "format_timedelta", lambda *given, **more: marked(format_timedelta(*given, **more))
        )
        yield language


PERCEIVED = {
    "title", "alt", "placeholder", "label", "summary", "data-label", "aria-label", "aria-description",
    "aria-roledescription", "aria-valuetext", "aria-placeholder",
}  # fmt: skip
BUTTONS = {"submit", "button", "reset"}
UNREAD = {"script", "style", "kbd", "pre", "code"}
"""Keys are called what is printed on them; what stands in `pre` and `code` is written by machines and for them."""
UNREAD_CLASSES = ("material-symbols", "order-noted")
"""Icons, and the details of the timeline for whoever looks for them in logs, in the words of the log."""
VOID = {
    "area", "base", "br", "col", "embed", "hr", "img", "input", "link", "meta", "source", "track", "wbr", "path", "use",
    "circle", "rect", "line",
}  # fmt: skip
IN_BRACKETS = re.compile(f"{OPEN}[^{CLOSE}]*(?:{CLOSE}|$)")
SENTENCE = re.compile(r"[^\W\d_]{2,} [^\W\d_]{2,}")
ALLOWED = {
    "names": rf"{re.escape(settings.PROJECT_NAME)}|Axes|UPS|MongoDB",
    "formats and standards": r"CSV|JSON|URL|ID|HTTPS?|API|TOTP|QR|SKU",
    "currencies and zones": r"EUR|USD|UTC|CET|CEST",
    "units": r"ms|kB|MB|GB|min|h|d|s",
    "languages, each in its own": r"English|Deutsch|EN|DE|en|de",
    "hashes of passwords, most of each hidden": r"md5|pbkdf2_sha256|\w+\*{6,}",
    "codes": r"[a-z]{2,}(?:[_.][a-z]{2,})+",
    "ids": r"[0-9a-f]{24}|[0-9a-f]{32}|[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}",
    "addresses": r"[Hh]ttps?://\S+",
}
NO_TEXT = re.compile(rf"(?<!\w)(?:{'|'.join(ALLOWED.values())})(?!\w)")
"""Words that are the same in every language."""


FOR_MACHINES = {
    "value", "min", "max", "step", "low", "high", "optimum", "width", "height", "x", "y", "x1", "x2", "y1", "y2", "cx",
    "cy", "r", "rx", "ry", "viewbox", "transform", "points", "style", "datetime",
}  # fmt: skip
"""Attributes whose numbers have a point in every language; so have those of scripts (`data-…`)."""
COMMA = re.compile(r"(?:^|[:(\s])-?\d+,\d+(?:$|[a-z%;)\s])")
ENGLISH = re.compile(r"(?<![\d.])\d+\.\d{1,2}(?![\d.])|\b\d{4}-\d\d-\d\d\b")
"""Numbers and days that German writes in another way."""


class Reader(HTMLParser):
    """What people see and hear of a page.

    :ivar found: its texts that stand in no brackets, and its numbers and days as English writes them, by their places.
    """

    def __init__(self, page: str) -> None:
        super().__init__()
        self.found: list[str] = []
        self._within: list[tuple[str, bool]] = []
        self.feed(page)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = {name: value or "" for name, value in attrs}
        for name, value in given.items():
            is_perceived = name in PERCEIVED or (name == "value" and tag == "input" and given.get("type") in BUTTONS)
            if is_perceived or (name.startswith("data-") and SENTENCE.search(unmarked(value))):
                self._look(value, f"{tag}[{name}]")
            elif is_for_machines(tag, name, given.get("type", "text")) and COMMA.search(value):
                self.found.append(f"<{tag}[{name}]> {value}, which a machine reads")
        if tag not in VOID:
            classes = given.get("class", "")
            self._within.append((tag, tag in UNREAD or any(name in classes for name in UNREAD_CLASSES)))

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.handle_starttag(tag, attrs)
        if tag not in VOID:
            self.handle_endtag(tag)

    def handle_endtag(self, tag: str) -> None:
        names = [name for name, _ in self._within]
        if tag in names:
            del self._within[len(names) - 1 - names[::-1].index(tag) :]

    def handle_data(self, data: str) -> None:
        if not any(unread for _, unread in self._within):
            self._look(data, self._within[-1][0] if self._within else "")

    def _look(self, text: str, place: str) -> None:
        rest = unmarked(text)
        if LETTER.search(rest) or ENGLISH.search(rest):
            self.found.append(f"<{place}> {' '.join(text.split())}")


def is_for_machines(tag: str, attribute: str, kind: str) -> bool:
    """Whether a script, a style or a browser reads it; in a field for text people do, and may change it."""
    is_typed = tag == "input" and attribute == "value" and kind in ("text", "search")
    return not is_typed and (attribute in FOR_MACHINES or attribute.startswith("data-"))


def unmarked(text: str) -> str:
    """What is left of a text without what stands in brackets, and without words that every language has."""
    return NO_TEXT.sub(" ", IN_BRACKETS.sub(" ", text))


def untranslated(content: str, kind: str) -> list[str]:
    """The texts of an answer that no translator has seen. :param kind: its media type; only pages and JSON have any."""
    if kind.startswith("text/html"):
        return Reader(content).found
    if kind.startswith("application/json"):
        return [found for text in _strings(json.loads(content)) for found in _of_json(text)]
    return []


def _of_json(text: str) -> list[str]:
    if "<" in text:
        return Reader(text).found
    return [f"JSON: {text}"] if SENTENCE.search(unmarked(text)) else []


def _strings(value: Any) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, dict):
        for one in value.values():
            yield from _strings(one)
    elif isinstance(value, list):
        for one in value:
            yield from _strings(one)


class Report:
    """What a walk has found, for people: each text once, with the first of its pages.

    :param language: which knows what was asked for in vain.
    """

    def __init__(self, language: Marked) -> None:
        self._language = language
        self._pages: defaultdict[str, list[str]] = defaultdict(list)

    def add(self, page: str, texts: list[str]) -> None:
        for text in texts:
            if page not in self._pages[text]:
                self._pages[text].append(page)

    def __bool__(self) -> bool:
        return bool(self._pages or self._language.missing)

    def __str__(self) -> str:
        by_page: defaultdict[str, list[str]] = defaultdict(list)
        for text, pages in self._pages.items():
            by_page[pages[0]].append(text + (f"   (and {len(pages) - 1} more pages)" if pages[1:] else ""))
        missing = self._language.missing
        lines = [f"{len(self._pages)} texts that no translator has seen:"]
        lines += [f"{page}\n" + "\n".join(f"    {text}" for text in texts) for page, texts in by_page.items()]
        lines += [f"{len(missing)} texts that German does not have:", *(f"    {text!r}" for text in sorted(missing))]
        return "\n".join(lines)
