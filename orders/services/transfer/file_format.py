"""The files that orders are exported to and imported from: their columns, and the format of cells and times.

docs/import-export.md describes them; a test compares the two.
"""

import csv
import io
import re
from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from enum import StrEnum

from orders.services.days import local, zone

ADDRESS_COLUMNS = ("line1", "line2", "city", "state", "postal_code", "country")
ORDER_COLUMNS = (
    *("id", "number", "status", "user_id", "user_verified", "created_at", "placed_at", "paid_at", "shipped_at"),
    *("status_since", "updated_at", "version", "lines", "units", "total_price", "stock", *ADDRESS_COLUMNS),
)
"""Columns where a row is an order."""
LINE_COLUMNS = ("line", "product_id", "quantity", "price", "line_total", "line_stock")
"""Columns that follow where a row is a line of an order."""

# https://owasp.org/www-community/attacks/CSV_Injection, the full-width signs included. Apostrophes in front are
# escaped by another one, so that reading is exact.
_FORMULA = re.compile("'*[=+\\-@\t\r\n＝＋－＠]")
_ESCAPED = re.compile("''*[=+\\-@\t\r\n＝＋－＠]")


class Format(StrEnum):
    CSV = "csv"
    JSONL = "jsonl"


def safe_cell(text: str) -> str:
    """The text with an apostrophe in front if a spreadsheet could take it for a formula."""
    return f"'{text}" if _FORMULA.match(text) else text


def csv_text(rows: Iterable[Iterable[object]]) -> str:
    """Rows as CSV, in which every cell is safe and quoted.

    Without quotes, a spreadsheet that splits cells at `;` would find formulas behind one.
    """
    buffer = io.StringIO(newline="")
    writer = csv.writer(buffer, quoting=csv.QUOTE_ALL)
    writer.writerows([safe_cell(cell) if isinstance(cell, str) else cell for cell in row] for row in rows)
    return buffer.getvalue()


def plain_cell(cell: str) -> str:
    """The text that :func:`safe_cell` made this of."""
    return cell[1:] if _ESCAPED.match(cell) else cell


def iso(moment: datetime | None) -> str:
    """A stored moment (naive UTC) to the millisecond, e.g. `2026-03-01T12:00:00.000Z`; empty for None."""
    return f"{moment.isoformat(timespec='milliseconds')}Z" if moment else ""


def local_iso(moment: datetime | None) -> str:
    """A stored moment for people, with the offset of `TIME_ZONE`; e.g. `2026-03-01T13:00:00.000+01:00`.

    The same as :func:`iso` where that zone is UTC.
    """
    if moment is None or zone().key == "UTC":
        return iso(moment)
    return local(moment.replace(tzinfo=UTC)).isoformat(timespec="milliseconds")


def utc(moment: datetime) -> datetime:
    """An aware moment as it is stored: naive UTC, to the millisecond."""
    naive = moment.astimezone(UTC).replace(tzinfo=None)
    beyond = naive.microsecond % 1000
    return naive - timedelta(microseconds=beyond) if beyond else naive
