"""Reading the values of a record: each is read exactly, or its problem is recorded with line and field."""

import json
import re
from collections.abc import Callable, Collection, Iterable, Mapping
from datetime import datetime
from decimal import Decimal
from typing import Any

from orders.models import EPOCH
from orders.services.text_rules import one_line, problem_of, several_lines
from orders.services.transfer.file_format import utc
from orders.services.transfer.import_files import Problem

MONEY = re.compile(r"[0-9]{1,12}\.[0-9]{2}\Z")
WHOLE = re.compile(r"[0-9]{1,9}\Z")
FLAGS = {"true": True, "false": False, True: True, False: False}
MOST_OBJECTS = 1000
LONGEST_SHOWN = 100
"""Characters of a value that a problem quotes."""


def shown(value: object) -> str:
    """A value as a problem quotes it."""
    text = repr(value)
    return f"{text[:LONGEST_SHOWN]}…" if len(text) > LONGEST_SHOWN else text


class Fields:
    """The fields of one order or line. A reader returns the value, or None if it is missing or invalid.

    :ivar problems: what is wrong with the fields read so far.
    :param paths: what the file calls a field, where that is not its name.
    """

    def __init__(
        self, values: Mapping[str, Any], line: int, prefix: str = "", paths: Mapping[str, str] | None = None
    ) -> None:
        self.problems: list[Problem] = []
        self._values, self._line, self._prefix, self._paths = values, line, prefix, paths or {}

    def any_given(self, names: Iterable[str]) -> bool:
        """Whether any of these fields has a value, valid or not."""
        return any(self._given(name) is not None for name in names)

    def text(self, name: str, *, most: int, needed: bool = False, lines: bool = False) -> str:
        """Text; a JSON number counts as its digits. Empty if it is missing or invalid.

        :param lines: it may have several; otherwise it is kept as one.
        """
        value = self._given(name, needed, several_lines if lines else one_line)
        if value is None:
            return ""
        if isinstance(value, int) and not isinstance(value, bool):
            value = str(value)
        if not isinstance(value, str) or problem_of(value):
            self.note(name, f"{shown(value)} is not a text in UTF-8 without control characters")
        elif len(value) > most:
            self.note(name, f"it has {len(value)} characters, {most} at most are allowed")
        else:
            return value
        return ""

    def choice(self, name: str, choices: Collection[str], *, needed: bool = True) -> str:
        """One of these; empty if it is missing."""
        value = self._given(name, needed=needed)
        if value is not None and value not in choices:
            self.note(name, f"{shown(value)} is none of: {', '.join(choices)}")
        return "" if value is None else str(value)

    def flag(self, name: str, *, default: bool) -> bool:
        value = self._given(name)
        if value is None:
            return default
        if not isinstance(value, str | bool) or value not in FLAGS:
            self.note(name, f"{shown(value)} is neither true nor false")
            return default
        return FLAGS[value]

    def whole(self, name: str, *, most: int) -> int | None:
        """A whole number from 1."""
        value = self._given(name, needed=True)
        if value is None:
            return None
        number = int(value) if isinstance(value, str) and WHOLE.match(value) else value
        if not isinstance(number, int) or isinstance(number, bool) or not 1 <= number <= most:
            self.note(name, f"{shown(value)} is not a whole number from 1 to {most}")
            return None
        return number

    def index(self, name: str, *, most: int, what: str) -> int | None:
        """The place of something in a list, from 0. :param what: what that is, e.g. `shipment`."""
        value = self._given(name)
        if value is None:
            return None
        number = int(value) if isinstance(value, str) and WHOLE.match(value) else value
        if not isinstance(number, int) or isinstance(number, bool) or not 0 <= number < most:
            self.note(name, f"{shown(value)} is the place of no {what}: of these there are {most}, counted from 0")
            return None
        return number

    def money(self, name: str, *, digits: int, least: int = 0, needed: bool = True) -> int | None:
        """An amount with two decimals, in cents; `digits` counts those too, `least` is in cents."""
        value = self._given(name, needed=needed)
        if value is None:
            return None
        text = _plain(value) if isinstance(value, Decimal) else value
        if not isinstance(text, str) or not MONEY.match(text):
            self.note(name, f"{shown(str(value))} is not an amount with exactly two decimals, e.g. 12.50")
            return None
        cents = int(text.replace(".", ""))
        if cents < least or len(text) - 1 > digits:
            self.note(name, f"{text} is not from {least / 100:.2f} to {'9' * (digits - 2)}.99")
            return None
        return cents

    def moment(
        self, name: str, *, latest: datetime, earliest: datetime = EPOCH, needed: bool = False
    ) -> datetime | None:
        """A time between two others (aware), as it is stored: naive UTC, to the millisecond."""
        value = self._given(name, needed)
        if value is None:
            return None
        try:
            moment = datetime.fromisoformat(value) if isinstance(value, str) else None
            if moment is None or moment.tzinfo is None:
                self.note(name, f"{shown(value)} is not a moment with its zone, e.g. 2026-03-01T12:00:00Z")
                return None
            stored = utc(moment)
        except (ValueError, OverflowError):
            self.note(name, f"{shown(value)} is not a moment with its zone, e.g. 2026-03-01T12:00:00Z")
            return None
        if not earliest <= moment <= latest:
            self.note(name, f"{shown(value)} is not between {earliest.isoformat()} and {latest.isoformat()}")
            return None
        return stored

    def objects(self, name: str, known: Collection[str]) -> list["Fields"]:
        """The fields of each object of a JSON list, or of the text of one; empty if it is missing or invalid."""
        value = self._json(name)
        if value is None:
            return []
        if not isinstance(value, list) or len(value) > MOST_OBJECTS or not all(isinstance(one, dict) for one in value):
            self.note(name, f"{shown(value)} is not a list of up to {MOST_OBJECTS} JSON objects")
            return []
        return [self._part(f"{name}.{place}", one, known) for place, one in enumerate(value)]

    def object(self, name: str, known: Collection[str]) -> "Fields | None":
        """The fields of a JSON object, or of the text of one; None if it is missing or invalid."""
        value = self._json(name)
        if value is not None and not isinstance(value, dict):
            self.note(name, f"{shown(value)} is not a JSON object")
            return None
        return None if value is None else self._part(name, value, known)

    def _part(self, name: str, values: Mapping[str, Any], known: Collection[str]) -> "Fields":
        part = Fields(values, self._line, f"{self._prefix}{name}.")
        part.problems = self.problems
        for unknown in values.keys() - set(known):
            part.note(unknown, "there is no such field")
        return part

    def _json(self, name: str) -> Any:
        given = self._given(name, tidied=str.strip)
        try:
            return json.loads(given) if isinstance(given, str) else given
        except (ValueError, RecursionError):
            return given

    def mapping(self, name: str) -> Mapping[str, Any]:
        """A JSON object, or the text of one; what is in it is not examined. Empty if it is missing or invalid."""
        value = self._json(name)
        if value is None:
            return {}
        if not isinstance(value, dict):
            given = self._given(name, tidied=str.strip)
            self.note(name, f'{shown(given)} is not a JSON object, e.g. {{"channel": "app"}}')
            return {}
        return value

    def note(self, name: str, text: str) -> None:
        """Record what is wrong with a field."""
        self.problems.append(Problem(self._line, f"{self._prefix}{self._paths.get(name, name)}", text))

    def _given(self, name: str, needed: bool = False, tidied: Callable[[str], str] = one_line) -> Any:
        value = self._values.get(name)
        if isinstance(value, str):
            value = tidied(value)
        if value is None or value == "":
            if needed:
                self.note(name, "it is missing")
            return None
        return value


def _plain(number: Decimal) -> str:
    """A JSON number with two decimals; others as they are, since `1e999999999` would have too many digits."""
    return f"{number:f}" if number.as_tuple().exponent == -2 else str(number)
