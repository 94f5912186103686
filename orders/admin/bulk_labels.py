"""Selections, states and outcomes of bulk runs in words, for the pages of the backoffice."""

import re
from collections.abc import Iterator, Mapping
from datetime import datetime, timedelta
from functools import reduce
from typing import Any

from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, ngettext, ngettext_lazy, pgettext_lazy

from orders.admin import badges, labels
from orders.admin.local_formats import count, minute
from orders.models import BulkRun, BulkState, OrderOutcome, Status
from orders.services import order_queries
from orders.services.access import Kind
from orders.services.bulk import NO_SUCH_ORDER, OrderResult, Plan, is_batchable, target_of
from orders.services.stored_texts import for_reader

ACTOR = re.compile(rf"\b(?:{'|'.join(Kind)}):\S+?(?=[.]?(?:\s|$))")
"""Who acted, as what is kept of a run names them."""
NO_WORKER_AFTER = timedelta(seconds=30)
"""How long a run may wait before its page asks whether a worker is running."""
SOME = {
    "pay": ngettext_lazy("Mark %(orders)s order as paid", "Mark %(orders)s orders as paid", "number"),
    "start_processing": ngettext_lazy(
        "Start processing %(orders)s order", "Start processing %(orders)s orders", "number"
    ),
    "ship": ngettext_lazy("Mark %(orders)s order as shipped", "Mark %(orders)s orders as shipped", "number"),
    "deliver": ngettext_lazy("Mark %(orders)s order as delivered", "Mark %(orders)s orders as delivered", "number"),
    "cancel": ngettext_lazy("Cancel %(orders)s order", "Cancel %(orders)s orders", "number"),
    "refund": ngettext_lazy("Refund %(orders)s order", "Refund %(orders)s orders", "number"),
}
"""A transition of so many orders; `number` is what `orders` has as the reader writes it."""
ANY_NUMBER = {
    "pay": gettext_lazy("Mark orders as paid"),
    "start_processing": gettext_lazy("Start processing orders"),
    "ship": gettext_lazy("Mark orders as shipped"),
    "deliver": gettext_lazy("Mark orders as delivered"),
    "cancel": gettext_lazy("Cancel orders"),
    "refund": gettext_lazy("Refund orders"),
}
"""A transition of orders that nobody has counted yet."""
STATUSES = {
    Status.PENDING: pgettext_lazy("orders that are …", "pending"),
    Status.PAID: pgettext_lazy("orders that are …", "paid"),
    Status.PROCESSING: pgettext_lazy("orders that are …", "processing"),
    Status.SHIPPED: pgettext_lazy("orders that are …", "shipped"),
    Status.DELIVERED: pgettext_lazy("orders that are …", "delivered"),
    Status.CANCELLED: pgettext_lazy("orders that are …", "cancelled"),
    Status.REFUNDED: pgettext_lazy("orders that are …", "refunded"),
}
"""The statuses within a sentence."""


def orders(number: int) -> str:
    """`1 order`, `1,200 orders`."""
    return ngettext("%(orders)s order", "%(orders)s orders", number) % {"orders": count(number)}


def action(transition: str, number: int) -> str:
    """`Start processing 3 orders`, `Mark 1 order as paid`."""
    return SOME[transition] % {"orders": count(number), "number": number}


def started_by(run: BulkRun) -> str:
    """Who started a run, and from where."""
    return f"{labels.person(run.actor)}, {labels.WAYS.get(run.via, run.via)}"


def title(run: BulkRun) -> str:
    """`Mark 1,200 orders as shipped`; what only a newer version knows has its bare name."""
    if run.transition not in SOME:
        return run.transition
    return action(run.transition, run.total) if run.selected else str(ANY_NUMBER[run.transition])


def target(transition: str) -> str:
    """The status that a transition leads to, as it stands in a sentence: `shipped`."""
    return str(STATUSES[Status(target_of(transition))])


def selection(given: Mapping[str, Any], *, named: bool = False) -> str:
    """Which orders were selected, of what `bulk_orders.as_given` keeps.

    :param named: look up what the customer and the product are called.
    :raises DatabaseError: they could not be looked up.
    """
    told = ", ".join(_criteria(given, named=named)) or _("all orders")
    if "limit" not in given:
        return told
    return _("%(orders)s; at most %(limit)s, oldest first") % {"orders": told, "limit": count(given["limit"])}


def _criteria(given: Mapping[str, Any], *, named: bool) -> Iterator[str]:
    if "orders" in given:
        number = given["orders"]
        told = ngettext("%(orders)s selected order", "%(orders)s selected orders", number)
        yield told % {"orders": count(number)}
    if "status" in given:
        yield _("orders that are %(statuses)s") % {"statuses": reduce(_or, map(_status, given["status"]))}
    if user_id := given.get("user"):
        name = order_queries.customer_name(user_id) if named else ""
        yield _("of customer %(customer)s") % {"customer": _called(name, user_id)}
    if product_id := given.get("product"):
        names = order_queries.product_names([product_id]) if named else {}
        yield _("with product %(product)s") % {"product": _called(names.get(product_id, ""), product_id)}
    if "created_from" in given:
        yield _("placed from %(moment)s") % {"moment": _moment(given["created_from"])}
    if "created_before" in given:
        yield _("placed before %(moment)s") % {"moment": _moment(given["created_before"])}


def _status(value: str) -> str:
    return str(STATUSES[Status(value)])


def _or(several: str, last: str) -> str:
    return _("%(several)s or %(last)s") % {"several": several, "last": last}


def _called(name: str, key: str) -> str:
    return f"{name} ({key})" if name else key


def _moment(iso: str) -> str:
    return minute(datetime.fromisoformat(iso))


def state(run: BulkRun, now: datetime) -> str:
    """What a run is at, and what is to be done about it, in a sentence or two."""
    match run.state:
        case BulkState.SELECTING:
            told = _("Finding orders: %(number)s so far.") % {"number": count(run.total)}
        case BulkState.QUEUED:
            told = _("Waiting for a worker.")
        case BulkState.RUNNING:
            told = _("In progress.")
        case BulkState.PAUSED if run.paused_until:
            told = _paused(run, max(1, round((run.paused_until - now).total_seconds())))
        case BulkState.PAUSED:
            told = " ".join([_why(run), _("Resume the run to continue.")])
        case BulkState.DONE:
            told = _how_it_went(run)
        case _:
            told = " ".join([_why(run), _left(run.total - run.finished)])
    return " ".join([told, _who_executes_it(run, now)]).strip()


def _why(run: BulkRun) -> str:
    """Why it is not under way, with the names of staff as people know them, not as a history has them."""
    return ACTOR.sub(lambda found: labels.person(found[0]), for_reader(run.last_error))


def _paused(run: BulkRun, seconds: int) -> str:
    told = ngettext(
        "Paused. Resumes automatically in %(seconds)s second: %(error)s",
        "Paused. Resumes automatically in %(seconds)s seconds: %(error)s",
        seconds,
    )
    return told % {"seconds": count(seconds), "error": _why(run)}


def _left(number: int) -> str:
    told = ngettext("Not processed: %(orders)s order.", "Not processed: %(orders)s orders.", number)
    return told % {"orders": count(number)} if number else ""


def _how_it_went(run: BulkRun) -> str:
    if not run.total:
        return _("No orders matched.")
    if run.finished == run.done:
        return _("All orders are now %(status)s.") % {"status": target(run.transition)}
    unchanged = run.total - run.done
    told = ngettext("Not changed: %(orders)s order.", "Not changed: %(orders)s orders.", unchanged)
    return told % {"orders": count(unchanged)}


def _who_executes_it(run: BulkRun, now: datetime) -> str:
    if run.is_over or run.state == BulkState.PAUSED:
        return ""
    if not run.for_worker:
        return _("The command that started this run executes it. If that command has ended, resume the run here.")
    if run.started_at is None and now - run.created_at > NO_WORKER_AFTER:
        return _("No worker has picked it up yet. Check that one is running (manage.py run_worker).")
    return ""


def figures(plan: Plan, transition: str) -> Iterator[tuple[str, str]]:
    """What a plan says, and how much."""
    become = {"status": target(transition)}
    yield _("Will become %(status)s") % become, count(plan.can)
    yield _("Already %(status)s") % become, count(plan.already)
    yield _("Will be skipped"), count(plan.cannot)
    if not is_batchable(transition):
        yield _("Units released"), _("too many to count") if plan.units is None else count(plan.units)


def refusals(plan: Plan) -> list[tuple[str, str]]:
    """How many orders cannot take the transition, and why; most first."""
    by_number = sorted(plan.refused.items(), key=lambda pair: -pair[1])
    return [
        (orders(number), _("Draft or rejected, or no longer exists.") if why == NO_SUCH_ORDER else why)
        for why, number in by_number
    ]


def reason(result: OrderResult) -> str:
    """Why an order was not changed. Drafts are no orders to anybody but staff, who see them."""
    if result.reason != f"There is no order {result.order_id}.":
        return for_reader(result.reason)
    if result.number:
        return _("Draft or rejected order.")
    return _("There is no order %(order)s.") % {"order": result.order_id}


def tabs(run: BulkRun) -> Iterator[tuple[str, str]]:
    """The filters of a run's results, with how many orders each has."""
    yield "problems", _("Skipped or failed (%(orders)s)") % {"orders": count(run.refused + run.failed)}
    yield "all", _("All (%(orders)s)") % {"orders": count(run.total)}
    waiting = OrderOutcome.WAITING, run.total - run.finished
    for outcome, number in ((OrderOutcome.DONE, run.done), (OrderOutcome.ALREADY, run.already), waiting):
        if number:
            yield outcome.value, f"{outcome.label} ({count(number)})"


def progress(run: BulkRun, now: datetime) -> dict[str, Any]:
    """What the moving part of a run's page shows."""
    percent = run.finished * 100 // run.total if run.selected and run.total else None
    return {
        "run": run,
        "badge": badges.of(BulkState(run.state)),
        "told": state(run, now),
        "percent": percent,
        "figures": [
            (_("Now %(status)s") % {"status": target(run.transition)}, count(run.done)),
            (_("Already done"), count(run.already)),
            (_("Skipped"), count(run.refused)),
            (_("Failed"), count(run.failed)),
            (_("Remaining"), count(run.total - run.finished)),
        ],
        "processed": _processed(run, percent),
    }


def _processed(run: BulkRun, percent: int | None) -> str:
    told = {"finished": count(run.finished), "total": count(run.total), "percent": percent}
    if not run.selected:
        return _("Processed: %(finished)s of %(total)s found so far") % told
    if percent is None:
        return _("Processed: %(finished)s of %(total)s") % told
    return _("Processed: %(finished)s of %(total)s (%(percent)s %%)") % told
