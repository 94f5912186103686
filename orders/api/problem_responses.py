"""Problem documents (RFC 9457), and the answers that are given outside the API's views: before them, or beside them."""

import sys
from http import HTTPStatus
from typing import Any

from django.conf import settings
from django.http import HttpRequest, HttpResponse, HttpResponseBase
from django.views import defaults

from observability import context
from orders.api.problems import type_of
from orders.api.rendering import OrjsonRenderer
from orders.services.order_queries import is_outage

CONTENT_TYPE = "application/problem+json"
DEFAULT_RETRY_AFTER = 5
"""Seconds, for outages of unknown length."""

AWAY = "The database cannot be reached right now. Nothing was changed; try again."
UNKNOWN = (
    "The database did not answer, and it is not known whether this was done. Send the same request again, with the "
    "same Idempotency-Key if it had one; without one look first at what became of it."
)


def problem_document(status: HTTPStatus, detail: str, code: str) -> dict[str, Any]:
    """The members that every problem document has; `detail` is understood without the others."""
    return {"type": type_of(code), "title": status.phrase, "status": int(status), "detail": detail, "code": code}


def outage_problem() -> tuple[str, str]:
    """Detail and code where the database does not answer: whether this request may have written something."""
    scope = context.current()
    return (UNKNOWN, "outcome_unknown") if scope and scope.may_have_written else (AWAY, "database_unavailable")


def not_found(request: HttpRequest, exception: Exception) -> HttpResponseBase:
    """handler404: a problem document where there is no such address in the API."""
    if not request.path.startswith(settings.API_PREFIX):
        return defaults.page_not_found(request, exception)
    return _plain_problem(HTTPStatus.NOT_FOUND, "There is nothing at this address.", "not_found")


def server_error(request: HttpRequest) -> HttpResponseBase:
    """handler500: a fault of our own, whose traceback is in the log; 503 where the database does not answer."""
    if is_outage(sys.exception()):
        return _unavailable()
    if not request.path.startswith(settings.API_PREFIX):
        return defaults.server_error(request)
    detail = "Something went wrong here; it has been logged."
    return _plain_problem(HTTPStatus.INTERNAL_SERVER_ERROR, detail, "server_error")


def refused(request: HttpRequest, status: HTTPStatus, detail: str, *, code: str = "") -> HttpResponse:
    """A refusal before any view: a problem document in the API, a line of text elsewhere."""
    if request.path.startswith(settings.API_PREFIX):
        return _plain_problem(status, detail, code or status.name.lower())
    headers = {"Content-Length": str(len(detail.encode()))}
    return HttpResponse(detail, status=status, content_type="text/plain; charset=utf-8", headers=headers)


def bad_request(request: HttpRequest, exception: Exception) -> HttpResponseBase:
    """handler400: what Django itself refuses."""
    if not request.path.startswith(settings.API_PREFIX):
        return defaults.bad_request(request, exception)
    return _plain_problem(HTTPStatus.BAD_REQUEST, "The request cannot be understood.", "bad_request")


def _unavailable() -> HttpResponse:
    response = _plain_problem(HTTPStatus.SERVICE_UNAVAILABLE, *outage_problem())
    response["Retry-After"] = str(DEFAULT_RETRY_AFTER)
    return response


def _plain_problem(status: HTTPStatus, detail: str, code: str) -> HttpResponse:
    body = OrjsonRenderer().render(problem_document(status, detail, code))
    headers = {"Cache-Control": "no-store", "Content-Length": str(len(body))}
    return HttpResponse(body, status=status, content_type=CONTENT_TYPE, headers=headers)
