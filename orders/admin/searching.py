"""What staff type into the search box: an order's number, or the id of an order, a user or a product."""

from contextlib import suppress

from bson import ObjectId

from orders.services.identifiers import (
    LONGEST_NUMBER,
    MalformedUserId,
    object_id,
    order_typed,
    user_typed,
)
from orders.services.order_queries import Meanings


def meanings_of(text: str) -> Meanings | None:
    """All that a search text may mean, each an exact look-up that has an index; None where it can mean nothing."""
    text, user_id, product = text.strip(), None, object_id(text)
    with suppress(MalformedUserId):
        user_id = user_typed(text)
    order = order_typed(text)
    if order is None and 0 < len(text) <= LONGEST_NUMBER:
        order = text  # orders that were imported may have a number without a digit
    found = Meanings(
        number=order if isinstance(order, str) else None,
        order_id=order if isinstance(order, ObjectId) else None,
        user_id=user_id,
        product_id=str(product) if product else None,
    )
    return found if found != Meanings() else None
