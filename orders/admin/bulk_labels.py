"""Selections, states and outcomes of bulk runs in words, for the pages of the backoffice."""

from collections.abc import Iterator, Mapping
from datetime import datetime, timedelta
from typing import Any

from orders.admin import badges
from orders.admin.local_formats import minute
from orders.models import BulkRun, BulkState, OrderOutcome, transition_label
from orders.services import order_queries
from orders.services.access import Kind
from orders.services.bulk import NO_SUCH_ORDER, OrderResult, Plan, is_batchable, target_of

NO_WORKER_AFTER = timedelta(seconds=30)
"""How long a run may wait before its page asks whether a worker is running."""


def count(number: int, what: str) -> str:
    """`1 order`, `1,200 orders`."""
    return f"{number:,} {what}{'' if number == 1 else 's'}"


def action(transition: str, orders: str) -> str:
    """`Start processing 3 orders`, `Mark 3 orders as paid`."""
    verb, *state = transition_label(transition).partition(" as ")
    return f"{verb} {orders}{''.join(state)}"


def title(run: BulkRun) -> str:
    """`Mark 1,200 orders as shipped`."""
    return action(run.transition, count(run.total, "order") if run.selected else "orders")


def selection(given: Mapping[str, Any], *, named: bool = False) -> str:
    """Which orders were selected, of what `bulk_orders.as_given` keeps.

    :param named: look up what the customer and the product are called.
    :raises DatabaseError: they could not be looked up.
    """
    parts = list(_criteria(given, named=named))
    if "orders" in given:
        parts = [count(given["orders"], "selected order"), *parts]
    told = ", ".join(parts) or "all orders"
    return told if "limit" not in given else f"{told}; at most {given['limit']:,}, oldest first"


def _criteria(given: Mapping[str, Any], *, named: bool) -> Iterator[str]:
    if "status" in given:
        yield f"orders that are {' or '.join(given['status'])}"
    if user_id := given.get("user"):
        name = order_queries.customer_name(user_id) if named else ""
        yield f"of customer {_called(name, user_id)}"
    if product_id := given.get("product"):
        names = order_queries.product_names([product_id]) if named else {}
        yield f"with product {_called(names.get(product_id, ''), product_id)}"
    if "created_from" in given:
        yield f"placed from {_moment(given['created_from'])}"
    if "created_before" in given:
        yield f"placed before {_moment(given['created_before'])}"


def _called(name: str, key: str) -> str:
    return f"{name} ({key})" if name else key


def _moment(iso: str) -> str:
    return minute(datetime.fromisoformat(iso))


def state(run: BulkRun, now: datetime) -> str:
    """What a run is at, and what is to be done about it, in a sentence or two."""
    match run.state:
        case BulkState.SELECTING:
            told = f"Finding orders: {run.total:,} so far."
        case BulkState.QUEUED:
            told = "Waiting for a worker."
        case BulkState.RUNNING:
            told = "In progress."
        case BulkState.PAUSED if run.paused_until:
            seconds = max(1, round((run.paused_until - now).total_seconds()))
            told = f"Paused. Resumes automatically in {count(seconds, 'second')}: {run.last_error}"
        case BulkState.PAUSED:
            told = f"{_by_name(run.last_error)} Resume the run to continue."
        case BulkState.DONE:
            told = _how_it_went(run)
        case _:
            told = _by_name(run.last_error)
            if left := run.total - run.finished:
                told += f" Not processed: {count(left, 'order')}."
    return f"{told} {_who_executes_it(run, now)}".strip()


def _by_name(text: str) -> str:
    """The text with the names of staff as people know them, not as a history has them."""
    return text.replace(f"{Kind.STAFF}:", "")


def _how_it_went(run: BulkRun) -> str:
    if not run.total:
        return "No orders matched."
    if run.finished == run.done:
        return f"All orders are now {target_of(run.transition)}."
    return f"Not changed: {count(run.total - run.done, 'order')}."


def _who_executes_it(run: BulkRun, now: datetime) -> str:
    if run.is_over or run.state == BulkState.PAUSED:
        return ""
    if not run.for_worker:
        return "The command that started this run executes it. If that command has ended, resume the run here."
    if run.started_at is None and now - run.created_at > NO_WORKER_AFTER:
        return "No worker has picked it up yet. Check that one is running (manage.py run_worker)."
    return ""


def figures(plan: Plan, transition: str) -> Iterator[tuple[str, str]]:
    """What a plan says, and how much."""
    yield f"Will become {target_of(transition)}", f"{plan.can:,}"
    yield f"Already {target_of(transition)}", f"{plan.already:,}"
    yield "Will be skipped", f"{plan.cannot:,}"
    if not is_batchable(transition):
        yield "Units released", "too many to count" if plan.units is None else f"{plan.units:,}"


def refusals(plan: Plan) -> list[tuple[str, str]]:
    """How many orders cannot take the transition, and why; most first."""
    by_number = sorted(plan.refused.items(), key=lambda pair: -pair[1])
    return [
        (count(number, "order"), "Draft or rejected, or no longer exists." if why == NO_SUCH_ORDER else why)
        for why, number in by_number
    ]


def reason(result: OrderResult) -> str:
    """Why an order was not changed. Drafts are no orders to anybody but staff, who see them."""
    is_draft = result.number and result.reason == f"There is no order {result.order_id}."
    return "Draft or rejected order." if is_draft else result.reason


def tabs(run: BulkRun) -> Iterator[tuple[str, str]]:
    """The filters of a run's results, with how many orders each has."""
    yield "problems", f"Skipped or failed ({run.refused + run.failed:,})"
    yield "all", f"All ({run.total:,})"
    waiting = OrderOutcome.WAITING, run.total - run.finished
    for outcome, number in ((OrderOutcome.DONE, run.done), (OrderOutcome.ALREADY, run.already), waiting):
        if number:
            yield outcome.value, f"{outcome.label} ({number:,})"


def progress(run: BulkRun, now: datetime) -> dict[str, Any]:
    """What the moving part of a run's page shows."""
    return {
        "run": run,
        "badge": badges.of(BulkState(run.state)),
        "told": state(run, now),
        "percent": run.finished * 100 // run.total if run.selected and run.total else None,
        "figures": [
            (f"Now {target_of(run.transition)}", f"{run.done:,}"),
            ("Already done", f"{run.already:,}"),
            ("Skipped", f"{run.refused:,}"),
            ("Failed", f"{run.failed:,}"),
            ("Remaining", f"{run.total - run.finished:,}"),
        ],
        "processed": f"{run.finished:,} of {run.total:,}{'' if run.selected else ' found so far'}",
    }
