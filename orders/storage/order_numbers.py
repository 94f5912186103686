"""Orders by the numbers that people type: whatever the case and wherever the hyphens, off one index."""

import re
import unicodedata
from collections.abc import Collection, Mapping

from bson import ObjectId
from django_mongodb_backend.query import wrap_database_errors
from pymongo.collation import Collation, CollationAlternate, CollationStrength

from orders.models.parts import Document
from orders.storage.order_writes import orders

INDEX = "number_as_typed"
AS_TYPED = Collation(
    locale="en", strength=CollationStrength.SECONDARY, alternate=CollationAlternate.SHIFTED, maxVariable="punct"
)
"""Case, blanks, hyphens and other punctuation make no difference; migration 0013 builds the index with it."""
OURS = re.compile(r"[0-9A-Z]{4}(-[0-9A-Z]{4}){2}\Z")
LOOK_ALIKES = str.maketrans("ILO", "110")


@wrap_database_errors
def ids_by_number(typed: Collection[str]) -> dict[str, list[ObjectId]]:
    """The orders that each of these texts means; of several, those whose number is written just so, but for case."""
    found = _near(typed)
    return {text: _meant(text, found) for text in typed}


@wrap_database_errors
def ids_named(typed: Collection[str]) -> dict[str, list[ObjectId]]:
    """The orders that each of these texts names for certain, for changes that nobody looks at before they are made.

    Hyphens and look-alikes are forgiven in numbers of our own only. A foreign number must be written as it is, but for
    case, and where two differ in nothing else, in its case, too.
    """
    found = _near(typed)
    return {text: _named(text, found) for text in typed}


@wrap_database_errors
def ids_of_numbers(numbers: Collection[str]) -> dict[str, ObjectId]:
    """Of these numbers, in lower case, those that there are in any case, with the id of an order that has it."""
    asked = {number.casefold() for number in numbers}
    found = {order["number"].casefold(): order["_id"] for order in _numbered(numbers)}
    return {number: found[number] for number in asked & found.keys()}


def is_meant(text: str, number: str) -> bool:
    """Tell whether an order of this number is one that the text may mean."""
    return _bare(number) in map(_bare, _spellings(text))


def _numbered(numbers: Collection[str]) -> list[Document]:
    if not numbers:
        return []
    query = {"number": {"$in": list(numbers)}}
    return orders().find(query, {"number": 1}, collation=AS_TYPED, hint=INDEX).to_list()


def _near(typed: Collection[str]) -> dict[str, list[Document]]:
    """The orders that any of these texts may mean, by what is bare of their numbers."""
    found: dict[str, list[Document]] = {}
    for order in _numbered({spelling for text in typed for spelling in _spellings(text)}):
        found.setdefault(_bare(order["number"]), []).append(order)
    return found


def _spellings(text: str) -> tuple[str, str, str]:
    """How the number may stand in the order, the likeliest first: as typed, of our own alphabet, with its "order"."""
    return text, text.upper().translate(LOOK_ALIKES), f"order{text}"


def _meant(text: str, found: Mapping[str, list[Document]]) -> list[ObjectId]:
    for spelling in _spellings(text):
        if near := found.get(_bare(spelling)):
            return [order["_id"] for order in _but_for_case(spelling, near) or near]
    return []


def _named(text: str, found: Mapping[str, list[Document]]) -> list[ObjectId]:
    for spelling in _spellings(text):
        near = found.get(_bare(spelling), [])
        like = _but_for_case(spelling, near) or [order for order in near if OURS.match(order["number"])]
        if like := [order for order in like if order["number"] == spelling] or like:
            return [order["_id"] for order in like] if len({order["number"] for order in like}) == 1 else []
    return []


def _but_for_case(spelling: str, orders_near: list[Document]) -> list[Document]:
    return [order for order in orders_near if order["number"].casefold() == spelling.casefold()]


def _bare(number: str) -> str:
    """What two spellings of a number have in common."""
    return "".join(char for char in unicodedata.normalize("NFKC", number).casefold() if char.isalnum())
