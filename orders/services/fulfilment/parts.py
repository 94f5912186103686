"""Parts of an order, as somebody names them: lines by their index, from 0, each with so many units of it."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from operator import attrgetter
from typing import TYPE_CHECKING

from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, ngettext

from orders.models import Item, Order
from orders.services.errors import OrderError, RefusalKind
from orders.storage.line_stock import LinePart

if TYPE_CHECKING:
    from django_stubs_ext import StrOrPromise

MOST_LINES = 1000
"""Lines that splitting leaves an order with at most: with its history, it must not outgrow a document of MongoDB."""
LONGEST_DESCRIPTION = 1000


@dataclass(frozen=True)
class LineRequest:
    """Units of a line; `quantity` None: all of it that is left."""

    line: int
    quantity: int | None = None


@dataclass(frozen=True)
class Ineligible:
    """What is said where lines are not eligible.

    :ivar order: no line of the order is.
    :ivar lines: the same, beside the field.
    :ivar line: one of them is not, by its index, `line`.
    """

    order: "StrOrPromise"
    lines: "StrOrPromise"
    line: "StrOrPromise"


NOT_OPEN = Ineligible(
    gettext_lazy("No item of this order is open."),
    gettext_lazy("None is open."),
    gettext_lazy("Line %(line)d is not open."),
)


class InvalidLines(OrderError):
    """The lines cannot be meant; `errors` says which, by its place in the request."""

    code = "invalid_lines"
    kind = RefusalKind.INVALID


class LinesNotAvailable(OrderError):
    """A line has not so many units for what is asked; `errors` says which, by its place in the request."""

    code = "lines_not_available"
    kind = RefusalKind.CONFLICT


def parts_of(
    order: Order,
    asked: Sequence[LineRequest] | None,
    *,
    eligible: Callable[[Item], bool],
    told: Ineligible,
    splits: bool = True,
) -> list[LinePart]:
    """The parts that are meant, of those that are eligible; None for all of these.

    :param told: what is said where a line is not eligible.
    :param splits: whether a part that is less than its line is to become a line.
    :raises InvalidLines, LinesNotAvailable:
    """
    if asked is None:
        asked = [LineRequest(index) for index, item in enumerate(order.items) if eligible(item)]
        if not asked:
            raise LinesNotAvailable(str(told.order), errors={"lines": [str(told.lines)]})
    _require_meaning(order, asked)
    errors = {
        f"lines.{place}.{name}": [problem]
        for place, line in enumerate(asked)
        for name, problem in _unavailable(order.items[line.line], line, eligible, told)
    }
    if errors:
        raise LinesNotAvailable(" ".join(problem for found in errors.values() for problem in found), errors=errors)
    parts = [_part(order.items[line.line], line) for line in asked]
    if splits and len(order.items) + sum(not part.is_whole for part in parts) > max(MOST_LINES, len(order.items)):
        problem = _("This order has %(lines)d lines, too many to split them further. Name whole lines.") % {
            "lines": len(order.items)
        }
        raise LinesNotAvailable(problem, errors={"lines": [problem]})
    return parts


def _require_meaning(order: Order, asked: Sequence[LineRequest]) -> None:
    errors, seen = {}, set()
    for place, line in enumerate(asked):
        if not 0 <= line.line < len(order.items):
            problem = _("There is no such line: they count from 0 to %(last)d.") % {"last": len(order.items) - 1}
            errors[f"lines.{place}.line"] = [problem]
        elif line.line in seen:
            errors[f"lines.{place}.line"] = [_("This line is named twice.")]
        elif line.quantity is not None and line.quantity < 1:
            errors[f"lines.{place}.quantity"] = [
                _("Give a quantity of 1 or more, or leave it out for all of the line.")
            ]
        seen.add(line.line)
    if not asked:
        errors["lines"] = [_("Name a line at least, or leave `lines` out for all.")]
    if errors:
        raise InvalidLines(_("Check the lines."), errors=errors)


def _unavailable(
    item: Item, line: LineRequest, eligible: Callable[[Item], bool], told: Ineligible
) -> list[tuple[str, str]]:
    if not eligible(item):
        return [("line", told.line % {"line": line.line})]
    if line.quantity is not None and line.quantity > item.quantity:
        problem = ngettext("Line %(line)d has %(units)d unit.", "Line %(line)d has %(units)d units.", item.quantity)
        return [("quantity", problem % {"line": line.line, "units": item.quantity})]
    return []


def _part(item: Item, line: LineRequest) -> LinePart:
    return LinePart(line.line, line.quantity or item.quantity, item.quantity, item.stock.state)


is_open: Callable[[Item], bool] = attrgetter("is_open")


def open_parts(order: Order, asked: Sequence[LineRequest] | None) -> list[LinePart]:
    """The parts that are meant, of what can still be shipped or cancelled; None for all of it.

    :raises InvalidLines, LinesNotAvailable:
    """
    return parts_of(order, asked, eligible=is_open, told=NOT_OPEN)


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
