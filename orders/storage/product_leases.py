"""Leases on products: who may call inventory for one, where it is not atomic. One document a product, never deleted."""

from datetime import datetime

from django_mongodb_backend.query import wrap_database_errors
from pymongo import WriteConcern

from orders.storage import leases
from orders.storage.database import collection, from_now, literal

COLLECTION = "product_leases"


@wrap_database_errors
def take(product_id: str, holder: str, seconds: float, *, extend: bool = False) -> datetime | None:
    """Take a product's lease, if nobody has it, or it has ended by mongod's clock.

    :param holder: identifies who takes it; if they hold it already, its end stays as it was.
    :param extend: if they hold it already, put its end off instead.
    :param seconds: until it ends by itself.
    :returns: None if it was taken; otherwise when the present holder's lease ends (naive UTC).
    :raises DatabaseError: it may or may not have been taken.
    """
    hold = {"holder": holder, "until": from_now(seconds)}
    free = leases.ended("until")
    if extend:
        free = {"$or": [free, {"$eq": ["$holder", literal(holder)]}]}
    after = leases.take(collection(COLLECTION), product_id, free=free, hold=hold)
    ends: datetime = after["until"]
    return None if after["holder"] == holder else ends


@wrap_database_errors
def give_back(product_id: str, holder: str) -> None:
    """End a lease before its time. Waits for the primary only: one that a failover brings back ends by itself.

    :raises DatabaseError: it may or may not have been given back.
    """
    documents = collection(COLLECTION).with_options(write_concern=WriteConcern(w=1))
    leases.give_back(documents, {"_id": product_id, "holder": holder}, "until")
