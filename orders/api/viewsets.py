"""What the API's view sets have in common."""

from typing import Any

from django.http import HttpRequest, HttpResponseBase
from rest_framework.permissions import SAFE_METHODS
from rest_framework.request import Request
from rest_framework.viewsets import ViewSet

from orders.api import parameters
from orders.api.rendering import OrjsonRenderer
from orders.api.throttling import headers_of
from orders.services.rate_limits import Allowance

ANY = frozenset(
    {
        *("", "*/*", "application/json", "application/json, */*", "application/json, text/plain, */*"),
        *("application/json, application/problem+json", "application/problem+json"),
    }
)
"""What nearly all clients accept: nothing said, anything, or JSON first (curl, requests, fetch, axios). Those
made by openapi-generator name what the document lists for an operation: for a cancellation only problem documents."""
JSON = OrjsonRenderer()


class LimitedViewSet(ViewSet):
    """A view set that reports what is left of the caller's write limit."""

    def perform_content_negotiation(self, request: Request, force: bool = False) -> Any:
        """Answer JSON to the usual Accept headers without parsing media types; leave all others to DRF."""
        asked = request.META.get("QUERY_STRING") and "format" in request.query_params
        if request.META.get("HTTP_ACCEPT", "") in ANY and not asked:
            return JSON, JSON.media_type
        return super().perform_content_negotiation(request, force)

    def initial(self, request: Request, *args: Any, **kwargs: Any) -> None:
        """As DRF's; then refuse query parameters of a write: they would be ignored."""
        super().initial(request, *args, **kwargs)
        method = request.method or ""
        is_write = method not in SAFE_METHODS and method.lower() in self.action_map  # others are not allowed at all
        if is_write and request.META.get("QUERY_STRING"):
            parameters.read(parameters.NoParameters, request)

    def dispatch(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponseBase:
        """As DRF's; then break reference cycles, so that a parsed body is freed now and not by the collector."""
        response = super().dispatch(request, *args, **kwargs)
        self.request.parser_context = {}
        del self.request, self.response
        return response

    def get_renderer_context(self) -> dict[str, Any]:
        """Nothing: JSON looks the same for every view, and the answer would keep the view and its request in memory."""
        return {}

    def finalize_response(self, request: Request, response: HttpResponseBase, *args: Any, **kwargs: Any) -> Any:
        allowance: Allowance | None = getattr(request, "allowance", None)
        if allowance is not None:
            for name, value in headers_of(allowance).items():
                response[name] = value
        return super().finalize_response(request, response, *args, **kwargs)  # type: ignore[arg-type]
