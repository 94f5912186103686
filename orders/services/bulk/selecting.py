"""Taking down which orders a run is about, batch by batch: from then on it depends on no query any more.

It goes on where it was cut off: each batch says where the next begins, and only one can be the next.
"""

from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress
from itertools import islice
from typing import TypeVar

from django.conf import settings
from django.db import DatabaseError

from orders.models import bulk_store as store
from orders.models.bulk import BulkRun, BulkState
from orders.models.database import Document
from orders.models.selection import Key, OrderSelection, known_ids, narrow, select_page
from orders.models.writes import new_id

T = TypeVar("T")

ASKED_AT_ONCE = 1000
TAKEN_AT_ONCE = 5000


def take_over(run: BulkRun) -> str | None:
    """Take the lease on taking down the orders of a run. :returns: the attempt; None where it is another's, or done."""
    attempt = new_id()
    return (
        attempt
        if store.change_run(run.pk, [BulkState.SELECTING], {}, computed=_lease(attempt), guard=store.LAPSED)
        else None
    )


def take_down(run: BulkRun, selection: OrderSelection, attempt: str) -> None:
    """Write the batches of a run whose orders are named, under a lease; then it is `queued`. Each order is in it once.

    It leaves off where the lease is lost, or the run was called off.

    :raises DatabaseError: some may have been written; whoever asks for the same run again may begin anew.
    """
    mine = {"attempt.id": attempt}
    try:
        n = total = 0
        for keys in in_chunks(islice(_named(selection), selection.limit), _page(run)):
            made = [store.NewBatch(batch) for batch in in_chunks(keys, run.batch_size)]
            held = store.change_run(run.pk, [BulkState.SELECTING], {}, computed=_lease(attempt), guard=mine)
            if not held or not store.add_batches(run.pk, n, made):
                return
            n, total = n + len(made), total + len(keys)
        queued = {"state": BulkState.QUEUED.value, "selected": True, "total": total, "attempt": None}
        store.change_run(run.pk, [BulkState.SELECTING], queued, guard=mine)
    except DatabaseError:
        with suppress(DatabaseError):
            store.change_run(run.pk, [BulkState.SELECTING], {}, computed=_lease(attempt, 0), guard=mine)
        raise


def _lease(attempt: str, seconds: float | None = None) -> Document:
    return {"attempt": store.lease(attempt, settings.STOCK_LEASE if seconds is None else seconds)}


def _named(selection: OrderSelection) -> Iterator[Key]:
    seen: set[Key] = set()
    for chunk in in_chunks(selection.keys or (), ASKED_AT_ONCE):
        known = known_ids(chunk)
        for key in narrow(selection, known) if selection.narrows else known:
            if key not in seen:
                seen.add(key)
                yield key


def select(run: BulkRun, *, going_on: Callable[[], bool]) -> bool:
    """Look for the orders of a run, under a lease, and write its batches; the run is `queued` once all are found.

    :param going_on: asked between batches whether to go on.
    :returns: False where somebody else is at it.
    :raises DatabaseError: some may have been written.
    """
    if not (attempt := take_over(run)):
        return False
    mine = {"attempt.id": attempt}

    def still() -> bool:
        return going_on() and store.change_run(run.pk, [BulkState.SELECTING], {}, computed=_lease(attempt), guard=mine)

    fields: Document = {"attempt": None}
    if _look_for(run, still):
        total = store.tally(run.pk, lasting=True).total
        fields |= {"state": BulkState.QUEUED.value, "selected": True, "total": total}
    store.change_run(run.pk, [BulkState.SELECTING], fields, guard=mine)
    return True


def _look_for(run: BulkRun, going_on: Callable[[], bool]) -> bool:
    """:returns: whether all have been found; False where it was not to go on, or somebody else is at it."""
    selection = OrderSelection.from_given(run.selection)
    n, after = store.last_batch(run.pk)
    left = None if selection.limit is None else selection.limit - n * run.batch_size
    while left is None or left > 0:
        size = _page(run) if left is None else min(left, _page(run))
        found = select_page(selection, after=after, size=size)
        made = [store.NewBatch([order.id for order in batch], batch[-1]) for batch in in_chunks(found, run.batch_size)]
        if made and not store.add_batches(run.pk, n, made):
            return False
        if len(found) < size:
            return True
        n, after, left = n + len(made), found[-1], None if left is None else left - size
        if not going_on():
            return False
    return True


def _page(run: BulkRun) -> int:
    """How many orders are taken down at once: whole batches."""
    return max(1, TAKEN_AT_ONCE // run.batch_size) * run.batch_size


def in_chunks(items: Iterable[T], size: int) -> Iterator[list[T]]:
    """The items, so many at a time."""
    rest = iter(items)
    while chunk := list(islice(rest, size)):
        yield chunk
