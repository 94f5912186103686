"""What metrics and logs are told of each attempt to ask a peer."""

import logging
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from integrations.attempts import OwnRequest, PeerRequest
from integrations.peer_errors import BreakerOpen, OutcomeUnknown, PeerError, PeerRefused, PeerUnavailable
from observability import context
from observability.metrics import PEER_CALLS, PEER_SECONDS

logger = logging.getLogger("integrations.attempts")
"""Under which name operators know it: docs/observability.md."""

OUTCOMES = (
    (BreakerOpen, "breaker_open"),
    (PeerUnavailable, "unavailable"),
    (PeerRefused, "refused"),
    (OutcomeUnknown, "unknown"),
)
"""The names of outcomes in the metrics, subclasses before their bases; any other attempt was `answered`."""


@contextmanager
def observed(request: PeerRequest | OwnRequest[Any]) -> Iterator[None]:
    """Count an attempt and its time, and log how it failed: peer, operation, milliseconds, outcome.

    A refusal is no failure: info.
    """
    began = time.monotonic()
    outcome = "failed_here"
    try:
        yield
        outcome = "answered"
    except PeerError as error:
        outcome = next(name for kind, name in OUTCOMES if isinstance(error, kind))
        level = logging.INFO if isinstance(error, PeerRefused) else logging.WARNING
        took = round((time.monotonic() - began) * 1000)
        kind = type(error).__name__
        logger.log(
            level,
            "%s %s: %s after %d ms: %s",
            request.peer.name, request.operation, kind, took, error.detail,
            extra={"peer": request.peer.name, "operation": request.operation, "ms": took, "outcome": kind},
        )  # fmt: skip
        raise
    finally:
        _count(request, outcome, time.monotonic() - began)


def _count(request: PeerRequest | OwnRequest[Any], outcome: str, seconds: float) -> None:
    PEER_CALLS.labels(request.peer.name, request.operation, outcome).inc()
    if outcome == "breaker_open":
        return  # nobody was asked
    PEER_SECONDS.labels(request.peer.name, request.operation).observe(seconds)
    if scope := context.current():
        scope.count_peer_call(seconds)
