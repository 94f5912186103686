"""When to repeat an attempt, and when to give up: tenacity, bounded by a deadline."""

import re
from collections.abc import Callable
from time import time
from typing import TypeVar

from django.conf import settings
from django.utils.http import parse_http_date_safe
from tenacity import RetryCallState, Retrying, retry_if_exception, stop_after_attempt, wait_exponential_jitter

from integrations.deadline import Deadline
from integrations.peer_errors import PeerError
from observability.metrics import PEER_RETRIES

T = TypeVar("T")

MAX_WAIT = 60.0  # s; of the exponential alone, a peer's Retry-After may be longer
LONGEST_RETRY_AFTER = 3600.0  # s; a peer that asks for more is not believed


def repeat(
    attempt: Callable[[], T],
    *,
    worth: Callable[[BaseException], bool],
    deadline: Deadline,
    needs: float = 0,
    retries: bool = True,
) -> T:
    """Call `attempt` until it succeeds, at most 1 + MAX_RETRIES times (once if not `retries`).

    Pauses are RETRY_DELAY (s) times 1, 2, 4, … plus jitter, or the error's `retry_after` if that is longer.
    Never sleeps if less than `needs` seconds would be left afterwards: then, as for an error that is not
    `worth` it, the last error is raised at once.
    """
    enough = stop_after_attempt(1 + settings.MAX_RETRIES if retries else 1)

    def too_late(state: RetryCallState) -> bool:
        return state.upcoming_sleep + needs >= deadline.remaining()

    retrying = Retrying(
        retry=retry_if_exception(worth),
        stop=lambda state: enough(state) or too_late(state),
        wait=_pause,
        before_sleep=_count,
        reraise=True,
    )
    return retrying(attempt)


def _count(state: RetryCallState) -> None:
    error = state.outcome.exception() if state.outcome else None
    if isinstance(error, PeerError):
        PEER_RETRIES.labels(error.peer).inc()


def _pause(state: RetryCallState) -> float:
    delay = settings.RETRY_DELAY
    pause = wait_exponential_jitter(multiplier=delay, max=MAX_WAIT, jitter=delay)(state)
    error = state.outcome.exception() if state.outcome else None
    asked_for = error.retry_after if isinstance(error, PeerError) else None
    return max(pause, asked_for or 0)


def parse_retry_after(value: str | None) -> float | None:
    """Return the seconds that a Retry-After header asks for, a number or a date (RFC 9110 section 10.2.3).

    At most LONGEST_RETRY_AFTER. None for a header that is missing or means nothing; a date in the past is 0.
    """
    if value is None:
        return None
    if re.fullmatch(r"[0-9]+", value.strip()):
        return min(float(value), LONGEST_RETRY_AFTER)
    at = parse_http_date_safe(value)
    return None if at is None else min(max(0.0, at - time()), LONGEST_RETRY_AFTER)
