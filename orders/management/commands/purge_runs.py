"""`manage.py purge_runs`: delete old runs over many orders."""

from typing import Any

from orders.management.purging import PurgeCommand
from orders.services import bulk

HELP = """Delete old runs over many orders that are done, cancelled or failed, with their reports.

What they did to each order stays in the order's history.

Examples:
  manage.py purge_runs --dry-run
  manage.py purge_runs --older-than 90d --yes
"""


class Command(PurgeCommand):
    help = HELP
    things, all_of_it, days = "runs", "runs and their reports", 90

    def purge(self, **asked: Any) -> int:
        return bulk.purge_runs(**asked)
