"""What staff type into the search box: an order's number, or the id of an order, a user or a product."""

import re
from contextlib import suppress

from bson import ObjectId

from orders.services.numbers import as_number
from orders.services.user_ids import MalformedUserId, canonical
from orders.storage.order_query import Meanings

LONGEST_NUMBER = 14
OBJECT_ID = re.compile(r"[0-9a-fA-F]{24}\Z")


def meanings_of(text: str) -> Meanings | None:
    """All that a search text may mean, each an exact look-up that has an index; None where it can mean nothing."""
    text = text.strip()
    user_id = None
    with suppress(MalformedUserId):
        user_id = canonical(text)
    hexadecimal = text.lower() if OBJECT_ID.match(text) else None
    found = Meanings(
        # Orders that were imported kept the numbers that they had elsewhere.
        number=as_number(text) or (text if 0 < len(text) <= LONGEST_NUMBER else None),
        order_id=ObjectId(hexadecimal) if hexadecimal else None,
        user_id=user_id,
        product_id=hexadecimal,
    )
    return found if found != Meanings() else None
