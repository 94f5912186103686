"""What errors become in HTTP. Every refusal is a problem document (RFC 9457) whose `detail` reads alone."""

import logging
import math
import sys
from collections.abc import Iterator, Mapping
from http import HTTPStatus
from itertools import islice
from typing import Any

from django.conf import settings
from django.core.exceptions import PermissionDenied
from django.db import DatabaseError
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseBase
from django.template.loader import render_to_string
from django.views import defaults
from pymongo.errors import PyMongoError
from rest_framework.exceptions import APIException, NotFound, ValidationError
from rest_framework.exceptions import PermissionDenied as Forbidden
from rest_framework.response import Response

from integrations import PeerError
from observability import context as observed
from orders.api.fields import MOST_ERRORS
from orders.api.problems import type_of
from orders.api.rendering import OrjsonRenderer
from orders.services.errors import OrderError
from orders.services.order_queries import is_outage
from orders.services.refusals import STATUS

logger = logging.getLogger(__name__)

CONTENT_TYPE = "application/problem+json"
DEFAULT_RETRY_AFTER = 5
"""Seconds, for outages of which nobody knows the length."""

LONGEST_ERROR = 500
"""Characters of one error: it may quote a value, which may be as long as the body."""

AWAY = "The database cannot be reached right now. Nothing was changed; try again."
UNKNOWN = (
    "The database did not answer, and it is not known whether this was done. Send the same request again, with the "
    "same Idempotency-Key if it had one; without one look first at what became of it."
)


def problem_details(error: Exception, context: Mapping[str, Any]) -> Response | None:
    """DRF's exception handler. None lets an error of ours become a 500."""
    match error:
        case OrderError():
            return _problem(STATUS[type(error)], error.detail, error.code, dict(error.members))
        case PeerError():
            logger.warning("%s", error)
            detail = f"The {error.peer} service cannot be reached right now. Nothing was changed; try again."
            wait = error.retry_after or DEFAULT_RETRY_AFTER
            return _problem(HTTPStatus.SERVICE_UNAVAILABLE, detail, "peer_unavailable", {"retry_after": wait})
        case DatabaseError() | PyMongoError():
            if is_outage(error):
                logger.warning("the database does not answer: %s", error.__cause__ or error)
            else:
                logger.exception("the database failed a request")
            detail, code = _by_the_database()
            members = {"retry_after": DEFAULT_RETRY_AFTER}
            return _problem(HTTPStatus.SERVICE_UNAVAILABLE, detail, code, members)
        case ValidationError():
            errors, more = _told(error.detail)
            said = [f"{field}: {' '.join(told)}" if field else " ".join(told) for field, told in errors.items()]
            said += ["and more"] if more else []
            return _problem(HTTPStatus.BAD_REQUEST, "; ".join(said), "invalid", {"errors": errors})
        case Http404():
            return problem_details(NotFound(), context)
        case PermissionDenied():
            return problem_details(Forbidden(), context)
        case APIException():
            pause = {"retry_after": getattr(error, "wait", None)}
            response = _problem(HTTPStatus(error.status_code), str(error.detail), str(error.default_code), pause)
            if header := getattr(error, "auth_header", None):
                challenge = getattr(error, "challenge", {})
                response["WWW-Authenticate"] = ", ".join(
                    [header, *(f'{key}="{told}"' for key, told in challenge.items())]
                )
            return response
    return None


def _by_the_database() -> tuple[str, str]:
    """What to say, and its code, where the database does not answer: whether this request may have written anything."""
    scope = observed.current()
    return (UNKNOWN, "outcome_unknown") if scope and scope.may_have_written else (AWAY, "database_unavailable")


def _problem(status: HTTPStatus, detail: str, code: str, members: dict[str, Any]) -> Response:
    retry_after = members.pop("retry_after", None)
    response = Response(_document(status, detail, code) | members, status=status, content_type=CONTENT_TYPE)
    if retry_after is not None:
        response["Retry-After"] = str(max(1, math.ceil(retry_after)))
    return response


def _document(status: HTTPStatus, detail: str, code: str) -> dict[str, Any]:
    return {"type": type_of(code), "title": status.phrase, "status": int(status), "detail": detail, "code": code}


def _told(detail: Any) -> tuple[dict[str, list[str]], bool]:
    """The first of the errors, each cut short where it quotes at length what was sent; whether there are more."""
    found = list(islice(_flatten(detail), MOST_ERRORS + 1))
    errors = {field: [_short(problem) for problem in problems] for field, problems in found[:MOST_ERRORS]}
    return errors, len(found) > MOST_ERRORS


def _short(text: str) -> str:
    return text if len(text) <= LONGEST_ERROR else f"{text[:LONGEST_ERROR]}…"


def _flatten(detail: Any, path: str = "") -> Iterator[tuple[str, list[str]]]:
    """Turn nested errors into `items.0.quantity` → its problems."""
    if isinstance(detail, Mapping):
        for name, inner in detail.items():
            yield from _flatten(inner, ".".join(part for part in (path, str(name)) if part))
    elif all(isinstance(inner, str) for inner in detail):
        yield path, [str(inner) for inner in detail]
    else:
        for index, inner in enumerate(detail):
            if inner:
                yield from _flatten(inner, f"{path}.{index}" if path else str(index))


def not_found(request: HttpRequest, exception: Exception) -> HttpResponseBase:
    """handler404: a problem document where there is no such address in the API."""
    if not request.path.startswith(settings.API_PREFIX):
        return defaults.page_not_found(request, exception)
    return _plain_problem(HTTPStatus.NOT_FOUND, "There is nothing at this address.", "not_found")


def server_error(request: HttpRequest) -> HttpResponseBase:
    """handler500: a fault of ours; its trace is in the log, not in the answer. A database that is away is none: 503."""
    if is_outage(sys.exception()):
        return _unavailable(request)
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


def _unavailable(request: HttpRequest) -> HttpResponse:
    if request.path.startswith(settings.API_PREFIX):
        response = _plain_problem(HTTPStatus.SERVICE_UNAVAILABLE, *_by_the_database())
    else:
        # Without the request: who looks at the page, the database would have to say.
        page = render_to_string("orders/unavailable.html")
        response = HttpResponse(page, status=HTTPStatus.SERVICE_UNAVAILABLE)
    response["Retry-After"] = str(DEFAULT_RETRY_AFTER)
    return response


def _plain_problem(status: HTTPStatus, detail: str, code: str) -> HttpResponse:
    body = OrjsonRenderer().render(_document(status, detail, code))
    headers = {"Cache-Control": "no-store", "Content-Length": str(len(body))}
    return HttpResponse(body, status=status, content_type=CONTENT_TYPE, headers=headers)
