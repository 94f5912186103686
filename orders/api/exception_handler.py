"""What an exception in a view of the API is answered with: a problem document."""

import logging
import math
from collections.abc import Iterator, Mapping
from http import HTTPStatus
from itertools import islice
from typing import Any

from django.core.exceptions import PermissionDenied
from django.http import Http404
from rest_framework.exceptions import APIException, NotFound, ValidationError
from rest_framework.exceptions import PermissionDenied as Forbidden
from rest_framework.response import Response

from integrations import PeerError
from orders.api.fields import MOST_ERRORS
from orders.api.problem_responses import CONTENT_TYPE, DEFAULT_RETRY_AFTER, outage_problem, problem_document
from orders.services.errors import OrderError, RefusalKind
from orders.services.order_queries import DATABASE_ERRORS, is_outage

logger = logging.getLogger(__name__)

STATUS = {
    RefusalKind.INVALID: HTTPStatus.BAD_REQUEST,
    RefusalKind.NOT_AUTHENTICATED: HTTPStatus.UNAUTHORIZED,
    RefusalKind.NOT_PERMITTED: HTTPStatus.FORBIDDEN,
    RefusalKind.NOT_FOUND: HTTPStatus.NOT_FOUND,
    RefusalKind.CONFLICT: HTTPStatus.CONFLICT,
    RefusalKind.STALE: HTTPStatus.PRECONDITION_FAILED,
    RefusalKind.GONE: HTTPStatus.GONE,
    RefusalKind.ALREADY_USED: HTTPStatus.UNPROCESSABLE_ENTITY,
    RefusalKind.UNAVAILABLE: HTTPStatus.SERVICE_UNAVAILABLE,
}
"""What the refusals of services are in HTTP."""

LONGEST_ERROR = 500
"""Characters of one error: it may quote a value, which may be as long as the body."""


def problem_details(error: Exception, context: Mapping[str, Any]) -> Response | None:
    """DRF's exception handler. None lets an error of our own become a 500."""
    match error:
        case OrderError():
            return _problem(STATUS[error.kind], error.detail, error.code, dict(error.members))
        case PeerError():
            logger.warning("%s", error)
            detail = f"The {error.peer} service cannot be reached right now. Nothing was changed; try again."
            wait = error.retry_after or DEFAULT_RETRY_AFTER
            return _problem(HTTPStatus.SERVICE_UNAVAILABLE, detail, "peer_unavailable", {"retry_after": wait})
        case _ if isinstance(error, DATABASE_ERRORS):
            if is_outage(error):
                logger.warning("the database does not answer: %s", error.__cause__ or error)
            else:
                logger.exception("the database failed a request")
            detail, code = outage_problem()
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


def _problem(status: HTTPStatus, detail: str, code: str, members: dict[str, Any]) -> Response:
    retry_after = members.pop("retry_after", None)
    response = Response(problem_document(status, detail, code) | members, status=status, content_type=CONTENT_TYPE)
    if retry_after is not None:
        response["Retry-After"] = str(max(1, math.ceil(retry_after)))
    return response


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
