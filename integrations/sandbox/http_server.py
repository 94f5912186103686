"""HTTP/1.1 on sockets: requests in whole, one send an answer, connections kept alive, a prompt end."""

import contextlib
import logging
import socket
import sys
import threading
from collections.abc import Callable
from email.utils import formatdate
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from socketserver import TCPServer
from typing import Any

from integrations.sandbox.http_messages import Request, Response, failure

log = logging.getLogger(__name__)

LARGEST_BODY = 1024 * 1024
_REASONS = {status.value: status.phrase for status in HTTPStatus}

Application = Callable[[Request], Response | None]


class RefusedError(Exception):
    """A request cannot be read: its target is malformed, or its length missing, malformed or too large."""

    def __init__(self, status: int, detail: str) -> None:
        super().__init__(detail)
        self.status = status


class Handler(BaseHTTPRequestHandler):
    """One connection: reads requests, asks the application, sends each answer at once."""

    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    server: "PeerServer"

    def serve(self) -> None:
        """Answer the request whose head has been read; an answer of None closes the connection."""
        try:
            request = self._request()
        except RefusedError as error:
            self.send_error(error.status, str(error))
            return
        answer = self._answer(request)
        if answer is None:
            self.close_connection = True
        else:
            self._send(answer)

    do_GET = do_POST = do_PUT = do_DELETE = serve  # noqa: N815 - the names that the standard library looks for

    def _answer(self, request: Request) -> Response | None:
        try:
            return self.server.application(request)
        except Exception:
            # A write whose outcome is unknown ends here too, so never a status that promises "not acted".
            log.exception("%s %s failed", self.command, self.path)
            return failure(500, "Internal Server Error")

    def _request(self) -> Request:
        body = self._body()
        try:
            return Request.of(self.command, self.path, self.headers, body)
        except ValueError as error:
            raise RefusedError(400, "The request target cannot be read") from error

    def _body(self) -> bytes:
        if "Transfer-Encoding" in self.headers:
            raise RefusedError(411, "A Content-Length is needed")
        given = self.headers.get("Content-Length", "0")
        if not (given.isascii() and given.isdigit()):
            raise RefusedError(400, "Content-Length must be a number")
        if len(given) > 9 or int(given) > LARGEST_BODY:
            raise RefusedError(413, f"The body may have {LARGEST_BODY} bytes at most")
        return self.rfile.read(int(given)) if given != "0" else b""

    def _send(self, answer: Response) -> None:
        payload = answer.payload()
        lines = [
            f"HTTP/1.1 {answer.status} {_REASONS.get(answer.status, 'Unknown')}",
            f"Date: {formatdate(usegmt=True)}",
            "Content-Type: application/json",
            *(f"{name}: {value}" for name, value in answer.headers.items()),
        ]
        if answer.status != HTTPStatus.NO_CONTENT:
            lines.append(f"Content-Length: {len(payload)}")
        if self.close_connection:
            lines.append("Connection: close")
        # Unbuffered (`wbufsize` 0): one write is one send, so that nothing waits for an acknowledgement.
        self.wfile.write("\r\n".join([*lines, "", ""]).encode("latin-1") + payload)

    def send_error(self, code: int, message: str | None = None, explain: str | None = None) -> None:
        """Answer what the standard library refuses (bad head, unknown method) in the peers' shape."""
        self.close_connection = True
        self._send(failure(int(code), message or explain or _REASONS.get(int(code), "Error")))

    def log_message(self, format: str, *args: Any) -> None:
        """Keep requests out of the logs, unless they are asked for."""
        log.debug(format, *args)


class PeerServer(ThreadingHTTPServer):
    """A thread for each connection, and a register of the open ones, so that all can be ended at once."""

    daemon_threads = True
    request_queue_size = 256

    def __init__(self, address: tuple[str, int], application: Application) -> None:
        """Bind and listen.

        :raises OSError: if the address is taken or is none of this machine.
        """
        self.application = application
        self._open: set[socket.socket] = set()
        self._changed = threading.Condition()
        super().__init__(address, Handler)

    def server_bind(self) -> None:
        """Bind, without the reverse look-up of the host's name, which may take seconds."""
        TCPServer.server_bind(self)
        self.server_name, self.server_port = self.server_address[0], self.server_address[1]  # type: ignore[assignment]

    def process_request(self, request: Any, client_address: Any) -> None:
        """Take note of the connection, then hand it to its thread."""
        with self._changed:
            self._open.add(request)
        super().process_request(request, client_address)

    def close_request(self, request: Any) -> None:
        """Close the connection and forget it."""
        super().close_request(request)
        with self._changed:
            self._open.discard(request)
            self._changed.notify_all()

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Log what broke a connection; a client that went away is no error."""
        gone = isinstance(sys.exception(), ConnectionError | TimeoutError)
        level = logging.DEBUG if gone else logging.ERROR
        log.log(level, "Connection from %s broke", client_address, exc_info=True)

    def end(self, *, within: float) -> None:
        """Stop listening, end every connection; answers in progress get half of `within` (seconds)."""
        self.shutdown()
        self.server_close()
        for how in (socket.SHUT_RD, socket.SHUT_RDWR):
            self._hang_up(how)
            with self._changed:
                if self._changed.wait_for(lambda: not self._open, within / 2):
                    return

    def _hang_up(self, how: int) -> None:
        with self._changed:
            connections = list(self._open)
        for connection in connections:
            with contextlib.suppress(OSError):  # it may be closing by itself
                connection.shutdown(how)
