"""The orders of the demo data: who ordered what and when, and what became of it.

They are placed and changed by the same services as real ones, only earlier: so their stock is reserved in the sandbox
exactly as their lines say, and `reconcile_stock` finds no difference.
"""

import random
from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from decimal import Decimal

from bson import ObjectId
from django.conf import settings
from tenacity import RetryCallState, Retrying, retry_if_exception_type, stop_after_delay, wait_fixed

from integrations import Deadline
from integrations.sandbox.catalogue import CUSTOMERS, PRODUCTS
from orders.models import Address, Contact, Document, Item
from orders.services import access
from orders.services.access import Actor
from orders.services.audit import Act
from orders.services.fulfilment.holding import hold
from orders.services.fulfilment.parts import LineRequest
from orders.services.fulfilment.refunding import refund
from orders.services.fulfilment.returning import open_return
from orders.services.fulfilment.shipping import ship
from orders.services.lifecycle import expiry, placement, transitions
from orders.services.lifecycle.idempotency_keys import KeyInUse
from orders.services.lifecycle.tracking import Tracking
from orders.services.stock.worker import settle_due

ORDERS = 300
DAYS = 60
PLACEMENT_TIMEOUT = 60.0
"""Seconds for each demo order: nobody waits for a single one."""

PATHS = {
    (): 10,
    ("pay",): 9,
    ("pay", "start_processing"): 9,
    ("pay", "start_processing", "ship"): 14,
    ("pay", "start_processing", "ship", "deliver"): 42,
    ("cancel",): 6,
    ("pay", "cancel"): 3,
    ("pay", "refund"): 3,
    ("pay", "start_processing", "ship", "deliver", "refund"): 4,
}
"""Transitions that an order has been through, and how frequent that is. What nobody paid expires, as with a worker."""
PACKED, DELIVERED = ("pay", "start_processing"), ("pay", "start_processing", "ship", "deliver")
"""Of these, some have a first parcel or a hold; or a refund of a part, or a return."""
REASONS = {
    "cancel": ("Ordered twice by mistake", "Found it elsewhere", "Delivery takes too long"),
    "refund": ("Arrived damaged", "Wrong size", "Returned unopened"),
}
BY = {"pay": "finance", "refund": "finance", "cancel": "support"}
STREETS = ("Harbour Lane", "Mill Road", "Station Street", "Orchard Avenue", "King's Parade", "Bridge Street")
CITIES = (
    ("Lisbon", "1100-053", "Portugal", "+351 21 555"),
    ("Gothenburg", "411 03", "Sweden", "+46 31 555"),
    ("Lyon", "69002", "France", "+33 4 55 55"),
    ("Graz", "8010", "Austria", "+43 316 555"),
    ("Cork", "T12 XY00", "Ireland", "+353 21 555"),
)
"""City, postal code, country, and how its telephone numbers begin."""
NOTES = (
    "Please ring twice.", "Leave it with the neighbour at no. 12.", "It is a present: no invoice in the box, please.",
    "Deliver after 5 p.m. if you can.\nThe door code is 2204.", "Thanks, I love the mugs!",
)  # fmt: skip
OTHERS = (
    ("Oluwaseun Adébáyò", ""), ("Marguerite Dubois", ""), ("Kenji Tanaka", ""), ("Reception", "Café Orvalho, Lda."),
    ("Goods-in, 2nd floor", "Lindqvist & Döttrar AB"),
)  # fmt: skip
"""Who receives what somebody else ordered: name and company."""


@dataclass(frozen=True)
class Story:
    """One demo order: who ordered what, when, and what became of it."""

    key: str
    user_id: str
    items: list[Item]
    address: Address
    details: placement.Details
    placed_at: datetime
    path: tuple[str, ...]


def stories(now: datetime) -> Iterator[Story]:
    """The same orders each time, spread over the DAYS before `now`."""
    chance = random.Random(2026)  # noqa: S311
    users = [str(customer.user_id) for customer in CUSTOMERS if customer.active]
    plenty = [product for product in PRODUCTS if product.available > 100]
    for number in range(ORDERS):
        age = timedelta(days=DAYS) * (1 - number / ORDERS) * chance.uniform(0.97, 1)
        city, postal_code, country, phone = chance.choice(CITIES)
        # By chances of their own, so that the orders stay the same otherwise.
        said = random.Random(f"said {number}")  # noqa: S311
        recipient, company = said.choice(OTHERS) if said.random() < 0.2 else ("", "")
        yield Story(
            key=f"demo-{number}",
            user_id=chance.choice(users),
            items=[
                Item(product_id=product.product_id, quantity=chance.randint(1, 3), price=Decimal(product.price))
                for product in chance.sample(plenty, chance.choice((1, 1, 2, 2, 3, 4)))
            ],
            address=Address(
                name=recipient,
                company=company,
                line1=f"{chance.randint(1, 180)} {chance.choice(STREETS)}",
                city=city,
                postal_code=postal_code,
                country=country,
            ),
            details=placement.Details(
                contact=Contact(phone=f"{phone} {said.randint(1000, 9999)}" if said.random() < 0.6 else ""),
                reference=f"WEB-{20_000 + number}",
                note=said.choice(NOTES) if said.random() < 0.2 else "",
                metadata={"channel": said.choice(("web", "web", "app"))},
            ),
            placed_at=now - age,
            path=chance.choices(list(PATHS), list(PATHS.values()))[0],
        )


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
            act = Act(_by(transition), at, reason)
            transitions.change_status(order_id=order["_id"], transition=transition, act=act)
    if tuple(story.path) in (PACKED, DELIVERED) and at <= now:
        _live_on(story, order["_id"], min(at + timedelta(hours=1), now))
    expired_at = story.placed_at + timedelta(seconds=settings.UNPAID_ORDER_TTL)
    if not story.path and expired_at <= now and "cancel" not in done:
        act = Act(access.system("settle_stock", via="worker"), expired_at, expiry.reason())
        transitions.change_status(order_id=order["_id"], transition="cancel", act=act)


def _live_on(story: Story, order_id: ObjectId, at: datetime) -> None:
    """Let some orders show a first parcel, a hold, a refund of a part, or a return; each once, by its key."""
    number, key = int(story.key.rpartition("-")[2]), f"{story.key}-more"
    act = Act(_by("ship"), at)
    if story.path == PACKED and number % 2 and sum(item.quantity for item in story.items) > 1:
        tracking = Tracking("DHL Paket", f"0034043416{number:010d}")
        ship(order_id=order_id, lines=[LineRequest(0, 1)], tracking=tracking, act=act, idempotency_key=key)
    elif story.path == PACKED:
        why = replace(act, code="address", reason="The street has no such number; asked the customer")
        hold(order_id=order_id, act=why, idempotency_key=key)
    elif number % 10 == 0:
        why = Act(_by("refund"), at, "A scratch on the lid", "customer")
        refund(order_id=order_id, amount=Decimal("5.00"), act=why, reference=f"RF-{number}", idempotency_key=key)
    elif number % 10 == 1:
        why = replace(act, code="customer", reason="Too large")
        open_return(order_id=order_id, lines=[LineRequest(0, 1)], act=why, idempotency_key=key)


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


def _by(transition: str) -> Actor:
    login = BY.get(transition, "fulfilment")
    return Actor(access.Kind.STAFF, login, "admin", access.every_permission())
