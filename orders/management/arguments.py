"""The arguments of commands: how they are parsed, the files that they name, and asking for confirmation."""

import getpass
import os
import re
import sys
from argparse import ArgumentTypeError
from collections.abc import Iterable, Sequence
from contextlib import nullcontext, suppress
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

from bson import ObjectId
from django.core.management.base import CommandError

from orders.management.order_command import USAGE
from orders.services import identifiers
from orders.services.days import day_bounds, zone
from orders.services.lifecycle.erasing_many import Customer, customer_typed
from orders.services.order_queries import InvalidOrderQuery, Meanings, OrderKeys
from orders.services.searching import meanings_of
from orders.services.text_rules import line_problem

UNITS = {"s": 1, "m": 60, "h": 3600, "d": 86_400, "w": 7 * 86_400}
LONGEST_AGE = 36_500 * 86_400
"""Seconds."""
MOST_DIGITS = 18
"""Of a number that a database stores."""
MOST_PROBLEMS = 100
SHOWN_PROBLEMS = 10
COMMENT = re.compile(r"(?:^|(?<=\s))#(?:\s.*)?$", re.DOTALL)
"""In a file of orders. `#1042` is none: so some shops write the number of an order."""


def positive(text: str) -> int:
    """A whole number of 1 or more."""
    if not text.isdecimal() or len(text) > MOST_DIGITS or int(text) < 1:
        raise ArgumentTypeError(f"{text!r} is not a whole number of 1 or more, of at most {MOST_DIGITS} digits")
    return int(text)


def object_id(text: str) -> ObjectId:
    """An id, of a run for example."""
    if found := identifiers.object_id(text):
        return found
    raise ArgumentTypeError(f"{text!r} is not an id (24 hex digits)")


def user_id(text: str) -> str:
    """A user's id, in its one spelling."""
    try:
        return identifiers.user_typed(text)
    except identifiers.MalformedUserId as error:
        raise ArgumentTypeError(f"{text!r} is not a user id. {error.detail}") from error


def customer(text: str) -> Customer:
    """A customer, by user id or by e-mail address."""
    try:
        return customer_typed(text)
    except identifiers.MalformedUserId as error:
        raise ArgumentTypeError(f"{text!r} is neither a user id nor an e-mail address. {error.detail}") from error


def product_id(text: str) -> str:
    """A product's id."""
    if found := identifiers.object_id(text):
        return str(found)
    raise ArgumentTypeError(f"{text!r} is not a product id (24 hex digits)")


def search(text: str) -> Meanings:
    """What orders are searched by, as in the backoffice."""
    try:
        return meanings_of(text)
    except InvalidOrderQuery as error:
        raise ArgumentTypeError(error.detail) from error


def age(text: str) -> timedelta:
    """A length of time: a whole number and a unit, e.g. `3d`."""
    found = re.fullmatch(r"([0-9]{1,9})([smhdw])", text)
    seconds = int(found[1]) * UNITS[found[2]] if found else None
    if seconds is None or seconds > LONGEST_AGE:
        raise ArgumentTypeError(f"{text!r} is not an age: give a number and s, m, h, d or w, e.g. 12h or 3d")
    return timedelta(seconds=seconds)


def beginning(text: str) -> datetime:
    """A moment, or the beginning of a day, e.g. `2026-03-01` or `2026-03-01T12:00`; of TIME_ZONE if none is given."""
    return _bounds(text)[0]


def end(text: str) -> datetime:
    """A moment, or the end of a day."""
    return _bounds(text)[1]


def _bounds(text: str) -> tuple[datetime, datetime]:
    """The bounds of a day, or twice the moment."""
    with suppress(ValueError):
        return day_bounds(date.fromisoformat(text))
    try:
        moment = datetime.fromisoformat(text)
        moment = (moment if moment.tzinfo else moment.replace(tzinfo=zone())).astimezone(UTC)
    except (ValueError, OverflowError) as error:
        raise ArgumentTypeError(f"{text!r} is not a date or time, e.g. 2026-03-01 or 2026-03-01T12:00") from error
    return moment, moment


def order_key(text: str) -> ObjectId | str:
    """An order's id, or its number as people write it.

    :raises ArgumentTypeError:
    """
    if found := identifiers.order_typed(text):
        return found
    raise ArgumentTypeError(f"{text!r} is neither an order id (24 hex digits) nor an order number")


def order_keys(lines: Iterable[str]) -> tuple[OrderKeys, list[str]]:
    """Ids or numbers of orders, one a line; blank lines are left out, and comments, which begin with `#` and a blank.

    :returns: the keys, and what is wrong, naming the line; of a file that is something else just the first hundred.
    """
    keys = OrderKeys()
    problems: list[str] = []
    for number, line in enumerate(lines, start=1):
        if text := COMMENT.sub("", line).strip():
            try:
                keys.add(order_key(text))
            except ArgumentTypeError as error:
                problems.append(f"line {number}: {error}")
        if len(problems) == MOST_PROBLEMS:
            break
    return keys, problems


def order_keys_from(name: str) -> OrderKeys:
    """Read such a file; `-` is the standard input. :raises CommandError: it cannot be read, or has bad lines."""
    try:
        with nullcontext(sys.stdin) if name == "-" else Path(name).open(encoding="utf-8") as file:
            keys, problems = order_keys(file)
    except (OSError, UnicodeDecodeError) as error:
        raise CommandError(f"{name} cannot be read: {error}", returncode=USAGE) from error
    if problems:
        raise CommandError(bad_lines(name, problems), returncode=USAGE)
    return keys


def bad_lines(name: str, problems: Sequence[str]) -> str:
    """What an operator is told of a file with these problems, each of which names its line."""
    more = "\n… and more" if len(problems) > SHOWN_PROBLEMS else ""
    listed = "\n".join(problems[:SHOWN_PROBLEMS])
    return f"{name} has bad lines, nothing was done:\n{listed}{more}"


def report_problem(report: Path | None) -> str:
    """What is wrong with the name of a report; empty if it will do."""
    if report and (report.suffix not in (".csv", ".json") or not os.path.isdir(report.absolute().parent)):
        return f"--report {report}: give a .csv or .json file in a directory that exists"
    return ""


def confirmed(question: str) -> bool:
    """Ask the operator; where nobody can answer, the answer is no."""
    try:
        return input(f"{question} [y/N] ").strip().lower() in ("y", "yes")
    except EOFError:
        return False


def readable(text: str) -> str:
    """A line of text, without spaces around it."""
    if line_problem(text):
        raise ArgumentTypeError("it must be readable text")
    return text.strip()


def actor_name() -> str:
    """The login of the person who runs the command on this machine, for the history."""
    try:
        return getpass.getuser()
    except (KeyError, OSError):
        return "operator"
