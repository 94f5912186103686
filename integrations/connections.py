"""Connections of requests and urllib3 that keep two promises which those do not make by themselves.

- Whatever fails before the first byte of the request (name, TCP, TLS, or all of them being slow) is a
  `ConnectTimeoutError` or one of its subclasses, and nothing else is. Only these mean "not sent".
- A connection that idled longer than `settings.PEER_MAX_IDLE` (s) is never used again. The other side may
  have closed it meanwhile, and a write that dies on it would be an unknown outcome (docs/peers.md, Outcomes).
"""

import http.client
import socket
import struct
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Any

from django.conf import settings
from requests.adapters import HTTPAdapter
from urllib3.connection import HTTPConnection, HTTPSConnection
from urllib3.connectionpool import HTTPConnectionPool, HTTPSConnectionPool
from urllib3.exceptions import ConnectTimeoutError, HTTPError, NewConnectionError

_DROP = struct.pack("ii", 1, 0)
"""For SO_LINGER: closing resets the connection, and what is not sent yet never is."""


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
    def connect(self) -> None:
        with _nothing_sent(self):
            super().connect()


class _TLSConnection(_Connection, HTTPSConnection):
    """The same over TLS; the handshake belongs to connecting."""


class Pool(HTTPConnectionPool):
    """A pool that stamps what is put back and does not hand out what has waited too long."""

    def _put_conn(self, conn: Any) -> None:
        if conn is not None:
            conn.idle_since = time.monotonic()
        super()._put_conn(conn)

    def _get_conn(self, timeout: float | None = None) -> Any:
        conn = super()._get_conn(timeout)
        idle_since = getattr(conn, "idle_since", None)
        if idle_since is not None and time.monotonic() - idle_since > settings.PEER_MAX_IDLE:
            conn.close()  # `take` connects a closed one anew
        return conn

    def take(self, seconds: float) -> HTTPConnection:
        """Lend a connection that stands, made within so many seconds where none is kept; it must be given back.

        :raises ConnectTimeoutError: if none came about.
        """
        conn: HTTPConnection = self._get_conn()
        if conn.is_closed:
            conn.timeout = seconds
            try:
                conn.connect()
            except BaseException:
                self.give_back(conn, lasting=False)
                raise
        return conn

    def give_back(self, conn: HTTPConnection, *, lasting: bool, lost: bool = False) -> None:
        """Keep a connection for the next, or close it.

        :param lost: a request was sent on it and not answered. What of it has not arrived must not arrive any more: the
            kernel would go on sending for a minute after an ordinary close, and a call may act no later than a lease
            after it was sent.
        """
        if lost and conn.sock is not None:
            with suppress(OSError):
                conn.sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _DROP)
        if not lasting:
            conn.close()
        self._put_conn(conn)


class _PlainPool(Pool):
    ConnectionCls = _Connection


class _TLSPool(Pool, HTTPSConnectionPool):
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
        self.poolmanager.pool_classes_by_scheme = {"http": _PlainPool, "https": _TLSPool}
