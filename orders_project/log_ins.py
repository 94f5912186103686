"""Limits on guessing passwords: failed log-ins to the backoffice are counted for all workers, then refused for a while.

django-axes counts them in MongoDB. A user name is locked only together with the address that failed at it, so that
nobody can lock staff out from elsewhere; an address is locked entirely after more failures, against those who try many
names.

A failure is known only after the password has been checked. Each attempt is therefore counted before, in one write, so
that no more passwords are checked at once than may fail; a success gives back what it and earlier failures took.
"""

import math
from collections.abc import Iterator
from datetime import timedelta
from ipaddress import IPv6Network
from typing import Any

from axes.handlers.database import AxesDatabaseHandler
from axes.helpers import get_client_username
from axes.models import AccessAttempt
from django.conf import settings
from django.contrib.auth import authenticate
from django.contrib.auth.base_user import AbstractBaseUser
from django.http import HttpRequest
from django.utils import timezone
from django.views.decorators.debug import sensitive_variables
from django_mongodb_backend.query import wrap_database_errors

from orders.storage import rate_counters
from orders.storage.database import collection
from orders_project.settings.sign_on import PASSWORDS

COUNTERS = "log-in:"
SITE, SHARE = 48, 4
"""Bits of an IPv6 network that one customer may own, and how many times the failures of an address it may have."""


class LogInHandler(AxesDatabaseHandler):
    """The handler of django-axes, with two limits, and queries that an index covers."""

    def get_failures(self, request: HttpRequest, credentials: dict[str, Any] | None = None) -> int:
        """The failures of user name and address together, or the share of its limit that the address has used."""
        pair, address = (_failures(attempts) for attempts in self.get_user_attempts(request, credentials))
        return max(pair, address * settings.AXES_FAILURE_LIMIT // settings.LOG_IN_FAILURES_PER_ADDRESS)

    def is_allowed(self, request: HttpRequest, credentials: dict[str, Any] | None = None) -> bool:
        """Whether a password may be checked; the attempt counts as a failure until it succeeds."""
        if not super().is_allowed(request, credentials):
            return False
        for key, limit in _counters(request, credentials):
            if wait := rate_counters.spend(key, limit=limit, period=settings.LOG_IN_COOL_OFF).wait:
                request.axes_locked_out = True  # type: ignore[attr-defined] # has axes answer so, and count no more
                request.log_in_wait = wait  # type: ignore[attr-defined]
                return False
        return True

    def user_logged_in(self, sender: Any, request: HttpRequest, user: Any, **kwargs: Any) -> None:
        """Only a password makes up for passwords that failed: a sign-on at the provider says nothing about them."""
        if getattr(user, "backend", PASSWORDS) == PASSWORDS:
            super().user_logged_in(sender, request, user, **kwargs)

    def reset_user_attempts(self, request: HttpRequest, credentials: dict[str, Any] | None = None) -> int:
        """Forget the failures of this user name, not the others from the address: they may be guessing others."""
        failures = _failures(self.get_user_attempts(request, credentials)[0])
        for key, limit in _counters(request, credentials):
            rate_counters.give_back(key, 1 + failures, limit=limit, period=settings.LOG_IN_COOL_OFF)
        pair, _ = self.filter_user_attempts(request, credentials)
        return int(pair.delete()[0])

    def reset_attempts(self, **which: Any) -> int:
        """Forget failures, for operators. All counters of attempts start again, too: only failures lock."""
        rate_counters.forget(COUNTERS)
        return int(super().reset_attempts(**which))

    @wrap_database_errors
    def clean_expired_user_attempts(
        self, request: HttpRequest | None = None, credentials: dict[str, Any] | None = None
    ) -> int:
        """Delete expired attempts with one command, not one by one."""
        over = {"attempt_time": {"$lte": timezone.now() - settings.AXES_COOLOFF_TIME}}
        return collection(AccessAttempt._meta.db_table).delete_many(over).deleted_count


@sensitive_variables("password")
def reauthenticated(user: AbstractBaseUser, password: str, request: HttpRequest) -> AbstractBaseUser | None:
    """The user who is logged in, as stored now, if it is their password; a wrong one counts as a failed log-in.

    If no more may be checked, or this was the last that may fail, axes answers that the login is locked.
    """
    credentials = {"username": user.get_username()}
    found = authenticate(request, password=password, **credentials)
    if found is not None:
        LogInHandler().reset_user_attempts(request, credentials)
    return found


def _counters(request: HttpRequest, credentials: dict[str, Any] | None) -> Iterator[tuple[str, int]]:
    """The counters of a log-in, the narrowest first, and how many failures each allows."""
    name, address = get_client_username(request, credentials), request.axes_ip_address  # type: ignore[attr-defined]
    yield f"{COUNTERS}{address} {name}", settings.AXES_FAILURE_LIMIT
    yield f"{COUNTERS}{address}", settings.LOG_IN_FAILURES_PER_ADDRESS
    if ":" in address:
        yield f"{COUNTERS}{IPv6Network((address, SITE), strict=False)}", SHARE * settings.LOG_IN_FAILURES_PER_ADDRESS


def _failures(attempts: Any) -> int:
    return sum(attempts.values_list("failures_since_start", flat=True))


def seconds_to_wait(request: HttpRequest, credentials: dict[str, Any] | None) -> int:
    """Seconds until enough failures have expired for another attempt."""
    now = timezone.now()
    limits = settings.AXES_FAILURE_LIMIT, settings.LOG_IN_FAILURES_PER_ADDRESS
    waits = [timedelta()]
    for attempts, limit in zip(LogInHandler().get_user_attempts(request, credentials), limits, strict=True):
        left = _failures(attempts)
        for at, failures in attempts.order_by("attempt_time").values_list("attempt_time", "failures_since_start"):
            if left < limit:
                break
            left -= failures
            waits.append(at + settings.AXES_COOLOFF_TIME - now)
    return max(1, math.ceil(max(waits).total_seconds()), math.ceil(getattr(request, "log_in_wait", 0)))
