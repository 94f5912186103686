"""What becomes of parts of some demo orders: a first parcel, a hold, a refund of a part, or a return."""

from dataclasses import replace
from datetime import datetime
from decimal import Decimal

from bson import ObjectId

from devtools.demo_stories import PACKED, Story, staff_for
from orders.services.audit import Act
from orders.services.fulfilment.holding import hold
from orders.services.fulfilment.parts import LineRequest
from orders.services.fulfilment.refunding import refund
from orders.services.fulfilment.returning import open_return
from orders.services.fulfilment.shipping import ship
from orders.services.lifecycle.tracking import Tracking


def live_on(story: Story, order_id: ObjectId, at: datetime) -> None:
    """Let some orders show a first parcel, a hold, a refund of a part, or a return; each once, by its key."""
    number, key = int(story.key.rpartition("-")[2]), f"{story.key}-more"
    act = Act(staff_for("ship"), at)
    if story.path == PACKED and number % 2 and sum(item.quantity for item in story.items) > 1:
        tracking = Tracking("DHL Paket", f"0034043416{number:010d}")
        ship(order_id=order_id, lines=[LineRequest(0, 1)], tracking=tracking, act=act, idempotency_key=key)
    elif story.path == PACKED:
        why = replace(act, code="address", reason="The street has no such number; asked the customer")
        hold(order_id=order_id, act=why, idempotency_key=key)
    elif number % 10 == 0:
        why = Act(staff_for("refund"), at, "A scratch on the lid", "customer")
        refund(order_id=order_id, amount=Decimal("5.00"), act=why, reference=f"RF-{number}", idempotency_key=key)
    elif number % 10 == 1:
        why = replace(act, code="customer", reason="Too large")
        open_return(order_id=order_id, lines=[LineRequest(0, 1)], act=why, idempotency_key=key)
