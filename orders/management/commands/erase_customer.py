"""`manage.py erase_customer`: erase personal data from orders."""

from argparse import ArgumentParser
from typing import Any

from django.core.management.base import CommandError
from django.utils import timezone

from orders.management.arguments import actor_name, confirmed, customer, order_keys_from
from orders.management.order_command import OrderCommand, stop_when_told
from orders.management.progress import Progress
from orders.services.access import system
from orders.services.audit import Act
from orders.services.lifecycle import erasing_many
from orders.services.lifecycle.erasing_many import Customer, Erasure

SHOWN = 10
"""Orders that have to wait which are named."""
HELP = """Erase personal data from the finished orders of a customer: names, e-mail addresses, telephone numbers,
addresses (former ones in the history too), notes, metadata, and the reasons that people wrote. Amounts, items, stock,
the country and the history stay. It cannot be undone.

By a user id: all orders of this user. By an e-mail address: all orders that have it as their contact, whatever its
case, and those of the user whose id it is. An order that is still to be shipped, or whose stock is still to be
settled, has to wait: run the command again later. It can be stopped at any time, and continues when it is run again.

After a backup was restored, erase again what was erased: --list-erased writes the ids of the orders to keep outside
the database, --orders-from reads them. More in docs/privacy.md.

Exit code 0: nothing is left; 1: some orders have to wait, it was stopped or not confirmed; 2: bad usage.

Examples:
  manage.py erase_customer 8
  manage.py erase_customer amara@example.com --reason "Request 4711" --yes
  manage.py erase_customer --list-erased > erased-orders.txt
  manage.py erase_customer --orders-from erased-orders.txt --yes
"""


class Command(OrderCommand):
    help = HELP
    afterwards = "run the command again to go on"

    def add_arguments(self, parser: ArgumentParser) -> None:
        which = parser.add_mutually_exclusive_group(required=True)
        which.add_argument("customer", nargs="?", type=customer, metavar="USER_ID|EMAIL", help="whose orders")
        which.add_argument("--orders-from", metavar="FILE", help="ids or numbers of orders, one per line; - for stdin")
        which.add_argument("--list-erased", action="store_true", help="list the ids of the orders that were erased")
        parser.add_argument("--reason", default="", help="kept in each order's history; no personal data, please")
        parser.add_argument("--dry-run", action="store_true", help="only say what would be erased")
        parser.add_argument("--yes", action="store_true", help="do not ask")

    def handle(self, *args: Any, **options: Any) -> None:
        act = Act(system(actor_name(), via="command"), timezone.now(), options["reason"])
        if options["list_erased"]:
            self._list(act)
        elif options["orders_from"]:
            self._again(options["orders_from"], act, asks=not options["yes"], dry_run=options["dry_run"])
        else:
            self._erase(options["customer"], act, asks=not options["yes"], dry_run=options["dry_run"])

    def _list(self, act: Act) -> None:
        self.stdout.write("# orders whose personal data was erased")
        for order_id in erasing_many.erased_orders(act=act):
            self.stdout.write(str(order_id))

    def _erase(self, whose: Customer, act: Act, *, asks: bool, dry_run: bool) -> None:
        if asks or dry_run:
            plan = erasing_many.plan_erasure(customer=whose, act=act)
            self.stdout.write(f"{plan.erased} orders to erase, {plan.already} erased before")
            if dry_run or not plan.erased:
                self._tell_waiting(plan)
                return
            if not confirmed(f"Erase the personal data of {plan.erased} orders for good?"):
                raise CommandError("nothing was erased", returncode=1)
        stop = stop_when_told()
        with Progress(self.stderr, "orders looked at") as progress:
            done = erasing_many.erase_customer(customer=whose, act=act, stopping=stop.is_set, progress=progress)
        self._tell(done, stopped=stop.is_set())

    def _again(self, file: str, act: Act, *, asks: bool, dry_run: bool) -> None:
        keys = order_keys_from(file)
        if dry_run:
            self.stdout.write(f"{len(keys)} orders to look at")
            return
        if asks and (file == "-" or not confirmed(f"Erase the personal data of {len(keys)} orders for good?")):
            raise CommandError("nothing was erased", returncode=1)
        stop = stop_when_told()
        with Progress(self.stderr, "orders looked at", len(keys)) as progress:
            done = erasing_many.erase_named(keys=keys, act=act, stopping=stop.is_set, progress=progress)
        self._tell(done, stopped=stop.is_set())

    def _tell(self, done: Erasure, *, stopped: bool) -> None:
        missing = f", {done.missing} not found" if done.missing else ""
        self.stdout.write(f"{done.erased} orders erased, {done.already} erased before{missing}")
        if stopped:
            raise CommandError("stopped; run the command again to go on", returncode=1)
        self._tell_waiting(done)

    def _tell_waiting(self, done: Erasure) -> None:
        for reason in done.waiting[:SHOWN]:
            self.stderr.write(reason)
        if done.waiting:
            raise CommandError(f"{len(done.waiting)} orders have to wait; erase again later", returncode=1)
