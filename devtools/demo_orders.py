"""The orders of the demo data, made of their stories (`demo_stories`).

They are placed and changed by the same services as real ones, only earlier: so their stock is reserved in the sandbox
exactly as their lines say, and `reconcile_stock` finds no difference.
"""

import random
from datetime import datetime, timedelta

from django.conf import settings
from tenacity import RetryCallState, Retrying, retry_if_exception_type, stop_after_delay, wait_fixed

from devtools import demo_parts
from devtools.demo_stories import DELIVERED, PACKED, Story, staff_for
from integrations import Deadline
from orders.models import Document
from orders.services import access
from orders.services.audit import Act
from orders.services.lifecycle import expiry, placement, transitions
from orders.services.lifecycle.idempotency_keys import KeyInUse
from orders.services.stock.worker import settle_due

PLACEMENT_TIMEOUT = 60.0
"""Seconds for each demo order: nobody waits for a single one."""

REASONS = {
    "cancel": ("Ordered twice by mistake", "Found it elsewhere", "Delivery takes too long"),
    "refund": ("Arrived damaged", "Wrong size", "Returned unopened"),
}


def replay(story: Story, now: datetime) -> None:
    """Place the order, and make its transitions up to `now`; those that were made before are left out."""
    # A load that was killed may have left a draft; it is cleared away as soon as its lease has lapsed.
    again = Retrying(
        retry=retry_if_exception_type(KeyInUse),
        before_sleep=_clear_away,
        wait=wait_fixed(1),
        stop=stop_after_delay(settings.STOCK_LEASE + 10),
        reraise=True,
    )
    order = again(_place, story)
    chance, at = random.Random(story.key), story.placed_at  # noqa: S311
    done = [entry["act"] for entry in order["history"]]
    for transition in story.path:
        at += timedelta(hours=chance.uniform(1, 30))
        if at > now:
            break
        reason = chance.choice(REASONS.get(transition, ("",)))
        if transition not in done:
            act = Act(staff_for(transition), at, reason)
            transitions.change_status(order_id=order["_id"], transition=transition, act=act)
    if tuple(story.path) in (PACKED, DELIVERED) and at <= now:
        demo_parts.live_on(story, order["_id"], min(at + timedelta(hours=1), now))
    expired_at = story.placed_at + timedelta(seconds=settings.UNPAID_ORDER_TTL)
    if not story.path and expired_at <= now and "cancel" not in done:
        act = Act(access.system("settle_stock", via="worker"), expired_at, expiry.reason())
        transitions.change_status(order_id=order["_id"], transition="cancel", act=act)


def _clear_away(_state: RetryCallState) -> None:
    settle_due(actor=access.system("load_demo_data", via="command"))


def _place(story: Story) -> Document:
    return placement.place_order(
        user_id=story.user_id,
        items=story.items,
        shipping_address=story.address,
        details=story.details,
        act=Act(access.customer(story.user_id), story.placed_at),
        idempotency_key=story.key,
        deadline=Deadline.after(PLACEMENT_TIMEOUT),
    ).order
