"""What the backoffice says in words: moments, people, stock, and what a transition will do."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

from django.utils.timesince import timesince

from orders.models import Edge, Item, LineState, Stock, StockCall, StockEffect, edges_from, stock_effect

KINDS = {"system": "process"}
WAYS = {"api": "the storefront’s API", "admin": "the backoffice", "command": "a command", "worker": "the worker"}

ACTS = {
    "draft": "Draft made",
    "import": "Imported",
    "place": "Placed",
    "reject": "Turned away",
    "pay": "Paid",
    "start_processing": "Processing started",
    "ship": "Shipped",
    "deliver": "Delivered",
    "cancel": "Cancelled",
    "refund": "Refunded",
    "change_address": "Address changed",
    "note": "Internal note",
    "retry": "Asked to try the stock again",
    "accept_shortage": "Taken note of a short release",
    "verify_user": "Customer verified",
}
DOING = {"cancel": "Cancelling", "refund": "Refunding", "ship": "Shipping"}

STOCK = {
    LineState.NONE: "No stock held",
    LineState.RESERVING: "Being reserved",
    LineState.RESERVED: "Reserved",
    LineState.USED: "Used: it has left",
    LineState.RELEASING: "Being released",
    LineState.RELEASED: "Released",
}
UNKNOWN = {
    StockCall.RESERVE: "Nobody knows whether it was reserved",
    StockCall.RELEASE: "Nobody knows whether it was released",
}


@dataclass(frozen=True)
class Moment:
    """A moment as people say it, as clocks say it, and for machines."""

    ago: str
    exact: str
    iso: str


def moment(at: datetime, now: datetime) -> Moment:
    """:param at: aware; :param now: aware."""
    at = at.astimezone(UTC)
    seconds = (now - at).total_seconds()
    ago = "just now" if seconds < 60 else f"{timesince(at, now, depth=1)} ago".replace("\xa0", " ")
    return Moment(ago, f"{at:%Y-%m-%d %H:%M:%S} UTC", at.isoformat(timespec="seconds"))


def person(label: str) -> str:
    """An actor's label for people: `staff:maria` is `staff maria`."""
    kind, _, name = label.partition(":")
    return f"{KINDS.get(kind, kind)} {name}".strip()


def act(name: str) -> str:
    """What was done, e.g. `Processing started`."""
    return ACTS.get(name, name.replace("_", " ").capitalize())


def count(number: int, what: str) -> str:
    """`1 unit`, `3 units`."""
    return f"{number} {what}{'' if number == 1 else 's'}"


def stock(known: Stock) -> str:
    """What is known of a line's stock, in a few words."""
    if known.state == LineState.UNKNOWN:
        return UNKNOWN[StockCall(known.call or StockCall.RESERVE)]
    return STOCK[LineState(known.state)]


def stock_details(known: Stock) -> list[str]:
    """What else staff should know of a line's stock."""
    told = []
    if known.call:
        told.append(f"Tried {'once' if known.attempts == 1 else f'{known.attempts} times'} so far")
    if known.discrepancy:
        told.append(f"{count(known.discrepancy, 'unit')} not given back by inventory")
    if known.error:
        told.append(f"Inventory: {known.error}")
    return told


def consequence(edge: Edge, items: Sequence[Item]) -> str:
    """What a transition will do to this order, and whether there is a way back."""
    doing = DOING.get(edge.name, edge.label)
    held = [item for item in items if item.stock.state == LineState.RESERVED]
    units = count(sum(item.quantity for item in held), "unit")
    match stock_effect(edge.name):
        case StockEffect.RELEASE if held:
            told = f"{doing} releases {units} of {count(len({item.product_id for item in held}), 'product')}."
        case StockEffect.RELEASE if any(item.stock.state == LineState.USED for item in items):
            told = f"{doing} releases nothing: the goods have left."
        case StockEffect.RELEASE:
            told = f"{doing} releases nothing: no stock is held for this order."
        case StockEffect.USE if held:
            made = "makes 1 unit" if units == "1 unit" else f"makes {units}"
            told = f"{doing} {made} used: nothing can be released afterwards."
        case StockEffect.USE:
            told = f"{doing} uses no stock: none is held for this order."
        case _:
            told = f"{edge.doc} Its stock stays as it is."
    return told if edges_from(edge.target) else f"{told} It cannot be undone."
