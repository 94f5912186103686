"""Connections under requests and urllib3 that keep three promises which those do not make by themselves.

- The read timeout covers the whole answer, headers and body, and not each `recv`: who dribbles gains nothing.
- Whatever fails before the first byte of the request (name, TCP, TLS, or all of them being slow) is a
  `ConnectTimeoutError` or one of its subclasses, and nothing else is. Only these mean "not sent".
- A connection that idled longer than `settings.PEER_MAX_IDLE` (s) is never used again. The other side may
  have closed it meanwhile, and a write that dies on it would be an unknown outcome (docs/peers.md, Outcomes).
"""

import http.client
import io
import socket
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from typing import Any

from django.conf import settings
from requests.adapters import HTTPAdapter
from urllib3.connection import HTTPConnection, HTTPSConnection
from urllib3.connectionpool import HTTPConnectionPool, HTTPSConnectionPool
from urllib3.exceptions import ConnectTimeoutError, HTTPError, NewConnectionError
from urllib3.response import HTTPResponse


class _BoundedReads(io.RawIOBase):
    """The bytes of one answer; the socket's timeout at the start is what all reads together may take."""

    def __init__(self, sock: socket.socket) -> None:
        self._sock = sock
        self._bytes = sock.makefile("rb", buffering=0)
        self._until = time.monotonic() + (sock.gettimeout() or 0)

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int | None:
        left = self._until - time.monotonic()
        if left <= 0:
            raise TimeoutError("the answer was not complete in time")
        self._sock.settimeout(left)
        return self._bytes.readinto(buffer)

    def close(self) -> None:
        self._bytes.close()
        super().close()


class _BoundedSocket:
    """The one method of a socket that `http.client.HTTPResponse` calls."""

    def __init__(self, sock: socket.socket) -> None:
        self._sock = sock

    def makefile(self, _mode: str) -> io.BufferedReader:
        return io.BufferedReader(_BoundedReads(self._sock))


class _BoundedResponse(http.client.HTTPResponse):
    def __init__(self, sock: socket.socket, *args: Any, **kwargs: Any) -> None:
        super().__init__(_BoundedSocket(sock), *args, **kwargs)  # type: ignore[arg-type]


@contextmanager
def _nothing_sent(connection: HTTPConnection) -> Iterator[None]:
    """Turn every failure to connect, slowness in sum included, into a `ConnectTimeoutError`."""
    began, allowed = time.monotonic(), connection.timeout
    try:
        yield
    except ConnectTimeoutError:
        raise
    except (OSError, ValueError, HTTPError, http.client.HTTPException) as error:
        connection.close()
        raise NewConnectionError(connection, str(error)) from error
    # Several addresses or a slow resolver: each step in time, the sum not. The request must not go out late.
    if allowed is not None and time.monotonic() - began > allowed:
        connection.close()
        raise ConnectTimeoutError(connection, f"Connecting took longer than {allowed:.3f} s")


class _Connection(HTTPConnection):
    _unless_answered: ExitStack

    def connect(self) -> None:
        with _nothing_sent(self):
            super().connect()

    def response_class(self, sock: socket.socket, *args: Any, **kwargs: Any) -> _BoundedResponse:  # type: ignore[override]
        """Make the response, and see to it that it is closed if urllib3 then drops it for a bad header."""
        response = _BoundedResponse(sock, *args, **kwargs)
        self._unless_answered.callback(response.close)
        return response

    def getresponse(self) -> HTTPResponse:  # type: ignore[override]
        with ExitStack() as self._unless_answered:
            response = super().getresponse()
            self._unless_answered.pop_all()
            return response


class _TLSConnection(_Connection, HTTPSConnection):
    """The same over TLS; the handshake belongs to connecting."""


class _FreshOnly(HTTPConnectionPool):
    """A pool that stamps what is put back and does not hand out what has waited too long."""

    def _put_conn(self, conn: Any) -> None:
        if conn is not None:
            conn.idle_since = time.monotonic()
        super()._put_conn(conn)

    def _get_conn(self, timeout: float | None = None) -> Any:
        conn = super()._get_conn(timeout)
        idle_since = getattr(conn, "idle_since", None)
        if idle_since is not None and time.monotonic() - idle_since > settings.PEER_MAX_IDLE:
            conn.close()  # urllib3 connects a closed one anew
        return conn


class _Pool(_FreshOnly):
    ConnectionCls = _Connection


class _TLSPool(_FreshOnly, HTTPSConnectionPool):
    ConnectionCls = _TLSConnection


class Adapter(HTTPAdapter):
    """A requests adapter over such pools; it never repeats anything by itself (`max_retries=0`).

    A pool keeps up to `size` connections. It opens more when more threads ask at once, and closes those after
    use: nobody waits for a connection.
    """

    def __init__(self, size: int) -> None:
        super().__init__(pool_connections=2, pool_maxsize=size, max_retries=0)

    def init_poolmanager(self, *args: Any, **kwargs: Any) -> None:
        """Make urllib3 build the pools of this module."""
        super().init_poolmanager(*args, **kwargs)
        self.poolmanager.pool_classes_by_scheme = {"http": _Pool, "https": _TLSPool}
