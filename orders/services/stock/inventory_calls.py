"""Calling inventory for claimed lines, and recording what is known afterwards.

Each line takes one call and yields an :class:`Outcome`; the outcomes are written if the attempt still holds the lines.
Where they cannot be written (a crash, a database error) the lease ends, and a worker takes over.
"""

import logging
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from functools import partial
from typing import cast

from bson import ObjectId
from django.conf import settings
from django.db import DatabaseError
from django.utils.translation import gettext_noop

from integrations import Deadline, OutcomeUnknown, PeerError, PeerRefused, PeerUnavailable, gather, inventory
from orders.models import DUE_STATES, Document, LineState, StockCall
from orders.services.audit import Act
from orders.services.stock.claims import Claim, ClaimedLine, claim_of, write_lines
from orders.services.stock.product_locks import THOSE_BEFORE, ProductLocked, product_lock
from orders.storage import new_id
from orders.storage.line_stock import LineStock

logger = logging.getLogger(__name__)

RELEASED_LESS = gettext_noop("inventory released %(released)s of %(asked)s")

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
    :ivar retry_after: seconds after which inventory asked to be called again.
    :ivar was_locked: it was not sent because others were calling for the product; inventory is not at fault.
    """

    result: Result
    quantity: int = 0
    detail: str = ""
    retry_after: float = 0.0
    was_locked: bool = False


def call_inventory(
    claim: Claim, *, deadline: Deadline, retries: bool = False, background: bool = False
) -> dict[int, Outcome]:
    """Ask inventory for every line of a claim: products side by side, lines of one product one after the other.

    :param deadline: when the caller's time is up; the lease ends it too.
    :param retries: whether to repeat, within the deadline, what may be repeated.
    :param background: nobody waits for it. Where a lost call could not be repeated, first make sure, by a read, that
        inventory answers at all.
    :returns: an outcome for each line, by index.
    """
    until = claim.lease.sooner(deadline.remaining())
    by_product: dict[str, list[ClaimedLine]] = {}
    for line in claim.lines:
        by_product.setdefault(line.product_id, []).append(line)
    of_products = gather(
        *(partial(_ask_in_order, claim.order_id, lines, until, retries, background) for lines in by_product.values())
    )
    answers: dict[int, Answer] = {}
    for of_product in of_products:
        answers |= cast("dict[int, Answer]", of_product)  # errors are among the answers
    return {line.index: outcome_of(answers[line.index]) for line in claim.lines}


def _ask_in_order(
    order_id: ObjectId, lines: list[ClaimedLine], deadline: Deadline, retries: bool, background: bool
) -> dict[int, Answer]:
    """Ask for lines of one product, until the product stays locked: then nobody waits for it once more."""
    answers: dict[int, Answer] = {}
    stuck = False
    for line in lines:
        if stuck:
            answers[line.index] = ProductLocked(THOSE_BEFORE)
            continue
        try:
            answers[line.index] = _ask(order_id, line, deadline, retries, background)
        except PeerError as error:
            answers[line.index] = error
            stuck = not settings.INVENTORY_IS_ATOMIC and isinstance(error, ProductLocked | OutcomeUnknown)
    return answers


def _ask(order_id: ObjectId, line: ClaimedLine, deadline: Deadline, retries: bool, background: bool) -> int:
    ask = inventory.reserve if line.call is StockCall.RESERVE else inventory.release
    try:
        if background and not settings.INVENTORY_HONOURS_IDEMPOTENCY_KEY:
            inventory.probe(product_id=line.product_id, deadline=deadline)
        patient = line.call is StockCall.RESERVE and not background
        with product_lock(line.product_id, deadline, patient=patient) as until:
            return ask(
                line.product_id,
                line.quantity,
                order_id=str(order_id),
                key=f"{order_id}:{line.index}:{line.call.value}",
                deadline=until,
                retries=retries,
                sent_before=line.repeat,
            )
    except PeerError:
        raise
    except Exception as error:  # pragma: no cover - tested, in a thread that coverage may not see
        # A fault of ours must not lose what is known of the other lines.
        logger.exception("order %s: asking inventory about line %s failed", order_id, line.index)
        raise OutcomeUnknown("inventory", f"asking failed here: {error!r}") from error


def outcome_of(answer: Answer) -> Outcome:
    """What is known after a call that came to this."""
    if isinstance(answer, int):
        return Outcome(Result.DONE, quantity=answer)
    result = Result.UNKNOWN
    if isinstance(answer, PeerRefused):
        result = Result.REFUSED
    elif isinstance(answer, PeerUnavailable):
        result = Result.NOT_SENT
    locked = isinstance(answer, ProductLocked)
    return Outcome(result, detail=answer.detail, retry_after=answer.retry_after or 0.0, was_locked=locked)


def record_outcomes(claim: Claim, outcomes: Mapping[int, Outcome], act: Act, *, deadline: Deadline) -> Document | None:
    """Write what is known of a claim's lines; repeated until the deadline or the end of the lease.

    :returns: the document after it; None where the attempt no longer holds the lines.
    :raises DatabaseError: nothing could be recorded; the lease ends and a worker takes over.
    """
    changes = {line.index: _stock_after(line, claim.attempt, outcomes[line.index]) for line in claim.lines}
    due = (outcomes[index] for index, change in changes.items() if change.state in DUE_STATES)
    later = min(max((outcome.retry_after for outcome in due), default=0.0), settings.STOCK_RETRY_MAX_DELAY)
    # One write id for all tries: a try that succeeded although its answer was lost is known by it.
    write = claim.retrying(deadline)
    return write(write_lines, claim.order_id, changes, act, guard=claim.guard, later=later, write_id=new_id())


def _stock_after(line: ClaimedLine, attempt: str, outcome: Outcome) -> LineStock:
    """A line's stock after a call, by the table of outcomes in docs/peers.md."""
    reserve = line.call is StockCall.RESERVE
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
            return _still_due(line, outcome, attempt, settings.STOCK_LEASE)
        case Result.UNKNOWN:
            return LineStock(LineState.UNKNOWN, line.call, attempts=line.attempts, error=outcome.detail)
        case _ if reserve:
            # Never sent, and a draft whose reserve could not be sent is rejected: nothing is due.
            return LineStock(LineState.NONE, attempts=line.attempts - outcome.was_locked, error=outcome.detail)
        case _:
            return _still_due(line, outcome)


def _released(line: ClaimedLine, outcome: Outcome) -> LineStock:
    missing = line.quantity - outcome.quantity
    if missing <= 0:
        return LineStock(LineState.RELEASED, attempts=line.attempts)
    error = outcome.detail or RELEASED_LESS % {"released": outcome.quantity, "asked": line.quantity}
    return LineStock(LineState.RELEASED, attempts=line.attempts, error=error, discrepancy=missing)


def _still_due(line: ClaimedLine, outcome: Outcome, attempt: str | None = None, lease: float = 0.0) -> LineStock:
    state = LineState.RESERVING if line.call is StockCall.RESERVE else LineState.RELEASING
    attempts = line.attempts - outcome.was_locked  # being locked out is not an attempt
    return LineStock(state, line.call, attempt, lease, attempts, outcome.detail)


def carry_out(claim: Claim, act: Act, *, deadline: Deadline) -> Document | None:
    """Call inventory for a claim and record what came of it.

    :returns: the document after it; None where the attempt no longer holds the lines.
    :raises DatabaseError: see :func:`record_outcomes`.
    """
    return record_outcomes(claim, call_inventory(claim, deadline=deadline), act, deadline=deadline)


def release_written(written: Document, attempt: str, lease: Deadline, act: Act, *, deadline: Deadline) -> Document:
    """Release what a transition claimed when it was written. The transition stands, whatever becomes of this."""
    claim = claim_of(written, attempt, lease)
    if claim is None:
        return written
    try:
        return carry_out(claim, act, deadline=deadline) or written
    except DatabaseError:
        logger.warning("order %s: its release could not be recorded; a worker takes over", claim.order_id)
        return written
