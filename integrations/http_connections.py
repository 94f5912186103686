"""Connections to the peers: urllib3 makes, pools and checks them, and `http.client` speaks HTTP over them.

urllib3's own reading of an answer takes most of the processor time of a small call. Added here:

- Whatever fails before the first byte of the request is a `ConnectTimeoutError` or a subclass, and nothing else is.
- An answer has one time limit as a whole, however slowly its bytes arrive, and a limit on its size.
- A connection is not used again if it was idle for longer than PEER_MAX_IDLE (s), as the peer may just be closing it,
  nor if the peer sent more than the answer, which would be read as the answer to the next request.
- Closing a connection resets it. After an ordinary close the kernel would go on delivering an abandoned request for a
  minute or longer, and a call must not act later than a lease after it was sent (docs/peers.md).
"""

import http.client
import io
import os
import socket
import ssl
import struct
import time
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from typing import Any
from urllib.parse import unquote

from django.conf import settings
from urllib3 import HTTPConnectionPool, HTTPSConnectionPool, make_headers
from urllib3.connection import HTTPConnection, HTTPSConnection
from urllib3.exceptions import ConnectTimeoutError, HTTPError, NewConnectionError
from urllib3.util import parse_url

MAX_BODY = 1024 * 1024
"""Bytes of a body, decoded."""
MAX_RECEIVED = MAX_BODY + 64 * 1024
"""Bytes of a whole answer as it is sent: headers, interim answers and the framing of the body included."""
_SOCKET_OPTIONS = [
    *HTTPConnection.default_socket_options,
    (socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0)),  # closing resets
]


class UnusableURL(ValueError):
    """The base URL of a peer is not an http(s) URL to which paths can be appended."""


class _IncomingBytes(io.RawIOBase):
    """What arrives on a socket: within the socket's timeout in all, and up to MAX_RECEIVED bytes."""

    def __init__(self, sock: socket.socket, incoming: io.RawIOBase) -> None:
        self.sock, self.ended = sock, False
        self._incoming, self._spare = incoming, MAX_RECEIVED
        self._until = time.monotonic() + (sock.gettimeout() or 0)

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        if self.ended:
            return 0
        left = self._until - time.monotonic()
        if left <= 0:
            raise TimeoutError
        self.sock.settimeout(left)
        received = self._incoming.readinto(buffer) or 0
        self._spare -= received
        if self._spare < 0:
            raise http.client.HTTPException(f"the answer is larger than {MAX_RECEIVED} bytes")
        return received

    def close(self) -> None:
        self._incoming.close()
        super().close()


class _AnswerReader(io.BufferedReader):
    """Reads one answer. Bytes beyond it make the connection useless, and urllib3's pool will find it closed."""

    raw: _IncomingBytes

    def close(self) -> None:
        if not self.closed:
            self.raw.ended = True
            if self.peek(1):
                with suppress(OSError):
                    self.raw.sock.shutdown(socket.SHUT_RDWR)
        super().close()


class Response(http.client.HTTPResponse):
    def __init__(self, sock: socket.socket, *args: Any, **kwargs: Any) -> None:
        super().__init__(sock, *args, **kwargs)
        self.fp = _AnswerReader(_IncomingBytes(sock, self.fp.detach()))

    def begin(self) -> None:
        """Read up to the body of the final answer; http.client takes every interim one but 100 for it."""
        super().begin()
        while 101 < self.status < 200:
            self.headers = None  # type: ignore[assignment]
            super().begin()
        if self.status == 101:
            raise http.client.HTTPException("the peer speaks another protocol from here on")
        lengths = self.headers.get_all("Content-Length", [])
        stated = [*lengths, *self.headers.get_all("Transfer-Encoding", [])]
        if self.headers.defects or len(stated) > 1 or not all(length.strip().isdecimal() for length in lengths):
            raise http.client.HTTPException("the headers are malformed")


class _Connection(HTTPConnection):
    response_class = Response
    _answered_at = 0.0
    _unsent: bytearray | None = None

    def connect(self) -> None:
        """Turn every failure to connect, slowness in sum included, into a `ConnectTimeoutError` or a subclass."""
        began, allowed = time.monotonic(), self.timeout or 0
        try:
            super().connect()
        except ConnectTimeoutError:
            raise
        except (OSError, ValueError, HTTPError, http.client.HTTPException) as error:
            raise NewConnectionError(self, str(error)) from error
        # Several addresses or a slow resolver: each was in time, the sum was not: the request must not go out late.
        if time.monotonic() - began > allowed:
            raise ConnectTimeoutError(self, f"Connecting took longer than {allowed:.3f} s")
        self._answered_at = time.monotonic()

    def request(self, *args: Any, **kwargs: Any) -> None:
        """Send headers and body in one piece: what is sent in two wakes the peer twice."""
        self._unsent = bytearray()
        http.client.HTTPConnection.request(self, *args, **kwargs)
        request, self._unsent = self._unsent, None
        self.send(request)

    def send(self, data: Any) -> None:
        if self._unsent is None:
            super().send(data)
        else:
            self._unsent += data

    def getresponse(self) -> Any:
        response = http.client.HTTPConnection.getresponse(self)
        self._answered_at = time.monotonic()
        return response

    @property
    def is_connected(self) -> bool:
        """Whether it may be used again, which the pool asks before it does."""
        return super().is_connected and time.monotonic() - self._answered_at <= settings.PEER_MAX_IDLE


class _TLSConnection(_Connection, HTTPSConnection):
    """The same over TLS; the handshake belongs to connecting."""


class _Pool(HTTPConnectionPool):
    ConnectionCls = _Connection


class _TLSPool(HTTPSConnectionPool):
    ConnectionCls = _TLSConnection


@dataclass(frozen=True, slots=True)
class Server:
    """Where requests below a base URL go: a pool, the URL's path, and the headers of every request."""

    pool: HTTPConnectionPool
    path: str
    headers: Mapping[str, str]

    @classmethod
    def at(cls, url: str) -> "Server":
        """:raises UnusableURL:"""
        try:
            parts = parse_url(url)
            headers = make_headers(basic_auth=unquote(parts.auth)) if parts.auth else {}
        except ValueError as error:
            raise UnusableURL(str(error)) from error
        if parts.scheme not in ("http", "https") or not parts.host or parts.query or parts.fragment:
            raise UnusableURL("not the base URL of a service")
        # The threads of requests ask too, beside those of `concurrent_calls`.
        how: dict[str, Any] = {"maxsize": 2 * settings.PEER_THREADS, "socket_options": _SOCKET_OPTIONS}
        if parts.scheme == "https":
            pool: HTTPConnectionPool = _TLSPool(parts.host, parts.port, ssl_context=ssl.create_default_context(), **how)
        else:
            pool = _Pool(parts.host, parts.port, **how)
        return cls(pool, (parts.path or "").rstrip("/"), {"Accept": "application/json", **headers})


_servers: dict[str, Server] = {}
"""By base URL; their connections are shared by all threads."""
os.register_at_fork(after_in_child=_servers.clear)  # the sockets are the parent's


def server_at(url: str) -> Server:
    """Return where requests below that base URL go.

    :raises UnusableURL: if nothing can be sent to such a URL.
    """
    return _servers.get(url) or _servers.setdefault(url, Server.at(url))


def close_connections() -> None:
    """Close every connection that is not in use; those in use are closed after it."""
    while _servers:
        _servers.popitem()[1].pool.close()
