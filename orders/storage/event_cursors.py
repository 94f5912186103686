"""Cursors into the feed of those who follow it for others: how far one is, and who moves it, under a lease."""

from typing import Any

from django_mongodb_backend.query import wrap_database_errors
from pymongo.collection import Collection

from orders.models import Document
from orders.storage import leases
from orders.storage.database import collection, from_now, literal

AMQP = "amqp"
"""The cursor of the message broker."""


def cursors() -> Collection[Document]:
    return collection("event_cursors")


@wrap_database_errors
def take(name: str, holder: str, seconds: float, *, start: int) -> int | None:
    """Take, or keep, the lease of a cursor, which begins at `start`.

    :returns: how far it is; None if another has it.
    """
    free: Any = {"$or": [leases.ended("until"), {"$eq": ["$holder", holder]}]}
    hold = {"holder": holder, "until": from_now(seconds), "cursor": {"$ifNull": ["$cursor", literal(start)]}}
    after = leases.take(cursors(), name, free=free, hold=hold)
    return int(after["cursor"]) if after["holder"] == holder else None


@wrap_database_errors
def advance(name: str, holder: str, cursor: int) -> bool:
    """Record that all up to `cursor` is dealt with. :returns: False if the lease is another's by now."""
    held = {"_id": name, "holder": holder}
    return cursors().update_one(held, {"$set": {"cursor": cursor}}).matched_count == 1


@wrap_database_errors
def give_back(name: str, holder: str) -> None:
    leases.give_back(cursors(), {"_id": name, "holder": holder}, "until", "holder")


@wrap_database_errors
def reset(name: str, cursor: int) -> None:
    """Set a cursor, wherever it is; whoever was moving it stops."""
    update = {"$set": {"cursor": cursor}, "$unset": {"holder": "", "until": ""}}
    cursors().update_one({"_id": name}, update, upsert=True)


@wrap_database_errors
def position(name: str) -> int | None:
    """How far a cursor is; None if it has never been taken."""
    found = cursors().find_one({"_id": name}, {"cursor": 1})
    return int(found["cursor"]) if found and "cursor" in found else None
