"""What became of each order of a bulk run, as the text of a file, piece by piece: the same whoever asks for it."""

import json
from collections.abc import Iterator

from bson import ObjectId

from orders.services import bulk
from orders.services.transfer.file_format import csv_text

COLUMNS = ("order_id", "number", "result", "reason")


def report_csv(run_id: ObjectId) -> Iterator[str]:
    """A heading, and a row for each order. :raises DatabaseError: between two pieces."""
    yield csv_text([COLUMNS])
    for result in bulk.results(run_id):
        yield csv_text([[getattr(result, name) for name in COLUMNS]])


def report_json(run_id: ObjectId) -> Iterator[str]:
    """A list with an object for each order. :raises DatabaseError: between two pieces."""
    before = "[\n"
    for result in bulk.results(run_id):
        yield before + json.dumps({name: getattr(result, name) for name in COLUMNS})
        before = ",\n"
    yield "[]\n" if before == "[\n" else "\n]\n"
