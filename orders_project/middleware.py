"""What surrounds each request: its id, kept in an order's history too, and the end of its database's time."""

import re
import uuid
from collections.abc import Callable

import pymongo
from django.conf import settings
from django.http import HttpRequest, HttpResponse

from integrations.http import request_id

ACCEPTED = re.compile(r"[A-Za-z0-9._:/+=-]{1,64}\Z")
READS = ("GET", "HEAD", "OPTIONS")


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


class DatabaseDeadlineMiddleware:
    """Bound all that a storefront's request asks of the database, together.

    However many of its questions a lost node leaves unanswered, its own answer comes in time, and the thread is free
    for the next. Reads have less of it: they have nothing to write down that a peer answered.
    """

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        if not request.path.startswith(f"{settings.API_PREFIX}/"):
            return self.get_response(request)
        with pymongo.timeout(settings.REQUEST_DEADLINE if request.method in READS else settings.DATABASE_DEADLINE):
            return self.get_response(request)
