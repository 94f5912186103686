"""What MongoDB took to answer."""

import os

from pymongo import monitoring
from pymongo.monitoring import CommandFailedEvent, CommandListener, CommandStartedEvent, CommandSucceededEvent

from observability.metrics import MONGODB_FAILURES, MONGODB_SECONDS

KNOWN = ("find", "getMore", "aggregate", "count", "distinct", "insert", "update", "delete", "findAndModify", "hello")
_SECONDS = {name: MONGODB_SECONDS.labels(name) for name in (*KNOWN, "other")}


class Stopwatch(CommandListener):
    """Counts seconds and failures by the name of the command, and keeps nothing of what was asked."""

    def started(self, event: CommandStartedEvent) -> None:
        """Nothing is known yet."""

    def succeeded(self, event: CommandSucceededEvent) -> None:
        _SECONDS.get(event.command_name, _SECONDS["other"]).observe(event.duration_micros / 1e6)

    def failed(self, event: CommandFailedEvent) -> None:
        name = event.command_name if event.command_name in KNOWN else "other"
        _SECONDS[name].observe(event.duration_micros / 1e6)
        MONGODB_FAILURES.labels(name).inc()


_installed: set[int] = set()


def install() -> None:
    """Measure every client of this process that is made from now on."""
    if not _installed:
        _installed.add(os.getpid())
        monitoring.register(Stopwatch())
