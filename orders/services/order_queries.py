"""Which orders are meant, and reading them: what the API, the backoffice and commands ask storage for."""

from bson import ObjectId

from orders.services.errors import OrderError, RefusalKind
from orders.services.identifiers import order_meant
from orders.storage import DATABASE_ERRORS, is_outage, time_limit
from orders.storage.alerts import NEEDS_ATTENTION, TO_SHIP, Alert, raised
from orders.storage.bulk_orders import as_given
from orders.storage.order_lists import (
    Page,
    count,
    first_ids,
    first_page,
    neighbours,
    orders_with_ids,
    page_after,
    page_before,
    size,
    sums,
)
from orders.storage.order_names import customer_name, customers_of, product_names
from orders.storage.order_numbers import ids_by_number, ids_named, is_meant
from orders.storage.order_query import (
    NOBODY,
    AgePosition,
    Meanings,
    OrderKeys,
    OrderQuery,
    Place,
    Position,
    Reached,
    TotalPosition,
)
from orders.storage.order_reads import get_history, get_order, last_change, list_orders, unknown_lines
from orders.storage.term_index import Word

__all__ = [
    "DATABASE_ERRORS", "NEEDS_ATTENTION", "NOBODY", "TO_SHIP", "AgePosition", "Alert", "InvalidOrderQuery", "Meanings",
    "OrderKeys", "OrderQuery", "Page", "Place", "Position", "Reached", "TotalPosition", "Word", "as_given", "count",
    "customer_name", "customers_of", "first_ids", "first_page", "get_history", "get_order", "ids_called", "ids_named",
    "is_meant", "is_outage", "last_change", "list_orders", "neighbours", "orders_with_ids", "page_after", "page_before",
    "product_names", "raised", "require_valid", "size", "sums", "time_limit", "unknown_lines",
]  # fmt: skip


class InvalidOrderQuery(OrderError):
    """The conditions contradict each other or are malformed, such as a span that ends before it begins."""

    code = "invalid"
    kind = RefusalKind.INVALID


def ids_called(text: str) -> tuple[ObjectId, ...]:
    """The orders that somebody may mean by a number, in whichever spelling, or by an id."""
    meant = order_meant(text)
    if isinstance(meant, ObjectId):
        return (meant,)
    return tuple(ids_by_number([meant])[meant]) if meant else ()


def require_valid(query: OrderQuery) -> None:
    """:raises InvalidOrderQuery:"""
    if problems := query.problems:
        raise InvalidOrderQuery(" ".join(problems.values()))
