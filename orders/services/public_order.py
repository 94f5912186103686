"""An order as everybody outside sees it, in the API's answers and in events: JSON-ready, written out by hand.

The serializers of `orders.api` document the same shape.
"""

from collections.abc import Iterable
from typing import Any

from django.conf import settings

from orders.models import Document, text_of
from orders.services.text_rules import ADDRESS_FIELDS, CONTACT_FIELDS

ITEM_FACTS = ("name", "sku", "image_url")
MOMENTS = ("paid_at", "shipped_at", "delivered_at", "cancelled_at", "refunded_at")


def public_order(order: Document) -> dict[str, Any]:
    """One order as the API shows it. The id comes as `_id`, which clients of the old service read, and as `id`."""
    order_id = str(order["_id"])
    billing_address = order.get("billing_address")
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
            }
            for item in order["items"]
        ],
        "total_price": text_of(order["total_price"]),
        "currency": order.get("currency") or settings.CURRENCY,
        "contact": _texts(order.get("contact") or {}, CONTACT_FIELDS),
        "shipping_address": _texts(order["shipping_address"], ADDRESS_FIELDS),
        "billing_address": _texts(billing_address, ADDRESS_FIELDS) if billing_address else None,
        "reference": order.get("reference") or "",
        "note": order.get("note") or "",
        "metadata": order.get("metadata") or {},
        "created_at": order["created_at"],
        "updated_at": order["updated_at"],
        **{name: order.get(name) for name in MOMENTS},
    }


def _texts(part: Document, names: Iterable[str]) -> dict[str, str]:
    """Text members of a part of an order; those that orders did not always have may be missing."""
    return {name: part.get(name) or "" for name in names}
