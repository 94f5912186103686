"""What the commands share in reading their arguments and asking back."""

import getpass
from argparse import ArgumentTypeError

from bson import ObjectId
from bson.errors import InvalidId


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
