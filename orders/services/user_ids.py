"""User ids: one user must not have two names here.

Three formats have one canonical spelling each, in which ids are stored, compared and sent: an integer in decimal digits
without leading zeros ("17"; the published user service's), a MongoDB ObjectId as 24 lower-case hex digits, a UUID as 36
characters in lower case with hyphens. Any other id ("auth0|5f7c8ec7", "user_2NNEqL2nrIRdJ194ndJqAHwEfxC", an e-mail) is
taken as it is, capitals included, or not at all: it is printable text in Unicode's composed form, without blanks at its
ends, that nobody could read as another spelling of a number or a UUID.
"""

import re
import unicodedata
import uuid

from orders.services.errors import OrderError

LONGEST_USER_ID = 128
INTEGER = re.compile(r"[0-9]{1,19}\Z")
OBJECT_ID = re.compile(r"[0-9a-fA-F]{24}\Z")
UUID = re.compile(r"[0-9a-fA-F]{8}(-?)[0-9a-fA-F]{4}\1[0-9a-fA-F]{4}\1[0-9a-fA-F]{4}\1[0-9a-fA-F]{12}\Z")
EXPECTED = (
    "A user id is an integer, an ObjectId (24 hex digits), a UUID, or other printable text with a letter in it, of up "
    f"to {LONGEST_USER_ID} characters and without blanks at its ends."
)


class MalformedUserId(OrderError):
    """The text is no user id, or not in its one spelling."""

    code = "malformed_user_id"


def canonical(user_id: str) -> str:
    """The one spelling of a user id.

    24 hex digits are an ObjectId even if all are decimal; 32 or 36 characters may be a UUID.

    :raises MalformedUserId:
    """
    if INTEGER.match(user_id):
        return str(int(user_id))
    if OBJECT_ID.match(user_id):
        return user_id.lower()
    if UUID.match(user_id):
        return str(uuid.UUID(user_id))
    if _is_text(user_id):
        return user_id
    raise MalformedUserId(EXPECTED)


def _is_text(text: str) -> bool:
    return (
        len(text) <= LONGEST_USER_ID
        and text.isprintable()
        and text == text.strip()
        and any(map(str.isalpha, text))
        and unicodedata.is_normalized("NFC", text)
        and not _is_uuid(text)
    )


def _is_uuid(text: str) -> bool:
    """In braces, as a URN, or with its hyphens elsewhere: other services may read it as the same."""
    try:
        uuid.UUID(text)
    except ValueError:
        return False
    return True
