"""Giving orders their search terms that were stored without them, or under other rules."""

from collections.abc import Callable, Sequence

from bson import ObjectId

from orders.models import Document
from orders.services.search_terms import terms_of
from orders.storage.term_index import read_indexable, read_indexable_of, save_terms

BATCH = 500


def index_orders(
    *,
    again: bool = False,
    stopping: Callable[[], bool] = lambda: False,
    progress: Callable[[int], None] = lambda _: None,
) -> int:
    """Give their terms to the orders without any. Nothing else of an order changes, not even its version.

    What is written stays: the same call goes on where one was stopped. An order that somebody else gives its terms
    meanwhile is left as they write it.

    :param again: look at every order, and write the terms of those that should have others.
    :param stopping: asked between batches whether to stop.
    :param progress: told how many more orders have been looked at, each time.
    :returns: how many orders were written.
    :raises DatabaseError: some may have been written.
    """
    written, found = 0, read_indexable(None, BATCH, again=again)
    while found:
        written += _index(found)
        progress(len(found))
        if stopping():
            break
        found = read_indexable(found[-1]["_id"], BATCH, again=again)
    return written


def index_these(order_ids: Sequence[ObjectId]) -> int:
    """Give these orders the terms that they should have. :returns: how many were written. :raises DatabaseError:"""
    return _index(read_indexable_of(order_ids))


def _index(found: Sequence[Document]) -> int:
    wanted = [(order, terms_of(order)) for order in found]
    return save_terms([(order, terms) for order, terms in wanted if terms != order.get("terms")])
