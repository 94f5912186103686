"""Execute runs: any number of processes and threads may work on one run at once, and any of them may be killed.

The steps of one are in `run_steps`.
"""

import logging
import random
from collections.abc import Callable

from bson import ObjectId

from integrations import Deadline
from observability import context
from orders.models import BulkRun, BulkState
from orders.services.bulk.jobs import is_batchable
from orders.services.bulk.run_steps import Execution
from orders.services.words import in_english
from orders.storage import bulk_runs

logger = logging.getLogger(__name__)

FEW, FEW_RELEASING = 100, 20
"""Orders of a small run."""
MOMENT = 3.0
"""Seconds that the caller waits for a small run."""


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
        return Execution(run_id, threads, until, stopping, progress).execute()


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
        execution = Execution(run_id, None, until, stopping, lambda _: None)
        with context.work(str(run_id), run_id=str(run_id)):
            try:
                execution.execute()
            except Exception:
                logger.exception("run %s could not be executed", run_id)
        worked = worked or execution.worked
    return worked
