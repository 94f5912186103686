"""Claims: lines that a guarded write put under an attempt, a lease. Only its holder may call inventory for them.

Every way to come by a claim stands here, but for the two that are part of a larger write (a new draft's, and that of a
transition which releases stock). What is done with one stands in `inventory_calls`.
"""

import random
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, nullcontext, suppress
from dataclasses import dataclass
from datetime import datetime, timedelta

from bson import ObjectId
from django.conf import settings
from django.db import DatabaseError
from django.utils.translation import gettext_noop
from tenacity import Retrying, retry_if_exception_type, stop_after_delay, wait_exponential_jitter

from integrations import Deadline
from observability.metrics import TRANSITIONS
from orders.models import DUE_STATES, Document, LineState, Order, Status, StockCall, moments
from orders.services.audit import Act
from orders.storage import line_stock, new_id, time_limit
from orders.storage.line_stock import LineStock
from orders.storage.order_writes import clear_attempt, guarded_write

INTERRUPTED = gettext_noop("The attempt ended without a result; its call may or may not have been made.")
ABANDONED = gettext_noop("Placing it was not finished in time.")


@dataclass(frozen=True)
class ClaimedLine:
    """A claimed line: what inventory is to be asked for it.

    :ivar repeat: an earlier attempt may have sent the same call.
    """

    index: int
    product_id: str
    quantity: int
    call: StockCall
    attempts: int
    repeat: bool = False


@dataclass(frozen=True)
class Claim:
    """Lines under one attempt; `lease` ends, on this process's clock, no later than the attempt does on mongod's."""

    order_id: ObjectId
    attempt: str
    lease: Deadline
    lines: tuple[ClaimedLine, ...]

    @property
    def guard(self) -> Document:
        """A guard: the attempt still holds all its lines."""
        return line_stock.held_by(self.attempt, (line.index for line in self.lines))

    def retrying(self, deadline: Deadline) -> Retrying:
        """Repeat a write while the database fails, until the deadline or the end of the lease.

        For what inventory answered, which nobody else knows.
        """
        return Retrying(
            retry=retry_if_exception_type(DatabaseError),
            stop=stop_after_delay(self.lease.sooner(deadline.remaining()).remaining()),
            wait=wait_exponential_jitter(multiplier=0.1, max=2, jitter=0.1),
            reraise=True,
        )


def new_lease() -> Deadline:
    """Start measuring a lease: before the write that claims, so that it ends here before it does on mongod's clock."""
    return Deadline.after(settings.STOCK_LEASE)


def beyond_deadline() -> float:
    """Seconds that the database has after the caller's time is up, to record what came of a call."""
    return float(settings.DATABASE_DEADLINE - settings.REQUEST_DEADLINE)


@contextmanager
def claiming(order_id: ObjectId, *, within: float | None = None, clears: bool = True) -> Iterator[tuple[str, Deadline]]:
    """Surround a write that claims lines: if it fails, nobody will be called under the attempt, and that is recorded.

    :param within: seconds that the write may take. It must end before the caller's own time at the database does, so
        that the failure can still be recorded; otherwise the calls would have to be treated as perhaps sent.
    :param clears: False where a line may have been under an earlier attempt: its call must not pass for one never sent.
    :yields: the id of the attempt, and its lease.
    :raises DatabaseError: as the write did.
    """
    attempt, lease = new_id(), new_lease()
    try:
        with nullcontext() if within is None else time_limit(within):
            yield attempt, lease
    except DatabaseError:
        if clears:
            with suppress(DatabaseError):
                clear_attempt(order_id, attempt)
        raise


def claim_of(document: Document, attempt: str, lease: Deadline, repeats: frozenset[int] = frozenset()) -> Claim | None:
    """The claim that an attempt holds on an order, read off the document as the claiming write left it.

    :param repeats: lines whose call an earlier attempt may have sent.
    :returns: None where the attempt holds no line.
    """
    lines = tuple(
        ClaimedLine(
            index, item["product_id"], item["quantity"], StockCall(item["stock"]["call"]),
            item["stock"]["attempts"], index in repeats,
        )
        for index, item in enumerate(document["items"])
        if (item["stock"].get("attempt") or {}).get("id") == attempt
    )  # fmt: skip
    if not lines:
        return None
    return Claim(document["_id"], attempt, lease, lines)


def claim_due(document: Document, now: datetime, act: Act) -> tuple[Document, Claim | None] | None:
    """Claim the lines of an order that are due: those never sent, and those whose attempt has expired.

    An expired attempt may have made its call. It is repeated where inventory honours idempotency keys; otherwise the
    line becomes `unknown`, for a person. A draft is never completed: what has not been sent for it is not sent at all.

    :param now: mongod's clock, read before the document was claimed (naive UTC).
    :returns: the document after it, and the claim if there is anything to call for; None where somebody was first.
    """
    due = {
        index: item["stock"]
        for index, item in enumerate(document["items"])
        if item["stock"]["state"] in DUE_STATES and not _is_live(item["stock"].get("attempt"), now)
    }
    repeats = frozenset(index for index, stock in due.items() if stock.get("attempt"))
    with claiming(document["_id"], clears=not repeats) as (attempt, lease):
        changes = {index: _claimed(stock, attempt, now) for index, stock in due.items()}
        written = write_lines(document["_id"], changes, act, guard=line_stock.as_seen(due))
    if written is None:
        return None
    return written, claim_of(written, attempt, lease, repeats)


def _is_live(attempt: Document | None, now: datetime) -> bool:
    return attempt is not None and attempt["until"] > now


def _claimed(stock: Document, attempt: str, now: datetime) -> LineStock:
    call, attempts = StockCall(stock["call"]), stock["attempts"]
    if held := stock.get("attempt"):
        remembered = now - held["until"] < timedelta(seconds=settings.INVENTORY_KEY_TTL)
        if not (settings.INVENTORY_HONOURS_IDEMPOTENCY_KEY and remembered):
            return LineStock(LineState.UNKNOWN, call, attempts=attempts, error=INTERRUPTED)
    elif call is StockCall.RESERVE:
        return LineStock(LineState.NONE, attempts=attempts, error=ABANDONED)
    return LineStock(stock["state"], call, attempt, settings.STOCK_LEASE, attempts + 1)


def reject_draft(document: Document, act: Act, *, within: float | None = None) -> Claim | None:
    """Reject a draft that has no open reservation left, and claim what is reserved for it, to release it.

    :param document: as just read or written; whether it is such a draft is decided by the write's guard.
    :param within: see :func:`claiming`.
    :returns: what is to be released; None where there is nothing to release, or it is not such a draft.
    """
    if document["status"] != Status.PLACING:
        return None
    draft = Order(status=Status.PLACING)
    draft.reject()
    with claiming(document["_id"], within=within) as (attempt, lease):
        rejected = guarded_write(
            document["_id"],
            guard={"status": Status.PLACING.value} | line_stock.NOT_RESERVING,
            entries=[act.entry("reject", source=Status.PLACING.value, target=draft.status)],
            fields={"status": draft.status, **moments(draft.status, act.at)},
            items=line_stock.lines_after(draft.stock_effect, attempt, settings.STOCK_LEASE),
            seen_at=act.at,
        )
    if rejected is None:
        return None
    TRANSITIONS.labels("reject", act.actor.via).inc()
    return claim_of(rejected, attempt, lease)


def write_lines(
    order_id: ObjectId,
    changes: Mapping[int, LineStock],
    act: Act,
    *,
    guard: Document,
    later: float = 0.0,
    write_id: str | None = None,
) -> Document | None:
    """Write new stock for some lines, with the final outcomes among them in the history.

    :param later: seconds before which nothing is to be tried again.
    :param write_id: see :func:`orders.storage.order_writes.guarded_write`.
    :returns: the document after it; None where the guard did not hold.
    """
    return guarded_write(
        order_id,
        guard=guard,
        entries=[_outcome_entry(index, change, act) for index, change in changes.items() if _is_final(change)],
        items=line_stock.lines_by_index(changes),
        retry_after=max(later, backoff(max((change.attempts for change in changes.values()), default=1))),
        write_id=write_id,
    )


def backoff(attempts: int) -> float:
    """Seconds until a call is tried again: exponential in its attempts, with jitter, bounded, never given up."""
    longest: float = settings.STOCK_RETRY_MAX_DELAY
    return min(longest, settings.STOCK_RETRY_DELAY * 2 ** min(attempts - 1, 30)) * random.uniform(0.5, 1)  # noqa: S311


def _is_final(change: LineStock) -> bool:
    return change.state in (LineState.NONE, LineState.RELEASED, LineState.UNKNOWN)


def _outcome_entry(index: int, change: LineStock, act: Act) -> Document:
    return act.entry("stock", target=str(change.state), line=index, reason=change.error)
