"""Carrying one batch of a run out. What happened is read back from the orders: an order whose history has the run's
transition has been changed by it, once, however often the batch is carried out."""

import logging
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

from bson import ObjectId
from django.conf import settings
from django.db import DatabaseError
from django.utils import timezone
from pymongo.errors import OperationFailure, WriteConcernError

from integrations import inventory
from integrations.deadline import Deadline
from integrations.errors import PeerError
from observability.metrics import TRANSITIONS
from orders.models.bulk_run import BulkRun, BulkState, OrderOutcome
from orders.models.machine import edges_named, moments, permission_of, stock_effect
from orders.models.states import PUBLIC_STATUSES, LineState, StockEffect
from orders.services.access import VIEW, Actor, Kind, OrderNotFound
from orders.services.audit import Act
from orders.services.bulk.runs import target_of
from orders.services.errors import OrderError
from orders.services.lifecycle import transitions
from orders.services.lifecycle.transitions import TransitionRefused, refusal
from orders.services.texts import cleaned
from orders.storage import bulk_batches as store
from orders.storage import bulk_outcomes
from orders.storage.bulk_batches import Batch, Other
from orders.storage.database import Document
from orders.storage.order_query import Key
from orders.storage.order_writes import guarded_write_many, lines_used
from orders.storage.transition_guards import guard_of

logger = logging.getLogger(__name__)

NOT_CARRIED_OUT = (LineState.RELEASING, LineState.UNKNOWN)
"""States in which a line's release has not come to an end."""


PATIENCE = 10
"""How many orders in a row may wait for their releases although inventory answers reads."""


BELIEVED_AFTER = 5
"""Pauses in a row after which orders that mongod refuses, each alike, are taken to be the fault themselves."""


OF_THE_WHOLE = frozenset({13, 18, 64, 100, 371, 14031})
"""Codes by which mongod refuses whatever it is asked: no right, no disk space, no majority."""


class Outage(Exception):
    """The database, or inventory, does not answer: going on would only leave more undone."""


@dataclass(frozen=True)
class Job:
    """What a run does, and in whose name."""

    run: BulkRun
    actor: Actor

    @property
    def transition(self) -> str:
        return self.run.transition

    def act(self) -> Act:
        """What it does now. Its reason may be older than today's rules; it must not keep the run from going on."""
        return Act(self.actor, timezone.now(), cleaned(self.run.reason))


def job_of(run: BulkRun) -> Job:
    """The job of a run. That its actor may do it was made sure of when it was started."""
    permissions = frozenset({VIEW, permission_of(run.transition)})
    return Job(run, Actor(Kind(run.actor_kind), run.actor_id, run.via, permissions, request_id=str(run.pk)))


@contextmanager
def told_of_outages() -> Iterator[None]:
    """:raises Outage: in the place of a DatabaseError."""
    try:
        yield
    except DatabaseError as error:
        raise outage_of(error) from error


@dataclass(frozen=True)
class Fault:
    """Why an order could not be changed; `code` where it was mongod that said so."""

    reason: str
    code: int | None = None


def fault_of_the_order(error: DatabaseError) -> Fault:
    """What mongod said of an order that it cannot change.

    :raises Outage: it did not say so: it is the database that does not answer.
    """
    cause = error.__cause__
    if not isinstance(cause, OperationFailure) or cause.timeout or isinstance(cause, WriteConcernError):
        raise outage_of(error) from error
    if cause.code in OF_THE_WHOLE:
        raise outage_of(error) from error
    return Fault(f"The database refused: {cause}", cause.code)


def require_some_luck(job: Job, faults: Mapping[Key, Fault], tried: int) -> None:
    """Take it for a fault of the database, not of the orders, where it refuses each of several alike; in the end, after
    several pauses, believe that it is the orders, which shall not stop the rest.

    :raises Outage:
    """
    codes = {fault.code for fault in faults.values()}
    if job.run.pauses < BELIEVED_AFTER and tried > 1 and len(faults) == tried and len(codes) == 1 and None not in codes:
        raise Outage(f"the database refuses every order: {next(iter(faults.values())).reason}")


def outage_of(error: DatabaseError) -> Outage:
    """The same, said of the database as a whole."""
    return Outage(f"the database does not answer: {error.__cause__ or error}")


def carry_out_together(job: Job, batch: Batch) -> list[Other]:
    """Change all orders of a batch by one update for each source status, and say what the others were.

    :raises Outage: the database does not answer; some may have been changed.
    """
    ids = [key for key in batch.keys if isinstance(key, ObjectId)]
    faults: dict[Key, Fault] = {}
    changed = _change(job, batch, job.act(), ids, faults)
    TRANSITIONS.labels(job.transition, job.actor.via).inc(changed)
    require_some_luck(job, faults, len(ids))
    if changed == len(batch.keys):
        return []
    with told_of_outages():
        return list(_others(job, batch.keys, faults))


def _change(job: Job, batch: Batch, act: Act, ids: Sequence[ObjectId], faults: dict[Key, Fault]) -> int:
    """Change these orders. One that mongod cannot change, being broken, is looked for by halves."""
    items = lines_used() if stock_effect(job.transition) is StockEffect.USE else None
    try:
        return sum(
            guarded_write_many(
                ids,
                guard=guard_of(edge),
                entries=[act.entry(edge.name, source=edge.source, target=edge.target)],
                fields={"status": edge.target, **moments(edge.target, act.at)},
                items=items,
                seen_at=act.at,
                write_id=f"{job.run.pk}:{batch.n}",
            )
            for edge in edges_named(job.transition)
        )
    except DatabaseError as error:
        fault = fault_of_the_order(error)
    if len(ids) == 1:
        faults[ids[0]] = fault
        return 0
    middle = len(ids) // 2
    return sum(_change(job, batch, act, half, faults) for half in (ids[:middle], ids[middle:]))


@dataclass
class Streak:
    """How many orders all threads of a run have changed, and how many releases in a row came to nothing."""

    in_vain: int = 0
    changed: int = 0


def carry_out_one_by_one(job: Job, batch: Batch, *, going_on: Callable[[], bool], streak: Streak) -> list[Other] | None:
    """Change the orders of a batch one after the other, each with its talk with inventory.

    :param going_on: asked before each order.
    :returns: what became of the orders that were not changed; None where it was not to go on.
    :raises Outage: the database or inventory does not answer; the rest of the orders were left alone.
    """
    with told_of_outages():
        marked = bulk_outcomes.marked(batch.keys, job.run)
        left = [key for key in batch.keys if key not in marked and isinstance(key, ObjectId)]
        products = bulk_outcomes.products_to_release(left)
    require_inventory(products)
    faults: dict[Key, Fault] = {}
    for key in left:
        if not going_on():
            return None
        if (order := _change_one(job, key, faults)) is not None:
            streak.changed += 1
            look_at_releases(order, streak, products)
    require_some_luck(job, faults, len(left))
    with told_of_outages():
        return list(_others(job, batch.keys, faults))


def look_at_releases(order: Document, streak: Streak, products: Sequence[str]) -> None:
    """See whether the releases of an order that was just changed came to an end.

    :param products: others of the run, to be asked for where inventory has a fault with this order's.
    :raises Outage: they did not, and inventory does not answer, or has carried out none for long.
    """
    called = [item for item in order["items"] if item["stock"].get("attempts")]
    vain = [item for item in called if item["stock"]["state"] in NOT_CARRIED_OUT]
    if called and not vain:
        streak.in_vain = 0
    if vain:
        streak.in_vain += 1
        require_inventory([str(vain[0]["product_id"]), *products])
        if streak.in_vain >= PATIENCE:
            raise Outage(f"inventory answers, but did not carry out the last {streak.in_vain} orders' releases")


def _change_one(job: Job, order_id: ObjectId, faults: dict[Key, Fault]) -> Document | None:
    try:
        return transitions.change_status(order_id=order_id, transition=job.transition, act=job.act())
    except (TransitionRefused, OrderNotFound):
        return None  # read back at the end: perhaps it was this run, before it was cut off
    except OrderError as error:
        faults[order_id] = Fault(error.detail)
    except DatabaseError as error:
        faults[order_id] = fault_of_the_order(error)
    except Exception as error:
        logger.exception("order %s: %s failed", order_id, job.transition)
        faults[order_id] = Fault(f"It failed here: {error!r}")
    return None


def require_inventory(products: Sequence[str]) -> None:
    """Make sure that inventory answers a read of one of the first two products: one alone may be broken there.

    :raises Outage:
    """
    failed: PeerError | None = None
    for product_id in list(dict.fromkeys(products))[:2]:
        try:
            inventory.answers(product_id=product_id, deadline=Deadline.after(settings.REQUEST_DEADLINE))
        except PeerError as error:
            failed = error
        else:
            return
    if failed:
        raise Outage(f"inventory does not answer: {failed}") from failed


def _others(job: Job, keys: Sequence[Key], faults: dict[Key, Fault]) -> Iterator[Other]:
    """What became of the orders that were not changed, read back from all of them."""
    found = bulk_outcomes.outcomes(keys, job.run)
    for index, key in enumerate(keys):
        status, by_this_run = found.get(key, (None, False))
        if by_this_run:
            continue
        if key in faults:
            yield Other(index, OrderOutcome.FAILED, faults[key].reason)
        elif status not in PUBLIC_STATUSES:
            yield Other(index, OrderOutcome.REFUSED, f"There is no order {key}.")
        elif status == target_of(job.transition):
            yield Other(index, OrderOutcome.ALREADY, "")
        else:
            yield Other(index, OrderOutcome.REFUSED, refusal(job.transition, status))


class Watch:
    """Keeps a batch that takes long, and notices when the run is not to go on, or somebody else has the batch."""

    def __init__(self, batch: Batch, every: float) -> None:
        self._batch, self._every, self._looked = batch, every, time.monotonic()

    def going_on(self) -> bool:
        """:raises Outage:"""
        if time.monotonic() - self._looked < self._every:
            return True
        self._looked = time.monotonic()
        with told_of_outages():
            running = store.state_of(self._batch.run_id) == BulkState.RUNNING
            return running and store.keep_batch(self._batch, settings.STOCK_LEASE)
