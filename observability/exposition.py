"""Serve the figures to Prometheus, on a port of its own: the addresses of the service never have them.

The server is a few threads beside the ones that answer requests, so that a service that is busy to the last thread
still says so. gunicorn's first process opens the socket and its workers share it: any of them answers for all.
"""

import hmac
import logging
import socket
import threading
from collections.abc import Callable
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from prometheus_client import CONTENT_TYPE_LATEST, CollectorRegistry, generate_latest
from prometheus_client.multiprocess import MultiProcessCollector
from prometheus_client.registry import Collector

from observability import metrics, processes

logger = logging.getLogger(__name__)

PATIENCE = 5.0
"""Seconds that a client has to say what it wants."""


def render(*collectors: Collector) -> bytes:
    """The figures of all processes of this service, and of these collectors."""
    counted = metrics.registry
    if processes.together():
        counted = CollectorRegistry()
        MultiProcessCollector(counted)
    read = CollectorRegistry()
    for collector in collectors:
        read.register(collector)
    return generate_latest(counted) + generate_latest(read)


def listen(host: str, port: int, *, shared: bool) -> socket.socket:
    """Open the port. Port 0 is one that the system chooses.

    :param shared: whether others that say the same may have it too: while gunicorn replaces itself (USR2), the old one
        and the new one have it.

    :raises OSError: if it is taken by somebody else.
    """
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    listening = socket.socket(family, socket.SOCK_STREAM)
    try:
        if shared and hasattr(socket, "SO_REUSEPORT"):
            listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
        listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listening.bind((host, port))
        listening.listen(16)
    except OSError:
        listening.close()
        raise
    # Several processes see one and the same caller; all but one of them then find nobody.
    listening.setblocking(False)
    return listening


class Server(ThreadingHTTPServer):
    """GET /metrics, and nothing else.

    :param listening: from :func:`listen`; closed with the server.
    :param token: where it is not empty, callers must bring it: `Authorization: Bearer <token>`.
    :param produce: makes the document.
    """

    daemon_threads = True
    block_on_close = False

    def __init__(self, listening: socket.socket, token: str, produce: Callable[[], bytes]) -> None:
        super().__init__(listening.getsockname()[:2], _Handler, bind_and_activate=False)
        self.socket.close()
        self.socket = listening
        self.token, self.produce = token, produce
        self._scrape = threading.Lock()

    def start(self) -> "Server":
        threading.Thread(target=self.serve_forever, name="metrics", daemon=True).start()
        return self

    def document(self) -> bytes:
        """One scrape at a time: no number of callers can make more work than one."""
        with self._scrape:
            return self.produce()

    def handle_error(self, request: Any, client_address: Any) -> None:
        logger.debug("a scrape was broken off", exc_info=True)


class _Handler(BaseHTTPRequestHandler):
    server: Server
    timeout = PATIENCE
    server_version = "metrics"
    sys_version = ""

    def do_GET(self) -> None:
        if self.path.partition("?")[0] != "/metrics":
            self._answer(HTTPStatus.NOT_FOUND, b"Figures are at /metrics.\n")
        elif not self._allowed():
            self._answer(HTTPStatus.UNAUTHORIZED, b"A bearer token is needed.\n")
        else:
            try:
                body = self.server.document()
            except Exception:
                logger.exception("the figures could not be put together")
                self._answer(HTTPStatus.INTERNAL_SERVER_ERROR, b"This failed; it has been logged.\n")
            else:
                self._answer(HTTPStatus.OK, body, CONTENT_TYPE_LATEST)

    def _allowed(self) -> bool:
        given = self.headers.get("Authorization", "").encode("utf-8", "surrogateescape")
        expected = f"Bearer {self.server.token}".encode()
        return not self.server.token or hmac.compare_digest(given, expected)

    def _answer(self, status: HTTPStatus, body: bytes, content_type: str = "text/plain; charset=utf-8") -> None:
        self.send_response(status)
        self.send_header("Content-Type", content_type)
        self.send_header("Content-Length", str(len(body)))
        if status is HTTPStatus.UNAUTHORIZED:
            self.send_header("WWW-Authenticate", 'Bearer realm="metrics"')
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: Any) -> None:
        """Scrapes are no news."""
