"""Runs and their batches in the database: claimed under leases by mongod's clock, written by guarded updates.

```
bulk_batches: { _id: {run, n}, run, n, state: waiting | claimed | done, ids: [id, or the number of no order], size,
                last: {created_at, id},         where the selection goes on after this batch
                attempt: {id, until},           whose it is while it is claimed
                begun,                          whether it has ever been claimed
                done, already, refused, failed, once it is done; of a run that was cancelled also what was done before
                others: [{index, result, reason}]  what became of the orders that are not `done`; of a batch that is
                                                not done, of those that are }
```
What holds the truth about an order is the order: a batch that is carried out twice changes nothing twice, so its lease
only saves work.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from bson import ObjectId
from django_mongodb_backend.query import wrap_database_errors
from pymongo import ReturnDocument
from pymongo.collection import Collection
from pymongo.errors import BulkWriteError, OperationFailure
from pymongo.read_concern import ReadConcern
from pymongo.write_concern import WriteConcern

from orders.models.bulk_run import OPEN_STATES, BatchState, BulkRun, BulkState, OrderOutcome
from orders.storage.database import Document, collection, writing
from orders.storage.order_query import Key, Position
from orders.storage.order_writes import from_now, literal, milliseconds

COUNTS = tuple(str(outcome) for outcome in OrderOutcome if outcome is not OrderOutcome.WAITING)
DUPLICATE = 11000
MOST_BATCHES = 9_999_999
"""So that the mark of a batch, `<run>:<n>`, fits into a write id."""


def lapsed_for(seconds: float) -> Document:
    """Of a claim or a lease that lapsed so long ago; also true where there is none."""
    return {"$expr": {"$lt": ["$attempt.until", {"$subtract": ["$$NOW", milliseconds(seconds)]}]}}


LAPSED: Document = lapsed_for(0)
"""Of a claim or a lease; also true where there is none."""
PAUSE_IS_OVER: Document = {"paused_until": {"$type": "date"}, "$expr": {"$lt": ["$paused_until", "$$NOW"]}}
"""Of a pause that ends by itself."""
_BEGUN: Document = {"$cond": ["$started_at", BulkState.RUNNING.value, BulkState.QUEUED.value]}
GO_BACK: Document = {"state": {"$cond": ["$selected", _BEGUN, BulkState.SELECTING.value]}}
"""Back to what a run was at when it was paused."""


def runs() -> Collection[Document]:
    return collection(BulkRun._meta.db_table)


def batches() -> Collection[Document]:
    """The batches, for claims and results. Nobody waits until a majority has them: what is lost with a node is done
    again, and changes nothing twice."""
    return collection("bulk_batches").with_options(write_concern=WriteConcern(w=1), read_concern=ReadConcern("local"))


def lasting_batches() -> Collection[Document]:
    """The batches, for what must outlive the loss of a node: which orders a run is about, and that it is done."""
    written, read = WriteConcern("majority"), ReadConcern("majority")
    return collection("bulk_batches").with_options(write_concern=written, read_concern=read)


def lease(attempt: str, seconds: float) -> Document:
    """An attempt as it is stored, in a pipeline."""
    return {"id": attempt, "until": from_now(seconds)}


@dataclass(frozen=True)
class Batch:
    """Some orders of a run, claimed by an attempt."""

    run_id: ObjectId
    n: int
    attempt: str
    keys: tuple[Key, ...]


@dataclass(frozen=True)
class Other:
    """An order of a batch, by its index, that the run did not change."""

    index: int
    result: str
    reason: str


@dataclass(frozen=True)
class Tally:
    """What the batches of a run say: how many orders and how they fared, and whether a batch is not done yet."""

    total: int
    counts: Mapping[str, int]
    open: bool

    @property
    def adds_up(self) -> bool:
        """Whether something is known to have become of each order."""
        return sum(self.counts.values()) == self.total


@wrap_database_errors
def change_run(
    run_id: ObjectId,
    states: Sequence[str],
    fields: Mapping[str, Any],
    *,
    computed: Document | None = None,
    guard: Document | None = None,
) -> bool:
    """Change a run, if it is in one of these states and the guard holds.

    :param fields: fields to set, to these very values.
    :param computed: fields to set, to what these expressions yield.
    :returns: whether it was so.
    """
    found = {"_id": run_id, "state": {"$in": [str(state) for state in states]}, **(guard or {})}
    values = {name: literal(value) for name, value in fields.items()}
    with writing():
        return runs().update_one(found, [{"$set": values | (computed or {})}]).matched_count == 1


@wrap_database_errors
def state_of(run_id: ObjectId) -> str | None:
    """A run's state; None where there is no such run."""
    found = runs().find_one({"_id": run_id}, {"state": 1})
    return found["state"] if found else None


@wrap_database_errors
def runs_for_workers() -> list[ObjectId]:
    """Ids of the runs that workers are to carry on now, the oldest first."""
    live = {"for_worker": True, "state": {"$in": [str(state) for state in OPEN_STATES]}}
    now = {"$or": [{"state": {"$ne": BulkState.PAUSED.value}}, PAUSE_IS_OVER]}
    # No hint: a worker may be up before the migrations have made the index.
    found = runs().find(live | now, {"_id": 1}, sort=[("created_at", 1)])
    return [run["_id"] for run in found]


@wrap_database_errors
def runs_over(before: datetime) -> list[ObjectId]:
    """Ids of the runs created before a moment that are over, the oldest first."""
    over = {"created_at": {"$lt": before}, "state": {"$nin": [str(state) for state in OPEN_STATES]}}
    return [run["_id"] for run in runs().find(over, {"_id": 1}, sort=[("created_at", 1)], hint="bulk_newest")]


@wrap_database_errors
def remove_run(run_id: ObjectId) -> None:
    """Delete a run that is over and its batches, these first: of a run that is there nothing is missing for long."""
    drop_batches(run_id)
    runs().delete_one({"_id": run_id})


@wrap_database_errors
def go_on(run_id: ObjectId) -> bool:
    """Let a paused run go on whose time has come, by mongod's clock. :returns: whether it is so."""
    return change_run(run_id, [BulkState.PAUSED], {"paused_until": None}, computed=GO_BACK, guard=PAUSE_IS_OVER)


# --- batches ---------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class NewBatch:
    """Orders to be written as one batch, and where the selection goes on after it."""

    keys: Sequence[Key]
    last: Position | None = None

    def document(self, run_id: ObjectId, n: int) -> Document:
        document: Document = {"_id": {"run": run_id, "n": n}, "run": run_id, "n": n, "state": BatchState.WAITING.value}
        document |= {"ids": list(self.keys), "size": len(self.keys)}
        if self.last:
            document["last"] = {"created_at": self.last.created_at, "id": self.last.id}
        return document


@wrap_database_errors
def add_batches(run_id: ObjectId, n: int, made: Sequence[NewBatch]) -> bool:
    """Add batches to a run, the first with number `n`, each only after the one before it.

    :returns: False where somebody else has added one of them; the rest is not added.
    """
    try:
        lasting_batches().insert_many([batch.document(run_id, n + place) for place, batch in enumerate(made)])
    except BulkWriteError as error:
        if any(failed["code"] == DUPLICATE for failed in error.details["writeErrors"]):
            return False
        raise OperationFailure(str(error), error.code, error.details) from error  # which is told as a DatabaseError
    return True


@wrap_database_errors
def drop_batches(run_id: ObjectId) -> None:
    """Forget the batches of a run."""
    lasting_batches().delete_many({"run": run_id})


@wrap_database_errors
def last_batch(run_id: ObjectId) -> tuple[int, Position | None]:
    """How many batches a run has, and where its selection goes on."""
    found = lasting_batches().find_one({"_id": _after(run_id, -1)}, {"n": 1, "last": 1}, sort=[("_id", -1)])
    if found is None:
        return 0, None
    last = found.get("last")
    return found["n"] + 1, Position(last["created_at"], last["id"]) if last else None


@wrap_database_errors
def claim_batch(run_id: ObjectId, attempt: str, seconds: float) -> Batch | None:
    """Claim the next batch of a run that waits, or else one whose claim has lapsed."""
    claimed = {"state": BatchState.CLAIMED.value, "attempt": lease(attempt, seconds), "begun": True}
    for free in ({"state": BatchState.WAITING.value}, {"state": BatchState.CLAIMED.value, **LAPSED}):
        found = batches().find_one_and_update(
            {"run": run_id, **free}, [{"$set": claimed}], {"ids": 1, "n": 1}, sort=[("n", 1)],
            return_document=ReturnDocument.AFTER,
        )  # fmt: skip
        if found is not None:
            return Batch(run_id, found["n"], attempt, tuple(found["ids"]))
    return None


@wrap_database_errors
def keep_batch(batch: Batch, seconds: float) -> bool:
    """Lengthen the claim on a batch. :returns: False where it is lost."""
    return _change(batch, [{"$set": {"attempt": lease(batch.attempt, seconds)}}])


@wrap_database_errors
def give_back(batch: Batch) -> bool:
    """Let another, or oneself later, carry out what is left of a claimed batch."""
    return _change(batch, {"$set": {"state": BatchState.WAITING.value}, "$unset": {"attempt": ""}})


@wrap_database_errors
def give_all_back(run_id: ObjectId) -> None:
    """End every claim on a run's batches: whoever held one is thought to be gone, or will do no harm."""
    claimed = {"run": run_id, "state": BatchState.CLAIMED.value}
    batches().update_many(claimed, {"$set": {"state": BatchState.WAITING.value}, "$unset": {"attempt": ""}})


@wrap_database_errors
def finish_batch(batch: Batch, others: Sequence[Other]) -> bool:
    """Write what became of a batch's orders. :returns: False where it was no longer claimed by its attempt."""
    counts = dict.fromkeys(COUNTS, 0)
    for other in others:
        counts[other.result] += 1
    counts["done"] = len(batch.keys) - len(others)
    told = [{"index": other.index, "result": str(other.result), "reason": other.reason[:500]} for other in others]
    changes = {"state": BatchState.DONE.value, "others": told, **counts}
    return _change(batch, {"$set": changes, "$unset": {"attempt": ""}})


@wrap_database_errors
def begun_batches(run_id: ObjectId) -> list[Document]:
    """The batches that somebody has begun and nobody finished."""
    not_done = {"$in": [BatchState.WAITING.value, BatchState.CLAIMED.value]}
    return batches().find({"run": run_id, "state": not_done, "begun": True}).to_list()


@wrap_database_errors
def settle_batch(run_id: ObjectId, n: int, done: Sequence[int]) -> None:
    """Write which orders of an unfinished batch, by index, were changed, unless it is finished by now."""
    told = [{"index": index, "result": OrderOutcome.DONE.value, "reason": ""} for index in done]
    unfinished = {"_id": {"run": run_id, "n": n}, "state": {"$ne": BatchState.DONE.value}}
    batches().update_one(unfinished, {"$set": {"others": told, "done": len(done)}})


def _change(batch: Batch, update: Any) -> bool:
    held = {"_id": {"run": batch.run_id, "n": batch.n}, "attempt.id": batch.attempt}
    return batches().update_one(held, update).matched_count == 1


@wrap_database_errors
def tally(run_id: ObjectId, *, lasting: bool = False) -> Tally:
    """Add the batches of a run up; answered from the index alone.

    :param lasting: count only what a majority has.
    """
    sums = {name: {"$sum": f"${name}"} for name in ("size", *COUNTS)}
    stages: list[Document] = [{"$match": {"run": run_id}}, {"$group": {"_id": "$state", **sums}}]
    rows = list((lasting_batches() if lasting else batches()).aggregate(stages, hint="bulk_tally"))
    counts = {name: sum(row[name] for row in rows) for name in COUNTS}
    return Tally(sum(row["size"] for row in rows), counts, any(row["_id"] != BatchState.DONE.value for row in rows))


@wrap_database_errors
def save_tally(run_id: ObjectId, found: Tally) -> None:
    """Write it into the run. A late one never takes back what a later one has said."""
    runs().update_one({"_id": run_id}, {"$max": {"total": found.total, **found.counts}})


@wrap_database_errors
def batches_after(run_id: ObjectId, n: int, limit: int, **condition: Any) -> list[Document]:
    """The next batches of a run, by number."""
    return batches().find({"_id": _after(run_id, n), **condition}).sort("_id", 1).limit(limit).to_list()


def _after(run_id: ObjectId, n: int) -> Document:
    return {"$gt": {"run": run_id, "n": n}, "$lte": {"run": run_id, "n": MOST_BATCHES}}
