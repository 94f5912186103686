"""Importing historical orders: all of a file or, if a row is bad, none of it; never an order twice.

No stock is touched: the lines are `none`, and inventory is not called. A file is read twice: first every record is
examined and nothing is written; then the good orders that do not exist yet are inserted, batch by batch. Each has its
id from the file, or derived from its reference or number, so that an import that was interrupted at any point is
finished by another one.
"""

import sqlite3
from array import array
from collections.abc import Callable, Iterable, Iterator
from contextlib import closing
from dataclasses import dataclass, field
from datetime import datetime
from itertools import islice

from django.utils import timezone

from orders.services.audit import Act
from orders.services.transfer.file_format import iso, utc
from orders.services.transfer.import_files import FileChanged, Problem, Record
from orders.services.transfer.import_identity import drawn_from
from orders.services.transfer.import_rules import Candidate, examine
from orders.services.transfer.on_disk import FirstLines
from orders.storage.imported_orders import insert_orders, known_orders

BATCH = 1000
Judged = tuple[int, Candidate | None, list[Problem]]
"""The first line of a record; the order, unless it exists already; its problems."""


@dataclass
class Import:
    """The result of an import.

    :ivar there: orders that existed before, by their id or number.
    :ivar new: valid orders that did not; `imported` of them have been written.
    :ivar bad: orders with a problem; the first problems are in `problems`, `problem_count` counts them all.
    """

    there: int = 0
    new: int = 0
    imported: int = 0
    bad: int = 0
    problem_count: int = 0
    problems: list[Problem] = field(default_factory=list)

    @property
    def total(self) -> int:
        return self.there + self.new + self.bad


def import_orders(
    records: Callable[[], Iterable[Record]],
    *,
    act: Act,
    skip_bad: bool = False,
    dry_run: bool = False,
    keep_problems: int = 50,
    examined: Callable[[int], None] = lambda _: None,
    written: Callable[[int], None] = lambda _: None,
) -> Import:
    """Import the orders that do not exist yet.

    :param records: returns the file's records from its beginning, each time it is called.
    :param skip_bad: import the good ones even if there are bad ones; otherwise nothing is imported.
    :param dry_run: examine only.
    :param keep_problems: how many problems to list.
    :param examined, written: called with the number of records just processed, in the first and the second reading.
    :raises NotPermitted: only operators' commands may import.
    :raises UnreadableFile: nothing was imported.
    :raises FileChanged: what has been written stays.
    :raises DatabaseError: what has been written stays; the same call continues from there.
    """
    act.actor.require_process("import orders")
    result = Import()
    bad = _examine_all(records(), act, result, keep_problems, examined)
    if dry_run or (result.bad and not skip_bad):
        return result
    read = 0
    for batch in _batches(records()):
        good = [candidate for line, candidate, _ in _judge(batch, act) if candidate and not bad.has(line)]
        # `updated_at` finds recent changes, so it is the time of writing, however long ago the import began.
        stamp = {"updated_at": utc(timezone.now())}
        result.imported += insert_orders([candidate.document | stamp for candidate in good])
        read += len(batch)
        written(len(batch))
    if read != result.total:
        text = f"{result.total} orders were read first, and then {read}: it changed meanwhile."
        raise FileChanged(f"{text} {result.imported} were imported; import it again.")
    return result


class _BadLines:
    """The first lines of bad records, added and queried in ascending order; eight bytes each."""

    def __init__(self) -> None:
        self._lines, self._position = array("Q"), 0

    def add(self, line: int) -> None:
        self._lines.append(line)

    def has(self, line: int) -> bool:
        while self._position < len(self._lines) and self._lines[self._position] < line:
            self._position += 1
        return self._position < len(self._lines) and self._lines[self._position] == line


def _examine_all(
    records: Iterable[Record], act: Act, result: Import, keep: int, examined: Callable[[int], None]
) -> _BadLines:
    bad = _BadLines()
    with closing(sqlite3.connect("")) as database:
        seen = FirstLines(database)
        for batch in _batches(records):
            for line, candidate, problems in _judge(batch, act):
                problems = problems or (_repetition(candidate, seen) if candidate else [])
                if problems:
                    bad.add(line)
                    result.bad += 1
                    result.problem_count += len(problems)
                    result.problems += problems[: keep - len(result.problems)]
                elif candidate:
                    result.new += 1
                else:
                    result.there += 1
            examined(len(batch))
    return bad


def _repetition(candidate: Candidate, seen: FirstLines) -> list[Problem]:
    identity = candidate.identity
    keys = {"id": str(identity.id), "number": identity.number}
    first = {name: seen.first(f"{name} {value.casefold()}", candidate.line) for name, value in keys.items()}
    return [
        candidate.problem(name, f"{keys[name]} is that of line {line} too")
        for name, line in first.items()
        if line != candidate.line
    ]


def _batches(records: Iterable[Record]) -> Iterator[list[Record]]:
    rest = iter(records)
    while batch := list(islice(rest, BATCH)):
        yield batch


def _judge(batch: list[Record], act: Act) -> Iterator[Judged]:
    """Examine records, and compare them with the existing orders."""
    found = [(record.line, examine(record, act)) for record in batch]
    candidates = [candidate for _, candidate in found if isinstance(candidate, Candidate)]
    numbered = [candidate.identity.number for candidate in candidates if "number" in candidate.identity.given]
    numbers = [spelling for number in numbered for spelling in (number, drawn_from(number))]
    ids, holders = known_orders([candidate.identity.id for candidate in candidates], numbers)
    for line, candidate in found:
        if not isinstance(candidate, Candidate):
            yield line, None, candidate
            continue
        identity = candidate.identity
        holder = None
        if "number" in identity.given:  # an earlier import, or this service, may have it in the form of our own
            holder = holders.get(identity.number.casefold()) or holders.get(drawn_from(identity.number).casefold())
        if identity.id in ids or (holder and identity.given == ("number",)):
            yield line, None, _of_another_shop(candidate, ids.get(identity.id))
        elif holder:
            text = f"{identity.number} is that of another order, {holder}"
            yield line, None, [candidate.problem("number", text)]
        else:
            yield line, candidate, []


def _of_another_shop(candidate: Candidate, created_at: datetime | None) -> list[Problem]:
    """Ids that other systems count up are the same in two of them; the times of two orders are not."""
    if not candidate.record.is_foreign or created_at == candidate.document["created_at"]:
        return []
    text = f"an order with this id was made at {iso(created_at)}: is the file of another shop, or --time-zone another?"
    return [candidate.problem("created_at", text)]
