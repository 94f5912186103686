"""`manage.py export_orders`: orders into a file."""

import os
import sys
from argparse import ArgumentParser
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from textwrap import fill
from typing import Any, TextIO, cast

from django.core.management.base import CommandError, OutputWrapper

from orders.management.arguments import actor_name, beginning, end, product_id, search, user_id
from orders.management.order_command import USAGE, OrderCommand
from orders.management.progress import Progress
from orders.models import Status
from orders.services.access import system
from orders.services.order_queries import OrderQuery, count
from orders.services.transfer.exporting import export_orders
from orders.services.transfer.file_format import LINE_COLUMNS, ORDER_COLUMNS, SUMMARY_COLUMN, Format

COLUMNS = fill(
    f"Columns: {', '.join(ORDER_COLUMNS)}; then {SUMMARY_COLUMN} or, with --lines, {', '.join(LINE_COLUMNS)}.", 100
)
HELP = f"""Write orders to a file or to stdout, as CSV or as JSON lines, the newest first. Nothing is changed.

In CSV times have the offset of TIME_ZONE (2026-03-01T13:00:00.000+01:00), in JSON lines they are in
UTC (2026-03-01T12:00:00.000Z). Money is exact. A cell that a spreadsheet could take for a formula
begins with an apostrophe. --lines and --format jsonl give files that import_orders reads. More in
docs/import-export.md.

A date is a day of TIME_ZONE, and so is a time without an offset.

{COLUMNS}

Examples:
  manage.py export_orders --out orders.csv
  manage.py export_orders --status paid processing --from 2026-03-01 --to 2026-03-31 --lines --out march.csv
  manage.py export_orders --search "okafor lisbon" --out okafor.csv
  manage.py export_orders --format jsonl | gzip > orders.jsonl.gz
"""


class Command(OrderCommand):
    help = HELP
    afterwards = "no file was written"

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--format", choices=[*map(str, Format)], default="csv", help="csv (the default) or jsonl")
        parser.add_argument("--lines", action="store_true", help="CSV: a row for each line instead of each order")
        parser.add_argument("--bom", action="store_true", help="begin with a byte order mark, for Excel")
        statuses = f"only in these statuses: {', '.join(Status.values)}"
        parser.add_argument(
            "--status", action="extend", nargs="+", choices=Status.values, metavar="STATUS", help=statuses
        )
        parser.add_argument("--from", dest="since", type=beginning, help="created at this date or time, or later")
        parser.add_argument("--to", dest="before", type=end, help="created before this, or by the end of this day")
        parser.add_argument("--user", type=user_id, help="only orders of this user")
        parser.add_argument("--product", type=product_id, help="only orders with this product")
        parser.add_argument(
            "--search",
            type=search,
            metavar="WORDS",
            help="only orders with these words, or this total",
        )
        parser.add_argument("--out", type=Path, help="the file, written once it is complete (default: stdout)")

    def handle(self, *args: Any, **options: Any) -> None:
        if options["lines"] and options["format"] != Format.CSV:
            raise CommandError("--lines is for CSV; JSON lines have the lines in their orders", returncode=USAGE)
        query = OrderQuery(
            statuses=tuple(options["status"] or ()),
            since=options["since"],
            before=options["before"],
            user_id=options["user"],
            product_id=options["product"],
            meanings=options["search"],
            drafts=True,
        )
        try:
            with (
                Progress(self.stderr, "orders exported", count(query)) as progress,
                opened(options["out"], self.stdout) as file,
            ):
                pieces = export_orders(
                    query,
                    actor=system(actor_name(), via="command"),
                    format=Format(options["format"]),
                    by_line=options["lines"],
                    bom=options["bom"],
                    progress=progress,
                )
                for piece in pieces:
                    file.write(piece)
        except BrokenPipeError:
            # The reader closed the pipe; the rest of the buffer must not be written again at exit.
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
            return
        self.stderr.write(f"{progress.count} orders exported")


@contextmanager
def opened(path: Path | None, stdout: OutputWrapper) -> Iterator[TextIO]:
    """The output: a file appears under its name only once it is complete.

    :raises CommandError: it cannot be written; before anything is, where a directory, a device or a pipe has its name,
        which must not be replaced by it.
    """
    if path is None:
        # The command's own wrapper would add a line end to each piece.
        yield cast(TextIO, stdout._out)
        stdout.flush()
        return
    part = None
    try:
        target = Path(os.path.realpath(path))  # of a link, what it leads to is meant
        if target.exists() and not target.is_file():
            raise CommandError(f"{path} cannot be written: it is no regular file", returncode=USAGE)
        part = target.with_name(f"{target.name}.part")
        with part.open("w", encoding="utf-8", newline="") as file:
            yield file
        part.replace(target)
    except OSError as error:
        raise CommandError(f"{path} cannot be written: {error.strerror}", returncode=USAGE) from error
    finally:
        if part is not None:
            with suppress(OSError):
                part.unlink()
