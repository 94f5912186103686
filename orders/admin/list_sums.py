"""How many orders the list has, and what their totals come to: of the first thousand, so that it is soon known."""

from collections.abc import Sequence
from dataclasses import dataclass

from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from orders.admin.local_formats import count
from orders.admin.money_format import amounts
from orders.services import order_queries
from orders.services.order_queries import OrderQuery, Place, time_limit

MOST = 1_000
SECONDS = 0.15
"""What adding may take of a page's time; a filter that has to pass by many orders has no sum."""


@dataclass(frozen=True)
class Sums:
    """:ivar orders: how many there are, or were added up; `more`: there are others.

    :ivar words: E.g. `70 orders come to €2,086.00 and CHF 12.00.`
    """

    orders: int
    more: bool
    words: str

    @property
    def how_many(self) -> str:
        """E.g. `1,234`."""
        return _("more than %(number)s") % {"number": count(self.orders)} if self.more else count(self.orders)


def sums_of(query: OrderQuery, found: Sequence[Place] | None) -> Sums | None:
    """None where there are no orders.

    :param found: the places of the first orders, one more than MOST, where they have been read.
    :raises DatabaseError: also where it takes too long.
    """
    with time_limit(SECONDS):
        sums, more = order_queries.sums(query, MOST, found)
    if not sums:  # they may have been purged meanwhile
        return None
    total = amounts({found.currency: found.total for found in sums})
    orders = sum(found.orders for found in sums)
    if more:
        told = _("More than %(orders)s orders; the newest %(orders)s come to %(total)s.")
        if query.oldest_first:
            told = _("More than %(orders)s orders; the oldest %(orders)s come to %(total)s.")
        return Sums(MOST, True, told % {"orders": count(MOST), "total": total})
    told = ngettext("%(orders)s order comes to %(total)s.", "%(orders)s orders come to %(total)s.", orders)
    return Sums(orders, False, told % {"orders": count(orders), "total": total})
