"""Lists in the order of the orders' totals.

Few orders are found by what they have in common, and sorted. Where many are asked for, a walk along the totals soon
meets a page of them.
"""

from collections.abc import Mapping
from typing import Any

from django_mongodb_backend.query import wrap_database_errors

from orders.models import Document
from orders.storage.order_query import FEW, OrderQuery, TotalPosition, both
from orders.storage.order_writes import OURS, orders
from orders.storage.term_index import Read

WALKED = "total_newest"


@wrap_database_errors
def documents_by_total(
    query: OrderQuery, fields: Mapping[str, Any], *, after: TotalPosition | None = None, skip: int = 0, limit: int
) -> list[Document]:
    """Orders with these fields, as many, the lowest or the highest total first.

    Of one total the lowest first has the newest first, and the highest first the oldest.
    """
    read, way = _read(query), 1 if query.lowest_first else -1
    asked = both(read.filter | OURS, query.after_total(after))
    sort = [("total_price", way), ("created_at", -way), ("_id", -way)]
    return orders().find(asked, fields, sort=sort, hint=read.index).skip(skip).limit(limit).to_list()


def _read(query: OrderQuery) -> Read:
    if query.meanings:
        read = query.one_read()
        return Read(WALKED, read.filter) if read.index == "newest" else read
    index = query.index() if query.narrows else WALKED
    if index != WALKED and orders().count_documents(query.conditions, limit=FEW + 1, hint=index) > FEW:
        index = WALKED
    return Read(index, query.conditions)
