"""A request to a peer, and one attempt to have it answered: with circuit breakers, within a deadline."""

import json
import re
from collections.abc import Callable, Collection, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any, Generic, TypeVar
from urllib.parse import urlencode

from django.conf import settings

from integrations import http_exchange
from integrations.answer import Answer
from integrations.backends import Unavailable, Unknown
from integrations.circuit_breakers import CONNECT, Breaker, breakers
from integrations.deadline import Deadline
from integrations.http_connections import UnusableURL
from integrations.peer_errors import BreakerOpen, PeerUnavailable
from integrations.watching import noted
from observability import context

T = TypeVar("T")

_PRINTABLE = re.compile(r"[\x21-\x7e]{1,200}")
_encode = json.JSONEncoder(allow_nan=False).encode


@dataclass(frozen=True, slots=True)
class Peer:
    """One of the services: its name in messages, and the setting that holds its URL (read for every request)."""

    name: str
    setting: str

    @property
    def url(self) -> str:
        """Return the base URL, without a slash at its end."""
        return (getattr(settings, self.setting) or "").rstrip("/")


@dataclass(frozen=True, slots=True)
class PeerRequest:
    """One request to one peer; `operation` names it in the logs, `path` begins with a slash and is quoted.

    `accepted` are the statuses that answer it besides 2xx (404: "there is none"). `timeout_setting` is the setting that
    says how long one attempt waits for the answer (s).
    """

    peer: Peer
    operation: str
    method: str
    path: str
    params: Mapping[str, str] | None = None
    body: Mapping[str, Any] | None = None
    headers: Mapping[str, str] = field(default_factory=dict)
    accepted: Collection[int] = ()
    timeout_setting: str = "PEER_READ_TIMEOUT"

    @property
    def full_timeout(self) -> float:
        """Return the seconds that one attempt may take, connecting included."""
        return full_timeout(self.timeout_setting)


@dataclass(frozen=True, slots=True)
class OwnRequest(Generic[T]):
    """A question to a peer that its backend asks in its own way: `run` is given the seconds that it may take."""

    peer: Peer
    operation: str
    run: Callable[[float], T]
    timeout_setting: str = "PEER_READ_TIMEOUT"

    @property
    def full_timeout(self) -> float:
        """Return the seconds that one attempt may take."""
        return full_timeout(self.timeout_setting)


def full_timeout(timeout_setting: str) -> float:
    """Return the seconds that one attempt may take: to connect, and the setting of this name for the answer."""
    total: float = settings.PEER_CONNECT_TIMEOUT + getattr(settings, timeout_setting)
    return total


def attempt(request: PeerRequest, deadline: Deadline) -> Answer:
    """Send the request once and return whatever is answered; tell the breakers how it went.

    :raises PeerUnavailable: if it was not even tried: no time left, no usable address, breaker open.
    :raises NotSent: if no connection was made.
    :raises Lost: if there was no complete answer.
    """
    peer, remaining = request.peer, _remaining(request, deadline)
    with _admitted(request, deadline, cut_short=remaining < request.full_timeout) as verdict:
        try:
            answer = noted(_exchange(request, remaining))
        except UnusableURL as error:
            detail = f"not asked: {peer.setting} holds no usable URL"
            raise PeerUnavailable(peer.name, detail, repeatable=False) from error
        verdict.of_peer, verdict.of_operation = False, answer.status >= 500 and answer.status not in request.accepted
        return answer


def attempt_own(request: OwnRequest[T], deadline: Deadline) -> T:
    """Let the backend ask once, in its own way; tell the breaker of the operation how it went.

    :raises PeerUnavailable: if it was not even tried: no time left, breaker open.
    :raises Exception: whatever the backend raises.
    """
    remaining = _remaining(request, deadline)
    breaker = breakers.of(request.peer.name, request.operation, request.peer.url)
    _require(breaker, request)
    failed = True
    try:
        outcome = request.run(min(remaining, request.full_timeout))
        failed = isinstance(outcome, Unavailable | Unknown)
        return outcome
    finally:
        cut_short = remaining < request.full_timeout and deadline.expired
        breaker.record(None if failed and cut_short else failed)


def _remaining(request: PeerRequest | OwnRequest[Any], deadline: Deadline) -> float:
    remaining = deadline.remaining()
    if remaining <= 0:
        raise PeerUnavailable(request.peer.name, "not asked: no time is left", repeatable=False)
    return remaining


def _exchange(request: PeerRequest, seconds: float) -> Answer:
    headers = dict(request.headers)
    if (current := context.request_id.get()) and _PRINTABLE.fullmatch(current):
        headers["X-Request-ID"] = current
    if trace := context.traceparent():
        headers["traceparent"] = trace
    body = None
    if request.body is not None:
        headers["Content-Type"] = "application/json"
        body = _encode(request.body).encode()
    target = f"{request.path}?{urlencode(request.params)}" if request.params else request.path
    connect, read = settings.PEER_CONNECT_TIMEOUT, getattr(settings, request.timeout_setting)
    return http_exchange.exchange(
        request.method, request.peer.url, target, headers=headers, body=body, connect=connect, read=read, total=seconds
    )


class _Verdict:
    """Whether an attempt speaks against the peer (no connection) or this operation of it; None: neither way."""

    of_peer: bool | None = None
    of_operation: bool | None = None


@contextmanager
def _admitted(request: PeerRequest, deadline: Deadline, *, cut_short: bool) -> Iterator[_Verdict]:
    """Ask the breakers, and tell them the verdict; None where the time was cut so short that it says nothing.

    :raises BreakerOpen:
    """
    of_peer = breakers.of(request.peer.name, CONNECT, request.peer.url)
    of_operation = breakers.of(request.peer.name, request.operation, request.peer.url)
    verdict = _Verdict()
    _require(of_peer, request)
    try:
        _require(of_operation, request)
        try:
            yield verdict
        except http_exchange.NotSent:
            verdict.of_peer = None if cut_short and deadline.expired else True
            raise
        except http_exchange.Lost:
            verdict.of_peer, verdict.of_operation = False, None if cut_short and deadline.expired else True
            raise
        finally:
            of_operation.record(verdict.of_operation)
    finally:
        of_peer.record(verdict.of_peer)


def _require(breaker: Breaker, request: PeerRequest | OwnRequest[Any]) -> None:
    if (wait := breaker.admit()) is not None:
        raise BreakerOpen(request.peer.name, retry_after=wait)
