"""The outcome of each order of a run: listed, in pages, and as a report, which is the same wherever it is asked for."""

import json
import re
from collections.abc import Collection, Iterator
from dataclasses import dataclass
from itertools import islice

from bson import ObjectId

from orders.models import BatchState, BulkRun, Document, OrderOutcome
from orders.services.transfer.file_format import csv_text
from orders.storage import bulk_batches, bulk_runs

PROBLEMS = frozenset({OrderOutcome.REFUSED.value, OrderOutcome.FAILED.value})
"""Outcomes that need attention."""
FILTERS: dict[str, Collection[str]] = {
    "problems": PROBLEMS,
    "all": OrderOutcome.values,
    **{name: (name,) for name in OrderOutcome.values},
}
"""What results can be narrowed to, by name."""
POSITION = "[0-9]{1,7}-[0-9]{1,5}"
"""The form of a position: the number of a batch and the place in it."""
COLUMNS = ("order_id", "number", "result", "reason")
"""Of a report."""
AT_ONCE = 10
"""Batches read at once."""


def is_position(text: str) -> bool:
    return re.fullmatch(POSITION, text) is not None


@dataclass(frozen=True)
class OrderResult:
    """One order of a run.

    :ivar order_id: its id in hex, or the unknown number that was given.
    :ivar number: empty if there is no such order.
    :ivar result: a value of `OrderOutcome`.
    :ivar position: where to continue, see :func:`results`.
    """

    order_id: str
    number: str
    result: str
    reason: str
    position: str


@dataclass(frozen=True)
class ResultsPage:
    """Some results of a run, and the position after which the next page begins; empty on the last one."""

    results: list[OrderResult]
    next: str


def results_page(run: BulkRun, *, show: str, after: str, limit: int) -> ResultsPage:
    """One page of a run's results, narrowed by one of FILTERS. :param after: a position, or empty."""
    none = show == "problems" and not run.refused + run.failed  # then no batch has to be read
    found = [] if none else list(islice(results(run.pk, only=FILTERS[show], after=after), limit + 1))
    return ResultsPage(found[:limit], found[limit - 1].position if len(found) > limit else "")


def results(run_id: ObjectId, *, only: Collection[str] | None = None, after: str = "") -> Iterator[OrderResult]:
    """The orders of a run in the run's order, read lazily.

    :param only: only orders with one of these outcomes, e.g. PROBLEMS.
    :param after: the position of the last result already seen.
    :raises DatabaseError: while it is iterated over.
    """
    wanted = frozenset(OrderOutcome.values if only is None else only)
    last_n, last_index = map(int, after.split("-")) if after else (-1, -1)
    n = last_n - bool(after)  # the batch of the last result may hold more
    while found := bulk_batches.batches_with(run_id, wanted, after=n, limit=AT_ONCE):
        for batch in found:
            start = last_index + 1 if batch["n"] == last_n else 0
            yield from _of_batch(batch, wanted, start)
        n = found[-1]["n"]


def _of_batch(batch: Document, wanted: frozenset[str], start: int) -> Iterator[OrderResult]:
    usual = OrderOutcome.DONE.value if batch["state"] == BatchState.DONE else OrderOutcome.WAITING.value
    others = {other["index"]: (other["result"], other["reason"]) for other in batch.get("others", ())}
    chosen = [
        (index, key, *others.get(index, (usual, "")))
        for index, key in enumerate(batch["ids"])
        if index >= start and others.get(index, (usual, ""))[0] in wanted
    ]
    numbers = bulk_runs.order_numbers([key for _, key, _, _ in chosen])
    for index, key, result, reason in chosen:
        yield OrderResult(str(key), numbers.get(key, ""), result, reason, f"{batch['n']}-{index}")


def report_csv(run_id: ObjectId) -> Iterator[str]:
    """A heading, and a row for each order. :raises DatabaseError: between two pieces."""
    yield csv_text([COLUMNS])
    for result in results(run_id):
        yield csv_text([[getattr(result, name) for name in COLUMNS]])


def report_json(run_id: ObjectId) -> Iterator[str]:
    """A list with an object for each order. :raises DatabaseError: between two pieces."""
    before = "[\n"
    for result in results(run_id):
        yield before + json.dumps({name: getattr(result, name) for name in COLUMNS})
        before = ",\n"
    yield "[]\n" if before == "[\n" else "\n]\n"
