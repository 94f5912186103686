"""The formats of user ids: one user must not have two names here.

The user service's ids are integers; its siblings hand out MongoDB ObjectIds and UUIDs. Each has one canonical
spelling, in which ids are stored, compared and sent: an integer in decimal digits without leading zeros ("17"), an
ObjectId as 24 lower-case hex digits, a UUID as 36 characters in lower case with hyphens.
"""

import re
import uuid

from orders.services.errors import OrderError

INTEGER = re.compile(r"[0-9]{1,19}\Z")
OBJECT_ID = re.compile(r"[0-9a-fA-F]{24}\Z")
UUID = re.compile(r"[0-9a-fA-F]{8}(-?)[0-9a-fA-F]{4}\1[0-9a-fA-F]{4}\1[0-9a-fA-F]{4}\1[0-9a-fA-F]{12}\Z")


class MalformedUserId(OrderError):
    """The text is none of the three formats."""

    code = "malformed_user_id"


def canonical(user_id: str) -> str:
    """The one spelling of a user id.

    24 hex digits are an ObjectId even if all are decimal; 32 or 36 characters are a UUID.

    :raises MalformedUserId:
    """
    if INTEGER.match(user_id):
        return str(int(user_id))
    if OBJECT_ID.match(user_id):
        return user_id.lower()
    if UUID.match(user_id):
        return str(uuid.UUID(user_id))
    raise MalformedUserId("A user id is an integer, an ObjectId (24 hex digits) or a UUID.")
