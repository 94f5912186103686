"""`manage.py settle_stock`: finish what orders owe inventory."""

import logging
import os
import socket
import time
from argparse import ArgumentParser
from collections.abc import Callable
from typing import Any

from django.conf import settings
from django.db import DatabaseError
from django.utils import timezone

from observability import processes
from observability.exposition import Server
from observability.metrics import WORKER_PASS_TIME, WORKER_PASSES
from orders.management.arguments import positive
from orders.management.order_command import OrderCommand, stop_when_told, unanswered
from orders.services.access import Actor, system
from orders.services.audit import Act
from orders.services.bulk import execute_pending_runs
from orders.services.lifecycle.expiry import expire_unpaid, reason
from orders.services.order_queries import is_outage
from orders.services.reporting.figures_refresh import refresh
from orders.services.reporting.readiness import Heartbeat, database_figures
from orders.services.stock.worker import Pass, settle_due

logger = logging.getLogger(__name__)

SLICE = 1.0
"""Seconds for bulk runs between two passes: what is owed to inventory does not wait for them."""
COUNTING = 0.5
"""Seconds that counting figures may take between two looks for due orders."""


HELP = """Finish what orders owe inventory: reservations and releases whose request died or found inventory down.

Runs once, or with --loop until it is told to stop (SIGTERM, Ctrl-C). Any number may run at the same time. With --loop
it also executes the bulk runs that are left to it, counts the dashboard's figures and, every EXPIRE_UNPAID_EVERY
seconds, cancels what nobody pays.

Examples:
  manage.py settle_stock --limit 1000
  manage.py settle_stock --loop
"""


class Command(OrderCommand):
    help = HELP

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--loop", action="store_true", help="keep looking, every WORKER_INTERVAL seconds")
        parser.add_argument("--limit", type=positive, default=100, help="orders to take in one pass (default 100)")

    def handle(self, *args: Any, loop: bool, limit: int, **options: Any) -> None:
        actor, stop = system("settle_stock", via="worker"), stop_when_told()
        name = f"settle_stock-{socket.gethostname()}-{os.getpid()}"
        processes.be_called(name)
        if not loop:
            done = settle_due(actor=actor, limit=limit, stopping=stop.is_set)
            self.stdout.write(f"{done.orders} orders settled, {done.failed} failed")
            return
        self._expose()
        heart = Heartbeat(name)
        expiry_due = figures_due = time.monotonic()

        def stopping() -> bool:
            heart.beat()  # a pass may take long
            return stop.is_set()

        while not stopping():
            done = self._settle(actor, limit, stopping)
            more = not stop.is_set() and self._execute_runs(stopping)
            if settings.EXPIRE_UNPAID_EVERY > 0 and time.monotonic() >= expiry_due and not stop.is_set():
                unpaid = self._expire(limit, stopping)
                expiry_due = time.monotonic() + (0 if unpaid else settings.EXPIRE_UNPAID_EVERY)
                more = more or unpaid
            if time.monotonic() >= figures_due and not stop.is_set():
                uncounted = self._count(stopping)
                figures_due = time.monotonic() + (0 if uncounted else settings.FIGURES_EVERY)
                more = more or uncounted
            if done.orders + done.failed < limit and not more:
                stop.wait(settings.WORKER_INTERVAL)

    def _expose(self) -> None:
        """Serve this worker's figures at WORKER_METRICS_PORT. Without them it works just as well."""
        if not settings.WORKER_METRICS_PORT:
            return
        try:
            server = Server(settings.METRICS_HOST, settings.WORKER_METRICS_PORT)
        except OSError as error:
            logger.warning("no metrics at port %s: %s", settings.WORKER_METRICS_PORT, error)
        else:
            server.start(settings.METRICS_TOKEN, database_figures)
            logger.info("Metrics at: http://%s:%s/metrics", settings.METRICS_HOST, settings.WORKER_METRICS_PORT)

    def _settle(self, actor: Actor, limit: int, stopping: Callable[[], bool]) -> Pass:
        try:
            done = settle_due(actor=actor, limit=limit, stopping=stopping)
        except DatabaseError as error:
            self._complain(f"{unanswered(error)}, trying again")
            return Pass()
        if done.orders or done.failed:
            self._say(f"{done.orders} orders settled, {done.failed} failed")
        WORKER_PASSES.inc()
        WORKER_PASS_TIME.set_to_current_time()
        return done

    def _say(self, line: str) -> None:
        """To whoever watches; where machines read what we log, as a line of the log."""
        if settings.LOG_FORMAT == "json":
            logger.info("%s", line)
        else:
            self.stdout.write(line)

    def _complain(self, line: str) -> None:
        if settings.LOG_FORMAT == "json":
            logger.warning("%s", line)
        else:
            self.stderr.write(line)

    def _failed(self, what: str, error: Exception) -> None:
        """Say it; with a traceback, unless it is only that the database does not answer."""
        if not is_outage(error):
            logger.exception("%s", what)
        self._complain(f"{what}: {error.__cause__ or error}")

    def _execute_runs(self, stopping: Callable[[], bool]) -> bool:
        """Execute bulk runs for a moment. :returns: whether there may be more to do at once."""
        try:
            return execute_pending_runs(seconds=SLICE, stopping=stopping)
        except Exception as error:
            self._failed("bulk runs could not be executed, trying again", error)
            return False

    def _expire(self, limit: int, stopping: Callable[[], bool]) -> bool:
        """Cancel up to `limit` unpaid orders. :returns: whether there may be more, and it is no use to wait."""
        act = Act(system("settle_stock", via="worker"), timezone.now(), reason())
        try:
            done = expire_unpaid(act=act, limit=limit, stopping=stopping)
        except Exception as error:
            self._failed("unpaid orders could not be expired, trying again later", error)
            return False
        if done.total:
            self._say(f"unpaid orders: {done.summary}")
        return done.total == limit and done.cancelled > 0

    def _count(self, stopping: Callable[[], bool]) -> bool:
        """Count the dashboard's figures for a moment. :returns: whether there is more to count."""
        try:
            return refresh(seconds=COUNTING, stopping=stopping).more
        except Exception as error:
            self._failed("the figures could not be counted, trying again later", error)
            return False
