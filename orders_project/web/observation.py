"""What is recorded about every request: its id, its one log line, and its metrics."""

import logging
import re
import time
from collections.abc import Callable, Mapping
from typing import Any

from django.conf import settings
from django.http import HttpRequest, HttpResponse, HttpResponseBase, StreamingHttpResponse

from observability import context
from observability.logs import without_secret
from observability.metrics import REQUEST_SECONDS, REQUESTS
from orders.services.identifiers import OBJECT_ID

logger = logging.getLogger("orders.requests")

ACCEPTED = re.compile(r"[A-Za-z0-9._:/+=-]{1,64}\Z")
METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})
UNMATCHED = "unmatched"
STATIC = "static"
LONGEST_PATH = 200


class ObservationMiddleware:
    """Give every request an id, write its log line and count it in the metrics.

    The id is the caller's `X-Request-ID` if that is short and plain, else a new one; it is passed on to the peers and
    recorded in the order's history. A valid `traceparent` is passed on to the peers, too.
    """

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        given = request.META.get("HTTP_X_REQUEST_ID", "")
        began = time.perf_counter()
        with context.work(given if ACCEPTED.match(given) else None, **_trace(request)) as request_id:
            response = self.get_response(request)
            response["X-Request-ID"] = request_id
            if request.method == "HEAD":
                _leave_out_the_body(response)
            _record(request, response.status_code, time.perf_counter() - began)
        return response

    def process_view(self, _request: HttpRequest, _view: object, _arguments: object, named: dict[str, Any]) -> None:
        """Bind the order id in the address, if there is one, to every further log line."""
        bind_order(named)


def _record(request: HttpRequest, status: int, seconds: float) -> None:
    """Count the request and write its log line."""
    route, method = route_of(request), request.method if request.method in METHODS else "OTHER"
    REQUESTS.labels(route, method, str(status)).inc()
    REQUEST_SECONDS.labels(route, method).observe(seconds)
    if not logger.isEnabledFor(logging.INFO):
        return
    about: dict[str, Any] = {
        "method": method,
        "route": route,
        "path": without_secret(request.path)[:LONGEST_PATH],
        "status": status,
        "duration_ms": round(seconds * 1000, 1),
    }
    if (login := getattr(request, "_cached_user", None)) is not None and login.is_authenticated:
        about["user"] = f"staff:{login.get_username()}"
    if (scope := context.current()) and scope.peer_calls:
        about |= {"peer_calls": scope.peer_calls, "peer_ms": round(scope.peer_seconds * 1000, 1)}
    logger.info("request", extra=about)


def _trace(request: HttpRequest) -> dict[str, str]:
    given = request.META.get("HTTP_TRACEPARENT", "")
    return {"traceparent": given} if context.TRACEPARENT.fullmatch(given) else {}


def _leave_out_the_body(response: HttpResponseBase) -> None:
    """Answer HEAD as GET without the body (RFC 9110 section 9.3.2): the same view serves both."""
    if isinstance(response, StreamingHttpResponse):
        response.streaming_content = ()
    elif isinstance(response, HttpResponse) and response.content:
        response.headers.setdefault("Content-Length", str(len(response.content)))
        response.content = b""


def bind_order(named: Mapping[str, Any]) -> None:
    """Bind the order id among an address's arguments, if there is one, to every further log line."""
    given = named.get("order_id") or named.get("object_id")
    if isinstance(given, str) and re.fullmatch(OBJECT_ID, given):
        context.bind(order_id=given)


def route_of(request: HttpRequest) -> str:
    """The template of the address, e.g. `/api/v1/orders/<order_id>`: never more of them than the URL conf has."""
    match = request.resolver_match
    if match is not None:
        return _template(match.route)
    return STATIC if request.path.startswith(settings.STATIC_URL) else UNMATCHED


def _template(route: str) -> str:
    plain = re.sub(r"\(\?P<(\w+)>[^)]*\)", r"<\1>", route)  # of a regular expression
    plain = re.sub(r"<\w+:(\w+)>", r"<\1>", plain).replace("^", "").replace("$", "").replace("\\", "")
    return "/" + plain.strip("/")
