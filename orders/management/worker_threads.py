"""What a worker does beside its loop, each in a thread of its own: telling and delivering wait for no slow peer."""

import threading
import time
from collections.abc import Collection
from contextlib import suppress

from django.conf import settings
from django.db import DatabaseError, connections
from django.utils import timezone

from orders.management.worker_report import WorkerReport
from orders.services.events.delivering import Deliverer
from orders.services.events.publishing import BrokerUnavailable, EventsDeleted, Publisher
from orders.services.events.telling import Teller, purge

EVENTS_INTERVAL = 0.25
"""Seconds between two looks for something to tell: an index is looked at, nothing else."""
TURN = 5.0
PURGED = 1000
"""Events to delete at a time."""
PURGE_EVERY = 600.0
LONGEST_BROKER_PAUSE = 30.0


class WorkerThreads:
    """They end once `stop` is set."""

    def __init__(self, stop: threading.Event, report: WorkerReport) -> None:
        self._stop, self._report = stop, report
        self._threads: list[threading.Thread] = []

    def start(self, parts: Collection[str]) -> None:
        """Start those that are among the parts of a worker's work."""
        beside = {"events": self._tell, "webhooks": self._deliver}
        if settings.EVENTS_AMQP_URL:
            beside["broker"] = self._publish
        self._threads = [threading.Thread(target=work, name=part) for part, work in beside.items() if part in parts]
        for thread in self._threads:
            thread.start()

    def join(self) -> None:
        """Wait until all of them have ended."""
        for thread in self._threads:
            thread.join()

    def _tell(self) -> None:
        """Tell events until `stop` is set."""
        teller, purge_due = Teller(), time.monotonic()
        try:
            while not self._stop.wait(EVENTS_INTERVAL):
                try:
                    teller.run(seconds=TURN, stopping=self._stop.is_set)
                    if time.monotonic() >= purge_due and purge(at=timezone.now(), limit=PURGED) < PURGED:
                        purge_due = time.monotonic() + PURGE_EVERY
                except Exception as error:
                    self._report.failed("events could not be told, trying again", error)
                    self._stop.wait(settings.WORKER_INTERVAL)
            with suppress(DatabaseError):
                teller.leave()
        finally:
            connections.close_all()

    def _deliver(self) -> None:
        """Deliver webhooks until `stop` is set."""
        deliverer = Deliverer(self._stop.is_set)
        try:
            while not self._stop.wait(EVENTS_INTERVAL):
                try:
                    deliverer.start_due()
                except Exception as error:
                    self._report.failed("webhooks could not be delivered, trying again", error)
                    self._stop.wait(settings.WORKER_INTERVAL)
        finally:
            deliverer.join()
            connections.close_all()

    def _publish(self) -> None:
        """Publish events to the broker until `stop` is set."""
        publisher, pause = Publisher(), EVENTS_INTERVAL
        try:
            while not self._stop.wait(pause):
                try:
                    publisher.run(stopping=self._stop.is_set)
                    pause = EVENTS_INTERVAL
                except (BrokerUnavailable, EventsDeleted) as error:
                    self._report.complain(f"events could not be published, trying again: {error}")
                    pause = min(2 * pause + settings.WORKER_INTERVAL, LONGEST_BROKER_PAUSE)
                except Exception as error:
                    self._report.failed("events could not be published, trying again", error)
                    pause = settings.WORKER_INTERVAL
            with suppress(DatabaseError):
                publisher.leave()
        finally:
            connections.close_all()
