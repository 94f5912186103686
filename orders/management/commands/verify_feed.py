"""`manage.py verify_feed`: compare the feed of events with itself and with the histories of orders."""

from argparse import ArgumentParser
from typing import Any

from django.core.management.base import CommandError

from orders.management.order_command import OrderCommand
from orders.services.events.verifying import Verified, verify

HELP = """Compare every stored event with the one before it and with the history of its order, and say what was altered.

The digest that it prints is that of the last event: compare it with one that a follower of the feed has kept for the
same cursor.

Exit code 0: nothing was altered; 1: something was, or the database does not answer; 2: bad usage.

Examples:
  manage.py verify_feed
  manage.py verify_feed --most 1000
"""


class Command(OrderCommand):
    help = HELP

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--most", type=int, default=100, help="stop after this many findings (default 100)")

    def handle(self, *args: Any, most: int, **options: Any) -> None:
        progress, found = Verified(), 0
        for finding in verify(progress):
            found += 1
            where = f"event {finding.cursor}: " if finding.cursor else ""
            self.stdout.write(f"{where}{finding.problem}")
            if found >= most:
                break
        self.stdout.write(
            f"{progress.events} events verified, up to {progress.cursor}, digest {progress.digest or '-'}"
        )
        if found:
            raise CommandError(f"{found} things are not as they were told", returncode=1)
