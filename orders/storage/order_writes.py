"""The guarded write: the only way in which an order changes.

One order is one document, and each change of it is one `findAndModify` whose filter is the guard: if it matches,
everything changes together; if not, nothing does. The update is an aggregation pipeline, for two
reasons that a plain update cannot serve: the end of a lease is set by mongod's own clock (`$$NOW`), and
`stock_due_at` is derived from the lines in the same write, so that no stock can be due without it
(docs/adr/0002-guarded-writes-in-pipelines.md).
"""

from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from typing import Any

from bson import ObjectId
from django.db import DEFAULT_DB_ALIAS, connections
from django_mongodb_backend.query import wrap_database_errors
from pymongo import ReturnDocument
from pymongo.client_session import ClientSession
from pymongo.collection import Collection
from pymongo.read_concern import ReadConcern

from orders.models import (
    EPOCH,
    Document,
    Edge,
    HistoryEntry,
    LineState,
    Order,
    StockCall,
    event_type,
    every_line_reserved,
    not_on_hold,
    nothing_shipped,
)
from orders.storage.database import Expression, collection, database, from_now, literal, new_id, writing
from orders.storage.line_stock import LineStock, due_stage

LONGEST_DETAIL = HistoryEntry._meta.get_field("detail").max_length
OURS: Document = {"version": {"$gte": 0}}
"""What other services' documents in the collection do not meet: see `orders.storage.foreign_orders`."""


def orders() -> Collection[Document]:
    """The collection of orders."""
    return collection(Order._meta.db_table)


def history_entry(
    *,
    at: datetime,
    act: str,
    actor: str,
    via: str,
    source: str = "",
    target: str = "",
    line: int | None = None,
    reason: str = "",
    request_id: str = "",
    detail: str = "",
    key: str = "",
    fingerprint: str = "",
    code: str = "",
) -> Document:
    """One entry of an order's history as it is stored; `write_id` is added by the write itself."""
    entry: Document = {"at": at, "act": act, "from": source, "to": target, "actor": actor, "via": via}
    if line is not None:
        entry["line"] = line
    if code:
        entry["code"] = code
    if detail:
        entry["detail"] = detail[:LONGEST_DETAIL]
    if key:
        entry |= {"key": key, "fingerprint": fingerprint}
    return entry | {"reason": reason[:500], "request_id": request_id}


def as_read(order: Order) -> Document:
    """A guard: nobody has changed the order since it was read. What people see of it changes with its version."""
    return {"status": order.status, "version": order.version}


@wrap_database_errors
def insert_draft(order: Order, *, attempt: str, lease: float, entry: Document) -> bool:
    """Insert a new order with every line claimed for its reservation.

    :param lease: seconds from now by mongod's clock.
    :returns: False where an order by this id exists already; it is left as it is.
    :raises DatabaseError: it may or may not have been inserted; nobody may be called for it.
    """
    write_id = new_id()
    document = _document(order) | {"write_id": write_id, "history": [entry | {"write_id": write_id}]}
    claimed = LineStock(LineState.RESERVING, StockCall.RESERVE, attempt, lease, attempts=1)
    # Written out: `due_stage` would compute the end of the lease as well, but take longer.
    lines = document.pop("items")
    items = [{"$mergeObjects": [literal(line), {"stock": claimed.expression()}]} for line in lines]
    draft = {"$mergeObjects": [literal(document), {"items": items, "stock_due_at": from_now(lease)}]}
    # By its id alone, for which mongod has a short path; an order that exists already stays as it is.
    pipeline = [{"$replaceWith": {"$cond": [{"$ifNull": ["$status", False]}, "$$ROOT", draft]}}]
    with writing():
        inserted = orders().update_one({"_id": document["_id"]}, pipeline, upsert=True).upserted_id is not None
    return inserted or _landed({"_id": document["_id"], "history.write_id": write_id}) is not None


@wrap_database_errors
def guarded_write(
    order_id: ObjectId,
    *,
    guard: Document,
    entries: Sequence[Document] = (),
    fields: Mapping[str, Any] | None = None,
    items: Expression = None,
    retry_after: float = 0.0,
    seen_at: datetime | None = None,
    write_id: str | None = None,
    unset: Sequence[str] = (),
    first: Sequence[Document] = (),
    then: Sequence[Document] = (),
    session: ClientSession | None = None,
) -> Document | None:
    """Change one order if the guard still holds.

    :param guard: what must be true of the document, beside its id; see :func:`as_read` and
        :mod:`orders.storage.line_stock`.
    :param entries: history to append; see :func:`history_entry`.
    :param fields: fields to set, to these very values.
    :param items: an expression for the items, e.g. :func:`lines_released`; `stock_due_at` follows from it.
    :param retry_after: seconds until a line that is owed and under no attempt is due.
    :param seen_at: when the change happened, if a person sees it: it then has a new `version` and `updated_at`.
    :param write_id: marks the document and the entries; given where one and the same change is tried more than once.
    :param unset: fields to remove.
    :param first: stages of the update before those that make the change; `then`: after them.
    :param session: of the transaction that it is part of; see :func:`write_together`.
    :returns: the document as it is after the write; None where the guard did not hold, and nothing changed.
    :raises DatabaseError: it may or may not have happened; nobody may be called for it.
    """
    write_id = write_id or new_id()
    pipeline = [*first, *_change(entries, fields or {}, items, retry_after, seen_at, write_id), *then, WOKEN]
    pipeline += [{"$unset": list(unset)}] if unset else []
    guarded = {"_id": order_id, **guard}
    with writing():
        written = orders().find_one_and_update(guarded, pipeline, return_document=ReturnDocument.AFTER, session=session)
    if written is not None or session is not None:
        return written
    # After a failover a repeated write can find its own first try in the way: its marks tell.
    return _landed({"_id": order_id, "$or": [{"write_id": write_id}, {"history.write_id": write_id}]})


class _GuardBroken(Exception):
    """One of several writes did not find its order as it must be."""


@wrap_database_errors
def write_together(changes: Mapping[ObjectId, Mapping[str, Any]], *, write_id: str) -> list[Document] | None:
    """Change several orders in one transaction, if every guard still holds: all of them or none.

    For what must not come apart (docs/adr/0012); whatever concerns one order needs no more than its own write.

    :param changes: by the order's id, what :func:`guarded_write` is given.
    :param write_id: marks all of it; the same where the same is tried again.
    :returns: the documents as they are after it; None where a guard did not hold, and nothing changed.
    :raises DatabaseError: it may or may not have happened. Another write of one of the orders at the same moment is one
        of the reasons: it can be tried again.
    """
    client = database().client
    with client.start_session() as session:
        try:
            with session.start_transaction():
                return [_required(order_id, change, write_id, session) for order_id, change in changes.items()]
        except _GuardBroken:
            pass
    # The commit of an earlier try, whose answer was lost, may be what is in the way.
    landed = [_landed({"_id": order_id, "history.write_id": write_id}) for order_id in changes]
    return [found for found in landed if found] if all(landed) else None


def _required(order_id: ObjectId, change: Mapping[str, Any], write_id: str, session: ClientSession) -> Document:
    written = guarded_write(order_id, **change, write_id=write_id, session=session)
    if written is None:
        raise _GuardBroken
    return written


@wrap_database_errors
def guarded_write_many(
    order_ids: Sequence[ObjectId],
    *,
    guard: Document,
    entries: Sequence[Document],
    fields: Mapping[str, Any],
    items: Expression,
    seen_at: datetime,
    write_id: str,
    first: Sequence[Document] = (),
    then: Sequence[Document] = (),
) -> int:
    """Make the same change to many orders, each if the guard holds for it; see :func:`guarded_write`.

    Each order is changed as by a write of its own: whole or not at all. Where this fails, some may have been changed,
    and others not; `write_id` in their histories tells.

    :param guard: must be false for every order that has been changed, since the whole may be tried again.
    :returns: how many were changed.
    :raises DatabaseError: some may have been changed.
    """
    pipeline = [*first, *_change(entries, fields, items, 0.0, seen_at, write_id), *then, WOKEN]
    return orders().update_many({"_id": {"$in": list(order_ids)}, **OURS, **guard}, pipeline).modified_count


STATE: Document = {"status": "$status", "stock": "$items.stock.state", "owed": "$owed"}
"""What is kept of an order's state while it is snoozed: a change of it is news."""
WOKEN: Document = {
    "$set": {
        "snoozed": {
            "$cond": [
                {"$and": ["$snoozed", *({"$eq": [now, f"$snoozed.{name}"]} for name, now in STATE.items())]},
                "$snoozed",
                "$$REMOVE",
            ]
        }
    }
}
"""The last stage of each change: an order whose state is another than when it was snoozed is awake."""

_UNTOLD: Document = {
    "untold_at": {"$ifNull": ["$untold_at", "$$NOW"]},
    "told": {"$ifNull": ["$told", {"$size": "$history"}]},  # of the time before there were events, nothing is told
}
"""What marks an order whose history gets an entry that others are to hear of."""


def _change(
    entries: Sequence[Document],
    fields: Mapping[str, Any],
    items: Expression,
    retry_after: float,
    seen_at: datetime | None,
    write_id: str,
) -> list[Document]:
    """The update that makes one change, for one order or for many."""
    stamped = [entry | {"write_id": write_id} for entry in entries]
    changes: Document = {name: literal(value) for name, value in fields.items()} | {"write_id": write_id}
    if seen_at:
        changes |= {"version": {"$add": ["$version", 1]}, "updated_at": seen_at}
    if any(map(event_type, entries)):
        changes |= _UNTOLD
    if stamped:
        changes["history"] = {"$concatArrays": [changes.get("history", "$history"), literal(stamped)]}
    if items is not None:
        changes["items"] = items
    return [{"$set": changes}, *([due_stage(retry_after)] if items is not None else [])]


@wrap_database_errors
def postpone(order_id: ObjectId, seconds: float) -> None:
    """Make the stock of an order due later, if it is due at all."""
    later = from_now(seconds)
    due = {"_id": order_id, "stock_due_at": {"$gt": EPOCH}}
    orders().update_one(due, [{"$set": {"stock_due_at": later}}])


def _landed(proof: Document) -> Document | None:
    # Right after a failover a majority read could still miss the write that is looked for.
    return orders().with_options(read_concern=ReadConcern("linearizable")).find_one(proof)


@wrap_database_errors
def clear_attempt(order_id: ObjectId, attempt: str) -> None:
    """Take an attempt off its lines after a claim that failed: nothing was sent under it, and nothing will be.

    Otherwise, once the lease ends, their calls would have to be treated as perhaps sent.
    """
    mine = {"$eq": ["$$line.stock.attempt.id", attempt]}
    without = {"$mergeObjects": ["$$line", {"stock": {"$unsetField": {"field": "attempt", "input": "$$line.stock"}}}]}
    items = {"$map": {"input": "$items", "as": "line", "in": {"$cond": [mine, without, "$$line"]}}}
    held = {"_id": order_id, "items.stock.attempt.id": attempt}
    orders().update_one(held, [{"$set": {"items": items}}, due_stage(0)])


def _document(order: Order) -> Document:
    """The order as it is stored, converted field by field as the ORM would; empty fields are left out."""
    wrapper = connections[DEFAULT_DB_ALIAS]  # `connection` looks it up for whatever a field asks it
    document = {
        str(field.column): field.get_db_prep_save(field.pre_save(order, add=True), wrapper)
        for field in Order._meta.concrete_fields
    }
    document["items"] = [_without_empty(item) for item in document["items"]]
    return _without_empty(document)


def _without_empty(document: Document) -> Document:
    return {name: value for name, value in document.items() if value is not None and value != []}


CONDITIONS: dict[Callable[[Order], bool], Document] = {
    every_line_reserved: {
        "items": {"$ne": [], "$not": {"$elemMatch": {"stock.state": {"$ne": LineState.RESERVED.value}}}}
    },
    nothing_shipped: {"shipments.0": {"$exists": False}},
    not_on_hold: {"held_at": None},
}
"""Each condition of the machine as a query."""

CONDITION_FIELDS: Document = {"status": 1, "held_at": 1, "shipments": {"$slice": 1}}
"""What the conditions of transitions look at; of shipments, whether there are any."""


def guard_of(edge: Edge) -> Document:
    """The query for the orders that may take an arrow: its source, and every condition.

    :raises KeyError: a condition has no query in CONDITIONS.
    """
    return {"$and": [{"status": edge.source}, *(CONDITIONS[condition] for condition in edge.conditions)]}
