"""Orders as CSV or JSON lines, streamed: memory use does not depend on how many there are."""

from collections.abc import Callable, Iterator
from itertools import islice
from typing import Any

import orjson
from django.conf import settings

from orders.models import Document, text_of
from orders.services.access import EXPORT, Actor
from orders.services.order_queries import require_valid
from orders.services.transfer.file_format import (
    AMOUNTS,
    ITEM_COLUMNS,
    ITEM_PLACES,
    LINE_COLUMNS,
    LISTS,
    MOMENTS,
    ORDER_COLUMNS,
    PARTS,
    SUMMARY_COLUMN,
    Format,
    csv_text,
    iso,
    local_iso,
    plain,
)
from orders.storage.order_lists import batches
from orders.storage.order_query import OrderQuery

Batches = Iterator[list[Document]]
BOM = "\N{ZERO WIDTH NO-BREAK SPACE}"
"""Tells Excel that a file is UTF-8."""
ROWS_AT_ONCE = 1000
"""Rows of lines in one piece of text: each repeats its order, note and metadata included."""
CSV_FIELDS = dict.fromkeys(
    (
        *("number", "status", "user_id", "user_verified", "version", "total_price", "currency", *PARTS, *MOMENTS),
        *("reference", "note", "metadata", "tags", *AMOUNTS, "hold", *LISTS),
        *(f"items.{name}" for name in ITEM_PLACES),
        *(f"items.{name}" for name in ("product_id", "quantity", "price", "stock.state", *ITEM_COLUMNS.values())),
    ),
    1,
)


def export_orders(
    query: OrderQuery,
    *,
    actor: Actor,
    format: Format = Format.CSV,
    by_line: bool = False,
    bom: bool = False,
    progress: Callable[[int], None] = lambda _: None,
) -> Iterator[str]:
    """The orders of a query, in its order, as the text of a file, piece by piece.

    Orders placed during the export are left out, and no order appears twice; one that changes meanwhile appears as it
    is when it is read.

    :param by_line: CSV with a row for each line instead of each order; it can be imported again, and so can JSONL.
    :param bom: begin with a byte order mark, for Excel.
    :param progress: told how many more orders have been written, each time.
    :raises NotPermitted: at once, before the first piece is asked for.
    :raises InvalidOrderQuery: at once.
    :raises DatabaseError: at once, or between two pieces.
    """
    actor.require(EXPORT)
    require_valid(query)
    found = batches(query, None if format is Format.JSONL else CSV_FIELDS)
    pieces = _jsonl(found, progress) if format is Format.JSONL else _csv(found, by_line, progress)
    return _after_bom(pieces) if bom else pieces


def _after_bom(pieces: Iterator[str]) -> Iterator[str]:
    yield BOM
    yield from pieces


def _csv(found: Batches, by_line: bool, progress: Callable[[int], None]) -> Iterator[str]:
    yield csv_text([(*ORDER_COLUMNS, *LINE_COLUMNS) if by_line else (*ORDER_COLUMNS, SUMMARY_COLUMN)])
    for batch in found:
        rows = (row for order in batch for row in (_line_rows(order) if by_line else [_summary_row(order)]))
        while some := list(islice(rows, ROWS_AT_ONCE)):
            yield csv_text(some)
        progress(len(batch))


def _order_row(order: Document) -> list[Any]:
    """The cells of ORDER_COLUMNS."""
    items = order["items"]
    contact, shipping, billing = (_part_cells(order, part) for part in PARTS)
    return [
        order["_id"],
        order["number"],
        order["status"],
        *contact,
        order["user_id"],
        "true" if order["user_verified"] else "false",
        *(local_iso(order.get(name)) for name in MOMENTS),
        order["version"],
        len(items),
        sum(item["quantity"] for item in items),
        text_of(order["total_price"]),
        _currency(order),
        *(text_of(order[name]) if order.get(name) is not None else "" for name in AMOUNTS),
        *(_json_cell(order.get(name)) for name in ("hold", *LISTS)),
        " ".join(sorted({item["stock"]["state"] for item in items})),
        *shipping,
        *billing,
        order.get("reference") or "",
        order.get("note") or "",
        _json_cell(order.get("metadata")),
        ", ".join(order.get("tags") or ()),
    ]


def _json_cell(value: Any) -> str:
    return orjson.dumps(plain(value)).decode() if value else ""


def _part_cells(order: Document, part: str) -> list[str]:
    values, columns = order.get(part), PARTS[part]
    return [values.get(name) or "" for name in columns.values()] if values else [""] * len(columns)


def _currency(order: Document) -> str:
    """Never empty, since the system that reads the file may have another currency of its own."""
    currency: str = order.get("currency") or settings.CURRENCY
    return currency


def _summary_row(order: Document) -> list[Any]:
    """The cells of ORDER_COLUMNS and SUMMARY_COLUMN."""
    lines = (f"{item['quantity']} × {item.get('name') or item['product_id']}" for item in order["items"])
    return [*_order_row(order), "; ".join(lines)]


def _line_rows(order: Document) -> Iterator[list[Any]]:
    """The cells of ORDER_COLUMNS and LINE_COLUMNS."""
    row = _order_row(order)
    for position, item in enumerate(order["items"], start=1):
        product, quantity, price = item["product_id"], item["quantity"], item["price"]
        name, sku, image_url = (item.get(text) or "" for text in ITEM_COLUMNS.values())
        cost = text_of(price, times=quantity)
        yield [
            *(*row, position, name, sku, product, quantity, text_of(price), cost),
            *(item["stock"]["state"], image_url, *(_cell(item.get(place)) for place in ITEM_PLACES)),
        ]


def _cell(value: Any) -> Any:
    return "" if value is None else value


def _jsonl(found: Batches, progress: Callable[[int], None]) -> Iterator[str]:
    for batch in found:
        yield "".join(orjson.dumps(_order_object(order)).decode() + "\n" for order in batch)
        progress(len(batch))


def _order_object(order: Document) -> Document:
    """The order as one JSON object, its history included; fields that are not set are left out."""
    given = {name: order[name] for name in ("number", "status", "user_id", "user_verified")}
    moments = {name: iso(order[name]) for name in MOMENTS if order.get(name)}
    parts = {part: order[part] for part in PARTS if any((order.get(part) or {}).values())}
    said = {name: order[name] for name in ("reference", "note", "metadata", "tags") if order.get(name)}
    return {
        "id": str(order["_id"]),
        **given,
        **moments,
        "version": order["version"],
        "total_price": text_of(order["total_price"]),
        "currency": _currency(order),
        **{name: text_of(order[name]) for name in AMOUNTS if order.get(name) is not None},
        **parts,
        **said,
        **{name: plain(order[name]) for name in ("hold", *LISTS) if order.get(name)},
        "items": [_line_object(item) for item in order["items"]],
        "history": [_entry_object(entry) for entry in order["history"]],
    }


def _entry_object(entry: Document) -> Document:
    shown = {name: value for name, value in entry.items() if name not in ("key", "fingerprint")}
    return shown | {"at": iso(entry["at"])}


def _line_object(item: Document) -> Document:
    stock = item["stock"]
    short = {"discrepancy": stock["discrepancy"]} if stock.get("discrepancy") else {}
    texts = {name: item[name] for name in ITEM_COLUMNS.values() if item.get(name)}
    return {
        **texts,
        "product_id": item["product_id"],
        "quantity": item["quantity"],
        "price": text_of(item["price"]),
        "stock": stock["state"],
        **short,
        **{name: item[name] for name in ITEM_PLACES if item.get(name) is not None},
    }
