"""A proxy that loses things, between a client and a real server: each request of a method meets the next of its faults.

A fault gets the client's connection, and `passed`, which passes the request on and returns the server's whole answer;
it returns whether the connection is kept. After the last fault, and for every other method, all goes well.
"""

import re
import socket
import time
from collections.abc import Callable, Iterator
from itertools import chain, repeat

from tests.raw_server import Act, RawServer, abort

Fault = Callable[[socket.socket, Callable[[], bytes]], bool]


def nothing(connection: socket.socket, passed: Callable[[], bytes]) -> bool:
    """All goes well."""
    connection.sendall(passed())
    return True


def answer_lost(_connection: socket.socket, passed: Callable[[], bytes]) -> bool:
    """The server has done it, and the connection is closed without an answer."""
    passed()
    return False


def answer_reset(connection: socket.socket, passed: Callable[[], bytes]) -> bool:
    passed()
    return abort(connection)


def answer_cut(connection: socket.socket, passed: Callable[[], bytes]) -> bool:
    connection.sendall(passed()[:-20])
    return False


def not_passed(_connection: socket.socket, _passed: Callable[[], bytes]) -> bool:
    """The connection is closed, and the server has heard of nothing."""
    return False


def answer_late(seconds: float) -> Fault:
    def fault(connection: socket.socket, passed: Callable[[], bytes]) -> bool:
        answer = passed()
        time.sleep(seconds)
        connection.sendall(answer)
        return True

    return fault


def bad_gateway(connection: socket.socket, passed: Callable[[], bytes]) -> bool:
    """The server has done it, and the proxy answers with a page of its own, which a page elsewhere may not read."""
    passed()
    connection.sendall(b"HTTP/1.1 502 Bad Gateway\r\nContent-Type: text/html\r\nContent-Length: 5\r\n\r\n<html")
    return True


class FaultProxy(RawServer):
    """In front of `upstream`, a root URL; a context manager."""

    def __init__(self, upstream: str, method: str, *faults: Fault, always: Fault = nothing) -> None:
        super().__init__()
        host, port = upstream.removeprefix("http://").split(":")
        self._upstream = host, int(port)
        self._method = method
        self._faults: Iterator[Fault] = chain(faults, repeat(always))

    def act_for(self, request: bytes) -> Act:
        with self._lock:
            self.requests.append(request)
            fault = next(self._faults) if method_of(request) == self._method else nothing
        return lambda connection: fault(connection, lambda: self._pass_on(request))

    def methods(self) -> list[str]:
        """The methods of what arrived."""
        return [method_of(request) for request in self.requests]

    def _pass_on(self, request: bytes) -> bytes:
        """On a connection of its own, whose end is the end of the answer; the client's is kept."""
        request = re.sub(rb"(?i)\r\nconnection: [^\r]*", b"", request, count=1)
        with socket.create_connection(self._upstream) as server:
            server.sendall(request.replace(b"\r\n", b"\r\nConnection: close\r\n", 1))
            answer = b"".join(iter(lambda: server.recv(65536), b""))
        return re.sub(rb"(?i)\r\nconnection: [^\r]*", b"", answer, count=1)


def method_of(request: bytes) -> str:
    return request.split(b" ", 1)[0].decode()
