"""What became of each order of a run."""

from collections.abc import Collection, Iterator
from dataclasses import dataclass

from bson import ObjectId

from orders.models import BatchState, Document, OrderOutcome
from orders.storage import bulk_batches as store
from orders.storage import bulk_outcomes

PROBLEMS = frozenset({OrderOutcome.REFUSED.value, OrderOutcome.FAILED.value})
"""The outcomes that somebody should look at."""
AT_ONCE = 10
"""Batches read at once."""


@dataclass(frozen=True)
class OrderResult:
    """One order of a run.

    :ivar order_id: its id in hex; where an unknown number was given, that number.
    :ivar number: empty where there is no such order.
    :ivar result: one of `OrderOutcome`'s values.
    :ivar position: where to go on from, see :func:`results`.
    """

    order_id: str
    number: str
    result: str
    reason: str
    position: tuple[int, int]


def results(
    run_id: ObjectId, *, only: Collection[str] | None = None, after: tuple[int, int] = (-1, -1)
) -> Iterator[OrderResult]:
    """The orders of a run in its own order, read as they are asked for, however many there are.

    :param only: only those with one of these results, e.g. PROBLEMS.
    :param after: the position of the last one that was seen.
    :raises DatabaseError: while it is iterated over.
    """
    wanted = frozenset(only if only is not None else OrderOutcome.values)
    n, index = after
    # The batch of the last one may hold more.
    n -= index >= 0
    while found := store.batches_after(run_id, n, AT_ONCE, **_condition(wanted)):
        for batch in found:
            start = after[1] + 1 if batch["n"] == after[0] else 0
            yield from _of_batch(batch, wanted, start)
        n = found[-1]["n"]


def _condition(wanted: frozenset[str]) -> Document:
    """The batches that hold such an order."""
    counted = [{name: {"$gt": 0}} for name in sorted(wanted - {OrderOutcome.WAITING.value})]
    waiting = [{"state": {"$ne": BatchState.DONE.value}}] if OrderOutcome.WAITING.value in wanted else []
    return {"$or": [*counted, *waiting]} if counted or waiting else {"state": "none"}


def _of_batch(batch: Document, wanted: frozenset[str], start: int) -> Iterator[OrderResult]:
    usual = OrderOutcome.DONE.value if batch["state"] == BatchState.DONE else OrderOutcome.WAITING.value
    others = {other["index"]: (other["result"], other["reason"]) for other in batch.get("others", ())}
    chosen = [
        (index, key, *others.get(index, (usual, "")))
        for index, key in enumerate(batch["ids"])
        if index >= start and others.get(index, (usual, ""))[0] in wanted
    ]
    numbers = bulk_outcomes.numbers([key for _, key, _, _ in chosen])
    for index, key, result, reason in chosen:
        yield OrderResult(str(key), numbers.get(key, ""), result, reason, (batch["n"], index))
