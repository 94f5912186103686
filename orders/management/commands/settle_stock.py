"""`manage.py settle_stock`: finish what orders owe inventory."""

import signal
import threading
from argparse import ArgumentParser
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand
from django.db import DatabaseError

from orders.services.access import system
from orders.services.settlement import Pass, settle_due


def positive(text: str) -> int:
    """A whole number of 1 or more. :raises ValueError: which argparse turns into a usage error."""
    if (number := int(text)) < 1:
        raise ValueError(text)
    return number


class Command(BaseCommand):
    help = (
        "Finish what orders owe inventory: reservations and releases whose request died or found inventory down. "
        "Runs once, or with --loop until it is told to stop (SIGTERM, Ctrl-C). Any number may run at the same time. "
        "Example: manage.py settle_stock --loop"
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
        while not stop.is_set():
            try:
                done = settle_due(actor=actor, limit=limit, stopping=stop.is_set)
            except DatabaseError as error:
                self.stderr.write(f"the database does not answer, trying again: {error.__cause__ or error}")
                done = Pass()
            if done.orders or done.failed:
                self.stdout.write(f"{done.orders} orders settled, {done.failed} failed")
            if done.orders + done.failed < limit:
                stop.wait(settings.WORKER_INTERVAL)
