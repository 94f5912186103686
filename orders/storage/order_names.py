"""What orders call products and customers: each by the newest order that has it, which may not know a name."""

from collections.abc import Iterable

from bson import ObjectId
from django_mongodb_backend.query import wrap_database_errors

from orders.models import Document
from orders.storage.order_writes import OURS, orders

NEWEST = [("created_at", -1), ("_id", -1)]


@wrap_database_errors
def product_names(product_ids: Iterable[str]) -> dict[str, str]:
    """The names of products by their ids; of one without a name there is none."""
    named = {product_id: _product_name(product_id) for product_id in dict.fromkeys(product_ids)}
    return {product_id: name for product_id, name in named.items() if name}


@wrap_database_errors
def customer_name(user_id: str) -> str:
    """The name of a user; empty where it is not known."""
    found = orders().find_one({"user_id": user_id, **OURS}, {"contact.name": 1}, sort=NEWEST, hint="user_newest") or {}
    return str((found.get("contact") or {}).get("name") or "")


@wrap_database_errors
def customers_of(order_ids: Iterable[ObjectId]) -> dict[ObjectId, str]:
    """Whose these orders are: by name, else by e-mail address; of an order that says neither there is nothing."""
    asked = {"_id": {"$in": list(dict.fromkeys(order_ids))}, **OURS}
    contacts = {
        order["_id"]: order.get("contact") or {}
        for order in orders().find(asked, {"contact.name": 1, "contact.email": 1})
    }
    told = {order_id: contact.get("name") or contact.get("email") for order_id, contact in contacts.items()}
    return {order_id: text for order_id, text in told.items() if text}


def _product_name(product_id: str) -> str:
    fields = {"items.product_id": 1, "items.name": 1}
    found: Document | None = orders().find_one(
        {"items.product_id": product_id, **OURS}, fields, sort=NEWEST, hint="product_newest"
    )
    items = found["items"] if found else []
    return next((item["name"] for item in items if item["product_id"] == product_id and item.get("name")), "")
