"""Orders as CSV or JSON lines, streamed: memory use does not depend on how many there are."""

from collections.abc import Callable, Iterator
from typing import Any

import orjson

from orders.models import Document, text_of
from orders.services.access import EXPORT, Actor
from orders.services.order_queries import require_valid
from orders.services.transfer.file_format import (
    ADDRESS_COLUMNS,
    LINE_COLUMNS,
    ORDER_COLUMNS,
    Format,
    csv_text,
    iso,
    local_iso,
)
from orders.storage.order_lists import batches
from orders.storage.order_query import OrderQuery

Batches = Iterator[list[Document]]
BOM = "\N{ZERO WIDTH NO-BREAK SPACE}"
"""Tells Excel that a file is UTF-8."""
MOMENTS = ("created_at", "placed_at", "paid_at", "shipped_at", "status_since", "updated_at")
CSV_FIELDS = dict.fromkeys(
    (
        *("number", "status", "user_id", "user_verified", "version", "total_price", "shipping_address", *MOMENTS),
        *("items.product_id", "items.quantity", "items.price", "items.stock.state"),
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
    yield csv_text([(*ORDER_COLUMNS, *LINE_COLUMNS) if by_line else ORDER_COLUMNS])
    for batch in found:
        rows = (row for order in batch for row in (_line_rows(order) if by_line else [_order_row(order)]))
        yield csv_text(rows)
        progress(len(batch))


def _order_row(order: Document) -> list[Any]:
    """The cells of ORDER_COLUMNS."""
    items, address = order["items"], order["shipping_address"]
    return [
        order["_id"],
        order["number"],
        order["status"],
        order["user_id"],
        "true" if order["user_verified"] else "false",
        *(local_iso(order.get(name)) for name in MOMENTS),
        order["version"],
        len(items),
        sum(item["quantity"] for item in items),
        text_of(order["total_price"]),
        " ".join(sorted({item["stock"]["state"] for item in items})),
        *(address.get(name, "") for name in ADDRESS_COLUMNS),
    ]


def _line_rows(order: Document) -> Iterator[list[Any]]:
    row = _order_row(order)
    for position, item in enumerate(order["items"], start=1):
        product, quantity, price = item["product_id"], item["quantity"], item["price"]
        cost = text_of(price, times=quantity)
        yield [*row, position, product, quantity, text_of(price), cost, item["stock"]["state"]]


def _jsonl(found: Batches, progress: Callable[[int], None]) -> Iterator[str]:
    for batch in found:
        yield "".join(orjson.dumps(_order_object(order)).decode() + "\n" for order in batch)
        progress(len(batch))


def _order_object(order: Document) -> Document:
    """The order as one JSON object, its history included; fields that are not set are left out."""
    given = {name: order[name] for name in ("number", "status", "user_id", "user_verified")}
    moments = {name: iso(order[name]) for name in MOMENTS if order.get(name)}
    return {
        "id": str(order["_id"]),
        **given,
        **moments,
        "version": order["version"],
        "total_price": text_of(order["total_price"]),
        "shipping_address": order["shipping_address"],
        "items": [_line_object(item) for item in order["items"]],
        "history": [_entry_object(entry) for entry in order["history"]],
    }


def _entry_object(entry: Document) -> Document:
    shown = {name: value for name, value in entry.items() if name not in ("key", "fingerprint")}
    return shown | {"at": iso(entry["at"])}


def _line_object(item: Document) -> Document:
    stock = item["stock"]
    short = {"discrepancy": stock["discrepancy"]} if stock.get("discrepancy") else {}
    return {
        "product_id": item["product_id"],
        "quantity": item["quantity"],
        "price": text_of(item["price"]),
        "stock": stock["state"],
        **short,
    }
