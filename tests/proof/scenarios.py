"""What is done while the process may die at any step: each scenario has a quiet beginning and a deadly act."""

import os
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import requests
from bson import ObjectId
from django.conf import settings
from django.test.utils import override_settings
from django.utils import timezone

from orders.models import Address, Item
from orders.services import access
from orders.services.audit import Act
from orders.services.events import webhooks
from orders.services.events.delivering import deliver
from orders.services.fulfilment.cancelling import cancel_lines
from orders.services.fulfilment.parts import LineRequest
from orders.services.fulfilment.refunding import refund
from orders.services.fulfilment.returning import open_return, receive_return
from orders.services.fulfilment.shipping import ship
from orders.services.lifecycle import placement, transitions
from orders.services.lifecycle.tracking import Tracking
from orders.services.stock.worker import settle_order
from orders.storage import event_feed, product_leases
from orders.storage.database import collection
from orders.storage.event_feed import feed
from orders.storage.order_writes import orders
from tests.feed_invariants import tell_all
from tests.proof.consumer import FAULTS
from tests.proof.steps import Steps

PRICE = "12.50"
QUANTITIES = (2, 3)
PARTS = (LineRequest(0, 1), LineRequest(1, 2))
"""Of each line there is more."""
REFUND = Decimal("10.00")
STOCK = 20
NEIGHBOURS = 1_000_000
"""The number of a case's neighbour is so much higher."""
SLOW = 0.5
"""Seconds for which a stalling peer stalls: longer than any timeout of the runs."""

ANSWERS: dict[str, dict[str, Any] | None] = {
    "success": None,
    "refused": {"kind": "status", "status": 400},
    "error": {"kind": "status", "status": 500},
    "not acted": {"kind": "status", "status": 503},
    "timeout before acting": {"kind": "stall_before", "seconds": SLOW},
    "timeout after acting": {"kind": "stall_after", "seconds": SLOW},
    "dropped before acting": {"kind": "drop_before"},
    "dropped after acting": {"kind": "drop_after"},
    "garbage": {"kind": "garbage"},
}
AMID: dict[str, dict[str, Any] | None] = {
    "success": None,
    "slow inside": {"kind": "stall_inside", "seconds": 2 * SLOW},
    "dropped after acting": {"kind": "drop_after"},
}
"""Answers of an inventory that is not atomic: what is new about it is what others do meanwhile."""


FEW = 5
"""Orders of one pass of telling."""


class Abandoned(BaseException):
    """Raised in the place of a death, where the process is to live on."""


@dataclass(frozen=True)
class Case:
    """One run: a scenario, what inventory answers in it, and after which step the process dies (0: it lives)."""

    number: int
    scenario: str
    answer: str
    keys: bool
    deadly: int = 0

    @property
    def user_id(self) -> str:
        return str(1000 + self.number)

    @property
    def neighbour(self) -> "Case":
        """Somebody else, who wants one unit of the first product as soon as this case's process has died or is done."""
        return replace(self, number=NEIGHBOURS + self.number)

    @property
    def products(self) -> tuple[str, str]:
        """Two products that no other case touches, but for its neighbour."""
        number = 2 * (self.number % NEIGHBOURS)
        return f"{0xA:08x}{number:016x}", f"{0xA:08x}{number + 1:016x}"

    @property
    def hook(self) -> str:
        """The path under which the case's webhook is taken."""
        return f"/case-{self.number}"

    @property
    def key(self) -> str:
        return f"key-{self.number}"


class Control:
    """The sandbox, told over HTTP what to do to one case's products."""

    def __init__(self, root: str) -> None:
        self._root = f"{root}/control"

    def prepare(self, case: Case) -> None:
        for user_id in (case.user_id, case.neighbour.user_id):
            self._put(f"users/{user_id}", {"email": "a@example.com", "full_name": "A", "active": True})
        for product in case.products:
            self._put(f"products/{product}", {"name": "P", "price": PRICE, "category": "", "available": STOCK})

    def fail(self, case: Case) -> None:
        """From now on the first product's reserves and releases get the case's answer."""
        fault = (ANSWERS | AMID)[case.answer]
        operations = ["reserve", "release"] if fault and case.scenario not in WITHOUT_INVENTORY else []
        if case.scenario == "settling a draft" and case.keys and case.answer == "refused":
            # The reserve has acted: a peer that honours keys repeats its answer. One that refuses now would be lying.
            operations.remove("reserve")
        for operation in operations:
            self._send("POST", "faults", {**(fault or {}), "operation": operation, "product_id": case.products[0]})

    def hold_back(self, case: Case) -> None:
        """Inventory says of this case's releases that it did not act."""
        for product in case.products:
            body = {"kind": "status", "status": 503, "operation": "release", "product_id": product, "times": 1}
            self._send("POST", "faults", body)

    def _put(self, path: str, body: dict[str, Any]) -> None:
        self._send("PUT", path, body)

    def _send(self, method: str, path: str, body: dict[str, Any]) -> None:
        requests.request(method, f"{self._root}/{path}", json=body, timeout=60).raise_for_status()


UNHURRIED = {
    "PEER_CONNECT_TIMEOUT": 10.0,
    "PEER_READ_TIMEOUT": 10.0,
    "INVENTORY_WRITE_TIMEOUT": 10.0,
    "REQUEST_DEADLINE": 90.0,
    "STOCK_LEASE": 120.0,
}


def place(case: Case, quantities: Sequence[int] = QUANTITIES) -> dict[str, Any]:
    """Place the case's order, by its key."""
    items = [Item(product_id=p, quantity=q, price=Decimal(PRICE)) for p, q in zip(case.products, quantities)]  # noqa: B905
    address = Address(line1="1 Long Street", city="Springfield", postal_code="1", country="Freedonia")
    act = Act(access.customer(case.user_id), timezone.now())
    return placement.place_order(
        user_id=case.user_id, items=items, shipping_address=address, act=act, idempotency_key=case.key
    ).order


def _placed(case: Case) -> dict[str, Any]:
    """Place it without hurry: this is before the case begins, and a busy machine is no part of it."""
    with override_settings(**UNHURRIED):
        return place(case)


def change(order: dict[str, Any], transition: str) -> dict[str, Any]:
    return transitions.change_status(order_id=order["_id"], transition=transition, act=_by_staff())


def _by_staff() -> Act:
    return Act(access.admin("boss"), timezone.now(), "proof")


def _settle(order_id: ObjectId) -> None:
    settle_order(order_id=order_id, act=Act(access.system("settle_stock", via="worker"), timezone.now(), "proof"))


def placing(case: Case, control: Control, steps: Steps) -> Callable[[], Any]:
    return lambda: place(case)


def cancelling(case: Case, control: Control, steps: Steps) -> Callable[[], Any]:
    order = _placed(case)
    return lambda: change(order, "cancel")


def refunding(case: Case, control: Control, steps: Steps) -> Callable[[], Any]:
    order = change(_placed(case), "pay")
    return lambda: change(order, "refund")


def cancelling_parts(case: Case, control: Control, steps: Steps) -> Callable[[], Any]:
    order = change(_placed(case), "pay")
    return lambda: cancel_lines(order_id=order["_id"], lines=PARTS, act=_by_staff())


def shipping_parts(case: Case, control: Control, steps: Steps) -> Callable[[], Any]:
    order = change(change(_placed(case), "pay"), "start_processing")
    return lambda: ship(order_id=order["_id"], lines=PARTS, tracking=Tracking("UPS", "1Z"), act=_by_staff())


def refunding_a_part(case: Case, control: Control, steps: Steps) -> Callable[[], Any]:
    order = change(_placed(case), "pay")
    return lambda: refund_part(case, order["_id"])


def refund_part(case: Case, order_id: ObjectId) -> dict[str, Any]:
    """Give a part of the case's order back, by the case's key."""
    return refund(order_id=order_id, amount=REFUND, idempotency_key=case.key, act=_by_staff()).order


def restocking_parts(case: Case, control: Control, steps: Steps) -> Callable[[], Any]:
    order = _placed(case)
    for transition in ("pay", "start_processing", "ship"):
        change(order, transition)
    open_return(order_id=order["_id"], lines=PARTS, act=_by_staff())
    return lambda: receive_return(order_id=order["_id"], number=0, restock=True, act=_by_staff())


def settling_a_release(case: Case, control: Control, steps: Steps) -> Callable[[], Any]:
    order = _placed(case)
    control.hold_back(case)
    change(order, "cancel")
    time.sleep(2 * settings.STOCK_RETRY_MAX_DELAY)
    return lambda: _settle(order["_id"])


def settling_a_draft(case: Case, control: Control, steps: Steps) -> Callable[[], Any]:
    """A draft whose process died just after the first reserve was answered, long ago."""

    def abandon() -> None:
        raise Abandoned

    steps.arm(lambda _number, name: name == "after POST reserve", abandon)
    try:
        _placed(case)
    except Abandoned:
        pass
    finally:
        steps.disarm()
    found = orders().find_one({"user_id": case.user_id}, {"items": 1})
    assert found is not None
    past = datetime.now(UTC) - timedelta(seconds=1)
    ends = {f"items.{line}.stock.attempt.until": past for line in range(len(found["items"]))}
    orders().update_one({"_id": found["_id"]}, {"$set": {"stock_due_at": past, **ends}})
    held = {"_id": {"$in": list(case.products)}}
    collection(product_leases.COLLECTION).update_many(held, {"$set": {"until": past}})
    return lambda: _settle(found["_id"])


def telling(case: Case, control: Control, steps: Steps) -> Callable[[], Any]:
    """As though the lease did not hold: all that are at it at the same time tell."""
    change(_placed(case), "pay")
    return lambda: tell_all(limit=FEW)


def telling_in_pieces(case: Case, control: Control, steps: Steps) -> Callable[[], Any]:
    """Each event is appended by a command of its own: who dies between two leaves a page half appended."""
    change(_placed(case), "pay")
    append = event_feed.append

    def in_pieces(events: Sequence[dict[str, Any]]) -> None:
        for event in events:
            append([event])

    event_feed.append = in_pieces
    return lambda: tell_all(limit=FEW)


def delivering(case: Case, control: Control, steps: Steps) -> Callable[[], Any]:
    fault = f"?first={FAULTS[case.answer]}" if case.answer in FAULTS else ""
    webhooks.MOST_ENDPOINTS = 10**6
    url = f"{os.environ['CONSUMER']}{case.hook}{fault}"
    placed = change(_placed(case), "pay")
    tell_all()
    made = webhooks.create_endpoint(url=url, actor=access.admin("boss"), at=timezone.now()).endpoint
    [first, _] = feed().find({"order_id": placed["_id"]}, {"_id": 1}).sort("_id", 1).to_list()
    webhooks.replay(made.pk, after=first["_id"] - 1, actor=access.admin("boss"))
    return lambda: deliver(made.pk)


SCENARIOS: dict[str, Callable[[Case, Control, Steps], Callable[[], Any]]] = {
    "placing": placing,
    "cancelling": cancelling,
    "refunding": refunding,
    "cancelling parts": cancelling_parts,
    "shipping parts": shipping_parts,
    "refunding a part": refunding_a_part,
    "restocking parts": restocking_parts,
    "settling a release": settling_a_release,
    "settling a draft": settling_a_draft,
    "telling": telling,
    "telling, the page in pieces": telling_in_pieces,
    "delivering": delivering,
}
WITHOUT_INVENTORY = {
    "shipping parts": ("success",),
    "refunding a part": ("success",),
    "telling": ("success",),
    "telling, the page in pieces": ("success",),
    "delivering": ("success", *FAULTS),
}
"""Scenarios in which inventory has no part, and what the consumer of webhooks answers in them at first."""
