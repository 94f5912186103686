"""`manage.py expire_unpaid_orders`: cancel what nobody pays."""

from argparse import ArgumentParser
from typing import Any

from django.core.management.base import CommandError
from django.utils import timezone

from orders.management.arguments import positive
from orders.management.order_command import OrderCommand, stop_when_told
from orders.management.progress import Progress
from orders.services.access import system
from orders.services.audit import REASON_CODES, Act
from orders.services.lifecycle.expiry import expire_unpaid, reason

HELP = """Cancel pending orders older than UNPAID_ORDER_TTL seconds, and release their stock.

A payment that arrives at the same moment wins or loses cleanly.

Example:
  manage.py expire_unpaid_orders --limit 10000 --reason-code payment
"""


class Command(OrderCommand):
    help = HELP

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--limit", type=positive, default=100_000, help="at most this many orders (default 100000)")

        parser.add_argument("--reason-code", choices=REASON_CODES, default="", help="the reason as it can be counted")

    def handle(self, *args: Any, limit: int, reason_code: str, **options: Any) -> None:
        stop = stop_when_told()
        act = Act(system("expire_unpaid_orders", via="command"), timezone.now(), reason(), reason_code)
        with Progress(self.stderr, "orders dealt with") as progress:
            done = expire_unpaid(act=act, limit=limit, stopping=stop.is_set, progress=lambda _: progress(1))
        self.stdout.write(done.summary)
        if done.failed:
            raise CommandError("some orders could not be cancelled; they stay for the next run", returncode=1)
