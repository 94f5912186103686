"""Serve the metrics to Prometheus, on a port of their own: never at an address of the service.

prometheus_client makes the answer; the server is a few threads beside the ones that answer requests, so that a service
that is busy to the last thread still says so. gunicorn's first process opens the port and its workers share it: any of
them answers for all.
"""

import hmac
import logging
import socket
import threading
from collections.abc import Iterable
from http import HTTPStatus
from typing import TYPE_CHECKING, Any
from wsgiref.simple_server import WSGIRequestHandler

from prometheus_client import CollectorRegistry, make_wsgi_app
from prometheus_client.exposition import ThreadingWSGIServer
from prometheus_client.multiprocess import MultiProcessCollector
from prometheus_client.registry import Collector

from observability import metrics, processes

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIApplication, WSGIEnvironment

logger = logging.getLogger(__name__)


class _Handler(WSGIRequestHandler):
    timeout = 5.0  # seconds for a client to send its request

    def log_message(self, format: str, *args: Any) -> None:
        """Do not log scrapes."""


class Server(ThreadingWSGIServer):
    """GET /metrics, and nothing else.

    :param port: 0 lets the system choose one.
    :param shared: whether others that say the same may have the port too: while gunicorn replaces itself (USR2), the
        old one and the new one have it.
    :raises OSError: the port is in use.
    """

    def __init__(self, host: str, port: int, *, shared: bool = False) -> None:
        self.address_family = socket.AF_INET6 if ":" in host else socket.AF_INET
        self.allow_reuse_port = shared
        super().__init__((host, port), _Handler)
        self.socket.setblocking(False)  # several processes see one and the same caller: all but one then find nobody

    def start(self, token: str, *collectors: Collector) -> "Server":
        """Start answering, in threads of this process.

        :param token: if not empty, callers must send it: `Authorization: Bearer <token>`.
        :param collectors: of metrics that are not counted in this process.
        """
        self.set_app(_application(token, collectors))
        threading.Thread(target=self.serve_forever, name="metrics", daemon=True).start()
        return self

    def handle_error(self, request: Any, client_address: Any) -> None:
        logger.debug("a scrape was broken off", exc_info=True)


def _application(token: str, collectors: Iterable[Collector]) -> "WSGIApplication":
    registry = CollectorRegistry()
    if processes.together():
        MultiProcessCollector(registry)
    else:
        registry.register(metrics.registry)
    for collector in collectors:
        registry.register(collector)
    figures = make_wsgi_app(registry)
    expected = f"Bearer {token}".encode()

    def application(environ: "WSGIEnvironment", start_response: "StartResponse") -> Iterable[bytes]:
        def refuse(status: HTTPStatus, said: bytes, *headers: tuple[str, str]) -> Iterable[bytes]:
            start_response(f"{status.value} {status.phrase}", [("Content-Type", "text/plain"), *headers])
            return [said]

        if environ["PATH_INFO"] != "/metrics":
            return refuse(HTTPStatus.NOT_FOUND, b"Metrics are at /metrics.\n")
        if token and not hmac.compare_digest(environ.get("HTTP_AUTHORIZATION", "").encode("latin-1"), expected):
            return refuse(
                HTTPStatus.UNAUTHORIZED, b"A bearer token is needed.\n", ("WWW-Authenticate", 'Bearer realm="metrics"')
            )
        try:
            return figures(environ, start_response)
        except Exception:
            logger.exception("the metrics could not be collected")
            return refuse(HTTPStatus.INTERNAL_SERVER_ERROR, b"This failed; it has been logged.\n")

    return application
