"""`manage.py expire_unpaid_orders`: cancel what nobody pays."""

import time
from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand, CommandError
from django.db import DatabaseError
from django.utils import timezone

from orders.management.selection import positive
from orders.management.stopping import stop_when_told
from orders.services.access import system
from orders.services.audit import Act
from orders.services.lifecycle.expiry import Expiry, expire_unpaid, reason

REPORT_EVERY = 5.0
"""Seconds between lines of progress."""


class Command(BaseCommand):
    help = (
        "Cancel pending orders older than UNPAID_ORDER_TTL seconds, and release their stock. A payment that arrives at "
        "the same moment wins or loses cleanly. Example: manage.py expire_unpaid_orders --limit 10000"
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--limit", type=positive, default=100_000, help="at most so many orders (default 100000)")

    def handle(self, *args: Any, limit: int, **options: Any) -> None:
        stop = stop_when_told()
        act = Act(system("expire_unpaid_orders", via="command"), timezone.now(), reason())
        last = time.monotonic()

        def progress(done: Expiry) -> None:
            nonlocal last
            if time.monotonic() - last >= REPORT_EVERY:
                last = time.monotonic()
                self.stdout.write(done.summary)

        try:
            done = expire_unpaid(act=act, limit=limit, stopping=stop.is_set, progress=progress)
        except DatabaseError as error:
            raise CommandError(f"the database does not answer: {error.__cause__ or error}") from error
        self.stdout.write(done.summary)
        if done.failed:
            raise CommandError("some orders could not be cancelled; they stay for the next run", returncode=1)
