"""One call at a time for each product, over all processes: what an inventory needs that is not atomic.

The published inventory reads a row and writes absolute numbers, without a lock: of two calls for one product side by
side one is lost, and units are sold twice or leak. So, unless INVENTORY_IS_ATOMIC, whoever calls for a product takes
its turn first: a lease by mongod's clock, which outlives the caller's death. A call whose outcome is unknown may still
be at work over there, and keeps its turn until the lease ends.
"""

from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import cast

from django.conf import settings
from django.db import DatabaseError
from tenacity import RetryError, Retrying, retry_if_result, stop_after_delay, wait_exponential_jitter

from integrations import inventory
from integrations.deadline import Deadline
from integrations.errors import PeerRefused, PeerUnavailable
from orders.models import product_leases
from orders.models.writes import new_id

LONGEST_WAIT, SOON = 5.0, 0.5
"""Seconds to wait for a turn where somebody waits for the answer, and where nobody does. Its holder may have died, and
then it ends only with its lease."""
RETRY_AFTER = 2.0
"""Seconds after which asking again makes sense."""


@contextmanager
def turn(product_id: str, deadline: Deadline, *, wait: float = LONGEST_WAIT) -> Iterator[Deadline]:
    """Wait for a product's turn, and give it back when done, unless nobody knows what became of the call.

    :param deadline: when the caller's time is up.
    :param wait: seconds to wait for the turn at most; never so long that there is no time left for a call.
    :returns: until when calls may be made: the caller's deadline, or the end of the turn if that comes first.
    :raises PeerUnavailable: nothing was sent: there was no turn to be had in time.
    """
    if settings.INVENTORY_IS_ATOMIC:
        yield deadline
        return
    holder = new_id()
    lease = _taken(product_id, holder, min(wait, deadline.remaining() - inventory.full_timeout()))
    try:
        yield lease.sooner(deadline.remaining())
    except (PeerUnavailable, PeerRefused):
        _give_back(product_id, holder)
        raise
    _give_back(product_id, holder)


def _taken(product_id: str, holder: str, wait: float) -> Deadline:
    attempts = Retrying(
        retry=retry_if_result(lambda lease: lease is None),
        stop=stop_after_delay(max(0.0, wait)),
        wait=wait_exponential_jitter(multiplier=0.005, max=0.05, jitter=0.01),
    )
    try:
        lease = cast("Deadline", attempts(_try, product_id, holder))
    except RetryError as error:
        raise _not_sent("other calls for this product are under way") from error
    except DatabaseError as error:
        _give_back(product_id, holder)  # it may have been taken
        raise _not_sent("whose turn it is could not be found out") from error
    return lease


def _try(product_id: str, holder: str) -> Deadline | None:
    lease = Deadline.after(settings.STOCK_LEASE)  # measured from before the write: it ends here first
    return lease if product_leases.take(product_id, holder, settings.STOCK_LEASE) else None


def _not_sent(why: str) -> PeerUnavailable:
    return PeerUnavailable(inventory.PEER.name, f"not sent: {why}", retry_after=RETRY_AFTER, repeatable=False)


def _give_back(product_id: str, holder: str) -> None:
    with suppress(DatabaseError):  # it ends by itself
        product_leases.give_back(product_id, holder)
