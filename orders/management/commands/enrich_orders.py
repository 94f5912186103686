"""`manage.py enrich_orders`: fill in the names of orders that were placed before orders kept them."""

from argparse import ArgumentParser
from typing import Any

from django.core.management.base import CommandError

from orders.management.arguments import actor_name, confirmed, positive
from orders.management.order_command import OrderCommand
from orders.management.progress import Progress
from orders.services.access import system
from orders.services.lifecycle import enriching

HELP = """Fill in what orders do not say: the names and SKUs of their products, the customer's name and email address,
and the currency. Names come from the product service and the user service as they are today; the currency is CURRENCY.

What an order has is never overwritten, and neither its version nor its history changes. Each product and each customer
is asked for once, five at a time. A run that was stopped, or that found a service down, is continued by running the
command again: it looks for orders that lack something, the newest first.

Exit code 0: done; 1: not confirmed, stopped, or the database or another service does not answer; 2: bad usage.

Examples:
  manage.py enrich_orders --dry-run
  manage.py enrich_orders --oldest-first --limit 10000 --yes
"""


class Command(OrderCommand):
    help = HELP
    afterwards = "what was filled in stays; run the command again for the rest"

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--oldest-first", action="store_true", help="start with the oldest orders")
        parser.add_argument("--limit", type=positive, help="fill in at most this many orders")
        parser.add_argument("--dry-run", action="store_true", help="only say how many orders lack something")
        parser.add_argument("--yes", action="store_true", help="do not ask")

    def handle(self, *args: Any, **options: Any) -> None:
        actor = system(actor_name(), via="command")
        count = enriching.count_unnamed(actor=actor)
        told = f"{count} {'order lacks' if count == 1 else 'orders lack'} a name, an email address or the currency"
        if options["dry_run"] or not count:
            self.stdout.write(told)
            return
        if not options["yes"] and not confirmed(f"{told}. Ask the other services, and fill in what they say?"):
            raise CommandError("nothing was changed", returncode=1)
        with Progress(self.stderr, "orders looked at", None if options["limit"] else count) as progress:
            done = enriching.enrich(
                actor=actor, oldest_first=options["oldest_first"], limit=options["limit"], progress=progress
            )
        self.stdout.write(f"{done.filled} filled in; of {done.left} the other services do not know what is missing")
