"""The removal of rejected drafts of which nothing is owed and nothing is told any more."""

from collections.abc import Sequence
from datetime import datetime

from bson import ObjectId
from django_mongodb_backend.query import wrap_database_errors

from orders.models import IdempotencyKey, Status
from orders.storage.database import collection
from orders.storage.order_query import OrderQuery
from orders.storage.order_writes import orders


def purgeable(before: datetime) -> OrderQuery:
    """The drafts that may go, created before a moment: asked by the search and, again, by each removal."""
    return OrderQuery((Status.REJECTED.value,), before=before, drafts=True, settled=True, oldest_first=True)


@wrap_database_errors
def kept_by_keys(ids: Sequence[ObjectId]) -> set[ObjectId]:
    """Those of these orders for which an idempotency key stands. Reads every key: they last for a day or so."""
    keys = collection(IdempotencyKey._meta.db_table)
    return {key["order_id"] for key in keys.find({"order_id": {"$in": list(ids)}}, {"order_id": 1})}


@wrap_database_errors
def remove_drafts(ids: Sequence[ObjectId], before: datetime) -> int:
    """Delete those of these orders that are still purgeable. :returns: how many were."""
    return orders().delete_many({"_id": {"$in": list(ids)}, **purgeable(before).conditions}).deleted_count
