"""What the commands share in reading their arguments and asking back."""

import getpass
import re
from argparse import ArgumentTypeError
from datetime import UTC, datetime, time, timedelta

from bson import ObjectId
from bson.errors import InvalidId
from django.utils.dateparse import parse_date, parse_datetime


def positive(text: str) -> int:
    """A whole number of 1 or more."""
    if not text.isdecimal() or int(text) < 1:
        raise ArgumentTypeError(f"{text!r} is not a whole number of 1 or more")
    return int(text)


def object_id(text: str) -> ObjectId:
    """An order's id."""
    try:
        return ObjectId(text)
    except InvalidId as error:
        raise ArgumentTypeError(f"{text!r} is not an order id (24 hex digits)") from error


def moment(text: str) -> datetime:
    """A date, which means its beginning, or a datetime; in UTC where it names no zone. Aware."""
    try:
        if day := parse_date(text):
            return datetime.combine(day, time(), tzinfo=UTC)
        if found := parse_datetime(text):
            return (found if found.tzinfo else found.replace(tzinfo=UTC)).astimezone(UTC)
    except (ValueError, OverflowError):
        pass
    raise ArgumentTypeError(f"{text!r} is neither a date (2026-01-31) nor a datetime (2026-01-31T12:00:00Z)")


def age(text: str) -> timedelta:
    """A length of time, e.g. `30d`, `12h` or `90m`; at most 100 years."""
    units = {"m": timedelta(minutes=1), "h": timedelta(hours=1), "d": timedelta(days=1)}
    found = re.fullmatch(r"([0-9]{1,9})([mhd])", text)
    if not found or (length := int(found[1]) * units[found[2]]) > timedelta(days=36_525):
        raise ArgumentTypeError(f"{text!r} is no length of time like 30d, 12h or 90m")
    return length


def confirmed(question: str) -> bool:
    """Ask the operator; where nobody can answer, the answer is no."""
    try:
        return input(f"{question} [y/N] ").strip().lower() in ("y", "yes")
    except EOFError:
        return False


def actor_name() -> str:
    """The login of whoever runs the command on this machine, for the history."""
    try:
        return getpass.getuser()
    except (KeyError, OSError):
        return "operator"
