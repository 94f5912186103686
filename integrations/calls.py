"""A question to a peer, and one attempt at an answer: behind its breaker, within a deadline, logged."""

import json
import logging
import re
import time
from collections.abc import Collection, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import quote, urlencode

import requests
from django.conf import settings

from integrations import breaker, transport
from integrations.deadline import Deadline
from integrations.errors import BreakerOpen, OutcomeUnknown, PeerError, PeerRefused, PeerUnavailable
from observability import context
from observability.metrics import PEER_CALLS, PEER_SECONDS

logger = logging.getLogger(__name__)

MAX_SEGMENT = 200  # characters
_PRINTABLE = re.compile(r"[\x21-\x7e]{1,200}")
_encode = json.JSONEncoder(allow_nan=False).encode


@dataclass(frozen=True, slots=True)
class Peer:
    """One of the services: its name in messages, and the setting that holds its URL (read at every call)."""

    name: str
    setting: str

    @property
    def url(self) -> str:
        """Return the base URL, without a slash at its end."""
        return (getattr(settings, self.setting) or "").rstrip("/")


@dataclass(frozen=True, slots=True)
class Call:
    """One question to one peer; `operation` names it in the logs, `path` begins with a slash and is quoted.

    `known` are the statuses that answer it besides 2xx (404: "there is none"). `patience` is the setting that says how
    long one attempt waits for the answer.
    """

    peer: Peer
    operation: str
    method: str
    path: str
    params: Mapping[str, str] | None = None
    body: Mapping[str, Any] | None = None
    headers: Mapping[str, str] = field(default_factory=dict)
    known: Collection[int] = ()
    patience: str = "PEER_READ_TIMEOUT"

    @property
    def full_timeout(self) -> float:
        """Return the seconds that one attempt may take, connecting included."""
        return full_timeout(self.patience)


def full_timeout(patience: str) -> float:
    """Return the seconds that one attempt may take: to connect, and the setting of this name for the answer."""
    total: float = settings.PEER_CONNECT_TIMEOUT + getattr(settings, patience)
    return total


def segment(value: str) -> str | None:
    """Return `value` quoted as one segment of a path, or None if no service can have something of that name.

    "." and ".." would be taken for steps in the path, and lone surrogates have no UTF-8.
    """
    if value in ("", ".", "..") or len(value) > MAX_SEGMENT:
        return None
    try:
        return quote(value, safe="")
    except UnicodeEncodeError:
        return None


def exchange(call: Call, deadline: Deadline) -> transport.Reply:
    """Make one attempt, and tell the breakers how it went.

    :raises PeerUnavailable: if it was not even tried: no time left, no usable address, breaker open.
    :raises NotSent: if no connection came about.
    :raises Lost: if there was no complete answer.
    """
    remaining = deadline.remaining()
    if remaining <= 0:
        raise PeerUnavailable(call.peer.name, "not asked: no time is left", repeatable=False)
    line, request = _line(call), _request(call)
    with _admitted(call, deadline, impatient=remaining < call.full_timeout) as verdict:
        reply = transport.exchange(line, request, _limits(call, remaining))
        verdict.of_peer, verdict.of_call = False, reply.status >= 500 and reply.status not in call.known
        return reply


def _line(call: Call) -> transport.Line:
    try:
        return transport.sessions.line(call.peer.name, call.peer.url)
    except (requests.RequestException, ValueError) as error:
        detail = f"not asked: {call.peer.setting} holds no usable URL"
        raise PeerUnavailable(call.peer.name, detail, repeatable=False) from error


def _request(call: Call) -> transport.Request:
    headers = dict(call.headers)
    if (current := context.request_id.get()) and _PRINTABLE.fullmatch(current):
        headers["X-Request-ID"] = current
    if trace := context.traceparent():
        headers["traceparent"] = trace
    target = f"{call.path}?{urlencode(call.params)}" if call.params else call.path
    body = _encode(call.body).encode() if call.body is not None else b""
    return transport.Request(call.method, target, headers, body)


def _limits(call: Call, remaining: float) -> transport.Limits:
    connect = min(settings.PEER_CONNECT_TIMEOUT, remaining)
    return transport.Limits(connect=connect, read=getattr(settings, call.patience), total=remaining)


class _Verdict:
    """Whether an attempt was a fault of the peer (no connection) or of this call to it; None speaks neither way."""

    of_peer: bool | None = None
    of_call: bool | None = None


@contextmanager
def _admitted(call: Call, deadline: Deadline, *, impatient: bool) -> Iterator[_Verdict]:
    """Ask the breakers, and tell them the verdict; None where the time was cut so short that it says nothing."""
    peer = breaker.breakers.of(call.peer.name, breaker.CONNECT, call.peer.url)
    of_call = breaker.breakers.of(call.peer.name, call.operation, call.peer.url)
    verdict = _Verdict()
    _require(peer, call)
    try:
        _require(of_call, call)
        try:
            yield verdict
        except transport.NotSent:
            verdict.of_peer = None if impatient and deadline.expired else True
            raise
        except transport.Lost:
            verdict.of_peer, verdict.of_call = False, None if impatient and deadline.expired else True
            raise
        finally:
            of_call.settle(verdict.of_call)
    finally:
        peer.settle(verdict.of_peer)


def _require(gate: breaker.Breaker, call: Call) -> None:
    """:raises BreakerOpen:"""
    if (wait := gate.admit()) is not None:
        raise BreakerOpen(call.peer.name, retry_after=wait)


OUTCOMES = (
    (BreakerOpen, "breaker_open"),
    (PeerUnavailable, "unavailable"),
    (PeerRefused, "refused"),
    (OutcomeUnknown, "unknown"),
)
"""How the metrics call what an attempt came to, the more special first; otherwise it is `answered`."""


@contextmanager
def observed(call: Call) -> Iterator[None]:
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
            call.peer.name, call.operation, kind, took, error.detail,
            extra={"peer": call.peer.name, "operation": call.operation, "ms": took, "outcome": kind},
        )  # fmt: skip
        raise
    finally:
        _count(call, outcome, time.monotonic() - began)


def _count(call: Call, outcome: str, seconds: float) -> None:
    PEER_CALLS.labels(call.peer.name, call.operation, outcome).inc()
    if outcome == "breaker_open":
        return  # nobody was asked
    PEER_SECONDS.labels(call.peer.name, call.operation).observe(seconds)
    if scope := context.current():
        scope.count_peer_call(seconds)
