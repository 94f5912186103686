"""What `manage.py check --deploy` checks of our own settings and of the database, besides Django's checks."""

from collections.abc import Iterator
from typing import Any
from urllib.parse import urlsplit

from django.conf import settings
from django.contrib.staticfiles.storage import staticfiles_storage
from django.core.checks import CheckMessage, Tags, Warning, register
from django.db import DatabaseError
from pymongo.errors import PyMongoError

from orders.models import Document
from orders.storage import time_limit
from orders.storage.database import database
from orders_project.settings.env import what_is_unfit

TO_WRITE_DOWN = 3.0
"""Seconds by which a request's time at the database exceeds its time for calling peers."""
LOOPBACK = ("127.0.0.1", "::1", "localhost")
LIMITS = ("RATE_LIMIT_WRITES", "RATE_LIMIT_ADMIN_WRITES", "RATE_LIMIT_REFUSED_TOKENS")
DISTINCT = 8
"""Fewer different characters than 32 random ones ever have."""
PATIENCE = 3.0
"""Seconds for the database to answer."""


def install() -> None:
    for look in (check, check_database, check_static_files):
        register(look, Tags.security, deploy=True)


def check(app_configs: Any, **kwargs: Any) -> list[CheckMessage]:
    """Settings that are allowed, but are mistakes unless they are intended."""
    return [*_of_tokens(), *_of_limits(), *_of_strangers()]


def check_database(app_configs: Any, **kwargs: Any) -> list[CheckMessage]:
    """Whether the database can keep what it acknowledges. Django itself checks databases only with `--database`."""
    if not settings.MONGODB_URI:
        return []  # in development, our own
    try:
        with time_limit(PATIENCE):
            hello: Document = database().command("hello")
    except (DatabaseError, PyMongoError) as error:
        return [
            Warning(
                f"It is not known whether the database is a replica set: it did not answer ({type(error).__name__}).",
                hint="Run the check where MONGODB_URI can be reached.",
                id="orders.W012",
            )
        ]
    if "setName" in hello or hello.get("msg") == "isdbgrid":
        return []
    return [
        Warning(
            "The database is a single mongod, no replica set: what it has acknowledged is lost with it, and reads that "
            "must be certain fail.",
            hint="Start it with --replSet and initiate it; docs/operations.md says how. One node will do for a start.",
            id="orders.W011",
        )
    ]


def check_static_files(app_configs: Any, **kwargs: Any) -> list[CheckMessage]:
    """Whether static files are collected: where their names have hashes, a page fails without them."""
    read_manifest = getattr(staticfiles_storage, "read_manifest", None)
    if read_manifest is None or read_manifest() is not None:
        return []
    return [
        Warning(
            f"The static files are not collected in {settings.STATIC_ROOT}: every page of the backoffice fails.",
            hint="Run manage.py collectstatic.",
            id="orders.W013",
        )
    ]


def _of_tokens() -> Iterator[CheckMessage]:
    key = settings.JWT_SHARED_KEY
    if not (key or settings.JWT_JWKS_URL):
        yield Warning(
            "Tokens are verified with SECRET_KEY, so their issuers can also forge the backoffice's sessions.",
            hint="Set JWT_JWKS_URL, or a JWT_SHARED_KEY of its own.",
            id="orders.W001",
        )
    if key and key in (settings.SECRET_KEY, *settings.SECRET_KEY_FALLBACKS):
        yield Warning(
            "JWT_SHARED_KEY is a SECRET_KEY, so the issuers of tokens can also forge the backoffice's sessions.",
            hint="Give each a value of its own.",
            id="orders.W006",
        )
    if key and (weakness := what_is_unfit(key) or _monotony(key)):
        yield Warning(
            f"JWT_SHARED_KEY {weakness}: who guesses it makes tokens of anybody, admins included.",
            hint="Set a random one, e.g. of `openssl rand -hex 32`, here and at the user service.",
            id="orders.W007",
        )
    address = urlsplit(settings.JWT_JWKS_URL)
    if address.scheme == "http" and address.hostname not in LOOPBACK:
        yield Warning(
            "The key set is fetched over plain HTTP: anybody on the network path can insert a key of their own.",
            hint="Set an https address as JWT_JWKS_URL.",
            id="orders.W008",
        )


def _monotony(key: str) -> str:
    return f"has only {len(set(key))} different characters" if len(set(key)) < DISTINCT else ""


def _of_limits() -> Iterator[CheckMessage]:
    if settings.SECURE_PROXY_SSL_HEADER and not settings.TRUSTED_PROXIES:
        yield Warning(
            "Behind a proxy all clients seem to have its address, and are locked out together.",
            hint="Set TRUSTED_PROXIES to the number of proxies in front.",
            id="orders.W002",
        )
    if off := [name for name in LIMITS if not getattr(settings, name)]:
        yield Warning(f"Nothing is limited by {', '.join(off)}.", hint="Let the gateway limit it.", id="orders.W003")
    if settings.DATABASE_DEADLINE - settings.REQUEST_DEADLINE < TO_WRITE_DOWN:
        yield Warning(
            "There is little time to write down what a peer answered at the last moment.",
            hint=f"Set DATABASE_DEADLINE {TO_WRITE_DOWN:g} s above REQUEST_DEADLINE, or more.",
            id="orders.W005",
        )


def _of_strangers() -> Iterator[CheckMessage]:
    if settings.METRICS_HOST not in LOOPBACK and not settings.METRICS_TOKEN:
        yield Warning(
            f"Whoever reaches {settings.METRICS_HOST} may read the metrics.",
            hint="Set METRICS_TOKEN, unless only Prometheus reaches that network.",
            id="orders.W004",
        )
    if "*" in settings.ALLOWED_HOSTS:
        yield Warning(
            "Any Host header is answered to, and comes back in redirects.",
            hint="List the names of this service as ALLOWED_HOSTS.",
            id="orders.W009",
        )
    if settings.CORS_ALLOW_ALL_ORIGINS:
        yield Warning(
            "Pages of any site may call the API, with whatever token they hold.",
            hint="List the storefronts as CORS_ALLOWED_ORIGINS, unless the API is meant for everybody's pages.",
            id="orders.W010",
        )
