"""`manage.py settle_stock`: finish what orders owe inventory."""

import logging
import signal
import threading
import time
from argparse import ArgumentParser
from collections.abc import Callable
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand
from django.db import DatabaseError
from django.utils import timezone

from orders.management.selection import positive
from orders.services.access import system
from orders.services.acts import Act
from orders.services.bulk import carry_on_any
from orders.services.expiry import expire_unpaid, reason
from orders.services.settlement import Pass, settle_due

logger = logging.getLogger(__name__)

SLICE = 1.0
"""Seconds for bulk runs between two passes: what is owed to inventory does not wait for them."""


class Command(BaseCommand):
    help = (
        "Finish what orders owe inventory: reservations and releases whose request died or found inventory down. "
        "Runs once, or with --loop until it is told to stop (SIGTERM, Ctrl-C). Any number may run at the same time. "
        "With --loop it also carries on the bulk runs that are left to it and, with EXPIRE_UNPAID_EVERY set, cancels "
        "what nobody pays. Example: manage.py settle_stock --loop"
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--loop", action="store_true", help="keep looking, every WORKER_INTERVAL seconds")
        parser.add_argument("--limit", type=positive, default=100, help="orders to take in one pass (default 100)")

    def handle(self, *args: Any, loop: bool, limit: int, **options: Any) -> None:
        actor, stop = system("settle_stock", via="worker"), threading.Event()
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, lambda *_: stop.set())
        if not loop:
            done = settle_due(actor=actor, limit=limit, stopping=stop.is_set)
            self.stdout.write(f"{done.orders} orders settled, {done.failed} failed")
            return
        expiry_due = time.monotonic()
        while not stop.is_set():
            try:
                done = settle_due(actor=actor, limit=limit, stopping=stop.is_set)
            except DatabaseError as error:
                self.stderr.write(f"the database does not answer, trying again: {error.__cause__ or error}")
                done = Pass()
            if done.orders or done.failed:
                self.stdout.write(f"{done.orders} orders settled, {done.failed} failed")
            more = not stop.is_set() and self._carry_on_runs(stop.is_set)
            if settings.EXPIRE_UNPAID_EVERY > 0 and time.monotonic() >= expiry_due and not stop.is_set():
                unpaid = self._expire(limit, stop.is_set)
                expiry_due = time.monotonic() + (0 if unpaid else settings.EXPIRE_UNPAID_EVERY)
                more = more or unpaid
            if done.orders + done.failed < limit and not more:
                stop.wait(settings.WORKER_INTERVAL)

    def _carry_on_runs(self, stopping: Callable[[], bool]) -> bool:
        """Carry bulk runs on for a moment. :returns: whether there may be more to do at once."""
        try:
            return carry_on_any(seconds=SLICE, stopping=stopping)
        except Exception as error:
            logger.exception("bulk runs could not be carried on")
            self.stderr.write(f"bulk runs could not be carried on, trying again: {error.__cause__ or error}")
            return False

    def _expire(self, limit: int, stopping: Callable[[], bool]) -> bool:
        """Cancel up to `limit` unpaid orders. :returns: whether there may be more, and it is no use to wait."""
        act = Act(system("settle_stock", via="worker"), timezone.now(), reason())
        try:
            done = expire_unpaid(act=act, limit=limit, stopping=stopping)
        except Exception as error:
            logger.exception("unpaid orders could not be expired")
            self.stderr.write(f"unpaid orders could not be expired, trying again later: {error.__cause__ or error}")
            return False
        if done.total:
            self.stdout.write(f"unpaid orders: {done.summary}")
        return done.total == limit and done.cancelled > 0
