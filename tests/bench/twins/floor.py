"""The floor: a bare WSGI app with pymongo and orjson. What a request costs that does nothing but its one query."""

import os
from collections.abc import Callable, Iterable
from datetime import UTC, datetime
from typing import Any
from urllib.parse import parse_qsl

import jwt
import orjson
from bson import Decimal128, ObjectId
from pymongo import MongoClient
from pymongo.collection import Collection

Document = dict[str, Any]
KEY = os.environ["JWT_SHARED_KEY"]
NEWEST = [("created_at", -1), ("_id", -1)]
FIELDS = dict.fromkeys(
    (
        *("number", "user_id", "user_verified", "status", "version", "total_price", "currency"),
        *("items.product_id", "items.quantity", "items.price", "items.name", "items.sku", "items.image_url"),
        *("items.split_from", "items.shipment", "items.returned_in", "items.removed", "shipments", "returns"),
        *("contact", "shipping_address", "billing_address", "reference", "note", "metadata", "charges", "held_at"),
        *("paid", "refunded", "owed", "payments", "refunds", "created_at", "updated_at"),
        *("paid_at", "shipped_at", "delivered_at", "cancelled_at", "refunded_at"),
    ),
    1,
)
"""What this service reads of an order to show it."""
SHOWN = {"$in": ["pending", "paid", "processing", "shipped", "delivered", "cancelled", "refunded"]}
_orders: list[Collection[Document]] = []


def orders() -> Collection[Document]:
    """The collection; the client is made by the first request, after the fork."""
    if not _orders:
        client: MongoClient[Document] = MongoClient(
            os.environ["MONGODB_URI"], w="majority", readConcernLevel="majority", timeoutMS=10_000
        )
        _orders.append(client[os.environ["MONGODB_DB"]]["orders"])
    return _orders[0]


def default(value: object) -> str:
    if isinstance(value, (ObjectId, Decimal128)):
        return str(value)
    raise TypeError(value)


def application(environ: dict[str, Any], start: Callable[..., Any]) -> Iterable[bytes]:
    jwt.decode(environ["HTTP_AUTHORIZATION"].removeprefix("Bearer "), KEY, algorithms=["HS256"])
    found = answer(environ["REQUEST_METHOD"], environ["PATH_INFO"].removeprefix("/api/v1/orders/"), environ)
    body = orjson.dumps(found, default=default, option=orjson.OPT_NAIVE_UTC | orjson.OPT_UTC_Z)
    headers = [("Content-Type", "application/json"), ("Content-Length", str(len(body)))]
    start("404 Not Found" if found is None else "200 OK", headers)
    return [body]


def answer(method: str, path: str, environ: dict[str, Any]) -> Any:
    if method == "PUT":
        return change(ObjectId(path.removesuffix("/status")), orjson.loads(environ["wsgi.input"].read())["status"])
    if not path or path.startswith("user/"):
        asked = dict(parse_qsl(environ["QUERY_STRING"]))
        query: Document = {"status": asked.get("status", SHOWN)}
        if user_id := path.removeprefix("user/") or asked.get("user_id"):
            query["user_id"] = user_id
        if "start_date" in asked:
            span = {
                "$gte": datetime.fromisoformat(asked["start_date"]),
                "$lt": datetime.fromisoformat(asked["end_date"]),
            }
            query["created_at"] = span
        return orders().find(query, FIELDS, sort=NEWEST, limit=int(asked.get("limit", 20))).to_list()
    found = orders().find_one({"_id": ObjectId(path)}, FIELDS)
    return found if found and found["status"] in SHOWN["$in"] else None


def change(order_id: ObjectId, status: str) -> Document | None:
    """One guarded update, as a bare service would make it."""
    guard = {"_id": order_id, "status": "paid"}
    fields = {"status": status, "updated_at": datetime.now(UTC)}
    done = orders().update_one(guard, {"$set": fields, "$inc": {"version": 1}})
    return {"status": status} if done.matched_count else None
