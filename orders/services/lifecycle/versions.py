"""Concurrent changes: an order that somebody else may have changed since it was read."""

from collections.abc import Callable, Collection
from typing import Any, TypeVar

from django.utils.translation import gettext as _

from orders.models import Document, Order
from orders.services.access import Actor
from orders.services.audit import Act
from orders.services.errors import OrderError, RefusalKind
from orders.storage import order_reads

T = TypeVar("T")
TRIES = 5
"""How often a change is tried when somebody else keeps changing the order meanwhile."""


class StaleOrder(OrderError):
    """The order is no longer as the caller saw it."""

    code = "stale_order"
    kind = RefusalKind.STALE


class OrderBusy(OrderError):
    """Others kept changing the order while this was tried."""

    code = "order_busy"
    kind = RefusalKind.CONFLICT


def require_version(order: Order, expected: Collection[int], act: Act) -> None:
    """Refuse an order that is at none of the expected versions.

    :raises StaleOrder: with `version`, and with `changes` since the newest expected one as far as the actor may know.
    """
    if order.version in expected:
        return
    if not expected:
        raise StaleOrder(
            _("This order is at version %(version)d, and you named none of its versions.") % {"version": order.version},
            version=order.version,
            changes=[],
        )
    seen = max(expected)
    changes = [
        _change(entry, act.actor)
        for entry in order_reads.changes_since(order.pk, seen)
        if act.actor.knows_of(entry["act"], entry["to"])
    ]
    raise StaleOrder(
        _("This order has changed: it is at version %(version)d, you saw version %(seen)d.")
        % {"version": order.version, "seen": seen},
        version=order.version,
        changes=changes,
    )


def _change(entry: Document, actor: Actor) -> dict[str, Any]:
    """The `request_id` lets callers recognise a change of their own whose answer was lost."""
    return {
        "at": entry["at"],
        "act": entry["act"],
        "actor": actor.name_of(entry["actor"]),
        "to": entry["to"] or None,
        "request_id": entry["request_id"] if actor.knows(entry["actor"]) else "",
    }


def tried(change: Callable[[], T | None]) -> T:
    """Make a change, as often as somebody else is first.

    :param change: reads the order and writes it; None where somebody else was first.
    :raises OrderBusy: others kept changing the order.
    """
    for _attempt in range(TRIES):
        if (made := change()) is not None:
            return made
    raise busy()


def busy() -> OrderBusy:
    return OrderBusy(_("This order is being changed by others right now. Try again."), retry_after=1)
