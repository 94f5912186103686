"""CSV files of historical orders: a row for each line of an order, whoever wrote them."""

import csv
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import chain, islice
from typing import Any, TextIO

from orders.services.transfer.file_format import LINE_COLUMNS, plain_cell
from orders.services.transfer.import_fields import shown
from orders.services.transfer.import_files import (
    COLUMNS,
    DEFAULT,
    KEYS,
    NEEDED_COLUMNS,
    ROW_LIMIT,
    Conventions,
    Problem,
    Record,
    UnreadableFile,
    csv_rows,
    first_row,
    known_columns,
    lines_of,
)
from orders.services.transfer.on_disk import Row, grouped

DELIMITERS = {",": "comma", ";": "semicolon", "\t": "tab"}
TELLING = {"lineitem name": "shopify", "item_name": "woocommerce"}
"""Columns by which a file of another system is told."""
Rows = Sequence[tuple[int, dict[str, str]]]
"""The rows of one order: of each its line, and its cells by column."""


@dataclass
class Table:
    """The rows of a CSV file.

    :ivar header: the columns, several; None for one that is not read, and empty for one without a name.
    """

    header: Sequence[str | None]
    reader: Any

    def orders(self, key: Callable[[Mapping[str, str]], str], plain: Callable[[str], str]) -> Iterator[Rows | Problem]:
        """The rows of each order together, ROW_LIMIT at most, or what is wrong with a row that cannot be read.

        :param key: of a row, tells its order; empty where none is named.
        :param plain: a cell without what spreadsheets need.
        """
        for group in grouped(self._keyed(key, plain)):
            rows = list(islice(group, ROW_LIMIT))
            line, cells = rows[0]
            if len(cells) == 1:
                yield Problem(line, "", cells[0])
            else:
                yield [(at, self._named(cells)) for at, cells in rows]

    def _keyed(self, key: Callable[[Mapping[str, str]], str], plain: Callable[[str], str]) -> Iterator[tuple[str, Row]]:
        unnamed = [place for place, name in enumerate(self.header) if name == ""]
        for line, row, problem in csv_rows(self.reader):
            if wrong := problem.text if problem else self._wrong(row, unnamed):
                yield "", (line, [wrong])
            else:
                cells = [plain(cell) if name and cell else "" for name, cell in zip(self.header, row, strict=False)]
                yield key(self._named(cells)), (line, cells)

    def _wrong(self, row: Sequence[str], unnamed: Sequence[int]) -> str:
        many = len(self.header)
        if len(row) < many or any(row[many:]):
            return f"it has {len(row)} cells, the heading {many}"
        stray = next((row[place] for place in unnamed if row[place].strip()), "")
        return f"{shown(stray)} stands in a column without a name" if stray else ""

    def _named(self, cells: Sequence[str]) -> dict[str, str]:
        return {name: cell for name, cell in zip(self.header, cells, strict=True) if name}


def opened(file: TextIO, known: Sequence[str], delimiter: str = "") -> Any:
    """A reader of the file, its heading being the next row.

    :param known: names of columns, by which a delimiter is told that is not given.
    """
    lines = lines_of(file)
    first = next(lines, "")
    if "\0" in first:
        raise UnreadableFile("Its heading has NUL bytes: if it is UTF-16, say --encoding utf-16-le or utf-16-be.")
    return csv.reader(chain([first], lines), delimiter=delimiter or _delimiter_of(first, known), strict=True)


def _delimiter_of(heading: str, known: Sequence[str]) -> str:
    """The delimiter that makes most columns of a heading known: the comma if none makes more."""
    names = {name.casefold() for name in known}

    def recognised(delimiter: str) -> int:
        return sum(name.strip(' "').casefold() in names for name in heading.strip().split(delimiter))

    return max(DELIMITERS, key=recognised)


def read_csv(file: TextIO, conventions: Conventions = DEFAULT, delimiter: str = "") -> Iterator[Record]:
    """The orders of a CSV file with the columns that an export has.

    :raises UnreadableFile: the heading is not understood, or a line is endless.
    """
    reader = opened(file, COLUMNS, delimiter)
    table = Table(_header(reader), reader)
    of_line = [name for name in table.header if name in LINE_COLUMNS]
    for found in table.orders(_key, plain_cell):
        record = Record(found.line, problems=[found]) if isinstance(found, Problem) else _record(found, of_line)
        record.conventions = conventions
        yield record


def _record(rows: Rows, of_line: Sequence[str]) -> Record:
    line, cells = rows[0]
    first = {name: cell for name, cell in cells.items() if name not in of_line}
    record = Record(line, first)
    places: dict[str, int] = {}
    for line, cells in rows:
        if names := ", ".join(name for name in first if cells[name] != first[name]):
            record.problems.append(Problem(line, names, f"not as in line {record.line}, where the order begins"))
        if (place := cells.get("line", "").strip()) and places.setdefault(place, line) != line:
            record.problems.append(Problem(line, "line", f"{place} is that of line {places[place]} too"))
        record.lines.append((line, "", {name: cells[name] for name in of_line}))
    return record


def _key(order: Mapping[str, str]) -> str:
    found = [order.get(name, "").strip() for name in KEYS]
    return "\0".join(found) if any(found) else ""


def _header(reader: Any) -> list[str]:
    header = first_row(reader)
    for name in header:
        if shop := TELLING.get(name.casefold()):
            raise UnreadableFile(f"It has the column {name}, as files of another system have: say --format {shop}.")
    known_columns(header, COLUMNS)
    missing = [name for name in NEEDED_COLUMNS if name not in header]
    missing += [" or ".join(one_of) for one_of in (("product_id", "sku"), KEYS) if not set(one_of) & set(header)]
    if missing:
        advice = " A row is needed for each line of an order (export_orders --lines)." if "lines" in header else ""
        raise UnreadableFile(f"These columns are missing: {', '.join(missing)}.{advice}")
    return header
