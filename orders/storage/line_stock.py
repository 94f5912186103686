"""The stock of an order's lines in a write: what it says of them, and what it requires of them (guards).

A line in flight never changes its quantity. A part of a line that is at rest becomes a line of its own, at the end, and
lives by the same states: so each call for stock keeps a key that no other has.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from orders.models import DUE_STATES, OPEN_STATES_OF_LINES, Document, LineState, Status, StockCall, StockEffect
from orders.storage import leases
from orders.storage.database import Expression, from_now, literal
from orders.storage.parcels import SHIPMENTS


@dataclass(frozen=True)
class LineStock:
    """What a write says of one line's stock.

    :ivar call: the call that is owed or whose outcome is unknown, see :class:`StockCall`.
    :ivar attempt: id of the attempt that holds the line; it ends `lease` seconds from the write, by mongod's clock.
    :ivar attempts: how many times the call has been tried.
    :ivar discrepancy: units that inventory did not release although asked to.
    """

    state: str
    call: str | None = None
    attempt: str | None = None
    lease: float = 0.0
    attempts: int = 0
    error: str = ""
    discrepancy: int | None = None

    def expression(self) -> Document:
        """The stock subdocument, as an aggregation expression."""
        value: Document = {"state": self.state, "attempts": self.attempts, "error": literal(self.error[:500])}
        if self.call:
            value["call"] = self.call
        if self.attempt:
            value["attempt"] = leases.attempt(self.attempt, self.lease)
        if self.discrepancy is not None:
            value["discrepancy"] = self.discrepancy
        return value


@dataclass(frozen=True)
class LinePart:
    """Some units of a line, by its index, which has `of` units and this state."""

    line: int
    quantity: int
    of: int
    state: str

    @property
    def is_whole(self) -> bool:
        return self.quantity == self.of


# --- guards ----------------------------------------------------------------------------------------------------------

NOT_RESERVING: Document = {"items.stock.state": {"$ne": LineState.RESERVING.value}}
"""No line's reservation is still open."""


def held_by(attempt: str, lines: Iterable[int]) -> Document:
    """These lines, by index, are all under this attempt."""
    return {f"items.{line}.stock.attempt.id": attempt for line in lines}


def as_seen(stocks: Mapping[int, Document]) -> Document:
    """These lines, by index, still have the stock that was read: state, call, number of attempts, and attempt."""
    guard: Document = {}
    for line, stock in stocks.items():
        path = f"items.{line}.stock"
        guard |= {f"{path}.{name}": stock[name] for name in ("state", "call", "attempts")}
        # Not "attempt: None", which always matches: MongoDB also looks for a field by the name of the index in each
        # element, finds none, and takes that for null.
        held = stock.get("attempt")
        guard |= {f"{path}.attempt": held} if held else {f"{path}.attempt.id": {"$exists": False}}
    return guard


def as_counted(parts: Iterable[LinePart]) -> Document:
    """These lines still have the units and the state of stock that were read."""
    guard: Document = {}
    for part in parts:
        guard |= {f"items.{part.line}.quantity": part.of, f"items.{part.line}.stock.state": part.state}
    return guard


# --- expressions -----------------------------------------------------------------------------------------------------


def lines_by_index(changed: Mapping[int, LineStock]) -> Expression:
    """The items, with the stock of some of them, by index, replaced."""
    return _lines_with({index: {"stock": stock.expression()} for index, stock in changed.items()})


def parts_taken(parts: Sequence[LinePart], members: Document, becoming: Mapping[str, LineStock]) -> Expression:
    """The items, with some units of some lines changed; what remains of such a line stays as it is.

    :param members: what the changed units get, as expressions.
    :param becoming: their stock, by the state that it was in; others keep that of their line.
    """
    stocks = {state: {"stock": stock.expression()} for state, stock in becoming.items()}
    whole = {part.line: members | stocks.get(part.state, {}) for part in parts if part.is_whole}
    rest = {part.line: {"quantity": part.of - part.quantity} for part in parts if not part.is_whole}
    split = [
        {
            "$mergeObjects": [
                {"$arrayElemAt": ["$items", part.line]},
                {"quantity": part.quantity, "split_from": part.line, **members, **stocks.get(part.state, {})},
            ]
        }
        for part in parts
        if not part.is_whole
    ]
    items = _lines_with(whole | rest)
    return {"$concatArrays": [items, split]} if split else items


def _lines_with(changed: Mapping[int, Document]) -> Expression:
    """The items, with members of some of them, by index, replaced by the values of expressions."""
    if not changed:
        return "$items"
    # $switch keeps the expression as large as what changes, and the array as long as it is.
    branches = [
        {"case": {"$eq": ["$$index", index]}, "then": {"$mergeObjects": ["$$line", members]}}
        for index, members in changed.items()
    ]
    line = {
        "$let": {
            "vars": {"line": {"$arrayElemAt": ["$items", "$$index"]}},
            "in": {"$switch": {"branches": branches, "default": "$$line"}},
        }
    }
    return {"$map": {"input": {"$range": [0, {"$size": "$items"}]}, "as": "index", "in": line}}


def lines_after(effect: StockEffect, attempt: str, lease: float) -> Expression:
    """The items as a transition leaves them; None where it leaves them as they are.

    :param attempt: under which reserved lines are to be released, for `lease` seconds.
    """
    match effect:
        case StockEffect.RELEASE:
            return lines_released(attempt, lease)
        case StockEffect.USE:
            return lines_used()
        case _:
            return None


def lines_released(attempt: str, lease: float) -> Expression:
    """The items, with every reserved line on its way to being released under one attempt."""
    return _reserved_lines(releasing(attempt, lease))


def lines_let_go() -> Expression:
    """The items, with every reserved line released: by another service, so that nobody is to call for it."""
    return _reserved_lines(LineStock(LineState.RELEASED))


def releasing(attempt: str, lease: float) -> LineStock:
    """The stock of a line that is about to be released."""
    return LineStock(LineState.RELEASING, StockCall.RELEASE, attempt, lease, attempts=1)


def lines_used() -> Expression:
    """The items as they are once all that was open has been shipped, in one more shipment: reserved lines are used."""
    reserved = {"$eq": ["$$line.stock.state", LineState.RESERVED.value]}
    used = {"$cond": [reserved, {"stock": LineStock(LineState.USED).expression()}, {}]}
    shipped = {"$mergeObjects": ["$$line", {"shipment": {"$size": SHIPMENTS}}, used]}
    return {"$map": {"input": "$items", "as": "line", "in": {"$cond": [_OPEN, shipped, "$$line"]}}}


_OPEN: Document = {
    "$and": [
        {"$in": ["$$line.stock.state", list(OPEN_STATES_OF_LINES)]},
        {"$eq": [{"$ifNull": ["$$line.shipment", None]}, None]},
        {"$eq": [{"$ifNull": ["$$line.removed", None]}, None]},
    ]
}
"""See `Item.is_open`."""


def _reserved_lines(becoming: LineStock) -> Expression:
    reserved = {"$eq": ["$$line.stock.state", LineState.RESERVED.value]}
    changed = {"$mergeObjects": ["$$line", {"stock": becoming.expression()}]}
    return {"$map": {"input": "$items", "as": "line", "in": {"$cond": [reserved, changed, "$$line"]}}}


def due_stage(retry_after: float) -> Document:
    """Derive `stock_due_at` from the lines: the earliest moment at which one of them needs a worker.

    A line under an attempt is due when its lease ends, one without after `retry_after` seconds. A draft is always
    due: a worker rejects it. When nothing is due the field is absent.
    """
    owed = {"$filter": {"input": "$items", "as": "line", "cond": {"$in": ["$$line.stock.state", list(DUE_STATES)]}}}
    later = from_now(retry_after)
    moments = {"$map": {"input": owed, "as": "line", "in": {"$ifNull": ["$$line.stock.attempt.until", later]}}}
    draft = {"$eq": ["$status", Status.PLACING.value]}
    return {"$set": {"stock_due_at": {"$ifNull": [{"$min": moments}, {"$cond": [draft, later, "$$REMOVE"]}]}}}
