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
from orders.services.transfer.import_files import DEFAULT, Conventions, Problem

MONEY = re.compile(r"(-?)([0-9]{1,12})(?:\.([0-9]{1,2}))?\Z")
WHOLE = re.compile(r"([0-9]{1,9})(?:[.,]0{1,2})?\Z")
_NO_ZONE = re.compile(r"\s*(?:UTC|GMT)\Z|\s+(?=[+-][0-9]{2}:?[0-9]{2}\Z)")
"""What some systems write in front of the offset of a time, or instead of it."""
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
        self,
        values: Mapping[str, Any],
        line: int,
        prefix: str = "",
        paths: Mapping[str, str] | None = None,
        conventions: Conventions = DEFAULT,
    ) -> None:
        self.problems: list[Problem] = []
        self._values, self._line, self._prefix, self._paths = values, line, prefix, paths or {}
        self._conventions = conventions

    def any_given(self, names: Iterable[str]) -> bool:
        """Whether any of these fields has a value, valid or not."""
        return any(self._given(name) is not None for name in names)

    def text(self, name: str, *, most: int, needed: bool = False, lines: bool = False, is_id: bool = False) -> str:
        """Text; a JSON number counts as its digits. Empty if it is missing or invalid.

        :param lines: it may have several; otherwise it is kept as one.
        :param is_id: it begins with no apostrophe of its own.
        """
        value = self._given(name, needed, several_lines if lines else one_line)
        if is_id and isinstance(value, str):
            value = value.removeprefix("'")
        if value is None:
            return ""
        if isinstance(value, int) and not isinstance(value, bool):
            value = str(value)
        if not isinstance(value, str) or problem_of(value):
            self.note(name, f"{shown(value)} is not a text in UTF-8 without control characters{_other_encoding(value)}")
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

    def number(self, name: str, *, needed: bool = False) -> Any:
        """A value that may have an apostrophe in front, by which a spreadsheet keeps it a text."""
        value = self._given(name, needed)
        return value.removeprefix("'") if isinstance(value, str) else value

    def flag(self, name: str, *, default: bool) -> bool:
        value = self._given(name)
        if value is None:
            return default
        if not isinstance(value, str | bool) or value not in FLAGS:
            self.note(name, f"{shown(value)} is neither true nor false")
            return default
        return FLAGS[value]

    def whole(self, name: str, *, most: int) -> int | None:
        """A whole number from 1, which spreadsheets may write as `1.0`."""
        value = self.number(name, needed=True)
        if value is None:
            return None
        number = _whole(value)
        if not isinstance(number, int) or isinstance(number, bool) or not 1 <= number <= most:
            self.note(name, f"{shown(value)} is not a whole number from 1 to {most}")
            return None
        return number

    def index(self, name: str, *, most: int, what: str) -> int | None:
        """The place of something in a list, from 0. :param what: what that is, e.g. `shipment`."""
        value = self.number(name)
        if value is None:
            return None
        number = _whole(value)
        if not isinstance(number, int) or isinstance(number, bool) or not 0 <= number < most:
            self.note(name, f"{shown(value)} is the place of no {what}: of these there are {most}, counted from 0")
            return None
        return number

    def money(self, name: str, *, digits: int, signed: bool = False, needed: bool = True) -> int | None:
        """An amount with up to two decimals, in cents; `digits` counts those too. From 0 unless it is `signed`."""
        value = self.number(name, needed=needed)
        if value is None:
            return None
        found = MONEY.match(self._amount_text(value))
        if found is None or (found[1] and not signed):
            self.note(name, f"{shown(str(value))} is not an amount{' from 0' * (not signed)}: {self._how(str(value))}")
            return None
        cents = int(f"{found[2]}{(found[3] or ''):0<2}")
        if len(str(cents)) > digits:
            self.note(name, f"{shown(str(value))} is more than {'9' * (digits - 2)}.99")
            return None
        return -cents if found[1] else cents

    def _amount_text(self, value: Any) -> str:
        if isinstance(value, Decimal):
            return _plain(value)
        if isinstance(value, int) and not isinstance(value, bool):
            return str(value)
        text = value if isinstance(value, str) else ""
        return text.replace(",", ".") if self._conventions.decimal_comma and text.count(",") == 1 else text

    def _how(self, text: str) -> str:
        if re.fullmatch("-?[0-9]+,[0-9]{1,2}", text):
            return "say --decimal-comma if the file writes amounts like this, or write 12.50"
        return "write it like 12.50, without a currency and without a sign between thousands"

    def moment(
        self, name: str, *, latest: datetime, earliest: datetime = EPOCH, needed: bool = False
    ) -> datetime | None:
        """A time between two others (aware), as it is stored: naive UTC, to the millisecond."""
        value = self.number(name, needed=needed)
        if value is None:
            return None
        try:
            moment = datetime.fromisoformat(_with_offset(value)) if isinstance(value, str) else None
            if moment is not None and moment.tzinfo is None and self._conventions.zone:
                moment = moment.replace(tzinfo=self._conventions.zone)
            if moment is None or moment.tzinfo is None:
                how = "" if moment is None else ": say --time-zone if all times of the file are of one zone"
                self.note(name, f"{shown(value)} is not a moment with its zone, e.g. 2026-03-01T12:00:00Z{how}")
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

    def texts(self, name: str) -> list[str]:
        """The texts of a JSON list, or one text; empty if it is missing or invalid."""
        value = self._values.get(name)
        found = value if isinstance(value, list) else [] if value is None else [value]
        if len(found) > MOST_OBJECTS or not all(isinstance(text, str) for text in found):
            self.note(name, f"{shown(value)} is not a list of texts")
            return []
        return found

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
    """A JSON number with few decimals; others as they are, since `1e999999999` would have too many digits."""
    return f"{number:f}" if number.as_tuple().exponent in (-1, -2) else str(number)


def _whole(value: Any) -> Any:
    """The whole number that a text or a JSON number says; another value as it is."""
    found = (
        WHOLE.match(_plain(value) if isinstance(value, Decimal) else value)
        if isinstance(value, str | Decimal)
        else None
    )
    return int(found[1]) if found else value


def _with_offset(text: str) -> str:
    """A time with its offset as ISO 8601 has it, where another system writes `+0200` after a blank, or UTC."""
    return _NO_ZONE.sub(lambda found: "Z" if found[0].strip() else "", text)


def _other_encoding(value: object) -> str:
    """What to do about bytes that are not UTF-8, which are read as lone surrogates."""
    is_undecoded = isinstance(value, str) and re.search("[\udc80-\udcff]", value)
    return ": say --encoding if the file has another, e.g. cp1252" if is_undecoded else ""
