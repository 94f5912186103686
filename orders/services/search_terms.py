"""Search terms: the words by which an order is found, as they are kept in it and as they are looked for.

Case, accents and punctuation make no difference: "Wiśniewski", "WISNIEWSKI" and "wisniewski" are one word. A text is
cut at its blanks; of a piece such as "Okafor-Smith" or "SW1A-1AA", the whole is kept without its punctuation, and so
are its parts. Scripts without blanks, such as Japanese, are kept as whole runs.

A search finds terms by their beginning, so of two terms of which one begins with the other, the longer one will do.
Digits of less than WHOLE_DIGITS must be a whole term: nearly every order has a word that begins with a 1.

Of a telephone number there are two terms: its digits without the country's prefix and leading zeros, and all its digits
backwards. The first is found by its beginning; the second by its last digits, however many of them are typed, and
whichever prefix stands before them.
"""

import re
import unicodedata
from collections.abc import Iterable, Iterator, Mapping
from itertools import islice
from typing import Any

from orders.models import Order

MOST_TERMS = 200
"""Of one order. What says who ordered comes first; of very many lines, the last may not be found by their products."""
LONGEST_TERM = 40
WHOLE_DIGITS = 4
BACKWARDS = "~"
"""Before the digits of a telephone number that are written backwards; no word has it."""
TELLING_DIGITS = 9
"""So many of the last digits tell a telephone number, whatever prefix stands before them."""

_LETTERS = str.maketrans({"ø": "o", "ł": "l", "đ": "d", "ð": "d", "ħ": "h", "ı": "i", "æ": "ae", "œ": "oe", "þ": "th"})
"""What Unicode takes for letters of their own, and people type without their strokes; it knows that ß is ss."""
_OUR_NUMBER = re.compile(r"[0-9A-Z]{4}(-[0-9A-Z]{4}){2}\Z")
_TRUNK = re.compile(r"\(\s*0\s*\)")
_TWO_DIGITS = r"2[07]|3[0-469]|4[013-9]|5[1-8]|6[0-6]|8[1246]|9[0-58]"
_COUNTRY = re.compile(rf"1|7|{_TWO_DIGITS}|[0-9]{{3}}")
"""ITU-T E.164: how many digits the prefix of a country has follows from how it begins."""


def plain(text: str) -> str:
    """A text as it is compared: letters and digits, in lower case and without accents; all else is a blank or `-`."""
    if not text.isascii():
        text = unicodedata.normalize("NFKD", text).casefold().translate(_LETTERS)
        text = unicodedata.normalize("NFC", "".join(char for char in text if not unicodedata.combining(char)))
        return "".join(map(_seen, text))
    return re.sub(r"[^a-z0-9\s]", "-", text.lower())


def _seen(char: str) -> str:
    """Marks that do not combine are the vowels of some scripts."""
    return char if char.isalnum() or char.isspace() or unicodedata.category(char).startswith("M") else "-"


def pieces(text: str) -> Iterator[str]:
    """The pieces between blanks, without punctuation, as they are compared."""
    return (piece for found in plain(text).split() if (piece := found.replace("-", "")))


def beginnings_of_phone(text: str) -> tuple[str, ...]:
    """How the terms of a telephone number begin that has these first digits, or these last ones; none if it is none."""
    digits, national = _digits(text)
    if len(digits) < WHOLE_DIGITS:
        return ()
    return national, _backwards(digits[-TELLING_DIGITS:])


def terms_of(order: Order | Mapping[str, Any]) -> list[str]:
    """The search terms of an order, or of its document: sorted, each once, MOST_TERMS of LONGEST_TERM at most."""
    kept = dict.fromkeys(term[:LONGEST_TERM] for term in islice(filter(None, _found_in(order)), 5 * MOST_TERMS))
    found = sorted(islice(kept, MOST_TERMS))
    pairs = zip(found, [*found[1:], ""], strict=False)
    return [term for term, longer in pairs if not longer.startswith(term) or is_whole(term)]


def is_whole(term: str) -> bool:
    """Tell whether a word is found by all of itself only."""
    return len(term) < WHOLE_DIGITS and term.isdecimal()


def _found_in(order: Order | Mapping[str, Any]) -> Iterator[str]:
    """The most telling first; some may be empty."""
    number = _text(order, "number")
    yield from pieces(number) if _OUR_NUMBER.match(number) else _words(number)
    yield from pieces(_text(order, "user_id"))
    yield from _words(_text(order, "reference"))
    for payment in _value(order, "payments") or ():
        yield from _words(_text(payment, "reference"))
    for part in (_value(order, name) for name in ("contact", "shipping_address", "billing_address")):
        yield from _words(_text(part, "name"))
        yield from _email(_text(part, "email"))
        yield from _phone(_text(part, "phone"))
        yield from _words(_text(part, "company"))
        yield from _words(_text(part, "city"))
        yield from _code(_text(part, "postal_code"))
    items = _value(order, "items") or ()
    for name in ("product_id", "sku", "name"):
        for text in dict.fromkeys(_text(item, name) for item in items):
            yield from pieces(text) if name == "product_id" else _words(text)


def _value(part: Any, name: str) -> Any:
    return part.get(name) if isinstance(part, Mapping) else getattr(part, name, None)


def _text(part: Any, name: str) -> str:
    return str(_value(part, name) or "")


def _words(text: str) -> Iterator[str]:
    for found in plain(text).split():
        parts = [part for part in found.split("-") if part]
        if parts:
            yield "".join(parts)
            yield from parts if len(parts) > 1 else ()


def _code(text: str) -> Iterator[str]:
    """A code that may be written with blanks or without, such as SW1A 1AA."""
    yield from _words(text)
    yield "".join(pieces(text))


def _email(text: str) -> Iterator[str]:
    """The whole, and its words but for the last: .com tells nothing."""
    yield "".join(pieces(text))
    yield from _words(text.rsplit(".", 1)[0])


def _phone(text: str) -> Iterable[str]:
    digits, national = _digits(text)
    return (national, _backwards(digits)) if digits else ()


def _backwards(digits: str) -> str:
    return BACKWARDS + digits[::-1]


def _digits(text: str) -> tuple[str, str]:
    """The digits of a telephone number, and those without zeros and the country's prefix, as far as it can be told."""
    text = _TRUNK.sub("", unicodedata.normalize("NFKC", text)).strip()
    digits = re.sub("[^0-9]", "", text)
    if not (text.startswith("+") or digits.startswith("00")):
        return digits, digits.lstrip("0")
    digits = digits.lstrip("0")
    country = _COUNTRY.match(digits)
    return digits, digits[country.end() :].lstrip("0") if country else digits
