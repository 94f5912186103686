"""What the backoffice says in words: moments, people, stock, and what a transition will do."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from django.utils.functional import Promise
from django.utils.timesince import timesince
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, ngettext, npgettext

from orders.admin import local_formats
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
from orders.services.audit import REASON_CODES
from orders.services.stored_texts import for_reader

PEOPLE = {
    "staff": "%(name)s",
    "customer": gettext_lazy("customer %(name)s"),
    "service": gettext_lazy("service %(name)s"),
    "admin": gettext_lazy("admin %(name)s"),
    "system": gettext_lazy("process %(name)s"),
}
"""An actor by their kind, in the middle of a sentence or of a list."""
WAYS = {
    "api": gettext_lazy("through the storefront’s API"),
    "admin": gettext_lazy("in the backoffice"),
    "command": gettext_lazy("on the command line"),
    "worker": gettext_lazy("in the worker"),
}

ACTS = {
    "draft": gettext_lazy("Draft created"),
    "import": gettext_lazy("Imported"),
    "place": gettext_lazy("Order placed"),
    "reject": gettext_lazy("Rejected"),
    "pay": gettext_lazy("Paid"),
    "start_processing": gettext_lazy("Processing started"),
    "ship": gettext_lazy("Shipped"),
    "deliver": gettext_lazy("Delivered"),
    "cancel": gettext_lazy("Cancelled"),
    "refund": gettext_lazy("Refunded"),
    "change_address": gettext_lazy("Address changed"),
    "note": gettext_lazy("Internal note"),
    "erase": gettext_lazy("Personal data erased"),
    "retry": gettext_lazy("Stock retry requested"),
    "accept_shortage": gettext_lazy("Short release acknowledged"),
    "verify_user": gettext_lazy("Customer verified"),
    "ship_part": gettext_lazy("Parcel shipped"),
    "cancel_part": gettext_lazy("Items cancelled"),
    "refund_part": gettext_lazy("Partly refunded"),
    "open_return": gettext_lazy("Return opened"),
    "receive_return": gettext_lazy("Return received"),
    "track": gettext_lazy("Tracking changed"),
    "hold": gettext_lazy("Put on hold"),
    "lift_hold": gettext_lazy("Hold lifted"),
    "snooze": gettext_lazy("Snoozed"),
    "wake": gettext_lazy("Woken up"),
    "assign": gettext_lazy("Assigned"),
    "unassign": gettext_lazy("Unassigned"),
    "tag": gettext_lazy("Tagged"),
    "untag": gettext_lazy("Tag removed"),
}
RECORDS = {
    "pay": gettext_lazy("Records the payment."),
    "start_processing": gettext_lazy("Records that the order is being prepared."),
    "deliver": gettext_lazy("Records the delivery."),
}
STOCK = {
    LineState.NONE: gettext_lazy("Not reserved"),
    LineState.RESERVING: gettext_lazy("Being reserved"),
    LineState.RESERVED: gettext_lazy("Reserved"),
    LineState.USED: gettext_lazy("Shipped"),
    LineState.RELEASING: gettext_lazy("Being released"),
    LineState.RELEASED: gettext_lazy("Released"),
}
UNKNOWN = {
    StockCall.RESERVE: gettext_lazy("Reservation not confirmed"),
    StockCall.RELEASE: gettext_lazy("Release not confirmed"),
}
SETTLED: dict[str, Promise] = {
    LineState.NONE: gettext_lazy("stock not reserved"),
    LineState.RESERVED: gettext_lazy("stock reserved"),
    LineState.RELEASING: gettext_lazy("stock to be released"),
    LineState.RELEASED: gettext_lazy("stock released"),
    LineState.UNKNOWN: gettext_lazy("stock could not be confirmed"),
}
ADDRESS_LABELS = {
    "name": gettext_lazy("Recipient name"),
    "company": gettext_lazy("Company"),
    "line1": gettext_lazy("Address"),
    "line2": gettext_lazy("Apartment, suite, etc."),
    "city": gettext_lazy("City"),
    "state": gettext_lazy("State or province"),
    "postal_code": gettext_lazy("Postal code"),
    "country": gettext_lazy("Country"),
    "phone": gettext_lazy("Phone"),
}
"""What the fields of an address are called."""


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
    kind, _colon, name = label.partition(":")
    return str(PEOPLE[kind]) % {"name": name} if name and kind in PEOPLE else f"{kind} {name}".strip()


def act(name: str) -> str:
    """What was done, e.g. `Processing started`."""
    return str(ACTS.get(name, name.replace("_", " ").capitalize()))


def reason_code(code: str) -> str:
    """A code of a reason in words; one that is no longer known as it is."""
    return str(REASON_CODES.get(code, code))


def address_lines(address: Address, contact: Contact) -> list[str]:
    """An address as it is written on a parcel; where it names nobody, it is the contact's."""
    named = [address.name, address.company]
    town = f"{address.postal_code} {address.city}"
    lines = [*(named if any(named) else [contact.name]), address.line1, address.line2, town, address.state]
    return [line.strip() for line in [*lines, address.country] if line and line.strip()]


def units(number: int) -> str:
    """`1 unit`, `3 units`."""
    return ngettext("%(count)s unit", "%(count)s units", number) % {"count": local_formats.count(number)}


def items(number: int) -> str:
    """`1 item`, `3 items`: lines of an order."""
    return ngettext("%(count)s item", "%(count)s items", number) % {"count": local_formats.count(number)}


def products(number: int) -> str:
    """`1 product`, `3 products`, after "units of"."""
    told = npgettext("units of", "%(count)s product", "%(count)s products", number)
    return told % {"count": local_formats.count(number)}


def attempts(number: int) -> str:
    """`1 attempt`, `3 attempts`."""
    return ngettext("%(count)s attempt", "%(count)s attempts", number) % {"count": local_formats.count(number)}


def contents(lines: Sequence[Item]) -> str:
    """`5 units in 2 items`."""
    return _("%(units)s in %(items)s") % {"units": _units_of(lines), "items": items(len(lines))}


def in_a_row(*sentences: str) -> str:
    """Sentences as one text, without those that are empty."""
    return " ".join(filter(None, sentences))


def span(seconds: int) -> str:
    """`2 days`, `1 hour`."""
    now = datetime.now(UTC)
    return timesince(now - timedelta(seconds=seconds), now, depth=1).replace("\xa0", " ")


def settled(state: str) -> str:
    """What became of a line's stock, e.g. `stock released`."""
    return str(SETTLED.get(state, state))


def stock(known: Stock) -> str:
    """What is known of a line's stock, in a few words."""
    if known.state == LineState.UNKNOWN:
        return str(UNKNOWN[StockCall(known.call or StockCall.RESERVE)])
    return str(STOCK[LineState(known.state)])


def stock_details(known: Stock) -> list[str]:
    """What else staff should know of a line's stock."""
    told = []
    if known.call:
        told.append(attempts(known.attempts))
    if known.discrepancy:
        told.append(_("%(units)s not returned to stock") % {"units": units(known.discrepancy)})
    if known.error:
        told.append(_("Inventory: %(error)s") % {"error": for_reader(known.error)})
    return told


def consequence(edge: Edge, lines: Sequence[Item], money: str = "") -> str:
    """What a transition will do to this order, and whether there is a way back.

    :param money: what it means for what was paid, as a sentence.
    """
    reserved = [line for line in lines if line.stock.state == LineState.RESERVED]
    effect = stock_effect(edge.name)
    is_final = not edges_from(edge.target) or (effect == StockEffect.USE and bool(reserved))
    match effect:
        case StockEffect.RELEASE:
            told = [_released(reserved, is_shipped=any(line.stock.state == LineState.USED for line in lines))]
        case StockEffect.USE if reserved:
            told = [_("Deducts %(units)s from stock.") % {"units": _units_of(reserved)}]
        case StockEffect.USE:
            told = [_("Deducts nothing from stock: none is reserved for this order.")]
        case _:
            told = [str(RECORDS[edge.name]), _("Stock stays reserved.") if reserved else ""]
    return " ".join(filter(None, [*told, money, _("This cannot be undone.") if is_final else ""]))


def _units_of(lines: Sequence[Item]) -> str:
    return units(sum(line.quantity for line in lines))


def _released(reserved: Sequence[Item], *, is_shipped: bool) -> str:
    """Which stock is released with an order, as a sentence. :param is_shipped: some of its goods have left."""
    if reserved:
        told = {"units": _units_of(reserved), "products": products(len({line.product_id for line in reserved}))}
        return _("Releases %(units)s of %(products)s.") % told
    if is_shipped:
        return _("Releases no stock: the goods have been shipped.")
    return _("Releases no stock: none is reserved for this order.")
