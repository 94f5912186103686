"""The database underneath the ORM, for reads and writes without model instances."""

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

Document = dict[str, Any]


def database() -> Database[Document]:
    """The pymongo database of the default connection; the client is a pool shared by threads."""
    found: Database[Document] = connection.database  # type: ignore[attr-defined]
    return found


_collections: dict[str, Collection[Document]] = {}


def collection(name: str) -> Collection[Document]:
    """A collection by its name. The last one is kept: making one anew costs more than writing out ten orders.

    Whether it is of the database that is connected to now is asked each time: tests and commands change that one.
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
"""Of a write that pymongo sent, and tried again, it raises what came of the first try."""


class writing:  # noqa: N801 - used as a verb
    """What is written in here may be there afterwards, whatever comes of it: told to the scope of this piece of work.

    Not so where no server was found to send it to.
    """

    def __enter__(self) -> None:
        """Nothing is known yet."""

    def __exit__(self, _type: object, error: BaseException | None, _trace: object) -> None:
        cause = error.__cause__ if isinstance(error, DatabaseError) else error
        if (scope := context.current()) and not isinstance(cause, NEVER_SENT):
            scope.may_have_written = True


def is_outage(error: BaseException | None) -> bool:
    """Tell whether the database does not answer, or not for a majority, and will again; not whether it refused.

    :param error: pymongo's own, or the DatabaseError that wraps it.
    """
    cause = error.__cause__ if isinstance(error, DatabaseError) else error
    if not isinstance(cause, PyMongoError):
        return False
    return isinstance(cause, ConnectionFailure | WriteConcernError) or cause.timeout


REFUSES_EVERYTHING = frozenset({13, 18, 64, 100, 371, 14031})
"""Codes with which mongod refuses any operation: no permission, no disk space, no majority."""


def refusal_of(error: DatabaseError) -> tuple[str, int | None] | None:
    """The text and code with which mongod refused this very operation; None if it refuses any, or does not answer."""
    cause = error.__cause__
    if not isinstance(cause, OperationFailure) or is_outage(cause) or cause.code in REFUSES_EVERYTHING:
        return None
    return str(cause), cause.code
