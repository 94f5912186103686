"""`manage.py purge_runs`: delete old runs over many orders."""

from argparse import ArgumentParser
from datetime import timedelta
from typing import Any

from django.core.management.base import CommandError
from django.db import DatabaseError
from django.utils import timezone

from orders.management.counting import Counting
from orders.management.long_help import LongHelpCommand
from orders.management.selection import actor_name, age, confirmed
from orders.services import bulk
from orders.services.access import system
from orders.services.acts import Act
from orders.services.errors import OrderError

HELP = """Delete old runs over many orders that are done, cancelled or failed, with their reports.

What they did to each order stays in the order's history.

Examples:
  manage.py purge_runs --dry-run
  manage.py purge_runs --older-than 90d --yes
"""


class Command(LongHelpCommand):
    help = HELP

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--older-than", type=age, default=timedelta(days=90), help="e.g. 90d, the default, or 36h")
        parser.add_argument("--dry-run", action="store_true", help="only say how many there are")
        parser.add_argument("--yes", action="store_true", help="do not ask")

    def handle(self, *args: Any, **options: Any) -> None:
        act = Act(system(actor_name(), via="command"), timezone.now())
        try:
            if options["dry_run"] or not options["yes"]:
                count = bulk.purge_runs(older_than=options["older_than"], act=act, dry_run=True)
                if options["dry_run"] or not count:
                    self.stdout.write(f"{count} runs to delete")
                    return
                if not confirmed(f"Delete {count} runs and their reports for good?"):
                    raise CommandError("nothing was deleted")
            with Counting(self.stderr, "runs deleted") as progress:
                deleted = bulk.purge_runs(older_than=options["older_than"], act=act, progress=progress)
        except OrderError as error:
            raise CommandError(error.detail, returncode=2) from error
        except DatabaseError as error:
            raise CommandError(f"the database does not answer: {error.__cause__ or error}") from error
        self.stdout.write(f"{deleted} runs deleted")
