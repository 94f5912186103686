"""`manage.py import_orders`: historical orders out of a file."""

from argparse import ArgumentParser
from collections.abc import Iterator
from pathlib import Path
from stat import S_ISREG
from typing import Any

from django.core.management.base import CommandError
from django.utils import timezone

from orders.management.arguments import actor_name, positive
from orders.management.order_command import USAGE, OrderCommand
from orders.management.progress import Progress
from orders.services.access import system
from orders.services.audit import Act
from orders.services.errors import OrderError
from orders.services.text_rules import cleaned, one_line
from orders.services.transfer.file_format import Format
from orders.services.transfer.import_files import Record, read_records
from orders.services.transfer.importing import Import, import_orders

HELP = """Import historical orders. No stock is touched. If any row is bad, nothing is imported.

CSV has a row for each line of an order, the rows of one order together; JSON lines have an order
each. Files that export_orders wrote with --lines or --format jsonl can be read.

Needed: an id, a reference or a number; status (a public one), user_id, created_at (with its zone),
total_price (the sum of the lines), line1, city, country, product_id, quantity, price.
Not needed: the other columns of an export, e.g. contact_name, currency, paid_at, product_name.
Money has exactly two decimals. More in docs/import-export.md.

An order that is there already is skipped: a run that was cut off is finished by running it again.

Exit code 0: all is there now; 1: some rows are bad, or the database failed; 2: the file cannot be read.

Examples:
  manage.py import_orders old-shop.csv --dry-run
  manage.py import_orders old-shop.jsonl --reason "Orders of the old shop"
"""


class Command(OrderCommand):
    help = HELP
    afterwards = "the same command goes on from here"

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("file", type=Path, help="a CSV file, or JSON lines if its name ends so (.jsonl, .ndjson)")
        parser.add_argument("--format", choices=[*Format], help="csv or jsonl, whatever the name says")
        parser.add_argument("--dry-run", action="store_true", help="only say what would be imported, and what is bad")
        parser.add_argument("--skip-bad", action="store_true", help="import the good orders even if others are bad")
        parser.add_argument("--reason", default="", help="kept in each order's history (default: the file)")
        parser.add_argument("--problems", type=positive, default=50, help="problems to list at most (default 50)")

    def handle(self, *args: Any, **options: Any) -> None:
        path: Path = options["file"]
        jsonl = path.suffix in (".jsonl", ".ndjson")
        format = Format(options["format"] or (Format.JSONL if jsonl else Format.CSV))

        def records() -> Iterator[Record]:
            with path.open(encoding="utf-8-sig", errors="surrogateescape", newline="") as file:
                yield from read_records(file, format)

        reason = options["reason"] or f"Imported from {cleaned(one_line(path.name))}"
        act = Act(system(actor_name(), via="command"), timezone.now(), reason)
        try:
            if not S_ISREG(path.stat().st_mode):  # e.g. /dev/stdin: it can be read only once
                raise CommandError(
                    f"{path} is no regular file: it is read twice; write it to one first", returncode=USAGE
                )
            with (
                Progress(self.stderr, "orders examined") as examined,
                Progress(self.stderr, "orders dealt with") as written,
            ):
                result = import_orders(
                    records,
                    act=act,
                    skip_bad=options["skip_bad"],
                    dry_run=options["dry_run"],
                    keep_problems=options["problems"],
                    examined=examined,
                    written=written,
                )
        except OSError as error:
            raise CommandError(f"{path} cannot be read: {error.strerror}", returncode=USAGE) from error
        except OrderError as error:
            raise CommandError(f"{path}: {error.detail}", returncode=USAGE) from error
        self._report(result, options["dry_run"])

    def _report(self, result: Import, dry_run: bool) -> None:
        for problem in result.problems:
            self.stderr.write(str(problem))
        if more := result.problem_count - len(result.problems):
            self.stderr.write(f"... and {more} more problems")
        done = f"{result.new} to import" if dry_run else f"{result.imported} imported"
        self.stdout.write(f"{result.total} orders read: {done}, {result.there} there already, {result.bad} bad")
        if result.bad:
            kept_out = not dry_run and not result.imported and result.new
            raise CommandError("because of the bad rows nothing was imported" if kept_out else "some rows are bad")
