"""What has become of an order in hand: of each line, and of its money."""

from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal

from orders.models import Item, Order, to_cents, worth
from orders.services.public_order import line_state
from orders.storage import ledger


@dataclass(frozen=True)
class Balance:
    """What was paid for an order, given back, and is owed to the customer."""

    paid: Decimal
    refunded: Decimal
    owed: Decimal

    @property
    def left(self) -> Decimal:
        """How much can still be given back."""
        return self.paid - self.refunded


def balance_of(order: Order) -> Balance:
    """The ledger of an order; one that was paid before there was a ledger counts as paid in full."""
    kept = {name: getattr(order, name) for name in ("total_price", "paid", "refunded", "owed")}
    amounts = {name: ledger.stored(amount) for name, amount in kept.items() if amount is not None}
    return Balance(*ledger.money_of({"status": order.status, "paid_at": order.paid_at, **amounts}))


def state_of(order: Order, item: Item) -> str:
    """What has become of a line, as one of `orders.services.public_order.LINE_STATES`."""
    line = {"removed": item.removed, "returned_in": item.returned_in, "shipment": item.shipment}
    return line_state({"status": order.status, "shipped_at": order.shipped_at}, line)


def lines_of_shipment(order: Order, number: int) -> list[int]:
    """The lines, by index, that left in a shipment."""
    return [index for index, item in enumerate(order.items) if item.shipment == number]


def lines_of_return(order: Order, number: int) -> list[int]:
    """The lines, by index, that come back in a return."""
    return [index for index, item in enumerate(order.items) if item.returned_in == number]


def refundable_for(order: Order, number: int) -> Decimal:
    """What can be given back for a return: what its lines come to, as far as so much is left of what was paid."""
    return refundable_of(order, {line: order.items[line].quantity for line in lines_of_return(order, number)})


def refundable_of(order: Order, units: Mapping[int, int]) -> Decimal:
    """What can be given back for so many units of lines, by index, as far as so much is left of what was paid."""
    return min(price_of(order, units), balance_of(order).left)


def price_of(order: Order, units: Mapping[int, int]) -> Decimal:
    """What so many units of lines, by index, come to with their part of the charges.

    It is what the customer gets with them less what they get without them, so that refunds of lines that are taken
    back one after the other come to what was paid, to the cent.
    """
    charges = [(charge.kind, charge.amount) for charge in order.charges]
    given, left = [], []
    for index, item in enumerate(order.items):
        gone, is_kept = units.get(index, 0), index in units or not item.removed
        given.append((item.price * item.quantity, is_kept))
        left.append((item.price * gone, False))
        left.append((item.price * (item.quantity - gone), is_kept and gone < item.quantity))
    return to_cents(worth(given, charges) - worth(left, charges))
