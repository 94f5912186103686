"""How often somebody may do something, counted for all workers together: one write for each counted request.

Limits keep one caller from taking the service away from the others; no order depends on them. So a limiter that does
not answer lets in whoever it has not refused: it is waited for no longer than ANSWER_TIMEOUT, and not asked at all for
PAUSE after it failed to answer twice in a row. Should the database be gone altogether, the write that follows says so.
"""

import logging
import time
from dataclasses import replace

from orders.storage import DATABASE_ERRORS, is_outage, rate_counters, time_limit
from orders.storage.rate_counters import Allowance

__all__ = ["Allowance", "spend"]

logger = logging.getLogger(__name__)

PERIOD = 60
"""Seconds for which a limit is given."""
ANSWER_TIMEOUT = 1.0
PAUSE = 5.0
FAILURES = 2
"""In a row, after which it is left alone: a single one may be a moment's, or of somebody who is after the pause."""
REMEMBERED = 10_000
"""How many refused callers a process remembers, so that a flood of requests from them costs no writes."""

_refused: dict[str, tuple[float, Allowance]] = {}
"""Key → until when (monotonic), and what was answered."""
_asked_again_at = 0.0
_failures = 0


def spend(kind: str, who: str, *, limit: int) -> Allowance | None:
    """Count one act of `who`. None: nothing limits it (`limit` is 0), or the limiter does not answer."""
    global _failures
    now = time.monotonic()
    if not limit:
        return None
    key = f"{kind}:{who}"
    if (known := _refused.get(key)) and now < known[0]:
        until, allowance = known
        passed = allowance.wait - (until - now)
        return replace(allowance, reset=allowance.reset - passed, wait=until - now)
    if now < _asked_again_at:
        return None
    try:
        with time_limit(ANSWER_TIMEOUT):
            allowance = rate_counters.spend(key, limit=limit, period=PERIOD)
    except DATABASE_ERRORS as error:
        _failed(error)
        return None
    _failures = 0
    if allowance.wait:
        if len(_refused) >= REMEMBERED:
            _refused.clear()  # rarely, and it costs no more than a write for each who comes again
        _refused[key] = time.monotonic() + allowance.wait, allowance
    return allowance


def forget() -> None:
    """Forget what this process knows of refusals and failures."""
    global _asked_again_at, _failures
    _refused.clear()
    _asked_again_at, _failures = 0.0, 0


def _failed(error: Exception) -> None:
    global _asked_again_at, _failures
    if not is_outage(error):  # it answers, and quickly: there is nothing to wait for
        logger.error("the rate limiter fails, this is not limited: %s", error)
        return
    _failures += 1
    if _failures < FAILURES:
        logger.warning("the rate limiter does not answer, this is not limited: %s", error)
        return
    logger.warning("the rate limiter does not answer again, nothing new is limited for %s s: %s", PAUSE, error)
    _asked_again_at, _failures = time.monotonic() + PAUSE, 0
