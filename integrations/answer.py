"""What a peer answered, and what can be read from it."""

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal
from itertools import accumulate
from typing import Any, NoReturn

MAX_DETAIL = 200  # characters of foreign text in a message or a log line
MAX_DEPTH = 50
"""Of objects and lists in one another. Where Python itself gives up depends on how deep the caller is in the stack."""
_NO_BRACKETS = bytes(set(range(256)) - set(b"[]{}"))


class Unexpected(ValueError):
    """A complete answer that does not say what it should."""


@dataclass(frozen=True, slots=True)
class Answer:
    """A complete answer; the names of its headers ignore case. Only that of a 2xx is sure to have its body."""

    status: int
    headers: Mapping[str, str]
    body: bytes

    @property
    def succeeded(self) -> bool:
        """Tell whether the status is a 2xx."""
        return 200 <= self.status < 300

    def json(self) -> Any:
        """Return the body, its fractional numbers as Decimal, so that no price ever passes through a float.

        :raises Unexpected: if it is not JSON (NaN and Infinity are not, RFC 8259 section 6), holds a number that Python
            cannot hold, or has a name twice in an object: other readers may use the other value.
        """
        if _depth(self.body) > MAX_DEPTH:
            raise Unexpected("answered JSON that is nested too deeply")
        try:
            return json.loads(
                self.body, parse_float=Decimal, parse_constant=_no_constant, object_pairs_hook=_unambiguous
            )
        except (ValueError, ArithmeticError, RecursionError) as error:
            raise Unexpected("answered something that is not JSON") from error

    def json_object(self) -> dict[str, Any]:
        """Return the body as :meth:`json` does. :raises Unexpected: also if it is not a JSON object."""
        found = self.json()
        if not isinstance(found, dict):
            raise Unexpected("answered JSON that is not an object")
        return found

    def detail(self) -> str:
        """Return the peer's `detail` or `message`, else the start of the body: one line of 200 characters."""
        try:
            body = self.json_object()
        except Unexpected:
            return self._start()
        said = body.get("detail") or body.get("message") or ""
        return one_line(said) if isinstance(said, str) else self._start()

    def _start(self) -> str:
        return one_line(self.body[: 4 * MAX_DETAIL].decode("utf-8", "replace"))


def text_in(body: Mapping[str, Any], name: str) -> str:
    """Return the member `name` of an answer if it is text; empty if it is missing or of another kind."""
    found = body.get(name)
    return found if isinstance(found, str) else ""


def count_in(body: Mapping[str, Any], name: str) -> int | None:
    """Return the member `name` of an answer if it is a number of units; else None."""
    found = body.get(name)
    return found if isinstance(found, int) and not isinstance(found, bool) and found >= 0 else None


def price_in(body: Mapping[str, Any], name: str) -> Decimal:
    """Return the member `name` of an answer, a price as a JSON number or as a decimal string ("19.99").

    :raises Unexpected: if it is not one.
    """
    found = body.get(name)
    written = isinstance(found, str) and re.fullmatch(r"[0-9]{1,12}(\.[0-9]{1,12})?", found)
    number = isinstance(found, int | Decimal) and not isinstance(found, bool)
    if not (written or number):
        raise Unexpected(f"answered something unexpected: no price in `{name}`")
    return Decimal(found)  # type: ignore[arg-type]


def one_line(text: str) -> str:
    """Return at most 200 characters of `text`, with a space for each that is not printable."""
    return "".join(char if char.isprintable() else " " for char in text[:MAX_DETAIL]).strip()


def _no_constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is not JSON")


def _depth(body: bytes) -> int:
    """Return how many brackets are open at once; those inside strings are counted as well."""
    brackets = body.translate(None, _NO_BRACKETS)
    return max(accumulate(1 if bracket in b"[{" else -1 for bracket in brackets), default=0)


def _unambiguous(members: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(members)
    if len(found) < len(members):
        raise ValueError("an object has a name twice")
    return found
