"""Work of Django at the beginning and the end of each request that has no effect here, and is left out."""

from django.core.cache import close_caches
from django.core.signals import request_finished, request_started
from django.db import close_old_connections, reset_queries


def disconnect(*, debug: bool) -> None:
    """Skip per-request work of Django that has no effect here (docs/adr/0008-what-an-api-request-skips.md).

    pymongo looks after its own connections: the backend's `close()` does nothing. The only cache is Django's in-process
    one, which has no connections; and queries are recorded only in DEBUG.
    """
    for signal in (request_started, request_finished):
        signal.disconnect(close_old_connections)
    request_finished.disconnect(close_caches)
    if not debug:
        request_started.disconnect(reset_queries)
