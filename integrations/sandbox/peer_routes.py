"""The HTTP contracts of the three peers, as the published services answer them.

Source: docs/peers.md: users, products and inventory under one base path, `/api/v1`.
"""

import re
import threading
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Any

from bson import Decimal128, ObjectId

from integrations.sandbox.control import Control, ReceivedCall
from integrations.sandbox.faults import suffer
from integrations.sandbox.http_messages import Request, Response, failure, parse_object
from integrations.sandbox.stock import Change, InsufficientStockError, UnknownProductError

_INTEGER = re.compile(r"-?[0-9]{1,30}")
_INT64 = 2**63


@dataclass(frozen=True, slots=True)
class Asked:
    """What one request asks for; its fields are as they came, checked by the operation that reads them.

    :ivar pause: seconds that a change of stock is to be slow inside.
    """

    operation: str
    fields: dict[str, Any]
    key: str | None
    pause: float = 0.0

    @property
    def product_id(self) -> str | None:
        """Return the product that is named, if one is."""
        return _text(self.fields.get("product_id"))


class InvalidFieldError(Exception):
    """A field of a request is missing or of the wrong kind: 422, in the shape that FastAPI gives it."""

    def __init__(self, where: str, name: str, message: str, value: object = None) -> None:
        super().__init__(message)
        self.detail = [{"type": "value_error", "loc": [where, name], "msg": message, "input": repr(value)[:200]}]


class PeerRoutes:
    """Answers for all three peers; every call is recorded and suffers the faults that are set."""

    def __init__(self, control: Control, stopping: threading.Event) -> None:
        self._control = control
        self._stopping = stopping
        self._operations: dict[str, Callable[[Asked], Response]] = {
            "verify": self._verify,
            "product": self._product,
            "search": self._search,
            "check": self._check,
            "reserve": self._reserve,
            "release": self._release,
            "stock": self._stock,
        }

    def answer(self, request: Request, path: tuple[str, ...]) -> Response | None:
        """Answer a request for `path` (below the base path); None closes the connection without an answer."""
        asked = _asked(request, path)
        if asked is None:
            return failure(404, "Not Found")
        self._control.record(_call(asked, request))
        struck = self._control.faults.take(asked.operation, asked.product_id)
        if struck:
            return suffer(struck, lambda pause: self._act(replace(asked, pause=pause)), self._stopping)
        return self._act(asked)

    def _act(self, asked: Asked) -> Response:
        try:
            return self._operations[asked.operation](asked)
        except InvalidFieldError as error:
            return failure(422, error.detail)
        except UnknownProductError as error:
            return failure(404, str(error))
        except InsufficientStockError as error:
            return failure(400, str(error))

    def _verify(self, asked: Asked) -> Response:
        user_id = _integer(asked.fields, "path", "user_id")
        user = self._control.users.find_one({"_id": user_id}) if -_INT64 <= user_id < _INT64 else None
        if user is None or not user["active"]:
            return Response(200, {"valid": False})
        names = {"email": user["email"], "full_name": user["full_name"]}
        return Response(200, {"valid": True, "user_id": user_id} | names)

    def _product(self, asked: Asked) -> Response:
        given = str(asked.product_id)
        if not ObjectId.is_valid(given):
            return failure(500, "Internal Server Error")
        found = self._products({"_id": ObjectId(given)})
        return Response(200, found[0]) if found else failure(404, f"Product with ID {given} not found")

    def _search(self, asked: Asked) -> Response:
        """Not a call of the published service: see `integrations.sandbox.searchable`."""
        text, limit = _text(asked.fields.get("search")) or "", _positive(asked.fields, "query", "limit")
        words = {"$regex": re.escape(text), "$options": "i"}
        found = self._products({"$or": [{"name": words}, {"sku": words}]}, {"$sort": {"name": 1}}, {"$limit": limit})
        return Response(200, {"products": found})

    def _products(self, query: dict[str, Any], *then: dict[str, Any]) -> list[dict[str, Any]]:
        # One round trip for product and stock: the sandbox shares its processors with what is measured.
        stock = {"from": "stock", "localField": "_id", "foreignField": "_id", "as": "stock"}
        with self._control.products.aggregate([{"$match": query}, *then, {"$lookup": stock}]) as found:
            return [_shown(product) for product in found]

    def _check(self, asked: Asked) -> Response:
        given, quantity = _required(asked, "query"), _positive(asked.fields, "query")
        try:
            current = self._control.room.level(_known(given)).available
        except UnknownProductError as error:
            return Response(200, {"available": False, "message": str(error)})
        quantities = {"current_quantity": current, "requested_quantity": quantity}
        return Response(200, {"available": current >= quantity} | quantities | {"product_id": given})

    def _reserve(self, asked: Asked) -> Response:
        honour = self._control.honours_keys
        return Response(200, self._control.room.reserve(_change(asked), honour_key=honour, pause=asked.pause))

    def _release(self, asked: Asked) -> Response:
        honour = self._control.honours_keys
        return Response(200, self._control.room.release(_change(asked), honour_key=honour, pause=asked.pause))

    def _stock(self, asked: Asked) -> Response:
        level = self._control.room.level(_known(str(asked.product_id)))
        amounts = {"available_quantity": level.available, "reserved_quantity": level.reserved}
        threshold = {"reorder_threshold": level.reorder_threshold}
        return Response(200, {"product_id": asked.product_id} | amounts | threshold)


def _shown(product: dict[str, Any]) -> dict[str, Any]:
    price: Decimal128 = product["price"]
    shown = {"_id": product["_id"], "name": product["name"], "price": price.to_decimal()}
    more = {name: product[name] for name in ("sku", "image_url", "currency") if product.get(name)}
    quantity = sum(level["available"] for level in product["stock"])
    return shown | more | {"category": product["category"], "quantity": quantity}


def _asked(request: Request, path: tuple[str, ...]) -> Asked | None:
    """Return what the request asks for, or None if no peer has such an address."""
    key = request.headers.get("Idempotency-Key")
    match request.method, path:
        case "GET", ("users", user_id, "verify"):
            return Asked("verify", {"user_id": user_id}, key)
        case "GET", ("products",):
            return Asked("search", dict(request.query), key)
        case "GET", ("products", product_id):
            return Asked("product", {"product_id": product_id}, key)
        case "GET", ("inventory", "check"):
            return Asked("check", dict(request.query), key)
        case "POST", ("inventory", ("reserve" | "release") as action):
            return Asked(action, _body(request.body), key)
        case "GET", ("inventory", product_id):
            return Asked("stock", {"product_id": product_id}, key)
    return None


def _body(body: bytes) -> dict[str, Any]:
    # What cannot be read has no fields; the operation then says which one it misses.
    try:
        return parse_object(body)
    except ValueError:
        return {}


def _call(asked: Asked, request: Request) -> ReceivedCall:
    try:
        quantity: int | None = _integer(asked.fields, "", "quantity")
    except InvalidFieldError:
        quantity = None
    return ReceivedCall(
        operation=asked.operation,
        product_id=asked.product_id,
        quantity=quantity,
        order_id=_text(asked.fields.get("order_id")),
        key=asked.key,
        request_id=request.headers.get("X-Request-ID"),
        at=datetime.now(UTC),
    )


def _change(asked: Asked) -> Change:
    given, quantity = _required(asked, "body"), _positive(asked.fields, "body")
    order_id = asked.fields.get("order_id")
    if order_id is not None and not isinstance(order_id, str):
        raise InvalidFieldError("body", "order_id", "Input should be a valid string", order_id)
    return Change(_known(given), quantity, order_id, asked.key)


def _known(product_id: str) -> ObjectId:
    if not ObjectId.is_valid(product_id):
        raise UnknownProductError(product_id)
    return ObjectId(product_id)


def _required(asked: Asked, where: str) -> str:
    if asked.product_id is None:
        raise InvalidFieldError(where, "product_id", "Field required, a string", asked.fields.get("product_id"))
    return asked.product_id


def _positive(fields: dict[str, Any], where: str, name: str = "quantity") -> int:
    number = _integer(fields, where, name)
    if not 0 < number < _INT64:
        raise InvalidFieldError(where, name, "Input should be greater than 0", number)
    return number


def _integer(fields: dict[str, Any], where: str, name: str) -> int:
    value = fields.get(name)
    if isinstance(value, int) and not isinstance(value, bool):
        return value
    if isinstance(value, str) and _INTEGER.fullmatch(value):
        return int(value)
    raise InvalidFieldError(where, name, "Input should be a valid integer", value)


def _text(value: object) -> str | None:
    return value if isinstance(value, str) else None
