"""The forms about parts of an order that its page offers its reader: parcels, cancelled items, refunds and returns."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from functools import partial
from typing import Any

from django.conf import settings

from orders.admin import part_facts
from orders.admin.money_format import money
from orders.admin.part_facts import Typed
from orders.admin.posted import as_typed
from orders.models import Item, Order, Status, edges_from, statuses_before
from orders.services.access import HOLD, RETURN, Actor
from orders.services.audit import REASON_CODES
from orders.services.fulfilment.overview import Balance, balance_of
from orders.services.fulfilment.parts import is_open
from orders.services.fulfilment.returning import can_come_back
from orders.services.lifecycle.tracking import carriers

FORM_NAMES = {"refund": "refund part"}
"""Forms that are not called by the last part of their address, which a transition is called by."""


@dataclass(frozen=True)
class LineField:
    """A line with an input for how many of its units are meant; `typed` is what stands there."""

    index: int
    number: int
    name: str
    most: int
    price: str
    typed: str


def shown(order: Order, actor: Actor, now: datetime, typed: Typed) -> dict[str, Any]:
    """The parts of an order, the forms about them that its reader may fill in, and the names of these."""
    balance = balance_of(order)
    may = {name: actor.may(name, order.user_id) for name in ("ship", "cancel", "refund")}
    may |= {"return": actor.has(RETURN), "hold": actor.has(HOLD)}
    forms = _forms(order, may, balance, typed)
    can_hold = may["hold"] and order.status in statuses_before("ship") and order.held_at is None
    awaited = [number for number, back in enumerate(order.returns) if back.received_at is None]
    return {
        "forms": forms,
        "names": [
            *(FORM_NAMES.get(name, name) for name, lines in forms.items() if lines),
            *(f"tracking {number}" for number in range(len(order.shipments)) if may["ship"]),
            *(f"receive {number}" for number in awaited if may["return"]),
            *(["hold"] if can_hold else []),
        ],
        "may": may,
        "can_hold": can_hold,
        "parcels": part_facts.parcels(order, now, typed),
        "returns": part_facts.returns(order, now),
        "money": part_facts.ledger(order, now),
        "hold": part_facts.held(order, now),
        "owed_amount": as_typed(balance.owed) if balance.owed > 0 else "",
        "carriers": list(carriers()),
        "codes": list(REASON_CODES.items()),
        "inventory_consumes": settings.INVENTORY_CONSUMES,
    }


def _forms(order: Order, may: Mapping[str, bool], balance: Balance, typed: Typed) -> dict[str, list[LineField]]:
    """By the name of a form, the lines that it may be about; none where it may not be filled in."""
    open_units = sum(item.quantity for item in order.items if item.is_open)
    is_shipping = order.held_at is None and any(edge.name == "ship" for edge in edges_from(order.status))
    is_partial = open_units > 1 or bool(order.shipments)  # the whole of one unit is cancelled by the transition
    offered: dict[str, tuple[bool, Callable[[Item], bool]]] = {
        "ship": (may["ship"] and is_shipping, is_open),
        "cancellation": (may["cancel"] and is_partial and order.status in statuses_before("ship"), is_open),
        "refund": (may["refund"] and balance.left > 0, lambda _item: True),
        "return": (may["return"] and order.status != Status.REFUNDED, partial(can_come_back, order)),
    }
    return {
        name: line_fields(order, eligible, typed(FORM_NAMES.get(name, name)), full=name == "ship") if is_offered else []
        for name, (is_offered, eligible) in offered.items()
    }


def line_fields(
    order: Order, eligible: Callable[[Item], bool], typed: Mapping[str, str] | None, *, full: bool
) -> list[LineField]:
    """:param full: all units of each line are meant unless somebody says otherwise."""
    said = typed or {}
    return [
        LineField(
            index=index,
            number=index + 1,
            name=item.name or item.product_id,
            most=item.quantity,
            price=money(item.price, order.currency),
            typed=said.get(f"quantity_{index}", str(item.quantity) if full else "0"),
        )
        for index in part_facts.in_families(order.items)
        if eligible(item := order.items[index])
    ]
