"""Claim the batches of a run one after the other and execute them, in one thread or several."""

import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from contextvars import copy_context

from django.conf import settings
from django.db import DatabaseError

from orders.models import BulkState
from orders.services.bulk.batches import change_one_by_one, change_together
from orders.services.bulk.jobs import Job, is_batchable
from orders.services.bulk.outages import Outage, Releases, database_outages
from orders.storage import bulk_batches, bulk_runs, new_id
from orders.storage.bulk_batches import Batch, Unchanged

RELEASING_THREADS = 4
"""Threads that release stock: each of them mostly waits for inventory."""
CHECK_EVERY = 0.5
"""Seconds between renewals of a claim, and between checks whether the run may continue."""


class BatchLoop:
    """The batches that one process executes until there are none left, it is told to stop, or there is an outage.

    :ivar outage: why it ended early.
    """

    def __init__(self, job: Job, *, stopping: Callable[[], bool], progress: Callable[[], None]) -> None:
        self._job, self._stopping, self._progress = job, stopping, progress
        self.outage: Outage | None = None
        self.releases = Releases(failed_in_a_row=job.run.in_vain)

    def execute(self, threads: int | None) -> int:
        """:returns: how many batches are done."""
        threads = threads or (1 if is_batchable(self._job.transition) else RELEASING_THREADS)
        if threads == 1:
            return self._work()
        with ThreadPoolExecutor(threads, thread_name_prefix="bulk") as pool:
            working = [pool.submit(copy_context().run, self._work) for _ in range(threads)]
        return sum(work.result() for work in working)

    def _work(self) -> int:
        done, run_id = 0, self._job.run.pk
        try:
            with database_outages():
                while self._may_continue() and bulk_runs.state_of(run_id) == BulkState.RUNNING:
                    batch = bulk_batches.claim_batch(run_id, new_id(), settings.STOCK_LEASE)
                    if batch is None:
                        break
                    done += self._execute(batch)
                    self._progress()
        except Outage as outage:
            self.outage = outage
        return done

    def _execute(self, batch: Batch) -> bool:
        """Execute a batch; one that is not done is released. :returns: whether it is done."""
        finished = False
        try:
            unchanged = self._change(batch)
            finished = unchanged is not None and bulk_batches.finish_batch(batch, unchanged)
        finally:
            if not finished:
                with suppress(DatabaseError):
                    bulk_batches.release_batch(batch)
        return finished

    def _change(self, batch: Batch) -> list[Unchanged] | None:
        if is_batchable(self._job.transition):
            return change_together(self._job, batch)
        claim = _Claim(batch)
        return change_one_by_one(
            self._job, batch, may_continue=lambda: self._may_continue() and claim.holds(), releases=self.releases
        )

    def _may_continue(self) -> bool:
        return self.outage is None and not self._stopping()


class _Claim:
    """The claim on a batch that takes long: renewed now and then, while the run is still running."""

    def __init__(self, batch: Batch) -> None:
        self._batch, self._checked = batch, time.monotonic()

    def holds(self) -> bool:
        """:raises Outage:"""
        if time.monotonic() - self._checked < CHECK_EVERY:
            return True
        self._checked = time.monotonic()
        with database_outages():
            running = bulk_runs.state_of(self._batch.run_id) == BulkState.RUNNING
            return running and bulk_batches.renew_batch(self._batch, settings.STOCK_LEASE)
