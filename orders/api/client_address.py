"""The address that a request comes from, as far as it can be trusted."""

import logging
from functools import cache
from ipaddress import IPv6Address, IPv6Network, ip_address

from django.conf import settings
from django.http import HttpRequest

logger = logging.getLogger(__name__)

UNKNOWN = "0.0.0.0"  # noqa: S104 - no address to listen at
NETWORK = 64
"""Bits of an IPv6 address that identify a provider's customer, who has all addresses of that network."""


def client_address(request: HttpRequest) -> str:
    """The address by which failures are counted: IPv4 as it is, IPv6 as its /64 network.

    Each of the TRUSTED_PROXIES proxies appends its caller's address to `X-Forwarded-For` (the outermost may replace the
    header), so the client is that many entries from the end; anything before that was written by the client and is
    ignored. A request with fewer entries has not come through all proxies, and counts as its peer's.
    """
    return _network(_forwarded(request)) or _network(request.META.get("REMOTE_ADDR", "")) or UNKNOWN


def _forwarded(request: HttpRequest) -> str:
    proxies: int = settings.TRUSTED_PROXIES
    given: str = request.META.get("HTTP_X_FORWARDED_FOR", "")
    entries = given.split(",")
    if given and len(entries) < proxies:
        _warn_of_fewer()
    return entries[-proxies].strip() if 0 < proxies <= len(entries) else ""


@cache
def _warn_of_fewer() -> None:
    """Warn once per process that all clients may be counted as one: most likely a proxy replaces the header."""
    logger.warning(
        "X-Forwarded-For has fewer entries than TRUSTED_PROXIES: such requests count as their proxy's. Inner proxies "
        "must append to the header (nginx: $proxy_add_x_forwarded_for), or TRUSTED_PROXIES is too high."
    )


def _network(text: str) -> str:
    """The address, given plain or as `host:port`; empty if it is not one."""
    if text.startswith("["):
        text = text[1:].partition("]")[0]
    elif text.count(":") == 1:
        text = text.partition(":")[0]
    try:
        found = ip_address(text.partition("%")[0])
    except ValueError:
        return ""
    if not isinstance(found, IPv6Address):
        return str(found)
    if found.ipv4_mapped:
        return str(found.ipv4_mapped)
    return str(IPv6Network((found, NETWORK), strict=False).network_address)
