"""Files of historical orders, split into records: one for each order, its values not yet examined."""

import csv
import json
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any, NoReturn, TextIO

from orders.services.errors import OrderError
from orders.services.transfer.file_format import (
    ITEM_COLUMNS,
    ITEM_PLACES,
    LINE_COLUMNS,
    ORDER_COLUMNS,
    PARTS,
    SUMMARY_COLUMN,
    Format,
    plain_cell,
)

KEYS = ("id", "reference", "number")
"""The fields that identify an order, the best first; one of them is required."""
NEEDED_COLUMNS = (
    *("status", "user_id", "created_at", "total_price", "line1", "city", "country"),
    *("product_id", "quantity", "price"),
)
COLUMNS = (*ORDER_COLUMNS, *LINE_COLUMNS, SUMMARY_COLUMN)
JSON_PATHS = {column: f"{part}.{name}" for part, columns in PARTS.items() for column, name in columns.items()}
"""Where an order in JSON has the values of a column, if it has them elsewhere than under the column's name."""
LONGEST_LINE = 16 * 1024 * 1024
"""Characters, as many as the largest document of MongoDB has."""
ROW_LIMIT = 1000
"""Rows kept of one order: more than an order may have lines."""


class UnreadableFile(OrderError):
    """The file as a whole is not a file of orders."""

    code = "unreadable_file"


class FileChanged(OrderError):
    """The file changed between the first and the second reading."""

    code = "file_changed"


@dataclass(frozen=True)
class Problem:
    """A problem in one place of a file. :ivar field: e.g. `items.0.price`; empty for the whole record."""

    line: int
    field: str
    text: str

    def __str__(self) -> str:
        return f"line {self.line}{f', {self.field}' if self.field else ''}: {self.text}"


@dataclass
class Record:
    """One order as the file has it, its values by column.

    :ivar lines: for each, its place, the prefix of its field names, and its fields.
    :ivar paths: what the file calls a column, where that is not its name; `item_paths` the same for lines.
    """

    line: int
    fields: Mapping[str, Any] = field(default_factory=dict)
    lines: list[tuple[int, str, Any]] = field(default_factory=list)
    problems: list[Problem] = field(default_factory=list)
    paths: Mapping[str, str] = field(default_factory=dict)
    item_paths: Mapping[str, str] = field(default_factory=dict)


def read_records(file: TextIO, format: Format) -> Iterator[Record]:
    """The orders of a file, in its order; only one is in memory at a time.

    :param file: text, with `errors="surrogateescape"`, so that bytes that are not UTF-8 are reported with their place.
    :raises UnreadableFile: the heading is not understood, or a line is endless.
    """
    return _read_csv(file) if format is Format.CSV else _read_jsonl(file)


def lines_of(file: TextIO) -> Iterator[str]:
    number = 0
    while line := file.readline(LONGEST_LINE):
        number += 1
        if len(line) == LONGEST_LINE:
            raise UnreadableFile(f"Line {number} has more than {LONGEST_LINE} characters.")
        yield line


def _read_csv(file: TextIO) -> Iterator[Record]:
    reader = csv.reader(lines_of(file), strict=True)
    header = _header(reader)
    of_line = [name for name in header if name in LINE_COLUMNS]
    record: Record | None = None
    first: dict[str, str] = {}
    for line, row, problem in csv_rows(reader):
        order = dict(zip(header, map(plain_cell, row), strict=False))
        cells = {name: order.pop(name, "") for name in of_line}
        if problem is None and len(row) != len(header):
            problem = Problem(line, "", f"it has {len(row)} cells, the heading {len(header)}")
        same = record is not None and problem is None and _key(order) == _key(first) != ("", "", "")
        if record is not None and not same:
            yield record
        if record is None or not same:
            record, first = Record(line, order, problems=[problem] if problem else []), order
        elif order != first:
            names = ", ".join(name for name in order if order[name] != first.get(name))
            record.problems.append(Problem(line, names, f"not as in line {record.line}, where the order begins"))
        if len(record.lines) < ROW_LIMIT:
            record.lines.append((line, "", cells))
    if record is not None:
        yield record


def _key(order: Mapping[str, str]) -> tuple[str, ...]:
    return tuple(order.get(name, "").strip() for name in KEYS)


def _header(reader: Any) -> list[str]:
    header = csv_heading(reader, COLUMNS)
    missing = [name for name in NEEDED_COLUMNS if name not in header]
    if not set(KEYS) & set(header):
        missing.append(" or ".join(KEYS))
    if missing:
        advice = " A row is needed for each line of an order (export_orders --lines)." if "lines" in header else ""
        raise UnreadableFile(f"These columns are missing: {', '.join(missing)}.{advice}")
    return header


def csv_heading(reader: Any, known: Sequence[str]) -> list[str]:
    """The names of the columns. :raises UnreadableFile: one is not known, or is there twice."""
    try:
        header = [name.strip() for name in next(reader, [])]
    except csv.Error as error:
        raise UnreadableFile(f"Line 1 is not CSV: {error}.") from error
    unknown = [repr(name) for name in header if name not in known]
    if unknown:
        raise UnreadableFile(f"These columns are not known: {', '.join(unknown)}. Known are: {', '.join(known)}.")
    if len(set(header)) < len(header):
        raise UnreadableFile("A column is there twice.")
    return header


def csv_rows(reader: Any) -> Iterator[tuple[int, list[str], Problem | None]]:
    """The rows that are not blank, each with its first line; a row that is not CSV becomes a problem."""
    while True:
        line = reader.line_num + 1
        try:
            row = next(reader)
        except StopIteration:
            return
        except csv.Error as error:
            yield line, [], Problem(line, "", f"no CSV: {error}")
        else:
            if any(cell.strip() for cell in row):
                yield line, row, None


def _read_jsonl(file: TextIO) -> Iterator[Record]:
    decode = json.JSONDecoder(parse_float=Decimal, parse_constant=_no_number).decode
    for number, line in enumerate(lines_of(file), start=1):
        if line.strip():
            yield _record(number, line, decode)


def _record(number: int, line: str, decode: Callable[[str], Any]) -> Record:
    try:
        found = decode(line)
    except (ValueError, ArithmeticError, RecursionError) as error:  # ArithmeticError: `1e` and an endless exponent
        return Record(number, problems=[Problem(number, "", f"not JSON: {error}")])
    if not isinstance(found, dict):
        return Record(number, problems=[Problem(number, "", "not a JSON object")])
    items = found.pop("items", [])
    parts = {part: value for part in PARTS if (value := found.pop(part, None)) is not None}
    problems = [Problem(number, part, "not an object") for part, value in parts.items() if not isinstance(value, dict)]
    parts = {part: value for part, value in parts.items() if isinstance(value, dict)}
    if not isinstance(items, list):
        problems, items = [*problems, Problem(number, "items", "not a list")], []
    problems += _unknown(number, found, parts, items)
    lines = [(number, f"items.{index}.", _by_column(item)) for index, item in enumerate(items[:ROW_LIMIT])]
    for part, values in parts.items():
        found |= {column: values.get(name) for column, name in PARTS[part].items()}
    return Record(number, found, lines, problems, JSON_PATHS, ITEM_COLUMNS)


def _by_column(item: Any) -> Any:
    if not isinstance(item, dict):
        return item
    return item | {column: item.get(name) for column, name in ITEM_COLUMNS.items()}


OBJECT_FIELDS = {*ORDER_COLUMNS, "history"} - {*JSON_PATHS, "lines", "units", "stock"}
ITEM_FIELDS = {*ITEM_COLUMNS.values(), *ITEM_PLACES, "product_id", "quantity", "price", "stock", "discrepancy"}


def _unknown(
    number: int, order: Mapping[str, Any], parts: Mapping[str, Mapping[str, Any]], items: list[Any]
) -> list[Problem]:
    places: list[tuple[str, Iterable[str], Iterable[str]]] = [("", order, OBJECT_FIELDS)]
    places += [(f"{part}.", values, PARTS[part].values()) for part, values in parts.items()]
    places += [(f"items.{index}.", item, ITEM_FIELDS) for index, item in enumerate(items) if isinstance(item, dict)]
    return [
        Problem(number, f"{place}{name}", "there is no such field")
        for place, names, known in places
        for name in names
        if name not in known
    ]


def _no_number(text: str) -> NoReturn:
    raise ValueError(f"{text} is not a number")
