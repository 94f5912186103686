"""The write that places one order and cancels another: both or neither (docs/adr/0012)."""

from typing import Any

from django.conf import settings

from integrations import Deadline
from observability.metrics import TRANSITIONS
from orders.models import Document, Order, Status, edges_named, moments, stock_effect
from orders.services.audit import Act
from orders.services.stock.claims import Claim, beyond_deadline, claiming
from orders.services.stock.inventory_calls import release_written
from orders.storage import line_stock, new_id
from orders.storage.order_writes import guard_of, write_together
from orders.storage.transition_stages import stages_of

CANCEL = "cancel"
STAFFS_OWN = ("assignee", "tags", "tag_keys")
"""What colleagues have noted about an order, which the one that replaces it keeps, where there is any of it."""


def placed_instead(
    old: Document, version: int, act: Act, order: Order, claim: Claim, change: dict[str, Any], deadline: Deadline
) -> Document | None:
    """Place a claimed draft and cancel the old order, both or neither; then release what that one held.

    :param version: of the old order, which must be unpaid and not on hold.
    :returns: the new order's whole document; None where a guard did not hold, and nothing changed.
    :raises DatabaseError: it may or may not have happened.
    """
    edge = next(edge for edge in edges_named(CANCEL) if edge.source == Status.PENDING)
    stages = stages_of(CANCEL, act.at, code=act.code)
    with claiming(old["_id"], within=deadline.remaining() + beyond_deadline() / 2) as (attempt, lease):
        cancelling = {
            "guard": guard_of(edge) | {"version": version, "held_at": None},
            "entries": [act.entry(CANCEL, source=edge.source, target=edge.target, detail=order.number)],
            "fields": {
                "status": edge.target,
                **moments(edge.target, act.at),
                "replaced_by": {"order_id": order.pk, "number": order.number},
            },
            "items": line_stock.lines_after(stock_effect(CANCEL), attempt, settings.STOCK_LEASE),
            "seen_at": act.at,
            "first": stages.first,
            "then": stages.then,
        }
        placing = change | {
            "entries": [entry | {"detail": old["number"]} for entry in change["entries"]],
            "fields": {
                **change["fields"],
                **{name: old[name] for name in STAFFS_OWN if name in old},
                "replaces": {"order_id": old["_id"], "number": old["number"]},
            },
        }
        both = {old["_id"]: cancelling, order.pk: placing}
        written = claim.retrying(deadline)(write_together, both, write_id=new_id())
    if written is None:
        return None
    cancelled, placed = written
    TRANSITIONS.labels(CANCEL, act.actor.via).inc()
    release_written(cancelled, attempt, lease, act, deadline=deadline)
    return placed
