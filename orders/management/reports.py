"""What became of each order of a run, in a file: CSV or JSON, by its name; written as it is read."""

import csv
import json
from collections.abc import Iterable
from dataclasses import asdict
from pathlib import Path
from typing import TextIO

from orders.services.bulk import OrderResult

FIELDS = ("order_id", "number", "result", "reason")


def write_report(path: Path, found: Iterable[OrderResult]) -> int:
    """Write a row for each order. :returns: how many.

    :raises OSError:
    """
    with path.open("w", encoding="utf-8", newline="") as file:
        return (_write_json if path.suffix == ".json" else _write_csv)(file, found)


def _write_csv(file: TextIO, found: Iterable[OrderResult]) -> int:
    table, count = csv.writer(file), 0
    table.writerow(FIELDS)
    for result in found:
        count += 1
        table.writerow([getattr(result, name) for name in FIELDS])
    return count


def _write_json(file: TextIO, found: Iterable[OrderResult]) -> int:
    count = 0
    for result in found:
        row = asdict(result)
        file.write((",\n" if count else "[\n") + json.dumps({name: row[name] for name in FIELDS}))
        count += 1
    file.write("\n]\n" if count else "[]\n")
    return count
