"""The fast path to the API's views, past the middleware that only pages need."""

from collections.abc import Callable
from typing import cast

from django.conf import settings
from django.core.handlers.exception import convert_exception_to_response
from django.http import HttpRequest, HttpResponse
from django.urls import resolve

from orders_project.web.observation import bind_order

ORDERS, PROBLEMS = "private, no-cache", "no-store"
"""How an answer may be cached (RFC 9111): an ETag is useful only where its answer is stored."""


class ApiFastPathMiddleware:
    """Call the views of orders, events and webhooks from here; other requests go on to the middleware that follows.

    Sessions, cookies, CSRF tokens, flash messages and staff log-ins belong to the backoffice: the API has bearer
    tokens, and each of its addresses exists with and without a trailing slash. What the skipped middleware would have
    done for the API is done here: unknown hosts are refused, no page may frame the answer, and it has a Content-Length,
    so that connections are kept. Answers are the caller's alone and may change at any time: only the caller may store
    them, and must revalidate before using them again.
    """

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response
        self._prefixes = tuple(f"{settings.API_PREFIX}/{first}" for first in ("orders", "events", "webhooks"))
        self._view = cast("Callable[[HttpRequest], HttpResponse]", convert_exception_to_response(_answer))

    def __call__(self, request: HttpRequest) -> HttpResponse:
        if not request.path_info.startswith(self._prefixes):
            return self.get_response(request)
        request.get_host()  # raises DisallowedHost, a 400
        response = self._view(request)
        response.headers.setdefault("X-Frame-Options", settings.X_FRAME_OPTIONS)
        response.headers.setdefault("Cache-Control", PROBLEMS if response.status_code >= 400 else ORDERS)
        if not response.streaming:
            response.headers.setdefault("Content-Length", str(len(response.content)))
        return response


def _answer(request: HttpRequest) -> HttpResponse:
    """Resolve and call the view, as Django's own handler does. :raises Http404: there is nothing at this address."""
    match = request.resolver_match = resolve(request.path_info)
    bind_order(match.kwargs)
    response: HttpResponse = match.func(request, *match.args, **match.kwargs)
    render = getattr(response, "render", None)
    return render() if render else response
