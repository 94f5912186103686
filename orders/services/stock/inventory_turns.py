"""One call at a time for each product, over all processes: what an inventory needs that is not atomic.

The published inventory reads a row and writes absolute numbers, without a lock: of two calls for one product side by
side one is lost, and units are sold twice or leak. So, unless INVENTORY_IS_ATOMIC, whoever calls for a product takes
its turn first: a lease by mongod's clock, which outlives the caller's death. A call whose outcome is unknown may still
be at work over there, and keeps its turn until the lease ends.
"""

import logging
import random
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from datetime import UTC, datetime, timedelta

from django.conf import settings
from django.db import DatabaseError

from integrations import Deadline, OutcomeUnknown, PeerError, PeerUnavailable, inventory
from observability.metrics import INVENTORY_TURNS
from orders.storage import product_leases
from orders.storage.order_writes import new_id

logger = logging.getLogger(__name__)

LONGEST_WAIT, SOON = 3.0, 0.5
"""Seconds to wait for a turn, for those who are patient and for the others."""
FIRST_PAUSE, LONGEST_PAUSE = 0.005, 0.05
"""Seconds between two looks whose turn it is: longer and longer."""
RETRY_AFTER = 2.0
"""Seconds after which asking again makes sense."""


class NoTurn(PeerUnavailable):
    """Nothing was sent: there was no turn to be had in time. It says nothing of the peer."""

    def __init__(self, why: str) -> None:
        super().__init__(inventory.PEER.name, f"not sent: {why}", retry_after=RETRY_AFTER, repeatable=False)


@contextmanager
def turn(product_id: str, deadline: Deadline, *, patient: bool = True) -> Iterator[Deadline]:
    """Wait for a product's turn, and give it back when done, unless nobody knows what became of the call.

    :param deadline: when the caller's time is up; nobody waits so long that there is no time left for a call.
    :param patient: whether it is worth waiting for.
    :yields: until when calls may be made: the caller's deadline, or the end of the turn if that comes first.
    :raises NoTurn: nothing was sent.
    """
    if settings.INVENTORY_IS_ATOMIC:
        yield deadline
        return
    holder = new_id()
    wait = min(LONGEST_WAIT if patient else SOON, deadline.remaining() - inventory.full_timeout())
    try:
        lease = _taken(product_id, holder, wait)
    except NoTurn as error:
        INVENTORY_TURNS.labels("none").inc()
        logger.info("product %s: %s", product_id, error.detail)
        raise
    INVENTORY_TURNS.labels("taken").inc()
    try:
        yield lease.sooner(deadline.remaining())
    except PeerError as error:
        if not _may_be_at_work(error):
            _give_back(product_id, holder)
        raise
    _give_back(product_id, holder)


def _may_be_at_work(error: PeerError) -> bool:
    """Whether a call that was made in this turn may still be under way; one that was made before it is over."""
    repeated_in_vain = isinstance(error.__cause__, PeerUnavailable)
    return isinstance(error, OutcomeUnknown) and not repeated_in_vain


def _taken(product_id: str, holder: str, wait: float) -> Deadline:
    """Take the turn as soon as it is free.

    :returns: when it ends, measured from before the write, so that it ends here first.
    """
    if wait < 0:
        raise NoTurn("less than one timeout is left")
    until, pause = Deadline.after(wait), FIRST_PAUSE
    while True:
        lease = Deadline.after(settings.STOCK_LEASE)
        try:
            others = product_leases.take(product_id, holder, settings.STOCK_LEASE)
        except DatabaseError as error:
            _give_back(product_id, holder)  # it may have been taken
            raise NoTurn("whose turn it is could not be found out") from error
        if others is None:
            return lease
        if pause >= until.remaining() or _will_not_be_given_back(others):
            raise NoTurn("other calls for this product are under way")
        time.sleep(pause * random.uniform(0.5, 1))  # noqa: S311 - not all who wait at the same moment
        pause = min(2 * pause, LONGEST_PAUSE)


def _will_not_be_given_back(ends: datetime) -> bool:
    """Whether who holds the turn has had it for longer than a call takes: that one was killed, or its answer was lost.

    Both keep it until it ends; meanwhile not one thread for each who wants that product shall wait for it.
    """
    held_since = ends.replace(tzinfo=UTC) - timedelta(seconds=settings.STOCK_LEASE)
    return (datetime.now(UTC) - held_since).total_seconds() > inventory.full_timeout()


def _give_back(product_id: str, holder: str) -> None:
    with suppress(DatabaseError):  # it ends by itself
        product_leases.give_back(product_id, holder)
