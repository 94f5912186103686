"""`manage.py purge_old_records`: delete old rejected drafts, and old bulk runs."""

from argparse import ArgumentParser
from collections.abc import Callable
from datetime import timedelta
from typing import Any

from django.core.management.base import CommandError
from django.utils import timezone

from orders.management.arguments import actor_name, age, confirmed, positive
from orders.management.order_command import USAGE, OrderCommand
from orders.management.progress import Progress
from orders.services import purging
from orders.services.access import system
from orders.services.audit import Act

HELP = """Delete old rejected drafts, old bulk runs or both, and nothing else.

A rejected draft is deleted if each of its lines is `none` or `released`, nothing is owed for it, inventory gave every
unit back, and no idempotency key refers to it. A bulk run is deleted, with its report, if it is done, cancelled or
failed; what it did to each order stays in the order's history.

Exit code 0: done, even if nothing was that old; 1: not confirmed, or the database does not answer; 2: bad usage.

Examples:
  manage.py purge_old_records --drafts-older-than 30d --runs-older-than 90d --dry-run
  manage.py purge_old_records --drafts-older-than 90d --limit 10000 --yes
"""


class Command(OrderCommand):
    help = HELP

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--drafts-older-than", type=age, metavar="AGE", help="rejected drafts, e.g. 30d or 36h")
        parser.add_argument("--runs-older-than", type=age, metavar="AGE", help="finished bulk runs, e.g. 90d")
        parser.add_argument("--limit", type=positive, help="delete at most this many of each, the oldest first")
        parser.add_argument("--dry-run", action="store_true", help="only say how many there are")
        parser.add_argument("--yes", action="store_true", help="do not ask")

    def handle(self, *args: Any, **options: Any) -> None:
        ages: dict[str, timedelta | None] = {name: options[f"{name}_older_than"] for name in ("drafts", "runs")}
        asked: dict[str, dict[str, Any]] = {
            name: {"older_than": least, "limit": options["limit"]} for name, least in ages.items() if least is not None
        }
        if not asked:
            raise CommandError("What shall go? Give --drafts-older-than, --runs-older-than or both", returncode=USAGE)
        act = Act(system(actor_name(), via="command"), timezone.now())
        for name, given in asked.items():
            purging.require_purging(name, given["older_than"], act)
        if options["dry_run"] or not options["yes"]:
            counts = {name: _purge(name)(**given, act=act, dry_run=True) for name, given in asked.items()}
            told = " and ".join(f"{count} {name}" for name, count in counts.items())
            if options["dry_run"] or not any(counts.values()):
                self.stdout.write(f"{told} to delete")
                return
            if not confirmed(f"Delete {told} for good?"):
                raise CommandError("nothing was deleted", returncode=1)
        for name, given in asked.items():
            with Progress(self.stderr, f"{name} deleted") as progress:
                self.stdout.write(f"{_purge(name)(**given, act=act, progress=progress)} {name} deleted")


def _purge(name: str) -> Callable[..., int]:
    return purging.purge_drafts if name == "drafts" else purging.purge_runs
