"""Orders for the tests of services: placed through the service, or stored raw in the very state a test needs."""

from collections.abc import Iterable, Iterator
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest
from bson import Decimal128, ObjectId
from django.utils import timezone
from pymongo.collection import Collection
from pymongo.database import Database
from pymongo.errors import NetworkTimeout

from integrations import peer_requests
from integrations.sandbox import Sandbox
from integrations.sandbox.catalogue import PRODUCTS
from orders.models import Address, Item
from orders.services import access
from orders.services.audit import Act
from orders.services.lifecycle.placement import Placement, place_order
from orders.storage import new_id
from orders.storage.order_writes import orders

Document = dict[str, Any]
ADMIN = access.admin("boss")
SUPPORT = access.Actor(access.Kind.STAFF, "Support", "admin", frozenset({access.VIEW, "orders.cancel_order"}))
WORKER = access.system("settle_stock", via="worker")
A, B, C = (product.product_id for product in PRODUCTS[:3])
PRICES = {product.product_id: Decimal(product.price) for product in PRODUCTS}
PAST = timedelta(seconds=-5)
FUTURE = timedelta(minutes=5)


def act(actor: access.Actor = ADMIN, reason: str = "") -> Act:
    return Act(actor, timezone.now(), reason)


def address(**changes: str) -> Address:
    plain = {"line1": "1 Long Street", "city": "Springfield", "postal_code": "12345", "country": "Freedonia"}
    return Address(**(plain | changes))


def lines(*wanted: tuple[str, int]) -> list[Item]:
    return [Item(product_id=product, quantity=quantity, price=PRICES[product]) for product, quantity in wanted]


def place(*wanted: tuple[str, int], actor: access.Actor = ADMIN, user_id: str = "1", **options: Any) -> Placement:
    """Place an order of (product id, quantity) through the service, at the catalogue's prices."""
    return place_order(
        user_id=user_id, items=lines(*(wanted or ((A, 2),))), shipping_address=address(), act=act(actor), **options
    )


def now() -> datetime:
    """This machine's clock, naive UTC as MongoDB stores it; the test's mongod runs on the same machine."""
    moment = datetime.now(UTC).replace(tzinfo=None)
    return moment.replace(microsecond=moment.microsecond // 1000 * 1000)


def line(
    state: str,
    product: str = A,
    quantity: int = 2,
    *,
    call: str | None = None,
    until: timedelta | None = None,
    attempts: int = 1,
) -> Document:
    """A line in a state of its stock; with `until`, under an attempt that ends so long from now."""
    stock: Document = {"state": state, "attempts": attempts, "error": ""}
    if call or state in ("reserving", "releasing"):
        stock["call"] = call or {"reserving": "reserve", "releasing": "release"}[state]
    if until is not None:
        stock["attempt"] = {"id": new_id(), "until": now() + until}
    price = Decimal128(PRICES[product])
    return {"product_id": product, "quantity": quantity, "price": price, "stock": stock}


def store(status: str, *items: Document, due: timedelta | None = PAST, **fields: Any) -> ObjectId:
    """Store an order as it is given; `due` is when its stock is due, from now (None: it is not)."""
    at = now() - timedelta(minutes=5)
    history = [("draft", "", "placing")] + ([("place", "placing", "pending")] if status != "placing" else [])
    document: Document = {
        "_id": ObjectId(),
        "number": "0000-0000-0000",
        "user_id": "1",
        "status": status,
        "version": len(history) - 1,
        "user_verified": True,
        "items": list(items),
        "total_price": Decimal128("29.80"),
        "shipping_address": {"line1": "1 Long Street", "city": "Springfield", "postal_code": "1", "country": "X"},
        "history": [
            {"at": at, "act": name, "from": source, "to": target, "actor": "customer:1", "via": "api",
             "reason": "", "request_id": "", "write_id": new_id()}
            for name, source, target in history
        ],
        "created_at": at,
        "updated_at": at,
    }  # fmt: skip
    if due is not None:
        document["stock_due_at"] = now() + due
    document |= fields
    orders().insert_one(document)
    return document["_id"]


def read(order_id: ObjectId) -> Document:
    found = orders().find_one({"_id": order_id})
    assert found is not None
    return found


def states(document: Document) -> list[str]:
    return [item["stock"]["state"] for item in document["items"]]


def stock_of(sandbox: Sandbox, product: str = A) -> tuple[int, int]:
    """What inventory says: units available, units reserved."""
    level = sandbox.control.stock(product)
    return level.available, level.reserved


def shelve(sandbox: Sandbox, product: str = A, *, available: int = 10, reserved: int = 0) -> None:
    """Put so many units into the sandbox's stock, whatever was there."""
    sandbox.control.put_product(product, name="Thing", price=PRICES[product], available=available, reserved=reserved)


def asked(sandbox: Sandbox, *operations: str) -> list[tuple[str, str]]:
    """The stock changes that inventory was asked for, in order: (operation, idempotency key)."""
    wanted: Iterable[str] = operations or ("reserve", "release")
    return [(call["operation"], call["key"]) for call in sandbox.control.calls() if call["operation"] in wanted]


def due_now(order_id: ObjectId) -> None:
    """Let an order's stock, and every attempt on it, be due: as if the time had passed."""
    past = now() + PAST
    document = read(order_id)
    for item in document["items"]:
        if item["stock"].get("attempt"):
            item["stock"]["attempt"]["until"] = past
    orders().update_one({"_id": order_id}, {"$set": {"items": document["items"], "stock_due_at": past}})


def sent_twice(monkeypatch: pytest.MonkeyPatch, method: str = "find_one_and_update") -> None:
    """Let the next write be carried out twice, and only the second answer come back.

    So it is when the answer to the first try is lost with a primary, and the new one does not know of it.
    """
    real = getattr(Collection, method)

    def twice(collection: Collection[Document], *args: Any, **kwargs: Any) -> Any:
        if _is_the_peers(collection):
            return real(collection, *args, **kwargs)
        monkeypatch.setattr(Collection, method, real)
        real(collection, *args, **kwargs)
        return real(collection, *args, **kwargs)

    monkeypatch.setattr(Collection, method, twice)


def answer_lost(
    monkeypatch: pytest.MonkeyPatch,
    method: str = "find_one_and_update",
    *,
    skip: int = 0,
    written: bool = True,
    forever: bool = False,
) -> None:
    """Let a write, the first or the one after `skip` others, end in a network error, carried out or not.

    :param forever: all that follow it too.
    """
    real, left = getattr(Collection, method), [skip]

    def lose(collection: Collection[Document], *args: Any, **kwargs: Any) -> Any:
        left[0] -= not _is_the_peers(collection)
        if left[0] >= 0 or _is_the_peers(collection):
            return real(collection, *args, **kwargs)
        if not forever:
            monkeypatch.setattr(Collection, method, real)
        if written:
            real(collection, *args, **kwargs)
        raise NetworkTimeout("the primary went away")

    monkeypatch.setattr(Collection, method, lose)


def _is_the_peers(collection: Collection[Document]) -> bool:
    return collection.database.name.endswith("_sandbox")


@pytest.fixture(name="sandbox")
def small_sandbox(running_sandbox: Sandbox, database: Database[Document]) -> Iterator[Sandbox]:
    """The peers with three products and two customers only: the whole catalogue takes ten times as long to set up."""
    peer_requests.reset()
    running_sandbox.control.reset()
    for product in PRODUCTS[:3]:
        running_sandbox.control.put_product(
            product.product_id, name=product.name, price=product.price, available=product.available
        )
    for user_id in (1, 2):
        running_sandbox.control.put_user(user_id, email="a@example.com", full_name="Somebody")
    yield running_sandbox
    running_sandbox.control.clear_faults()
