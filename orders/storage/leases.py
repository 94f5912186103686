"""Leases: one holder at a time, until an end by mongod's clock, taken by one compare-and-set: of two, one gets it.

A lease has an id of its holder and an end. Those on products, idempotency keys and the daily figures are documents of
their own and are taken here. An *attempt* is a lease inside a larger document (a run, one of its batches, a line of an
order), `{id, until}`, taken by the guarded write that changes the rest of that document.

The attempt of an order's line differs in more than its place: several lines are taken together with their order's
status, `stock_due_at` follows from them in the same write, and an attempt that has ended is not simply free. Its call
may have been sent, so a worker that takes the line must name the very attempt that it saw
(:func:`orders.storage.line_stock.as_seen`), and `orders.services.stock.claims` decides what may follow.
"""

from typing import Any

from pymongo import ReturnDocument
from pymongo.collection import Collection

from orders.models import Document
from orders.storage.database import Expression, from_now, literal, milliseconds


def ended(until: str, *, for_seconds: float = 0.0) -> Expression:
    """Whether a lease has ended (that long ago), or there is none. :param until: the path of its end."""
    return {"$lte": [f"${until}", {"$subtract": ["$$NOW", milliseconds(for_seconds)]}]}


def attempt(holder: str, seconds: float) -> Expression:
    """An attempt as it is stored, ending `seconds` after the write."""
    return {"id": holder, "until": from_now(seconds)}


def take(documents: Collection[Document], key: Any, *, free: Expression, hold: Document) -> Document:
    """Set the fields of `hold` if the lease is `free`; a document that does not exist is created.

    :param hold: the holder, the end and what else is to be set, as expressions.
    :returns: the document after it; its holder tells whose the lease is.
    """
    held = {"$mergeObjects": ["$$ROOT", {"_id": literal(key)}, hold]}
    update = [{"$replaceWith": {"$cond": [free, held, "$$ROOT"]}}]
    after: Document | None = documents.find_one_and_update(
        {"_id": key}, update, upsert=True, return_document=ReturnDocument.AFTER
    )
    assert after is not None  # noqa: S101 - an upsert leaves a document
    return after


def give_back(documents: Collection[Document], held: Document, *fields: str) -> None:
    """Take fields off a document, if it is still `held` as described."""
    documents.update_one(held, {"$unset": dict.fromkeys(fields, "")})
