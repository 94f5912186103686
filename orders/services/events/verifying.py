"""Comparing the feed with itself and with the histories: what somebody altered, whoever had the database's password.

Each event's digest covers the one before, so that a change, a deletion or an insertion shows at the next event at the
latest. A consumer that has kept a digest of its own can tell from it whether all before that is as it was.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from bson import ObjectId

from orders.models import Document, event_type
from orders.services.events.telling import START, content_digest, data_of, digest_of
from orders.storage import event_feed

PAGE = 500
ERASED = ("reason", "detail")
"""What is taken out of the `data` of events with the personal data of their order."""


@dataclass(frozen=True)
class Finding:
    """Something that is not as it was told. `cursor` is the event's number, or 0 where there is none."""

    cursor: int
    problem: str


@dataclass
class Verified:
    """How far a verification has come.

    :ivar digest: of the last event that was looked at; whoever follows the feed can compare it with their own.
    """

    events: int = 0
    cursor: int = 0
    digest: str = ""


def verify(progress: Verified) -> Iterator[Finding]:
    """Look at every event that is kept, and at the histories of their orders.

    :param progress: counts what has been looked at.
    :returns: what was found, as it is found.
    :raises DatabaseError:
    """
    previous: str | None = START
    while events := event_feed.events_after(progress.cursor, limit=PAGE):
        for event in events:
            if event["_id"] != progress.cursor + 1 and _was_deleted_by_age(event["_id"] - 1):
                progress.cursor, previous = event["_id"] - 1, None
            yield from _of_chain(event, progress, previous)
            previous = event["digest"]
            progress.events, progress.cursor, progress.digest = progress.events + 1, event["_id"], previous
        yield from _of_histories(events)


def _was_deleted_by_age(number: int) -> bool:
    """Whether what had this number may have been deleted by its age, perhaps just now."""
    return number < (event_feed.oldest_cursor() or 0)


def _of_chain(event: Document, progress: Verified, previous: str | None) -> Iterator[Finding]:
    number = event["_id"]
    if number != progress.cursor + 1:
        yield Finding(number, f"The events {progress.cursor + 1} to {number - 1} are missing.")
    if previous is not None and digest_of(event, previous) != event["digest"]:
        yield Finding(number, "It, or the event before it, is not what was told.")
    if not (event.get("erased") and event.get("order_id")) and content_digest(event) != event["content_digest"]:
        yield Finding(number, "Its actor, data or order is not what was told.")


def _of_histories(events: Iterable[Document]) -> Iterator[Finding]:
    last = {event["order_id"]: event["_id"] for event in events if event.get("order_id")}
    orders = event_feed.histories(list(last))
    told: dict[ObjectId, list[Document]] = {order_id: [] for order_id in last}
    found = event_feed.events_of(list(last))
    oldest = event_feed.oldest_cursor() or 0  # what is older may have been deleted while it was read
    for event in found:
        if event["_id"] >= oldest:
            told[event["order_id"]].append(event)
    for order_id, its_events in told.items():
        if not its_events or last[order_id] != its_events[-1]["_id"]:
            continue  # it is looked at with its last event
        order = orders.get(order_id)
        if order is None:
            yield Finding(last[order_id], f"There is no order {order_id} any more.")
        else:
            yield from _of_history(order, its_events)


def _of_history(order: Document, events: list[Document]) -> Iterator[Finding]:
    """Compare an order's history with its events, from the first one on that is kept."""
    start = events[0]["entries"] - 1
    history = order["history"]
    entries = [entry for entry in history[start : events[-1]["entries"]] if event_type(entry)]
    for event, entry in zip(events, entries, strict=False):
        if not _says_the_same(event, entry, order):
            yield Finding(event["_id"], f"The history of order {order['_id']} says something else.")
            return
        if event.get("erased") and not _is_erased(order):
            yield Finding(event["_id"], f"It is marked as erased, and order {order['_id']} is not.")
            return
    if len(events) != len(entries):
        yield Finding(
            events[-1]["_id"], f"Order {order['_id']}: {len(entries)} entries of its history, {len(events)} events."
        )
    if "untold_at" not in order and any(map(event_type, history[events[-1]["entries"] :])):
        yield Finding(0, f"Order {order['_id']} has entries in its history that nobody is to be told of.")


def _says_the_same(event: Document, entry: Document, order: Document) -> bool:
    told, kept = event["data"], data_of(entry, event["type"])
    actors = event["actor"], entry["actor"]
    if event.get("erased") or order.get("erased_at"):  # of the two, one perhaps before the other
        told, kept = ({name: data[name] for name in data if name not in ERASED} for data in (told, kept))
        if all(actor.startswith("customer:") for actor in actors):
            actors = ("", "")
    return (event["type"], event["at"], told) == (event_type(entry), entry["at"], kept) and actors[0] == actors[1]


def _is_erased(order: Document) -> bool:
    """Whether an order was erased, perhaps since it was read."""
    return "erased_at" in order or "erased_at" in event_feed.histories([order["_id"]])[order["_id"]]
