"""An order's stock: claim first, then talk to inventory, then settle what is known.

A *claim* is a guarded write that puts lines under an attempt (a lease); only its holder may call inventory for them.
*Talking* makes one call a line and yields an :class:`Outcome` each. *Settling* writes the outcomes, matching the
attempt. A claim that cannot be settled (a crash, a database error) lapses; `settlement` then takes over.
"""

import logging
import random
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from functools import partial
from typing import cast

from bson import ObjectId
from django.conf import settings
from django.db import DatabaseError
from tenacity import Retrying, retry_if_exception_type, stop_after_delay, wait_exponential_jitter

from integrations import Deadline, OutcomeUnknown, PeerError, PeerRefused, PeerUnavailable, gather, inventory
from observability.metrics import TRANSITIONS
from orders.models.machine import moments
from orders.models.order import Order
from orders.models.states import OWED_STATES, Call, LineState, Status
from orders.services.audit import Act
from orders.services.stock.claims import Claim, Line, claim_of, claiming, new_lease
from orders.services.stock.inventory_turns import NoTurn, turn
from orders.storage.database import Document
from orders.storage.order_writes import LineStock, guarded_write, lines_by_index, lines_released, new_id

logger = logging.getLogger(__name__)


Answer = int | PeerError
"""What a call came to: units that were reserved or released, or what went wrong."""


class Result(StrEnum):
    DONE = "done"
    REFUSED = "refused"
    NOT_SENT = "not_sent"
    UNKNOWN = "unknown"


@dataclass(frozen=True)
class Outcome:
    """What is known after a call.

    :ivar quantity: what inventory says it reserved or released.
    :ivar detail: what went wrong, for people.
    :ivar retry_after: seconds for which inventory asked to be left alone.
    :ivar had_no_turn: it was not sent since others were calling for the product, which is no fault of inventory.
    """

    result: Result
    quantity: int = 0
    detail: str = ""
    retry_after: float = 0.0
    had_no_turn: bool = False


def talk(claim: Claim, *, deadline: Deadline, retries: bool = False, background: bool = False) -> dict[int, Outcome]:
    """Ask inventory for every line of a claim: products side by side, lines of one product one after the other.

    :param deadline: when the caller's time is up; the lease ends it too.
    :param retries: whether to repeat, within the deadline, what may be repeated.
    :param background: nobody waits for it: where a call that is lost could not be repeated, make sure first, by a
        read, that inventory answers at all.
    :returns: an outcome for each line, by index.
    """
    until = claim.lease.sooner(deadline.remaining())
    by_product: dict[str, list[Line]] = {}
    for line in claim.lines:
        by_product.setdefault(line.product_id, []).append(line)
    of_products = gather(
        *(partial(_ask_in_order, claim.order_id, lines, until, retries, background) for lines in by_product.values())
    )
    answers: dict[int, Answer] = {}
    for of_product in of_products:
        answers |= cast("dict[int, Answer]", of_product)  # errors are among the answers
    return {line.index: _outcome(answers[line.index]) for line in claim.lines}


def _ask_in_order(
    order_id: ObjectId, lines: list[Line], deadline: Deadline, retries: bool, background: bool
) -> dict[int, Answer]:
    """Ask for lines of one product; once there was no turn, or it is not given back, nobody waits for another."""
    answers: dict[int, Answer] = {}
    stuck = False
    for line in lines:
        if stuck:
            answers[line.index] = NoTurn("the call before had no turn, or may still be under way")
            continue
        try:
            answers[line.index] = _ask(order_id, line, deadline, retries, background)
        except PeerError as error:
            answers[line.index] = error
            stuck = not settings.INVENTORY_IS_ATOMIC and isinstance(error, NoTurn | OutcomeUnknown)
    return answers


def _ask(order_id: ObjectId, line: Line, deadline: Deadline, retries: bool, background: bool) -> int:
    ask = inventory.reserve if line.call is Call.RESERVE else inventory.release
    try:
        if background and not settings.INVENTORY_HONOURS_IDEMPOTENCY_KEY:
            inventory.probe(product_id=line.product_id, deadline=deadline)
        with turn(line.product_id, deadline, patient=line.call is Call.RESERVE and not background) as until:
            return ask(
                line.product_id,
                line.quantity,
                order_id=str(order_id),
                key=f"{order_id}:{line.index}:{line.call.value}",
                deadline=until,
                retries=retries,
                sent_before=line.repeat,
            ).quantity
    except PeerError:
        raise
    except Exception as error:
        # A fault of ours must not cost the other lines what is known of them.
        logger.exception("order %s: asking inventory about line %s failed", order_id, line.index)
        raise OutcomeUnknown("inventory", f"asking failed here: {error!r}") from error


def _outcome(answer: Answer) -> Outcome:
    if isinstance(answer, int):
        return Outcome(Result.DONE, quantity=answer)
    result = Result.UNKNOWN
    if isinstance(answer, PeerRefused):
        result = Result.REFUSED
    elif isinstance(answer, PeerUnavailable):
        result = Result.NOT_SENT
    no_turn = isinstance(answer, NoTurn)
    return Outcome(result, detail=answer.detail, retry_after=answer.retry_after or 0.0, had_no_turn=no_turn)


def settle(claim: Claim, outcomes: Mapping[int, Outcome], act: Act, *, deadline: Deadline) -> Document | None:
    """Write what is known of a claim's lines; tried anew until the deadline or the end of the lease.

    :returns: the document after it; None where the attempt no longer holds the lines.
    :raises DatabaseError: nothing is known; the lease lapses and a worker takes over.
    """
    changes = {line.index: _settled(line, claim.attempt, outcomes[line.index]) for line in claim.lines}
    held = {f"items.{line.index}.stock.attempt.id": claim.attempt for line in claim.lines}
    owed = (outcomes[index] for index, change in changes.items() if change.state in OWED_STATES)
    later = min(max((outcome.retry_after for outcome in owed), default=0.0), settings.STOCK_RETRY_MAX_DELAY)
    # One write id for all tries: a try that landed, and whose answer was lost, is known by it.
    again = persistently(claim, deadline)
    return again(write_lines, claim.order_id, changes, act, guard=held, later=later, write_id=new_id())


def persistently(claim: Claim, deadline: Deadline) -> Retrying:
    """Try a write anew while the database fails, until the deadline or the end of the lease: what inventory answered is
    known to nobody else."""
    return Retrying(
        retry=retry_if_exception_type(DatabaseError),
        stop=stop_after_delay(claim.lease.sooner(deadline.remaining()).remaining()),
        wait=wait_exponential_jitter(multiplier=0.1, max=2, jitter=0.1),
        reraise=True,
    )


def _settled(line: Line, attempt: str, outcome: Outcome) -> LineStock:
    """A line's stock after a call, by the table of outcomes in docs/peers.md."""
    reserve = line.call is Call.RESERVE
    unknown = outcome.result is Result.UNKNOWN
    match outcome.result:
        case Result.DONE if reserve:
            return LineStock(LineState.RESERVED, attempts=line.attempts)
        case Result.REFUSED if reserve:
            return LineStock(LineState.NONE, attempts=line.attempts, error=outcome.detail)
        case Result.DONE | Result.REFUSED:
            return _released(line, outcome)
        case _ if line.repeat or (unknown and settings.INVENTORY_HONOURS_IDEMPOTENCY_KEY):
            # It may have acted, or act yet, and may be repeated: the line stays under its attempt for a whole lease, so
            # that a refusal of the repeat cannot be overtaken by the call that went before.
            return _owed(line, outcome, attempt, settings.STOCK_LEASE)
        case Result.UNKNOWN:
            return LineStock(LineState.UNKNOWN, line.call, attempts=line.attempts, error=outcome.detail)
        case _ if reserve:
            # Never sent, and a draft whose reserve could not be sent is turned away: nothing is owed.
            return LineStock(LineState.NONE, attempts=line.attempts - outcome.had_no_turn, error=outcome.detail)
        case _:
            return _owed(line, outcome)


def _released(line: Line, outcome: Outcome) -> LineStock:
    missing = line.quantity - outcome.quantity
    if missing <= 0:
        return LineStock(LineState.RELEASED, attempts=line.attempts)
    error = outcome.detail or f"inventory released {outcome.quantity} of {line.quantity}"
    return LineStock(LineState.RELEASED, attempts=line.attempts, error=error, discrepancy=missing)


def _owed(line: Line, outcome: Outcome, attempt: str | None = None, lease: float = 0.0) -> LineStock:
    state = LineState.RESERVING if line.call is Call.RESERVE else LineState.RELEASING
    attempts = line.attempts - outcome.had_no_turn  # it was none
    return LineStock(state, line.call, attempt, lease, attempts, outcome.detail)


def backoff(attempts: int) -> float:
    """Seconds until a call is tried again: exponential in its attempts, with jitter, bounded, never given up."""
    longest: float = settings.STOCK_RETRY_MAX_DELAY
    return min(longest, settings.STOCK_RETRY_DELAY * 2 ** min(attempts - 1, 30)) * random.uniform(0.5, 1)  # noqa: S311


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
        entries=[_outcome_entry(index, change, act) for index, change in changes.items() if _final(change)],
        items=lines_by_index(changes),
        retry_after=max(later, backoff(max((change.attempts for change in changes.values()), default=1))),
        write_id=write_id,
    )


def turn_away(document: Document, act: Act, *, within: float | None = None) -> Claim | None:
    """Reject a draft that has no reservation open any more, and claim what is reserved of it for its release.

    :param document: as just read or written; whether it is such a draft is decided by the write's guard.
    :param within: see :func:`orders.services.stock.claims.claiming`.
    :returns: what is to be released; None where that is nothing, or it is no such draft.
    """
    if document["status"] != Status.PLACING:
        return None
    draft = Order(status=Status.PLACING)
    draft.reject()
    attempt, lease = new_id(), new_lease()
    with claiming(document["_id"], attempt, within=within):
        rejected = guarded_write(
            document["_id"],
            guard={"status": Status.PLACING.value, "items.stock.state": {"$ne": LineState.RESERVING.value}},
            entries=[act.entry("reject", source=Status.PLACING.value, target=draft.status)],
            fields={"status": draft.status, **moments(draft.status, act.at)},
            items=lines_released(attempt, settings.STOCK_LEASE),
            seen_at=act.at,
        )
    if rejected is None:
        return None
    TRANSITIONS.labels("reject", act.actor.via).inc()
    return claim_of(rejected, attempt, lease)


def _final(change: LineStock) -> bool:
    return change.state in (LineState.NONE, LineState.RELEASED, LineState.UNKNOWN)


def _outcome_entry(index: int, change: LineStock, act: Act) -> Document:
    return act.entry("stock", target=str(change.state), line=index, reason=change.error)
