"""Parts of an order, as somebody names them: lines by their index, from 0, each with so many units of it."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from operator import attrgetter

from orders.models import Item, Order
from orders.services.errors import OrderError
from orders.storage.line_stock import LinePart

MOST_LINES = 1000
"""Lines that splitting leaves an order with at most: with its history, it must not outgrow a document of MongoDB."""
LONGEST_DESCRIPTION = 1000


@dataclass(frozen=True)
class LineRequest:
    """Units of a line; `quantity` None: all of it that is left."""

    line: int
    quantity: int | None = None


class InvalidLines(OrderError):
    """The lines cannot be meant; `errors` says which, by its place in the request."""

    code = "invalid_lines"


class LinesNotAvailable(OrderError):
    """A line has not so many units for what is asked; `errors` says which, by its place in the request."""

    code = "lines_not_available"


def parts_of(
    order: Order,
    asked: Sequence[LineRequest] | None,
    *,
    eligible: Callable[[Item], bool],
    what: str,
    splits: bool = True,
) -> list[LinePart]:
    """The parts that are meant, of those that are eligible; None for all of these.

    :param what: eligible lines in words, e.g. `open`.
    :param splits: whether a part that is less than its line is to become a line.
    :raises InvalidLines, LinesNotAvailable:
    """
    if asked is None:
        asked = [LineRequest(index) for index, item in enumerate(order.items) if eligible(item)]
        if not asked:
            raise LinesNotAvailable(f"No item of this order is {what}.", errors={"lines": [f"None is {what}."]})
    _require_meaning(order, asked)
    errors = {
        f"lines.{place}.{name}": [problem]
        for place, line in enumerate(asked)
        for name, problem in _unavailable(order.items[line.line], line, eligible, what)
    }
    if errors:
        raise LinesNotAvailable(" ".join(problem for found in errors.values() for problem in found), errors=errors)
    parts = [_part(order.items[line.line], line) for line in asked]
    if splits and len(order.items) + sum(not part.is_whole for part in parts) > max(MOST_LINES, len(order.items)):
        problem = f"This order has {len(order.items)} lines, too many to split them further. Name whole lines."
        raise LinesNotAvailable(problem, errors={"lines": [problem]})
    return parts


def _require_meaning(order: Order, asked: Sequence[LineRequest]) -> None:
    errors, seen = {}, set()
    for place, line in enumerate(asked):
        if not 0 <= line.line < len(order.items):
            errors[f"lines.{place}.line"] = [f"There is no such line: they count from 0 to {len(order.items) - 1}."]
        elif line.line in seen:
            errors[f"lines.{place}.line"] = ["This line is named twice."]
        elif line.quantity is not None and line.quantity < 1:
            errors[f"lines.{place}.quantity"] = ["Give a quantity of 1 or more, or leave it out for all of the line."]
        seen.add(line.line)
    if not asked:
        errors["lines"] = ["Name a line at least, or leave `lines` out for all."]
    if errors:
        raise InvalidLines("Check the lines.", errors=errors)


def _unavailable(item: Item, line: LineRequest, eligible: Callable[[Item], bool], what: str) -> list[tuple[str, str]]:
    if not eligible(item):
        return [("line", f"Line {line.line} is not {what}.")]
    if line.quantity is not None and line.quantity > item.quantity:
        return [("quantity", f"Line {line.line} has {item.quantity} units.")]
    return []


def _part(item: Item, line: LineRequest) -> LinePart:
    return LinePart(line.line, line.quantity or item.quantity, item.quantity, item.stock.state)


is_open: Callable[[Item], bool] = attrgetter("is_open")


def open_parts(order: Order, asked: Sequence[LineRequest] | None) -> list[LinePart]:
    """The parts that are meant, of what can still be shipped or cancelled; None for all of it.

    :raises InvalidLines, LinesNotAvailable:
    """
    return parts_of(order, asked, eligible=is_open, what="open")


def leaves_open(order: Order, parts: Sequence[LinePart]) -> bool:
    """Whether anything is open beside these parts."""
    taken = {part.line for part in parts if part.is_whole}
    return any(item.is_open and index not in taken for index, item in enumerate(order.items))


def described(order: Order, parts: Sequence[LinePart]) -> str:
    """The parts in words: how many of what, in LONGEST_DESCRIPTION characters at most."""
    named = ((part, order.items[part.line]) for part in parts)
    text = ", ".join(f"{part.quantity} × {item.name or item.product_id}" for part, item in named)
    return text if len(text) <= LONGEST_DESCRIPTION else f"{text[: LONGEST_DESCRIPTION - 1]}…"


def request_of(asked: Sequence[LineRequest] | None) -> list[list[int | None]] | None:
    """What tells one request from another, JSON-ready."""
    return None if asked is None else [[line.line, line.quantity] for line in asked]
