"""Orders of which some name, the contact or the currency is missing: those placed before orders kept them, mostly."""

from collections.abc import Iterator, Mapping
from typing import Any

from django_mongodb_backend.query import wrap_database_errors

from orders.models import PUBLIC_STATUSES, Contact, Document
from orders.storage.database import Expression, literal, time_limit, writing
from orders.storage.order_writes import OURS, orders

BATCH = 200
TIMEOUT = 600.0
"""Seconds for one batch, or for counting: there is no index of what is missing, and few may be left among millions."""
EMPTY = {"$in": [None, ""]}
UNNAMED: Document = {
    **OURS,
    "status": {"$in": list(PUBLIC_STATUSES)},
    "erased_at": None,  # what was erased is not to come back
    "$or": [
        {"items": {"$elemMatch": {"name": EMPTY}}},
        {"contact.name": EMPTY},
        {"contact.email": EMPTY},
        {"currency": EMPTY},
    ],
}
FIELDS = dict.fromkeys(("version", "user_id", "items.product_id", "items.name", "contact", "currency"), 1)


@wrap_database_errors
def count_unnamed() -> int:
    """How many there are. Reads every order."""
    with time_limit(TIMEOUT):
        return orders().count_documents(UNNAMED)


def unnamed(*, oldest_first: bool = False) -> Iterator[list[Document]]:
    """Some fields of each, in batches: a walk through the index of `_id`, which no other write delays or repeats.

    :raises DatabaseError: between two batches.
    """
    beyond: Document = {}
    while batch := _batch(beyond, 1 if oldest_first else -1):
        yield batch
        beyond = {"_id": {"$gt" if oldest_first else "$lt": batch[-1]["_id"]}}


@wrap_database_errors
def _batch(beyond: Document, direction: int) -> list[Document]:
    with time_limit(TIMEOUT):
        found = orders().find(beyond | UNNAMED, FIELDS, sort=[("_id", direction)], hint=[("_id", 1)], limit=BATCH)
        return list(found)


@wrap_database_errors
def fill_in(
    order: Document, *, products: Mapping[str, Mapping[str, str]], contact: Mapping[str, str], currency: str
) -> bool:
    """Write into an order what it lacks; what it has stays, whoever wrote it.

    `version`, `updated_at` and the history stay as well: nobody decided anything, so no edit under way is to fail, and
    no figure is to be counted again.

    :param order: its `_id` and `version` as read; one that was changed meanwhile is left alone.
    :param products: fields of a line by product id.
    :param contact: fields of the contact.
    :returns: whether there was anything to write.
    :raises DatabaseError: it may or may not have been written; the same call is safe to repeat.
    """
    branches = [
        {"case": {"$eq": ["$$line.product_id", literal(product_id)]}, "then": _completed("$$line", facts)}
        for product_id, facts in products.items()
    ]
    changes: Document = {"currency": _kept("$currency", currency)}
    if branches:
        named = {"$switch": {"branches": branches, "default": "$$line"}}
        changes["items"] = {"$map": {"input": "$items", "as": "line", "in": named}}
    if contact:
        nobody = dict.fromkeys((field.name for field in Contact._meta.concrete_fields if not field.primary_key), "")
        changes["contact"] = {"$mergeObjects": [nobody, _completed("$contact", contact)]}
    guard = {"_id": order["_id"], **UNNAMED, "version": order["version"]}
    with writing():
        return bool(orders().update_one(guard, [{"$set": changes}]).modified_count)


def _completed(part: str, facts: Mapping[str, Any]) -> Expression:
    return {"$mergeObjects": [part, {name: _kept(f"{part}.{name}", fact) for name, fact in facts.items()}]}


def _kept(path: str, fact: str) -> Expression:
    """What stands there, or the fact where nothing does: null and what is missing come before any text."""
    return {"$cond": [{"$gt": [path, ""]}, path, literal(fact)]}
