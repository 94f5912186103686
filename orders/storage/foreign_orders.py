"""Documents in the collection of orders that another service wrote, and that are not orders of this one yet.

They are told by having no `version`, which each order here has from its first write. Reads that fetch orders ask for
OURS, which costs them nothing to speak of; reads of index keys alone do not, and take away what is foreign among
their results: the index FOREIGN_INDEX has these documents only, so that asking it costs next to nothing without any.
"""

import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from bson import ObjectId
from django_mongodb_backend.query import wrap_database_errors
from pymongo import ReplaceOne
from pymongo.errors import DuplicateKeyError

from orders.models import Document
from orders.storage.database import database, literal, time_limit
from orders.storage.order_writes import OURS, orders

FOREIGN: Document = {"version": None}
FOREIGN_INDEX = "foreign"
KNOWN_FOR = 1.0
"""Seconds for which it is taken as known that there is none: one page of the backoffice would ask a dozen times."""
BATCH = 500
TIMEOUT = 600.0
"""Seconds for one batch, and for reading all orders once: nobody waits for a page."""


@dataclass(frozen=True)
class Replacement:
    """A document of another service, as it was read, and the order that is to stand in its place."""

    original: Document
    order: Document


@wrap_database_errors
def count_foreign(most: int, within: Document | None = None) -> int:
    """How many there are, counted up to `most`. :param within: only those that meet this filter."""
    asked = {"$and": [FOREIGN, within]} if within else FOREIGN
    return orders().count_documents(asked, limit=most, hint=FOREIGN_INDEX)


_none_at = float("-inf")
"""When there was last found to be none, by this process."""


def _any() -> bool:
    global _none_at
    if time.monotonic() - _none_at < KNOWN_FOR:
        return False
    found = count_foreign(1) > 0
    _none_at = float("-inf") if found else time.monotonic()
    return found


def forget() -> None:
    """Look again whether there is any, for tests."""
    global _none_at
    _none_at = float("-inf")


@wrap_database_errors
def foreign_among(ids: Sequence[ObjectId]) -> set[ObjectId]:
    """Those of these documents that are foreign; none of them for up to KNOWN_FOR seconds after the first appeared."""
    if not _any():
        return set()
    asked = {**FOREIGN, "_id": {"$in": list(ids)}}
    return {found["_id"] for found in orders().find(asked, {"_id": 1}, hint=FOREIGN_INDEX)}


@wrap_database_errors
def owner_of_foreign(order_id: ObjectId) -> str | None:
    """Whose a foreign document says that it is, or nothing; None where there is no such document."""
    found = orders().find_one({"_id": order_id, **FOREIGN}, {"user_id": 1}, hint="_id_")
    return str(found.get("user_id") or "") if found else None


def foreign_documents() -> Iterator[list[Document]]:
    """All of them, in batches by id: each batch is a query of its own.

    :raises DatabaseError: between two batches.
    """
    after: Document = {}
    while batch := _batch(after):
        yield batch
        after = _following(batch[-1]["_id"])


def _following(last: Any) -> Document:
    """What comes after an id, whatever types the others have: a plain `$gt` finds ids of its own type alone."""
    return {"$expr": {"$gt": ["$_id", literal(last)]}}


@wrap_database_errors
def _batch(after: Document) -> list[Document]:
    collection = orders()  # connects, where nothing is connected yet: for that the usual limit holds
    with time_limit(TIMEOUT):
        found = collection.find({**FOREIGN, **after}, sort=[("_id", 1)], limit=BATCH, hint=FOREIGN_INDEX)
        return found.batch_size(BATCH).to_list()


# --- adopting, and the way back --------------------------------------------------------------------------------------


@wrap_database_errors
def replace_foreign(replacements: Sequence[Replacement]) -> int:
    """Put orders in the place of documents, each if the document is still the whole of what was read.

    :returns: how many were replaced; the other service has changed the others meanwhile.
    :raises DatabaseError: some may have been replaced, each of them as a whole.
    """
    return _replace([(_exactly(one.original), one.original["_id"], one.order) for one in replacements])


@wrap_database_errors
def put_back(originals: Sequence[Document], ids: Sequence[ObjectId], act: str) -> int:
    """Put documents back in the place of the orders that they became, each if nothing has happened to it since.

    :param ids: of the orders.
    :param act: the act of the one entry that the history of such an order has.
    :returns: how many were put back.
    :raises DatabaseError: as of :func:`replace_foreign`.
    """
    untouched = {"history": {"$size": 1}, "history.0.act": act, "version": 0}
    pairs = zip(originals, ids, strict=True)
    return _replace([({"_id": order_id, **untouched}, order_id, original) for original, order_id in pairs])


def _replace(changes: Sequence[tuple[Document, Any, Document]]) -> int:
    """:param changes: of each the guard, the id there, and what is to stand there."""
    same = [ReplaceOne(guard, document) for guard, found, document in changes if found == document["_id"]]
    replaced = orders().bulk_write(same, ordered=False).matched_count if same else 0
    other = [(guard, document) for guard, found, document in changes if found != document["_id"]]
    return replaced + sum(_exchange(guard, document) for guard, document in other)


def _exchange(guard: Document, document: Document) -> bool:
    """Take a document away and insert another one, whose id is of another type, in one transaction.

    :returns: False where the guard did not hold, or where there is one of that id.
    """
    with database().client.start_session() as session:
        try:
            with session.start_transaction():
                if not orders().delete_one(guard, session=session).deleted_count:
                    return False
                orders().insert_one(document, session=session)
        except DuplicateKeyError:
            return False
    return True


def _exactly(document: Document) -> Document:
    """A filter for this very document: every field of it, in the same order."""
    return {"_id": document["_id"], "$expr": {"$eq": ["$$ROOT", literal(document)]}}


# --- orders of ours that the other service has changed ---------------------------------------------------------------


def changed_elsewhere(statuses: Sequence[str]) -> Iterator[list[Document]]:
    """Orders whose status is another one than that to which their history leads, in batches, whole.

    :param statuses: those that entries of a history lead to; those of lines have a `line`.
    :raises DatabaseError: between two batches.
    """
    entries = {"$filter": {"input": "$history", "as": "entry", "cond": {"$in": ["$$entry.to", list(statuses)]}}}
    differs: Document = {"$expr": {"$ne": ["$status", {"$let": {"vars": {"e": entries}, "in": {"$last": "$$e.to"}}}]}}
    after: Document = {}
    while batch := _changed_batch({**OURS, **differs, **after}):
        yield batch
        after = {"_id": {"$gt": batch[-1]["_id"]}}


@wrap_database_errors
def _changed_batch(asked: Document) -> list[Document]:
    collection = orders()
    with time_limit(TIMEOUT):
        return collection.find(asked, sort=[("_id", 1)], limit=BATCH, hint="_id_").to_list()
