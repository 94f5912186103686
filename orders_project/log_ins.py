"""Guessing passwords is slow: failed log-ins to the backoffice are counted for all workers, then refused for a while.

django-axes counts them in MongoDB. A user name is locked only together with the address that failed at it, so that
nobody can lock staff out from elsewhere; an address is locked altogether after more failures, because of those who try
many names.
"""

import math
from datetime import timedelta
from typing import Any

from axes.handlers.database import AxesDatabaseHandler
from axes.models import AccessAttempt
from django.conf import settings
from django.contrib import admin
from django.http import HttpRequest, HttpResponse
from django.template.response import TemplateResponse
from django.utils import timezone
from django_mongodb_backend.query import wrap_database_errors

from orders.models.database import collection


class LogInHandler(AxesDatabaseHandler):
    """django-axes' own, with two limits, and queries that an index covers whole."""

    def get_failures(self, request: HttpRequest, credentials: dict[str, Any] | None = None) -> int:
        """The failures of user name and address together, or the share of its limit that the address has used."""
        pair, address = (_failures(attempts) for attempts in self.get_user_attempts(request, credentials))
        return max(pair, address * settings.AXES_FAILURE_LIMIT // settings.LOG_IN_FAILURES_PER_ADDRESS)

    def reset_user_attempts(self, request: HttpRequest, credentials: dict[str, Any] | None = None) -> int:
        """Forget the failures of who has got in, not the others from that address: he may be the guesser himself."""
        pair, _ = self.filter_user_attempts(request, credentials)
        return int(pair.delete()[0])

    @wrap_database_errors
    def clean_expired_user_attempts(
        self, request: HttpRequest | None = None, credentials: dict[str, Any] | None = None
    ) -> int:
        """Delete what has cooled off in one go, not one by one."""
        over = {"attempt_time": {"$lte": timezone.now() - settings.AXES_COOLOFF_TIME}}
        return collection(AccessAttempt._meta.db_table).delete_many(over).deleted_count


def locked_out(request: HttpRequest, response: HttpResponse, credentials: dict[str, Any] | None) -> HttpResponse:
    """The page that says how long to wait: 429 with Retry-After (RFC 6585)."""
    wait = _wait(LogInHandler(), request, credentials)
    context = admin.site.each_context(request) | {"title": "Log in", "minutes": math.ceil(wait / 60)}
    page = TemplateResponse(request, "admin/locked_out.html", context, status=429, headers={"Retry-After": str(wait)})
    return page.render()


def _failures(attempts: Any) -> int:
    return sum(attempts.values_list("failures_since_start", flat=True))


def _wait(handler: LogInHandler, request: HttpRequest, credentials: dict[str, Any] | None) -> int:
    """Seconds until as many failures have cooled off as are too many."""
    now = timezone.now()
    limits = settings.AXES_FAILURE_LIMIT, settings.LOG_IN_FAILURES_PER_ADDRESS
    waits = [timedelta()]
    for attempts, limit in zip(handler.get_user_attempts(request, credentials), limits, strict=True):
        left = _failures(attempts)
        for at, failures in attempts.order_by("attempt_time").values_list("attempt_time", "failures_since_start"):
            if left < limit:
                break
            left -= failures
            waits.append(at + settings.AXES_COOLOFF_TIME - now)
    return max(1, math.ceil(max(waits).total_seconds()))
