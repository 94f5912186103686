"""Taking down which orders a run is about, batch by batch: from then on it depends on no query any more.

It goes on where it was cut off: each batch says where the next begins, and only one can be the next.
"""

from collections.abc import Callable, Iterable, Iterator
from itertools import islice
from typing import TypeVar

from orders.models import bulk_store as store
from orders.models.bulk import BulkRun
from orders.models.selection import Key, OrderSelection, known_ids, narrow, select_page

T = TypeVar("T")

ASKED_AT_ONCE = 1000


def take_down(run: BulkRun, selection: OrderSelection) -> int:
    """Write the batches of a run whose orders are named. Each order is in it once.

    :returns: how many orders there are.
    :raises DatabaseError: some may have been written.
    """
    keys, total = islice(_named(selection), selection.limit), 0
    for n, batch in enumerate(in_chunks(keys, run.batch_size)):
        store.add_batch(run.pk, n, batch)
        total += len(batch)
    return total


def _named(selection: OrderSelection) -> Iterator[Key]:
    seen: set[Key] = set()
    for chunk in in_chunks(selection.keys or (), ASKED_AT_ONCE):
        known = known_ids(chunk)
        for key in narrow(selection, known) if selection.narrows else known:
            if key not in seen:
                seen.add(key)
                yield key


def look_for(run: BulkRun, *, going_on: Callable[[], bool]) -> bool:
    """Write the batches of a run whose orders are looked for.

    :param going_on: asked between batches whether to go on.
    :returns: whether all have been found; False where it was not to go on, or somebody else is at it.
    :raises DatabaseError: some may have been written.
    """
    selection = OrderSelection.from_given(run.selection)
    n, after = store.last_batch(run.pk)
    left = None if selection.limit is None else selection.limit - n * run.batch_size
    while left is None or left > 0:
        size = run.batch_size if left is None else min(left, run.batch_size)
        found = select_page(selection, after=after, size=size)
        if found and not store.add_batch(run.pk, n, [order.id for order in found], found[-1]):
            return False
        if len(found) < size:
            return True
        n, after, left = n + 1, found[-1], None if left is None else left - size
        if not going_on():
            return False
    return True


def in_chunks(items: Iterable[T], size: int) -> Iterator[list[T]]:
    """The items, so many at a time."""
    rest = iter(items)
    while chunk := list(islice(rest, size)):
        yield chunk
