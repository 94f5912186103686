"""The batches of bulk runs: claimed under leases by mongod's clock, written by guarded updates.

```
bulk_batches: { _id: {run, n}, run, n, state: waiting | claimed | done,
                ids: [id of an order, or an unknown number], size,
                last: {created_at, id},         where the selection continues after this batch
                attempt: {id, until},           the claim
                begun,                          whether it has ever been claimed
                done, already, refused, failed, once it is done; of a cancelled run also what was done before
                others: [{index, result, reason}]  orders that are not `done`; in an unfinished batch, those that are }
```
The order itself tells what was done to it: a batch that is executed twice changes nothing twice, so its lease only
saves work.
"""

from collections.abc import Container, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from bson import ObjectId
from django_mongodb_backend.query import wrap_database_errors
from pymongo import ReturnDocument
from pymongo.collection import Collection
from pymongo.errors import BulkWriteError, OperationFailure
from pymongo.read_concern import ReadConcern
from pymongo.write_concern import WriteConcern

from orders.models import BatchState, Document, OrderOutcome
from orders.storage import leases
from orders.storage.database import collection
from orders.storage.order_query import Key, Position

COUNTS = tuple(str(outcome) for outcome in OrderOutcome if outcome is not OrderOutcome.WAITING)
DUPLICATE = 11000
MOST_BATCHES = 9_999_999
"""Keeps the name of a batch, `<run>:<n>`, short enough for a write id."""


def lapsed_for(seconds: float) -> Document:
    """A claim that ended this many seconds ago, or none at all."""
    return {"$expr": leases.ended("attempt.until", for_seconds=seconds)}


LAPSED: Document = lapsed_for(0)


def batches() -> Collection[Document]:
    """The batches, for claims and results; what is lost with a node is executed again and changes nothing twice."""
    return collection("bulk_batches").with_options(write_concern=WriteConcern(w=1), read_concern=ReadConcern("local"))


def lasting_batches() -> Collection[Document]:
    """The batches, for what must survive the loss of a node: the orders of a run, and that it is done."""
    written, read = WriteConcern("majority"), ReadConcern("majority")
    return collection("bulk_batches").with_options(write_concern=written, read_concern=read)


@dataclass(frozen=True)
class Batch:
    """Some orders of a run, claimed by an attempt."""

    run_id: ObjectId
    n: int
    attempt: str
    keys: tuple[Key, ...]


@dataclass(frozen=True)
class Unchanged:
    """An order of a batch, by its index, that the run did not change, and why."""

    index: int
    result: str
    reason: str


@dataclass(frozen=True)
class Tally:
    """The sums over a run's batches: orders, orders by outcome, and whether a batch is still open."""

    total: int
    counts: Mapping[str, int]
    open: bool

    @property
    def adds_up(self) -> bool:
        """Whether each order has an outcome."""
        return sum(self.counts.values()) == self.total


@dataclass(frozen=True)
class NewBatch:
    """Orders of one new batch, and where the selection continues after it."""

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
    """Add batches to a run in order, the first with number `n`.

    :returns: False if another process has added one of them; the rest is not added.
    """
    try:
        lasting_batches().insert_many([batch.document(run_id, n + place) for place, batch in enumerate(made)])
    except BulkWriteError as error:
        if any(failed["code"] == DUPLICATE for failed in error.details["writeErrors"]):
            return False
        raise OperationFailure(str(error), error.code, error.details) from error  # becomes a DatabaseError
    return True


@wrap_database_errors
def delete_batches(run_id: ObjectId) -> None:
    lasting_batches().delete_many({"run": run_id})


@wrap_database_errors
def last_batch(run_id: ObjectId) -> tuple[int, Position | None]:
    """How many batches a run has, and where its selection continues."""
    found = lasting_batches().find_one({"_id": _after(run_id, -1)}, {"n": 1, "last": 1}, sort=[("_id", -1)])
    if found is None:
        return 0, None
    last = found.get("last")
    return found["n"] + 1, Position(last["created_at"], last["id"]) if last else None


@wrap_database_errors
def claim_batch(run_id: ObjectId, attempt: str, seconds: float) -> Batch | None:
    """Claim the next waiting batch of a run, or else one whose claim has lapsed."""
    claimed = {"state": BatchState.CLAIMED.value, "attempt": leases.attempt(attempt, seconds), "begun": True}
    for free in ({"state": BatchState.WAITING.value}, {"state": BatchState.CLAIMED.value, **LAPSED}):
        found = batches().find_one_and_update(
            {"run": run_id, **free}, [{"$set": claimed}], {"ids": 1, "n": 1}, sort=[("n", 1)],
            return_document=ReturnDocument.AFTER,
        )  # fmt: skip
        if found is not None:
            return Batch(run_id, found["n"], attempt, tuple(found["ids"]))
    return None


@wrap_database_errors
def renew_batch(batch: Batch, seconds: float) -> bool:
    """Extend the claim on a batch. :returns: False if it is lost."""
    return _change(batch, [{"$set": {"attempt": leases.attempt(batch.attempt, seconds)}}])


@wrap_database_errors
def release_batch(batch: Batch) -> bool:
    """Leave the rest of a claimed batch to any process."""
    return _change(batch, {"$set": {"state": BatchState.WAITING.value}, "$unset": {"attempt": ""}})


@wrap_database_errors
def release_batches(run_id: ObjectId) -> None:
    """End every claim on a run's batches: their holders are presumed dead, and do no harm if they are not."""
    claimed = {"run": run_id, "state": BatchState.CLAIMED.value}
    batches().update_many(claimed, {"$set": {"state": BatchState.WAITING.value}, "$unset": {"attempt": ""}})


@wrap_database_errors
def finish_batch(batch: Batch, others: Sequence[Unchanged]) -> bool:
    """Write the outcomes of a batch. :returns: False if its claim is lost."""
    counts = dict.fromkeys(COUNTS, 0)
    for other in others:
        counts[other.result] += 1
    counts["done"] = len(batch.keys) - len(others)
    told = [{"index": other.index, "result": str(other.result), "reason": other.reason[:500]} for other in others]
    changes = {"state": BatchState.DONE.value, "others": told, **counts}
    return _change(batch, {"$set": changes, "$unset": {"attempt": ""}})


@wrap_database_errors
def interrupted_batches(run_id: ObjectId) -> list[Document]:
    """The batches that were begun and not finished."""
    not_done = {"$in": [BatchState.WAITING.value, BatchState.CLAIMED.value]}
    return batches().find({"run": run_id, "state": not_done, "begun": True}).to_list()


@wrap_database_errors
def record_changed(run_id: ObjectId, n: int, done: Sequence[int]) -> None:
    """Record which orders of an unfinished batch, by index, were changed; no effect once it is finished."""
    told = [{"index": index, "result": OrderOutcome.DONE.value, "reason": ""} for index in done]
    unfinished = {"_id": {"run": run_id, "n": n}, "state": {"$ne": BatchState.DONE.value}}
    batches().update_one(unfinished, {"$set": {"others": told, "done": len(done)}})


def _change(batch: Batch, update: Any) -> bool:
    held = {"_id": {"run": batch.run_id, "n": batch.n}, "attempt.id": batch.attempt}
    return batches().update_one(held, update).matched_count == 1


@wrap_database_errors
def tally(run_id: ObjectId, *, lasting: bool = False) -> Tally:
    """Add up the batches of a run, from the index alone.

    :param lasting: only what a majority of nodes has.
    """
    sums = {name: {"$sum": f"${name}"} for name in ("size", *COUNTS)}
    stages: list[Document] = [{"$match": {"run": run_id}}, {"$group": {"_id": "$state", **sums}}]
    rows = list((lasting_batches() if lasting else batches()).aggregate(stages, hint="bulk_tally"))
    counts = {name: sum(row[name] for row in rows) for name in COUNTS}
    return Tally(sum(row["size"] for row in rows), counts, any(row["_id"] != BatchState.DONE.value for row in rows))


@wrap_database_errors
def batches_with(run_id: ObjectId, outcomes: Container[str], *, after: int, limit: int) -> list[Document]:
    """The next batches of a run, by number, that contain an order with one of these outcomes."""
    waiting = OrderOutcome.WAITING.value
    holding: list[Document] = [{name: {"$gt": 0}} for name in COUNTS if name in outcomes]
    holding += [{"state": {"$ne": BatchState.DONE.value}}] if waiting in outcomes else []
    if not holding:
        return []
    return batches().find({"_id": _after(run_id, after), "$or": holding}).sort("_id", 1).limit(limit).to_list()


def _after(run_id: ObjectId, n: int) -> Document:
    return {"$gt": {"run": run_id, "n": n}, "$lte": {"run": run_id, "n": MOST_BATCHES}}
