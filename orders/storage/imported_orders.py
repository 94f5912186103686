"""Writing historical orders in bulk, and knowing which are there."""

from collections.abc import Sequence
from datetime import datetime

from bson import ObjectId
from django.db import DatabaseError
from django_mongodb_backend.query import wrap_database_errors
from pymongo.errors import BulkWriteError

from orders.models import Document
from orders.storage.order_numbers import ids_of_numbers
from orders.storage.order_writes import orders

DUPLICATE_KEY = 11000


@wrap_database_errors
def known_orders(
    ids: Sequence[ObjectId], numbers: Sequence[str]
) -> tuple[dict[ObjectId, datetime], dict[str, ObjectId]]:
    """Which of these ids there are, with the times of their creation, and which of these numbers in any case, as
    `ids_of_numbers` has them.
    """
    there = orders().find({"_id": {"$in": list(ids)}}, {"created_at": 1})
    return {order["_id"]: order["created_at"] for order in there}, ids_of_numbers(numbers)


@wrap_database_errors
def insert_orders(documents: Sequence[Document]) -> int:
    """Insert orders; one whose id is there by now is left as it is.

    :returns: how many were inserted.
    :raises DatabaseError: some may have been inserted, some not.
    """
    if not documents:
        return 0
    try:
        return len(orders().insert_many(documents, ordered=False).inserted_ids)
    except BulkWriteError as error:
        others = [problem for problem in error.details["writeErrors"] if problem["code"] != DUPLICATE_KEY]
        if others or error.details["writeConcernErrors"]:
            raise DatabaseError(f"{len(others)} orders could not be inserted") from error
        inserted: int = error.details["nInserted"]
        return inserted
