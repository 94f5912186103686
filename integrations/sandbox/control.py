"""The control: what tests and demonstrations tell the peers and ask of them, outside their contracts."""

import threading
from collections import Counter, deque
from dataclasses import asdict, dataclass
from datetime import datetime
from decimal import Decimal, InvalidOperation
from typing import Any

from bson import Decimal128, ObjectId
from pymongo.database import Database

from integrations.sandbox.faults import Fault, Faults
from integrations.sandbox.http_messages import BadControlError
from integrations.sandbox.stock import Document, Stock, StockRoom, durable

REORDER_THRESHOLD = 10
_LARGEST = 2**53
_LONGEST_PAUSE = 60
KEPT_CALLS = 1000


@dataclass(frozen=True, slots=True)
class ReceivedCall:
    """One request as it was received, whether or not it was answered; what it did not carry is None."""

    operation: str
    product_id: str | None
    quantity: int | None
    order_id: str | None
    key: str | None
    request_id: str | None
    at: datetime


class CallLog:
    """Counts every call and keeps the last `KEPT_CALLS`; safe to use from any thread."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._counts: Counter[str] = Counter()
        self._last: deque[ReceivedCall] = deque(maxlen=KEPT_CALLS)

    def record(self, call: ReceivedCall) -> None:
        """Record one call."""
        with self._lock:
            self._counts[call.operation] += 1
            self._last.append(call)

    def counts(self) -> dict[str, int]:
        """Return how many requests each operation has received; an operation never asked for is missing."""
        with self._lock:
            return dict(self._counts)

    def last(self, operation: str | None = None) -> list[dict[str, Any]]:
        """Return the calls that are kept, oldest first, of one operation or of all."""
        with self._lock:
            kept = list(self._last)
        return [asdict(call) for call in kept if operation in (None, call.operation)]

    def clear(self) -> None:
        """Forget counts and calls."""
        with self._lock:
            self._counts.clear()
            self._last.clear()


class Control:
    """Data, faults and records of one sandbox; safe to use from any thread, before it is started too.

    Collections besides those of `StockRoom`: `products` (`_id` ObjectId, `name`, `price` Decimal128, `category`, `sku`,
    `image_url`, `currency`) and `users` (`_id` int, `email`, `full_name`, `active`). Product ids are taken as ObjectId
    or its 24 hex digits.
    """

    def __init__(self, database: Database[Document]) -> None:
        database = durable(database)
        self.products = database["products"]
        self.users = database["users"]
        self.room = StockRoom(database)
        self.faults = Faults()
        self.honours_keys = False
        self._calls = CallLog()
        self.record = self._calls.record
        self.counts = self._calls.counts

    def fault(self, operation: str, kind: str, **options: Any) -> Fault:
        """Set a fault; `operation`, `kind` and `options` are the fields of `Fault`.

        :raises BadControlError: if one is unknown, missing or out of range.
        """
        if strange := sorted(options.keys() - Fault.__dataclass_fields__.keys()):
            raise BadControlError(f"unknown: {', '.join(strange)}")
        fault = Fault(operation, kind, **options)
        self.faults.add(fault)
        return fault

    def clear_faults(self) -> None:
        """Take back every fault."""
        self.faults.clear()

    def seed(self, seed: int | None) -> None:
        """Make the choices by `probability` repeatable from here on."""
        self.faults.seed(seed)

    def honour_keys(self, honour: bool) -> None:
        """Say whether a key once acted upon gets its recorded answer again, without acting; off at first."""
        self.honours_keys = honour

    def be_atomic(self, atomic: bool, pause: float = 0.0) -> None:
        """Say whether a change of stock is one step; otherwise with so many seconds between its look and its write.

        :raises BadControlError: if a value is of the wrong kind or out of range.
        """
        if not isinstance(atomic, bool):
            raise BadControlError(f"atomic must be true or false, not {atomic!r}")
        if not isinstance(pause, int | float) or isinstance(pause, bool) or not 0 <= pause <= _LONGEST_PAUSE:
            raise BadControlError(f"pause must be a number of seconds from 0 to {_LONGEST_PAUSE}, not {pause!r}")
        self.room.atomic, self.room.pause = atomic, float(pause)

    def put_product(
        self,
        product_id: str | ObjectId,
        *,
        name: str,
        price: str | int | Decimal,
        category: str = "",
        sku: str = "",
        image_url: str = "",
        currency: str = "",
        available: int,
        reserved: int | None = None,
        reorder_threshold: int | None = None,
        overwrite: bool = True,
    ) -> None:
        """Create or replace a product and its stock (units); without `overwrite`, only create.

        What is not given, `reserved` and `reorder_threshold`, stays as it is, or starts at 0 and 10.

        :raises BadControlError: if a value is of the wrong kind or out of range.
        """
        key = _object_id(product_id)
        texts = {"name": name, "category": category, "sku": sku, "image_url": image_url, "currency": currency}
        shown = {"price": _price(price), **{field: _text(field, value) for field, value in texts.items()}}
        given = {"available": available, "reserved": reserved, "reorder_threshold": reorder_threshold}
        stock = {field: _units(field, value) for field, value in given.items() if value is not None}
        if available is None:
            raise BadControlError("available must be a whole number of units, not None")
        start = {"reserved": 0, "reorder_threshold": REORDER_THRESHOLD}
        # The stock first: killed in between, this leaves stock that nobody sees, not a product without stock.
        _put(self.room.stock, key, stock, start, overwrite=overwrite)
        _put(self.products, key, shown, {}, overwrite=overwrite)

    def put_user(
        self, user_id: int, *, email: str, full_name: str, active: bool = True, overwrite: bool = True
    ) -> None:
        """Create or replace a customer; without `overwrite`, only create.

        :raises BadControlError: if a value is of the wrong kind or out of range.
        """
        if not isinstance(user_id, int) or isinstance(user_id, bool) or abs(user_id) > _LARGEST:
            raise BadControlError(f"a user id must be an integer, not {user_id!r}")
        if not isinstance(active, bool):
            raise BadControlError(f"active must be true or false, not {active!r}")
        user = {"email": _text("email", email), "full_name": _text("full_name", full_name), "active": active}
        _put(self.users, user_id, user, {}, overwrite=overwrite)

    def stock(self, product_id: str | ObjectId) -> Stock:
        """Return the units of one product.

        :raises UnknownProductError: if there is no such product.
        :raises BadControlError: if the id is none.
        """
        return self.room.level(_object_id(product_id))

    def stocks(self) -> list[dict[str, Any]]:
        """Return every product's `{product_id, available, reserved, reorder_threshold}`, by id."""
        return [{"product_id": str(found.pop("_id"))} | found for found in self.room.stock.find().sort("_id")]

    def movements(self, order_id: str | None = None, product_id: str | ObjectId | None = None) -> list[dict[str, Any]]:
        """Return the ledger, oldest first: `{key, order_id, product_id, action, quantity, at, answer}`.

        :raises BadControlError: if the product id is none.
        """
        query: dict[str, Any] = {} if order_id is None else {"order_id": order_id}
        if product_id is not None:
            query["product_id"] = _object_id(product_id)
        found = self.room.movements.find(query, {"_id": 0}).sort([("at", 1), ("_id", 1)])
        return [movement | {"product_id": str(movement["product_id"])} for movement in found]

    def calls(self, operation: str | None = None) -> list[dict[str, Any]]:
        """Return the last 1000 calls received (fields of `ReceivedCall`), oldest first, of one operation or all."""
        return self._calls.last(operation)

    def reset(self) -> None:
        """Empty everything: faults, switches, seed, records and all collections."""
        self.clear_faults()
        self.seed(None)
        self.honour_keys(False)
        self.be_atomic(True)
        for collection in (self.products, self.users, self.room.stock, self.room.movements):
            collection.delete_many({})
        self._calls.clear()


def _put(collection: Any, key: object, values: Document, start: Document, *, overwrite: bool) -> None:
    missing = {field: value for field, value in start.items() if field not in values}
    update = {"$set": values, "$setOnInsert": missing} if overwrite else {"$setOnInsert": missing | values}
    collection.update_one({"_id": key}, {act: fields for act, fields in update.items() if fields}, upsert=True)


def _object_id(value: object) -> ObjectId:
    if not isinstance(value, str | ObjectId) or not ObjectId.is_valid(value):
        raise BadControlError(f"a product id must be 24 hex digits, not {value!r}")
    return ObjectId(value)


def _price(value: object) -> Decimal128:
    try:
        if isinstance(value, bool) or not isinstance(value, str | int | Decimal):
            raise InvalidOperation
        price = Decimal(value)
        if not price.is_finite() or price < 0:
            raise InvalidOperation
        return Decimal128(price)
    except ArithmeticError as error:
        raise BadControlError(f"price must be a decimal number, not negative, not {value!r}") from error


def _units(name: str, value: object) -> int:
    if not isinstance(value, int) or isinstance(value, bool) or not 0 <= value <= _LARGEST:
        raise BadControlError(f"{name} must be a whole number of units, not {value!r}")
    return value


def _text(name: str, value: object) -> str:
    if not isinstance(value, str):
        raise BadControlError(f"{name} must be a string, not {value!r}")
    return value
