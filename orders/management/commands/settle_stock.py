"""`manage.py settle_stock`: the former name of `run_worker`, which went once unless it was told to loop."""

from argparse import ArgumentParser
from typing import Any

from orders.management.arguments import positive
from orders.management.commands import run_worker

HELP = """The former name of run_worker. Settles what is due once; with --loop it does everything that run_worker does.

Examples:
  manage.py settle_stock --limit 1000
  manage.py settle_stock --loop
"""


class Command(run_worker.Command):
    help = HELP

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--loop", action="store_true", help="do what run_worker does, until told to stop")
        parser.add_argument("--limit", type=positive, default=100, help="orders in one pass (default 100)")

    def handle(self, *args: Any, **options: Any) -> None:
        super().handle(*args, once=not options.pop("loop"), **options)
