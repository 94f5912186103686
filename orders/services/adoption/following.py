"""Orders of this service whose status the other service has changed: their histories, money and lines catch up.

While both services write to one collection, the other one may still change an order that was adopted: it sets `status`
and `updated_at` and knows of nothing else. What it did is taken as the transitions of the machine that lead there, and
is written as they would be, in one guarded write. Inventory is not called: the other service has, as far as it does.
"""

from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass, field

from django.utils.translation import gettext_noop

from orders.models import PUBLIC_STATUSES, Document, Edge, Status, StockEffect, edges_from, moments, stock_effect
from orders.services.adoption.adopting import KEPT_REFUSALS, Progress, Refusal
from orders.services.audit import Act
from orders.storage.database import Expression, literal
from orders.storage.foreign_orders import changed_elsewhere
from orders.storage.line_stock import lines_let_go, lines_used
from orders.storage.order_writes import guarded_write
from orders.storage.transition_stages import stages_of

FOLLOWED = gettext_noop("By the other service, which last changed it at %(moment)s UTC.")


@dataclass
class Following:
    """What was done.

    :ivar followed: orders that are in line with their status now.
    :ivar busy: orders that somebody else changed meanwhile.
    :ivar refused: how many are in a status to which nothing leads; the first are in `refusals`.
    """

    followed: int = 0
    busy: int = 0
    refused: int = 0
    refusals: list[Refusal] = field(default_factory=list)


def follow(*, act: Act, dry_run: bool = False, progress: Progress = lambda _: None) -> Following:
    """Bring the orders in line whose status another service has changed. Reads every order.

    :param dry_run: only count them.
    :raises NotPermitted: for operators' commands only.
    :raises DatabaseError: what was written stays so; the same call goes on.
    """
    act.actor.require_process("adopt orders")
    done = Following()
    for batch in changed_elsewhere([*Status]):
        for order in batch:
            before = _status_of_history(order)
            if (path := _path(before, order["status"])) is None:
                done.refused += 1
                reason = f"status: it is {order['status']!r}, to which nothing leads from {before!r}"
                done.refusals += [Refusal(order["_id"], [reason])][: KEPT_REFUSALS - len(done.refusals)]
            elif dry_run or _write(order, path, act):
                done.followed += 1
            else:
                done.busy += 1
        progress(len(batch))
    return done


def _status_of_history(order: Document) -> str:
    found = [str(entry["to"]) for entry in order["history"] if entry["to"] in [*Status]]
    return found[-1] if found else ""


def _path(source: str, target: str) -> Sequence[Edge] | None:
    """The shortest way from one status to another; None if there is none."""
    ways: deque[tuple[Edge, ...]] = deque((edge,) for edge in edges_from(source))
    while ways and target in PUBLIC_STATUSES:
        way = ways.popleft()
        if way[-1].target == target:
            return way
        ways.extend((*way, edge) for edge in edges_from(way[-1].target))
    return None


def _write(order: Document, path: Sequence[Edge], act: Act) -> bool:
    """:returns: False where somebody else has changed the order since it was read."""
    at = order["updated_at"]
    said = FOLLOWED % {"moment": f"{at:%Y-%m-%d %H:%M:%S}"}
    entries = [act.entry(edge.name, source=edge.source, target=edge.target, detail=said) for edge in path]
    first: list[Document] = [{"$set": {"status": path[0].source}}]
    for edge in path:
        stages = stages_of(edge.name, at)
        changes = {name: literal(value) for name, value in moments(edge.target, at).items()}
        first += [*stages.first, {"$set": {"status": edge.target, "items": _lines(edge), **changes}}, *stages.then]
    more = {"$set": {"version": {"$add": ["$version", len(path) - 1]}}}  # each entry has a version of its own
    guard = {"status": order["status"], "version": order["version"], "history": {"$size": len(order["history"])}}
    written = guarded_write(order["_id"], guard=guard, entries=entries, seen_at=act.at, first=first, then=[more])
    return written is not None


def _lines(edge: Edge) -> Expression:
    match stock_effect(edge.name):
        case StockEffect.RELEASE:
            return lines_let_go()
        case StockEffect.USE:
            return lines_used()
        case _:
            return "$items"
