"""Files of historical orders, split into records: one for each order, its values not yet examined."""

import csv
import json
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any, NoReturn, TextIO
from zoneinfo import ZoneInfo

from orders.services.errors import OrderError, RefusalKind
from orders.services.transfer.file_format import (
    ITEM_COLUMNS,
    ITEM_PLACES,
    LINE_COLUMNS,
    ORDER_COLUMNS,
    PARTS,
    SUMMARY_COLUMN,
)

KEYS = ("id", "reference", "number")
"""The fields that identify an order, the best first; one of them is required."""
NEEDED_COLUMNS = (
    *("status", "user_id", "created_at", "total_price", "line1", "city", "country"),
    *("quantity", "price"),
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
    kind = RefusalKind.INVALID


class FileChanged(OrderError):
    """The file changed between the first and the second reading."""

    code = "file_changed"
    kind = RefusalKind.CONFLICT


@dataclass(frozen=True)
class Conventions:
    """How a file writes what can be written in several ways.

    :ivar decimal_comma: amounts may be written as `12,50`.
    :ivar zone: of times that are written without one; without it such times are refused.
    :ivar sku_is_product: the id of a line's product is its SKU, even where it has another.
    :ivar users: the ids of customers by e-mail address in lower case, for files that know no ids of ours.
    """

    decimal_comma: bool = False
    zone: ZoneInfo | None = None
    sku_is_product: bool = False
    users: Mapping[str, str] = field(default_factory=dict)


DEFAULT = Conventions()


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
    :ivar is_foreign: its id was made here of that in another system, of which there may be several.
    """

    line: int
    fields: Mapping[str, Any] = field(default_factory=dict)
    lines: list[tuple[int, str, Any]] = field(default_factory=list)
    problems: list[Problem] = field(default_factory=list)
    paths: Mapping[str, str] = field(default_factory=dict)
    item_paths: Mapping[str, str] = field(default_factory=dict)
    conventions: Conventions = DEFAULT
    is_foreign: bool = False


def lines_of(file: TextIO) -> Iterator[str]:
    number = 0
    while line := file.readline(LONGEST_LINE):
        number += 1
        if len(line) == LONGEST_LINE:
            raise UnreadableFile(f"Line {number} has more than {LONGEST_LINE} characters.")
        yield line


def csv_heading(reader: Any, known: Sequence[str]) -> list[str]:
    """The names of the columns. :raises UnreadableFile: one is not known, or is there twice."""
    return known_columns(first_row(reader), known)


def known_columns(header: list[str], known: Sequence[str]) -> list[str]:
    """The heading itself. :raises UnreadableFile: as :func:`csv_heading`."""
    unknown = [repr(name) for name in header if name and name not in known]
    if unknown:
        raise UnreadableFile(f"These columns are not known: {', '.join(unknown)}. Known are: {', '.join(known)}.")
    require_once(header)
    return header


def first_row(reader: Any) -> list[str]:
    """The cells of the heading. :raises UnreadableFile: it is not CSV."""
    try:
        return [name.strip() for name in next(reader, [])]
    except csv.Error as error:
        raise UnreadableFile(f"Line 1 is not CSV: {_told(error)}.") from error


def require_once(header: Sequence[str | None]) -> None:
    """:raises UnreadableFile: two columns have one name."""
    named = [name for name in header if name]
    if twice := sorted({name for name in named if named.count(name) > 1}):
        raise UnreadableFile(f"A column is there twice: {', '.join(twice)}.")


def csv_rows(reader: Any) -> Iterator[tuple[int, list[str], Problem | None]]:
    """The rows that are not blank, each with its first line; a row that is not CSV becomes a problem."""
    while True:
        line = reader.line_num + 1
        try:
            row = next(reader)
        except StopIteration:
            return
        except csv.Error as error:
            yield line, [], Problem(line, "", f"no CSV: {_told(error)}")
        else:
            if any(cell.strip() for cell in row):
                yield line, row, None


def _told(error: csv.Error) -> str:
    too_long = "field larger" in str(error)
    return f"a cell has more than {csv.field_size_limit()} characters: shorten it" if too_long else str(error)


def read_jsonl(file: TextIO, conventions: Conventions = DEFAULT) -> Iterator[Record]:
    """The orders of JSON lines, each with its line; only one is in memory at a time."""
    decode = json.JSONDecoder(parse_float=Decimal, parse_constant=_no_number).decode
    for number, line in enumerate(lines_of(file), start=1):
        if line.strip():
            record = _record(number, line, decode)
            record.conventions = conventions
            yield record


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
