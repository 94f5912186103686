"""What the demo orders tell: who ordered what and when, what became of it, and which of the staff had a hand in it."""

import random
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal

from integrations.sandbox.catalogue import CUSTOMERS, PRODUCTS
from orders.models import Address, Contact, Item
from orders.services import access
from orders.services.access import Actor
from orders.services.lifecycle import placement

ORDERS = 300
DAYS = 60
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
BY = {"pay": "finance", "refund": "finance", "cancel": "support"}
"""Which login makes a transition; the others are made by whoever ships."""
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


def staff_for(transition: str) -> Actor:
    """Who makes a transition."""
    login = BY.get(transition, "fulfilment")
    return Actor(access.Kind.STAFF, login, "admin", access.every_permission())
