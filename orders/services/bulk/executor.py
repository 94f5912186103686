"""Execute runs: any number of processes and threads may work on one run at once, and any of them may be killed.

Where the database or inventory does not answer, the run pauses, longer each time, and goes on by itself.
"""

import logging
import random
import threading
import time
from collections.abc import Callable
from contextlib import suppress

from bson import ObjectId
from django.db import DatabaseError
from django.utils.translation import gettext_noop

from integrations import Deadline
from observability import context
from orders.models import BulkRun, BulkState
from orders.services.bulk.batch_loop import BatchLoop
from orders.services.bulk.outages import MOST_FAILED_RELEASES, Outage, outage_of
from orders.services.bulk.runs import (
    get_run,
    is_batchable,
    is_known,
    job_of,
    may_continue,
    record_interrupted_batches,
)
from orders.services.bulk.selecting import TooManyBatches, select
from orders.services.stock.claims import backoff
from orders.services.words import in_english
from orders.storage import bulk_batches, bulk_runs

logger = logging.getLogger(__name__)

PROGRESS_EVERY = 0.5
"""Seconds between reports of a run's progress, and between checks of a run that cannot go on yet."""
INTERRUPTED = gettext_noop(
    "It was interrupted while its orders were being recorded. No order was changed. Start it again."
)
INCOMPLETE = gettext_noop(
    "Some orders are missing from its record. Start another run for the same orders, and cancel this one."
)
NOT_PERMITTED = gettext_noop(
    "%(actor)s no longer has the permission. Cancel the run; someone who has it can start another one."
)
FEW, FEW_RELEASING = 100, 20
"""Orders of a small run."""
MOMENT = 3.0
"""Seconds that the caller waits for a small run."""
RETRY_WINDOW = 3600
"""Seconds within which the same request may record the orders of an interrupted run again."""


def execute_run(
    run_id: ObjectId,
    *,
    threads: int | None = None,
    seconds: float | None = None,
    stopping: Callable[[], bool] = lambda: False,
    progress: Callable[[BulkRun], None] = lambda _: None,
) -> BulkRun:
    """Execute a run until it is over, a person pauses it, or the caller's time is up.

    :param threads: by default one, or several if the transition releases stock.
    :param seconds: after which to leave the rest for later; with it, pauses are not waited for.
    :param stopping: asked between batches, and between orders whose stock is released, whether to stop.
    :param progress: called about twice a second with the run; by any thread, but by one at a time.
    :returns: the run as it is then.
    :raises RunNotFound:
    :raises DatabaseError: it does not answer, and the caller's time is up.
    """
    with context.work(str(run_id), run_id=str(run_id)), in_english():  # what becomes of each order is kept
        until = None if seconds is None else Deadline.after(seconds)
        return _Execution(run_id, threads, until, stopping, progress).execute()


def execute_if_small(run: BulkRun, *, orders: int) -> BulkRun:
    """Execute a run for a moment if it has few orders, so that the caller can show its result; workers do the rest.

    Nothing is raised that keeps it from finishing: its record tells.
    """
    most = FEW if is_batchable(run.transition) else FEW_RELEASING
    if orders > most or (run.state == BulkState.SELECTING and run.has_named_orders):
        return run
    try:
        return execute_run(run.pk, seconds=MOMENT)
    except Exception:
        logger.exception("run %s was started, but could not be executed here", run.pk)
        return run


def execute_pending_runs(*, seconds: float, stopping: Callable[[], bool] = lambda: False) -> bool:
    """Execute runs that are left to the workers, for about this long. A run that fails never stops the others.

    :returns: whether anything was done; if so, there may be more.
    :raises DatabaseError: not even the list of runs can be read.
    """
    pending, overall, worked = bulk_runs.runs_for_workers(), Deadline.after(seconds), False
    random.shuffle(pending)
    for run_id in pending:
        if stopping() or overall.remaining() <= 0:
            break
        until = overall.sooner(max(0.2, seconds / len(pending)))
        execution = _Execution(run_id, None, until, stopping, lambda _: None)
        with context.work(str(run_id), run_id=str(run_id)):
            try:
                execution.execute()
            except Exception:
                logger.exception("run %s could not be executed", run_id)
        worked = worked or execution.worked
    return worked


class _Execution:
    """One process's share of a run."""

    def __init__(
        self,
        run_id: ObjectId,
        threads: int | None,
        until: Deadline | None,
        stopping: Callable[[], bool],
        progress: Callable[[BulkRun], None],
    ) -> None:
        self.run_id, self.threads, self.until = run_id, threads, until
        self.stopping, self.progress = stopping, progress
        self.worked = False
        self._pauses = 0
        self._failed_releases = 0
        self._lock = threading.Lock()
        self._reported = 0.0
        self._steps: dict[str, Callable[[BulkRun], bool]] = {
            BulkState.SELECTING: self._select,
            BulkState.QUEUED: self._start,
            BulkState.RUNNING: self._execute_batches,
            BulkState.PAUSED: self._wait_for_end_of_pause,
        }

    def execute(self) -> BulkRun:
        more = True
        while more and not self._must_stop():
            try:
                run = get_run(self.run_id)
                if run.is_over:
                    break
                if not is_known(run):
                    logger.error("run %s: %s by %s is unknown to this version", run.pk, run.transition, run.actor)
                    break
                more = self._steps[run.state](run)
            except Outage as outage:
                more = self._pause(outage)
            except DatabaseError as error:
                more = self._pause(outage_of(error))
            except Exception as error:
                self._pause(Outage(f"internal error: {error!r}"))
                raise
        run = get_run(self.run_id)
        if run.is_over and run.state != BulkState.DONE:
            run = record_interrupted_batches(run)
        self._report(run)
        return run

    def _must_stop(self) -> bool:
        return self.stopping() or (self.until is not None and self.until.remaining() <= 0)

    # --- the steps: each returns whether there may be more for this process to do -------------------------------------

    def _select(self, run: BulkRun) -> bool:
        if run.has_named_orders:
            window = RETRY_WINDOW if run.for_worker else 0
            return bulk_runs.fail_selection(run.pk, INTERRUPTED, abandoned_for=window) or self._wait(PROGRESS_EVERY)

        def going_on() -> bool:
            self._update_progress()
            return not self._must_stop()

        try:
            if not select(run, going_on=going_on):
                return self._wait(PROGRESS_EVERY)
        except TooManyBatches as error:
            bulk_runs.fail_selection(run.pk, str(error))
        self.worked = True
        return True

    def _start(self, _run: BulkRun) -> bool:
        bulk_runs.save_tally(self.run_id)
        bulk_runs.start(self.run_id)
        return True

    def _execute_batches(self, run: BulkRun) -> bool:
        if not may_continue(run):
            return self._pause_until_resumed(NOT_PERMITTED % {"actor": run.actor})
        loop = BatchLoop(job_of(run), stopping=self._must_stop, progress=self._update_progress)
        done = loop.execute(self.threads)
        self._failed_releases = loop.releases.failed_in_a_row
        if self._failed_releases != run.in_vain:
            bulk_runs.set_failed_releases(self.run_id, self._failed_releases)
        self.worked = self.worked or loop.releases.changed > 0 or done > 0
        if done:
            self._pauses = 0
            if run.pauses:
                bulk_runs.forget_pauses(self.run_id)
        if loop.outage:
            raise loop.outage
        return self._finish() or self._must_stop() or bool(done) or self._wait(PROGRESS_EVERY)

    def _finish(self) -> bool:
        """End the run if every batch is done, and will stay so if a node is lost."""
        # Once a majority has this, it has every batch that was counted: they were written before.
        if bulk_runs.save_tally(self.run_id).open:
            return False
        lasting = bulk_batches.tally(self.run_id, lasting=True)
        if lasting.open:
            return False
        if lasting.total != get_run(self.run_id).total or not lasting.adds_up:
            return self._pause_until_resumed(INCOMPLETE)
        return bulk_runs.finish(self.run_id)

    def _wait_for_end_of_pause(self, run: BulkRun) -> bool:
        if run.paused_until is None:
            return False
        return bulk_runs.end_pause(self.run_id) or self._wait(PROGRESS_EVERY)

    # --- pauses and progress -----------------------------------------------------------------------------------------

    def _pause(self, outage: Outage) -> bool:
        """Pause the run, longer each time; if not even that can be written, wait here."""
        logger.warning("run %s pauses: %s", self.run_id, outage)
        self._pauses += 1
        try:
            if self._failed_releases >= MOST_FAILED_RELEASES:
                return self._pause_until_resumed(str(outage))
            self._pauses = get_run(self.run_id).pauses + 1
            bulk_runs.pause(self.run_id, str(outage), pauses=self._pauses, seconds=backoff(self._pauses))
            self._report(get_run(self.run_id))
        except DatabaseError:
            return self._wait(backoff(self._pauses))
        return True

    def _pause_until_resumed(self, why: str) -> bool:
        logger.warning("run %s pauses until it is resumed: %s", self.run_id, why)
        return bulk_runs.pause_until_resumed(self.run_id, why)

    def _wait(self, seconds: float) -> bool:
        """Wait. A caller whose time is limited has other things to do: False."""
        if self.until is not None:
            return False
        end = time.monotonic() + seconds
        while not self.stopping() and (left := end - time.monotonic()) > 0:
            time.sleep(min(left, 0.05))
        return True

    def _update_progress(self) -> None:
        """Now and then, record the run's progress and report it."""
        with self._lock:
            if time.monotonic() - self._reported < PROGRESS_EVERY:
                return
            self._reported = time.monotonic()
            bulk_runs.save_tally(self.run_id)
            self._report(get_run(self.run_id))

    def _report(self, run: BulkRun) -> None:
        with suppress(OSError):  # a caller whose output is closed must not stop the run
            self.progress(run)
