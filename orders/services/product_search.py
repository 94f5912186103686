"""Looking for products by what somebody types, where the product service can be searched."""

from django.conf import settings
from django.utils.translation import gettext as _

from integrations import Deadline, products
from orders.services.access import PLACE_FOR_CUSTOMER, Actor
from orders.services.errors import OrderError, RefusalKind

MOST_FOUND = 10
SHORTEST_TEXT = 2
LONGEST_TEXT = 100
"""Characters."""


class NoProductSearch(OrderError):
    """The product service cannot be searched: products are named by their ids."""

    code = "no_product_search"
    kind = RefusalKind.NOT_FOUND


def can_search() -> bool:
    """Tell whether products can be found by name."""
    return products.can_search()


def search_products(text: str, *, actor: Actor) -> list[products.Product]:
    """The products that somebody may mean, the best first, MOST_FOUND at most; none for less than SHORTEST_TEXT.

    :raises NotPermitted, NoProductSearch:
    :raises PeerUnavailable: the product service does not say.
    """
    actor.require(PLACE_FOR_CUSTOMER)
    if not can_search():
        raise NoProductSearch(_("Products cannot be searched by name here."))
    text = " ".join(text[:LONGEST_TEXT].split())
    if len(text) < SHORTEST_TEXT:
        return []
    return products.search(text, MOST_FOUND, deadline=Deadline.after(settings.REQUEST_DEADLINE))
