"""The tokens of services as each request looks them up."""

from datetime import UTC, datetime, timedelta
from typing import Any

from bson import ObjectId
from django_mongodb_backend.query import wrap_database_errors
from pymongo.collection import Collection

from orders.models import Document, ServiceToken
from orders.storage.database import collection, time_limit, writing

CHECKED = {"name": 1, "digest": 1, "scopes": 1, "expires_at": 1, "revoked_at": 1, "last_used_at": 1}


def tokens() -> Collection[Document]:
    return collection(ServiceToken._meta.db_table)


@wrap_database_errors
def find(token_id: ObjectId) -> Document | None:
    """A token by its id; moments are aware."""
    found = tokens().find_one({"_id": token_id}, CHECKED)
    return found and {name: _aware(value) for name, value in found.items()}


@wrap_database_errors
def note_use(token_id: ObjectId, at: datetime, *, every: timedelta, seconds: float) -> None:
    """Record that a token was used, unless that was recorded just now.

    :param seconds: how long it may take.
    """
    stale = {"$or": [{"last_used_at": None}, {"last_used_at": {"$lte": at - every}}]}
    with time_limit(seconds):
        tokens().update_one({"_id": token_id, **stale}, {"$set": {"last_used_at": at}})


@wrap_database_errors
def revoke(token_id: ObjectId, *, at: datetime, by: str) -> bool:
    """:returns: False if it was revoked before, or there is none."""
    with writing():
        update = {"$set": {"revoked_at": at, "revoked_by": by}}
        return tokens().update_one({"_id": token_id, "revoked_at": None}, update).matched_count == 1


def _aware(value: Any) -> Any:
    return value.replace(tzinfo=UTC) if isinstance(value, datetime) else value
