"""One attempt at one HTTP exchange: what came back, or what is certain when nothing did.

`requests` says once what a peer's URL means (address, path, credentials, certificates) and keeps the connections, one
`Session` a peer and process, shared by all threads: so a burst of threads does not leave a connection for each of
them. A call then is one send and, mostly, one receive: by `requests` itself it takes five times the processor time.
"""

import json
import os
import socket
import threading
import time
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from decimal import Decimal
from itertools import accumulate
from typing import Any, NoReturn, cast
from urllib.parse import urlsplit

import requests
from django.conf import settings
from urllib3.exceptions import ConnectTimeoutError

from integrations import answers
from integrations.connections import Adapter, Pool

MAX_DETAIL = 200  # characters of anything foreign in a message or a log line
MAX_DEPTH = 50
"""Of objects and lists in one another. Where Python itself gives up depends on who asks, and whatever is cleaned up by
chance meanwhile fails with it."""
_NO_BRACKETS = bytes(set(range(256)) - set(b"[]{}"))


class NotSent(Exception):
    """Not a byte of the request left this machine."""


class Lost(Exception):
    """The request, or part of it, was sent, and there is no complete answer."""


class Unexpected(ValueError):
    """A complete answer that does not say what it should."""


@dataclass(frozen=True, slots=True)
class Reply:
    """A complete answer, its headers by their names in lower case; only that of a 2xx surely has its body."""

    status: int
    headers: Mapping[str, str]
    body: bytes

    @property
    def succeeded(self) -> bool:
        """Tell whether the status is a 2xx."""
        return 200 <= self.status < 300

    def json_object(self) -> dict[str, Any]:
        """Return the body, its fractional numbers as Decimal, so that no price ever passes through a float.

        :raises Unexpected: if it is not a JSON object (NaN and Infinity are not JSON, RFC 8259 section 6), holds a
            number that nothing here can hold, or a name twice in an object, of which others may have read the other.
        """
        if _depth(self.body) > MAX_DEPTH:
            raise Unexpected("answered something that is nested too deeply")
        try:
            found = json.loads(
                self.body, parse_float=Decimal, parse_constant=_no_constant, object_pairs_hook=_unambiguous
            )
        except (ValueError, ArithmeticError, RecursionError) as error:
            raise Unexpected("answered something that is not JSON") from error
        if not isinstance(found, dict):
            raise Unexpected("answered JSON that is not an object")
        return found

    def detail(self) -> str:
        """Return the peer's `detail` or `message`, else the start of the body: one line of 200 characters."""
        try:
            body = self.json_object()
        except Unexpected:
            return self._start()
        said = body.get("detail") or body.get("message") or ""
        return one_line(said) if isinstance(said, str) else self._start()

    def _start(self) -> str:
        return one_line(self.body[: 4 * MAX_DETAIL].decode("utf-8", "replace"))


def one_line(text: str) -> str:
    """Return at most 200 characters of `text`, without line breaks and what else does not print."""
    return "".join(char if char.isprintable() else " " for char in text[:MAX_DETAIL]).strip()


@dataclass(frozen=True, slots=True)
class Line:
    """The way to a peer: its connections, and what stands in each request to it."""

    url: str
    pool: Pool
    prefix: str
    head: str


@dataclass(frozen=True, slots=True)
class Request:
    """What is sent: `target` is the path below the peer's URL, with its query; both quoted."""

    method: str
    target: str
    headers: Mapping[str, str]
    body: bytes = b""

    def on(self, line: Line) -> bytes:
        """The bytes, in one piece: what is sent in two is received in two."""
        lines = [f"{self.method} {line.prefix}{self.target} HTTP/1.1\r\n{line.head}"]
        lines += [f"{name}: {value}" for name, value in self.headers.items()]
        if self.method != "GET":
            lines.append(f"Content-Length: {len(self.body)}\r\nContent-Type: application/json")
        return "\r\n".join([*lines, "", ""]).encode("ascii") + self.body


@dataclass(frozen=True, slots=True)
class Limits:
    """Seconds for connecting, for the whole answer once the request is sent, and for everything together."""

    connect: float
    read: float
    total: float


class Sessions:
    """The sessions of this process by peer, made when first needed, and the way that each leads."""

    def __init__(self) -> None:
        self.start_afresh()

    def start_afresh(self) -> None:
        """Forget all, after a fork: the sockets stay the parent's, and a thread of his may hold the lock."""
        self._lock = threading.Lock()
        self._made: dict[str, requests.Session] = {}
        self._lines: dict[str, Line] = {}

    def of(self, peer: str) -> requests.Session:
        """Return the session of that peer."""
        with self._lock:
            if peer not in self._made:
                self._made[peer] = _session()
            return self._made[peer]

    def line(self, peer: str, url: str) -> Line:
        """Return the way to that peer at that URL.

        :raises requests.RequestException, ValueError: if the URL is none of HTTP.
        """
        line = self._lines.get(peer)
        if line is None or line.url != url:
            line = self._lines[peer] = _line(self.of(peer), url)
        return line

    def close(self) -> None:
        """Close every connection that is not in use; those in use are closed when they come back."""
        with self._lock:
            made, self._made = self._made, {}
            self._lines = {}
        for session in made.values():
            session.close()


def _session() -> requests.Session:
    session = requests.Session()
    session.trust_env = False
    session.headers.update({"Accept": "application/json", "Accept-Encoding": "identity"})
    # Twice the threads of `parallel`: the requests' own threads ask besides.
    adapter = Adapter(2 * settings.PEER_THREADS)
    session.mount("http://", adapter)
    session.mount("https://", adapter)
    return session


def _line(session: requests.Session, url: str) -> Line:
    prepared = session.prepare_request(requests.Request("GET", url))
    adapter = cast("Adapter", session.get_adapter(prepared.url or ""))  # raises for a scheme that is not HTTP
    pool = cast("Pool", adapter.get_connection_with_tls_context(prepared, verify=session.verify))
    parts = urlsplit(prepared.url or "")
    if parts.query or parts.fragment:
        raise ValueError("paths cannot be put behind it")
    headers = {"Host": str(parts.netloc).rpartition("@")[2], **prepared.headers}
    head = "\r\n".join(f"{name}: {_text(value)}" for name, value in headers.items())
    return Line(url, pool, str(parts.path).rstrip("/"), head)


def _text(value: str | bytes) -> str:
    return value.decode("latin-1") if isinstance(value, bytes) else value


sessions = Sessions()
os.register_at_fork(after_in_child=sessions.start_afresh)


def exchange(line: Line, request: Request, limits: Limits) -> Reply:
    """Send `request` once and read the answer.

    Sending takes the connect timeout at most as connecting does; resolving the peer's name comes on top, but a
    request whose name was slow to resolve is not sent any more.

    :raises NotSent: if no connection came about.
    :raises Lost: for anything else than a complete answer, a body over 1 MiB included.
    """
    until = time.monotonic() + limits.total
    try:
        connection = line.pool.take(limits.connect)
    except ConnectTimeoutError as error:
        raise NotSent(f"not sent: {one_line(str(error))}") from error
    lasting, lost = False, True
    try:
        sock: socket.socket = connection.sock
        sock.settimeout(limits.connect)
        with suppress(BrokenPipeError, ConnectionResetError):  # it may have answered before it closed
            sock.sendall(request.on(line))
        answer = answers.receive(sock, min(limits.read, until - time.monotonic()))
        lasting, lost = answer.lasting, False
        return Reply(answer.status, answer.headers, answer.body)
    except (OSError, ValueError) as error:
        raise Lost(f"no complete answer: {type(error).__name__} {one_line(str(error))}") from error
    finally:
        line.pool.give_back(connection, lasting=lasting, lost=lost)


def _no_constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is not JSON")


def _depth(body: bytes) -> int:
    """How many brackets are open at once; those within texts count as well."""
    brackets = body.translate(None, _NO_BRACKETS)
    return max(accumulate(1 if bracket in b"[{" else -1 for bracket in brackets), default=0)


def _unambiguous(members: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(members)
    if len(found) < len(members):
        raise ValueError("a name is there twice in an object")
    return found
