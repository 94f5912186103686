"""`manage.py adopt_orders`: take over the orders of the FastAPI service."""

from argparse import ArgumentParser, ArgumentTypeError
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

from django.core.management.base import CommandError
from django.utils import timezone

from orders.management.arguments import actor_name, confirmed
from orders.management.order_command import USAGE, OrderCommand
from orders.management.progress import Progress
from orders.models import PUBLIC_STATUSES
from orders.services.access import system
from orders.services.adoption import adopting, following
from orders.services.adoption.adopting import Plan, Refusal, Shortage
from orders.services.adoption.documents import OPEN, SHIPPED, Choices, Stock
from orders.services.adoption.originals import Originals
from orders.services.audit import Act

HELP = """Take over the orders that a FastAPI order service wrote into the same collection. They keep their ids.

A plan comes first: how many orders, how they write money and times, what is filled in, and which cannot be adopted and
why. Then it asks, or needs --yes. Every document is appended to --originals, as extended JSON, before it is replaced;
one that the other service changes meanwhile is looked at again, and never overwritten. A run that was cut off is
finished by running it again with the same file. --restore is the way back, for orders that nothing has happened to.

--stock says what inventory holds for these orders. Nothing is reserved or released; with anything but "none", inventory
is asked whether it holds that many of each product, and nothing is adopted where it does not.
  none               nothing: whatever becomes of these orders, inventory is never called
  reserved           what open orders (pending, paid, processing) contain
  reserved-and-used  also what shipped and delivered ones contain: the published inventory counts them as reserved

Orders that were adopted before, and that the other service has changed since, are brought in line with their status.

Exit code 0: nothing of another service is left, or the plan alone was asked for and there is something to adopt;
1: something is left, it was not confirmed, or the database or inventory does not answer; 2: what was asked cannot be
done. More in docs/moving.md.

Examples:
  manage.py adopt_orders
  manage.py adopt_orders --stock reserved-and-used --originals originals.jsonl --yes
  manage.py adopt_orders --restore originals.jsonl
"""
SHOWN = 20
"""Orders and products that are listed at most."""


def status_pair(text: str) -> tuple[str, str]:
    """What a status of theirs means, e.g. `on-hold=paid`."""
    theirs, _, ours = (part.strip().lower() for part in text.rpartition("="))
    if not theirs or ours not in PUBLIC_STATUSES:
        raise ArgumentTypeError(f"{text!r} does not end in = and one of {', '.join(PUBLIC_STATUSES)}")
    return theirs, ours


def zone_named(text: str) -> ZoneInfo:
    try:
        return ZoneInfo(text)
    except (KeyError, OSError, ValueError) as error:
        raise ArgumentTypeError(f"{text!r} is not a time zone, e.g. Europe/Berlin") from error


class Command(OrderCommand):
    help = HELP
    afterwards = "what was adopted stays; the same command goes on from here"

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--stock", choices=[*map(str, Stock)], help="what inventory holds for these orders")
        parser.add_argument("--originals", type=Path, help="file to which every document is appended first")
        parser.add_argument("--time-zone", type=zone_named, default="UTC", help="of times without one (default UTC)")
        parser.add_argument(
            "--status", type=status_pair, action="append", default=[], metavar="THEIRS=OURS",
            help="what another status means, e.g. on-hold=paid; may be repeated",
        )  # fmt: skip
        parser.add_argument("--recompute-totals", action="store_true", help="totals follow from the lines")
        parser.add_argument("--despite-shortage", action="store_true", help="adopt even if inventory holds less")
        parser.add_argument("--reason", default="", help="kept in each order's history")
        parser.add_argument("--restore", type=Path, metavar="ORIGINALS", help="put the documents of this file back")
        parser.add_argument("--dry-run", action="store_true", help="only show the plan")
        parser.add_argument("--yes", action="store_true", help="do not ask")

    def handle(self, *args: Any, **options: Any) -> None:
        act = Act(system(actor_name(), via="command"), timezone.now(), options["reason"])
        try:
            if options["restore"]:
                self._restore(act, **options)
            else:
                self._adopt(act, **options)
        except OSError as error:
            path = options["restore"] or options["originals"]
            raise CommandError(f"{path}: {error.strerror}; {self.afterwards}", returncode=1) from error

    def _adopt(self, act: Act, **options: Any) -> None:
        # Without a choice all is counted that inventory may hold, so that the plan can say what there is to choose.
        choices = Choices(
            Stock(options["stock"] or Stock.RESERVED_AND_USED),
            options["time_zone"],
            dict(options["status"]),
            options["recompute_totals"],
        )
        with Progress(self.stderr, "documents looked at") as progress:
            planned = adopting.plan(choices=choices, act=act, progress=progress)
            changed = following.follow(act=act, dry_run=True, progress=progress)
        self._show(planned, changed)
        total = sum(planned.adoptable.values())
        left = bool(planned.refused or changed.refused)
        if not total and not changed.followed:
            self._end(left=left)
            return
        if total:
            self._check_stock(planned, options["stock"], despite=options["despite_shortage"] or options["dry_run"])
        lacking = [name for name in ("--stock", "--originals") if total and not options[name.removeprefix("--")]]
        if options["dry_run"] or (lacking and not options["yes"]):
            takes = f": adopting them takes {' and '.join(lacking)}" if lacking else ""
            self.stdout.write(f"only a plan{takes}")
            return
        if lacking:
            raise CommandError(f"adopting them takes {' and '.join(lacking)}; nothing was changed", returncode=USAGE)
        if not options["yes"] and not confirmed(f"Adopt {total} orders, and follow {changed.followed} changes?"):
            raise CommandError("nothing was changed", returncode=1)
        adopted = adopting.Adoption(refused=planned.refused)
        with Progress(self.stderr, "documents dealt with", total + planned.refused) as progress:
            if total:
                originals = Originals(options["originals"])
                adopted = adopting.adopt(choices=choices, act=act, originals=originals, progress=progress)
            followed = following.follow(act=act)
        self.stdout.write(f"{adopted.adopted} adopted, {followed.followed} changes followed")
        if busy := adopted.busy + followed.busy:
            self.stdout.write(f"{busy} were being changed by the other service: run it again")
        self._end(left=bool(adopted.refused or followed.refused or busy))

    def _end(self, *, left: bool) -> None:
        if left:
            raise CommandError("some documents of another service are left", returncode=1)
        self.stdout.write("no document of another service is left")

    def _show(self, planned: Plan, changed: following.Following) -> None:
        statuses = ", ".join(f"{planned.adoptable[name]} {name}" for name in PUBLIC_STATUSES if planned.adoptable[name])
        self.stdout.write(f"to adopt: {sum(planned.adoptable.values())} orders{statuses and f' ({statuses})'}")
        if planned.overdue:
            self.stdout.write(
                f"  {planned.overdue} pending ones are older than UNPAID_ORDER_TTL: a worker cancels them once they "
                "are adopted"
            )
        for heading, counted in (
            ("written as", planned.kinds),
            ("to be filled in", planned.filled),
            ("kept in the originals only", planned.left),
        ):
            for name, count in sorted(counted.items()):
                self.stdout.write(f"  {heading}: {name} ({count})")
        if planned.refused:
            self.stdout.write(f"cannot be adopted: {planned.refused}")
            self._refusals(planned.refusals, planned.refused)
        if changed.followed:
            self.stdout.write(f"changed by the other service since they were adopted: {changed.followed}")
        if changed.refused:
            self.stdout.write(f"in a status to which nothing leads: {changed.refused}")
            self._refusals(changed.refusals, changed.refused)

    def _refusals(self, refusals: Sequence[Refusal], count: int) -> None:
        for refusal in refusals[:SHOWN]:
            self.stdout.write(f"  {refusal.id}: {'; '.join(refusal.reasons)}")
        if count > SHOWN:
            self.stdout.write(f"  ... and {count - SHOWN} more")

    def _check_stock(self, planned: Plan, stock: str | None, *, despite: bool) -> None:
        if stock == Stock.NONE:
            return
        units = {name: _units(planned, statuses) for name, statuses in (("open", OPEN), ("shipped", SHIPPED))}
        if stock is None:
            self.stdout.write(
                f"--stock: reserved for {units['open']} units in open orders, reserved-and-used for these and "
                f"{units['shipped']} units in shipped ones, or none"
            )
            return
        short = adopting.shortages(planned)
        for one in short[:SHOWN]:
            self.stdout.write(_told(one))
        if len(short) > SHOWN:
            self.stdout.write(f"... and {len(short) - SHOWN} more products")
        if short and not despite:
            raise CommandError(
                f"inventory holds too little of {len(short)} products. Correct it there, choose another --stock, or "
                "add --despite-shortage; nothing was changed",
                returncode=1,
            )

    def _restore(self, act: Act, **options: Any) -> None:
        path = options["restore"]
        if not path.is_file():
            raise CommandError(f"{path} is no file", returncode=USAGE)
        if not options["yes"] and not confirmed(f"Put the documents of {path} back in the place of their orders?"):
            raise CommandError("nothing was changed", returncode=1)
        with Progress(self.stderr, "documents dealt with") as progress:
            done = adopting.restore(act=act, originals=Originals(path), progress=progress)
        if not done.restored and not done.kept:
            raise CommandError(f"{path} holds no originals; nothing was changed", returncode=USAGE)
        self.stdout.write(f"{done.restored} put back; {done.kept} left, since they have changed or are back already")


def _units(planned: Plan, statuses: Iterable[str]) -> int:
    states = {Stock.RESERVED_AND_USED.state_of_lines(status) for status in statuses}
    return sum(units for (_, state), units in planned.units.items() if state in states)


def _told(one: Shortage) -> str:
    held = "does not know it" if one.held is None else f"holds {one.held}"
    return f"{one.product_id}: {one.claimed} units to adopt and {one.ours} here, but inventory {held}"
