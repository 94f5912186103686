"""Reads of orders straight from the collection, with projections and without model instances."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, TypeGuard

from bson import ObjectId
from django_mongodb_backend.query import wrap_database_errors
from pymongo.errors import ConnectionFailure
from pymongo.read_concern import ReadConcern

from orders.models import (
    DUE_STATES,
    EPOCH,
    PUBLIC_STATUSES,
    Address,
    Assignee,
    Charge,
    Document,
    HistoryEntry,
    Item,
    LineState,
    Order,
    Payment,
    Return,
    Shipment,
    Status,
    Stock,
)
from orders.storage import order_lists, sorted_lists, term_index
from orders.storage.alerts import STOCK_UNKNOWN
from orders.storage.database import database, time_limit
from orders.storage.ledger import money_of
from orders.storage.order_query import OrderQuery, Position, TotalPosition, both
from orders.storage.order_writes import OURS, orders

MONEY_FIELDS = ("total_price", "paid_at", "paid", "refunded", "owed")
PUBLIC_FIELDS: Mapping[str, Any] = dict.fromkeys(
    (
        *("items.split_from", "items.shipment", "items.returned_in", "items.removed", "shipments", "returns"),
        *("payments", "refunds", "charges", "held_at", *MONEY_FIELDS),
        *("number", "user_id", "user_verified", "status", "version", "total_price", "shipping_address"),
        *("items.product_id", "items.quantity", "items.price", "items.name", "items.sku", "items.image_url"),
        *("currency", "contact", "billing_address", "reference", "note", "metadata", "created_at", "updated_at"),
        *("paid_at", "shipped_at", "delivered_at", "cancelled_at", "refunded_at"),
    ),
    1,
)
CERTAIN_WITHIN = 2.0
"""Seconds for making certain that an order does not exist: requests for many such ids must not hold up others."""
RECENT_ENTRIES = 20
"""How many entries of a history are searched for the last change."""


@wrap_database_errors
def list_orders(
    query: OrderQuery, *, after: Position | TotalPosition | None = None, skip: int = 0, limit: int
) -> list[Document]:
    """The first orders that meet a query, as the storefront sees them; alerts are not for storefronts.

    :param after: a position in the order of the query; one of another order is none.
    """
    if query.lowest_first is not None:
        total = after if isinstance(after, TotalPosition) else None
        return sorted_lists.documents_by_total(query, PUBLIC_FIELDS, after=total, skip=skip, limit=limit)
    place = after if isinstance(after, Position) else None
    if query.meanings:
        return order_lists.documents(query, PUBLIC_FIELDS, after=place, skip=skip, limit=limit)
    way, named = 1 if query.oldest_first else -1, query.ids is not None or query.reference
    asked, hint = both(query.conditions | OURS, query.after(place)), query.index() if named else None
    cursor = orders().find(asked, PUBLIC_FIELDS, sort=[("created_at", way), ("_id", way)], hint=hint)
    return cursor.skip(skip).limit(limit).to_list()


Sees = Callable[[str], bool]
"""Whether the caller may know of the orders of a user."""


def _anybodys(_user_id: str) -> bool:
    return True


@wrap_database_errors
def get_order(order_id: ObjectId, *, sees: Sees = _anybodys) -> Document | None:
    """One order as the storefront sees it; None for drafts and rejected ones too.

    :param sees: an order that must not be seen takes as long as one that does not exist; it is returned anyway.
    """
    return _public(order_id, PUBLIC_FIELDS, sees)


def _public(order_id: ObjectId, fields: Mapping[str, Any], sees: Sees) -> Document | None:
    """A public order, `status` and `user_id` being among the fields; asked for by its id alone, which mongod has a
    short way for.

    Right after a failover, what a majority is known to have is behind what was acknowledged. So before an order is said
    not to exist, it is looked for a second time in what the primary itself has: it was elected because it lacks nothing
    that was acknowledged. That needs no write, unlike a linearizable read; one of those is made only for an
    order that is there and that a majority may not have yet.
    """
    found = _by_id(order_id, fields)
    if _is_public(found) and sees(found["user_id"]):
        return found
    with time_limit(CERTAIN_WITHIN):
        there = _read_with("local", order_id, fields)
        if _is_public(there) and not _is_public(found) and sees(there["user_id"]):
            found = _read_with("linearizable", order_id, fields)
    return found if _is_public(found) else None


def _read_with(concern: str, order_id: ObjectId, fields: Mapping[str, Any]) -> Document | None:
    return orders().with_options(read_concern=ReadConcern(concern)).find_one({"_id": order_id}, fields)


def _by_id(order_id: ObjectId, fields: Mapping[str, Any]) -> Document | None:
    """What `find_one` finds, without the cursor that pymongo makes for it, which takes a seventh of the time."""
    source = orders()
    asked: Document = {"find": source.name, "filter": {"_id": order_id}, "projection": fields}
    asked |= {"limit": 1, "singleBatch": True, "readConcern": source.read_concern.document}
    try:
        answer = source.database.command(asked, codec_options=source.codec_options)
    except ConnectionFailure as error:  # a cursor would ask once more
        if error.timeout:
            raise
        return source.find_one({"_id": order_id}, fields)
    return next(iter(answer["cursor"]["firstBatch"]), None)


def _is_public(found: Document | None) -> TypeGuard[Document]:
    return found is not None and "version" in found and found["status"] in PUBLIC_STATUSES


@wrap_database_errors
def get_history(order_id: ObjectId, *, sees: Sees = _anybodys) -> Document | None:
    """One public order's owner, status and history. :param sees: as of :func:`get_order`."""
    return _public(order_id, {"user_id": 1, "status": 1, "version": 1, "history": 1}, sees)


@wrap_database_errors
def get_machine(
    order_id: ObjectId, *, sees: Sees = _anybodys, key: str | None = None, lines: bool = False
) -> Order | None:
    """A public order with just what its machine needs: id, user_id, status, version, and what its conditions ask for.

    :param sees: as of :func:`get_order`.
    :param key: include the history entries written under this idempotency key.
    :param lines: include its lines, charges, shipments, returns, payments and what they come to.
    """
    fields: Document = {"user_id": 1, "status": 1, "version": 1, "held_at": 1, "shipments": 1}
    fields |= {"history": {"$elemMatch": {"key": key}}} if key else {}
    fields |= dict.fromkeys(("items", "charges", *MONEY_FIELDS, "returns", "payments"), 1) if lines else {}
    found = _public(order_id, fields, sees)
    if found is None:
        return None
    entries = found.get("history", ())
    parts: Document = {
        "history": [HistoryEntry(key=entry["key"], fingerprint=entry["fingerprint"]) for entry in entries],
        "user_id": found["user_id"],
        "version": found["version"],
    }
    if lines:
        parts |= {
            "items": [_line(item) for item in found["items"]],
            "charges": [
                Charge(**charge | {"amount": charge["amount"].to_decimal()}) for charge in found.get("charges", ())
            ],
            "returns": [Return(**back) for back in found.get("returns", ())],
            "payments": [
                Payment(**paid | {"amount": paid["amount"].to_decimal()}) for paid in found.get("payments", ())
            ],
        }
        paid, refunded, owed = money_of(found)
        parts |= {"paid": paid, "refunded": refunded, "owed": owed, "total_price": found["total_price"].to_decimal()}
    return machine_of(found, **parts)


def machine_of(found: Document, **more: Any) -> Order:
    """An order of a document that has its status and what the conditions of transitions look at."""
    shipments = [Shipment(**shipment) for shipment in found.get("shipments", ())]
    return Order(id=found["_id"], status=found["status"], held_at=found.get("held_at"), shipments=shipments, **more)


def _line(item: Document) -> Item:
    names = ("product_id", "name", "quantity", "split_from", "shipment", "returned_in", "removed")
    given = {name: item[name] for name in names if name in item}
    return Item(**given, price=item["price"].to_decimal(), stock=Stock(state=item["stock"]["state"]))


@wrap_database_errors
def get_addressed(order_id: ObjectId) -> Order | None:
    """An order of any status with id, user_id, status, version and address: what its edits need."""
    fields = {"user_id": 1, "status": 1, "version": 1, "shipping_address": 1}
    found = orders().find_one({"_id": order_id, **OURS}, fields)
    if found is None:
        return None
    known = {field.name for field in Address._meta.concrete_fields}
    address = Address(**{name: value for name, value in found.pop("shipping_address").items() if name in known})
    return Order(id=found.pop("_id"), shipping_address=address, **found)


@wrap_database_errors
def get_organised(order_id: ObjectId) -> Order | None:
    """An order of any status with id, user_id, status, version, assignee and tags."""
    fields = {"user_id": 1, "status": 1, "version": 1, "assignee": 1, "tags": 1}
    found = orders().find_one({"_id": order_id, **OURS}, fields)
    if found is None:
        return None
    assignee = found.pop("assignee", None)
    return Order(id=found.pop("_id"), assignee=Assignee(**assignee) if assignee else None, **found)


@wrap_database_errors
def placed_about(user_id: str, *, since: datetime, until: datetime, limit: int) -> list[Document]:
    """The orders of a customer that were begun in a span of time, both ends included, the newest first.

    With number, status, `created_at`, and the products and quantities of their lines.
    """
    query = {"user_id": user_id, "created_at": {"$gte": since, "$lte": until}, **OURS}
    fields = dict.fromkeys(("number", "status", "created_at", "items.product_id", "items.quantity"), 1)
    found = orders().find(query, fields, sort=[("created_at", -1), ("_id", -1)], limit=limit, hint="user_newest")
    return found.to_list()


@wrap_database_errors
def get_searchable(order_id: ObjectId) -> Document | None:
    """An order with what its search terms are made of."""
    return orders().find_one({"_id": order_id}, term_index.FIELDS)


@wrap_database_errors
def last_change(order_id: ObjectId) -> tuple[int, Document | None] | None:
    """An order's version, and its last change that people see, if that is among the RECENT_ENTRIES."""
    found = orders().find_one({"_id": order_id, **OURS}, {"version": 1, "history": {"$slice": -RECENT_ENTRIES}})
    if found is None:
        return None
    seen = [entry for entry in found["history"] if entry.get("line") is None]
    return found["version"], seen[-1] if seen else None


@wrap_database_errors
def changes_since(order_id: ObjectId, version: int) -> list[Document]:
    """The history entries of the changes that people see, after a version: each such change has one."""
    found = orders().find_one({"_id": order_id}, {"history": 1}) or {"history": []}
    seen = [entry for entry in found["history"] if entry.get("line") is None]
    return seen[version + 1 :]


@wrap_database_errors
def get_whole(order_id: ObjectId) -> Document | None:
    """The whole document of an order."""
    return orders().find_one({"_id": order_id, **OURS})


@wrap_database_errors
def server_time() -> datetime:
    """What mongod's clock says (naive UTC): leases are compared with no other."""
    now: datetime = database().command("hello")["localTime"]
    return now


@wrap_database_errors
def due_orders(now: datetime, limit: int) -> list[ObjectId]:
    """Ids of the orders whose stock is due, the longest waiting first."""
    due = {"stock_due_at": {"$gt": EPOCH, "$lte": now}}
    return [found["_id"] for found in orders().find(due, {"_id": 1}).sort("stock_due_at", 1).limit(limit)]


@wrap_database_errors
def count_open(user_id: str, *, most: int) -> int:
    """How many unpaid orders a customer has, with those being placed, counted up to `most`. Reads index keys only."""
    query = {"user_id": user_id, "status": {"$in": [Status.PLACING.value, Status.PENDING.value]}}
    return orders().count_documents(query, limit=most, hint="user_status_newest")


@wrap_database_errors
def pending_before(moment: datetime, limit: int) -> list[tuple[ObjectId, int]]:
    """Id and version of the unpaid orders created before a moment that nobody holds back, the oldest first."""
    query = {"status": Status.PENDING.value, "created_at": {"$lt": moment}, "held_at": None, **OURS}
    found = orders().find(query, {"version": 1}).sort([("created_at", 1), ("_id", 1)]).limit(limit)
    return [(order["_id"], order["version"]) for order in found]


@wrap_database_errors
def unknown_lines(
    *, order_id: ObjectId | None = None, call: str | None = None, product_id: str | None = None, limit: int = 0
) -> list[Document]:
    """The orders with a line whose outcome nobody knows, the oldest first: id, number, status, items and history.

    :param limit: the most orders; 0 for all.
    """
    line: Document = {"stock.state": LineState.UNKNOWN.value}
    line |= {"stock.call": call} if call else {}
    line |= {"product_id": product_id} if product_id else {}
    # The first condition selects the partial index; the second applies the rest to one and the same line.
    query = {**STOCK_UNKNOWN, "items": {"$elemMatch": line}} | ({"_id": order_id} if order_id else {})
    fields = {"number": 1, "status": 1, "items": 1, "history": 1, "created_at": 1}
    return orders().find(query, fields).sort("created_at", 1).limit(limit).to_list()


@dataclass(frozen=True)
class Holding:
    """What our orders hold of one product, in units; `in_flight` are being reserved or released right now."""

    reserved: int = 0
    used: int = 0
    in_flight: int = 0
    unknown: int = 0


@wrap_database_errors
def holdings(product_ids: Sequence[str] | None = None) -> dict[str, Holding]:
    """Units by product over all orders, from the lines that hold stock or may. Reads every order: for operators only.

    :param product_ids: only these products.
    """
    states = [*DUE_STATES, LineState.RESERVED.value, LineState.USED.value, LineState.UNKNOWN.value]
    of_products = {"items.product_id": {"$in": list(product_ids)}} if product_ids is not None else {}

    def units(*wanted: str) -> Document:
        return {"$sum": {"$cond": [{"$in": ["$items.stock.state", list(wanted)]}, "$items.quantity", 0]}}

    found = orders().aggregate(
        [
            {"$match": {"items.stock.state": {"$in": states}} | of_products},
            {"$project": {"items.product_id": 1, "items.quantity": 1, "items.stock.state": 1}},
            {"$unwind": "$items"},
            {"$match": {"items.stock.state": {"$in": states}} | of_products},
            {
                "$group": {
                    "_id": "$items.product_id",
                    "reserved": units(LineState.RESERVED),
                    "used": units(LineState.USED),
                    "in_flight": units(*DUE_STATES),
                    "unknown": units(LineState.UNKNOWN),
                }
            },
        ]
    )
    return {row.pop("_id"): Holding(**row) for row in found}


@wrap_database_errors
def products_let_go(since: datetime) -> set[str]:
    """Products of orders changed since then that are no longer held: released, or their reservation given up."""
    let_go = [
        {"items.stock.state": LineState.RELEASED.value},
        {"items.stock.state": LineState.NONE.value, "items.stock.attempts": {"$gt": 0}},  # imported lines have none
    ]
    found = orders().aggregate(
        [
            {"$match": {"updated_at": {"$gte": since}, "$or": let_go}},
            {"$unwind": "$items"},
            {"$match": {"$or": let_go}},
            {"$group": {"_id": "$items.product_id"}},
        ]
    )
    return {row["_id"] for row in found}
