"""How many orders the list has, and what their totals come to: of the first thousand, so that it is soon known."""

from collections.abc import Sequence

from orders.admin.money_format import amounts
from orders.services import order_queries
from orders.services.order_queries import OrderQuery, Position, time_limit

MOST = 1_000
SECONDS = 0.15
"""What adding may take of a page's time; a filter that has to pass by many orders has no sum."""


def sums_of(query: OrderQuery, found: Sequence[Position] | None) -> str:
    """E.g. `70 orders come to €2,086.00 and CHF 12.00.`; empty where there are none.

    :param found: the places of the first orders, one more than MOST, where they have been read.
    :raises DatabaseError: also where it takes too long.
    """
    with time_limit(SECONDS):
        sums, more = order_queries.sums(query, MOST, found)
    if not sums:  # they may have been purged meanwhile
        return ""
    total = amounts({found.currency: found.total for found in sums})
    if more:
        which = "oldest" if query.oldest_first else "newest"
        return f"More than {MOST:,} orders; the {which} {MOST:,} come to {total}."
    orders = sum(found.orders for found in sums)
    return f"{orders:,} orders come to {total}." if orders > 1 else f"1 order comes to {total}."
