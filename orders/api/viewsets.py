"""What the API's view sets have in common."""

from typing import Any

from django.http import HttpRequest, HttpResponseBase
from rest_framework.permissions import SAFE_METHODS
from rest_framework.request import Request
from rest_framework.viewsets import ViewSet

from orders.api import parameters
from orders.api.rendering import OrjsonRenderer
from orders.api.throttling import headers_of
from orders.storage.rate_counters import Allowance

ANY = frozenset(
    {
        *("", "*/*", "application/json", "application/json, */*", "application/json, text/plain, */*"),
        *("application/json, application/problem+json", "application/problem+json"),
    }
)
"""What nearly all clients accept: nothing said, anything, or JSON first (curl, requests, fetch and axios); and what the
clients of openapi-generator do, which name what the document has for an operation: for a cancellation, which answers
nothing where it succeeds, problem documents alone."""
JSON = OrjsonRenderer()
_HEADERS: dict[frozenset[str], dict[str, str]] = {}


class LimitedViewSet(ViewSet):
    """A view set whose answers to writes say what is left of the caller's allowance."""

    def perform_content_negotiation(self, request: Request, force: bool = False) -> Any:
        """DRF's own way, unless the answer is plain: it parses media types for longer than an order takes to write."""
        asked = request.META.get("QUERY_STRING") and "format" in request.query_params
        if request.META.get("HTTP_ACCEPT", "") in ANY and not asked:
            return JSON, JSON.media_type
        return super().perform_content_negotiation(request, force)

    @property
    def default_response_headers(self) -> dict[str, str]:
        """As DRF's, found out once for each set of methods: it asks for each of eight whether there is one."""
        methods = frozenset(self.action_map)
        if (found := _HEADERS.get(methods)) is None:
            found = _HEADERS[methods] = super().default_response_headers
        return dict(found)  # DRF takes from it what it has used

    def initial(self, request: Request, *args: Any, **kwargs: Any) -> None:
        """As DRF's; then refuse what a write's address asks for: it would go unheard."""
        super().initial(request, *args, **kwargs)
        method = request.method or ""
        is_write = method not in SAFE_METHODS and method.lower() in self.action_map  # others are not allowed at all
        if is_write and request.META.get("QUERY_STRING"):
            parameters.read(parameters.NoParameters, request)

    def dispatch(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponseBase:
        """As DRF's; then take apart what refers to itself, or what was read of a body waits for the collector."""
        response = super().dispatch(request, *args, **kwargs)
        self.request.parser_context = {}
        del self.request, self.response
        return response

    def get_renderer_context(self) -> dict[str, Any]:
        """Nothing: JSON is written alike for every view, and the answer would hold on to the view and its request."""
        return {}

    def finalize_response(self, request: Request, response: HttpResponseBase, *args: Any, **kwargs: Any) -> Any:
        allowance: Allowance | None = getattr(request, "allowance", None)
        if allowance is not None:
            for name, value in headers_of(allowance).items():
                response[name] = value
        return super().finalize_response(request, response, *args, **kwargs)  # type: ignore[arg-type]
