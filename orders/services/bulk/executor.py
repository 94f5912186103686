"""Carrying runs on: any number of processes, and of threads in them, may do so at once, and each may be killed.

A batch is claimed, carried out, and its results are written. Where the database or inventory does not answer, the run
pauses, longer each time, and goes on by itself.
"""

import logging
import random
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from contextvars import copy_context

from bson import ObjectId
from django.conf import settings
from django.db import DatabaseError
from django.utils import timezone

from integrations import Deadline
from observability import context
from orders.models import BulkRun, BulkState, transition_names
from orders.services.access import Kind
from orders.services.bulk.batches import (
    PATIENCE,
    Job,
    Outage,
    Streak,
    Watch,
    carry_out_one_by_one,
    carry_out_together,
    job_of,
    outage_of,
    told_of_outages,
)
from orders.services.bulk.runs import get_run, is_together, may_go_on, settle
from orders.services.bulk.selecting import TooManyBatches, fail, select
from orders.services.stock.claims import backoff
from orders.storage import bulk_batches as store
from orders.storage import new_id
from orders.storage.bulk_batches import Batch, Other
from orders.storage.database import from_now

logger = logging.getLogger(__name__)

RELEASING_JOBS = 4
"""Threads that release: each of them waits for inventory most of the time."""
LOOK_EVERY = 0.5
"""Seconds between looks at how far a run is, and whether it is still to go on."""
CUT_OFF = "It was cut off while its orders were taken down. No order was changed. Start it anew."
INCOMPLETE = (
    "Some of its orders are missing from its record. Start another run for the same orders, and cancel this one."
)
NOT_ALLOWED = "Cancel the run, and let somebody who may start another for what is left."
ASKED_AGAIN = 3600
"""Seconds within which whoever asked for a run may have it taken down anew by asking the same again."""
LIVE = (BulkState.SELECTING, BulkState.QUEUED, BulkState.RUNNING)


def carry_on(
    run_id: ObjectId,
    *,
    jobs: int | None = None,
    until: Deadline | None = None,
    stopping: Callable[[], bool] = lambda: False,
    progress: Callable[[BulkRun], None] = lambda _: None,
) -> BulkRun:
    """Carry a run on until it is over, paused by a person, or the caller's time is up.

    :param jobs: threads; by default RELEASING_JOBS where stock is released, otherwise 1.
    :param until: when to leave the rest for another time; then no pause is waited for either.
    :param stopping: asked between batches, and between orders whose stock is released, whether to leave off.
    :param progress: told about twice a second how far it is, by any thread, by one at a time.
    :returns: the run as it is then.
    :raises RunNotFound:
    :raises DatabaseError: it does not answer, and the caller's time is up.
    """
    with context.work(str(run_id), run_id=str(run_id)):
        return _Carrier(run_id, jobs, until, stopping, progress).carry_on()


def carry_on_any(*, seconds: float, stopping: Callable[[], bool] = lambda: False) -> bool:
    """Carry on what runs are left to the workers, for about so long. One bad run never stops the others.

    :returns: whether anything was done: then there may be more.
    :raises DatabaseError: if not even the list of runs can be read.
    """
    waiting, overall, worked = store.runs_for_workers(), Deadline.after(seconds), False
    random.shuffle(waiting)
    for run_id in waiting:
        if stopping() or overall.remaining() <= 0:
            break
        carrier = _Carrier(run_id, None, overall.sooner(max(0.2, seconds / len(waiting))), stopping, lambda _: None)
        with context.work(str(run_id), run_id=str(run_id)):
            try:
                carrier.carry_on()
            except Exception:
                logger.exception("run %s could not be carried on", run_id)
        worked = worked or carrier.worked
    return worked


def _is_known(run: BulkRun) -> bool:
    """Whether this version knows what the run wants: while a new one is rolled out, an old one is still at work."""
    return run.transition in transition_names() and run.actor_kind in list(Kind)


class _Carrier:
    """One process's part in a run."""

    def __init__(
        self,
        run_id: ObjectId,
        jobs: int | None,
        until: Deadline | None,
        stopping: Callable[[], bool],
        progress: Callable[[BulkRun], None],
    ) -> None:
        self.run_id, self.jobs, self.until = run_id, jobs, until
        self.stopping, self.progress = stopping, progress
        self.worked = False
        self._outage: Outage | None = None
        self._faults = 0
        self._streak = Streak()
        self._lock = threading.Lock()
        self._looked = 0.0
        self._steps: dict[str, Callable[[BulkRun], bool]] = {
            BulkState.SELECTING: self._select,
            BulkState.QUEUED: self._begin,
            BulkState.RUNNING: self._run,
            BulkState.PAUSED: self._wait_for_the_end_of_the_pause,
        }

    def carry_on(self) -> BulkRun:
        going_on = True
        while going_on and not self._halted():
            try:
                run = get_run(self.run_id)
                if run.is_over:
                    break
                if not _is_known(run):
                    logger.error("run %s: %s by %s is unknown to this version", run.pk, run.transition, run.actor)
                    break
                going_on = self._steps[run.state](run)
            except Outage as outage:
                going_on = self._pause(outage)
            except DatabaseError as error:
                going_on = self._pause(outage_of(error))
            except Exception as error:
                self._pause(Outage(f"it failed here: {error!r}"))
                raise
        run = get_run(self.run_id)
        if run.is_over and run.state != BulkState.DONE:
            settle(run)
            run = get_run(self.run_id)
        self._tell(run)
        return run

    def _tell(self, run: BulkRun) -> None:
        """Whether anybody listens is nothing to the run."""
        with suppress(OSError):
            self.progress(run)

    def _halted(self) -> bool:
        return self.stopping() or (self.until is not None and self.until.remaining() <= 0)

    # --- the steps: each returns whether there may be more to do for this process -------------------------------------

    def _select(self, run: BulkRun) -> bool:
        if "orders" in run.selection:
            return self._give_up(run) or self._wait(LOOK_EVERY)

        def going_on() -> bool:
            self._look()
            return not self._halted()

        try:
            if not select(run, going_on=going_on):
                return self._wait(LOOK_EVERY)
        except TooManyBatches as error:
            fail(run, str(error))
        self.worked = True
        return True

    def _begin(self, _run: BulkRun) -> bool:
        store.save_tally(self.run_id, store.tally(self.run_id))
        fields = {"state": BulkState.RUNNING.value, "started_at": timezone.now()}
        store.change_run(self.run_id, [BulkState.QUEUED], fields)
        return True

    def _run(self, run: BulkRun) -> bool:
        if not may_go_on(run):
            return self._leave_to_people(f"{run.actor} may not do this any more. {NOT_ALLOWED}")
        self._outage, self._streak = None, Streak(run.in_vain)
        job = job_of(run)
        jobs = self.jobs or (1 if is_together(run.transition) else RELEASING_JOBS)
        if jobs == 1:
            done = self._work(job)
        else:
            with ThreadPoolExecutor(jobs, thread_name_prefix="bulk") as threads:
                working = [threads.submit(copy_context().run, self._work, job) for _ in range(jobs)]
            done = sum(work.result() for work in working)
        if self._streak.in_vain != run.in_vain:
            store.change_run(self.run_id, LIVE, {"in_vain": self._streak.in_vain})
        self.worked = self.worked or self._streak.changed > 0
        if done:
            self.worked, self._faults = True, 0
            if run.pauses:
                store.change_run(self.run_id, LIVE, {"pauses": 0, "last_error": ""})
        if self._outage:
            raise self._outage
        return self._finish() or self._halted() or bool(done) or self._wait(LOOK_EVERY)

    def _finish(self) -> bool:
        """End the run if each of its batches is done, and will stay so if a node is lost."""
        found = store.tally(self.run_id)
        # Once a majority has this, it has every batch that was counted: they were written before.
        store.save_tally(self.run_id, found)
        if found.open or (found := store.tally(self.run_id, lasting=True)).open:
            return False
        if found.total != get_run(self.run_id).total or not found.adds_up:
            return self._leave_to_people(INCOMPLETE)
        fields = {"state": BulkState.DONE.value, "finished_at": timezone.now()}
        return store.change_run(self.run_id, [BulkState.RUNNING], fields)

    def _wait_for_the_end_of_the_pause(self, run: BulkRun) -> bool:
        if run.paused_until is None:
            return False
        return store.go_on(self.run_id) or self._wait(LOOK_EVERY)

    # --- batches -----------------------------------------------------------------------------------------------------

    def _work(self, job: Job) -> int:
        """Carry batches out until there is none, or no reason to go on. :returns: how many."""
        done = 0
        try:
            with told_of_outages():
                while self._going_on() and store.state_of(self.run_id) == BulkState.RUNNING:
                    batch = store.claim_batch(self.run_id, new_id(), settings.STOCK_LEASE)
                    if batch is None:
                        break
                    done += self._carry_out(job, batch)
                    self._look()
        except Outage as outage:
            self._outage = outage
        return done

    def _carry_out(self, job: Job, batch: Batch) -> bool:
        """Carry a batch out; what is left undone of it is given back. :returns: whether it is done."""
        finished = False
        try:
            others = self._outcomes(job, batch)
            finished = others is not None and store.finish_batch(batch, others)
        finally:
            if not finished:
                with suppress(DatabaseError):
                    store.give_back(batch)
        return finished

    def _outcomes(self, job: Job, batch: Batch) -> list[Other] | None:
        if is_together(job.transition):
            return carry_out_together(job, batch)
        watch = Watch(batch, LOOK_EVERY)
        return carry_out_one_by_one(
            job, batch, going_on=lambda: self._going_on() and watch.going_on(), streak=self._streak
        )

    def _going_on(self) -> bool:
        return self._outage is None and not self._halted()

    def _look(self) -> None:
        """Now and then, write down how far the run is, and tell of it."""
        with self._lock:
            if time.monotonic() - self._looked < LOOK_EVERY:
                return
            self._looked = time.monotonic()
            store.save_tally(self.run_id, store.tally(self.run_id))
            self._tell(get_run(self.run_id))

    # --- when it does not go on --------------------------------------------------------------------------------------

    def _pause(self, outage: Outage) -> bool:
        """Let the run pause, longer each time; where not even that can be written, wait here."""
        logger.warning("run %s pauses: %s", self.run_id, outage)
        self._faults += 1
        try:
            if self._streak.in_vain >= PATIENCE:
                return self._leave_to_people(str(outage))
            run = get_run(self.run_id)
            self._faults = run.pauses + 1
            seconds = backoff(self._faults)
            fields = {"state": BulkState.PAUSED.value, "pauses": self._faults, "last_error": str(outage)[:500]}
            fields |= {"attempt": None}
            until = {"paused_until": from_now(seconds)}
            store.change_run(self.run_id, LIVE, fields, computed=until)
            self._tell(get_run(self.run_id))
        except DatabaseError:
            return self._wait(backoff(self._faults))
        return True

    def _leave_to_people(self, why: str) -> bool:
        """Let the run pause until somebody resumes it."""
        logger.warning("run %s waits for somebody: %s", self.run_id, why)
        fields = {"state": BulkState.PAUSED.value, "paused_until": None, "last_error": why[:500]}
        return store.change_run(self.run_id, LIVE, fields)

    def _give_up(self, run: BulkRun) -> bool:
        """End a run that nobody is taking the named orders of; whoever asked for it had time to ask once more."""
        fields = {"state": BulkState.FAILED.value, "last_error": CUT_OFF, "finished_at": timezone.now()}
        lapsed = store.lapsed_for(ASKED_AGAIN if run.for_worker else 0)
        return store.change_run(self.run_id, [BulkState.SELECTING], fields, guard=lapsed)

    def _wait(self, seconds: float) -> bool:
        """Wait, unless the caller's time is limited: then it has better things to do."""
        if self.until is not None:
            return False
        end = time.monotonic() + seconds
        while not self.stopping() and (left := end - time.monotonic()) > 0:
            time.sleep(min(left, 0.05))
        return True
