"""Every step of this process that touches the database or a peer: counted, named, and deadly on demand.

A step is the moment before or after one command to MongoDB, one exchange with a peer, or one call of a webhook. They
are found by listening (pymongo's monitoring, and the functions through which every exchange and every webhook goes), so
that a new one cannot be forgotten.
"""

import os
import threading
from collections.abc import Callable
from typing import Any

from pymongo import monitoring

from integrations import http_exchange, webhook_calls
from integrations.answer import Answer
from integrations.webhook_calls import Delivery

KILLED = 137
QUIET = {"endSessions", "ping"}


def die() -> None:
    """End this process at once, as SIGKILL would."""
    os._exit(KILLED)


class Steps(monitoring.CommandListener):
    """Listens from :meth:`install` on; counts between :meth:`arm` and :meth:`disarm`."""

    def __init__(self) -> None:
        self._names: list[str] = []
        self._end: Callable[[int, str], bool] | None = None
        self._then: Callable[[], None] = die
        self._lock = threading.Lock()

    def install(self) -> "Steps":
        """Start listening: before this process makes its first MongoDB client."""
        monitoring.register(self)
        exchange = http_exchange.exchange

        def listened(method: str, url: str, target: str, **sent: Any) -> Answer:
            what = f"{method} {target.partition('?')[0].rpartition('/')[2]}"
            self._step(f"before {what}")
            answer = exchange(method, url, target, **sent)
            self._step(f"after {what}")
            return answer

        post = webhook_calls.post

        def posted(url: str, **sent: Any) -> Delivery:
            self._step("before POST webhook")
            delivery = post(url, **sent)
            self._step("after POST webhook")
            return delivery

        http_exchange.exchange = listened
        webhook_calls.post = posted
        return self

    def arm(self, end: Callable[[int, str], bool], then: Callable[[], None] = die) -> None:
        """Count from here on; `then` is called after the step of which `end` (its number from 1, its name) says so."""
        self._names.clear()
        self._end, self._then = end, then

    def disarm(self) -> list[str]:
        """Stop counting, and return the names of the steps so far."""
        self._end = None
        return list(self._names)

    def started(self, event: monitoring.CommandStartedEvent) -> None:
        if event.command_name not in QUIET:
            self._step(f"before {event.command_name} {event.command.get(event.command_name)}")

    def succeeded(self, event: monitoring.CommandSucceededEvent) -> None:
        if event.command_name not in QUIET:
            self._step(f"after {event.command_name}")

    def failed(self, event: monitoring.CommandFailedEvent) -> None:
        self._step(f"after failed {event.command_name}")

    def _step(self, name: str) -> None:
        with self._lock:
            end = self._end
            if end is None:
                return
            self._names.append(name)
            reached = end(len(self._names), name)
        if reached:
            self._then()
