"""The steps of one run, from selecting its orders to its end.

Where the database or inventory does not answer, the run pauses, longer each time, and goes on by itself.
"""

import logging
import threading
import time
from collections.abc import Callable
from contextlib import suppress

from bson import ObjectId
from django.db import DatabaseError
from django.utils.translation import gettext_noop

from integrations import Deadline
from orders.models import BulkRun, BulkState
from orders.services.bulk.batch_loop import BatchLoop
from orders.services.bulk.jobs import is_known, job_of, may_continue
from orders.services.bulk.outages import MOST_FAILED_RELEASES, Outage, outage_of
from orders.services.bulk.runs import get_run, record_interrupted_batches
from orders.services.bulk.selecting import TooManyBatches, select
from orders.services.stock.claims import backoff
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
RETRY_WINDOW = 3600
"""Seconds within which the same request may record the orders of an interrupted run again."""


class Execution:
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
