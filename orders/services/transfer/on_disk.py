"""What is too much to remember of a file, kept in SQLite's temporary files: they go with the connection."""

import json
import sqlite3
from collections.abc import Iterable, Iterator
from contextlib import closing
from itertools import groupby

Row = tuple[int, list[str]]
"""A row of a file: its line, and its cells."""


class FirstLines:
    """The line at which each key came first."""

    def __init__(self, database: sqlite3.Connection) -> None:
        self._database = database
        database.execute("CREATE TABLE seen (key TEXT PRIMARY KEY, line INTEGER) WITHOUT ROWID")

    def first(self, key: str, line: int) -> int:
        if self._database.execute("INSERT OR IGNORE INTO seen VALUES (?, ?)", (key, line)).rowcount:
            return line
        found: int = self._database.execute("SELECT line FROM seen WHERE key = ?", (key,)).fetchone()[0]
        return found


def grouped(rows: Iterable[tuple[str, Row]]) -> Iterator[Iterator[Row]]:
    """Rows of one key together, wherever they stand; the groups in the order of their first rows.

    All rows are read before the first group is returned. One row is in memory at a time, and as much of the disk is
    taken as the rows are long.

    :param rows: each with its key; a row with an empty one stands alone.
    """
    with closing(sqlite3.connect("")) as database:
        first = FirstLines(database)
        database.execute("CREATE TABLE rows (first INTEGER, line INTEGER, cells TEXT, PRIMARY KEY (first, line))")
        database.executemany(
            "INSERT INTO rows VALUES (?, ?, ?)",
            # As JSON in ASCII, since SQLite takes no lone surrogates, which are bytes that were not UTF-8.
            (
                (first.first(json.dumps(key), line) if key else line, line, json.dumps(cells))
                for key, (line, cells) in rows
            ),
        )
        found = database.execute("SELECT first, line, cells FROM rows ORDER BY first, line")
        for _, group in groupby(found, key=lambda row: row[0]):
            yield ((line, json.loads(cells)) for _, line, cells in group)
