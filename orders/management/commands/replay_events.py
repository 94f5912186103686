"""`manage.py replay_events`: publish events to the message broker again."""

from argparse import ArgumentParser, ArgumentTypeError
from datetime import datetime
from typing import Any

from django.utils import timezone

from orders.management.arguments import MOST_DIGITS, beginning
from orders.management.order_command import OrderCommand
from orders.services.events import publishing

HELP = """Publish events to the message broker again, or for the first time: those after a cursor, or those told since
a certain time. The workers do it, within seconds; consumers recognise events that they have had by the id.

For webhook endpoints, which have cursors of their own, use the backoffice or the API.

Exit code 0: the cursor is set; 1: the database does not answer; 2: bad usage, or these events have been deleted.

Examples:
  manage.py replay_events --after 0
  manage.py replay_events --since 2026-03-01T12:00
"""


class Command(OrderCommand):
    help = HELP

    def add_arguments(self, parser: ArgumentParser) -> None:
        which = parser.add_mutually_exclusive_group(required=True)
        which.add_argument("--after", type=cursor, metavar="CURSOR", help="the events after this cursor")
        which.add_argument("--since", type=beginning, metavar="TIME", help="the events told at this time or later")

    def handle(self, *args: Any, after: int | None, since: datetime | None, **options: Any) -> None:
        if after is not None:
            publishing.replay(after=after)
        elif since is not None:
            publishing.replay_since(since=since, at=timezone.now())
        self.stdout.write(f"{publishing.lag()} events are to be published")


def cursor(text: str) -> int:
    """The number of an event; 0 is the one before the first."""
    if not text.isdecimal() or len(text) > MOST_DIGITS:
        raise ArgumentTypeError(f"{text!r} is not a cursor, a whole number")
    return int(text)
