"""`manage.py settle_stock`: finish what orders owe inventory."""

import logging
import os
import socket
from argparse import ArgumentParser
from typing import Any

from django.conf import settings

from observability import processes
from observability.exposition import Server
from orders.management.arguments import positive
from orders.management.order_command import OrderCommand, stop_when_told
from orders.management.worker_loop import WorkerLoop
from orders.services.access import system
from orders.services.reporting.readiness import database_figures
from orders.services.stock.worker import settle_due

logger = logging.getLogger(__name__)

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
        WorkerLoop(actor, name, limit, stop, self.stdout, self.stderr).run()

    def _expose(self) -> None:
        """Serve this worker's metrics at WORKER_METRICS_PORT; the worker runs even if the port is taken."""
        if not settings.WORKER_METRICS_PORT:
            return
        try:
            server = Server(settings.METRICS_HOST, settings.WORKER_METRICS_PORT)
        except OSError as error:
            logger.warning("no metrics at port %s: %s", settings.WORKER_METRICS_PORT, error)
        else:
            server.start(settings.METRICS_TOKEN, database_figures)
            logger.info("Metrics at: http://%s:%s/metrics", settings.METRICS_HOST, settings.WORKER_METRICS_PORT)
