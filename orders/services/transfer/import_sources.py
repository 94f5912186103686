"""Files of historical orders as the shop has them: who wrote them, in which encoding, with which delimiter."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path
from typing import TextIO

from orders.services.identifiers import MalformedUserId, canonical
from orders.services.transfer import shopify, woocommerce
from orders.services.transfer.foreign_orders import read_foreign
from orders.services.transfer.import_csv import opened as opened_csv
from orders.services.transfer.import_csv import read_csv
from orders.services.transfer.import_files import (
    DEFAULT,
    Conventions,
    Record,
    UnreadableFile,
    csv_heading,
    csv_rows,
    read_jsonl,
)

USERS = ("email", "user_id")
ENCODINGS = ("utf-8", "utf-16", "utf-16-le", "utf-16-be", "latin-1", "cp1252")
_MARKS = {b"\xff\xfe": "utf-16", b"\xfe\xff": "utf-16"}
"""The byte order marks by which an encoding is known."""


def read_users(path: Path) -> dict[str, str]:
    """The ids of customers by e-mail address, from a CSV file with these two columns. All of it is kept in memory.

    :raises UnreadableFile: naming the first row that is not understood.
    :raises OSError:
    """
    with path.open(encoding="utf-8-sig", errors="surrogateescape", newline="") as file:
        reader = opened_csv(file, USERS)
        header = csv_heading(reader, USERS)
        if set(header) != set(USERS):
            raise UnreadableFile(f"{path}: the columns {' and '.join(USERS)} are needed.")
        users: dict[str, str] = {}
        for line, row, problem in csv_rows(reader):
            if problem or len(row) != len(header):
                raise UnreadableFile(f"{path}, line {line}: an e-mail address and a user id are needed.")
            found = dict(zip(header, row, strict=True))
            try:
                users[found["email"].strip().lower()] = canonical(found["user_id"].strip())
            except MalformedUserId as error:
                raise UnreadableFile(f"{path}, line {line}: {found['user_id']!r}: {error.detail}") from error
    return users


class Source(StrEnum):
    """Who wrote a file."""

    CSV = "csv"
    JSONL = "jsonl"
    SHOPIFY = "shopify"
    WOOCOMMERCE = "woocommerce"


@dataclass(frozen=True)
class FileOfOrders:
    """A file, and how it is to be read.

    :ivar encoding: one of ENCODINGS; if empty, UTF-16 where the file begins with its mark, and UTF-8 otherwise.
    :ivar delimiter: if empty, it is told by the heading.
    :ivar statuses: what statuses of WooCommerce mean that are a shop's own.
    :ivar ignored: called with the columns of another system's file that are not read.
    """

    path: Path
    source: Source
    conventions: Conventions = DEFAULT
    encoding: str = ""
    delimiter: str = ""
    statuses: Mapping[str, str] = field(default_factory=dict)
    ignored: Callable[[list[str]], None] = lambda _: None

    def records(self) -> Iterator[Record]:
        """The orders of the file, from its beginning.

        :raises UnreadableFile: as a whole it is not what it is said to be.
        :raises OSError:
        """
        encoding = self.encoding or self._marked()
        encoding = "utf-8-sig" if encoding == "utf-8" else encoding
        try:
            with self.path.open(encoding=encoding, errors="surrogateescape", newline="") as file:
                yield from self._read(file)
        except UnicodeError as error:
            raise UnreadableFile(f"It is not {encoding}: say its --encoding, one of {', '.join(ENCODINGS)}.") from error

    def _marked(self) -> str:
        with self.path.open("rb") as file:
            return _MARKS.get(file.read(2), "utf-8")

    def _read(self, file: TextIO) -> Iterator[Record]:
        if self.source is Source.JSONL:
            return read_jsonl(file, self.conventions)
        if self.source is Source.CSV:
            return read_csv(file, self.conventions, self.delimiter)
        shop = shopify.SHOP if self.source is Source.SHOPIFY else woocommerce.shop(self.statuses)
        return read_foreign(file, shop, self.conventions, self.delimiter, self.ignored)
