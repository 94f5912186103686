"""What has to be fetched from the shelves for several orders together."""

from collections.abc import Iterable
from dataclasses import dataclass, field

from django.utils.translation import gettext, ngettext

from orders.models import Item, LineState, Order, Status, statuses_before
from orders.services.words import status_word


@dataclass
class Pick:
    """A product to fetch, called what the first of its orders calls it.

    :ivar orders: units by the number of the order that needs them.
    """

    product_id: str
    name: str = ""
    sku: str = ""
    orders: dict[str, int] = field(default_factory=dict)

    @property
    def quantity(self) -> int:
        """Units for all the orders together."""
        return sum(self.orders.values())


@dataclass(frozen=True)
class PickList:
    """:ivar picks: by SKU; products without one come last, by name.

    :ivar picked: the orders that it is for.
    :ivar left_out: each order that must not be picked, and why.
    """

    picks: list[Pick]
    picked: list[Order]
    left_out: list[tuple[Order, str]]

    @property
    def units(self) -> int:
        return sum(pick.quantity for pick in self.picks)


def pick_list(orders: Iterable[Order]) -> PickList:
    """What to fetch for those of the orders that are paid, not shipped, not on hold, and certain of their stock.

    Of an order that is shipped in parcels, what has not left yet.
    """
    judged = [(order, why_not_picked(order)) for order in orders]
    picked = [order for order, why in judged if not why]
    return PickList(_picks(picked), picked, [(order, why) for order, why in judged if why])


def why_not_picked(order: Order) -> str:
    """Why nothing is fetched for an order, for people; empty if it may be picked."""
    if order.status in statuses_before("pay"):
        return gettext("not paid")
    if order.status == Status.PLACING:
        return gettext("draft")
    if order.status not in statuses_before("ship"):
        return status_word(order.status)
    if order.held_at is not None:
        return gettext("on hold")
    unreserved = [
        str(number) for number, item in _to_fetch(order) if item.stock.state != LineState.RESERVED
    ]  # fmt: skip
    if unreserved:
        told = ngettext("stock not reserved: item %(items)s", "stock not reserved: items %(items)s", len(unreserved))
        return told % {"items": ", ".join(unreserved)}
    return ""


def _to_fetch(order: Order) -> list[tuple[int, Item]]:
    """The lines that neither left nor were cancelled, with their numbers, from 1."""
    return [(number, item) for number, item in enumerate(order.items, 1) if item.shipment is None and not item.removed]


def _picks(orders: Iterable[Order]) -> list[Pick]:
    found: dict[str, Pick] = {}
    for order in orders:
        for _, item in _to_fetch(order):
            pick = found.setdefault(item.product_id, Pick(item.product_id))
            pick.name, pick.sku = pick.name or item.name, pick.sku or item.sku
            pick.orders[order.number] = pick.orders.get(order.number, 0) + item.quantity
    return sorted(found.values(), key=_place)


def _place(pick: Pick) -> tuple[bool, str, bool, str, str]:
    """Products without a SKU, and among them those without a name, come last."""
    return not pick.sku, pick.sku.casefold(), not pick.name, pick.name.casefold(), pick.product_id
