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


HELP = """Compare, product by product, the units that our orders hold with those that inventory holds: of every product
that an order holds now, or let go of within the last 30 days.

--fix settles, in our own records only, unknown lines of which the figures leave one possibility.

Exit code 0: they agree; 1: they do not; 2: it could not be found out.

Examples:
  manage.py reconcile_stock --json
  manage.py reconcile_stock --fix --yes
"""


class Command(OrderCommand):
    help = HELP
    outage_code = 2

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("products", nargs="*", help="also check these products")
        parser.add_argument("--json", action="store_true", help="print the report as JSON; all else goes to stderr")
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
    if report.differences:
        told.write(f"{'product':<24}  {'ours':>8}  {'inventory':>9}  {'surplus':>8}  {'unknown':>8}")
    for found in report.differences:
        actual = "none" if found.actual is None else found.actual
        told.write(f"{found.product_id:<24}  {found.expected:>8}  {actual:>9}  {found.surplus:>+8}  {found.unknown:>8}")
    waiting = f", {len(report.waiting)} agree but have unknown lines" if report.waiting else ""
    moving = f", {len(report.moving)} left out since their stock is moving" if report.moving else ""
    strange = f", not known to inventory: {', '.join(report.not_known)}" if report.not_known else ""
    told.write(f"{report.checked} products checked, {len(report.differences)} differ{waiting}{moving}{strange}")
