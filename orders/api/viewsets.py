"""What the API's view sets have in common: who calls, the limit of writes, marks and links of an answer."""

from hashlib import sha256
from typing import Any, cast

from django.http import HttpRequest, HttpResponse, HttpResponseBase
from django.utils import timezone
from rest_framework.permissions import SAFE_METHODS
from rest_framework.request import Request
from rest_framework.utils.urls import replace_query_param
from rest_framework.viewsets import ViewSet

from orders.api import parameters
from orders.api.rendering import OrjsonRenderer, answer
from orders.api.serializers import ExactSerializer, NothingSerializer
from orders.api.throttling import headers_of
from orders.models import Document
from orders.services.access import Actor
from orders.services.audit import Act
from orders.services.lifecycle.changes import Change
from orders.services.public_order import public_order
from orders.services.rate_limits import Allowance

ANY = frozenset(
    {
        *("", "*/*", "application/json", "application/json, */*", "application/json, text/plain, */*"),
        *("application/json, application/problem+json", "application/problem+json"),
    }
)
"""What nearly all clients send: nothing, anything, or JSON first (curl, requests, fetch, axios). Clients made by
openapi-generator name what the document lists for an operation: for a cancellation only problem documents."""
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
        """As DRF's; then ask a service for the scope of what it wants to do, before anything is looked for.

        And refuse query parameters of a write: they would be ignored.
        """
        super().initial(request, *args, **kwargs)
        method = request.method or ""
        if name := self.action_map.get(method.lower()):  # other methods are not allowed at all
            caller(request).require_one_of(getattr(self, name).scopes)
        is_write = method not in SAFE_METHODS and name
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


def caller(request: Request) -> Actor:
    """Who is calling. :class:`~orders.api.authentication.Authenticated` has made sure that this is known."""
    return cast("Actor", request.user)


def act_of(request: Request, reason: str = "", code: str = "") -> Act:
    return Act(caller(request), timezone.now(), reason, code)


def change_of(request: Request, order_id: str) -> dict[str, Any]:
    """What the address and the headers of a change say: of which order, at which version, under which key."""
    return {
        "order_id": parameters.order_id(order_id),
        "expected_versions": parameters.expected_versions(request),
        "idempotency_key": parameters.idempotency_key(request),
    }


def given_of(kind: type[ExactSerializer], request: Request) -> dict[str, Any]:
    """The body of a write. :raises ValidationError:"""
    serializer = kind(data=request.data)
    serializer.is_valid(raise_exception=True)
    given: dict[str, Any] = serializer.validated_data
    return given


def expect_nothing(request: Request) -> None:
    """:raises ValidationError: if a write that takes no body has one."""
    NothingSerializer(data=request.data).is_valid(raise_exception=True)


def marked(response: HttpResponse, *, replayed: bool) -> HttpResponse:
    """Mark the response if it repeats the answer to an earlier request with the same key."""
    if replayed:
        response["Idempotency-Replayed"] = "true"
    return response


def order_response(order: Document, status: int = 200) -> HttpResponse:
    return answer(public_order(order), status=status, headers={"ETag": parameters.etag(order["version"])})


def changed_response(change: Change, status: int = 200) -> HttpResponse:
    """The whole order, as a change has left it."""
    return marked(order_response(change.order, status), replayed=change.replayed)


def link_next_page(response: HttpResponse, request: Request, cursor: str, **changed: int) -> None:
    """Name the next page, in `Link` (this address with `cursor` and the other changes) and in `Next-Cursor`."""
    address = request.build_absolute_uri()
    for name, value in {"cursor": cursor, **changed}.items():
        address = replace_query_param(address, name, value)
    response["Link"] = f'<{address}>; rel="next"'
    response["Next-Cursor"] = cursor


def unless_known(response: HttpResponse, request: Request) -> HttpResponse:
    """Give a list an ETag of all that it shows, whether there is a next page included; 304 if the caller has it."""
    tag = sha256(response.content + response.get("Next-Cursor", "").encode()).hexdigest()[:32]
    response["ETag"] = f'"{tag}"'
    if parameters.none_match(request, tag):
        response.status_code, response.content = 304, b""
        del response["Content-Type"]
    return response
