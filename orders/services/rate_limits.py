"""How often somebody may do something, counted for all workers together.

Counting is a write, a fifth of what a change costs. So whoever asks again soon is granted several at once, of which
this process keeps what he has not used yet. They do not lapse, hence nothing is lost of an allowance; a burst may
exceed it by what the processes have kept, a hundredth of it each.

Limits keep one caller from taking the service away from the others; no order depends on them. So a limiter that does
not answer lets in whoever it has not refused: it is waited for no longer than PATIENCE, and not asked at all for PAUSE
after it failed to answer twice in a row. Should the database be gone altogether, the write that follows says so itself.
"""

import logging
import time
from dataclasses import dataclass, field, replace
from threading import Lock
from typing import Any

from django.db import DatabaseError
from pymongo.errors import PyMongoError

from orders.storage import is_outage, rate_counters, time_limit
from orders.storage.rate_counters import Allowance

logger = logging.getLogger(__name__)

PERIOD = 60
"""Seconds for which a limit is given."""
PATIENCE = 1.0
PAUSE = 5.0
FAILURES = 2
"""In a row, after which it is left alone: a single one may be a moment's, or of somebody who is after the pause."""
REMEMBERED = 10_000
"""How many a process remembers; of those who were refused, so that a flood of them costs no writes."""

SOON = 5.0
"""Seconds: whoever has used up by then what he was granted is granted twice as much, whoever has not half as much. So
old is, at most, what is told of an allowance without asking."""
MOST = 50
SHARE = 100
"""No more than that at once, and no more than one part in so many of the whole allowance."""


@dataclass
class Purse:
    """What one has been granted of his allowance in this process and not used yet, one entry for each.

    :ivar number: how many were asked for last, `at` when, and `allowance` is what was answered.
    :ivar filling: held by the one thread that asks for more than it needs itself.
    """

    allowance: Allowance
    at: float
    number: int = 1
    left: list[None] = field(default_factory=list)
    filling: Lock = field(default_factory=Lock)

    def take(self, now: float) -> bool:
        """Use one. :returns: False if there is none, or the database is to be asked first; of two threads one has the
        last."""
        if now > self.at + SOON:
            return False
        try:
            self.left.pop()
        except IndexError:
            return False
        return True

    def wanted(self, now: float, most: int) -> int:
        """How many to ask for next."""
        if self.left:
            return 1
        return max(1, min(2 * self.number if now < self.at + SOON else self.number // 2, most))

    def fill(self, allowance: Allowance, number: int, now: float) -> None:
        """Put in what was granted, but for the one that is used at once."""
        self.number, self.at, self.allowance = number, now, allowance
        self.left.extend([None] * (allowance.granted - 1))

    def told(self, now: float) -> Allowance:
        """The allowance as it is now, as far as this process knows."""
        last = self.allowance
        back = min(now - self.at, last.reset)
        remaining = last.remaining + int(back * last.limit / last.period) + len(self.left)
        return replace(last, remaining=min(remaining, last.limit), reset=last.reset - back)


_purses: dict[str, Purse] = {}
_refused: dict[str, tuple[float, Allowance]] = {}
_asked_again_at = 0.0
_failures = 0


def spend(kind: str, who: str, *, limit: int) -> Allowance | None:
    """Count one act of `who`. None: nothing limits it (`limit` is 0), or the limiter does not answer."""
    global _failures
    now = time.monotonic()
    if not limit:
        return None
    key = f"{kind}:{who}"
    purse = _purses.get(key)
    if purse and purse.take(now):
        return purse.told(now)
    if (known := _refused.get(key)) and now < known[0]:
        return _later(known[1], known[1].wait - (known[0] - now))
    if now < _asked_again_at:
        return None
    filled = purse if purse and purse.filling.acquire(blocking=False) else None
    try:
        number = filled.wanted(now, _most(limit)) if filled else 1
        with time_limit(PATIENCE):
            allowance = rate_counters.spend(key, limit=limit, period=PERIOD, number=number)
        if filled and allowance.granted:
            filled.fill(allowance, number, time.monotonic())
    except (DatabaseError, PyMongoError) as error:
        _failed(error)
        return None
    finally:
        if filled:
            filled.filling.release()
    _failures = 0
    return _granted(key, allowance) if allowance.granted else _refused_to(key, allowance)


def _granted(key: str, allowance: Allowance) -> Allowance:
    if key not in _purses and _most(allowance.limit) > 1:
        _make_room(_purses)
        _purses.setdefault(key, Purse(allowance, time.monotonic()))
    purse = _purses.get(key)
    return replace(allowance, remaining=allowance.remaining + len(purse.left)) if purse else allowance


def _refused_to(key: str, allowance: Allowance) -> Allowance:
    now, purse = time.monotonic(), _purses.get(key)
    if purse and purse.take(now):  # another thread was granted the last ones just now
        return purse.told(now)
    _make_room(_refused)
    _refused[key] = now + allowance.wait, allowance
    return allowance


def _most(limit: int) -> int:
    """How many may be granted at once."""
    return min(MOST, limit // SHARE)


def forget() -> None:
    """Forget what this process knows of refusals and failures."""
    global _asked_again_at, _failures
    _purses.clear()
    _refused.clear()
    _asked_again_at, _failures = 0.0, 0


def _later(allowance: Allowance, passed: float) -> Allowance:
    """The refusal as it reads some seconds after it was made."""
    reset, wait = allowance.reset - passed, allowance.wait - passed
    return Allowance(limit=allowance.limit, period=allowance.period, remaining=0, reset=reset, wait=wait)


def _make_room(remembered: dict[str, Any]) -> None:
    if len(remembered) >= REMEMBERED:
        remembered.clear()  # rarely, and it costs no more than a write for each who comes again


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
