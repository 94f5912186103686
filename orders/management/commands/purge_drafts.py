"""`manage.py purge_drafts`: delete old drafts that were turned away."""

from argparse import ArgumentParser
from typing import Any

from orders.management.purging import PurgeCommand
from orders.management.selection import positive
from orders.services.purging import purge_drafts

HELP = """Delete old drafts that were turned away, and nothing else.

A rejected draft goes if each of its lines is `none` or `released`, nothing is owed for it, inventory gave every unit
back, and no idempotency key stands for it.

Examples:
  manage.py purge_drafts --dry-run
  manage.py purge_drafts --older-than 90d --yes
"""


class Command(PurgeCommand):
    help = HELP
    things, all_of_it, days = "drafts", "drafts", 30

    def add_arguments(self, parser: ArgumentParser) -> None:
        super().add_arguments(parser)
        parser.add_argument("--limit", type=positive, help="delete so many at most, the oldest first")

    def asked(self, options: dict[str, Any]) -> dict[str, Any]:
        return super().asked(options) | {"limit": options["limit"]}

    def purge(self, **asked: Any) -> int:
        return purge_drafts(**asked)
