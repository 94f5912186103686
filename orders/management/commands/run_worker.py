"""`manage.py run_worker`: all that happens after a request: stock, events, bulk runs, unpaid orders, figures."""

import logging
import os
import socket
from argparse import ArgumentParser, ArgumentTypeError
from collections.abc import Collection
from typing import Any

from django.conf import settings

from observability import processes
from observability.exposition import Server
from orders.management.arguments import positive
from orders.management.order_command import OrderCommand, stop_when_told
from orders.management.worker_loop import PARTS, WorkerLoop
from orders.management.worker_report import WorkerReport
from orders.services.access import system
from orders.services.reporting.readiness import database_figures
from orders.services.stock.worker import settle_due

logger = logging.getLogger(__name__)

HELP = """Do the background work: settle stock with inventory, tell events, deliver webhooks, execute bulk runs, cancel
unpaid orders, count the dashboard's figures, erase old personal data.

Runs until it is told to stop (SIGTERM, Ctrl-C). Any number may run at the same time, on any number of machines.

Examples:
  manage.py run_worker
  manage.py run_worker --only stock,events
  manage.py run_worker --once --limit 1000
"""


class Command(OrderCommand):
    help = HELP

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--once", action="store_true", help="settle the stock that is due now, then exit")
        parser.add_argument(
            "--only",
            type=parts,
            default=PARTS,
            metavar="PARTS",
            help=f"some of {', '.join(PARTS)}, separated by commas",
        )
        parser.add_argument("--limit", type=positive, default=100, help="orders in one pass (default 100)")

    def handle(self, *args: Any, once: bool, limit: int, only: Collection[str] = PARTS, **options: Any) -> None:
        # The name under which histories know workers.
        actor, stop = system("settle_stock", via="worker"), stop_when_told()
        name = f"worker-{socket.gethostname()}-{os.getpid()}"
        processes.be_called(name)
        if once:
            done = settle_due(actor=actor, limit=limit, stopping=stop.is_set)
            self.stdout.write(f"{done.orders} orders settled, {done.failed} failed")
            return
        self._expose()
        WorkerLoop(actor, name, only, limit, stop, WorkerReport(self.stdout, self.stderr)).run()

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


def parts(text: str) -> tuple[str, ...]:
    """Parts of a worker's work, as an argument names them."""
    named = tuple(part.strip() for part in text.split(","))
    if unknown := [part for part in named if part not in PARTS]:
        raise ArgumentTypeError(f"there is no part {unknown[0]!r}; there are: {', '.join(PARTS)}")
    return named
