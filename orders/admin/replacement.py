"""What an order's page says of the order whose place it took, and of the one that took its own."""

from typing import Any

from django.urls import reverse
from django.utils.translation import gettext as _

from orders.models import HistoryEntry, Order, OtherOrder
from orders.services.access import Actor
from orders.services.lifecycle import replacing


def obstacle(order: Order) -> str:
    """Why its items cannot be changed now; empty if they can."""
    held, charges = order.held_at is not None, bool(order.charges)
    return replacing.obstacle(status=order.status, is_held=held, has_charges=charges)


def shown(order: Order, actor: Actor) -> dict[str, Any]:
    """The links, and the address of the form that changes the items, for whoever may and where it can be."""
    may = replacing.may_replace(actor, order.user_id) and not obstacle(order)
    return {
        "links": [
            _link(other, told)
            for other, told in (
                (order.replaces, _("Its items were changed. It replaces order")),
                (order.replaced_by, _("Its items were changed. It was replaced by order")),
            )
            if other
        ],
        "form": reverse("admin:orders_order_items", args=[order.pk]) if may else "",
    }


def _link(other: OtherOrder, told: str) -> dict[str, str]:
    return {"told": told, "number": other.number, "url": reverse("admin:orders_order_change", args=[other.order_id])}


def detail_of(entry: HistoryEntry) -> str:
    """What the timeline says beside an entry: which other order it was about, where it was."""
    if entry.detail and entry.act == "place":
        return _("Replaces order %(number)s") % {"number": entry.detail}
    if entry.detail and entry.act == "cancel":
        return _("Replaced by order %(number)s") % {"number": entry.detail}
    return entry.detail


def is_placed_by_staff(entry: HistoryEntry) -> bool:
    """Whether somebody placed the order for the customer."""
    return entry.act == "place" and entry.actor.startswith("staff:")
