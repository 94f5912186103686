"""The piece of work in progress: its request id, and the fields that all its log lines carry.

A *scope* is one piece of work: a request, an order that a worker settles, a run. It ends with its block, so that
nothing of one request is seen in the next one of the same thread. Threads that are given a copy of the context
(`copy_context`) share the scope itself: what they bind and count is seen in the line that ends the request.
"""

import random
import re
import threading
from contextvars import ContextVar
from typing import Any

request_id: ContextVar[str | None] = ContextVar("request_id", default=None)
"""The id of the request being served, sent along as X-Request-ID if it is printable ASCII without spaces."""


class Scope:
    """One piece of work: the fields of its log lines, its calls to peers, whether it may have written."""

    __slots__ = ("_lock", "fields", "may_have_written", "peer_calls", "peer_seconds")

    def __init__(self, fields: dict[str, Any]) -> None:
        self.fields = fields
        self.may_have_written = False
        self.peer_calls = 0
        self.peer_seconds = 0.0
        self._lock = threading.Lock()

    def bind(self, **fields: Any) -> None:
        """Add these fields to all further lines. Replaced as a whole: another thread may be reading."""
        with self._lock:
            self.fields = self.fields | fields

    def count_peer_call(self, seconds: float) -> None:
        with self._lock:
            self.peer_calls += 1
            self.peer_seconds += seconds


TRACEPARENT = re.compile(r"(?!ff)[0-9a-f]{2}-(?!0{32})[0-9a-f]{32}-(?!0{16})[0-9a-f]{16}-[0-9a-f]{2}")
"""W3C Trace Context, section 3.2: version, trace, parent, flags; neither of the ids is all zeros."""

_scope: ContextVar[Scope | None] = ContextVar("scope", default=None)


def current() -> Scope | None:
    """The current scope, if there is one."""
    return _scope.get()


def fields() -> dict[str, Any]:
    """The fields that a log line carries now."""
    scope = _scope.get()
    return scope.fields if scope else {}


def traceparent() -> str | None:
    """The caller's `traceparent`, as it came: no spans are made here, so the peers' parent is the caller's."""
    found: str | None = fields().get("traceparent")
    return found


def bind(**fields: Any) -> None:
    """Add these fields to all further lines of the scope; without one, nothing happens."""
    if scope := _scope.get():
        scope.bind(**fields)


class work:  # noqa: N801 - used as a verb; made of a generator, it would take three times as long
    """Begin a piece of work: its lines carry these fields, and those of the work that it is part of.

    :param given: its request id; a new one where there is none. It is what the block is given.
    """

    __slots__ = ("_fields", "_id", "_outer")

    def __init__(self, given: str | None = None, **fields: Any) -> None:
        self._id = given or f"{random.getrandbits(128):032x}"  # it need only be unique
        self._fields = fields

    def __enter__(self) -> str:
        outer = _scope.get()
        fields = outer.fields | self._fields if outer else self._fields
        self._outer = request_id.set(self._id), _scope.set(Scope(fields))
        return self._id

    def __exit__(self, *_exception: object) -> None:
        of_id, of_scope = self._outer
        _scope.reset(of_scope)
        request_id.reset(of_id)
