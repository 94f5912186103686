"""One transition of thousands of orders: recorded as a run, carried out batch by batch, resumed where it was cut off.

`plan` says what would happen; `start_run` records a run; `carry_on` (by whoever started it) or `carry_on_any` (by the
workers) carries it out; `results` tells what became of each order. See docs/architecture.md, Bulk runs.
"""

from orders.services.bulk.executor import carry_on, carry_on_any
from orders.services.bulk.planning import Plan, plan
from orders.services.bulk.results import PROBLEMS, OrderResult, results
from orders.services.bulk.runs import (
    NothingSelected,
    RunExists,
    RunIsOver,
    RunNotFound,
    UnknownTransition,
    cancel_run,
    get_run,
    is_together,
    pause_run,
    resume_run,
    start_run,
)

__all__ = [
    "PROBLEMS",
    "NothingSelected",
    "OrderResult",
    "Plan",
    "RunExists",
    "RunIsOver",
    "RunNotFound",
    "UnknownTransition",
    "cancel_run",
    "carry_on",
    "carry_on_any",
    "get_run",
    "is_together",
    "pause_run",
    "plan",
    "results",
    "resume_run",
    "start_run",
]
