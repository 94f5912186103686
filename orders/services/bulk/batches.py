"""Execute one batch of a run. The orders' histories tell what was done: an order that has the run's transition was
changed by it, once, however often the batch is executed."""

import logging
from collections.abc import Callable, Iterator, Sequence

from bson import ObjectId
from django.db import DatabaseError
from django.utils.translation import gettext_noop

from observability.metrics import TRANSITIONS
from orders.models import (
    PUBLIC_STATUSES,
    Document,
    OrderOutcome,
    StockEffect,
    condition_words,
    edges_named,
    moments,
    stock_effect,
)
from orders.services.access import OrderNotFound
from orders.services.bulk.jobs import Job, target_of
from orders.services.bulk.outages import (
    Fault,
    Faults,
    Releases,
    check_releases,
    database_outages,
    fault_of,
    require_a_success,
    require_inventory,
)
from orders.services.errors import OrderError
from orders.services.lifecycle import transitions
from orders.services.lifecycle.allowed_transitions import TransitionRefused, refusal
from orders.storage import bulk_runs
from orders.storage.bulk_batches import Batch, Unchanged
from orders.storage.line_stock import lines_used
from orders.storage.order_writes import guard_of, guarded_write_many
from orders.storage.transition_stages import stages_of

logger = logging.getLogger(__name__)

CHANGED_MEANWHILE = gettext_noop("It was changed by somebody else meanwhile. Try it again.")
FAILED_HERE = gettext_noop("Internal error: %(error)s")


def change_together(job: Job, batch: Batch) -> list[Unchanged]:
    """Change the orders of a batch by one update for each source status.

    :returns: the orders that were not changed.
    :raises Outage: the database does not answer; some may have been changed.
    """
    ids = [key for key in batch.keys if isinstance(key, ObjectId)]
    faults: Faults = {}
    changed = _update(job, batch, ids, faults)
    TRANSITIONS.labels(job.transition, job.actor.via).inc(changed)
    require_a_success(job.run, faults, len(ids))
    if changed == len(batch.keys):
        return []
    with database_outages():
        return list(_unchanged(job, batch, faults))


def _update(job: Job, batch: Batch, ids: Sequence[ObjectId], faults: Faults) -> int:
    """Change these orders; a broken one, which mongod refuses to change, is found by halving.

    :returns: how many were changed.
    """
    act = job.act()
    stages = stages_of(job.transition, act.at, code=act.code)
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
                first=stages.first,
                then=stages.then,
            )
            for edge in edges_named(job.transition)
        )
    except DatabaseError as error:
        fault = fault_of(error)
    if len(ids) == 1:
        faults[ids[0]] = fault
        return 0
    middle = len(ids) // 2
    return sum(_update(job, batch, half, faults) for half in (ids[:middle], ids[middle:]))


def change_one_by_one(
    job: Job, batch: Batch, *, may_continue: Callable[[], bool], releases: Releases
) -> list[Unchanged] | None:
    """Change the orders of a batch one after the other, each with its calls to inventory.

    :param may_continue: asked before each order.
    :returns: the orders that were not changed; None if it was told to stop.
    :raises Outage: the database or inventory does not answer; the remaining orders were not touched.
    """
    with database_outages():
        changed = bulk_runs.changed_by(job.run, batch.keys)
        left = [key for key in batch.keys if key not in changed and isinstance(key, ObjectId)]
        products = bulk_runs.reserved_products(left)
    require_inventory(products)
    faults: Faults = {}
    for key in left:
        if not may_continue():
            return None
        if (order := _change_one(job, key, faults)) is not None:
            releases.changed += 1
            check_releases(order, releases, products)
    require_a_success(job.run, faults, len(left))
    with database_outages():
        return list(_unchanged(job, batch, faults))


def _change_one(job: Job, order_id: ObjectId, faults: Faults) -> Document | None:
    try:
        return transitions.change_status(order_id=order_id, transition=job.transition, act=job.act())
    except (TransitionRefused, OrderNotFound):
        return None  # reported at the end; this run may have changed it before it was interrupted
    except OrderError as error:
        faults[order_id] = Fault(error.detail)
    except DatabaseError as error:
        faults[order_id] = fault_of(error)
    except Exception as error:
        logger.exception("order %s: %s failed", order_id, job.transition)
        faults[order_id] = Fault(FAILED_HERE % {"error": repr(error)})
    return None


def _unchanged(job: Job, batch: Batch, faults: Faults) -> Iterator[Unchanged]:
    """The orders that the run has not changed, by the present state of all of them."""
    found = bulk_runs.orders_after(job.run, batch.keys)
    edges = {edge.source: edge for edge in edges_named(job.transition)}
    for index, key in enumerate(batch.keys):
        order, by_this_run = found.get(key, (None, False))
        if by_this_run:
            continue
        status = order and order.status
        if key in faults:
            yield Unchanged(index, OrderOutcome.FAILED, faults[key].reason)
        elif status not in PUBLIC_STATUSES:
            yield Unchanged(index, OrderOutcome.REFUSED, f"There is no order {key}.")
        elif status == target_of(job.transition):
            yield Unchanged(index, OrderOutcome.ALREADY, "")
        elif order and status in edges:
            yield Unchanged(index, OrderOutcome.REFUSED, condition_words(edges[status], order) or CHANGED_MEANWHILE)
        else:
            yield Unchanged(index, OrderOutcome.REFUSED, refusal(job.transition, status))
