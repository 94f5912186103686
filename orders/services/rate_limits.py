"""How often somebody may do something, counted for all workers together.

Limits keep one caller from taking the service away from the others; no order depends on them. So a limiter that does
not answer lets everybody in: it is waited for no longer than PATIENCE, and after a failure not asked at all for PAUSE.
Should the database be gone altogether, the write that follows says so itself.
"""

import logging
import time

from django.db import DatabaseError
from pymongo.errors import PyMongoError

from orders.models import rate_limits
from orders.models.database import time_limit
from orders.models.rate_limits import Allowance

logger = logging.getLogger(__name__)

PERIOD = 60
"""Seconds for which a limit is given."""
PATIENCE = 0.25
PAUSE = 5.0
REMEMBERED = 10_000
"""How many of those who were refused a process remembers, so that a flood of them costs no writes."""

_refused: dict[str, tuple[float, Allowance]] = {}
_asked_again_at = 0.0


def spend(kind: str, who: str, *, limit: int) -> Allowance | None:
    """Count one act of `who`. None: nothing limits it (`limit` is 0), or the limiter does not answer."""
    now = time.monotonic()
    if not limit:
        return None
    key = f"{kind}:{who}"
    if (known := _refused.get(key)) and now < known[0]:
        return _later(known[1], known[1].wait - (known[0] - now))
    if now < _asked_again_at:
        return None
    try:
        with time_limit(PATIENCE):
            allowance = rate_limits.spend(key, limit=limit, period=PERIOD)
    except (DatabaseError, PyMongoError) as error:
        _pause(error)
        return None
    if allowance.wait:
        _remember(key, time.monotonic() + allowance.wait, allowance)
    return allowance


def forget() -> None:
    """Forget what this process knows of refusals and failures."""
    global _asked_again_at
    _refused.clear()
    _asked_again_at = 0.0


def _later(allowance: Allowance, passed: float) -> Allowance:
    """The refusal as it reads some seconds after it was made."""
    reset, wait = allowance.reset - passed, allowance.wait - passed
    return Allowance(limit=allowance.limit, period=allowance.period, remaining=0, reset=reset, wait=wait)


def _remember(key: str, until: float, allowance: Allowance) -> None:
    if len(_refused) >= REMEMBERED:
        _refused.clear()  # rarely, and it costs no more than a write for each who comes again
    _refused[key] = until, allowance


def _pause(error: Exception) -> None:
    global _asked_again_at
    logger.warning("the rate limiter does not answer, nothing is limited for %s s: %s", PAUSE, error)
    _asked_again_at = time.monotonic() + PAUSE
