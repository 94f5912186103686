"""`manage.py purge_drafts`: delete old drafts that were turned away."""

from argparse import ArgumentParser
from datetime import timedelta
from typing import Any

from django.core.management.base import CommandError
from django.db import DatabaseError
from django.utils import timezone

from orders.management.counting import Counting
from orders.management.long_help import LongHelpCommand
from orders.management.selection import actor_name, age, confirmed, positive
from orders.services.access import system
from orders.services.acts import Act
from orders.services.errors import OrderError
from orders.services.purging import purge_drafts

HELP = """Delete old drafts that were turned away, and nothing else.

A rejected draft goes if each of its lines is `none` or `released`, nothing is owed for it, inventory gave every unit
back, and no idempotency key stands for it.

Examples:
  manage.py purge_drafts --dry-run
  manage.py purge_drafts --older-than 90d --yes
"""


class Command(LongHelpCommand):
    help = HELP

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--older-than", type=age, default=timedelta(days=30), help="e.g. 30d, the default, or 36h")
        parser.add_argument("--limit", type=positive, help="delete so many at most, the oldest first")
        parser.add_argument("--dry-run", action="store_true", help="only say how many there are")
        parser.add_argument("--yes", action="store_true", help="do not ask")

    def handle(self, *args: Any, **options: Any) -> None:
        asked = {
            "older_than": options["older_than"],
            "limit": options["limit"],
            "act": Act(system(actor_name(), via="command"), timezone.now()),
        }
        try:
            if options["dry_run"] or not options["yes"]:
                count = purge_drafts(**asked, dry_run=True)
                if options["dry_run"] or not count:
                    self.stdout.write(f"{count} drafts to delete")
                    return
                if not confirmed(f"Delete {count} drafts for good?"):
                    raise CommandError("nothing was deleted")
            with Counting(self.stderr, "drafts deleted") as progress:
                deleted = purge_drafts(**asked, progress=progress)
        except OrderError as error:
            raise CommandError(error.detail, returncode=2) from error
        except DatabaseError as error:
            raise CommandError(f"the database does not answer: {error.__cause__ or error}") from error
        self.stdout.write(f"{deleted} drafts deleted")
