"""Going through very many orders, newest first, in bounded memory."""

from collections.abc import Iterator, Mapping
from typing import Any

from django_mongodb_backend.query import wrap_database_errors
from pymongo.errors import PyMongoError

from orders.models.parts import Document
from orders.storage.database import time_limit
from orders.storage.order_reads import Position
from orders.storage.order_writes import orders

NEWEST_FIRST = [("created_at", -1), ("_id", -1)]
BATCH_TIMEOUT = 60.0
"""Seconds for one batch: nobody waits for it, and a filter without an index may have to pass by many orders."""
COUNT_TIMEOUT = 5.0


def batches(
    query: Document, fields: Mapping[str, Any] | None = None, *, size: int = 1000, hint: str | None = None
) -> Iterator[list[Document]]:
    """The orders that match, newest first, in lists of up to `size`.

    Each list is a query of its own that begins where the last one ended: however long the caller takes between two
    of them, no cursor lapses. An order that is placed meanwhile is not among them; none comes twice.

    :param query: any filter.
    :param fields: the projection; `created_at` must be in it.
    :param hint: the index to use, where the planner should not choose.
    :raises DatabaseError:
    """
    after: Position | None = None
    while batch := _batch(_older(query, after), fields, size, hint):
        yield batch
        if len(batch) < size:
            return
        after = Position(batch[-1]["created_at"], batch[-1]["_id"])


@wrap_database_errors
def count(query: Document, *, hint: str | None = None) -> int | None:
    """How many orders match; None where counting them takes too long."""
    try:
        with time_limit(COUNT_TIMEOUT):
            if not query:
                return orders().estimated_document_count()
            options: dict[str, Any] = {"hint": hint} if hint else {}
            return orders().count_documents(query, **options)
    except PyMongoError as error:
        if error.timeout:
            return None
        raise


@wrap_database_errors
def _batch(query: Document, fields: Mapping[str, Any] | None, size: int, hint: str | None) -> list[Document]:
    with time_limit(BATCH_TIMEOUT):
        return orders().find(query, fields, sort=NEWEST_FIRST, limit=size, batch_size=size, hint=hint).to_list()


def _older(query: Document, after: Position | None) -> Document:
    if after is None:
        return query
    rest = [{"created_at": {"$lt": after.created_at}}, {"_id": {"$lt": after.id}}]
    return {"$and": [query, {"created_at": {"$lte": after.created_at}}, {"$or": rest}]}
