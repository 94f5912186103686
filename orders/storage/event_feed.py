"""The feed of events: what the histories of orders say, numbered without gaps, for everybody who follows it.

The histories are the outbox: a write that appends to one marks its order as untold in the same write
(:func:`orders.storage.order_writes.guarded_write`). An event's number (`_id`) is one more than the last one's, so that
of two writers one wins; and no two events of an order have one `sequence`, so that nothing is told twice. What was told
is read off the feed itself. The marks on an order (`told`: so many entries of its history, `events_told`: as so many
events) are notes that keep it from being looked for again, and what holds once its events have been purged.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from itertools import takewhile
from typing import Any

from bson import ObjectId
from django.db import DatabaseError
from django_mongodb_backend.query import wrap_database_errors
from pymongo import UpdateOne
from pymongo.client_session import ClientSession
from pymongo.collection import Collection
from pymongo.errors import BulkWriteError
from pymongo.read_concern import ReadConcern

from orders.models import EPOCH, Document
from orders.storage import leases
from orders.storage.bulk_runs import runs
from orders.storage.database import collection, from_now, literal
from orders.storage.order_writes import orders

DUPLICATE_KEY = 11000
UNTOLD: Document = {"untold_at": {"$gt": EPOCH}}
TELLING = "telling"


class Overtaken(Exception):
    """Another writer was faster; what is left is to be looked for again."""


@dataclass(frozen=True)
class Told:
    """What has been told of an order: so many entries of its history, as so many events."""

    entries: int = 0
    events: int = 0


def feed() -> Collection[Document]:
    return collection("events")


@wrap_database_errors
def take_turn(holder: str, seconds: float) -> bool:
    """Take, or keep, the lease of the one who tells; two who told at once would only hold each other up."""
    free = {"$or": [leases.ended("until"), {"$eq": ["$holder", holder]}]}
    hold = {"holder": holder, "until": from_now(seconds)}
    return bool(leases.take(collection("event_leases"), TELLING, free=free, hold=hold)["holder"] == holder)


@wrap_database_errors
def give_turn_back(holder: str) -> None:
    leases.give_back(collection("event_leases"), {"_id": TELLING, "holder": holder}, "until")


@wrap_database_errors
def last_event() -> Document | None:
    """The newest event."""
    return feed().find_one({}, sort=[("_id", -1)])


@wrap_database_errors
def oldest_cursor() -> int | None:
    """The number of the oldest event that is kept; None if there is none."""
    return _end_of(feed(), 1) or None


@wrap_database_errors
def newest_cursor() -> int:
    """The number of the newest event; 0 if there is none."""
    return _end_of(feed(), -1)


@wrap_database_errors
def newest_appended() -> int:
    """The number of the newest event that the primary has, which a majority may not have yet; 0 if there is none."""
    return _end_of(feed().with_options(read_concern=ReadConcern("local")), -1)


def _end_of(events: Collection[Document], direction: int, session: ClientSession | None = None) -> int:
    found = events.find_one({}, {"_id": 1}, sort=[("_id", direction)], session=session)
    return int(found["_id"]) if found else 0


@wrap_database_errors
def untold_orders(limit: int) -> list[Document]:
    """Whole orders with something to tell, those that have waited longest first."""
    # No hint: a worker may start before the migration that creates the index.
    return orders().find(UNTOLD, sort=[("untold_at", 1)], limit=limit).to_list()


@wrap_database_errors
def untold_since() -> datetime | None:
    """Since when (naive UTC) something has waited to be told; None if nothing does."""
    found = orders().find_one(UNTOLD, {"untold_at": 1}, sort=[("untold_at", 1)])
    return found["untold_at"] if found else None


@wrap_database_errors
def told_of(order_ids: Sequence[ObjectId]) -> dict[ObjectId, Told]:
    """What the feed holds of these orders, by order; nothing of one whose events are not (or no longer) there."""
    newest = {"_id": "$order_id", "entries": {"$max": "$entries"}, "events": {"$max": "$sequence"}}
    found = feed().aggregate([{"$match": {"order_id": {"$in": list(order_ids)}}}, {"$group": newest}])
    return {row["_id"]: Told(row["entries"], row["events"]) for row in found}


@wrap_database_errors
def append(events: Sequence[Document]) -> None:
    """Append events, whose numbers follow the last one's, in order.

    :raises Overtaken: another has one of the numbers, or has told one of them; what came before it was appended.
    :raises DatabaseError: so many of the first were appended, perhaps none or all.
    """
    try:
        feed().insert_many(events, ordered=True)
    except BulkWriteError as error:
        codes = {problem["code"] for problem in error.details["writeErrors"]}
        if codes != {DUPLICATE_KEY}:
            raise DatabaseError("events could not be appended") from error
        raise Overtaken from error


@wrap_database_errors
def mark_told(told: Mapping[ObjectId, Told]) -> None:
    """Note on orders what was told of them; one with a later entry in its history remains untold."""
    if told:
        marks = [UpdateOne({"_id": order_id}, _mark(marked)) for order_id, marked in told.items()]
        orders().bulk_write(marks, ordered=False)


def _mark(told: Told) -> list[Document]:
    more = {"$gt": [{"$size": "$history"}, told.entries]}
    marks = {
        "told": {"$max": ["$told", told.entries]},
        "events_told": {"$max": ["$events_told", told.events]},
        "untold_at": {"$cond": [more, "$untold_at", "$$REMOVE"]},
    }
    return [{"$set": marks}]


@wrap_database_errors
def untold_runs(limit: int) -> list[Document]:
    """Finished runs of which nobody was told, in the order in which they finished."""
    return runs().find({"untold": True}, sort=[("finished_at", 1)], limit=limit).to_list()


@wrap_database_errors
def mark_runs_told(run_ids: Sequence[ObjectId]) -> None:
    if run_ids:
        runs().update_many({"_id": {"$in": list(run_ids)}}, {"$unset": {"untold": ""}})


@wrap_database_errors
def told_runs(run_ids: Sequence[ObjectId]) -> set[ObjectId]:
    """Those of these runs that the feed tells of."""
    found = feed().find({"run_id": {"$in": list(run_ids)}}, {"run_id": 1})
    return {event["run_id"] for event in found}


@wrap_database_errors
def events_after(
    cursor: int,
    *,
    limit: int,
    types: Sequence[str] | None = None,
    order_id: ObjectId | None = None,
    user_id: str | None = None,
    session: ClientSession | None = None,
) -> list[Document]:
    """Events with a larger number, in order: all, or those that meet each condition given."""
    asked: dict[str, Any] = {"_id": {"$gt": cursor}}
    index = "_id_"
    if types is not None:
        asked["type"], index = {"$in": list(types)}, "type"
    if user_id is not None:
        asked["user_id"], index = user_id, "user"
    if order_id is not None:
        asked["order_id"], index = order_id, "order"
    return feed().find(asked, sort=[("_id", 1)], limit=limit, hint=index, session=session).to_list()


def without_gap(events: Sequence[Document], cursor: int) -> list[Document]:
    """Those of the events after a number that follow it one by one: others may be deleted while they are read."""
    return [event for number, event in enumerate(events, cursor + 1) if event["_id"] == number]


@dataclass(frozen=True)
class FeedPage:
    """Some events, and from which number to which the feed was there to find them (0: it had none).

    :ivar newest: the newest event before they were looked for: up to it, none is missing.
    :ivar oldest: the oldest one afterwards.
    """

    events: list[Document]
    newest: int
    oldest: int


@wrap_database_errors
def page_after(cursor: int, **conditions: Any) -> FeedPage:
    """As :func:`events_after`, with the ends of the feed.

    The three reads are one after the other also for the database: in a failover, one could be older than the last.
    """
    with feed().database.client.start_session(causal_consistency=True) as session:
        newest = _end_of(feed(), -1, session)
        events = events_after(cursor, **conditions, session=session)
        return FeedPage(events, newest, _end_of(feed(), 1, session))


@wrap_database_errors
def forget_personal_data(order_id: ObjectId, user_id: str) -> None:
    """Take personal data out of all that was told of an order; its events stay, and so does the chain of digests.

    :param user_id: the order's, from now on.
    """
    is_customer = {"$eq": ["$actor", {"$concat": ["customer:", "$user_id"]}]}
    actor = {"$cond": [is_customer, literal(f"customer:{user_id}"), "$actor"]}
    erased: Document = {"$set": {"user_id": literal(user_id), "actor": actor, "erased": True}}
    feed().update_many({"order_id": order_id}, [erased, {"$unset": ["order", "data.reason", "data.detail"]}])


@wrap_database_errors
def newest_first(
    upto: int | None, *, limit: int, types: Sequence[str] = (), order_ids: Sequence[ObjectId] | None = None
) -> list[Document]:
    """Events up to a number (None: all), the newest first, that meet each condition given; without the orders."""
    asked: dict[str, Any] = {} if upto is None else {"_id": {"$lte": upto}}
    index = "_id_"
    if types:
        asked["type"], index = {"$in": list(types)}, "type"
    if order_ids is not None:
        asked["order_id"], index = {"$in": list(order_ids)}, "order"
    return feed().find(asked, {"order": 0}, sort=[("_id", -1)], limit=limit, hint=index).to_list()


@wrap_database_errors
def event_numbered(cursor: int) -> Document | None:
    return feed().find_one({"_id": cursor})


@wrap_database_errors
def told_after(cursor: int) -> datetime | None:
    """When (aware) the first event with a larger number was told; None if there is none."""
    found = feed().find_one({"_id": {"$gt": cursor}}, {"told_at": 1}, sort=[("_id", 1)])
    return found["told_at"].replace(tzinfo=UTC) if found else None


@wrap_database_errors
def last_before(moment: datetime) -> int:
    """The number of the last event that was told before a moment (aware); the one before all that are kept if none was.

    Found by halving: nothing else asks for events by their time, so that it has no index.
    """
    low, high = (oldest_cursor() or 1) - 1, newest_cursor()
    while low < high:
        middle = (low + high + 1) // 2
        told = told_after(middle - 1)
        low, high = (middle, high) if told and told < moment else (low, middle - 1)
    return low


@wrap_database_errors
def events_of(order_ids: Sequence[ObjectId]) -> list[Document]:
    """All events of these orders, in order, without the orders themselves."""
    asked = {"order_id": {"$in": list(order_ids)}}
    return feed().find(asked, {"order": 0}, sort=[("_id", 1)]).to_list()


@wrap_database_errors
def histories(order_ids: Sequence[ObjectId]) -> dict[ObjectId, Document]:
    """The histories of these orders, whether they have something to tell, and whether they were erased, by order."""
    fields = {"history": 1, "untold_at": 1, "erased_at": 1}
    return {order["_id"]: order for order in orders().find({"_id": {"$in": list(order_ids)}}, fields)}


@wrap_database_errors
def purge(before: datetime, limit: int) -> int:
    """Delete the oldest events if they were told before a moment (aware); the newest is kept, to count from.

    :param limit: at most so many.
    :returns: how many were deleted.
    """
    last = last_event()
    if last is None:
        return 0
    oldest = feed().find({"_id": {"$lt": last["_id"]}}, {"told_at": 1}, sort=[("_id", 1)], limit=limit)
    # Up to the first that is not old: the clocks of those who told may differ, and a gap would be passed over.
    old = [event["_id"] for event in takewhile(lambda event: event["told_at"].replace(tzinfo=UTC) < before, oldest)]
    return feed().delete_many({"_id": {"$in": old}}).deleted_count if old else 0
