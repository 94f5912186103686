"""What waits for staff, in numbers: of the orders by alert, and of what no order has, such as webhooks that fail."""

from datetime import datetime
from typing import Any

from django.utils.translation import gettext_lazy

from orders.admin.attention_sections import at_least
from orders.admin.local_formats import count
from orders.services.access import Actor
from orders.services.order_queries import NEEDS_ATTENTION
from orders.services.reporting import attention, event_troubles

WEBHOOKS, EVENTS = gettext_lazy("Webhooks stopped or failing"), gettext_lazy("Events delayed")
"""The headings of what keeps others from hearing what happens, which no order has."""
FOREIGN = gettext_lazy("Orders of another service")


def looked_for() -> str:
    """Whatever would stand on the attention page, by its names."""
    return "; ".join(map(str, [*(alert.label for alert in NEEDS_ATTENTION), EVENTS, WEBHOOKS, FOREIGN]))


def waiting(actor: Actor, now: datetime) -> list[dict[str, Any]]:
    """What there is of each, with the name of its section on the attention page."""
    found = [
        {
            "name": one.alert.value,
            "title": one.alert.label,
            "count": f"{count(one.count)}{'+' if one.more else ''}",
        }
        for one in attention.counts(actor=actor, at=now)
        if one.count
    ]
    if others := foreign(actor):
        found.append({"name": "foreign", "title": FOREIGN, "count": others})
    troubles = event_troubles.event_troubles(actor=actor, at=now)
    if troubles.late:
        found.append({"name": "events", "title": EVENTS, "count": count(troubles.late)})
    if troubles.webhooks:
        found.append({"name": "webhooks", "title": WEBHOOKS, "count": count(len(troubles.webhooks))})
    return found


def foreign(actor: Actor) -> str:
    """How many orders of another service there are, as far as they were counted; empty for none."""
    number = attention.foreign(actor=actor)
    return at_least(number, more=number >= attention.COUNTED) if number else ""
