"""Write many orders of two years straight into the database, to measure with: `make bench-data`.

    MONGODB_DB=order_bench python -m tests.bench.data [--orders 1000000] [--days 730] [--among-others]

It tops up: where there are that many orders already, it writes none. It refuses a database with orders of another
origin, and one that MONGODB_URI names. Inventory is not told: in the sandbox nothing is in stock for their lines, so
do not reconcile or cancel them there. The staff logins of the demo data are made too.
"""

import argparse
import os
import sys
import time
from contextlib import ExitStack

import django

from devtools.command_line import provide_database

REPORT_EVERY = 5.0
"""Seconds between lines of progress."""


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--orders", type=int, default=1_000_000, help="how many (default 1000000)")
    parser.add_argument("--days", type=int, default=730, help="over how many days (default 730)")
    parser.add_argument("--among-others", action="store_true", help="also where there are orders of another origin")
    options = parser.parse_args()
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "orders_project.settings.development")
    with ExitStack() as stack:
        provide_database(stack)
        django.setup()
        fill(options.orders, options.days, among_others=options.among_others)
    return 0


def fill(count: int, days: int, *, among_others: bool = False) -> None:
    """Have that many orders in the database.

    :raises SystemExit: the database may be real, or has orders of others; nothing was written.
    """
    from django.core.management import call_command

    from devtools import demo_data
    from orders.storage.order_writes import orders
    from tests.bench import order_writer

    try:
        demo_data.refuse_real_systems()
    except demo_data.RealSystemError as error:
        sys.exit(str(error))
    call_command("migrate", interactive=False, verbosity=0)
    name = orders().database.name
    if not among_others and order_writer.has_strangers():
        sys.exit(
            f"the database {name} holds orders that were not made here; nothing was written. "
            "Name another with MONGODB_DB, or say --among-others."
        )
    demo_data.make_logins()
    there = orders().estimated_document_count()
    if count > there:
        _write(count - there, days)
    sys.stdout.write(f"{max(there, count)} orders in {name}\n")


def _write(missing: int, days: int) -> None:
    from django.utils import timezone

    from tests.bench import order_writer

    began = reported = time.monotonic()
    written = 0

    def progress(more: int) -> None:
        nonlocal reported, written
        written += more
        if time.monotonic() - reported >= REPORT_EVERY:
            reported = time.monotonic()
            sys.stdout.write(f"{written} of {missing} written, {written / (reported - began):.0f} a second\n")
            sys.stdout.flush()

    now = timezone.now().replace(tzinfo=None)
    now = now.replace(microsecond=now.microsecond // 1000 * 1000)
    order_writer.add_orders(missing, now=now, days=days, progress=progress)
    sys.stdout.write(f"{written} written in {time.monotonic() - began:.0f} seconds\n")


if __name__ == "__main__":
    sys.exit(main())
