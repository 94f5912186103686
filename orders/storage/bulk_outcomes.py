"""What a run asks of the orders themselves: they know what has been done to them."""

from collections.abc import Sequence

from django_mongodb_backend.query import wrap_database_errors

from orders.models.bulk_run import BulkRun
from orders.models.states import LineState
from orders.storage.database import Document
from orders.storage.order_query import Key
from orders.storage.order_writes import orders


def mark(run: BulkRun) -> Document:
    """What an entry of a history says where it is the run's own transition of that order.

    A request id alone would not do: a client may send one of its own choosing.
    """
    own = {"request_id": str(run.pk), "act": run.transition, "actor": run.actor, "via": run.via}
    return {"$elemMatch": own}


@wrap_database_errors
def marked(keys: Sequence[Key], run: BulkRun) -> set[Key]:
    """Those of the orders that the run has changed."""
    query = {"_id": {"$in": list(keys)}, "history": mark(run)}
    return {order["_id"] for order in orders().find(query, {"_id": 1})}


@wrap_database_errors
def outcomes(keys: Sequence[Key], run: BulkRun) -> dict[Key, tuple[str, bool]]:
    """Each order's status, and whether the run has changed it."""
    fields = {"status": 1, "history": mark(run)}
    found = orders().find({"_id": {"$in": list(keys)}}, fields)
    return {order["_id"]: (order["status"], bool(order.get("history"))) for order in found}


@wrap_database_errors
def products_to_release(keys: Sequence[Key]) -> list[str]:
    """Two products that some of the orders hold; fewer where they hold fewer."""
    held = {"stock.state": LineState.RESERVED.value}
    found: list[str] = []
    for _ in range(2):
        one = {"$elemMatch": held | {"product_id": {"$nin": found}}}
        order = orders().find_one({"_id": {"$in": list(keys)}, "items": one}, {"items": one})
        if order is None:
            break
        found.append(str(order["items"][0]["product_id"]))
    return found


@wrap_database_errors
def numbers(keys: Sequence[Key]) -> dict[Key, str]:
    """Each order's number."""
    return {order["_id"]: order["number"] for order in orders().find({"_id": {"$in": list(keys)}}, {"number": 1})}
