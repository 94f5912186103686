"""What `manage.py check --deploy` says of our own settings, beside Django's."""

from typing import Any

from django.conf import settings
from django.core.checks import CheckMessage, Tags, Warning, register

TO_WRITE_DOWN = 3.0
"""Seconds between the end of a request's talking to peers and the end of its time at the database."""
LOOPBACK = ("127.0.0.1", "::1", "localhost")
LIMITS = ("RATE_LIMIT_WRITES", "RATE_LIMIT_ADMIN_WRITES", "RATE_LIMIT_REFUSED_TOKENS")


def install() -> None:
    register(check, Tags.security, deploy=True)


def check(app_configs: Any, **kwargs: Any) -> list[CheckMessage]:
    """Settings that are allowed, and that somebody should have meant."""
    found: list[CheckMessage] = []
    if not (settings.JWT_SHARED_KEY or settings.JWT_JWKS_URL):
        found.append(
            Warning(
                "Tokens are verified with SECRET_KEY, so whoever issues them can also forge the backoffice's sessions.",
                hint="Set JWT_JWKS_URL, or a JWT_SHARED_KEY of its own.",
                id="orders.W001",
            )
        )
    if settings.SECURE_PROXY_SSL_HEADER and not settings.TRUSTED_PROXIES:
        found.append(
            Warning(
                "Behind a proxy all clients seem to have its address, and are locked out together.",
                hint="Set TRUSTED_PROXIES to the number of proxies in front.",
                id="orders.W002",
            )
        )
    if off := [name for name in LIMITS if not getattr(settings, name)]:
        found.append(
            Warning(f"Nothing is limited by {', '.join(off)}.", hint="Let the gateway limit it.", id="orders.W003")
        )
    if settings.METRICS_HOST not in LOOPBACK and not settings.METRICS_TOKEN:
        found.append(
            Warning(
                f"Whoever reaches {settings.METRICS_HOST} may read the metrics.",
                hint="Set METRICS_TOKEN, unless only Prometheus reaches that network.",
                id="orders.W004",
            )
        )
    if settings.DATABASE_DEADLINE - settings.REQUEST_DEADLINE < TO_WRITE_DOWN:
        found.append(
            Warning(
                "There is little time to write down what a peer answered at the last moment.",
                hint=f"Set DATABASE_DEADLINE {TO_WRITE_DOWN:g} s above REQUEST_DEADLINE, or more.",
                id="orders.W005",
            )
        )
    return found
