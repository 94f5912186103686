"""Everything that is stored about one customer, as readable JSON: what they may ask for."""

from collections.abc import Callable, Iterator
from datetime import datetime
from typing import Any

import orjson

from orders.models import Document, text_of
from orders.services.access import EXPORT, Actor
from orders.services.lifecycle.assigning import ASSIGNED, UNASSIGNED
from orders.services.transfer.file_format import LISTS, iso, plain
from orders.storage.personal_data import Customer, orders_of

FACTS = ("number", "status", "user_id", "user_verified", "currency", "reference", "note", "metadata", "tags")
MOMENTS = (
    *("created_at", "placed_at", "paid_at", "shipped_at", "delivered_at", "cancelled_at", "refunded_at", "updated_at"),
    *("held_at", "erased_at"),
)
PARTS = ("contact", "shipping_address", "billing_address")
AMOUNTS = ("paid", "refunded", "owed")
ITEM_FACTS = (
    *("product_id", "name", "sku", "image_url", "quantity", "split_from", "shipment", "returned_in", "removed"),
)


def export_customer(
    customer: Customer, *, actor: Actor, at: datetime, progress: Callable[[int], None] = lambda _: None
) -> Iterator[str]:
    """All orders of a customer, as the text of one JSON object, piece by piece: memory does not depend on how many.

    Rejected drafts are among them. Of the history, what happened to the stock of lines and who took care of the order
    are left out, and staff are not named: it is about the customer. Fields that are not set are left out.

    :param at: aware; when they asked.
    :param progress: told how many more orders have been written, each time.
    :raises NotPermitted: at once, before the first piece is asked for.
    :raises DatabaseError: between two pieces.
    """
    actor.require(EXPORT)
    return _pieces(customer, at, progress)


def _pieces(customer: Customer, at: datetime, progress: Callable[[int], None]) -> Iterator[str]:
    asked = {"user_id": customer.user_id, "email": customer.email}
    about = {"customer": {name: value for name, value in asked.items() if value}, "exported_at": iso(at)}
    yield _json(about).rstrip("}\n") + ',\n  "orders": ['
    comma = ""
    for order in orders_of(customer):
        yield f"{comma}\n{_indented(_json(_order(order)), 4)}"
        comma = ","
        progress(1)
    yield f"{comma and chr(10) + '  '}]\n}}\n"


def _json(value: Document) -> str:
    return orjson.dumps(value, option=orjson.OPT_INDENT_2).decode()


def _indented(text: str, by: int) -> str:
    return "\n".join(" " * by + line for line in text.split("\n"))


def _order(order: Document) -> Document:
    return {
        "id": str(order["_id"]),
        **{name: order[name] for name in FACTS if order.get(name) not in (None, "", {})},
        **{name: iso(order[name]) for name in MOMENTS if order.get(name)},
        "total_price": text_of(order["total_price"]),
        **{name: text_of(order[name]) for name in AMOUNTS if order.get(name) is not None},
        **{name: said for name in PARTS if (said := _said(order.get(name) or {}))},
        "items": [
            {name: item[name] for name in ITEM_FACTS if item.get(name) not in (None, "")}
            | {"price": text_of(item["price"])}
            for item in order["items"]
        ],
        **{name: [_said(plain(part)) for part in order[name]] for name in LISTS if order.get(name)},
        **({"hold": {name: order["hold"][name] for name in ("code", "reason")}} if order.get("hold") else {}),
        **({"snoozed": {"reason": order["snoozed"]["reason"]}} if order.get("snoozed") else {}),
        "history": [_entry(entry) for entry in order["history"] if _is_about_them(entry)],
    }


def _said(part: Document) -> Document:
    return {name: value for name, value in part.items() if value}


def _is_about_them(entry: Document) -> bool:
    return entry.get("line") is None and entry["act"] not in (ASSIGNED, UNASSIGNED)


def _entry(entry: Document) -> dict[str, Any]:
    told = {name: entry.get(name) for name in ("act", "from", "to", "code", "reason", "detail")}
    return {"at": iso(entry["at"]), **_said(told), "by": entry["actor"].partition(":")[0], "via": entry["via"]}
