"""The conditions of the state machine as queries, for writes that change orders without making instances of them."""

from collections.abc import Callable

from orders.models import Document, Edge, LineState, Order, every_line_reserved

CONDITIONS: dict[Callable[[Order], bool], Document] = {
    every_line_reserved: {
        "items": {"$ne": [], "$not": {"$elemMatch": {"stock.state": {"$ne": LineState.RESERVED.value}}}}
    },
}
"""Each condition of the machine as a query."""


def guard_of(edge: Edge) -> Document:
    """The query for the orders that may take an arrow: its source, and every condition.

    :raises KeyError: a condition has no query in CONDITIONS.
    """
    return {"$and": [{"status": edge.source}, *(CONDITIONS[condition] for condition in edge.conditions)]}
