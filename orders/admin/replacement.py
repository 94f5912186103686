"""What an order's page says of the order whose place it took, and of the one that took its own."""

from typing import Any

from bson import ObjectId
from django.urls import reverse
from django.utils.html import format_html
from django.utils.safestring import SafeString
from django.utils.translation import gettext as _

from orders.models import HistoryEntry, Order
from orders.services.access import Actor
from orders.services.lifecycle import replacing


def obstacle(order: Order) -> str:
    """Why its items cannot be changed now; empty if they can."""
    held, charges = order.held_at is not None, bool(order.charges)
    return replacing.obstacle(status=order.status, is_held=held, has_charges=charges)


def shown(order: Order, actor: Actor) -> dict[str, Any]:
    """What is said of other orders; and where the actor may change the items now, the address of that form."""
    may = replacing.may_replace(actor, order.user_id) and not obstacle(order)
    return {
        "told": [
            format_html(told, order=link_to(other.order_id, other.number))
            for other, told in (
                (order.replaces, _("Its items were changed. It replaces order {order}.")),
                (order.replaced_by, _("Its items were changed. It was replaced by order {order}.")),
            )
            if other
        ],
        "form": reverse("admin:orders_order_items", args=[order.pk]) if may else "",
    }


def link_to(order_id: ObjectId, number: str) -> SafeString:
    """The number of an order, as a link to its page."""
    return format_html('<a href="{}">{}</a>', _url(order_id), number)


def _url(order_id: ObjectId) -> str:
    return reverse("admin:orders_order_change", args=[order_id])


def detail_of(order: Order, entry: HistoryEntry) -> str:
    """Which other order an entry was about; empty where it was about none."""
    if entry.act == "place" and order.replaces and entry.detail == order.replaces.number:
        return _("Replaces order %(number)s") % {"number": entry.detail}
    if entry.act == "cancel" and order.replaced_by and entry.detail == order.replaced_by.number:
        return _("Replaced by order %(number)s") % {"number": entry.detail}
    return ""


def is_placed_by_staff(entry: HistoryEntry) -> bool:
    """Whether somebody placed the order for the customer."""
    return entry.act == "place" and entry.actor.startswith("staff:")
