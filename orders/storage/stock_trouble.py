"""Items of orders whose stock is in trouble now: no change of that is told by `updated_at`, so it is looked up."""

from datetime import datetime
from typing import Any

from django_mongodb_backend.query import wrap_database_errors

from orders.models import PUBLIC_STATUSES, Document, LineState
from orders.storage.alerts import STOCK_UNKNOWN
from orders.storage.order_writes import OURS, orders

MOST = 5_000
"""The newest orders with a trouble that are looked at."""


@wrap_database_errors
def unknown(since: datetime, before: datetime) -> Document:
    """The items whose stock is unconfirmed, of the orders placed from `since` to `before`.

    :returns: `lines`, their `units`, and whether they were `cut` at MOST, so that there may be more.
    """
    is_unknown = {"$eq": ["$$item.stock.state", LineState.UNKNOWN.value]}
    return _counted("unknown_newest", STOCK_UNKNOWN, is_unknown, "quantity", since, before)


@wrap_database_errors
def short(since: datetime, before: datetime) -> Document:
    """The same of the items of which fewer units were released than should have been; `units` are those missing."""
    is_short = {"$gt": ["$$item.stock.discrepancy", 0]}
    troubled = {"items.stock.discrepancy": {"$gt": 0}}
    return _counted("short_newest", troubled, is_short, "stock.discrepancy", since, before)


def _counted(
    index: str, troubled: Document, is_troubled: Document, units: str, since: datetime, before: datetime
) -> Document:
    # Drafts and rejected orders count towards MOST, too: it bounds what is read.
    is_counted = {"$and": [{"$in": ["$status", list(PUBLIC_STATUSES)]}, is_troubled]}
    sums: dict[str, Any] = {
        "read": {"$sum": 1},
        "lines": {"$sum": {"$size": "$items"}},
        "units": {"$sum": {"$sum": f"$items.{units}"}},
    }
    found = orders().aggregate(
        [
            {"$match": troubled | {"created_at": {"$gte": since, "$lt": before}} | OURS},
            {"$sort": {"created_at": -1, "_id": -1}},
            {"$limit": MOST},
            {"$project": {"items": {"$filter": {"input": "$items", "as": "item", "cond": is_counted}}}},
            {"$group": {"_id": None, **sums}},
        ],
        hint=index,
    )
    row = next(found, {"read": 0, "lines": 0, "units": 0})
    return {"lines": row["lines"], "units": row["units"], "cut": row["read"] >= MOST}
