"""Taking down which orders a run is about, batch by batch: from then on it depends on no query any more.

It goes on where it was cut off: each batch says where the next begins, and only one can be the next.
"""

from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import suppress
from dataclasses import replace
from itertools import islice
from typing import TypeVar

from django.conf import settings
from django.db import DatabaseError
from django.utils.translation import gettext_noop

from orders.models import BulkRun
from orders.services.errors import OrderError, RefusalKind
from orders.storage import bulk_batches as store
from orders.storage import bulk_runs, new_id
from orders.storage.bulk_orders import from_given, named, select_page
from orders.storage.order_query import OrderQuery, Position

T = TypeVar("T")


class TooManyBatches(OrderError):
    """The run is about more orders than its batches can name."""

    code = "too_many_batches"
    kind = RefusalKind.CONFLICT


TAKEN_AT_ONCE = 5000
TOO_MANY = gettext_noop("A run with %(size)s orders a batch is about %(most)s orders at most.")


def take_over(run: BulkRun) -> str | None:
    """Take the lease on taking down the orders of a run. :returns: the attempt; None where it is another's, or done."""
    attempt = new_id()
    return attempt if bulk_runs.claim_selection(run.pk, attempt, settings.STOCK_LEASE) else None


def take_down(run: BulkRun, selection: OrderQuery, attempt: str) -> None:
    """Write the batches of a run whose orders are named, under a lease; then it is `queued`. Each order is in it once.

    It leaves off where the lease is lost, or the run was called off.

    :raises TooManyBatches: the run ends as failed.
    :raises DatabaseError: some may have been written; whoever asks for the same run again may begin anew.
    """
    try:
        n = total = 0
        for keys in in_chunks(named(selection), _page(run)):
            made = [store.NewBatch(batch) for batch in in_chunks(keys, run.batch_size)]
            held = bulk_runs.renew_selection(run.pk, attempt, settings.STOCK_LEASE)
            if not held or not _add(run, n, made):
                return
            n, total = n + len(made), total + len(keys)
        bulk_runs.finish_selection(run.pk, attempt, total)
    except TooManyBatches as error:
        bulk_runs.fail_selection(run.pk, str(error))
        raise
    except DatabaseError:
        with suppress(DatabaseError):
            bulk_runs.renew_selection(run.pk, attempt, 0)
        raise


def select(run: BulkRun, *, going_on: Callable[[], bool]) -> bool:
    """Look for the orders of a run, under a lease, and write its batches; the run is `queued` once all are found.

    :param going_on: asked between batches whether to go on.
    :returns: False where somebody else is at it.
    :raises TooManyBatches: it will never be done.
    :raises DatabaseError: some may have been written.
    """
    if not (attempt := take_over(run)):
        return False

    def still() -> bool:
        return going_on() and bulk_runs.renew_selection(run.pk, attempt, settings.STOCK_LEASE)

    if _look_for(run, still):
        bulk_runs.finish_selection(run.pk, attempt, store.tally(run.pk, lasting=True).total)
    else:
        bulk_runs.release_selection(run.pk, attempt)
    return True


def _look_for(run: BulkRun, going_on: Callable[[], bool]) -> bool:
    """:returns: whether all have been found; False where it was not to go on, or somebody else is at it."""
    selection = from_given(run.selection)
    n, after = store.last_batch(run.pk)
    left = None if selection.limit is None else selection.limit - store.tally(run.pk, lasting=True).total
    found: list[Position] = []
    while left is None or left > 0:
        chosen, after = select_page(selection, after=after, size=_page(run))
        found = (found + chosen)[:left]
        is_last = after is None or len(found) == left
        on = is_last or going_on()
        if is_last or not on or len(found) >= _page(run):
            made = _batches(found, run.batch_size, after)
            if not _add(run, n, made):
                return False
            n, left, found = n + len(made), None if left is None else left - len(found), []
        if is_last or not on:
            return is_last
    return True


def _add(run: BulkRun, n: int, made: Sequence[store.NewBatch]) -> bool:
    """:raises TooManyBatches:"""
    if not made:
        return True
    if n + len(made) > store.MOST_BATCHES:
        most = store.MOST_BATCHES * run.batch_size
        raise TooManyBatches(TOO_MANY % {"size": run.batch_size, "most": f"{most:,}"})
    return store.add_batches(run.pk, n, made)


def _batches(found: Sequence[Position], size: int, after: Position | None) -> list[store.NewBatch]:
    """Batches of these orders, the last of which, though it be empty, says where to go on."""
    made = [store.NewBatch([order.id for order in batch], batch[-1]) for batch in in_chunks(found, size)]
    last = made.pop() if made else store.NewBatch([])
    return [*made, replace(last, last=after or last.last)] if last.keys or after else made


def _page(run: BulkRun) -> int:
    """How many orders are taken down at once: whole batches."""
    return max(1, TAKEN_AT_ONCE // run.batch_size) * run.batch_size


def in_chunks(items: Iterable[T], size: int) -> Iterator[list[T]]:
    """The items, so many at a time."""
    rest = iter(items)
    while chunk := list(islice(rest, size)):
        yield chunk
