"""Demo data: a shop that has been busy for 60 days, for development on the sandbox peers.

The orders are placed and worked by the same services as real ones, only earlier: so their stock is reserved in the
sandbox exactly as their lines say, and `reconcile` finds no difference. Loading goes on where it was interrupted.
Only where the database and the peers are stand-ins: `refuse_real_systems` is the first thing that a loader calls.
"""

import os
import random
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal
from functools import partial
from typing import Any
from urllib.parse import urljoin

import requests
from django.conf import settings
from django.contrib.auth.models import Group, User
from pymongo.database import Database
from tenacity import RetryCallState, Retrying, retry_if_exception_type, stop_after_delay, wait_fixed

from devtools.real_systems import real_systems
from integrations import Deadline
from integrations.sandbox.catalogue import CUSTOMERS, PRODUCTS, seed
from integrations.sandbox.control import Control
from orders.models import Address, Document, Item
from orders.services import access
from orders.services.access import Actor
from orders.services.audit import Act
from orders.services.lifecycle import expiry, placement, transitions
from orders.services.lifecycle.idempotency_keys import KeyInUse
from orders.services.stock.worker import settle_due
from orders.storage.database import database
from orders_project.demo_logins import STAFF, SUPERUSER

ORDERS = 300
DAYS = 60
MARKER = {"_id": "demo orders"}
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
REASONS = {
    "cancel": ("Ordered twice by mistake", "Found it elsewhere", "Delivery takes too long"),
    "refund": ("Arrived damaged", "Wrong size", "Returned unopened"),
}
BY = {"pay": "finance", "refund": "finance", "cancel": "support"}
STREETS = ("Harbour Lane", "Mill Road", "Station Street", "Orchard Avenue", "King's Parade", "Bridge Street")
CITIES = (("Lisbon", "1100-053"), ("Gothenburg", "411 03"), ("Lyon", "69002"), ("Graz", "8010"), ("Cork", "T12 XY00"))


@dataclass(frozen=True)
class Story:
    """One demo order: who ordered what, when, and what became of it."""

    key: str
    user_id: str
    items: list[Item]
    address: Address
    placed_at: datetime
    path: tuple[str, ...]


class RealSystemError(Exception):
    """Something real would be written to; the message is one sentence."""


class NoSandboxError(Exception):
    """The sandbox is needed, and does not answer; the message says where."""


def refuse_real_systems() -> None:
    """Make sure that the database is the embedded one, and that no setting names a peer.

    :raises RealSystemError: they are not.
    """
    if real := real_systems(os.environ):
        raise RealSystemError(
            f"this is for the embedded database and the sandbox peers alone, and what {' and '.join(real)} "
            f"{'name' if len(real) > 1 else 'names'} may be real; nothing was written"
        )


def find_sandbox() -> None:
    """Make sure that it is the sandbox which answers at the address of each peer; asking changes nothing there.

    :raises NoSandboxError: it is something else, or nothing.
    """
    for url in {settings.USER_SERVICE_URL, settings.PRODUCT_SERVICE_URL, settings.INVENTORY_SERVICE_URL}:
        try:
            answer = requests.get(urljoin(url, "/control"), timeout=5)
        except requests.RequestException as error:
            raise NoSandboxError(f"{url}: {type(error).__name__}") from error
        if answer.status_code != 200 or b'"honour"' not in answer.content:
            raise NoSandboxError(f"{url} is something else")


def prepare() -> None:
    """Make what is missing of catalogue, customers, stock and logins. Safe to repeat."""
    seed(Control(_sandbox_database()))
    make_logins()


def make_logins() -> None:
    """Make what is missing of the staff's logins."""
    if not User.objects.filter(username=SUPERUSER).exists():
        User.objects.create_superuser(SUPERUSER, password=SUPERUSER)
    for login, role in STAFF.items():
        if not User.objects.filter(username=login).exists():
            user = User.objects.create_user(login, password=login, is_staff=True)
            user.groups.add(Group.objects.get(name=role))


def is_loaded() -> bool:
    """Tell whether the demo orders are all there."""
    return _sandbox_database()["demo"].find_one(MARKER) is not None


def load_orders(now: datetime) -> int:
    """Place the demo orders, up to `now`, and take them on their ways.

    :returns: how many orders there are.
    :raises PeerUnavailable: the sandbox does not answer; what is there stays, and the next call goes on.
    """
    stories = list(_stories(now))
    with ThreadPoolExecutor(4) as threads:
        list(threads.map(partial(_live, now=now), stories))
    _sandbox_database()["demo"].replace_one(MARKER, MARKER, upsert=True)
    return len(stories)


def _sandbox_database() -> Database[dict[str, Any]]:
    return database().client[settings.SANDBOX_MONGODB_DB]  # type: ignore[misc]  # a development setting


def _stories(now: datetime) -> Iterator[Story]:
    chance = random.Random(2026)  # noqa: S311
    users = [str(customer.user_id) for customer in CUSTOMERS if customer.active]
    plenty = [product for product in PRODUCTS if product.available > 100]
    for number in range(ORDERS):
        age = timedelta(days=DAYS) * (1 - number / ORDERS) * chance.uniform(0.97, 1)
        city, postal_code = chance.choice(CITIES)
        yield Story(
            key=f"demo-{number}",
            user_id=chance.choice(users),
            items=[
                Item(product_id=product.product_id, quantity=chance.randint(1, 3), price=Decimal(product.price))
                for product in chance.sample(plenty, chance.choice((1, 1, 2, 2, 3, 4)))
            ],
            address=Address(
                line1=f"{chance.randint(1, 180)} {chance.choice(STREETS)}",
                city=city,
                postal_code=postal_code,
                country="Europe",
            ),
            placed_at=now - age,
            path=chance.choices(list(PATHS), list(PATHS.values()))[0],
        )


def _live(story: Story, now: datetime) -> None:
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
        act=Act(access.customer(story.user_id), story.placed_at),
        idempotency_key=story.key,
        deadline=Deadline.after(PLACEMENT_TIMEOUT),
    ).order


def _by(transition: str) -> Actor:
    login = BY.get(transition, "fulfilment")
    return Actor(access.Kind.STAFF, login, "admin", access.every_permission())
