"""What may be done with an order now, and what it would cause: said before it is done."""

from dataclasses import dataclass
from decimal import Decimal

from bson import ObjectId

from orders.models import Edge, LineState, Order, StockEffect, condition_words, edges_from, stock_effect
from orders.services.access import Actor, visible
from orders.storage import order_reads
from orders.storage.ledger import ENDED

NOTHING = Decimal("0.00")


@dataclass(frozen=True)
class Effect:
    """What a transition would cause beside the new status.

    :ivar releases: units that go back into stock.
    :ivar ships: units that leave.
    :ivar refunds: what would be recorded as given back.
    :ivar owes: what would then be owed to the customer.
    """

    releases: int
    ships: int
    refunds: Decimal
    owes: Decimal


def possible_transitions(*, order_id: ObjectId, actor: Actor) -> list[tuple[Edge, Effect]]:
    """The transitions that an actor may make of an order now, in the machine's order; none that a condition refuses.

    :raises OrderNotFound: also where the actor may not know of it.
    """
    order = visible(order_reads.get_machine(order_id, sees=actor.sees, lines=True), order_id, actor)
    return [
        (edge, effect_of(edge, order))
        for edge in edges_from(order.status)
        if actor.may(edge.name, order.user_id) and not condition_words(edge, order)
    ]


def effect_of(edge: Edge, order: Order) -> Effect:
    """:param order: with its lines and its money, see `order_reads.get_machine`."""
    effect = stock_effect(edge.name)
    reserved = (item.quantity for item in order.items if item.stock.state == LineState.RESERVED)
    still_open = (item.quantity for item in order.items if item.is_open)
    left = max(NOTHING, (order.paid or NOTHING) - (order.refunded or NOTHING))
    refunds = left if edge.name == "refund" else NOTHING
    return Effect(
        releases=sum(reserved) if effect == StockEffect.RELEASE else 0,
        ships=sum(still_open) if effect == StockEffect.USE else 0,
        refunds=refunds,
        owes=left - refunds if edge.target in ENDED else order.owed or NOTHING,
    )
