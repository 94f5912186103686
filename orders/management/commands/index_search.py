"""`manage.py index_search`: let the search find orders that it does not know yet."""

from argparse import ArgumentParser
from typing import Any

from django.core.management.base import CommandError

from orders.management.order_command import OrderCommand, stop_when_told
from orders.management.progress import Progress
from orders.services.search_index import index_orders

HELP = """Let the search find older orders by names, towns and products.

Run it once, after the update that introduced this search; orders placed since then are found anyway. It can run while
the service does, and be stopped and started again. Nothing else about an order changes.

Example:
  manage.py index_search
"""


class Command(OrderCommand):
    help = HELP
    afterwards = "what is done stays; run it again for the rest"

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--again", action="store_true", help="index all orders, including those that are indexed")

    def handle(self, *args: Any, again: bool, **options: Any) -> None:
        stop = stop_when_told()
        with Progress(self.stderr, "orders looked at") as progress:
            written = index_orders(again=again, stopping=stop.is_set, progress=progress)
        self.stdout.write(f"{written} orders indexed")
        if stop.is_set():
            raise CommandError(f"stopped; {self.afterwards}", returncode=1)
