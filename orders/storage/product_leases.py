"""Leases on products: who may call inventory for one, where it is not atomic. One document a product, never deleted."""

from datetime import datetime

from django_mongodb_backend.query import wrap_database_errors
from pymongo import ReturnDocument, WriteConcern
from pymongo.collection import Collection

from orders.storage.database import Document, collection
from orders.storage.order_writes import from_now, literal

COLLECTION = "product_leases"


@wrap_database_errors
def take(product_id: str, holder: str, seconds: float) -> datetime | None:
    """Take a product's lease, if nobody has it, or it has ended by mongod's clock.

    :param holder: identifies who takes it; of one who has it already, it ends as it would have.
    :param seconds: until it ends by itself.
    :returns: None if it was taken; else when the lease of who has it ends (naive UTC).
    :raises DatabaseError: it may or may not have been taken.
    """
    free = {"$lte": [{"$ifNull": ["$until", "$$NOW"]}, "$$NOW"]}
    mine = {"_id": literal(product_id), "holder": holder, "until": from_now(seconds)}
    after = _leases().find_one_and_update(
        {"_id": product_id},
        [{"$replaceWith": {"$cond": [free, mine, "$$ROOT"]}}],
        upsert=True,
        return_document=ReturnDocument.AFTER,
    )
    assert after is not None  # noqa: S101 - upserted
    ends: datetime = after["until"]
    return None if after["holder"] == holder else ends


@wrap_database_errors
def give_back(product_id: str, holder: str) -> None:
    """End a lease before its time. Waits for the primary only: one that a failover brings back ends by itself.

    :raises DatabaseError: it may or may not have been given back.
    """
    ended = {"$unset": {"until": ""}}
    leases = _leases().with_options(write_concern=WriteConcern(w=1))
    leases.update_one({"_id": product_id, "holder": holder}, ended)


def _leases() -> Collection[Document]:
    return collection(COLLECTION)
