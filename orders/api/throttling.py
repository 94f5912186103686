"""Limits of the API: writes by caller, refused tokens by client address. Reads are left to the gateway."""

import math
from typing import TYPE_CHECKING

from django.conf import settings
from django.http import HttpRequest
from rest_framework.exceptions import APIException
from rest_framework.permissions import SAFE_METHODS
from rest_framework.request import Request
from rest_framework.throttling import BaseThrottle

from orders.api.client_address import client_address
from orders.services import rate_limits
from orders.services.access import Actor, Kind
from orders.services.rate_limits import Allowance

if TYPE_CHECKING:
    from rest_framework.views import APIView

HEADERS = ["RateLimit-Limit", "RateLimit-Remaining", "RateLimit-Reset", "RateLimit-Policy"]


class TooManyWrites(APIException):
    status_code = 429
    default_code = "too_many_writes"

    def __init__(self, allowance: Allowance) -> None:
        seconds = max(1, math.ceil(allowance.wait))
        super().__init__(
            f"No more than {allowance.limit} changes in {allowance.period} s. Nothing was changed; "
            f"try again in {seconds} s."
        )
        self.wait = allowance.wait


class TooManyRefusedTokens(APIException):
    status_code = 429
    default_code = "too_many_refused_tokens"
    default_detail = "Too many tokens from this address were refused. A valid token is let in at any time."

    def __init__(self, allowance: Allowance) -> None:
        super().__init__()
        self.wait = allowance.wait


class WriteThrottle(BaseThrottle):
    """Limit each caller's writes a minute, over all workers together; a replayed write counts, too."""

    def allow_request(self, request: Request, view: "APIView") -> bool:
        """:raises TooManyWrites: if none is left."""
        if request.method in SAFE_METHODS:
            return True
        caller = request.user
        if not isinstance(caller, Actor):  # nothing is counted where anybody may call
            return True
        is_customer = caller.kind is Kind.CUSTOMER
        limit = settings.RATE_LIMIT_WRITES if is_customer else settings.RATE_LIMIT_ADMIN_WRITES
        allowance = rate_limits.spend("write", caller.label, limit=limit)
        request.allowance = allowance  # type: ignore[attr-defined]
        if allowance is not None and allowance.wait:
            raise TooManyWrites(allowance)
        return True


def headers_of(allowance: Allowance) -> dict[str, str]:
    """As in draft-ietf-httpapi-ratelimit-headers-06, which is what clients know."""
    policy = f"{allowance.limit};w={allowance.period}"
    values = allowance.limit, allowance.remaining, math.ceil(allowance.reset), policy
    return dict(zip(HEADERS, map(str, values), strict=True))


def count_refused_token(request: HttpRequest | Request) -> None:
    """Count a refused token. Callers with a valid one are neither counted nor locked out by others at their address.

    :raises TooManyRefusedTokens: if there were too many from this address.
    """
    allowance = rate_limits.spend(
        "refused-token",
        client_address(request),
        limit=settings.RATE_LIMIT_REFUSED_TOKENS,
    )
    if allowance is not None and allowance.wait:
        raise TooManyRefusedTokens(allowance)
