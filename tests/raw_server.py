"""A server that misbehaves below HTTP, on a real socket: each request meets the next act of a script.

An act is a function of the connection, called once the request was read; it returns whether the connection
is to be kept. The last act repeats. `requests` has what was received, `connections` how often somebody
connected.
"""

import contextlib
import json
import socket
import ssl
import struct
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, Self

Act = Callable[[socket.socket], bool]


def answer(status: int, body: object = None, **headers: str) -> Act:
    """Answer properly: `body` as JSON, bytes as they are; in the names of headers `_` stands for `-`."""
    content = body if isinstance(body, bytes) else json.dumps(body).encode()
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return raw(head(status, **{"Content-Length": str(len(content)), **named}) + content)


def head(status: int, **headers: str) -> bytes:
    """Return a status line and headers, the empty line included."""
    lines = [f"HTTP/1.1 {status} Scripted", *(f"{name}: {value}" for name, value in headers.items())]
    return "\r\n".join([*lines, "", ""]).encode()


def raw(content: bytes) -> Act:
    """Send these bytes and keep the connection."""

    def act(connection: socket.socket) -> bool:
        connection.sendall(content)
        return True

    return act


def cut(content: bytes = b"") -> Act:
    """Send these bytes and close the connection."""

    def act(connection: socket.socket) -> bool:
        connection.sendall(content)
        return False

    return act


def abort(connection: socket.socket) -> bool:
    """Reset the connection (RST)."""
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    return False


def stall(seconds: float) -> Act:
    """Say nothing for so long, or until the other side has gone; then close."""

    def act(connection: socket.socket) -> bool:
        connection.settimeout(seconds)
        with contextlib.suppress(OSError):
            connection.recv(1)
        return False

    return act


def dribble(content: bytes, *, every: float) -> Act:
    """Send these bytes one by one, with a pause before each."""

    def act(connection: socket.socket) -> bool:
        for byte in content:
            time.sleep(every)
            connection.sendall(bytes([byte]))
        return True

    return act


def flood(content: bytes) -> Act:
    """Send these bytes again and again, until nobody listens."""

    def act(connection: socket.socket) -> bool:
        while True:
            connection.sendall(content)

    return act


class RawServer:
    """Plays a script to whoever connects; a context manager."""

    def __init__(self, *script: Act, tls: ssl.SSLContext | None = None) -> None:
        self.requests: list[bytes] = []
        self.connections = 0
        self._script = script
        self._lock = threading.Lock()
        self._open: list[socket.socket] = []
        self._threads: list[threading.Thread] = []
        self._listener = socket.create_server(("127.0.0.1", 0))
        self._tls = tls
        self.url = f"{'https' if tls else 'http'}://127.0.0.1:{self._listener.getsockname()[1]}"

    def __enter__(self) -> Self:
        self._spawn(self._listen)
        return self

    def __exit__(self, *_exception: object) -> None:
        self.refuse()
        self._listener.close()
        for connection in self._open:
            with contextlib.suppress(OSError):
                connection.shutdown(socket.SHUT_RDWR)
        for thread in self._threads:
            thread.join()

    def refuse(self) -> None:
        """Let nobody connect any more; who is connected stays so."""
        with contextlib.suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)

    def await_hung_up(self) -> None:
        """Wait until every connection is closed that it closes by itself."""
        for thread in self._threads[1:]:
            thread.join()

    def sent(self, number: int = -1) -> tuple[str, dict[str, str], Any]:
        """Return one received request: its first line, headers (names in lower case), JSON body or None."""
        top, _, body = self.requests[number].partition(b"\r\n\r\n")
        first, *rest = top.decode().split("\r\n")
        headers = {name.lower(): value for name, value in (line.split(": ", 1) for line in rest)}
        return first, headers, json.loads(body) if body else None

    def act_for(self, request: bytes) -> Act:
        """Note a request, and return what it meets."""
        with self._lock:
            act = self._script[min(len(self.requests), len(self._script) - 1)]
            self.requests.append(request)
        return act

    def _spawn(self, target: Callable[..., None], *args: object) -> None:
        thread = threading.Thread(target=target, args=args, daemon=True)
        self._threads.append(thread)
        thread.start()

    def _listen(self) -> None:
        while True:
            try:
                connection, _ = self._listener.accept()
            except OSError:
                return
            self.connections += 1
            self._open.append(connection)
            self._spawn(self._serve, connection)

    def _serve(self, connection: socket.socket) -> None:
        with contextlib.suppress(OSError), self._spoken_to(connection) as connection:
            while request := _receive(connection):
                if not self.act_for(request)(connection):
                    return

    def _spoken_to(self, connection: socket.socket) -> socket.socket:
        if self._tls is None:
            return connection
        with connection:  # wrapping takes its descriptor over, or fails
            return self._tls.wrap_socket(connection, server_side=True)


def _receive(connection: socket.socket) -> bytes:
    received = b""
    while b"\r\n\r\n" not in received:
        chunk = connection.recv(65536)
        if not chunk:
            return b""
        received += chunk
    top, _, body = received.partition(b"\r\n\r\n")
    lengths = [int(line.split(b":")[1]) for line in top.split(b"\r\n") if line.lower().startswith(b"content-length")]
    while len(body) < sum(lengths):
        body += connection.recv(65536)
    return top + b"\r\n\r\n" + body


def closed_port() -> str:
    """Return a URL where nobody listens."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        return f"http://127.0.0.1:{listener.getsockname()[1]}"


@contextmanager
def deaf_server() -> Iterator[str]:
    """Yield a URL where connecting never completes: the queue of the listener is full."""
    with contextlib.ExitStack() as stack:
        listener = stack.enter_context(socket.socket())
        listener.bind(("127.0.0.1", 0))
        listener.listen(0)
        for _ in range(3):
            waiting = stack.enter_context(socket.socket())
            waiting.setblocking(False)
            waiting.connect_ex(listener.getsockname())
        yield f"http://127.0.0.1:{listener.getsockname()[1]}"
