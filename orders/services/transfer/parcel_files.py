"""Files of parcels: CSV with a row for each, which names an order and says where the parcel is; and reports on them."""

import csv
import json
import re
from collections.abc import Iterable, Iterator, Sequence
from typing import TextIO

from bson import ObjectId

from orders.models import Document
from orders.services.fulfilment.parcel_list import Parcel, ParcelResult
from orders.services.fulfilment.parts import LineRequest
from orders.services.identifiers import EXPECTED_ORDER, order_typed
from orders.services.lifecycle.tracking import InvalidTracking, Tracking
from orders.services.transfer.file_format import csv_text, plain_cell
from orders.services.transfer.import_files import Problem, UnreadableFile, csv_heading, csv_rows, lines_of
from orders.storage.bulk_runs import order_numbers
from orders.storage.order_numbers import ids_named

TRACKING = ("carrier", "tracking_number", "tracking_url")
COLUMNS = ("number", *TRACKING, "lines")
"""Only the first is required."""
REPORT_COLUMNS = ("line", "order_id", "number", "tracking_number", "result", "reason")
AT_ONCE = 1000
"""Orders that are looked up at once."""
_LINE = re.compile(r"([0-9]{1,4})(?::([0-9]{1,9}))?\Z")
_ROUNDED = re.compile(r"[0-9][.,][0-9]+[Ee]\+[0-9]+\Z")
Row = tuple[int, dict[str, str]]


def read_parcels(file: TextIO) -> tuple[list[Parcel], list[Problem]]:
    """The parcels of a file, and what is wrong with it: then none of them is meant to be shipped.

    :param file: text, with `errors="surrogateescape"`.
    :raises UnreadableFile: the heading is not understood.
    :raises DatabaseError: the orders are looked up.
    """
    problems: list[Problem] = []
    rows = list(_read(file, problems))
    parcels = [parcel for row in _chunks(rows) for parcel in _parcels(row, problems)]
    return parcels, sorted([*problems, *_repeated(parcels)], key=lambda problem: problem.line)


def _read(file: TextIO, problems: list[Problem]) -> Iterator[Row]:
    reader = csv.reader(lines_of(file), strict=True)
    header = csv_heading(reader, COLUMNS)
    if "number" not in header:
        raise UnreadableFile("The column number is missing: which orders?")
    for line, row, problem in csv_rows(reader):
        if problem is None and len(row) != len(header):
            problem = Problem(line, "", f"it has {len(row)} cells, the heading {len(header)}")
        if problem is None:
            yield line, dict(zip(header, (plain_cell(cell).strip() for cell in row), strict=True))
        else:
            problems.append(problem)


def _chunks(rows: Sequence[Row]) -> Iterator[Sequence[Row]]:
    return (rows[start : start + AT_ONCE] for start in range(0, len(rows), AT_ONCE))


def _parcels(rows: Sequence[Row], problems: list[Problem]) -> Iterator[Parcel]:
    typed = {row["number"]: order_typed(row["number"]) for _, row in rows}
    named = ids_named([key for key in typed.values() if isinstance(key, str)])
    ids = {text: named.get(key, []) if isinstance(key, str) else [key] for text, key in typed.items() if key}
    numbers = order_numbers([order_id for found in ids.values() for order_id in found])
    for line, row in rows:
        found = [order_id for order_id in ids.get(row["number"], []) if order_id in numbers]
        wrong = dict(_wrong_order(row["number"], bool(typed[row["number"]]), found))
        lines, problem = _lines(row.get("lines", ""))
        wrong |= {"lines": problem} if problem else {}
        tracking = Tracking(**{name: row.get(name, "") for name in TRACKING})
        wrong |= dict(_wrong_tracking(tracking))
        problems += [Problem(line, name, text) for name, text in wrong.items()]
        if not wrong:
            yield Parcel(line, found[0], numbers[found[0]], lines, tracking)


def _wrong_order(text: str, is_readable: bool, found: Sequence[ObjectId]) -> Iterator[tuple[str, str]]:
    if not text:
        yield "number", "it is missing"
    elif not is_readable:
        yield "number", f"{text!r} is not {EXPECTED_ORDER}"
    elif not found:
        yield "number", f"there is no order {text}"
    elif len(found) > 1:
        yield "number", f"{len(found)} orders have the number {text}: give the id of one"


def _lines(text: str) -> tuple[tuple[LineRequest, ...] | None, str]:
    """The lines of an order in a parcel, e.g. `0:2 3` for two units of its first line and all of its fourth."""
    found = [_LINE.match(word) for word in text.split()]
    if not found:
        return None, ""
    if None in found:
        return None, f"{text!r} is not a list of lines, e.g. 0:2 3"
    units = [(int(line[1]), int(line[2]) if line[2] else None) for line in found if line]
    return tuple(LineRequest(line, quantity) for line, quantity in units), ""


def _wrong_tracking(tracking: Tracking) -> Iterator[tuple[str, str]]:
    if _ROUNDED.match(tracking.tracking_number):
        yield "tracking_number", f"{tracking.tracking_number} was rounded by a spreadsheet: keep the column as text"
    try:
        tracking.shown()
    except InvalidTracking as error:
        errors: dict[str, list[str]] = error.members["errors"]
        yield from ((name, " ".join(texts)) for name, texts in errors.items())


def _repeated(parcels: Iterable[Parcel]) -> Iterator[Problem]:
    first: dict[str, int] = {}
    for parcel in parcels:
        line = first.setdefault(parcel.key, parcel.line)
        if line != parcel.line:
            yield Problem(parcel.line, "", f"it is the parcel of line {line} again")


def report_csv(results: Iterable[ParcelResult]) -> str:
    """A heading, and a row for each parcel."""
    return csv_text([REPORT_COLUMNS, *(_cells(result).values() for result in results)])


def report_json(results: Iterable[ParcelResult]) -> str:
    """A list with an object for each parcel."""
    return json.dumps([_cells(result) for result in results], indent=1) + "\n"


def _cells(result: ParcelResult) -> Document:
    parcel = result.parcel
    facts = (parcel.line, str(parcel.order_id), parcel.number, parcel.tracking.tracking_number)
    return dict(zip(REPORT_COLUMNS, (*facts, result.result, result.reason), strict=True))
