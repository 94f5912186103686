"""An order as everybody outside sees it, in the API's answers and in events: JSON-ready, written out by hand.

The serializers of `orders.api` document the same shape.
"""

from collections.abc import Iterable
from typing import Any

from django.conf import settings

from orders.models import Document, text_of
from orders.services.text_rules import ADDRESS_FIELDS, CONTACT_FIELDS
from orders.storage.ledger import ENDED, sums_of

ITEM_FACTS = ("name", "sku", "image_url")
TRACKING = ("carrier", "tracking_number", "tracking_url")
LINE_STATES = ("open", "shipped", "returning", "returned", "cancelled")
MOMENTS = ("paid_at", "shipped_at", "delivered_at", "cancelled_at", "refunded_at")


def public_order(order: Document) -> dict[str, Any]:
    """One order as the API shows it. The id comes as `_id`, which clients of the old service read, and as `id`."""
    order_id = str(order["_id"])
    billing_address = order.get("billing_address")
    paid, refunded, owed = sums_of(order)
    return {
        "_id": order_id,
        "id": order_id,
        "number": order["number"],
        "user_id": order["user_id"],
        "user_verified": order["user_verified"],
        "status": order["status"],
        "version": order["version"],
        "items": [
            {
                "product_id": item["product_id"],
                "quantity": item["quantity"],
                "price": text_of(item["price"]),
                **_texts(item, ITEM_FACTS),
                "state": line_state(order, item),
                "split_from": item.get("split_from"),
            }
            for item in order["items"]
        ],
        "charges": [
            {"kind": charge["kind"], "label": charge.get("label") or "", "amount": text_of(charge["amount"])}
            for charge in order.get("charges") or ()
        ],
        "total_price": text_of(order["total_price"]),
        "currency": order.get("currency") or settings.CURRENCY,
        "contact": _texts(order.get("contact") or {}, CONTACT_FIELDS),
        "shipping_address": _texts(order["shipping_address"], ADDRESS_FIELDS),
        "billing_address": _texts(billing_address, ADDRESS_FIELDS) if billing_address else None,
        "reference": order.get("reference") or "",
        "note": order.get("note") or "",
        "metadata": order.get("metadata") or {},
        "on_hold": order.get("held_at") is not None,
        "shipments": [
            {
                "at": shipment["at"],
                **_texts(shipment, TRACKING),
                "lines": _lines_with(order, "shipment", number),
            }
            for number, shipment in enumerate(order.get("shipments") or ())
        ],
        "returns": [
            {
                "at": back["at"],
                "received_at": back.get("received_at"),
                "restocked": back.get("restocked"),
                "lines": _lines_with(order, "returned_in", number),
            }
            for number, back in enumerate(order.get("returns") or ())
        ],
        "paid": text_of(paid),
        "refunded": text_of(refunded),
        "owed": text_of(owed),
        "payments": [_money(payment, "reference", "method") for payment in order.get("payments") or ()],
        "refunds": [_money(refund, "reference") for refund in order.get("refunds") or ()],
        "created_at": order["created_at"],
        "updated_at": order["updated_at"],
        **{name: order.get(name) for name in MOMENTS},
    }


def line_state(order: Document, item: Document) -> str:
    """What has become of a line, as one of LINE_STATES."""
    if removed := item.get("removed"):
        return str(removed)
    if item.get("returned_in") is not None:
        return "returning"
    if item.get("shipment") is not None or order.get("shipped_at") is not None:
        return "shipped"
    return "cancelled" if order["status"] in ENDED else "open"


def _lines_with(order: Document, name: str, number: int) -> list[int]:
    """The lines, by index, that name a shipment or a return."""
    return [index for index, item in enumerate(order["items"]) if item.get(name) == number]


def _money(entry: Document, *texts: str) -> dict[str, Any]:
    return {"at": entry["at"], "amount": text_of(entry["amount"]), **_texts(entry, texts)}


def _texts(part: Document, names: Iterable[str]) -> dict[str, str]:
    """Text members of a part of an order; those that orders did not always have may be missing."""
    return {name: part.get(name) or "" for name in names}
