"""What happens to every request: it has an id, and it is refused where no client of ours would send it."""

import re
import uuid
from collections.abc import Callable
from http import HTTPStatus
from typing import Any

from django.http import Http404, HttpRequest, HttpResponse, HttpResponseNotAllowed

from integrations.http import request_id
from orders.api.errors import refused

ACCEPTED = re.compile(r"[A-Za-z0-9._:/+=-]{1,64}\Z")
CHARSETS = {"utf-8", "utf8", "us-ascii", "ascii"}
PAGE_METHODS = ["GET", "HEAD", "POST"]


class RequestIdMiddleware:
    """Give every request an id: the caller's `X-Request-ID` where it is short and plain, else a new one.

    It is handed on to the peers, and kept in an order's history.
    """

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        given = request.headers.get("X-Request-ID", "")
        accepted = given if ACCEPTED.match(given) else uuid.uuid4().hex
        token = request_id.set(accepted)
        try:
            response = self.get_response(request)
            response["X-Request-ID"] = accepted
            return response
        finally:
            request_id.reset(token)


class StrictMiddleware:
    """Refuse what no client of ours sends, before any view has to make sense of it."""

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
