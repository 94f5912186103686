"""One HTTP exchange with a peer: a complete answer, or what is certain without one.

Nothing is repeated, and no redirect is followed.
"""

import http.client
import time
import zlib
from collections.abc import Mapping
from contextlib import suppress
from typing import Any

from urllib3.exceptions import ConnectTimeoutError

from integrations.answer import Answer, one_line
from integrations.http_connections import MAX_BODY, Response, server_at
from integrations.watching import hang_up_if_told

_CODINGS = {"gzip": 31, "x-gzip": 31, "deflate": 15}
"""zlib's names for what some servers send though they were asked not to."""


class NotSent(Exception):
    """Not a byte of the request left this machine."""


class Lost(Exception):
    """The request, or part of it, was sent, and there is no complete answer."""


def exchange(
    method: str, url: str, target: str, *,
    headers: Mapping[str, str], body: bytes | None, connect: float, read: float, total: float,
) -> Answer:  # fmt: skip
    """Send one request to `target`, a quoted path and query below the base URL, and read the answer.

    :param connect: seconds for connecting, and again for sending. A request whose name was slow to resolve is not sent.
    :param read: seconds for the whole answer.
    :param total: seconds for everything but resolving the name.
    :raises UnusableURL: if nothing can be sent to such a URL.
    :raises NotSent: if no connection was made.
    :raises Lost: for anything else than a complete answer, a body of more than MAX_BODY included.
    """
    server = server_at(url)
    until = time.monotonic() + total
    connection: Any = server.pool._get_conn()
    complete = False
    try:
        connection.timeout = min(connect, total)
        if connection.is_closed:
            connection.connect()
        connection.sock.settimeout(connection.timeout)
        with suppress(BrokenPipeError, ConnectionResetError):  # the peer may have answered before it closed
            connection.request(method, server.path + target, body, {**server.headers, **headers})
        if connection.sock:
            hang_up_if_told(connection.sock)
            connection.sock.settimeout(max(0.001, min(read, until - time.monotonic())))
        answer, complete = _read(connection.getresponse())
        return answer
    except ConnectTimeoutError as error:
        raise NotSent(f"not sent: {one_line(str(error))}") from error
    except (http.client.HTTPException, OSError, ValueError) as error:
        raise Lost(f"no complete answer: {type(error).__name__} {one_line(str(error))}") from error
    finally:
        if not complete:
            connection.close()
        server.pool._put_conn(connection)


def _read(response: Response) -> tuple[Answer, bool]:
    """The answer, and whether all of it was read: nothing else may be asked over a connection that has more to come."""
    headers: dict[str, str] = {}
    for name, value in response.getheaders():
        key = name.lower()
        headers[key] = f"{headers[key]}, {value}" if key in headers else value
    try:
        body = _body(response, headers.get("content-encoding", "identity").lower())
        return Answer(response.status, headers, body), True
    except (http.client.HTTPException, OSError, ValueError):
        if response.status < 300:
            raise
        return Answer(response.status, headers, b""), False  # the status says no, whatever became of the explanation
    finally:
        response.close()


def _body(response: Response, coding: str) -> bytes:
    body = response.read(MAX_BODY + 1)
    if len(body) > MAX_BODY:
        raise ValueError(f"the body is larger than {MAX_BODY} bytes")
    if response.length:
        raise http.client.IncompleteRead(body, response.length)
    if coding == "identity":
        return body
    if coding not in _CODINGS:
        raise ValueError("the coding of the body is unknown")
    unpacking = zlib.decompressobj(wbits=_CODINGS[coding])
    try:
        body = unpacking.decompress(body, MAX_BODY)
    except zlib.error as error:
        raise ValueError(f"the body is not {coding}") from error
    if not unpacking.eof:
        raise ValueError(f"the body is not complete, or larger than {MAX_BODY} bytes")
    return body
