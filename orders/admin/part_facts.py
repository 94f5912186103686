"""What the page of an order shows of its parts: parcels, returns, money, a hold, and what became of each line."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Any

from django.utils.safestring import SafeString
from django.utils.translation import gettext as _

from orders.admin import badges, labels
from orders.admin.labels import Moment, moment, reason_code
from orders.admin.money_format import money
from orders.admin.part_forms import TRACKING
from orders.models import Item, Order, Shipment
from orders.services.fulfilment.overview import (
    Balance,
    balance_of,
    lines_of_return,
    lines_of_shipment,
    refundable_for,
    state_of,
)
from orders.services.lifecycle.tracking import InvalidTracking, Tracking
from orders.services.order_queries import Alert

Typed = Callable[[str], Mapping[str, str] | None]
"""What somebody typed into a form of this name that was refused, by field; None where it was another."""


@dataclass(frozen=True)
class Parcel:
    """A shipment; `number` counts from 1. `given_url` is what somebody gave in place of the carrier's own page."""

    index: int
    number: int
    at: Moment
    carrier: str
    tracking_number: str
    tracking_url: str
    given_url: str
    lines: list[str]
    typed: Mapping[str, str] | None


@dataclass(frozen=True)
class Back:
    """A return; `number` counts from 1. `received` is None while it is on its way."""

    index: int
    key: str
    number: int
    at: Moment
    why: str
    lines: list[str]
    price: str
    received: Moment | None
    restocked: bool | None

    @property
    def badge(self) -> SafeString:
        if not self.received:
            return badges.badge("returning", badges.PARTS["returning"])
        return badges.badge("returned", _("Returned, restocked") if self.restocked else _("Returned, not restocked"))


@dataclass(frozen=True)
class MoneyMoved:
    """A payment or a refund; `about` is its reference, and how it was paid or why it was given back."""

    at: Moment
    amount: str
    about: list[str]


@dataclass(frozen=True)
class Money:
    """What was paid and given back; `owed` and `left` are empty where that is nothing."""

    paid: str
    refunded: str
    owed: str
    left: str
    payments: list[MoneyMoved]
    refunds: list[MoneyMoved]


@dataclass(frozen=True)
class Held:
    why: str
    reason: str
    who: str
    since: Moment

    @property
    def badge(self) -> SafeString:
        return badges.of(Alert.HELD)


def line_state(order: Order, item: Item) -> SafeString:
    """What has become of a line."""
    state = state_of(order, item)
    part = {"shipped": item.shipment, "returning": item.returned_in, "returned": item.returned_in}.get(state)
    if part is None:
        return badges.badge(state, badges.PARTS[state])
    return badges.badge(state, str(badges.NUMBERED_PARTS[state]) % {"number": part + 1})


def in_families(items: Sequence[Item]) -> list[int]:
    """The lines, by index: each followed by those that were split from it."""
    parts: dict[int | None, list[int]] = {}
    for index, item in enumerate(items):
        parts.setdefault(item.split_from, []).append(index)

    def family(index: int) -> list[int]:
        return [index, *(member for part in parts.get(index, ()) for member in family(part))]

    return [member for index in parts.get(None, ()) for member in family(index)]


def split_note(number: int, item: Item) -> list[str]:
    """Which line a split one was a part of; counted from 1, as the timeline does."""
    if item.split_from is None:
        return []
    return [_("Item %(number)s, split from item %(whole)s") % {"number": number, "whole": item.split_from + 1}]


def parcels(order: Order, now: datetime, typed: Typed) -> list[Parcel]:
    return [
        Parcel(
            index=number,
            number=number + 1,
            at=moment(shipment.at, now),
            **{name: getattr(shipment, name) for name in TRACKING},
            given_url=_given_url(shipment),
            lines=_described(order, lines_of_shipment(order, number)),
            typed=typed(f"tracking {number}"),
        )
        for number, shipment in enumerate(order.shipments)
    ]


def _given_url(shipment: Shipment) -> str:
    """The address of a parcel's page, unless it is the one that follows from the carrier and the number."""
    try:
        derived = Tracking(shipment.carrier, shipment.tracking_number).shown()["tracking_url"]
    except InvalidTracking:
        derived = ""
    return "" if shipment.tracking_url == derived else shipment.tracking_url


def returns(order: Order, now: datetime) -> list[Back]:
    return [
        Back(
            index=number,
            key=str(number),
            number=number + 1,
            at=moment(back.at, now),
            why=reason_code(back.code),
            lines=_described(order, lines_of_return(order, number)),
            price=_refundable(order, number),
            received=moment(back.received_at, now) if back.received_at else None,
            restocked=back.restocked,
        )
        for number, back in enumerate(order.returns)
    ]


def _refundable(order: Order, number: int) -> str:
    """What can be given back for a return; empty where nothing is left."""
    return _unless_zero(refundable_for(order, number), order)


def ledger(order: Order, now: datetime) -> Money | None:
    """None for an order that was never paid."""
    balance = balance_of(order)
    if not balance.paid:
        return None
    return Money(
        paid=money(balance.paid, order.currency),
        refunded=money(balance.refunded, order.currency),
        owed=_unless_zero(balance.owed, order),
        left=_unless_zero(balance.left, order),
        payments=_moved(order, order.payments, now, lambda entry: (entry.reference, entry.method)),
        refunds=_moved(order, order.refunds, now, lambda entry: (entry.reference, reason_code(entry.code))),
    )


def _unless_zero(amount: Decimal, order: Order) -> str:
    return money(amount, order.currency) if amount > 0 else ""


def _moved(
    order: Order, entries: Iterable[Any], now: datetime, about: Callable[[Any], Sequence[str]]
) -> list[MoneyMoved]:
    return [
        MoneyMoved(moment(entry.at, now), money(entry.amount, order.currency), [text for text in about(entry) if text])
        for entry in entries
    ]


def held(order: Order, now: datetime) -> Held | None:
    if order.held_at is None or order.hold is None:
        return None
    hold = order.hold
    return Held(reason_code(hold.code), hold.reason, labels.person(hold.actor), moment(order.held_at, now))


def paid_and_owed(order: Order, balance: Balance | None = None) -> str:
    """What cancelling an order means for its money, before it is done; empty where nothing was paid."""
    left = (balance or balance_of(order)).left
    if left <= 0:
        return ""
    told = _("%(amount)s has been paid and will be owed to the customer.")
    return told % {"amount": money(left, order.currency)}


def _described(order: Order, lines: Sequence[int]) -> list[str]:
    """Lines, by index, in words: how many of what."""
    return [str(order.items[line]) for line in lines]
