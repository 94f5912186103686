"""Reading the fields of a document that another service wrote: money, times and texts in whatever type they have.

What cannot be read is noted with where it stands and what was found there; what is missing and has a default is noted
as filled in.
"""

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta, tzinfo
from decimal import Decimal, InvalidOperation
from typing import Any

from bson import Decimal128, ObjectId

from orders.models import Document, from_cents, to_cents
from orders.services.text_rules import one_line, problem_within

MOST_ROUNDED = Decimal("0.000001")
"""Sums of doubles are so close to whole cents; what is further away was no amount of money."""
MONEY_TYPES = {str: "text", float: "double", Decimal128: "Decimal128", int: "whole number"}
CLOCKS_DIFFER = timedelta(hours=1)
LONGEST_SHOWN = 40


class ForeignFields:
    """The fields of one document, or of a part of it.

    :ivar problems: why it cannot be adopted.
    :ivar filled: the paths of what was missing.
    :ivar kinds: how money and times were written.
    """

    def __init__(self, values: Mapping[str, Any], path: str = "", whole: "ForeignFields | None" = None) -> None:
        self._values, self._path = values, path
        self.problems: list[str] = whole.problems if whole else []
        self.filled: set[str] = whole.filled if whole else set()
        self.kinds: set[str] = whole.kinds if whole else set()

    def part(self, name: str) -> "ForeignFields":
        """The fields of an embedded document; of one that is missing, all are."""
        value = self._values.get(name)
        if value is not None and not isinstance(value, Mapping):
            self._note(name, value, "not an object")
            value = None
        return ForeignFields(value or {}, f"{self._path}{name}.", self)

    def parts(self, name: str) -> list["ForeignFields"]:
        """The embedded documents of an array, of which there must be one."""
        value = self._values.get(name)
        if not isinstance(value, list) or not value or not all(isinstance(part, Mapping) for part in value):
            self._note(name, value, "not an array of objects")
            return []
        return [ForeignFields(part, f"{self._path}{name}.", self) for part in value]

    def money(self, name: str, *, below: Decimal, needed: bool = True) -> Decimal | None:
        """An amount above zero, in cents."""
        value = self._values.get(name)
        if value is None and not needed:
            self.filled.add(self._path + name)
            return None
        amount = _decimal(value)
        if amount is None or not 0 < amount < below or abs(amount - to_cents(amount)) > MOST_ROUNDED:
            self._note(name, value, f"not an amount in whole cents, above 0 and below {below}")
            return None
        kind = next(kind for kinds, kind in MONEY_TYPES.items() if isinstance(value, kinds))
        self.kinds.add(f"{self._path}{name} as {kind}")
        return to_cents(amount)

    def units(self, name: str) -> int:
        """A quantity; 0 where it is none."""
        value, amount = self._values.get(name), _decimal(self._values.get(name))
        if amount is None or not 1 <= amount < 2**31 or amount != int(amount):
            self._note(name, value, "not a whole number of 1 or more")
            return 0
        return int(amount)

    def moment(self, name: str, *, zone: tzinfo, latest: datetime) -> datetime | None:
        """A time (naive UTC) not later than `latest`, which is aware; one without a zone is of `zone`."""
        value = self._values.get(name)
        if value is None:
            self.filled.add(self._path + name)
            return None
        found, kind = value, "time without a zone"
        if isinstance(value, str):
            try:
                found, kind = datetime.fromisoformat(value.strip()), "text"
            except ValueError:
                found = None
        if not isinstance(found, datetime):
            self._note(name, value, "not a time")
            return None
        try:
            found = (found if found.tzinfo else found.replace(tzinfo=zone)).astimezone(UTC)
        except OverflowError:
            self._note(name, value, "not a time")
            return None
        if found > latest + CLOCKS_DIFFER:
            self._note(name, value, "in the future: see --time-zone")
            return None
        self.kinds.add(f"{self._path}{name} as {kind}")
        return found.replace(tzinfo=None, microsecond=found.microsecond // 1000 * 1000)

    def text(self, name: str, *, most: int, needed: bool = False) -> str:
        """A text in one line; a number is one, too. :param needed: it has no default."""
        value = self._values.get(name)
        if isinstance(value, int | ObjectId) and not isinstance(value, bool):
            value = str(value)
        if value is None and not needed:
            self.filled.add(self._path + name)
            return ""
        text = one_line(value) if isinstance(value, str) else ""
        problem = problem_within(text, most)
        if not isinstance(value, str) or problem or (needed and not text):
            self._note(name, value, problem or "not a text")
            return ""
        return text

    def note(self, name: str, problem: str) -> None:
        self.problems.append(f"{self._path}{name}: {problem}")

    def _note(self, name: str, value: Any, problem: str) -> None:
        self.note(name, "it is missing" if value is None else f"{repr(value)[:LONGEST_SHOWN]} is {problem}")


def _decimal(value: Any) -> Decimal | None:
    """A finite number, however it is written; doubles as they are shown, which is as they were meant."""
    if isinstance(value, Decimal128):
        found = value.to_decimal()
    elif isinstance(value, str | int | float) and not isinstance(value, bool):
        try:
            found = Decimal(str(value).strip())
        except InvalidOperation:
            return None
    else:
        return None
    return found if found.is_finite() and abs(found) < 10**14 else None


def stored(amount: Decimal) -> Decimal128:
    """An amount in whole cents as orders keep it."""
    return from_cents(int(amount * 100))


def names_beside(known: frozenset[str], document: Document) -> set[str]:
    """The fields of a document that are none of these."""
    return {str(name) for name in document if name not in known}
