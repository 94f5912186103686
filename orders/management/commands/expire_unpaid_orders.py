"""`manage.py expire_unpaid_orders`: cancel orders that nobody has paid."""

from argparse import ArgumentParser
from typing import Any

from django.core.management.base import CommandError
from django.utils import timezone

from orders.management.arguments import confirmed, positive
from orders.management.order_command import OrderCommand, stop_when_told
from orders.management.progress import Progress
from orders.services.access import system
from orders.services.audit import REASON_CODES, Act
from orders.services.lifecycle.expiry import REASON_CODE, count_unpaid, expire_unpaid, reason

HELP = """Cancel the orders that have been pending for more than UNPAID_ORDER_TTL seconds, and release their stock.

Workers do the same every EXPIRE_UNPAID_EVERY seconds. Orders on hold are left alone. An order that is paid at the same
moment is either paid or cancelled, never both.

Exit code 0: done, even if there were none; 1: some could not be cancelled, or it was not confirmed; 2: bad usage.

Examples:
  manage.py expire_unpaid_orders --dry-run
  manage.py expire_unpaid_orders --limit 10000 --yes
"""


class Command(OrderCommand):
    help = HELP

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--limit", type=positive, default=100_000, help="at most this many orders (default 100000)")
        parser.add_argument(
            "--reason-code", choices=REASON_CODES, default=REASON_CODE, help="recorded with each (default: payment)"
        )
        parser.add_argument("--dry-run", action="store_true", help="only say how many there are")
        parser.add_argument("--yes", action="store_true", help="do not ask")

    def handle(self, *args: Any, limit: int, reason_code: str, dry_run: bool, yes: bool, **options: Any) -> None:
        if dry_run or not yes:
            count = count_unpaid(at=timezone.now(), limit=limit)
            orders = "1 order" if count == 1 else f"{count} orders"
            if dry_run or not count:
                self.stdout.write(f"{orders} to cancel")
                return
            if not confirmed(f"Cancel {orders}, and release the stock?"):
                raise CommandError("nothing was cancelled", returncode=1)
        stop = stop_when_told()
        act = Act(system("expire_unpaid_orders", via="command"), timezone.now(), reason(), reason_code)
        with Progress(self.stderr, "orders dealt with") as progress:
            done = expire_unpaid(act=act, limit=limit, stopping=stop.is_set, progress=lambda _: progress(1))
        self.stdout.write(done.summary)
        if done.failed:
            raise CommandError("some orders could not be cancelled; they stay for the next run", returncode=1)
