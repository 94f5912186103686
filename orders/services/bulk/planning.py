"""What a run would do, before it does anything."""

from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass, field

from bson import ObjectId
from django.db import DatabaseError
from django.utils.translation import gettext, gettext_noop

from orders.models import PUBLIC_STATUSES, condition_words, edges_named
from orders.services.access import Actor
from orders.services.bulk.jobs import is_batchable, target_of
from orders.services.bulk.runs import check
from orders.services.bulk.selecting import in_chunks
from orders.services.errors import OrderError
from orders.services.lifecycle.allowed_transitions import refusal
from orders.storage import time_limit
from orders.storage.bulk_orders import count_by_status, named, reserved_units, unmet
from orders.storage.order_query import OrderQuery

ASKED_AT_ONCE = 1000
"""Named orders that one query counts."""
MOST_COUNTED = 100_000
"""Orders whose units are counted at most, since each of them has to be read."""
NO_SUCH_ORDER = "There is no such order."
TOO_MANY = gettext_noop(
    "There are too many orders to be counted in time. Narrow the list by status or by days, or use "
    "manage.py transition_orders."
)


@dataclass
class Plan:
    """How many orders are selected, and what the run would do with them.

    :ivar can: orders that would change.
    :ivar already: orders that already have the target status.
    :ivar refused: how many of the others cannot change, by reason.
    :ivar units: units that would be released; None if there are too many orders to count them.
    """

    can: int = 0
    already: int = 0
    refused: dict[str, int] = field(default_factory=dict)
    units: int | None = 0

    @property
    def cannot(self) -> int:
        return sum(self.refused.values())

    @property
    def total(self) -> int:
        return self.can + self.already + self.cannot


def plan(*, selection: OrderQuery, transition: str, actor: Actor, seconds: float | None = None) -> Plan:
    """What a run would do with the orders as they are now.

    :param seconds: how long all queries together may take.
    :raises OrderError: as `start_run` does.
    :raises DatabaseError:
    """
    check(selection, transition, actor)
    with nullcontext() if seconds is None else time_limit(seconds):
        return _plan(selection, transition)


@contextmanager
def counted_within(seconds: float) -> Iterator[None]:
    """Bound the time that finding and counting orders may take.

    :raises OrderError: it takes longer.
    """
    try:
        with time_limit(seconds):
            yield
    except DatabaseError as error:
        if getattr(error.__cause__, "timeout", False):
            raise OrderError(gettext(TOO_MANY)) from error
        raise


def _plan(selection: OrderQuery, transition: str) -> Plan:
    made = Plan()
    if selection.keys is None:
        _count(made, transition, count_by_status(selection))
        _count_unmet(made, transition, selection, None)
        _count_units(made, transition, selection, None)
        return made
    for keys in in_chunks(named(selection), ASKED_AT_ONCE):
        ids = [key for key in keys if isinstance(key, ObjectId)]
        found = count_by_status(selection, ids)
        _count(made, transition, found, missing=len(keys) - sum(found.values()))
        _count_unmet(made, transition, selection, ids)
        _count_units(made, transition, selection, ids)
    return made


def _count(made: Plan, transition: str, statuses: dict[str, int], missing: int = 0) -> None:
    sources = {edge.source for edge in edges_named(transition)}
    for status, count in statuses.items():
        if status in sources:
            made.can += count
        elif status == target_of(transition):
            made.already += count
        else:
            why = refusal(transition, status) if status in PUBLIC_STATUSES else NO_SUCH_ORDER
            made.refused[why] = made.refused.get(why, 0) + count
    if missing:
        made.refused[NO_SUCH_ORDER] = made.refused.get(NO_SUCH_ORDER, 0) + missing


def _count_unmet(made: Plan, transition: str, selection: OrderQuery, ids: list[ObjectId] | None) -> None:
    """Take out the orders to which a condition refuses what their status allows."""
    edges = {edge.source: edge for edge in edges_named(transition)}
    for order in unmet(selection, transition, ids):
        why = condition_words(edges[order.status], order)
        made.can = max(0, made.can - 1)  # it may have come to be so since it was counted
        made.refused[why] = made.refused.get(why, 0) + 1


def _count_units(made: Plan, transition: str, selection: OrderQuery, ids: list[ObjectId] | None) -> None:
    if is_batchable(transition) or made.units is None:
        return
    if made.total > MOST_COUNTED:
        made.units = None
        return
    made.units += reserved_units(selection, edges_named(transition), ids)
