"""What a run would do, before it does anything."""

from dataclasses import dataclass, field

from bson import ObjectId

from orders.models.machine import edges_named
from orders.models.states import PUBLIC_STATUSES
from orders.services.access import Actor
from orders.services.bulk.runs import check, is_together, target_of
from orders.services.bulk.selecting import in_chunks
from orders.services.lifecycle.transitions import refusal
from orders.storage.bulk_orders import count_by_status, named, reserved_units
from orders.storage.order_query import OrderQuery

ASKED_AT_ONCE = 1000
MOST_COUNTED = 100_000
"""Orders whose units are counted, at most: each of them must be read."""
NO_SUCH_ORDER = "There is no such order."


@dataclass
class Plan:
    """How many orders are selected, and what would become of them.

    :ivar can: would change now.
    :ivar already: are as the run would make them.
    :ivar refused: why the others cannot, and how many.
    :ivar units: what would be released; None where that is too much to count. 0 where nothing is ever released.
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


def plan(*, selection: OrderQuery, transition: str, actor: Actor) -> Plan:
    """Say what a run would do, by the orders as they are now.

    :raises OrderError: as `start_run` does.
    :raises DatabaseError:
    """
    check(selection, transition, actor)
    made = Plan()
    if selection.keys is None:
        _count(made, transition, count_by_status(selection))
        _count_units(made, transition, selection, None)
        return made
    for keys in in_chunks(named(selection), ASKED_AT_ONCE):
        ids = [key for key in keys if isinstance(key, ObjectId)]
        found = count_by_status(selection, ids)
        _count(made, transition, found, missing=len(keys) - sum(found.values()))
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


def _count_units(made: Plan, transition: str, selection: OrderQuery, ids: list[ObjectId] | None) -> None:
    if is_together(transition) or made.units is None:
        return
    if made.total > MOST_COUNTED:
        made.units = None
        return
    made.units += reserved_units(selection, [edge.source for edge in edges_named(transition)], ids)
