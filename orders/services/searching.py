"""What a text means that somebody searches orders by, in the backoffice, the API and the commands alike."""

import re
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from decimal import Decimal

from bson import ObjectId
from django.conf import settings
from django.db import DatabaseError
from django.utils.translation import gettext as _

from orders.services.identifiers import OBJECT_ID, MalformedUserId, object_id, order_meant, user_typed
from orders.services.order_queries import InvalidOrderQuery, Meanings, Word, time_limit
from orders.services.search_terms import LONGEST_TERM, beginnings_of_phone, is_whole, pieces

LONGEST_SEARCH = 200
MOST_WORDS = 8
AMOUNT = re.compile(r"\W*([0-9]{1,3}(?:[.,'\u2019]?[0-9]{3}){0,3})[.,]([0-9]{2})\W*")
"""A total with its cents, and perhaps a sign of its currency."""
FEWEST_DIGITS = 3
"""Of what is looked for as one code although it was typed with blanks."""


def meanings_of(text: str) -> Meanings:
    """All that a search text may mean.

    :raises InvalidOrderQuery: it has no letter or digit, or too many words.
    """
    text, user_id, product = text.strip(), None, object_id(text)
    words = _but_for_currency(list(_words(text)))
    if not words or len(text) > LONGEST_SEARCH:
        raise InvalidOrderQuery(
            _(
                "Search for a name, e-mail address, phone number, town, postal code, product, total (64.90), order "
                "number or id."
            )
        )
    if len(words) > MOST_WORDS:
        raise InvalidOrderQuery(_("Search for %(most)d words at most.") % {"most": MOST_WORDS})
    with suppress(MalformedUserId):
        user_id = user_typed(text)
    order = order_meant(text)
    code = _code(text) if len(words) > 1 else None
    return Meanings(
        number=order if isinstance(order, str) else None,
        order_id=order if isinstance(order, ObjectId) else None,
        user_id=user_id,
        product_id=str(product) if product else None,
        words=tuple(words),
        code=code,
    )


@contextmanager
def searched_in_time(told: str = "") -> Iterator[None]:
    """Bound the time of a search, or of a list that is as wide, by BACKOFFICE_QUERY_MS.

    :param told: what to do if it takes longer; by default, what helps where too many orders have the words.
    :raises InvalidOrderQuery: it takes longer.
    """
    try:
        with time_limit(settings.BACKOFFICE_QUERY_MS / 1000):
            yield
    except DatabaseError as error:
        if getattr(error.__cause__, "timeout", False):
            raise InvalidOrderQuery(
                told or _("Too many orders have these words. Add a word, or give a span of days.")
            ) from error
        raise


def _but_for_currency(words: list[Word]) -> list[Word]:
    """Without the code of a currency that stands beside an amount, as in one that was copied from a page."""
    if all(word.total is None for word in words):
        return words
    codes = {(code.lower(),) for code in settings.CURRENCIES}
    return [word for word in words if word.beginnings not in codes]


def _words(text: str) -> Iterator[Word]:
    for piece in text.split():
        if found := list(pieces(piece)):
            yield _word(piece, "".join(found))


def _word(typed: str, plain: str) -> Word:
    plain = plain[:LONGEST_TERM]
    if amount := AMOUNT.fullmatch(typed):
        return Word((plain,), total=Decimal(f"{re.sub('[^0-9]', '', amount[1])}.{amount[2]}"))
    if is_whole(plain) or re.fullmatch(OBJECT_ID, plain):
        return Word(wholes=(plain,))
    return Word(tuple(dict.fromkeys((plain, *(beginnings_of_phone(typed) if plain.isdecimal() else ())))))


def _code(text: str) -> Word | None:
    """The whole text as one code that was typed with blanks, such as a telephone number or a postal code."""
    plain = "".join(pieces(text))
    if sum(char.isdecimal() for char in plain) < FEWEST_DIGITS or len(plain) > LONGEST_TERM:
        return None
    return _word(text, plain)
