"""`manage.py transition_orders`: one transition of many orders."""

from argparse import ArgumentParser
from contextlib import suppress
from dataclasses import replace
from itertools import islice
from pathlib import Path
from typing import Any

from bson import ObjectId
from django.core.management.base import CommandError
from django.utils import timezone

from orders.management import arguments as parse
from orders.management.order_command import USAGE, OrderCommand, stop_when_told
from orders.management.progress import Progress
from orders.models import PUBLIC_STATUSES, BulkRun, transition_names
from orders.services import bulk
from orders.services.access import Actor, system
from orders.services.audit import REASON_CODES, Act, require_reason
from orders.services.order_queries import OrderKeys, OrderQuery, first_ids

MOST_JOBS = 32
MOST_FOUND = 10_000
"""Orders that a search may find."""
SHOWN = 10
"""Problems that are printed; a report has all of them."""
CRITERIA = ("status", "older_than", "since", "before", "user", "product", "search", "id", "ids_from")
TRANSITIONS = ", ".join(transition_names())
HELP = f"""Make one transition ({TRANSITIONS})
of many orders. Say which: each criterion narrows the selection down, and --all means every order.

Each order changes by the same guarded transition as anywhere else; one bad order never stops the rest. A run is
recorded: it can be resumed if it was stopped or killed, and watched and cancelled in the backoffice. While
inventory does not answer, a run that releases stock pauses.

Exit code 0: every order is as requested; 1: some are not, or it was stopped; 2: bad usage, or no order is selected.

A date is a day of TIME_ZONE, and so is a time without an offset.

In a file of ids or numbers, a `#` followed by a space begins a comment.

Examples:
  manage.py transition_orders start_processing --status paid --older-than 1h --dry-run
  manage.py transition_orders ship --ids-from picked.txt --reason "wave 12" --report wave12.csv
  manage.py transition_orders cancel --status pending --product 665f1c0a9b1e8a0012a40001 --reason-code out_of_stock
  manage.py transition_orders pay --search "okafor lisbon" --status pending --dry-run
  grep -oE '[0-9a-f]{{24}}' mail.txt | manage.py transition_orders deliver --ids-from - --yes
  manage.py transition_orders --resume 692201d0a1b2c3d4e5f60718
"""


class Command(OrderCommand):
    help = HELP

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("transition", nargs="?", choices=transition_names(), metavar="TRANSITION", help=TRANSITIONS)
        which = parser.add_argument_group("which orders")
        which.add_argument("--status", action="append", choices=PUBLIC_STATUSES, default=[], help="can be repeated")
        which.add_argument("--older-than", type=parse.age, metavar="AGE", help="created longer ago, e.g. 12h or 3d")
        which.add_argument("--from", type=parse.beginning, dest="since", metavar="DATE", help="created then or later")
        which.add_argument("--to", type=parse.end, dest="before", metavar="DATE", help="created by the end of that day")
        which.add_argument("--user", type=parse.user_id, help="orders of this user")
        which.add_argument("--product", help="orders with this product")
        which.add_argument("--search", type=parse.search, metavar="WORDS", help="with these words; not with ids")
        which.add_argument(
            "--id", action="append", default=[], type=parse.order_key, help="id or number; can be repeated"
        )
        which.add_argument("--ids-from", metavar="FILE", help="ids or numbers, one per line; - for stdin")
        which.add_argument("--all", action="store_true", help="every order")
        which.add_argument("--limit", type=parse.positive, help="at most this many, the oldest first")
        how = parser.add_argument_group("how")
        how.add_argument("--reason", default="", help="kept in each order's history; needed to cancel and refund")
        how.add_argument("--reason-code", choices=REASON_CODES, default="", help="the reason as it can be counted")
        how.add_argument("--actor", type=parse.readable, default="", help="who does it (default: your login)")
        how.add_argument("--dry-run", action="store_true", help="only say what would happen")
        how.add_argument("--yes", action="store_true", help="do not ask")
        how.add_argument("--batch-size", type=parse.positive, help="orders in a batch (default 1000; 20 to release)")
        how.add_argument("--jobs", type=parse.positive, help="threads (default 1; 4 to release)")
        how.add_argument("--report", type=Path, metavar="FILE", help="a row for each order, .csv or .json")
        how.add_argument("--resume", type=parse.object_id, metavar="RUN", help="continue this run")

    def handle(self, *args: Any, **options: Any) -> None:
        actor = system(options["actor"] or parse.actor_name(), via="command")
        _check(options)
        try:
            if options["resume"]:
                run = self._resumed(options["resume"], actor)
            else:
                found = self._started(_selection(options), actor, options)
                if found is None:
                    return
                run = found
            run = self._carry_on(run, actor, options["jobs"])
            self._tell(run, options["report"])
        except KeyboardInterrupt as error:  # while it was planning, or asking
            raise CommandError("nothing was changed", returncode=1) from error

    def _started(self, chosen: OrderQuery, actor: Actor, options: dict[str, Any]) -> BulkRun | None:
        """Plan and ask, as far as it is wanted, and start the run; None if it was only to be planned."""
        name, act = options["transition"], Act(actor, timezone.now(), options["reason"], options["reason_code"])
        if not options["dry_run"]:
            require_reason(name, act)
        if options["dry_run"] or not options["yes"]:
            made = bulk.plan(selection=chosen, transition=name, actor=actor)
            self._tell_plan(made, name)
            _require_some(made.total)
            if options["dry_run"]:
                return None
            if not parse.confirmed(f"{name.replace('_', ' ').capitalize()} {made.can} orders?"):
                raise CommandError("nothing was changed", returncode=1)
        self._stop = stop_when_told()  # from here on, between two orders
        act = replace(act, at=timezone.now())
        size = options["batch_size"]
        run = bulk.start_run(selection=chosen, transition=name, act=act, for_worker=False, batch_size=size)
        self._say(f"run {run.pk}")
        return run

    def _resumed(self, run_id: ObjectId, actor: Actor) -> BulkRun:
        self._stop = stop_when_told()
        run = bulk.get_run(run_id)
        return run if run.is_over else bulk.resume_run(run_id=run_id, actor=actor, for_worker=False)

    def _carry_on(self, run: BulkRun, actor: Actor, jobs: int | None) -> BulkRun:
        jobs = min(jobs, MOST_JOBS) if jobs else None
        with Progress(self.stdout, "orders") as progress:
            run = bulk.execute_run(run.pk, threads=jobs, stopping=self._stop.is_set, progress=progress.of_run)
        if self._stop.is_set() and not run.is_over:
            with suppress(bulk.RunIsOver):  # by another process, meanwhile
                bulk.pause_run(run_id=run.pk, actor=actor)
            run = bulk.get_run(run.pk)
        return run

    def _tell(self, run: BulkRun, report: Path | None) -> None:
        """Say how the run went, and leave with the exit code that fits."""
        for found in islice(bulk.results(run.pk, only=bulk.PROBLEMS), SHOWN):
            self.stderr.write(f"order {found.number or found.order_id}: {found.result}: {found.reason}")
        more = run.refused + run.failed - SHOWN
        if more > 0:
            self.stderr.write(f"… and {more} more{'' if report else '; --resume with --report lists them'}")
        if report:
            self._write(report, run)
        done = f"{run.done} done, {run.already} already, {run.refused} refused, {run.failed} failed"
        self._say(f"{run.state}: {done}, of {run.total}")
        if not run.is_over:
            self._say(f"Go on with it: manage.py transition_orders --resume {run.pk}")
        if run.state != "done":
            raise CommandError(run.last_error or f"the run is {run.state}", returncode=1)
        _require_some(run.total)
        if run.refused or run.failed:
            raise CommandError("some orders were not changed", returncode=1)

    def _write(self, report: Path, run: BulkRun) -> None:
        try:
            with report.open("w", encoding="utf-8", newline="") as file:
                file.writelines(bulk.report_json(run.pk) if report.suffix == ".json" else bulk.report_csv(run.pk))
        except OSError as error:
            self.stderr.write(f"the report could not be written: {error}; --resume {run.pk} --report writes it again")
        else:
            self._say(f"{run.total} orders in {report}")

    def _tell_plan(self, made: bulk.Plan, name: str) -> None:
        self._say(f"{made.total} orders selected: {made.can} can {name.replace('_', ' ')}, {made.already} already are")
        for reason, count in sorted(made.refused.items(), key=lambda found: -found[1]):
            self._say(f"  {count} cannot: {reason}")
        if not bulk.is_batchable(name):
            units = "too many orders to count it" if made.units is None else f"{made.units} units"
            self._say(f"  stock released: {units}")

    def _say(self, text: str) -> None:
        self.stdout.write(text)
        self.stdout.flush()


def _check(options: dict[str, Any]) -> None:
    """:raises CommandError: what was asked makes no sense together."""
    chosen = [*(options[name] for name in CRITERIA), options["all"], options["limit"]]
    problem = parse.report_problem(options["report"])
    if options["resume"] and (options["transition"] or options["dry_run"] or any(chosen)):
        problem = "--resume goes on with a run as it was started: give no transition and no orders"
    elif not options["resume"] and not options["transition"]:
        problem = f"Which transition? One of: {TRANSITIONS}"
    elif not options["resume"] and not any(chosen[:-1]):
        problem = "Which orders? Give criteria, or --all for every order"
    elif options["all"] and any(chosen[:-2]):
        problem = "--all means every order: leave it out, or the criteria"
    elif options["ids_from"] == "-" and not (options["yes"] or options["dry_run"]):
        problem = "--ids-from - leaves nobody to ask: add --yes, or --dry-run"
    elif options["search"] and (options["id"] or options["ids_from"]):
        problem = "--search looks for orders: leave it out, or the ids"
    if problem:
        raise CommandError(problem, returncode=USAGE)


def _require_some(orders: int) -> None:
    """:raises CommandError: nothing is selected, which nobody wants who asks for a change."""
    if not orders:
        raise CommandError("No order is selected: nothing was changed.", returncode=USAGE)


def _selection(options: dict[str, Any]) -> OrderQuery:
    """:raises CommandError: the file cannot be read, or has bad lines; or too many orders are found by a search."""
    ends = [options["before"], options["older_than"] and timezone.now() - options["older_than"]]
    keys = parse.order_keys_from(options["ids_from"]) if options["ids_from"] else OrderKeys()
    for key in options["id"]:
        keys.add(key)
    query = OrderQuery(
        statuses=tuple(dict.fromkeys(options["status"])),
        since=options["since"],
        before=min(filter(None, ends), default=None),
        user_id=options["user"],
        product_id=options["product"] and options["product"].lower(),
        keys=keys if options["id"] or options["ids_from"] else None,
        limit=options["limit"],
        everything=options["all"],
    )
    return _found(replace(query, meanings=options["search"])) if options["search"] else query


def _found(query: OrderQuery) -> OrderQuery:
    """The orders that a search finds now, by their ids: a run goes on for long, and must not search again."""
    ids = first_ids(replace(query, oldest_first=True), MOST_FOUND + 1)
    _require_some(len(ids))
    if len(ids) > MOST_FOUND and query.limit is None:
        problem = f"More than {MOST_FOUND:,} orders have these words: narrow the search, or give a --limit"
        raise CommandError(problem, returncode=USAGE)
    return replace(query, meanings=None, keys=OrderKeys(ids[:MOST_FOUND]))
