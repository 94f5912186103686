"""`manage.py ship_orders`: the parcels of a file."""

import sys
from argparse import ArgumentParser
from collections import Counter
from collections.abc import Sequence
from contextlib import nullcontext
from pathlib import Path
from typing import Any

from django.core.management.base import CommandError
from django.utils import timezone

from orders.management import arguments as parse
from orders.management.order_command import USAGE, OrderCommand, stop_when_told
from orders.management.progress import Progress
from orders.models import OrderOutcome
from orders.services.access import system
from orders.services.audit import Act
from orders.services.fulfilment.parcel_list import Parcel, ParcelResult, plan_parcels, ship_parcels
from orders.services.transfer.parcel_files import COLUMNS, read_parcels, report_csv, report_json

SHOWN = 10
"""Problems that are printed; a report has all of them."""
PROBLEMS = (OrderOutcome.REFUSED, OrderOutcome.FAILED)
HELP = f"""Ship the parcels of a CSV file. Columns: {", ".join(COLUMNS)}.

Each row is a parcel. `number`, the number or id of its order, is the only column that is required. Without `lines`, the
parcel holds everything of the order that is still open; `0:2 3` means two units of line 0 and all of line 3 (counted
from 0, as in the API). The parcel with the last open line makes the order shipped.

The file is checked first: if a row is bad or an order does not exist, nothing is shipped. Then the command says what it
will do, and asks. A parcel that is refused, for example because its order is on hold, does not stop the others.

No parcel is shipped twice, even if the file is given again: a parcel is recognised by its order and tracking number or,
without one, by its order and lines. If the command was stopped or killed, run it again with the same file.

Exit code 0: every parcel has been shipped; 1: some have not, or it was stopped; 2: bad usage, or a bad file.

Examples:
  manage.py ship_orders parcels.csv --dry-run
  manage.py ship_orders parcels.csv --reason "wave 12" --yes --report shipped.csv
"""


class Command(OrderCommand):
    help = HELP
    afterwards = "what has been shipped stays so: run it again to go on"

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("parcels", metavar="FILE", help="the CSV file; - for stdin")
        parser.add_argument("--reason", default="", help="kept in each order's history")
        parser.add_argument("--actor", type=parse.readable, default="", help="who does it (default: your login)")
        parser.add_argument("--dry-run", action="store_true", help="only say what would happen")
        parser.add_argument("--yes", action="store_true", help="do not ask")
        parser.add_argument("--report", type=Path, metavar="FILE", help="a row for each parcel, .csv or .json")

    def handle(self, *args: Any, **options: Any) -> None:
        _check(options)
        parcels = _read(options["parcels"])
        act = Act(system(options["actor"] or parse.actor_name(), via="command"), timezone.now(), options["reason"])
        if options["dry_run"] or not options["yes"]:
            planned = list(plan_parcels(parcels, act=act))
            self._tell_plan(planned)
            if options["dry_run"]:
                self._write(options["report"], planned)
                return
            count = sum(found.result == OrderOutcome.WAITING for found in planned)
            if not parse.confirmed(f"Ship {_parcels(count)}?"):
                raise CommandError("nothing was shipped", returncode=1)
        self._tell(self._ship(parcels, act), options["report"])

    def _ship(self, parcels: Sequence[Parcel], act: Act) -> list[ParcelResult]:
        stop = stop_when_told()  # from here on, between two parcels
        results: list[ParcelResult] = []
        with Progress(self.stderr, "parcels", len(parcels)) as progress:
            for result in ship_parcels(parcels, act=act, stopping=stop.is_set):
                results.append(result)
                progress(1)
        return results

    def _tell_plan(self, planned: Sequence[ParcelResult]) -> None:
        count = Counter(found.result for found in planned)
        can, already = count[OrderOutcome.WAITING], count[OrderOutcome.ALREADY]
        self._say(f"{_parcels(len(planned))}: {can} can be shipped, {already} were shipped before")
        self._list([found for found in planned if found.result in PROBLEMS])

    def _tell(self, results: Sequence[ParcelResult], report: Path | None) -> None:
        """Say how it went, and leave with the exit code that fits."""
        self._list([found for found in results if found.result in PROBLEMS])
        self._write(report, results)
        count = Counter(found.result for found in results)
        told = ", ".join(f"{count[result]} {result}" for result in OrderOutcome if result != OrderOutcome.WAITING)
        self._say(f"{told}, of {len(results)}")
        if count[OrderOutcome.WAITING]:
            raise CommandError(f"stopped; {self.afterwards}", returncode=1)
        if count[OrderOutcome.REFUSED] or count[OrderOutcome.FAILED]:
            raise CommandError("some parcels were not shipped", returncode=1)

    def _list(self, problems: Sequence[ParcelResult]) -> None:
        for found in problems[:SHOWN]:
            parcel = found.parcel
            self.stderr.write(f"line {parcel.line}, order {parcel.number}: {found.result}: {found.reason}")
        if len(problems) > SHOWN:
            self.stderr.write(f"… and {len(problems) - SHOWN} more; --report lists them")

    def _write(self, report: Path | None, results: Sequence[ParcelResult]) -> None:
        if report is None:
            return
        text = report_json(results) if report.suffix == ".json" else report_csv(results)
        try:
            report.write_text(text, encoding="utf-8", newline="")
        except OSError as error:
            self.stderr.write(f"the report could not be written: {error}; run it again to have it written")
        else:
            self._say(f"{_parcels(len(results))} in {report}")

    def _say(self, text: str) -> None:
        self.stdout.write(text)
        self.stdout.flush()


def _parcels(count: int) -> str:
    return "1 parcel" if count == 1 else f"{count} parcels"


def _check(options: dict[str, Any]) -> None:
    """:raises CommandError: what was asked makes no sense together."""
    problem = parse.report_problem(options["report"])
    if options["parcels"] == "-" and not (options["yes"] or options["dry_run"]):
        problem = "- leaves nobody to ask: add --yes, or --dry-run"
    if problem:
        raise CommandError(problem, returncode=USAGE)


def _read(name: str) -> list[Parcel]:
    """:raises CommandError: the file cannot be read, or has bad rows, or none."""
    try:
        with nullcontext(sys.stdin) if name == "-" else _opened(name) as file:
            parcels, problems = read_parcels(file)
    except OSError as error:
        raise CommandError(f"{name} cannot be read: {error}", returncode=USAGE) from error
    if problems:
        raise CommandError(parse.bad_lines(name, [str(problem) for problem in problems]), returncode=USAGE)
    if not parcels:
        raise CommandError(f"{name} has no parcels: nothing was done.", returncode=USAGE)
    return parcels


def _opened(name: str) -> Any:
    return Path(name).open(encoding="utf-8-sig", errors="surrogateescape", newline="")
