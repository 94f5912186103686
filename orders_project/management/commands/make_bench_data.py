"""`manage.py make_bench_data`: many orders, to measure with."""

import time
from argparse import ArgumentParser
from typing import Any

from django.core.management import call_command
from django.core.management.base import BaseCommand, CommandError
from django.utils import timezone

from orders.management.selection import positive
from orders.storage.order_writes import orders
from orders_project import bench_data, demo

REPORT_EVERY = 5.0
"""Seconds between lines of progress."""


class Command(BaseCommand):
    help = (
        "Write many orders of two years, straight into the database, to measure the service with. It tops up: where "
        "there are as many already, it writes none. Inventory is not told: in the sandbox nothing is in stock for "
        "their lines, so do not reconcile or cancel them there. Refuses a database with other orders. The staff "
        "logins of the demo data are made too. For development only, in the embedded database: `make bench-data` uses "
        "one of its own."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--orders", type=positive, default=1_000_000, help="how many (default 1000000)")
        parser.add_argument("--days", type=positive, default=bench_data.DAYS, help="over how many days (default 730)")
        parser.add_argument("--among-others", action="store_true", help="also where there are orders of another origin")

    def handle(self, *args: Any, **options: Any) -> None:
        try:
            demo.refuse_real_systems()
        except demo.RealSystemError as error:
            raise CommandError(str(error)) from error
        call_command("migrate", interactive=False, verbosity=0, stdout=self.stdout)
        name = orders().database.name
        if not options["among_others"] and bench_data.has_strangers():
            raise CommandError(
                f"the database {name} holds orders that were not made here; nothing was written. "
                "Name another with MONGODB_DB, or say --among-others."
            )
        demo.make_logins()
        there = orders().estimated_document_count()
        self._add(options["orders"] - there, options["days"])
        self.stdout.write(f"{max(there, options['orders'])} orders in {name}")

    def _add(self, missing: int, days: int) -> None:
        began = reported = time.monotonic()
        written = 0

        def progress(more: int) -> None:
            nonlocal reported, written
            written += more
            if time.monotonic() - reported >= REPORT_EVERY:
                reported = time.monotonic()
                self.stdout.write(f"{written} of {missing} written, {written / (reported - began):.0f} a second")

        if missing > 0:
            now = timezone.now().replace(tzinfo=None)
            now = now.replace(microsecond=now.microsecond // 1000 * 1000)
            bench_data.add_orders(missing, now=now, days=days, progress=progress)
            self.stdout.write(f"{written} written in {time.monotonic() - began:.0f} seconds")
