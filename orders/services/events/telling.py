"""Telling: turning what the histories of orders say into numbered events.

One pass reads some orders with something to tell, asks the feed what it has of them already, appends what is missing
and marks the orders. A process that dies anywhere leaves something to the next pass: events that were appended are
found in the feed, whether or not their orders were marked; and a writer that was overtaken looks again. Only one tells
at a time, by a lease; that the lease might not hold costs a repeated pass, never an event (docs/events.md).
"""

import hashlib
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from datetime import datetime, timedelta
from typing import Any

import orjson
from django.conf import settings
from django.utils import timezone

from orders.models import PUBLIC_STATUSES, RUN_FINISHED, Document, event_type
from orders.services.public_order import public_order
from orders.storage import event_feed, new_id
from orders.storage.event_feed import Overtaken, Told

PAGE = 500
"""Orders of one pass."""
LEASE = 5.0
"""Seconds; renewed for each pass, which takes less than one. So long nothing is told if a worker dies."""
START = "0" * 64
"""What stands for the digest before the first event's."""


class Teller:
    """Tells while it has the turn; of several, on any machine, one."""

    def __init__(self) -> None:
        self._holder = new_id()

    def run(self, *, seconds: float, stopping: Callable[[], bool] = lambda: False) -> int:
        """Tell for a while, until nothing is left.

        :returns: how many orders and runs were dealt with.
        :raises DatabaseError: some may have been told; the next pass goes on.
        """
        end, told = time.monotonic() + seconds, 0
        while not stopping() and time.monotonic() < end and event_feed.take_turn(self._holder, LEASE):
            count = tell()
            if not count:
                break
            told += count
        return told

    def leave(self) -> None:
        """Give the turn back at once instead of when its lease ends."""
        event_feed.give_turn_back(self._holder)


def purge(*, at: datetime, limit: int = 1000) -> int:
    """Delete the oldest events that are older than EVENTS_RETENTION_DAYS; the newest is always kept, to count from.

    :param at: now.
    :returns: how many were deleted; `limit`: there may be more.
    """
    return event_feed.purge(at - timedelta(days=settings.EVENTS_RETENTION_DAYS), limit)


def tell(limit: int = PAGE) -> int:
    """One pass. :returns: how many orders and runs were dealt with; 0: there is nothing to tell."""
    finished = event_feed.untold_runs(limit)  # looked for first: what they did is then among what is found next
    waiting = event_feed.untold_orders(limit)
    runs = finished if len(waiting) < limit else []  # after the events of their orders
    if not waiting and not runs:
        return 0
    told_before = event_feed.told_of([order["_id"] for order in waiting])
    runs_told = event_feed.told_runs([run["_id"] for run in runs]) if runs else set()
    events: list[Document] = []
    told: dict[Any, Told] = {}
    for order in waiting:
        new, told[order["_id"]] = _events_of(order, told_before.get(order["_id"], Told()))
        events.extend(new)
    events.extend(_event_of_run(run) for run in runs if run["_id"] not in runs_told)
    for order in waiting:
        if order.get("erased_at"):  # before that is told, so that it is repeated if this process dies
            event_feed.forget_personal_data(order["_id"], order["user_id"])
    try:
        _append(events)
    except Overtaken:
        return len(waiting) + len(runs)  # the next pass finds what it has left
    event_feed.mark_told(told)
    event_feed.mark_runs_told([run["_id"] for run in runs])
    return len(waiting) + len(runs)


def _events_of(order: Document, before: Told) -> tuple[list[Document], Told]:
    """The events of what an order's history has beyond what was told, and what will then have been told."""
    entries = max(before.entries, order.get("told") or 0)
    sequence = max(before.events, order.get("events_told") or 0)
    history, events = order["history"], []
    if order["status"] in PUBLIC_STATUSES:  # of a draft nobody has heard
        snapshot = canonical(public_order(order)).decode()
        for number, entry in enumerate(history[entries:], entries + 1):
            if kind := event_type(entry):
                sequence += 1
                events.append(_event(order, entry, kind, sequence, number, snapshot))
    return events, Told(len(history), sequence)


def data_of(entry: Document, kind: str) -> Document:
    """What an event of this type says of the entry that it tells."""
    names = ["act", "from", "to", "reason", "detail", "line", "via", "request_id"]
    if kind == "order.placed":  # drafts are nobody else's business
        names.remove("from")
    said = {name: entry[name] for name in names if entry.get(name) not in (None, "")}
    return said | ({"reason_code": entry["code"]} if entry.get("code") else {})


def _event(order: Document, entry: Document, kind: str, sequence: int, entries: int, snapshot: str) -> Document:
    return {
        "id": f"{order['_id']}-{sequence}",
        "type": kind,
        "sequence": sequence,
        "entries": entries,
        "order_id": order["_id"],
        "user_id": order["user_id"],
        "number": order["number"],
        "version": order["version"],
        "at": entry["at"],
        "actor": entry["actor"],
        "data": data_of(entry, kind),
        "order": snapshot,
    }


def _event_of_run(run: Document) -> Document:
    names = ("transition", "state", "reason", "total", "done", "already", "refused", "failed", "last_error")
    return {
        "id": f"{run['_id']}-finished",
        "type": RUN_FINISHED,
        "run_id": run["_id"],
        "at": run["finished_at"],
        "actor": f"{run['actor_kind']}:{run['actor_id']}",
        "data": {"run_id": str(run["_id"]), **{name: run[name] for name in names if run.get(name) not in (None, "")}},
    }


def _append(events: Sequence[Document]) -> None:
    if not events:
        return
    last = event_feed.last_event()
    cursor, digest = (last["_id"], last["digest"]) if last else (0, START)
    event_feed.append(list(_numbered(events, cursor, digest, timezone.now())))


def _numbered(events: Iterable[Document], cursor: int, digest: str, told_at: datetime) -> Iterator[Document]:
    for number, event in enumerate(events, cursor + 1):
        complete = {"_id": number, **event, "content_digest": content_digest(event), "told_at": told_at}
        digest = digest_of(complete, digest)
        yield complete | {"digest": digest}


def digest_of(event: Document, previous: str) -> str:
    """The SHA-256, in hex, that links an event as it is stored to the one before: see docs/events.md."""
    names = ("id", "type", "sequence", "number", "version", "at", "content_digest")
    order_id = event.get("order_id")
    linked = {
        "cursor": event["_id"],
        "order_id": str(order_id) if order_id else None,
        "previous": previous,
        **{name: event.get(name) for name in names},
    }
    return _sha256(canonical(linked))


def content_digest(event: Document) -> str:
    """The SHA-256, in hex, of what may hold personal data: that can be erased later without breaking the chain."""
    snapshot = event.get("order")
    order = orjson.Fragment(snapshot) if snapshot else None
    return _sha256(canonical({"actor": event["actor"], "data": event["data"], "order": order}))


def canonical(value: Any) -> bytes:
    """JSON with sorted names and no blanks: as RFC 8785 has it for text, whole numbers and nothing else."""
    return orjson.dumps(value, option=orjson.OPT_SORT_KEYS | orjson.OPT_NAIVE_UTC | orjson.OPT_UTC_Z)


def _sha256(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()
