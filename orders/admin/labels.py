"""What the backoffice says in words: moments, people, stock, and what a transition will do."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from django.utils.timesince import timesince
from django.utils.translation import gettext_lazy

from orders.admin.local_formats import ago, exact
from orders.models import (
    Address,
    Contact,
    Edge,
    Item,
    LineState,
    Stock,
    StockCall,
    StockEffect,
    edges_from,
    stock_effect,
)

KINDS = {"staff": "", "system": "process"}
WAYS = {
    "api": "through the storefront’s API", "admin": "in the backoffice", "command": "on the command line",
    "worker": "in the worker",
}  # fmt: skip

ACTS = {
    "draft": "Draft created",
    "import": "Imported",
    "place": "Order placed",
    "reject": "Rejected",
    "pay": "Paid",
    "start_processing": "Processing started",
    "ship": "Shipped",
    "deliver": "Delivered",
    "cancel": "Cancelled",
    "refund": "Refunded",
    "change_address": "Address changed",
    "note": "Internal note",
    "erase": "Personal data erased",
    "retry": "Stock retry requested",
    "accept_shortage": "Short release acknowledged",
    "verify_user": "Customer verified",
    "ship_part": "Parcel shipped",
    "cancel_part": "Items cancelled",
    "refund_part": "Partly refunded",
    "open_return": "Return opened",
    "receive_return": "Return received",
    "track": "Tracking changed",
    "hold": "Put on hold",
    "lift_hold": "Hold lifted",
    "snooze": gettext_lazy("Snoozed"),
    "wake": gettext_lazy("Woken up"),
    "assign": gettext_lazy("Assigned"),
    "unassign": gettext_lazy("Unassigned"),
    "tag": gettext_lazy("Tagged"),
    "untag": gettext_lazy("Tag removed"),
}
RECORDS = {
    "pay": "Records the payment.",
    "start_processing": "Records that the order is being prepared.",
    "deliver": "Records the delivery.",
}

STOCK = {
    LineState.NONE: "Not reserved",
    LineState.RESERVING: "Being reserved",
    LineState.RESERVED: "Reserved",
    LineState.USED: "Shipped",
    LineState.RELEASING: "Being released",
    LineState.RELEASED: "Released",
}
UNKNOWN = {
    StockCall.RESERVE: "Reservation not confirmed",
    StockCall.RELEASE: "Release not confirmed",
}
SETTLED: dict[str, str] = {
    LineState.NONE: "stock not reserved",
    LineState.RESERVED: "stock reserved",
    LineState.RELEASING: "stock to be released",
    LineState.RELEASED: "stock released",
    LineState.UNKNOWN: "stock could not be confirmed",
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
    return Moment(ago(at, now), exact(at), at.isoformat(timespec="seconds"))


def aware(moment: datetime) -> datetime:
    """A moment as the database tells it, which is UTC."""
    return moment.replace(tzinfo=UTC)


def person(label: str) -> str:
    """An actor's label for people: `staff:maria` is `maria`, `customer:17` is `customer 17`."""
    kind, _, name = label.partition(":")
    return f"{KINDS.get(kind, kind)} {name}".strip()


def act(name: str) -> str:
    """What was done, e.g. `Processing started`."""
    return str(ACTS.get(name, name.replace("_", " ").capitalize()))


def address_lines(address: Address, contact: Contact) -> list[str]:
    """An address as it is written on a parcel; where it names nobody, it is the contact's."""
    named = [address.name, address.company]
    town = f"{address.postal_code} {address.city}"
    lines = [*(named if any(named) else [contact.name]), address.line1, address.line2, town, address.state]
    return [line.strip() for line in [*lines, address.country] if line and line.strip()]


def count(number: int, what: str) -> str:
    """`1 unit`, `3 units`."""
    return f"{number} {what}{'' if number == 1 else 's'}"


def span(seconds: int) -> str:
    """`2 days`, `1 hour`."""
    now = datetime.now(UTC)
    return timesince(now - timedelta(seconds=seconds), now, depth=1).replace("\xa0", " ")


def settled(state: str) -> str:
    """What became of a line's stock, e.g. `stock released`."""
    return SETTLED.get(state, state)


def stock(known: Stock) -> str:
    """What is known of a line's stock, in a few words."""
    if known.state == LineState.UNKNOWN:
        return UNKNOWN[StockCall(known.call or StockCall.RESERVE)]
    return STOCK[LineState(known.state)]


def stock_details(known: Stock) -> list[str]:
    """What else staff should know of a line's stock."""
    told = []
    if known.call:
        told.append(count(known.attempts, "attempt"))
    if known.discrepancy:
        told.append(f"{count(known.discrepancy, 'unit')} not returned to stock")
    if known.error:
        told.append(f"Inventory: {known.error}")
    return told


def consequence(edge: Edge, items: Sequence[Item], money: str = "") -> str:
    """What a transition will do to this order, and whether there is a way back.

    :param money: what it means for what was paid, as a sentence.
    """
    held = [item for item in items if item.stock.state == LineState.RESERVED]
    units = count(sum(item.quantity for item in held), "unit")
    match stock_effect(edge.name):
        case StockEffect.RELEASE if held:
            told = f"Releases {units} of {count(len({item.product_id for item in held}), 'product')}."
        case StockEffect.RELEASE if any(item.stock.state == LineState.USED for item in items):
            told = "Releases no stock: the goods have been shipped."
        case StockEffect.RELEASE:
            told = "Releases no stock: none is reserved for this order."
        case StockEffect.USE if held:
            return f"Deducts {units} from stock. This cannot be undone."
        case StockEffect.USE:
            told = "Deducts nothing from stock: none is reserved for this order."
        case _:
            told = f"{RECORDS.get(edge.name, edge.doc)}{' Stock stays reserved.' if held else ''}"
    told = f"{told} {money}".rstrip()
    return told if edges_from(edge.target) else f"{told} This cannot be undone."
