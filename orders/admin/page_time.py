"""The time that a page of the backoffice may take to find its orders (BACKOFFICE_QUERY_MS)."""

from collections.abc import Callable
from contextlib import AbstractContextManager
from typing import TypeVar

from django.conf import settings
from django.db import DatabaseError

from orders.services.order_queries import time_limit

T = TypeVar("T")


def page_time() -> AbstractContextManager[None]:
    """Reads within it raise DatabaseError if they take longer together."""
    return time_limit(settings.BACKOFFICE_QUERY_MS / 1000)


def in_time(read: Callable[[], T]) -> T | None:
    """What is read, or None if it takes longer than a page may."""
    try:
        with page_time():
            return read()
    except DatabaseError as error:
        if getattr(error.__cause__, "timeout", False):
            return None
        raise
