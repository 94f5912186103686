"""Request ids: taken from the caller or made here, handed on to the peers, kept in an order's history."""

import re
import uuid
from collections.abc import Callable

from django.http import HttpRequest, HttpResponse

from integrations.http import request_id

ACCEPTED = re.compile(r"[A-Za-z0-9._:/+=-]{1,64}\Z")


class RequestIdMiddleware:
    """Give every request an id: the caller's `X-Request-ID` where it is short and plain, else a new one."""

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
