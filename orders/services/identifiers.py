"""Identifiers: what an order, a user or a product is called, and how what people type is read.

An order has an id (an ObjectId) and a number. A number of our own is 60 random bits, made to be read out on the phone,
e.g. `7KQF-2M9D-XW3H`; orders that were imported keep the numbers of their old shop, which are never rewritten. What
people type is read alike by the API, the backoffice, the commands and id files: see :func:`order_typed`, and for the
look-up :mod:`orders.storage.order_numbers`.

User ids: one user must not have two names here. Three formats have one canonical spelling each, in which ids are
stored, compared and sent: an integer in decimal digits without leading zeros ("17"; the published user service's), a
MongoDB ObjectId as 24 lower-case hex digits, a UUID as 36 characters in lower case with hyphens. Any other id
("auth0|5f7c8ec7", "user_2NNEqL2nrIRdJ194ndJqAHwEfxC", an e-mail) is taken as it is, capitals included, or not at all:
it is printable text in Unicode's composed form, without blanks at its ends, that nobody could read as another spelling
of a number or a UUID.
"""

import re
import secrets
import unicodedata
import uuid

from bson import ObjectId
from django.utils.translation import gettext as _
from django.utils.translation import gettext_noop

from orders.services.errors import OrderError, RefusalKind

OBJECT_ID = "[0-9a-fA-F]{24}"
NUMBER_ALPHABET = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"
"""Crockford's base 32: no I, L, O or U, which people mistake for others on the phone."""
LONGEST_NUMBER = 14
LONGEST_USER_ID = 128
_FORM_OF_USER_IDS = gettext_noop(
    "A user id is an integer, an ObjectId (24 hex digits), a UUID, or other printable text with a letter in it, of up "
    "to %(longest)d characters and without blanks at its ends."
)
EXPECTED = _FORM_OF_USER_IDS % {"longest": LONGEST_USER_ID}
"""For the documentation; people are told in their own language."""
EXPECTED_ORDER = "the id of an order (24 hex digits) or its number (7K2M-9QWX-4HTC)"

# Patterns are written as JSON Schema and Python both read them: the OpenAPI document has ORDER_TYPED.
_UNSEEN = r"\u00ad\u061c\u180e\u200b-\u200f\u202a-\u202e\u2060-\u206f\ufeff"
_BLANK = r"\t\n\v\f\r \u0085\u00a0\u1680\u2000-\u200a\u2028\u2029\u202f\u205f\u3000"
_SKIPPED = rf"[#{_BLANK}{_UNSEEN}]"
_DASH = r"\u2010-\u2015\u2212\ufe58\ufe63\uff0d"
_SEEN = rf"[^\-#{_DASH}{_BLANK}{_UNSEEN}\u0000-\u001f\u007f-\u009f]"
_BETWEEN = rf"[\-#{_DASH}{_BLANK}{_UNSEEN}]{{0,4}}"
_BREAK = rf"[.:#{_BLANK}{_UNSEEN}]{{1,6}}"
_ORDER = rf"[Oo][Rr][Dd][Ee][Rr]{_BREAK}(?:(?:[Nn][Oo]|[Nn][Rr]|[Ii][Dd]|[Nn][Uu][Mm][Bb][Ee][Rr]){_BREAK})?"
ORDER_TYPED = (
    rf"{_SKIPPED}{{0,20}}(?:{_ORDER})?(?:((?:[0-9a-fA-F]{_SKIPPED}{{0,4}}){{24}})"
    rf"|((?:{_SEEN}{_BETWEEN}){{0,13}}[0-9]{_BETWEEN}(?:{_SEEN}{_BETWEEN}){{0,13}}|(?:[A-Za-z]{_BETWEEN}){{12}}))"
    rf"{_SKIPPED}{{0,20}}"
)
"""What can be read as an order's id (its first group) or as a number (its second): twelve letters, as one in ninety of
our own has no digit, or anything with a digit; so words of a heading are no numbers.

Without look-ahead, which tools that read the OpenAPI document do not know; so numbers may turn out to be too long."""

_INTEGER = re.compile(r"[0-9]{1,19}\Z")
_UUID = re.compile(r"[0-9a-fA-F]{8}(-?)[0-9a-fA-F]{4}\1[0-9a-fA-F]{4}\1[0-9a-fA-F]{4}\1[0-9a-fA-F]{12}\Z")


class MalformedUserId(OrderError):
    """The text is no user id, or not in its one spelling."""

    code = "malformed_user_id"
    kind = RefusalKind.INVALID


def new_number() -> str:
    """A random order number."""
    return grouped("".join(secrets.choice(NUMBER_ALPHABET) for _ in range(12)))


def grouped(letters: str) -> str:
    """Twelve letters in groups of four."""
    return "-".join((letters[:4], letters[4:8], letters[8:]))


def order_typed(text: str) -> ObjectId | str | None:
    """The order that somebody means: its id, or its number as the look-up takes it; None if it can be neither.

    Forgiven are blanks, `#`, characters that cannot be seen, a leading "order" or "order no.", and dashes that look
    like a hyphen. Case, and where the hyphens stand, is the look-up's business.
    """
    found = re.fullmatch(ORDER_TYPED, text)
    if found is None:
        return None
    if found[1]:
        return ObjectId(re.sub(_SKIPPED, "", found[1]))
    if len(re.sub(_BETWEEN, "", found[2])) > LONGEST_NUMBER or not re.sub(_SKIPPED, "", found[2]).isprintable():
        return None
    return re.sub(f"[{_DASH}]", "-", re.sub(_SKIPPED, "", found[2]))  # a telephone makes them of a hyphen


def order_meant(text: str) -> ObjectId | str | None:
    """As :func:`order_typed`, where nothing but an order is asked for: imported numbers may be without a digit."""
    text = text.strip()
    return order_typed(text) or (text if len(text) <= LONGEST_NUMBER else None)


def object_id(text: str) -> ObjectId | None:
    """The id that somebody typed or copied, blanks and unseen characters aside; None if it is none."""
    bare = re.sub(_SKIPPED, "", text)
    return ObjectId(bare) if re.fullmatch(OBJECT_ID, bare) else None


def user_typed(text: str) -> str:
    """The id of the user whom somebody means, in its one spelling; blanks around it and unseen characters are forgiven.

    :raises MalformedUserId:
    """
    return canonical(re.sub(f"[{_UNSEEN}]", "", text).strip())


def canonical(user_id: str) -> str:
    """The one spelling of a user id, of which nothing is forgiven.

    24 hex digits are an ObjectId even if all are decimal; 32 or 36 characters may be a UUID.

    :raises MalformedUserId:
    """
    if _INTEGER.match(user_id):
        return str(int(user_id))
    if re.fullmatch(OBJECT_ID, user_id):
        return user_id.lower()
    if _UUID.match(user_id):
        return str(uuid.UUID(user_id))
    if _is_text(user_id):
        return user_id
    raise MalformedUserId(_(_FORM_OF_USER_IDS) % {"longest": LONGEST_USER_ID})


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
