"""What is refused before any view has to make sense of it: no client of ours sends it."""

from collections.abc import Callable
from http import HTTPStatus
from typing import Any

from django.http import Http404, HttpRequest, HttpResponse, HttpResponseNotAllowed

from orders.api.errors import refused

CHARSETS = {"utf-8", "utf8", "us-ascii", "ascii"}
PAGE_METHODS = ["GET", "HEAD", "POST"]


class StrictMiddleware:
    """Refuse charsets, bodies without a length, and methods that nothing here is made for."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        charset = (request.content_params or {}).get("charset", "utf-8")
        if charset.strip("\"'").lower() not in CHARSETS:
            return refused(request, HTTPStatus.UNSUPPORTED_MEDIA_TYPE, "Bodies must be encoded as UTF-8.")
        # WSGI tells of no end of such a body: Django would take it for an empty one.
        if request.META.get("HTTP_TRANSFER_ENCODING") and not request.META.get("CONTENT_LENGTH"):
            return refused(request, HTTPStatus.LENGTH_REQUIRED, "Say how long the body is: Content-Length is missing.")
        return self.get_response(request)

    def process_view(self, request: HttpRequest, *_: Any) -> HttpResponse | None:
        """In the backoffice Django takes every unknown method for a GET, and looks for pages that a site may have."""
        match = request.resolver_match
        if match is None or "admin" not in match.namespaces:
            return None
        if request.method not in PAGE_METHODS:
            return HttpResponseNotAllowed(PAGE_METHODS)
        if match.url_name == "view_on_site":
            raise Http404("Nothing here has a page elsewhere.")
        return None
