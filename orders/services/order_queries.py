"""Which orders are meant: whatever edge asks, what makes no sense is refused alike."""

from orders.services.errors import OrderError
from orders.storage.order_query import OrderQuery


class InvalidOrderQuery(OrderError):
    """What was asked for makes no sense, such as a span that ends before it begins."""

    code = "invalid"


def require_valid(query: OrderQuery) -> None:
    """:raises InvalidOrderQuery:"""
    if problems := query.problems:
        raise InvalidOrderQuery(" ".join(problems.values()))
