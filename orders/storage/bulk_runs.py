"""Bulk runs: their records, changed by guarded writes, and what they have left in the histories of orders.

The orders of a run, and how far it is with them, are in :mod:`orders.storage.bulk_batches`.
"""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from bson import ObjectId
from django.db import IntegrityError
from django.utils import timezone
from django_mongodb_backend.query import wrap_database_errors
from pymongo.collection import Collection

from orders.models import OPEN_STATES, BulkRun, BulkState, Document, LineState, Order
from orders.storage import leases
from orders.storage.bulk_batches import LAPSED, Tally, delete_batches, lapsed_for, tally
from orders.storage.database import collection, from_now, literal, writing
from orders.storage.order_query import Key
from orders.storage.order_reads import machine_of
from orders.storage.order_writes import CONDITION_FIELDS, OURS, orders

ACTIVE_STATES = (BulkState.SELECTING, BulkState.QUEUED, BulkState.RUNNING)
"""States in which a run makes progress."""
_PAUSE_IS_OVER: Document = {"paused_until": {"$type": "date"}, "$expr": {"$lt": ["$paused_until", "$$NOW"]}}
_STARTED: Document = {"$cond": ["$started_at", BulkState.RUNNING.value, BulkState.QUEUED.value]}
_STATE_BEFORE_PAUSE: Document = {"state": {"$cond": ["$selected", _STARTED, BulkState.SELECTING.value]}}


def runs() -> Collection[Document]:
    return collection(BulkRun._meta.db_table)


def insert(run: BulkRun) -> bool:
    """:returns: False if there is already a run with its id."""
    try:
        with writing():
            run.save(force_insert=True)
    except IntegrityError:
        return False
    return True


@wrap_database_errors
def _change(
    run_id: ObjectId,
    states: Sequence[str],
    fields: Mapping[str, Any],
    *,
    computed: Document | None = None,
    guard: Document | None = None,
) -> bool:
    """Change a run that is in one of these states, if the guard holds.

    :param fields: new values.
    :param computed: new values as aggregation expressions.
    :returns: whether it was changed.
    """
    found = {"_id": run_id, "state": {"$in": [str(state) for state in states]}, **(guard or {})}
    values = {name: literal(value) for name, value in fields.items()}
    if "finished_at" in fields:
        values["untold"] = literal(True)  # others hear of it: orders.storage.event_feed
    with writing():
        return runs().update_one(found, [{"$set": values | (computed or {})}]).matched_count == 1


@wrap_database_errors
def state_of(run_id: ObjectId) -> str | None:
    """A run's state; None if there is no such run."""
    found = runs().find_one({"_id": run_id}, {"state": 1})
    return found["state"] if found else None


@wrap_database_errors
def runs_for_workers() -> list[ObjectId]:
    """Ids of the runs that the workers should execute now, oldest first."""
    live = {"for_worker": True, "state": {"$in": [str(state) for state in OPEN_STATES]}}
    now = {"$or": [{"state": {"$ne": BulkState.PAUSED.value}}, _PAUSE_IS_OVER]}
    # No hint: a worker may start before the migration that creates the index.
    found = runs().find(live | now, {"_id": 1}, sort=[("created_at", 1)])
    return [run["_id"] for run in found]


@wrap_database_errors
def runs_over(before: datetime) -> list[ObjectId]:
    """Ids of the finished runs created before a moment, oldest first."""
    over = {"created_at": {"$lt": before}, "state": {"$nin": [str(state) for state in OPEN_STATES]}}
    return [run["_id"] for run in runs().find(over, {"_id": 1}, sort=[("created_at", 1)], hint="bulk_newest")]


@wrap_database_errors
def remove_run(run_id: ObjectId) -> None:
    """Delete a finished run; its batches go first, so that none is left without its run."""
    delete_batches(run_id)
    runs().delete_one({"_id": run_id})


def save_tally(run_id: ObjectId) -> Tally:
    """Add up a run's batches and write the sums into its record, where they never decrease."""
    found = tally(run_id)
    _save(run_id, found)
    return found


@wrap_database_errors
def _save(run_id: ObjectId, found: Tally) -> None:
    runs().update_one({"_id": run_id}, {"$max": {"total": found.total, **found.counts}})


# --- selecting the orders --------------------------------------------------------------------------------------------


def claim_selection(run_id: ObjectId, attempt: str, seconds: float) -> bool:
    """Claim the selection of a run's orders, unless another process holds it."""
    return _change(
        run_id, [BulkState.SELECTING], {}, computed={"attempt": leases.attempt(attempt, seconds)}, guard=LAPSED
    )


def renew_selection(run_id: ObjectId, attempt: str, seconds: float) -> bool:
    """Extend the claim. :returns: False if it is lost or the run is no longer selecting."""
    held = {"attempt.id": attempt}
    return _change(
        run_id, [BulkState.SELECTING], {}, computed={"attempt": leases.attempt(attempt, seconds)}, guard=held
    )


def release_selection(run_id: ObjectId, attempt: str) -> bool:
    """Leave the rest of the selection to any process."""
    return _change(run_id, [BulkState.SELECTING], {"attempt": None}, guard={"attempt.id": attempt})


def finish_selection(run_id: ObjectId, attempt: str, total: int) -> bool:
    """Queue a run whose orders are all known."""
    fields = {"state": BulkState.QUEUED.value, "selected": True, "total": total, "attempt": None}
    return _change(run_id, [BulkState.SELECTING], fields, guard={"attempt.id": attempt})


def fail_selection(run_id: ObjectId, why: str, *, abandoned_for: float | None = None) -> bool:
    """End a run whose orders cannot be selected.

    :param abandoned_for: only if no process has held the selection for this many seconds.
    """
    fields = {"state": BulkState.FAILED.value, "last_error": why[:500], "finished_at": timezone.now(), "attempt": None}
    guard = None if abandoned_for is None else lapsed_for(abandoned_for)
    return _change(run_id, [BulkState.SELECTING], fields, guard=guard)


# --- states ----------------------------------------------------------------------------------------------------------


def start(run_id: ObjectId) -> bool:
    fields = {"state": BulkState.RUNNING.value, "started_at": timezone.now()}
    return _change(run_id, [BulkState.QUEUED], fields)


def finish(run_id: ObjectId) -> bool:
    return _change(run_id, [BulkState.RUNNING], {"state": BulkState.DONE.value, "finished_at": timezone.now()})


def cancel(run_id: ObjectId, why: str) -> bool:
    fields = {"state": BulkState.CANCELLED.value, "last_error": why, "finished_at": timezone.now()}
    return _change(run_id, OPEN_STATES, fields | {"paused_until": None})


def pause(run_id: ObjectId, why: str, *, pauses: int, seconds: float) -> bool:
    """Pause a run for a while, by mongod's clock. :param pauses: how many in a row this makes."""
    fields = {"state": BulkState.PAUSED.value, "pauses": pauses, "last_error": why[:500], "attempt": None}
    return _change(run_id, ACTIVE_STATES, fields, computed={"paused_until": from_now(seconds)})


def pause_until_resumed(run_id: ObjectId, why: str, *, states: Sequence[str] = ACTIVE_STATES) -> bool:
    """Pause a run until a person resumes it."""
    fields = {"state": BulkState.PAUSED.value, "paused_until": None, "last_error": why[:500]}
    return _change(run_id, states, fields)


def end_pause(run_id: ObjectId) -> bool:
    """Let a run go on whose pause is over, by mongod's clock."""
    over, before = _PAUSE_IS_OVER, _STATE_BEFORE_PAUSE
    return _change(run_id, [BulkState.PAUSED], {"paused_until": None}, computed=before, guard=over)


def resume(run_id: ObjectId, *, for_worker: bool) -> bool:
    """Let a run go on at once, and forget its failures."""
    fields: Document = {"for_worker": for_worker, "paused_until": None, "attempt": None, "last_error": ""}
    return _change(run_id, OPEN_STATES, fields | {"pauses": 0, "in_vain": 0}, computed=_STATE_BEFORE_PAUSE)


def forget_pauses(run_id: ObjectId) -> bool:
    """After progress, the next pause is a short one again."""
    return _change(run_id, ACTIVE_STATES, {"pauses": 0, "last_error": ""})


def set_failed_releases(run_id: ObjectId, in_a_row: int) -> bool:
    return _change(run_id, ACTIVE_STATES, {"in_vain": in_a_row})


# --- what a run has done, by the orders' own histories ---------------------------------------------------------------


def _history_mark(run: BulkRun) -> Document:
    """A history entry of the run's own transition. The request id is not enough: a client may send any."""
    own = {"request_id": str(run.pk), "act": run.transition, "actor": run.actor, "via": run.via}
    return {"$elemMatch": own}


@wrap_database_errors
def changed_by(run: BulkRun, keys: Sequence[Key]) -> set[Key]:
    """Which of these orders the run has changed."""
    query = {"_id": {"$in": list(keys)}, "history": _history_mark(run)}
    return {order["_id"] for order in orders().find(query, {"_id": 1})}


@wrap_database_errors
def orders_after(run: BulkRun, keys: Sequence[Key]) -> dict[Key, tuple[Order, bool]]:
    """Each of these orders, with what the conditions of transitions look at, and whether the run has changed it."""
    found = orders().find({"_id": {"$in": list(keys)}, **OURS}, {**CONDITION_FIELDS, "history": _history_mark(run)})
    return {order["_id"]: (machine_of(order), bool(order.get("history"))) for order in found}


@wrap_database_errors
def reserved_products(keys: Sequence[Key]) -> list[str]:
    """Up to two products of which these orders have reserved units."""
    reserved = {"stock.state": LineState.RESERVED.value}
    found: list[str] = []
    for _ in range(2):
        one = {"$elemMatch": reserved | {"product_id": {"$nin": found}}}
        order = orders().find_one({"_id": {"$in": list(keys)}, "items": one}, {"items": one})
        if order is None:
            break
        found.append(str(order["items"][0]["product_id"]))
    return found


@wrap_database_errors
def order_numbers(keys: Sequence[Key]) -> dict[Key, str]:
    return {
        order["_id"]: order["number"] for order in orders().find({"_id": {"$in": list(keys)}, **OURS}, {"number": 1})
    }
