"""The database underneath the ORM, for reads and writes without model instances."""

import uuid
from contextlib import AbstractContextManager
from typing import Any

import pymongo
from django.db import DatabaseError, connection
from pymongo.collection import Collection
from pymongo.database import Database
from pymongo.errors import (
    ConnectionFailure,
    OperationFailure,
    PyMongoError,
    ServerSelectionTimeoutError,
    WaitQueueTimeoutError,
    WriteConcernError,
)

from observability import context
from orders.models import Document

DATABASE_ERRORS = DatabaseError, PyMongoError
"""What a failing database raises: the ORM's errors, and pymongo's where nothing wraps them."""
Expression = Any
"""A MongoDB aggregation expression."""


def database() -> Database[Document]:
    """The pymongo database of the default connection; the client is a pool shared by threads."""
    found: Database[Document] = connection.database  # type: ignore[attr-defined]
    return found


_collections: dict[str, Collection[Document]] = {}


def collection(name: str) -> Collection[Document]:
    """A collection by its name. It is cached: creating one costs more than serializing ten orders.

    Each time it is checked that it belongs to the present connection, which tests and commands change.
    """
    found, now = _collections.get(name), database()
    if found is None or found.database.client is not now.client or found.database.name != now.name:
        found = _collections[name] = now[name]
    return found


def time_limit(seconds: float) -> AbstractContextManager[None]:
    """Bound all that is asked of the database inside, together, on the server (`maxTimeMS`) and on the wire.

    What takes longer fails with a DatabaseError, where the function that asks wraps its errors.
    """
    return pymongo.timeout(max(seconds, 0.000_001))  # 0 would be no limit


NEVER_SENT = ServerSelectionTimeoutError, WaitQueueTimeoutError
"""pymongo raises these only if nothing was sent: of a write that it repeated, it raises the first error."""


class writing:  # noqa: N801 - used as a verb
    """Record in the scope of this piece of work that a write may have happened, even if it fails.

    Not if no server was found to send it to.
    """

    def __enter__(self) -> None:
        """Nothing is known yet."""

    def __exit__(self, _type: object, error: BaseException | None, _trace: object) -> None:
        cause = error.__cause__ if isinstance(error, DatabaseError) else error
        if (scope := context.current()) and not isinstance(cause, NEVER_SENT):
            scope.may_have_written = True


def is_outage(error: BaseException | None) -> bool:
    """Tell whether the database, or a majority of it, is temporarily unavailable; a refusal is no outage.

    :param error: pymongo's own, or the DatabaseError that wraps it.
    """
    cause = error.__cause__ if isinstance(error, DatabaseError) else error
    if not isinstance(cause, PyMongoError):
        return False
    return isinstance(cause, ConnectionFailure | WriteConcernError) or cause.timeout


def new_id() -> str:
    """A fresh id for one write or one attempt."""
    return uuid.uuid4().hex


def literal(value: Any) -> Expression:
    """A value that MongoDB must not read as an expression: an address may well start with a dollar sign."""
    return {"$literal": value}


def appended(name: str, entry: Expression) -> Document:
    """The array of this name, which may be missing, with one more entry."""
    return {"$concatArrays": [{"$ifNull": [f"${name}", []]}, [entry]]}


def milliseconds(seconds: float) -> int:
    return max(0, round(seconds * 1000))


def from_now(seconds: float) -> Document:
    """The time `seconds` after the write, by mongod's clock, as an aggregation expression."""
    return {"$add": ["$$NOW", milliseconds(seconds)]}


REFUSES_EVERYTHING = frozenset({13, 18, 64, 100, 371, 14031})
"""Codes with which mongod refuses any operation: no permission, no disk space, no majority."""


def refusal_of(error: DatabaseError) -> tuple[str, int | None] | None:
    """The text and code with which mongod refused this very operation; None if it refuses any, or does not answer."""
    cause = error.__cause__
    if not isinstance(cause, OperationFailure) or is_outage(cause) or cause.code in REFUSES_EVERYTHING:
        return None
    return str(cause), cause.code
