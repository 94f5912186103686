"""What has become of an order in hand: of each line, and of its money."""

from dataclasses import dataclass
from decimal import Decimal

from orders.models import Item, Order, to_cents
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
    """What can be given back for a return: the price of its lines, as far as so much is left of what was paid."""
    return min(price_of(order, lines_of_return(order, number)), balance_of(order).left)


def price_of(order: Order, lines: list[int]) -> Decimal:
    """What lines, by index, come to."""
    return to_cents(sum((order.items[line].price * order.items[line].quantity for line in lines), Decimal(0)))
