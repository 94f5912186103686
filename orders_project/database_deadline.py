"""The end of the time that a request may take of the database."""

import time
from collections.abc import Callable

from django.conf import settings
from django.http import HttpRequest, HttpResponse

from orders.storage import time_limit

READS = ("GET", "HEAD", "OPTIONS")


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
        request.began = time.monotonic()  # type: ignore[attr-defined]
        with time_limit(settings.REQUEST_DEADLINE if request.method in READS else settings.DATABASE_DEADLINE):
            return self.get_response(request)
