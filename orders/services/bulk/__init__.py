"""One transition of many orders: recorded as a run, executed batch by batch, resumed after an interruption.

`plan` says what would happen; `start_run` records a run; `execute_run` (by the process that started it) or
`execute_pending_runs` (by the workers) executes it; `results` tells the outcome of each order. See
docs/architecture.md, Bulk runs. The edges import this package only.
"""

from orders.services.bulk.executor import execute_if_small, execute_pending_runs, execute_run
from orders.services.bulk.jobs import is_batchable, target_of
from orders.services.bulk.planning import NO_SUCH_ORDER, Plan, counted_within, plan
from orders.services.bulk.results import (
    FILTERS,
    POSITION,
    PROBLEMS,
    OrderResult,
    is_position,
    report_csv,
    report_json,
    results,
    results_page,
)
from orders.services.bulk.runs import (
    NothingSelected,
    RunExists,
    RunIsOver,
    RunNotFound,
    UnknownTransition,
    cancel_run,
    get_run,
    pause_run,
    resume_run,
    run_id_for,
    start_run,
)
from orders.services.bulk.selecting import TooManyBatches

__all__ = [
    "FILTERS", "NO_SUCH_ORDER", "POSITION", "PROBLEMS", "NothingSelected", "OrderResult", "Plan", "RunExists",
    "RunIsOver", "RunNotFound", "TooManyBatches", "UnknownTransition", "cancel_run", "counted_within",
    "execute_if_small", "execute_pending_runs", "execute_run", "get_run", "is_batchable", "is_position", "pause_run",
    "plan", "report_csv", "report_json", "results", "results_page", "resume_run", "run_id_for", "start_run",
    "target_of",
]  # fmt: skip
