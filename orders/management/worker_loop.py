"""What a worker does until it is told to stop: due stock, events, bulk runs, unpaid orders, figures, retention."""

import threading
import time
from collections.abc import Callable, Collection

from django.conf import settings
from django.db import DatabaseError
from django.utils import timezone

from observability.metrics import WORKER_PASS_TIME, WORKER_PASSES
from orders.management.order_command import unanswered
from orders.management.worker_report import WorkerReport
from orders.management.worker_threads import WorkerThreads
from orders.services.access import Actor
from orders.services.audit import Act
from orders.services.bulk import execute_pending_runs
from orders.services.lifecycle.erasing_many import erase_old, retention_reason
from orders.services.lifecycle.expiry import REASON_CODE, expire_unpaid, reason
from orders.services.reporting.figures_refresh import refresh
from orders.services.reporting.readiness import Heartbeat
from orders.services.stock.worker import Pass, settle_due

PARTS = ("stock", "events", "webhooks", "broker", "bulk", "expiry", "figures", "retention")
"""The parts of a worker's work."""
SLICE = 1.0
"""Seconds for bulk runs between two passes: stock that is due does not wait for them."""
COUNTING = 0.5
"""Seconds for counting figures between two passes."""
ERASE_EVERY = 3600.0
"""Seconds between looking for personal data that has been kept long enough."""


class WorkerLoop:
    """Any number may run at the same time.

    :param name: by which this worker is known to be alive.
    :param parts: of PARTS, those that it does.
    :param limit: orders to take in one pass.
    """

    def __init__(
        self,
        actor: Actor,
        name: str,
        parts: Collection[str],
        limit: int,
        stop: threading.Event,
        report: WorkerReport,
    ) -> None:
        self._actor, self._limit, self._stop, self._report = actor, limit, stop, report
        self._parts = parts
        self._heart = Heartbeat(name)

    def run(self) -> None:
        """Run until `stop` is set."""
        beside = WorkerThreads(self._stop, self._report)
        beside.start(self._parts)
        try:
            self._work()
        finally:
            self._stop.set()
            beside.join()

    def _work(self) -> None:
        expiry_due = figures_due = erasing_due = time.monotonic()

        def stopping() -> bool:
            self._heart.beat()  # a pass may take long
            return self._stop.is_set()

        while not stopping():
            done = self._settle(stopping) if "stock" in self._parts else Pass()
            more = "bulk" in self._parts and not self._stop.is_set() and self._execute_runs(stopping)
            if self._is_time("expiry", expiry_due) and settings.EXPIRE_UNPAID_EVERY > 0:
                unpaid = self._expire(stopping)
                expiry_due = time.monotonic() + (0 if unpaid else settings.EXPIRE_UNPAID_EVERY)
                more = more or unpaid
            if self._is_time("figures", figures_due):
                uncounted = self._count(stopping)
                figures_due = time.monotonic() + (0 if uncounted else settings.FIGURES_EVERY)
                more = more or uncounted
            if self._is_time("retention", erasing_due) and settings.PERSONAL_DATA_DAYS > 0:
                unerased = self._erase(stopping)
                erasing_due = time.monotonic() + (0 if unerased else ERASE_EVERY)
                more = more or unerased
            if done.orders + done.failed < self._limit and not more:
                self._stop.wait(settings.WORKER_INTERVAL)

    def _is_time(self, part: str, due: float) -> bool:
        return part in self._parts and time.monotonic() >= due and not self._stop.is_set()

    def _settle(self, stopping: Callable[[], bool]) -> Pass:
        try:
            done = settle_due(actor=self._actor, limit=self._limit, stopping=stopping)
        except DatabaseError as error:
            self._report.complain(f"{unanswered(error)}, trying again")
            return Pass()
        if done.orders or done.failed:
            self._report.say(f"{done.orders} orders settled, {done.failed} failed")
        WORKER_PASSES.inc()
        WORKER_PASS_TIME.set_to_current_time()
        return done

    def _execute_runs(self, stopping: Callable[[], bool]) -> bool:
        """Execute bulk runs for a moment. :returns: whether there may be more to do at once."""
        try:
            return execute_pending_runs(seconds=SLICE, stopping=stopping)
        except Exception as error:
            self._report.failed("bulk runs could not be executed, trying again", error)
            return False

    def _expire(self, stopping: Callable[[], bool]) -> bool:
        """Cancel unpaid orders, up to the limit. :returns: whether there may be more, so that waiting is pointless."""
        act = Act(self._actor, timezone.now(), reason(), REASON_CODE)
        try:
            done = expire_unpaid(act=act, limit=self._limit, stopping=stopping)
        except Exception as error:
            self._report.failed("unpaid orders could not be expired, trying again later", error)
            return False
        if done.total:
            self._report.say(f"unpaid orders: {done.summary}")
        return done.total == self._limit and done.cancelled > 0

    def _erase(self, stopping: Callable[[], bool]) -> bool:
        """Erase personal data, up to the limit. :returns: whether there may be more, so that waiting is pointless."""
        act = Act(self._actor, timezone.now(), retention_reason())
        try:
            done = erase_old(act=act, limit=self._limit, stopping=stopping)
        except Exception as error:
            self._report.failed("personal data could not be erased, trying again later", error)
            return False
        if done.erased:
            self._report.say(f"personal data erased from {done.erased} orders")
        return done.total == self._limit and done.erased > 0

    def _count(self, stopping: Callable[[], bool]) -> bool:
        """Count the dashboard's figures for a moment. :returns: whether there is more to count."""
        try:
            return refresh(seconds=COUNTING, stopping=stopping).more
        except Exception as error:
            self._report.failed("the figures could not be counted, trying again later", error)
            return False
