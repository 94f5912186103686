"""Orders whose stock waits for a person: settled on their page."""

from orders.models import Order
from orders.models.parts import Item
from orders.models.states import LineState

ANSWERS = {"yes": True, "no": False}
"""What the two buttons of an unknown line say: whether inventory carried out the call."""


def unknown_lines(order: Order) -> list[tuple[int, Item]]:
    """Index and line of those that wait."""
    return [(index, item) for index, item in enumerate(order.items) if item.stock.state == LineState.UNKNOWN]
