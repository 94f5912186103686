"""Cancelling orders that are not paid in time, so that their stock is released."""

import logging
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from bson import ObjectId
from django.conf import settings
from django.db import DatabaseError
from django.utils import timezone
from django.utils.translation import gettext_noop

from observability import context
from orders.services.access import OrderNotFound
from orders.services.audit import Act
from orders.services.lifecycle import transitions
from orders.services.lifecycle.allowed_transitions import TransitionRefused
from orders.services.lifecycle.versions import OrderBusy, StaleOrder
from orders.storage import order_reads

logger = logging.getLogger(__name__)

UNPAID = gettext_noop("Not paid within %(seconds)s seconds.")
REASON_CODE = "payment"
"""Of REASON_CODES: why such orders are cancelled, as it can be counted."""


@dataclass
class Expiry:
    """What one pass did: orders cancelled, orders that others paid or changed meanwhile, and failures."""

    cancelled: int = 0
    overtaken: int = 0
    failed: int = 0

    @property
    def total(self) -> int:
        return self.cancelled + self.overtaken + self.failed

    @property
    def summary(self) -> str:
        return f"{self.cancelled} cancelled, {self.overtaken} paid or changed meanwhile, {self.failed} failed"


def reason() -> str:
    """Why such an order was cancelled, for its history."""
    return UNPAID % {"seconds": settings.UNPAID_ORDER_TTL}


def count_unpaid(*, at: datetime, limit: int) -> int:
    """Count the orders that :func:`expire_unpaid` would look at.

    :raises DatabaseError:
    """
    return len(order_reads.pending_before(_due(at), limit))


def expire_unpaid(
    *,
    act: Act,
    limit: int,
    stopping: Callable[[], bool] = lambda: False,
    progress: Callable[[Expiry], None] = lambda _: None,
) -> Expiry:
    """Cancel pending orders that were created more than UNPAID_ORDER_TTL seconds before `act.at`, oldest first.

    Each is cancelled by the same guarded transition as any other, and only in the version in which it was seen to be
    unpaid, since a paid order could be cancelled too: a payment that arrives at the same moment wins or loses cleanly.
    An order on hold is left to whoever holds it back. An order that fails never stops the rest.

    :param limit: the most orders to look at.
    :param progress: told after each order.
    :raises DatabaseError: if not even the list of orders can be read.
    """
    done = Expiry()
    for order_id, version in order_reads.pending_before(_due(act.at), limit):
        if stopping():
            break
        with context.work(order_id=str(order_id)) as request_id:
            # Each order has a time and a request id of its own: a pass may be long.
            one = Act(replace(act.actor, request_id=request_id), timezone.now(), act.reason, act.code)
            _cancel(order_id, version, one, done)
        progress(done)
    return done


def _due(at: datetime) -> datetime:
    """Return the moment before which an order that is still pending was created too long ago."""
    return at - timedelta(seconds=settings.UNPAID_ORDER_TTL)


def _cancel(order_id: ObjectId, version: int, act: Act, done: Expiry) -> None:
    try:
        transitions.change_status(order_id=order_id, transition="cancel", act=act, expected_version=version)
        done.cancelled += 1
    except (StaleOrder, TransitionRefused, OrderNotFound, OrderBusy):
        done.overtaken += 1
    except DatabaseError:
        logger.warning("order %s: could not be cancelled, the database did not answer", order_id)
        done.failed += 1
    except Exception:
        logger.exception("order %s: could not be cancelled", order_id)
        done.failed += 1
