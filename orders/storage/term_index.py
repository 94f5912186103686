"""Orders by the words in them: which reads find those that have all words of a search, and how much is read for them.

A word is found by its beginning, so its orders stand in the index term by term: their keys are read, and sorted by
creation. Where few terms begin so, each is read as a whole word, whose orders stand in the order of their creation. Of
several words, the one that the fewest orders have is read, and these orders are looked at for the others, the newest
first, until a page is full. Where many terms begin so, and are on many orders, a walk from the newest order soon meets
a page of those that are looked for; a walk that does not is ended, and the index is read after all.
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from decimal import Decimal
from typing import Any

from bson import Decimal128, MaxKey, ObjectId
from django_mongodb_backend.query import wrap_database_errors
from pymongo import UpdateOne

from orders.models.parts import Document
from orders.storage.order_writes import OURS, orders

INDEX, TOTALS, WALKED = "terms_newest", "total_newest", "newest"
FEW_TERMS = 4
"""Up to so many terms with one beginning are read one by one."""
FEW = 10_000
"""Up to so many orders that have the only word of a search are sorted; above, a walk is sooner at its end."""
FEW_OF_SEVERAL = 60_000
"""The same for the rarest of several words: a walk has to meet all of them at once."""
MOST_WALKED = 20_000
"""A walk ends after so many orders."""
FIELDS: Mapping[str, Any] = dict.fromkeys(
    (
        *("number", "user_id", "reference", "contact", "shipping_address", "billing_address"),
        *("items.product_id", "items.sku", "items.name", "payments.reference"),
    ),
    1,
)
"""What the terms of an order are made of."""
INDEXED_FIELDS: Mapping[str, Any] = {**FIELDS, "terms": 1, "erased_at": 1}
"""These, the terms themselves, and what tells that they may no longer be made of them."""


@dataclass(frozen=True)
class Read:
    """A filter, and the index that reads it; without one the planner chooses.

    :ivar by_index: what of the filter the index alone can tell: keys are read by it, and their orders looked at.
    :ivar sparse: whether of those orders few may be the ones that are looked for.
    :ivar instead: of a walk that may take too long: what finds the same off other indexes.
    """

    index: str | None
    filter: Document
    by_index: Document | None = None
    sparse: bool = False
    instead: "tuple[Read, ...]" = ()

    def narrowed(self, *filters: Document) -> "Read":
        """The same read, of what meets these filters, too.

        Of several conditions of which one is enough, each is narrowed: below an $and, their indexes would be given up.
        """
        given = [asked for asked in filters if asked]
        if not given:
            return self
        if self.index is None and self.filter.keys() == {"$or"}:
            narrowed: Document = {"$or": [{"$and": [one, *given]} for one in self.filter["$or"]]}
        else:
            narrowed = {"$and": [self.filter, *given]} if self.filter or len(given) > 1 else given[0]
        return replace(self, filter=narrowed, instead=tuple(read.narrowed(*given) for read in self.instead))


@dataclass(frozen=True)
class Word:
    """A word of a search: an order has it if a term of it begins so, if one is just so, or if this is its total."""

    beginnings: tuple[str, ...] = ()
    wholes: tuple[str, ...] = ()
    total: Decimal | None = None

    @property
    def reads(self) -> list[Read]:
        """One for each condition, of which an order needs one."""
        # A pattern that begins so, and no range: of that MongoDB would look at the orders themselves.
        found: list[tuple[str, Document]] = [
            (INDEX, {"terms": {"$regex": f"^{re.escape(text)}"}}) for text in self.beginnings
        ]
        found += [(INDEX, {"terms": text}) for text in self.wholes]
        if self.total is not None:
            found.append((TOTALS, {"total_price": Decimal128(self.total)}))
        return [Read(index, asked, asked) for index, asked in found]

    @property
    def filter(self) -> Document:
        conditions = [read.filter for read in self.reads]
        return conditions[0] if len(conditions) == 1 else {"$or": conditions}

    @property
    def is_in_order(self) -> bool:
        """Whether its orders stand in the index in the order of their creation."""
        return not self.beginnings

    @property
    def completed(self) -> "Word":
        """The same word by whole terms instead of by beginnings, where few begin so."""
        terms = {text: _terms(text) for text in self.beginnings}
        left = tuple(text for text, found in terms.items() if len(found) > FEW_TERMS)
        wholes = [term for text, found in terms.items() if text not in left for term in found]
        return replace(self, beginnings=left, wholes=tuple(dict.fromkeys((*self.wholes, *wholes))))

    @property
    def length(self) -> int:
        """The longer the beginning, the fewer the terms."""
        return min(map(len, self.beginnings), default=0)

    def count(self, most: int) -> int:
        """How many orders have it, up to `most` by each condition."""
        return sum(orders().count_documents(read.filter, limit=most, hint=read.index) for read in self.reads)


def reads_of(words: Sequence[Word]) -> list[Read]:
    """The reads that find the orders which have all these words.

    :raises PyMongoError: orders are counted, to learn which word the fewest have.
    """
    words = [word.completed for word in words]
    if not all(word.reads for word in words):
        return []
    if len(words) == 1 and words[0].is_in_order:
        return words[0].reads
    few = FEW if len(words) == 1 or any(word.is_in_order for word in words) else FEW_OF_SEVERAL
    counts = {word: word.count(few + 1) for word in words}
    rarest = min(words, key=lambda word: (counts[word], not word.is_in_order, -word.length))
    if not counts[rarest]:
        return []
    all_words = {"$and": [word.filter for word in words]} if len(words) > 1 else {}
    found = tuple(replace(read, filter=all_words or read.filter, sparse=len(words) > 1) for read in rarest.reads)
    if rarest.is_in_order or counts[rarest] <= few:
        return [*found]
    return [Read(WALKED, all_words or rarest.filter, instead=found)]


def _terms(beginning: str) -> list[str]:
    """The terms that begin so, up to one more than FEW_TERMS: by a seek in the index for each, whose keys are told."""
    found: list[str] = []
    first = beginning
    while len(found) <= FEW_TERMS:
        least = {"terms": first, "created_at": MaxKey(), "_id": MaxKey()}
        keys = orders().find({}, hint=INDEX, min=least, limit=1, return_key=True).to_list()
        if not keys or not str(keys[0]["terms"]).startswith(beginning):
            break
        found.append(keys[0]["terms"])
        first = found[-1] + "\0"
    return found


@wrap_database_errors
def read_indexable(after: ObjectId | None, most: int, *, again: bool) -> list[Document]:
    """Orders by id, after one, with what their terms are made of, and these; unless `again`, only those without."""
    asked: Document = dict(OURS) if again else {"terms": {"$exists": False}, **OURS}
    asked |= {"_id": {"$gt": after}} if after else {}
    return orders().find(asked, INDEXED_FIELDS, sort=[("_id", 1)], limit=most, hint="_id_").to_list()


@wrap_database_errors
def read_indexable_of(order_ids: Sequence[ObjectId]) -> list[Document]:
    """These orders, with what their terms are made of, and their terms."""
    return orders().find({"_id": {"$in": list(order_ids)}, **OURS}, INDEXED_FIELDS).to_list()


@wrap_database_errors
def save_terms(wanted: Sequence[tuple[Document, list[str]]]) -> int:
    """Write the terms of orders whose terms are still as they were read. :returns: how many were written.

    Not of one that was erased since: its terms may be the same before and after, and its name is to be gone.
    """
    if not wanted:
        return 0
    # None matches what is missing.
    writes = [
        UpdateOne({"_id": order["_id"], **{name: order.get(name) for name in ("terms", "erased_at")}},
                  {"$set": {"terms": terms}})
        for order, terms in wanted
    ]  # fmt: skip
    return orders().bulk_write(writes, ordered=False).modified_count
