"""How the service is: figures for Prometheus that are read from the database, and whether it can work at all."""

import logging
import threading
import time
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from datetime import datetime

from django.conf import settings
from django.db import DatabaseError, connection
from django.db.migrations.executor import MigrationExecutor
from django.db.migrations.loader import MigrationLoader
from prometheus_client import Metric
from prometheus_client.core import GaugeMetricFamily
from prometheus_client.registry import Collector

from integrations.circuit_breakers import breakers
from orders.storage import DATABASE_ERRORS, service_state, time_limit

logger = logging.getLogger(__name__)

MOST = 10_000
"""So far is counted; more is no news to anybody who is to act on it."""
PATIENCE = 1.0
"""Seconds that reading the figures may take, and likewise each check of whether the service can work."""
PROBED_EVERY = 1.0
"""Seconds."""
KEPT = 5.0
"""Seconds for which the figures are not read anew, however often they are asked for."""
PREFIX = "order_service_"


@dataclass(frozen=True)
class Readiness:
    """Whether the service can work. Peers and workers are told of, and decide nothing.

    :ivar database: a majority has just taken a write.
    :ivar migrated: the database has every migration that this version knows; None where it could not be asked.
    :ivar worker_seen: when a worker was last at work; None if never, or where it could not be asked.
    :ivar breakers: what this process thinks of each call to a peer that it has made (`inventory.reserve`), and of
        connecting to it (`inventory.connect`): `closed`, `half_open` or `open`.
    """

    database: bool
    migrated: bool | None
    worker_seen: datetime | None
    breakers: dict[str, str]

    @property
    def ready(self) -> bool:
        return self.database and self.migrated is True

    def worker_is_at_work(self, now: datetime) -> bool:
        """Whether one was seen within WORKER_SEEN_WITHIN seconds."""
        seen = self.worker_seen
        return seen is not None and (now - seen).total_seconds() <= settings.WORKER_SEEN_WITHIN


def readiness() -> Readiness:
    """What was found last, if that was less than PROBED_EVERY seconds ago: anybody may ask, and asking is a write."""
    global _last
    with _looking:
        found, at = _last
        if found is None or time.monotonic() - at >= PROBED_EVERY:
            found = _look()
            _last = found, time.monotonic()
    return replace(found, breakers=breakers.states())


_looking = threading.Lock()
_last: tuple[Readiness | None, float] = (None, 0.0)


def _look() -> Readiness:
    """Look, for PATIENCE seconds of the database's time at most."""
    database, migrated, seen = False, None, None
    _migrations.load()
    try:
        with time_limit(PATIENCE):
            service_state.probe()
            database = True
            migrated = _migrations.applied()
            seen = service_state.worker_seen()
    except DATABASE_ERRORS as error:
        logger.warning("the database is not ready: %s", error.__cause__ or error)
    return Readiness(database, migrated, seen, breakers.states())


class _Migrations:
    """Whether the database is as this version needs it. Once it is, it stays so for as long as the process lives."""

    def __init__(self) -> None:
        self._applied = False

    def load(self) -> None:
        """Read the migrations' files, which takes its time the first time: no fault of the database."""
        if not self._applied:
            MigrationLoader(None)

    def applied(self) -> bool:
        """:raises DatabaseError:"""
        if not self._applied:
            executor = MigrationExecutor(connection)
            self._applied = not executor.migration_plan(executor.loader.graph.leaf_nodes())
        return self._applied


_migrations = _Migrations()


class DatabaseFigures(Collector):
    """The figures that the database knows. Where it does not answer they are left out, and `database_up` is 0."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._read_at = float("-inf")
        self._known: service_state.Vitals | None = None

    def describe(self) -> Iterable[Metric]:
        """Nothing: Prometheus's client would otherwise collect all to find out."""
        return []

    def collect(self) -> Iterator[Metric]:
        known = self._current()
        yield _gauge("database_up", "Whether the database answered when these figures were read.", known is not None)
        if known is None:
            return
        yield _gauge("stock_owed_orders", f"Orders that inventory owes an answer; {MOST} if more.", known.owed)
        yield _gauge(
            "stock_owed_oldest_seconds",
            "Since when the order that has waited longest for its stock is in its status.",
            known.oldest_owed,
        )
        yield _gauge(
            "worker_lag_seconds", "Since when a worker should have looked at the stock due longest.", known.overdue
        )
        yield _gauge("stock_unknown_orders", f"Orders with a line of unknown outcome; {MOST} if more.", known.unknown)
        runs = GaugeMetricFamily(f"{PREFIX}bulk_runs", "Runs that are not over.", labels=["state"])
        for state, count in known.runs.items():
            runs.add_metric([state], count)
        yield runs
        if known.worker_seen:
            seen = known.worker_seen.timestamp()
            yield _gauge("worker_last_seen_timestamp_seconds", "When any worker was last at work.", seen)

    def _current(self) -> service_state.Vitals | None:
        with self._lock:
            if time.monotonic() - self._read_at >= KEPT:
                self._known = _read()
                self._read_at = time.monotonic()
            return self._known


def _read() -> service_state.Vitals | None:
    try:
        with time_limit(PATIENCE):
            return service_state.read(MOST)
    except DatabaseError as error:
        logger.warning("figures could not be read: %s", error.__cause__ or error)
        return None


def _gauge(name: str, documentation: str, value: float) -> Metric:
    return GaugeMetricFamily(PREFIX + name, documentation, value=value)


database_figures = DatabaseFigures()
"""Of this process; it reads the database once for however many scrapes there are in KEPT seconds."""


class Heartbeat:
    """Lets others see that a worker is at work, every EVERY seconds at most.

    :param name: which worker it is.
    """

    EVERY = 5.0

    def __init__(self, name: str) -> None:
        self._name = name
        self._next = float("-inf")

    def beat(self) -> None:
        """Never fails: a worker that cannot say that it is at work is at work all the same."""
        if time.monotonic() < self._next:
            return
        self._next = time.monotonic() + self.EVERY
        try:
            with time_limit(PATIENCE):
                service_state.beat(self._name)
        except DatabaseError as error:
            logger.warning("the worker's heartbeat could not be written: %s", error.__cause__ or error)
