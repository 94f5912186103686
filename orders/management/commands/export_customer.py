"""`manage.py export_customer`: everything that is stored about one customer."""

import os
import sys
from argparse import ArgumentParser
from pathlib import Path
from typing import Any

from django.utils import timezone

from orders.management.arguments import actor_name, customer
from orders.management.commands.export_orders import opened
from orders.management.order_command import OrderCommand
from orders.management.progress import Progress
from orders.services.access import system
from orders.services.lifecycle.erasing_many import Customer
from orders.services.transfer.customer_export import export_customer

HELP = """Write everything that is stored about a customer to a file or to stdout, as JSON: their orders with contact,
addresses (former ones too), items, notes, metadata and history. Nothing is changed.

By a user id: all orders of this user. By an e-mail address: all orders that have it as their contact, whatever its
case, and those of the user whose id it is. Moments are UTC. More in docs/privacy.md.

Examples:
  manage.py export_customer 8 --out customer-8.json
  manage.py export_customer amara@example.com | gzip > amara.json.gz
"""


class Command(OrderCommand):
    help = HELP
    afterwards = "no file was written"

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("customer", type=customer, metavar="USER_ID|EMAIL", help="whose orders")
        parser.add_argument("--out", type=Path, help="the file, written once it is complete (default: stdout)")

    def handle(self, *args: Any, customer: Customer, out: Path | None, **options: Any) -> None:
        actor = system(actor_name(), via="command")
        try:
            with Progress(self.stderr, "orders exported") as progress, opened(out, self.stdout) as file:
                for piece in export_customer(customer, actor=actor, at=timezone.now(), progress=progress):
                    file.write(piece)
        except BrokenPipeError:
            # The reader closed the pipe; the rest of the buffer must not be written again at exit.
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
            return
        self.stderr.write(f"{progress.count} orders exported")
