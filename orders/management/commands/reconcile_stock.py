"""`manage.py reconcile_stock`: do our orders and inventory agree?"""

import json
import sys
from argparse import ArgumentParser
from collections.abc import Sequence
from dataclasses import asdict
from typing import Any

from django.core.management.base import CommandError, OutputWrapper
from django.utils import timezone

from orders.management.arguments import actor_name, confirmed
from orders.management.order_command import USAGE, OrderCommand
from orders.services.access import system
from orders.services.audit import Act
from orders.services.stock import reconciliation
from orders.services.stock.reconciliation import Repair, Report

REASON = "The figures of inventory leave no other possibility (reconcile_stock --fix)."


HELP = """Compare, product by product, the units that our orders hold with those that inventory holds: for every product
that an order holds now, or has released within the last 30 days.

Where a call to inventory is under way, or the figures change meanwhile, the answer is "not yet", and the product counts
as no difference: run the command again a minute later.

--fix settles unknown lines whose outcome the figures leave no doubt about, in our own records only.

Exit code 0: no differences; 1: there are some, or --fix was not confirmed; 2: inventory or the database does not
answer, or bad usage.

Examples:
  manage.py reconcile_stock --json
  manage.py reconcile_stock --fix --yes
"""


class Command(OrderCommand):
    help = HELP
    outage_code = 2

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("products", nargs="*", help="ids of products to compare as well")
        parser.add_argument("--json", action="store_true", help="print the report as JSON, and all else on stderr")
        parser.add_argument("--fix", action="store_true", help="show what can be settled, ask, and settle it")
        parser.add_argument("--yes", action="store_true", help="with --fix: do not ask")

    def handle(self, *args: Any, products: list[str], **options: Any) -> None:
        if options["json"] and options["fix"] and not options["yes"]:
            raise CommandError("--json --fix cannot ask: add --yes", returncode=USAGE)
        report = self._compare(products, **options)
        if options["json"]:
            differences = [asdict(found) | {"surplus": found.surplus} for found in report.differences]
            self.stdout.write(json.dumps(asdict(report) | {"differences": differences}))
        if report.differences:
            sys.exit(1)

    def _compare(self, products: Sequence[str], **options: Any) -> Report:
        told = self.stderr if options["json"] else self.stdout
        report = reconciliation.reconcile(products)
        _table(report, told)
        if options["fix"] and self._fix(reconciliation.plan_repairs(report), told, ask=not options["yes"]):
            report = reconciliation.reconcile(products)
            _table(report, told)
        return report

    def _fix(self, repairs: tuple[Repair, ...], told: OutputWrapper, *, ask: bool) -> int:
        for planned in repairs:
            happened = "happened" if planned.happened else "did not happen"
            told.write(
                f"order {planned.number}, line {planned.line + 1}: the {planned.call} of {planned.quantity} × "
                f"{planned.product_id} {happened}"
            )
        if not repairs:
            told.write("nothing can be settled from the figures alone")
            return 0
        if ask and not confirmed(f"Settle these {len(repairs)} lines?"):
            raise CommandError("nothing was changed", returncode=1)
        act = Act(system(actor_name(), via="command"), timezone.now(), REASON)
        settled = reconciliation.repair(repairs, act=act)
        told.write(f"{settled} settled")
        return settled


def _table(report: Report, told: OutputWrapper) -> None:
    if report.differences or report.moving:
        told.write(f"{'product':<24}  {'ours':>8}  {'inventory':>9}  {'surplus':>8}  {'unknown':>8}")
    for found in report.differences:
        actual = "none" if found.actual is None else found.actual
        told.write(f"{found.product_id:<24}  {found.expected:>8}  {actual:>9}  {found.surplus:>+8}  {found.unknown:>8}")
    for product_id in report.moving:
        told.write(f"{product_id:<24}  not yet: its stock is moving")
    waiting = f", {len(report.waiting)} agree but have unknown lines" if report.waiting else ""
    moving = f", {len(report.moving)} not yet" if report.moving else ""
    strange = f", not known to inventory: {', '.join(report.not_known)}" if report.not_known else ""
    told.write(f"{report.checked} products checked, {len(report.differences)} differ{waiting}{moving}{strange}")
