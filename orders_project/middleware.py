"""What surrounds every request: its id, taken from the caller or made here, its one log line, and its figures."""

import logging
import re
import time
from collections.abc import Callable, Mapping
from typing import Any

from django.conf import settings
from django.http import HttpRequest, HttpResponse, HttpResponseBase, StreamingHttpResponse

from observability import context
from observability.metrics import REQUEST_SECONDS, REQUESTS
from orders.services.identifiers import OBJECT_ID

logger = logging.getLogger("orders.requests")

ACCEPTED = re.compile(r"[A-Za-z0-9._:/+=-]{1,64}\Z")
METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})
UNMATCHED = "unmatched"
STATIC = "static"
LONGEST_PATH = 200


class ObservationMiddleware:
    """Give every request an id, a log line and a place in the metrics.

    The id is the caller's `X-Request-ID` where it is short and plain, else a new one; it goes on to the peers and into
    an order's history. So does, but for the history, a `traceparent` that is one.
    """

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response
        self._series: dict[tuple[str, str, int], tuple[Any, Any]] = {}

    def __call__(self, request: HttpRequest) -> HttpResponse:
        given = request.META.get("HTTP_X_REQUEST_ID", "")
        began = time.perf_counter()
        with context.work(given if ACCEPTED.match(given) else None, **_trace(request)) as request_id:
            response = self.get_response(request)
            response["X-Request-ID"] = request_id
            if request.method == "HEAD":
                _leave_out_the_body(response)
            self._tell(request, response.status_code, time.perf_counter() - began)
        return response

    def process_view(self, _request: HttpRequest, _view: object, _arguments: object, named: dict[str, Any]) -> None:
        """Let every line say which order it is about, where the address names one."""
        bind_order(named)

    def _tell(self, request: HttpRequest, status: int, seconds: float) -> None:
        route, method = route_of(request), request.method if request.method in METHODS else "OTHER"
        counter, histogram = self._of(route, str(method), status)
        counter.inc()
        histogram.observe(seconds)
        if not logger.isEnabledFor(logging.INFO):
            return
        about: dict[str, Any] = {
            "method": method,
            "route": route,
            "path": request.path[:LONGEST_PATH],
            "status": status,
            "duration_ms": round(seconds * 1000, 1),
        }
        if (login := getattr(request, "_cached_user", None)) is not None and login.is_authenticated:
            about["user"] = f"staff:{login.get_username()}"
        if (scope := context.current()) and scope.peer_calls:
            about |= {"peer_calls": scope.peer_calls, "peer_ms": round(scope.peer_seconds * 1000, 1)}
        logger.info("request", extra=about)

    def _of(self, route: str, method: str, status: int) -> tuple[Any, Any]:
        """The two series of such requests; looking them up anew each time would cost more than counting."""
        key = (route, method, status)
        if (found := self._series.get(key)) is None:
            found = (REQUESTS.labels(route, method, str(status)), REQUEST_SECONDS.labels(route, method))
            self._series[key] = found
        return found


def _trace(request: HttpRequest) -> dict[str, str]:
    given = request.META.get("HTTP_TRACEPARENT", "")
    return {"traceparent": given} if context.TRACEPARENT.fullmatch(given) else {}


def _leave_out_the_body(response: HttpResponseBase) -> None:
    """What a GET would answer, but for the body (RFC 9110 section 9.3.2): views are asked the same for both."""
    if isinstance(response, StreamingHttpResponse):
        response.streaming_content = ()
    elif isinstance(response, HttpResponse) and response.content:
        response.headers.setdefault("Content-Length", str(len(response.content)))
        response.content = b""


def bind_order(named: Mapping[str, Any]) -> None:
    """Let every further line say which order it is about, if what an address names is one."""
    given = named.get("order_id") or named.get("object_id")
    if isinstance(given, str) and re.fullmatch(OBJECT_ID, given):
        context.bind(order_id=given)


def route_of(request: HttpRequest) -> str:
    """The template of the address, e.g. `/api/v1/orders/<order_id>`: as many as the URL conf has, whatever is asked."""
    match = request.resolver_match
    if match is not None:
        return _TEMPLATES.get(match.route) or _TEMPLATES.setdefault(match.route, _template(match.route))
    return STATIC if request.path.startswith(settings.STATIC_URL) else UNMATCHED


_TEMPLATES: dict[str, str] = {}


def _template(route: str) -> str:
    plain = re.sub(r"\(\?P<(\w+)>[^)]*\)", r"<\1>", route)  # of a regular expression
    plain = re.sub(r"<\w+:(\w+)>", r"<\1>", plain).replace("^", "").replace("$", "").replace("\\", "")
    return "/" + plain.strip("/")
