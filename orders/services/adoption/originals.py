"""The file of originals: documents as they were before they were adopted, as extended JSON, one a line.

It is only ever appended to. A line that was cut off is of a document that was not replaced, since each batch is on disk
before its first write.
"""

import os
from array import array
from collections.abc import Iterator, Sequence
from itertools import islice
from pathlib import Path
from typing import BinaryIO

from bson import ObjectId, json_util

from orders.models import Document

BATCH = 500


class Originals:
    """A file of originals, which may be there already."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def add(self, documents: Sequence[Document]) -> None:
        """Append documents, and wait until they are on disk.

        :raises OSError:
        """
        lines = "".join(json_util.dumps(document, json_options=json_util.CANONICAL_JSON_OPTIONS) + "\n"
                        for document in documents)  # fmt: skip
        with self.path.open("ab+") as file:
            if file.tell() and not self._ends_well():
                file.write(b"\n")
            file.write(lines.encode())
            file.flush()
            os.fsync(file.fileno())

    def _ends_well(self) -> bool:
        with self.path.open("rb") as file:
            file.seek(-1, os.SEEK_END)
            return file.read(1) == b"\n"

    def newest_first(self) -> Iterator[list[Document]]:
        """The documents, in batches, those that were added last first; a line that was cut off, or is of another
        file, is none.

        Of a document that is there several times, the last one is what was replaced.

        :raises OSError:
        """
        with self.path.open("rb") as file:
            starts = array("Q", [0])
            starts.extend(file.tell() for _ in iter(file.readline, b""))
            lines = (self._line(file, start) for start in reversed(starts[:-1]))
            found = (document for document in lines if document is not None)
            while batch := list(islice(found, BATCH)):
                yield batch

    @staticmethod
    def _line(file: BinaryIO, start: int) -> Document | None:
        file.seek(start)
        line = file.readline()
        try:
            found = json_util.loads(line, json_options=json_util.CANONICAL_JSON_OPTIONS)
        except ValueError:
            return None
        return found if isinstance(found, dict) and ObjectId.is_valid(found.get("_id")) else None
