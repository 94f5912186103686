"""`manage.py resolve_stock`: say what became of lines whose outcome nobody knows."""

from argparse import ArgumentParser
from typing import Any

from bson import ObjectId
from django.core.management.base import CommandError
from django.db import DatabaseError
from django.utils import timezone

from orders.management.arguments import actor_name, confirmed, order_key, positive, product_id
from orders.management.order_command import USAGE, OrderCommand, unanswered
from orders.models import Document, LineState, StockCall
from orders.services import order_queries
from orders.services.access import system
from orders.services.audit import Act
from orders.services.errors import OrderError
from orders.services.order_queries import ids_named
from orders.services.stock.resolution import require_evidence, resolve_line

HELP = """Record the outcome of reservations and releases that got no answer.

Without --happened or --not-happened it lists the lines and changes nothing.

Exit code 0: done; 1: some lines could not be settled, or it was not confirmed; 2: bad usage, or there is no such line.

Examples:
  manage.py resolve_stock
  manage.py resolve_stock --order 7KQF-2M9D-XW3H --line 2 --happened --reason "seen in the warehouse"
  manage.py resolve_stock --call release --product 665f1c0a9b1e8a0012a40001 --not-happened --reason "it was down" --yes
"""


class Command(OrderCommand):
    help = HELP

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--order", type=order_key, help="only this order, by its id or number")
        parser.add_argument("--line", type=positive, help="only this line of it, counted from 1")
        parser.add_argument("--product", type=product_id, help="only lines of this product")
        parser.add_argument("--call", choices=StockCall.values, help="only lines with this call unconfirmed")
        parser.add_argument("--limit", type=positive, default=1000, help="at most this many orders (default 1000)")
        answer = parser.add_mutually_exclusive_group()
        answer.add_argument("--happened", action="store_true", help="inventory carried the call out")
        answer.add_argument("--not-happened", action="store_true", help="inventory did not carry it out")
        parser.add_argument("--reason", default="", help="how you know; kept in the order's history")
        parser.add_argument("--yes", action="store_true", help="do not ask before changing more than one line")

    def handle(self, *args: Any, **options: Any) -> None:
        if options["line"] and not options["order"]:
            raise CommandError("--line needs --order", returncode=USAGE)
        act = Act(system(actor_name(), via="command"), timezone.now(), options["reason"])
        answered = options["happened"] or options["not_happened"]
        if answered:
            require_evidence(act)
        lines = self._lines(options)
        for order, index in lines:
            item = order["items"][index]
            self.stdout.write(
                f"{order['_id']}  {order['number']}  {order['status']:<10}  line {index + 1}: "
                f"{item['stock']['call']} of {item['quantity']} × {item['product_id']}  {item['stock']['error']}"
            )
        if not answered:
            self.stdout.write(f"{len(lines)} unknown")
            return
        if not lines:
            raise CommandError("nothing is unknown there: nothing was settled", returncode=USAGE)
        if len(lines) > 1 and not options["yes"] and not confirmed(f"Settle these {len(lines)} lines?"):
            raise CommandError("nothing was changed", returncode=1)
        self._settle(lines, act, options)

    def _lines(self, options: dict[str, Any]) -> list[tuple[Document, int]]:
        chosen = {"call": options["call"], "product_id": options["product"], "limit": options["limit"]}
        found: list[Document] = []
        for order_id in _ids(options["order"]):
            found += order_queries.unknown_lines(order_id=order_id, **chosen)
        return [
            (order, index)
            for order in found
            for index, item in enumerate(order["items"])
            if item["stock"]["state"] == LineState.UNKNOWN
            and options["line"] in (None, index + 1)
            and options["product"] in (None, item["product_id"])
            and options["call"] in (None, item["stock"]["call"])
        ]

    def _settle(self, lines: list[tuple[Document, int]], act: Act, options: dict[str, Any]) -> None:
        failed = 0
        for order, index in lines:
            try:
                resolve_line(
                    order_id=order["_id"],
                    line=index,
                    happened=options["happened"],
                    act=act,
                    expected_attempts=order["items"][index]["stock"]["attempts"],
                )
            except OrderError as error:
                failed += 1
                self.stderr.write(error.detail)
            except DatabaseError as error:
                failed += 1
                self.stderr.write(f"order {order['number']}, line {index + 1}: {unanswered(error)}")
        self.stdout.write(f"{len(lines) - failed} settled, {failed} not")
        if failed:
            raise CommandError("some lines could not be settled", returncode=1)


def _ids(order: ObjectId | str | None) -> list[ObjectId | None]:
    """The ids of the orders that were named; None for all.

    :raises CommandError: there is no such order.
    """
    if order is None:
        return [None]
    found = ids_named([order])[order] if isinstance(order, str) else [order]
    if not found:
        raise CommandError(f"There is no order {order}.", returncode=USAGE)
    return [*found]
