"""What staff type into the search box: an order number, an id, or a user."""

import re
from contextlib import suppress

from bson import ObjectId
from django.db.models import Q

from orders.services.placement import NUMBER_ALPHABET
from orders.services.user_ids import MalformedUserId, canonical

LOOK_ALIKES = str.maketrans("ILO", "110")
NUMBER = re.compile(f"[{NUMBER_ALPHABET}]{{12}}\\Z")


def query_for(text: str) -> Q | None:
    """The condition for a search text: exact look-ups, each of which has an index; None where it can match nothing."""
    text = text.strip()
    found = Q()
    letters = re.sub(r"[\s-]", "", text).upper().translate(LOOK_ALIKES)
    if NUMBER.match(letters):
        found |= Q(number="-".join((letters[:4], letters[4:8], letters[8:])))
    if re.fullmatch(r"[0-9a-fA-F]{24}", text):
        found |= Q(pk=ObjectId(text))
    with suppress(MalformedUserId):
        found |= Q(user_id=canonical(text))
    return found or None
