"""The files that orders are exported to and imported from: their columns, and the format of cells and times.

docs/import-export.md describes them; a test compares the two.
"""

import csv
import io
import re
from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from typing import Any

from bson import Decimal128

from orders.models import text_of
from orders.services.days import local, zone
from orders.services.text_rules import ADDRESS_FIELDS, CONTACT_FIELDS

PLACE = ("line1", "line2", "city", "state", "postal_code", "country")
"""The fields of the shipping address whose columns have their plain names."""
PARTS = {
    "contact": {f"contact_{name}": name for name in CONTACT_FIELDS},
    "shipping_address": {name if name in PLACE else f"shipping_{name}": name for name in ADDRESS_FIELDS},
    "billing_address": {f"billing_{name}": name for name in ADDRESS_FIELDS},
}
"""The parts of an order that are spread over several columns: column → field of the part."""
ITEM_COLUMNS = {"product_name": "name", "sku": "sku", "image_url": "image_url"}
"""What the product of a line is called: column → field of the line."""
STEPS = ("paid_at", "shipped_at", "delivered_at", "cancelled_at", "refunded_at")
"""When an order reached a status, in the order in which that may happen."""
MOMENTS = ("created_at", "placed_at", *STEPS, "status_since", "updated_at", "erased_at", "held_at")
AMOUNTS = ("paid", "refunded", "owed")
LISTS = ("charges", "shipments", "returns", "payments", "refunds")
"""What an order has several of: in CSV, one cell with a list of JSON objects."""
ITEM_PLACES = ("split_from", "shipment", "returned_in", "removed")
"""What became of a line."""
ORDER_COLUMNS = (
    *("id", "number", "status", *PARTS["contact"], "user_id", "user_verified", *MOMENTS),
    *("version", "lines", "units", "total_price", "currency", *AMOUNTS, "hold", *LISTS, "stock"),
    *(*PARTS["shipping_address"], *PARTS["billing_address"], "reference", "note", "metadata", "tags"),
)
"""Columns of every file."""
SUMMARY_COLUMN = "products"
"""The column that follows where a row is an order."""
LINE_COLUMNS = (
    *("line", "product_name", "sku", "product_id", "quantity", "price", "line_total", "line_stock", "image_url"),
    *ITEM_PLACES,
)
"""Columns that follow where a row is a line of an order."""

# https://owasp.org/www-community/attacks/CSV_Injection, the full-width signs included. Apostrophes in front are
# escaped by another one, so that reading is exact.
_FORMULA = re.compile("'*[=+\\-@\t\r\n＝＋－＠]")
_ESCAPED = re.compile("''*[=+\\-@\t\r\n＝＋－＠]")
_SUSPECT = frozenset("'=+-@\t\r\n＝＋－＠")
"""What such a cell begins with, by which most cells are told at once."""


class Format(StrEnum):
    CSV = "csv"
    JSONL = "jsonl"


def safe_cell(text: str) -> str:
    """The text with an apostrophe in front if a spreadsheet could take it for a formula."""
    return f"'{text}" if text[:1] in _SUSPECT and _FORMULA.match(text) else text


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
    return cell[1:] if cell[:1] == "'" and _ESCAPED.match(cell) else cell


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


def plain(value: Any) -> Any:
    """A stored part of an order as JSON has it: amounts as text, times as ISO 8601; what is not set is left out."""
    if isinstance(value, dict):
        return {name: plain(part) for name, part in value.items() if part is not None}
    if isinstance(value, list):
        return [plain(part) for part in value]
    if isinstance(value, Decimal128):
        return text_of(value)
    return iso(value) if isinstance(value, datetime) else value


def utc(moment: datetime) -> datetime:
    """An aware moment as it is stored: naive UTC, to the millisecond."""
    naive = moment.astimezone(UTC).replace(tzinfo=None)
    beyond = naive.microsecond % 1000
    return naive - timedelta(microseconds=beyond) if beyond else naive
