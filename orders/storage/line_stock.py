"""The stock of an order's lines in a write: what it says of them, and what it requires of them (guards)."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from orders.models import DUE_STATES, Document, LineState, Status, StockCall, StockEffect
from orders.storage import leases
from orders.storage.database import Expression, from_now, literal


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


# --- expressions -----------------------------------------------------------------------------------------------------


def lines_by_index(changed: Mapping[int, LineStock]) -> Expression:
    """The items, with the stock of some of them, by index, replaced."""
    if not changed:
        return "$items"
    # $switch keeps the expression as large as what changes, and the array as long as it is.
    branches = [
        {"case": {"$eq": ["$$index", index]}, "then": {"$mergeObjects": ["$$line", {"stock": stock.expression()}]}}
        for index, stock in changed.items()
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
    return _reserved_lines(LineStock(LineState.RELEASING, StockCall.RELEASE, attempt, lease, attempts=1))


def lines_used() -> Expression:
    """The items, with every reserved line used: it has been shipped."""
    return _reserved_lines(LineStock(LineState.USED))


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
