"""Orders as a FastAPI order service keeps them, what it does to them, and documents that nobody expects."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

from bson import Decimal128, ObjectId
from pymongo.collection import Collection

from integrations.sandbox.catalogue import PRODUCTS

Document = dict[str, Any]
A, B = (product.product_id for product in PRODUCTS[:2])
WRITTEN: dict[str, Callable[[str], Any]] = {"text": str, "double": float, "decimal": Decimal128}
"""How prices are written."""
CREATED = datetime(2026, 3, 1, 9, 30)  # noqa: DTZ001 - it stores naive times


def fastapi_order(status: str = "pending", *, written: str = "double", user_id: str = "1", **changes: Any) -> Document:
    """Two lines, of three units at 10.00 and 19.90; 39.90 in all."""
    money = WRITTEN[written]
    return {
        "_id": ObjectId(),
        "user_id": user_id,
        "items": [
            {"product_id": A, "quantity": 2, "price": money("10.00")},
            {"product_id": B, "quantity": 1, "price": money("19.90")},
        ],
        "total_price": money("39.90"),
        "status": status,
        "shipping_address": {
            "line1": "1 Long Street", "line2": None, "city": "Springfield", "state": "IL", "postal_code": "12345",
            "country": "US",
        },
        "created_at": CREATED,
        "updated_at": CREATED + timedelta(hours=1),
    } | changes  # fmt: skip


STRANGE: dict[str, Callable[[], Document]] = {
    **{f"price as {written}": lambda written=written: fastapi_order(written=written) for written in WRITTEN},
    "an id that is a text": lambda: fastapi_order(_id="order-17"),
    "an id that is a number": lambda: fastapi_order(_id=17),
    "no user": lambda: _without("user_id"),
    "a user that is a number": lambda: fastapi_order(user_id=1),
    "no lines": lambda: fastapi_order(items=[]),
    "lines that are none": lambda: fastapi_order(items="two towels"),
    "lines that are texts": lambda: fastapi_order(items=["a towel", {"product_id": A}]),
    "no price": lambda: fastapi_order(items=[{"product_id": A, "quantity": 1}]),
    "a total that is a text": lambda: fastapi_order(total_price="much"),
    "a total like one of ours": lambda: fastapi_order(total_price=Decimal128("29.80")),
    "no total": lambda: _without("total_price"),
    "an unknown status": lambda: fastapi_order("on hold"),
    "no status": lambda: _without("status"),
    "no address": lambda: _without("shipping_address"),
    "an address that is a text": lambda: fastapi_order(shipping_address="1 Long Street, Springfield"),
    "no times": lambda: _without("created_at", "updated_at"),
    "times as texts": lambda: fastapi_order(created_at="2026-03-01T09:30:00", updated_at="yesterday"),
    "times of today": lambda: fastapi_order("shipped", created_at=_now(), updated_at=_now()),
    "times of today as texts": lambda: fastapi_order(created_at=str(_now()), updated_at=_now(), shipped_at="now"),
    "a contact that is a text": lambda: fastapi_order(contact="Amara", reference=17, number=3),
    "nothing": lambda: {"_id": ObjectId()},
}
"""Documents that lists must not stumble over, whatever their fields hold."""


def _without(*names: str) -> Document:
    return {name: value for name, value in fastapi_order().items() if name not in names}


def _now() -> datetime:
    now = datetime.now(UTC).replace(tzinfo=None)
    return now.replace(microsecond=now.microsecond // 1000 * 1000)


class FastApiService:
    """The writes of the other service: it knows `status` and `updated_at`, and guards by nothing."""

    def __init__(self, orders: Collection[Document]) -> None:
        self._orders = orders
        self.said: dict[ObjectId, str] = {}
        """Every order that it placed, with the last status that it gave it."""

    def place(self, **changes: Any) -> ObjectId:
        now = _now()
        order = fastapi_order(**{"created_at": now, "updated_at": now} | changes)
        self._orders.insert_one(order)
        self.said[order["_id"]] = order["status"]
        return ObjectId(order["_id"])

    def change_status(self, order_id: ObjectId, status: str) -> None:
        changes = {"status": status, "updated_at": _now()}
        assert self._orders.update_one({"_id": order_id}, {"$set": changes}).matched_count == 1
        self.said[order_id] = status


def worth(order: Document) -> Decimal:
    return sum((item["price"].to_decimal() * item["quantity"] for item in order["items"]), Decimal(0))
