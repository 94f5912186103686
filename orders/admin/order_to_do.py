"""What is to be done with an order, for whoever reads its page: its alerts, and the transitions that they may make."""

from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal

from django.utils.translation import gettext as _

from orders.admin import labels, part_facts
from orders.admin.local_formats import exact
from orders.admin.money_format import money
from orders.models import PUBLIC_STATUSES, Item, LineState, Order, Snooze, condition_words, edges_from
from orders.services.access import Actor
from orders.services.audit import REASON_NEEDED
from orders.services.fulfilment.overview import balance_of
from orders.services.order_queries import Alert, raised

SAID_ELSEWHERE = (Alert.UNCHECKED, Alert.HELD)
"""Alerts that another one, or a place of its own on the page, tells more about."""


@dataclass(frozen=True)
class Step:
    """A transition that the order's status allows. A `dangerous` one has no way back and asks for a reason.

    :ivar blocked: why a condition refuses it as the order is now; empty where none does.
    """

    name: str
    label: str
    consequence: str
    dangerous: bool
    blocked: str = ""


@dataclass(frozen=True)
class Next:
    """What is to be done with an order, by its alerts and by what its status allows.

    :ivar step: the transition that takes it on, for this reader; `others` the rest of what they may make.
    :ivar waits_for: what that transition is called, where it is up to somebody else.
    """

    flags: list[str]
    step: Step | None
    others: list[Step]
    waits_for: str


def to_do(order: Order, actor: Actor, now: datetime) -> Next:
    """What is to be done with an order now, for this reader."""
    offered = steps(order, actor)
    step = next((step for step in offered if not step.dangerous), None)
    others = [other for other in offered if other is not step]
    onward = [edge.label for edge in edges_from(order.status) if edge.name not in REASON_NEEDED]
    waits = "" if step or order.status not in PUBLIC_STATUSES else next(iter(onward), "")
    return Next(flags(order, now), step, others, waits)


def steps(order: Order, actor: Actor) -> list[Step]:
    """The transitions of the order's status that this actor may make, in the machine's order.

    Once a parcel has left, there is no `cancel`: the items that are left are cancelled instead.
    """
    return [
        Step(
            edge.name,
            edge.label,
            labels.consequence(edge, order.items, _money_told(edge.name, order)),
            edge.name in REASON_NEEDED,
            condition_words(edge, order),
        )
        for edge in edges_from(order.status)
        if actor.may(edge.name, order.user_id) and not (edge.name == "cancel" and order.shipments)
    ]


def _money_told(transition: str, order: Order) -> str:
    balance = balance_of(order)
    if transition == "cancel":
        return part_facts.paid_and_owed(order, balance)
    if transition == "refund" and balance.refunded and balance.left > 0:
        return _("%(amount)s is left to refund.") % {"amount": money(balance.left, order.currency)}
    return ""


def flags(order: Order, now: datetime) -> list[str]:
    """What is not as it should be with an order: its alerts, the same as on the list."""
    unknown, short = len(unknown_lines(order)), sum(item.stock.discrepancy or 0 for item in order.items)
    told = {
        Alert.UNVERIFIED: _("Unverified customer: the user service was unavailable when the order was placed."),
        Alert.UNKNOWN: _("Unconfirmed stock of %(items)s: check inventory, then record the result.")
        % {"items": labels.items(unknown)},
        Alert.MONEY: _("%(amount)s is owed to the customer: pay it back, then record the refund.")
        % {"amount": money(order.owed or Decimal(0), order.currency)},
        Alert.SHORT: _("Short release: %(units)s not returned to stock.") % {"units": labels.units(short)},
        **({Alert.SNOOZED: _snoozed(order.snoozed)} if order.snoozed else {}),
    }
    return [told.get(alert, f"{alert.label}.") for alert in raised(order, now) if alert not in SAID_ELSEWHERE]


def _snoozed(snooze: Snooze) -> str:
    told = {"until": exact(snooze.until), "who": labels.person(snooze.actor), "why": snooze.reason}
    return _("Snoozed until %(until)s by %(who)s: %(why)s") % told


def unknown_lines(order: Order) -> list[tuple[int, Item]]:
    """Index and line of those whose stock waits for a person."""
    return [(index, item) for index, item in enumerate(order.items) if item.stock.state == LineState.UNKNOWN]
