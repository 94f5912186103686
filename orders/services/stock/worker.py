"""The worker's part of the stock protocol: finishing what is due. Any number of workers may run at once."""

import logging
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import datetime

from bson import ObjectId
from django.conf import settings
from django.db import DatabaseError
from django.utils import timezone

from observability import context
from observability.metrics import WORKER_ORDERS
from orders.models import Document
from orders.services.access import Actor
from orders.services.audit import Act
from orders.services.stock.claims import ABANDONED, Claim, claim_due, reject_draft
from orders.services.stock.inventory_calls import call_inventory, record_outcomes
from orders.storage import is_outage, order_reads
from orders.storage.order_writes import postpone

logger = logging.getLogger(__name__)

FAULT_DELAY = 60.0
"""Seconds until an order that could not be settled because of a fault of ours is tried again."""
OUTAGE_DELAY = 1.0
"""The same where the database did not answer, perhaps only for this order. Where it takes no writes, the pass ends."""


@dataclass
class Pass:
    """What one pass of a worker did."""

    orders: int = 0
    failed: int = 0


def settle_due(*, actor: Actor, limit: int = 100, stopping: Callable[[], bool] = lambda: False) -> Pass:
    """Settle the orders whose stock is due, at most `limit` of them; one that fails never stops the rest.

    :param stopping: asked between orders whether to leave the rest for later.
    :raises DatabaseError: if not even the list of due orders can be read.
    """
    done = Pass()
    for order_id in order_reads.due_orders(order_reads.server_time(), limit):
        if stopping():
            break
        with context.work(order_id=str(order_id)) as request_id:
            act = Act(replace(actor, request_id=request_id), timezone.now(), ABANDONED)
            try:
                settled = settle_order(order_id=order_id, act=act)
                done.orders += settled
                WORKER_ORDERS.labels("settled" if settled else "left_alone").inc()
            except Exception as error:
                done.failed += 1
                WORKER_ORDERS.labels("failed").inc()
                if not is_outage(error):
                    logger.exception("order %s: its stock could not be settled", order_id)
                    _postpone(order_id, FAULT_DELAY)
                    continue
                logger.warning("order %s: the database does not answer: %s", order_id, error.__cause__ or error)
                if not _postpone(order_id, OUTAGE_DELAY):
                    break
    return done


def settle_order(*, order_id: ObjectId, act: Act) -> bool:
    """Settle one order: do what is due for its stock, as far as inventory answers.

    :returns: False where there was nothing to do, or another worker is settling it.
    :raises DatabaseError: what was due stays due.
    """
    document, now = order_reads.get_whole(order_id), order_reads.server_time()
    if document is None or not _is_due(document, now):
        return False
    claimed = claim_due(document, now, act)
    if claimed is None:
        return False
    document, claim = claimed
    if claim:
        document = _carry_out(claim, act)
    if document and (release := reject_draft(document, act)):
        _carry_out(release, act)
    return True


def _carry_out(claim: Claim, act: Act) -> Document | None:
    # Nothing is sent late in a lease: a call still running when it ends could meet its repetition, or another's call.
    outcomes = call_inventory(claim, deadline=claim.lease.sooner(settings.REQUEST_DEADLINE), background=True)
    return record_outcomes(claim, outcomes, act, deadline=claim.lease)


def _is_due(document: Document, now: datetime) -> bool:
    due = document.get("stock_due_at")
    return bool(due and due <= now)


def _postpone(order_id: ObjectId, seconds: float) -> bool:
    try:
        postpone(order_id, seconds)
    except DatabaseError:
        logger.warning("order %s: could not be postponed", order_id)
        return False
    return True
