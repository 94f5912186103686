"""How much of an allowance is used up: one document for each who has one, one write each time that some is taken.

The algorithm is GCRA (a leaky bucket that keeps one number): `full_at` is when the whole allowance will be back. It
goes by mongod's clock alone, so that all workers on all machines agree. A burst may use the whole allowance at once.

The package `limits` was measured and left: an answer with headers costs it 0.7 to 0.9 ms of processor time and two to
three round trips, of which this needs 0.3 ms and one; and its MongoDB storage has a client and connections of its own.
"""

import math
from dataclasses import dataclass
from typing import Any

from django_mongodb_backend.query import wrap_database_errors
from pymongo import ReturnDocument, WriteConcern
from pymongo.collection import Collection

from orders.models import Document
from orders.storage.database import collection

COLLECTION = "rate_limits"
NOISE = 0.01
"""Milliseconds that rounding may add up to."""


@dataclass(frozen=True)
class Allowance:
    """What is left: `remaining` of `limit`, all of it in `reset` seconds; refused for `wait` seconds, if not 0."""

    limit: int
    period: int
    remaining: int
    reset: float
    wait: float = 0.0


@wrap_database_errors
def spend(key: str, *, limit: int, period: int) -> Allowance:
    """Take one of the `limit` that `key` may spend in `period` seconds, if one is left.

    Waits for the primary only: a count that a failover takes back harms nobody.
    """
    length = period * 1000.0
    step = length / limit
    after = _counters().find_one_and_update(
        {"_id": key}, _update(step, length), upsert=True, return_document=ReturnDocument.AFTER
    )
    assert after is not None  # noqa: S101 - upserted
    used = after["full_at"] - after["at"]
    return Allowance(
        limit=limit,
        period=period,
        remaining=max(0, math.floor((length - used + NOISE) / step)),
        reset=used / 1000,
        wait=0.0 if after["granted"] else (used + step - length) / 1000,
    )


@wrap_database_errors
def give_back(key: str, number: int, *, limit: int, period: int) -> None:
    """Undo so many acts that were granted, as if they had not been."""
    less = {"$subtract": ["$full_at", number * period * 1000.0 / limit]}
    _counters().update_one({"_id": key}, [{"$set": {"full_at": less, "expires_at": {"$toDate": less}}}])


@wrap_database_errors
def forget(prefix: str) -> None:
    """Give everybody the whole allowance back whose key begins so."""
    _counters().delete_many({"_id": {"$gte": prefix, "$lt": prefix + "\U0010ffff"}})


def _counters() -> Collection[Document]:
    return collection(COLLECTION).with_options(write_concern=WriteConcern(w=1))


def _update(step: float, length: float) -> list[dict[str, Any]]:
    """Times are milliseconds since 1970, as doubles: a date has no fractions of a millisecond.

    Nobody's allowance is back later than a period from now, though the primary before had a clock that went ahead.
    """
    now = {"$toDouble": {"$toLong": "$$NOW"}}
    latest = {"$min": [{"$ifNull": ["$full_at", now]}, {"$add": [now, length]}]}
    later = {"$add": ["$full_at", step]}
    return [
        {"$set": {"at": now, "full_at": {"$max": [latest, now]}}},
        {"$set": {"granted": {"$lte": [later, {"$add": ["$at", length + NOISE]}]}}},
        {"$set": {"full_at": {"$cond": ["$granted", later, "$full_at"]}}},
        {"$set": {"expires_at": {"$toDate": "$full_at"}}},
    ]
