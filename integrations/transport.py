"""One attempt at one HTTP exchange: what came back, or what is certain when nothing did.

One `requests.Session` a peer and process, shared by all threads. They share its connections, so that a burst
of threads does not leave a connection for each of them, and nothing in it changes after it was made: cookies
are refused.
"""

import json
import os
import threading
from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal
from http.cookiejar import DefaultCookiePolicy
from typing import Any, NoReturn

import requests
import urllib3
from django.conf import settings
from urllib3.exceptions import ConnectTimeoutError, MaxRetryError

from integrations.connections import Adapter

MAX_BODY = 1024 * 1024  # bytes, decoded
MAX_DETAIL = 200  # characters of anything foreign in a message or a log line
_CHUNK = 64 * 1024
_FAILURES = (requests.RequestException, urllib3.exceptions.HTTPError, OSError, ValueError)


class NotSent(Exception):
    """Not a byte of the request left this machine."""


class Lost(Exception):
    """The request, or part of it, was sent, and there is no complete answer."""


class Unexpected(ValueError):
    """A complete answer that does not say what it should."""


@dataclass(frozen=True, slots=True)
class Reply:
    """A complete answer; only that of a 2xx surely has its body."""

    status: int
    headers: Mapping[str, str]
    body: bytes

    @property
    def succeeded(self) -> bool:
        """Tell whether the status is a 2xx."""
        return 200 <= self.status < 300

    def json_object(self) -> dict[str, Any]:
        """Return the body, its fractional numbers as Decimal, so that no price ever passes through a float.

        :raises Unexpected: if it is not a JSON object (NaN and Infinity are not JSON, RFC 8259 section 6).
        """
        try:
            found = json.loads(self.body, parse_float=Decimal, parse_constant=_no_constant)
        except (ValueError, RecursionError) as error:
            raise Unexpected("answered something that is not JSON") from error
        if not isinstance(found, dict):
            raise Unexpected("answered JSON that is not an object")
        return found

    def detail(self) -> str:
        """Return the peer's `detail` or `message`, else the start of the body: one line of 200 characters."""
        try:
            body = self.json_object()
        except Unexpected:
            return one_line(self.body[: 4 * MAX_DETAIL].decode("utf-8", "replace"))
        return one_line(str(body.get("detail") or body.get("message") or ""))


def one_line(text: str) -> str:
    """Return at most 200 characters of `text`, without line breaks and what else does not print."""
    return "".join(char if char.isprintable() else " " for char in text[:MAX_DETAIL]).strip()


class _Session(requests.Session):
    def get_redirect_target(self, resp: requests.Response) -> None:
        """Follow nothing: a redirect is an answer like any other, and its body not to be read beforehand."""


class Sessions:
    """The sessions of this process by peer, made when first needed."""

    def __init__(self) -> None:
        self.start_afresh()

    def start_afresh(self) -> None:
        """Forget all, after a fork: the sockets stay the parent's, and a thread of his may hold the lock."""
        self._lock = threading.Lock()
        self._made: dict[str, requests.Session] = {}

    def of(self, peer: str) -> requests.Session:
        """Return the session of that peer."""
        with self._lock:
            if peer not in self._made:
                self._made[peer] = _session()
            return self._made[peer]

    def close(self) -> None:
        """Close every connection that is not in use; those in use are closed when they come back."""
        with self._lock:
            made, self._made = self._made, {}
        for session in made.values():
            session.close()


def _session() -> requests.Session:
    session = _Session()
    session.trust_env = False
    session.cookies.set_policy(DefaultCookiePolicy(allowed_domains=()))
    session.headers.update({"Accept": "application/json", "Accept-Encoding": "identity"})
    # Twice the threads of `parallel`: the requests' own threads ask besides.
    adapter = Adapter(2 * settings.PEER_THREADS)
    session.mount("http://", adapter)
    session.mount("https://", adapter)
    return session


sessions = Sessions()
os.register_at_fork(after_in_child=sessions.start_afresh)


def exchange(session: requests.Session, request: requests.PreparedRequest, timeout: urllib3.Timeout) -> Reply:
    """Send `request` once and read the answer.

    It takes at most the connect timeout plus the read timeout, or the timeout's total; resolving the peer's
    name comes on top, but a request whose name was slow to resolve is not sent any more.

    :raises NotSent: if no connection came about.
    :raises Lost: for anything else than a complete answer, a body over 1 MiB included.
    """
    try:
        limits: Any = timeout  # requests takes urllib3's Timeout, but its annotations do not say so
        with session.send(request, stream=True, allow_redirects=False, timeout=limits) as response:
            return Reply(response.status_code, response.headers, _body(response))
    except _FAILURES as error:
        cause = _cause(error)
        if isinstance(cause, ConnectTimeoutError):
            raise NotSent(f"not sent: {one_line(str(cause))}") from error
        raise Lost(f"no complete answer: {type(cause).__name__} {one_line(str(cause))}") from error


def _body(response: requests.Response) -> bytes:
    try:
        return _capped(response)
    except _FAILURES:
        if 200 <= response.status_code < 300:
            raise
        return b""  # a refusal is a refusal by its status, whatever became of the words


def _capped(response: requests.Response) -> bytes:
    body = bytearray()
    for chunk in response.iter_content(_CHUNK):
        body += chunk
        if len(body) > MAX_BODY:
            raise ValueError(f"the body is larger than {MAX_BODY} bytes")
    return bytes(body)


def _cause(error: BaseException) -> BaseException:
    """Return the urllib3 error inside a requests error: the second names only the URL and wraps the first."""
    while error.args and isinstance(error.args[0], BaseException):
        error = error.args[0]
    return error.reason if isinstance(error, MaxRetryError) and error.reason else error


def _no_constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is not JSON")
