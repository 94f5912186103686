"""`manage.py check_peers`: what do the users, products and inventory services answer, and what settings follow?"""

import json
import logging
import signal
import sys
import threading
from argparse import ArgumentParser
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from django.core.management.base import CommandError, OutputWrapper

import integrations
from integrations import PeerError
from orders.management.arguments import confirmed, product_id, user_id
from orders.management.order_command import USAGE, OrderCommand, stop_when_told
from orders.management.peer_report import COLUMNS, as_json, lines_of, show_plan, table
from orders.services.examination import reads, stock_trials
from orders.services.examination.findings import exit_code
from orders.services.examination.stock_trials import CannotTry, Tried
from orders.services.examination.suggestions import suggestions

HELP = """Ask the users, products and inventory services what an order asks them, and compare with docs/peers.md.

Nothing is changed, unless --write is given: then units of that product are reserved and released to find out what
inventory does with idempotency keys and with calls side by side. What was taken is given back, also after Ctrl-C or if
the terminal is closed.

Exit code 0: all is as expected; 1: something is wrong; 2: something could not be found out.

Examples:
  manage.py check_peers
  manage.py check_peers --user 1 --product 665f1c0a9b1e8a0012a40001 --json
  manage.py check_peers --product 665f1c0a9b1e8a0012a40001 --write --yes
"""


class Command(OrderCommand):
    help = HELP
    outage_code = 2

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--user", type=user_id, metavar="ID", help="a user who exists and may order")
        parser.add_argument("--product", type=product_id, metavar="ID", help="a product that exists")
        parser.add_argument("--write", action="store_true", help="also reserve and release units of that product")
        parser.add_argument("--yes", action="store_true", help="with --write: do not ask")
        parser.add_argument("--json", action="store_true", help="print the report as JSON; all else goes to stderr")

    def handle(self, *args: Any, user: str | None, product: str | None, **options: Any) -> None:
        if options["write"] and not product:
            raise CommandError("--write needs a product to try it on: --product ID", returncode=USAGE)
        if options["json"] and options["write"] and not options["yes"]:
            raise CommandError("--json --write cannot ask: add --yes", returncode=USAGE)
        told = self.stderr if options["json"] else self.stdout
        told.write(COLUMNS)
        with _without_logs():
            findings = []
            for finding in reads.examine(reads.reaches(), user_id=user, product_id=product):
                findings.append(finding)
                told.write(lines_of(finding))
            tried = self._try(product, told, ask=not options["yes"]) if product and options["write"] else None
            findings.extend(tried.findings if tried else ())
        follows = suggestions(findings, slowest_write=tried.slowest if tried else None)
        table(follows, told)
        if options["json"]:
            self.stdout.write(json.dumps(as_json(findings, follows, tried)))
        if code := exit_code(findings):
            sys.exit(code)

    def _try(self, product: str, told: OutputWrapper, *, ask: bool) -> Tried:
        try:
            planned = stock_trials.plan(product)
            show_plan(planned, told)
            if ask and not confirmed("Reserve and release these units?"):
                raise CommandError("nothing was written", returncode=USAGE)
            with _until_told() as stop:
                return stock_trials.try_stock(
                    planned, stopped=stop.is_set, tell=told.write, show=lambda finding: told.write(lines_of(finding))
                )
        except (CannotTry, PeerError) as error:
            untried = stock_trials.untried(error.detail)
            told.write(lines_of(untried.findings[0]))
            return untried


@contextmanager
def _without_logs() -> Iterator[None]:
    """What fails stands in the table."""
    calls = logging.getLogger(integrations.__name__)
    level = calls.level
    calls.setLevel(logging.CRITICAL)
    try:
        yield
    finally:
        calls.setLevel(level)


@contextmanager
def _until_told() -> Iterator[threading.Event]:
    """Ctrl-C, SIGTERM and a terminal that is closed set the event meanwhile: what was taken is given back first."""
    before = {number: signal.getsignal(number) for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP)}
    stop = stop_when_told()
    signal.signal(signal.SIGHUP, lambda *_: stop.set())
    try:
        yield stop
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
