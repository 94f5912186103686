"""Product locks: one call at a time for each product, across all processes, for an inventory that is not atomic.

The published inventory reads a row and writes absolute numbers, without a lock: of two simultaneous calls for one
product one is lost, and units are sold twice or leak. So, unless INVENTORY_IS_ATOMIC, a caller first locks the product:
a lease by mongod's clock, which outlives the caller. A call whose outcome is unknown may still be running in inventory,
so it keeps the lock until the lease ends (docs/adr/0007-one-call-at-a-time-for-each-product.md).
"""

import logging
import random
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from datetime import UTC, datetime, timedelta

from django.conf import settings
from django.db import DatabaseError
from django.utils.translation import gettext_noop

from integrations import Deadline, OutcomeUnknown, PeerError, PeerUnavailable, inventory
from observability.metrics import INVENTORY_TURNS
from orders.storage import new_id, product_leases

logger = logging.getLogger(__name__)

LONGEST_WAIT, SHORT_WAIT = 3.0, 0.5
"""Seconds to wait for a lock, for patient callers and for the others."""
FIRST_PAUSE, LONGEST_PAUSE = 0.005, 0.05
"""Seconds between two tries: longer and longer."""
RETRY_AFTER = 2.0
"""Seconds after which it makes sense to try again."""
NOT_SENT = gettext_noop("not sent: %(error)s")
NO_TIME = gettext_noop("less than one timeout is left")
NO_LOCK = gettext_noop("the product could not be locked")
OTHERS = gettext_noop("other calls for this product are under way")
THOSE_BEFORE = gettext_noop("the call before was locked out, or may still be under way")


class ProductLocked(PeerUnavailable):
    """Nothing was sent: the product could not be locked in time. It says nothing about the peer."""

    def __init__(self, why: str) -> None:
        super().__init__(inventory.PEER.name, NOT_SENT % {"error": why}, retry_after=RETRY_AFTER, repeatable=False)


@contextmanager
def product_lock(product_id: str, deadline: Deadline, *, patient: bool = True) -> Iterator[Deadline]:
    """Lock a product while calling for it, and unlock it afterwards, unless nobody knows what became of the call.

    :param deadline: when the caller's time is up; the wait ends while there is still time for a call.
    :param patient: whether to wait for LONGEST_WAIT.
    :yields: until when calls may be made: the caller's deadline, or the end of the lock if that comes first.
    :raises ProductLocked: nothing was sent.
    """
    if settings.INVENTORY_IS_ATOMIC:
        yield deadline
        return
    holder = new_id()
    wait = min(LONGEST_WAIT if patient else SHORT_WAIT, deadline.remaining() - inventory.full_timeout())
    try:
        lease = _lock(product_id, holder, wait)
    except ProductLocked as error:
        INVENTORY_TURNS.labels("none").inc()
        logger.info("product %s: %s", product_id, error.detail)
        raise
    INVENTORY_TURNS.labels("taken").inc()
    try:
        yield lease.sooner(deadline.remaining())
    except PeerError as error:
        if not _may_still_run(error):
            _unlock(product_id, holder)
        raise
    _unlock(product_id, holder)


class KeptLock:
    """A lock on a product that is kept over many calls.

    :ivar may_still_run: set where a call of unknown outcome may still be under way: then the lock is left to end.
    """

    def __init__(self, product_id: str, holder: str, lease: Deadline) -> None:
        self.may_still_run = False
        self._product_id, self._holder, self._lease = product_id, holder, lease

    def extended(self) -> Deadline:
        """Put its end off, if that is near and the database lets us, and return until when calls may be made."""
        lease = Deadline.after(settings.STOCK_LEASE)
        if self._lease.remaining() < settings.REQUEST_DEADLINE:
            with suppress(DatabaseError):
                if product_leases.take(self._product_id, self._holder, settings.STOCK_LEASE, extend=True) is None:
                    self._lease = lease
        return self._lease


@contextmanager
def product_kept(product_id: str) -> Iterator[KeptLock]:
    """Lock a product for many calls of one caller, side by side even, whatever INVENTORY_IS_ATOMIC says.

    :raises ProductLocked: others are calling for it.
    """
    holder = new_id()
    kept = KeptLock(product_id, holder, _lock(product_id, holder, LONGEST_WAIT))
    try:
        yield kept
    finally:
        if not kept.may_still_run:
            _unlock(product_id, holder)


def _may_still_run(error: PeerError) -> bool:
    """Whether a call that was made under this lock may still be under way; one that was made before it is over."""
    repeated_in_vain = isinstance(error.__cause__, PeerUnavailable)
    return isinstance(error, OutcomeUnknown) and not repeated_in_vain


def _lock(product_id: str, holder: str, wait: float) -> Deadline:
    """Take the lock as soon as it is free.

    :returns: when it ends, measured from before the write, so that it ends here first.
    """
    if wait < 0:
        raise ProductLocked(NO_TIME)
    until, pause = Deadline.after(wait), FIRST_PAUSE
    while True:
        lease = Deadline.after(settings.STOCK_LEASE)
        try:
            others = product_leases.take(product_id, holder, settings.STOCK_LEASE)
        except DatabaseError as error:
            _unlock(product_id, holder)  # it may have been taken
            raise ProductLocked(NO_LOCK) from error
        if others is None:
            return lease
        if pause >= until.remaining() or _is_abandoned(others):
            raise ProductLocked(OTHERS)
        time.sleep(pause * random.uniform(0.5, 1))  # noqa: S311 - so that waiting callers do not all try at once
        pause = min(2 * pause, LONGEST_PAUSE)


def _is_abandoned(ends: datetime) -> bool:
    """Whether a lock has been held for longer than a call takes: its holder was killed, or lost the answer.

    Either way it stays until it ends; nobody waits for that, as it would occupy a thread for each caller.
    """
    held_since = ends.replace(tzinfo=UTC) - timedelta(seconds=settings.STOCK_LEASE)
    return (datetime.now(UTC) - held_since).total_seconds() > inventory.full_timeout()


def _unlock(product_id: str, holder: str) -> None:
    with suppress(DatabaseError):  # it ends by itself
        product_leases.give_back(product_id, holder)
