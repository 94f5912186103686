"""Finishing what is owed: the worker's part of the stock protocol. Any number of workers may run at once."""

import logging
from collections.abc import Callable
from contextlib import nullcontext
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from bson import ObjectId
from django.conf import settings
from django.db import DatabaseError
from django.utils import timezone

from integrations import Deadline
from observability import context
from observability.metrics import WORKER_ORDERS
from orders.models.states import OWED_STATES, Call, LineState
from orders.services.access import Actor
from orders.services.audit import Act
from orders.services.stock.claims import ABSENT, Claim, claim_of, claiming, new_lease
from orders.services.stock.inventory_calls import settle, talk, turn_away, write_lines
from orders.storage import order_reads
from orders.storage.database import Document, is_outage
from orders.storage.order_writes import LineStock, new_id, postpone

logger = logging.getLogger(__name__)

LAPSED = "The attempt that held it ended without saying how; its call may or may not have been made."
ABANDONED = "Placing it was not finished in time."
PUT_OFF = 60.0
"""Seconds until an order that could not be settled for a fault of ours is looked at again."""
BEHIND_OTHERS = 1.0
"""The same, where the database did not answer, perhaps only for this one. Where it takes nothing, the pass ends."""


@dataclass
class Pass:
    """What one pass of a worker did."""

    orders: int = 0
    failed: int = 0


def settle_due(*, actor: Actor, limit: int = 100, stopping: Callable[[], bool] = lambda: False) -> Pass:
    """Settle every order whose stock is due, at most `limit` of them; one bad order never stops the rest.

    :param stopping: asked between orders whether to leave the rest for another time.
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
                    _put_off(order_id, PUT_OFF)
                    continue
                logger.warning("order %s: the database does not answer: %s", order_id, error.__cause__ or error)
                if not _put_off(order_id, BEHIND_OTHERS):
                    break
    return done


def settle_order(*, order_id: ObjectId, act: Act) -> bool:
    """Do what one order owes, as far as it is due and inventory answers.

    :returns: False where there was nothing to do, or somebody else is at it.
    :raises DatabaseError: what is owed stays owed.
    """
    document, now = order_reads.get_whole(order_id), order_reads.server_time()
    if document is None or not _is_due(document, now):
        return False
    claimed = claim_due(document, now, act)
    if claimed is None:
        return False
    document, claim = claimed
    if claim:
        document = _talk_and_settle(claim, act)
    if document and (release := turn_away(document, act)):
        _talk_and_settle(release, act)
    return True


def _talk_and_settle(claim: Claim, act: Act) -> Document | None:
    # Nothing is sent late in a lease: what is at work when it ends could meet a repetition, or another's call.
    outcomes = talk(claim, deadline=Deadline.after(settings.REQUEST_DEADLINE), background=True)
    return settle(claim, outcomes, act, deadline=claim.lease)


def claim_due(document: Document, now: datetime, act: Act) -> tuple[Document, Claim | None] | None:
    """Claim the lines of an order that are due: those never sent, and those whose attempt has expired.

    An expired attempt may have made its call. It is repeated where inventory honours idempotency keys; otherwise the
    line becomes `unknown`, for a person. A draft is not rolled forward: what was never sent for it need not be.

    :param now: mongod's clock, read before the document was claimed (naive UTC).
    :returns: the document after it, and the claim if there is anything to call for; None where somebody was first.
    """
    attempt, lease = new_id(), new_lease()
    due = {
        index: item["stock"]
        for index, item in enumerate(document["items"])
        if item["stock"]["state"] in OWED_STATES and not _is_live(item["stock"].get("attempt"), now)
    }
    guard: Document = {f"items.{index}.stock.state": stock["state"] for index, stock in due.items()}
    for index, stock in due.items():
        held = f"items.{index}.stock.attempt"
        guard |= {held: stock["attempt"]} if stock.get("attempt") else {f"{held}.id": ABSENT}
    changes = {index: _claimed(stock, attempt, now) for index, stock in due.items()}
    repeats = frozenset(index for index, stock in due.items() if stock.get("attempt"))
    # What may have been sent under an earlier attempt must not be taken for never sent: then nothing is disowned.
    with nullcontext() if repeats else claiming(document["_id"], attempt):
        written = write_lines(document["_id"], changes, act, guard=guard)
    if written is None:
        return None
    return written, claim_of(written, attempt, lease, repeats)


def _is_live(attempt: Document | None, now: datetime) -> bool:
    return attempt is not None and attempt["until"] > now


def _claimed(stock: Document, attempt: str, now: datetime) -> LineStock:
    call, attempts = Call(stock["call"]), stock["attempts"]
    if held := stock.get("attempt"):
        remembered = now - held["until"] < timedelta(seconds=settings.INVENTORY_KEY_TTL)
        if not (settings.INVENTORY_HONOURS_IDEMPOTENCY_KEY and remembered):
            return LineStock(LineState.UNKNOWN, call, attempts=attempts, error=LAPSED)
    elif call is Call.RESERVE:
        return LineStock(LineState.NONE, attempts=attempts, error=ABANDONED)
    return LineStock(stock["state"], call, attempt, settings.STOCK_LEASE, attempts + 1)


def _is_due(document: Document, now: datetime) -> bool:
    due = document.get("stock_due_at")
    return bool(due and due <= now)


def _put_off(order_id: ObjectId, seconds: float) -> bool:
    try:
        postpone(order_id, seconds)
    except DatabaseError:
        logger.warning("order %s: could not be put off", order_id)
        return False
    return True
