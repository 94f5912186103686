"""What the backoffice shows where there is no page to show: one page, which needs no database and knows nobody."""

import logging
import sys
from collections.abc import Callable
from http import HTTPStatus
from typing import Any

from django.conf import settings
from django.contrib import admin
from django.contrib.auth.models import AnonymousUser
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseBase
from django.template.loader import render_to_string
from django.urls import reverse
from django.utils.html import format_html
from django.utils.translation import gettext_lazy as _

from observability import context
from orders.api import problem_responses
from orders.services.order_queries import is_outage
from orders_project.web.response_headers import BACKOFFICE, HEADER

logger = logging.getLogger(__name__)

WORDS = {
    HTTPStatus.BAD_REQUEST: (
        _("Request not understood"),
        _("The browser sent something that cannot be read here."),
    ),
    HTTPStatus.FORBIDDEN: (
        _("Not permitted"),
        _("You do not have permission for this. Ask a manager if you need it."),
    ),
    HTTPStatus.NOT_FOUND: (
        _("Page not found"),
        _("There is nothing at this address. It may have been deleted."),
    ),
    HTTPStatus.METHOD_NOT_ALLOWED: (
        _("No page at this address"),
        _("Nothing can be shown here, and nothing was changed."),
    ),
    HTTPStatus.LENGTH_REQUIRED: (_("Length Required"), ""),
    HTTPStatus.REQUEST_ENTITY_TOO_LARGE: (_("Request Entity Too Large"), ""),
    HTTPStatus.UNSUPPORTED_MEDIA_TYPE: (_("Unsupported Media Type"), ""),
    HTTPStatus.INTERNAL_SERVER_ERROR: (
        _("Something went wrong"),
        _("This is an error on our side, and it has been logged."),
    ),
    HTTPStatus.SERVICE_UNAVAILABLE: (
        _("Back in a moment"),
        _("The database is not available. It is usually back within a minute."),
    ),
}
"""Title and explanation. Of other refusals, the page says what they say."""
OUT_OF_DATE = (
    _("This page was out of date"),
    _(
        "Nothing was changed. You logged in again after this page was opened, perhaps in another tab, or your browser "
        "did not send its cookies. Continue, and press the button again."
    ),
)


class ErrorPagesMiddleware:
    """Have the backoffice answer with a page where a view answers 405, or a limit refuses with a line of text."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        response = self.get_response(request)
        if response.status_code < 400 or response.streaming or not in_backoffice(request):
            return response
        text = response.content.decode() if response["Content-Type"].startswith("text/plain") else ""
        if text or response.status_code == HTTPStatus.METHOD_NOT_ALLOWED:
            _fill(response, request, told=text)
        return response

    def process_exception(self, request: HttpRequest, exception: Exception) -> HttpResponseBase | None:
        """Without this, Django would explain its settings in development."""
        if not in_backoffice(request):
            return None
        if isinstance(exception, Http404):
            return not_found(request, exception)
        return server_error(request) if is_outage(exception) else None


def page_of(request: HttpRequest) -> str:
    """The page that holds the form that is posted to an address: where that takes only POST, the page beside it.

    Always begins as the request's own path does, so it never leads to another host.
    """
    address, match = request.get_full_path(), request.resolver_match
    if match is not None and match.url_name in ("logout", "set_language"):
        return reverse("admin:index")
    beside = getattr(match and match.func, "form_beside", "")
    return f"{address.partition('?')[0].rstrip('/').rpartition('/')[0]}/{beside}" if beside else address


def in_backoffice(request: HttpRequest) -> bool:
    return request.path_info.startswith(f"/{settings.ADMIN_PATH}")


def bad_request(request: HttpRequest, exception: Exception) -> HttpResponseBase:
    """handler400: what Django itself refuses."""
    if in_backoffice(request):
        return _page(request, HTTPStatus.BAD_REQUEST)
    return problem_responses.bad_request(request, exception)


def forbidden(request: HttpRequest, exception: Exception) -> HttpResponseBase:
    """handler403: who asked may not have it; the exception's text, if any, is for them."""
    title, usually_told = WORDS[HTTPStatus.FORBIDDEN]
    return _forbidden(request, str(title), str(exception) or str(usually_told))


def out_of_date(request: HttpRequest, reason: str = "") -> HttpResponseBase:
    """CSRF_FAILURE_VIEW: a form without the token of the current log-in."""
    return _forbidden(request, *map(str, OUT_OF_DATE))


def not_found(request: HttpRequest, exception: Exception) -> HttpResponseBase:
    """handler404."""
    if in_backoffice(request):
        return _page(request, HTTPStatus.NOT_FOUND)
    return problem_responses.not_found(request, exception)


def server_error(request: HttpRequest) -> HttpResponseBase:
    """handler500: a fault of our own, whose traceback is in the log; 503 where the database does not answer."""
    if not in_backoffice(request):
        return problem_responses.server_error(request)
    if not is_outage(sys.exception()):
        return _page(request, HTTPStatus.INTERNAL_SERVER_ERROR)
    response = _page(request, HTTPStatus.SERVICE_UNAVAILABLE)
    response["Retry-After"] = str(problem_responses.DEFAULT_RETRY_AFTER)
    return response


def _forbidden(request: HttpRequest, title: str, told: str) -> HttpResponse:
    if in_backoffice(request):
        return _page(request, HTTPStatus.FORBIDDEN, title=title, told=told)
    return problem_responses.refused(request, HTTPStatus.FORBIDDEN, told, code="permission_denied")


def _page(request: HttpRequest, status: HTTPStatus, *, title: str = "", told: str = "") -> HttpResponse:
    response = HttpResponse(status=status)
    _fill(response, request, title=title, told=told)
    return response


def _fill(response: HttpResponse, request: HttpRequest, *, title: str = "", told: str = "") -> None:
    """Make it the page about its status. Of the request, nothing is used that only the database could say."""
    status = HTTPStatus(response.status_code)
    usual_title, usually_told = WORDS.get(status, (status.phrase, ""))
    page, is_post = page_of(request), request.method == "POST"
    stranger = HttpRequest()
    stranger.user, stranger.META = AnonymousUser(), {"SCRIPT_NAME": request.META.get("SCRIPT_NAME", "")}
    shown: dict[str, Any] = {
        "title": title or usual_title,
        "told": told or usually_told,
        "perhaps": is_post and status >= HTTPStatus.INTERNAL_SERVER_ERROR,
        "page": page if is_post or page != request.get_full_path() else "",
        "again": status >= HTTPStatus.INTERNAL_SERVER_ERROR,
        "is_post": is_post,
        "request_id": context.request_id.get(),
    }
    response.content = _rendered(stranger, shown)
    response["Content-Type"], response[HEADER] = "text/html; charset=utf-8", BACKOFFICE
    response["Cache-Control"] = "no-store"
    del response["Content-Length"]


def _rendered(stranger: HttpRequest, shown: dict[str, Any]) -> str:
    """The page; a bare one where the fault lies in what pages are made of, such as static files not collected."""
    try:
        return render_to_string("admin/error.html", {**admin.site.each_context(stranger), **shown})
    except Exception:
        logger.exception("the page about an error could not be made")
        return format_html("<!doctype html><title>{title}</title><h1>{title}</h1><p>{told}</p>", **shown)
