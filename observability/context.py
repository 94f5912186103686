"""What is being worked on: its request id, and what every log line about it says besides.

A *scope* is one piece of work: a request, an order that a worker settles, a run. It ends with its block, so that
nothing of one request is seen in the next one of the same thread. Threads that are given a copy of the context
(`copy_context`) share the scope itself: what they bind and count is seen in the line that ends the request.
"""

import threading
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any

request_id: ContextVar[str | None] = ContextVar("request_id", default=None)
"""The id of the request being served, sent along as X-Request-ID if it is printable ASCII without spaces."""


class Scope:
    """One piece of work: what its log lines say, and what it has asked of peers."""

    __slots__ = ("_lock", "fields", "peer_calls", "peer_seconds")

    def __init__(self, fields: dict[str, Any]) -> None:
        self.fields = fields
        self.peer_calls = 0
        self.peer_seconds = 0.0
        self._lock = threading.Lock()

    def bind(self, **fields: Any) -> None:
        """Say this, too, in every further line. Replaced as a whole: another thread may be reading."""
        with self._lock:
            self.fields = self.fields | fields

    def count_peer_call(self, seconds: float) -> None:
        with self._lock:
            self.peer_calls += 1
            self.peer_seconds += seconds


_scope: ContextVar[Scope | None] = ContextVar("scope", default=None)


def current() -> Scope | None:
    """The scope of this piece of work; None outside of any."""
    return _scope.get()


def fields() -> dict[str, Any]:
    """What a log line of now says besides its own words."""
    scope = _scope.get()
    return scope.fields if scope else {}


def bind(**fields: Any) -> None:
    """Say this, too, in every further line of the scope; nothing outside of one."""
    if scope := _scope.get():
        scope.bind(**fields)


@contextmanager
def work(given: str | None = None, **fields: Any) -> Iterator[str]:
    """Begin a piece of work: its lines say these fields and those of the work that it is a part of.

    :param given: its request id; a new one where there is none. Yielded.
    """
    known = given or uuid.uuid4().hex
    outer = _scope.get()
    id_token = request_id.set(known)
    scope_token = _scope.set(Scope((outer.fields if outer else {}) | fields))
    try:
        yield known
    finally:
        _scope.reset(scope_token)
        request_id.reset(id_token)
