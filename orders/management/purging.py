"""What the commands share that delete what is old: they count, ask, delete and say how many are gone."""

from argparse import ArgumentParser
from datetime import timedelta
from typing import Any, ClassVar

from django.core.management.base import CommandError
from django.db import DatabaseError
from django.utils import timezone

from orders.management.counting import Counting
from orders.management.long_help import LongHelpCommand
from orders.management.selection import actor_name, age, confirmed
from orders.services.access import system
from orders.services.audit import Act
from orders.services.errors import OrderError


class PurgeCommand(LongHelpCommand):
    """Deletes old things, after `--yes` or an answer; `--dry-run` only counts them."""

    things: ClassVar[str]
    """What they are, in the plural."""
    all_of_it: ClassVar[str]
    """The same, with what goes with them."""
    days: ClassVar[int]
    """Their least age, unless another is given."""

    def purge(self, **asked: Any) -> int:
        """Call the service with what was asked, `act`, and `dry_run` or `progress`. :returns: how many."""
        raise NotImplementedError

    def add_arguments(self, parser: ArgumentParser) -> None:
        usual = timedelta(days=self.days)
        parser.add_argument("--older-than", type=age, default=usual, help=f"e.g. {self.days}d, the default, or 36h")
        parser.add_argument("--dry-run", action="store_true", help="only say how many there are")
        parser.add_argument("--yes", action="store_true", help="do not ask")

    def asked(self, options: dict[str, Any]) -> dict[str, Any]:
        """What the service is to be called with, of the options."""
        return {"older_than": options["older_than"]}

    def handle(self, *args: Any, **options: Any) -> None:
        asked = self.asked(options) | {"act": Act(system(actor_name(), via="command"), timezone.now())}
        try:
            if options["dry_run"] or not options["yes"]:
                count = self.purge(**asked, dry_run=True)
                if options["dry_run"] or not count:
                    self.stdout.write(f"{count} {self.things} to delete")
                    return
                if not confirmed(f"Delete {count} {self.all_of_it} for good?"):
                    raise CommandError("nothing was deleted")
            with Counting(self.stderr, f"{self.things} deleted") as progress:
                deleted = self.purge(**asked, progress=progress)
        except OrderError as error:
            raise CommandError(error.detail, returncode=2) from error
        except DatabaseError as error:
            raise CommandError(f"the database does not answer: {error.__cause__ or error}") from error
        self.stdout.write(f"{deleted} {self.things} deleted")
