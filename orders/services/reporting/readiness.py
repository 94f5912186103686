"""Metrics that are read from the database, whether the service can work at all, and the heartbeat of workers."""

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
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily
from prometheus_client.registry import Collector

from integrations.circuit_breakers import breakers
from orders.services.adoption.adopting import not_adopted
from orders.services.reporting import event_troubles
from orders.storage import DATABASE_ERRORS, service_state, time_limit

logger = logging.getLogger(__name__)

MOST = 10_000
"""Counts stop here: larger numbers would not change what anybody does about them."""
READ_TIMEOUT = 1.0
"""Seconds for reading the metrics, and for each check of whether the service can work."""
PROBED_EVERY = 1.0
"""Seconds."""
CACHED_FOR = 5.0
"""Seconds for which metrics are not read again, however often they are scraped."""
PREFIX = "order_service_"


@dataclass(frozen=True)
class Readiness:
    """Whether the service can work. Peers, workers and events are reported, and do not decide it.

    :ivar database: a majority has just taken a write.
    :ivar migrated: every migration of this version is applied; None if the database could not be asked.
    :ivar worker_seen: when a worker was last seen; None if never, or if the database could not be asked.
    :ivar untold_since: since when something has waited to be told; None if nothing does, or if the database could not
        be asked.
    :ivar not_adopted: documents of another service among the orders, counted up to MOST; None if the database could not
        be asked.
    :ivar breakers: of this process, for each call that it has made to a peer (`inventory.reserve`) and for connecting
        to it (`inventory.connect`): `closed`, `half_open` or `open`.
    """

    database: bool
    migrated: bool | None
    worker_seen: datetime | None
    untold_since: datetime | None
    not_adopted: int | None
    breakers: dict[str, str]

    @property
    def ready(self) -> bool:
        return self.database and self.migrated is True

    def worker_is_at_work(self, now: datetime) -> bool:
        """Whether a worker was seen within WORKER_SEEN_WITHIN seconds."""
        seen = self.worker_seen
        return seen is not None and (now - seen).total_seconds() <= settings.WORKER_SEEN_WITHIN

    def tells_in_time(self, now: datetime) -> bool:
        """Whether nothing has waited for longer than TOLD_WITHIN to be told."""
        return self.untold_since is None or now - self.untold_since <= event_troubles.TOLD_WITHIN


def readiness() -> Readiness:
    """Checked at most every PROBED_EVERY seconds: anybody may ask, and each check is a write."""
    global _last
    with _check_lock:
        found, at = _last
        if found is None or time.monotonic() - at >= PROBED_EVERY:
            found = _check()
            _last = found, time.monotonic()
    return replace(found, breakers=breakers.states())


_check_lock = threading.Lock()
_last: tuple[Readiness | None, float] = (None, 0.0)


def _check() -> Readiness:
    """Check the database, for at most READ_TIMEOUT seconds."""
    database, migrated, seen, untold_since, foreign = False, None, None, None, None
    _migrations.load()
    try:
        with time_limit(READ_TIMEOUT):
            service_state.probe()
            database = True
            migrated = _migrations.applied()
            seen = service_state.worker_seen()
            untold_since = event_troubles.untold_since() if migrated else None
            foreign = not_adopted(MOST) if migrated else None
    except DATABASE_ERRORS as error:
        logger.warning("the database is not ready: %s", error.__cause__ or error)
    return Readiness(database, migrated, seen, untold_since, foreign, breakers.states())


class _Migrations:
    """Whether the migrations are applied. Once they are, this is not checked again by this process."""

    def __init__(self) -> None:
        self._applied = False

    def load(self) -> None:
        """Import the migrations outside the time limit: the first time is slow, and not because of the database."""
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
    """The metrics read from the database. If it does not answer they are left out, and `database_up` is 0."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._read_at = float("-inf")
        self._known: service_state.ServiceFigures | None = None

    def describe(self) -> Iterable[Metric]:
        """Nothing: otherwise the Prometheus client would collect everything at registration."""
        return []

    def collect(self) -> Iterator[Metric]:
        known = self._current()
        yield _gauge("database_up", "Whether the database answered when these metrics were read.", known is not None)
        if known is None:
            return
        yield _gauge("stock_owed_orders", f"Orders with stock still to settle; {MOST} if more.", known.owed)
        yield _gauge(
            "stock_owed_oldest_seconds",
            "Age in seconds of the oldest order with stock still to settle.",
            known.oldest_owed,
        )
        yield _gauge("worker_lag_seconds", "Seconds by which the oldest due stock is overdue.", known.overdue)
        yield _gauge("snoozed_orders", f"Orders that staff have snoozed; {MOST} if more.", known.snoozed)
        yield _gauge(
            "stock_unknown_orders",
            f"Orders with a line whose stock outcome is unknown, but for snoozed ones; {MOST} if more.",
            known.unknown,
        )
        yield _gauge(
            "orders_not_adopted", f"Documents of another service among the orders; {MOST} if more.", known.foreign
        )
        runs = GaugeMetricFamily(f"{PREFIX}bulk_runs", "Bulk runs that are not over.", labels=["state"])
        for state, count in known.runs.items():
            runs.add_metric([state], count)
        yield runs
        yield from _of_events(known)
        if known.worker_seen:
            seen = known.worker_seen.timestamp()
            yield _gauge("worker_last_seen_timestamp_seconds", "When any worker was last seen.", seen)

    def _current(self) -> service_state.ServiceFigures | None:
        with self._lock:
            if time.monotonic() - self._read_at >= CACHED_FOR:
                self._known = _read()
                self._read_at = time.monotonic()
            return self._known


def _read() -> service_state.ServiceFigures | None:
    try:
        with time_limit(READ_TIMEOUT):
            return service_state.read(MOST, broker=bool(settings.EVENTS_AMQP_URL))
    except DatabaseError as error:
        logger.warning("metrics could not be read: %s", error.__cause__ or error)
        return None


def _of_events(known: service_state.ServiceFigures) -> Iterator[Metric]:
    yield _gauge(
        "events_untold_oldest_seconds",
        "Seconds for which an event has waited to be told; 0 if none does.",
        known.untold,
    )
    yield CounterMetricFamily(f"{PREFIX}events_told", "Events that were told.", value=known.told)
    lags = GaugeMetricFamily(
        f"{PREFIX}events_lag", "Events that a follower of the feed has not had, at most.", labels=["follower"]
    )
    for follower, lag in known.lags.items():
        lags.add_metric([follower], lag)
    yield lags
    endpoints = GaugeMetricFamily(f"{PREFIX}webhook_endpoints", "Webhook endpoints.", labels=["state"])
    for state, count in known.endpoints.items():
        endpoints.add_metric([state], count)
    yield endpoints


def _gauge(name: str, documentation: str, value: float) -> Metric:
    return GaugeMetricFamily(PREFIX + name, documentation, value=value)


database_figures = DatabaseFigures()
"""Of this process: it reads the database once in CACHED_FOR seconds, however many scrapes there are."""


class Heartbeat:
    """Records that a worker is running, at most every EVERY seconds.

    :param name: of the worker.
    """

    EVERY = 5.0

    def __init__(self, name: str) -> None:
        self._name = name
        self._next = float("-inf")

    def beat(self) -> None:
        """Never fails: a worker works even if its heartbeat cannot be written."""
        if time.monotonic() < self._next:
            return
        self._next = time.monotonic() + self.EVERY
        try:
            with time_limit(READ_TIMEOUT):
                service_state.beat(self._name)
        except DatabaseError as error:
            logger.warning("the worker's heartbeat could not be written: %s", error.__cause__ or error)
