"""What staff should notice about orders, each kind defined once: how it is found, counted, and seen on an order."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any

from bson import Decimal128
from django.conf import settings
from django.db.models import TextChoices
from django.utils.translation import gettext_lazy as _
from django_mongodb_backend.query import wrap_database_errors

from orders.models import EPOCH, LineState, Order, Status
from orders.models.parts import Document
from orders.storage.order_writes import OURS, orders

STOCK_UNKNOWN: Document = {"items.stock.state": LineState.UNKNOWN.value}
"""What the index `unknown_newest` is about."""
NO_MONEY = Decimal128("0")
"""The bound of the index `money_owed`."""
TO_SHIP = (Status.PAID.value, Status.PROCESSING.value)
OPEN = (Status.PENDING.value, *TO_SHIP)


class Alert(TextChoices):
    """The kinds, as a filter or a badge calls them."""

    UNKNOWN = "unknown", _("Unconfirmed stock")
    OWED = "owed", _("Stock release overdue")
    SHORT = "short", _("Short release")
    UNCHECKED = "unchecked", _("Unverified customer, open order")
    UNSHIPPED = "unshipped", _("Paid, not shipped")
    UNPAID = "unpaid", _("Payment overdue")
    UNVERIFIED = "unverified", _("Unverified customer")
    MONEY = "money", _("Money owed")
    HELD = "held", _("On hold")
    SNOOZED = "snoozed", _("Snoozed")


NEEDS_ATTENTION = (Alert.UNKNOWN, Alert.OWED, Alert.SHORT, Alert.UNCHECKED, Alert.UNSHIPPED, Alert.MONEY)
"""These wait for a person: what is not paid in time is cancelled by the worker.

None is raised by an order that was snoozed with it, until that time has come or the state of the order is another
(`WOKEN` in `orders.storage.order_writes`).
"""


@dataclass(frozen=True)
class Rule:
    """One kind of alert.

    :ivar filter: finds its orders.
    :ivar raised: tells the same of an order in hand.
    :ivar index: reads them in the order of their creation.
    :ivar since: the field by which those that have waited longest come first.
    :ivar created_before: none of them was created later, since no order came to its status before: it bounds the walk.
    """

    filter: Document
    raised: Callable[[Order], bool]
    index: str
    since: str = "created_at"
    created_before: datetime | None = None

    @property
    def walked(self) -> Document:
        """The filter for reading by the index."""
        return self.filter | ({"created_at": {"$lt": self.created_before}} if self.created_before else {})


def alert_rules(at: datetime) -> dict[str, Rule]:
    """All the rules, as they are at a moment."""
    rules = _rules(at)
    return rules | {alert: _while_awake(alert, rules[alert], at) for alert in NEEDS_ATTENTION}


def is_asleep(order: Order, at: datetime) -> bool:
    """Whether an order is snoozed."""
    return order.snoozed is not None and order.snoozed.until > at


def _while_awake(alert: Alert, rule: Rule, at: datetime) -> Rule:
    """The rule without the orders that were snoozed with this alert.

    It is tested on the orders that the rule's index finds. That passes by those that are asleep, of which
    `orders.services.reporting.snoozing` allows so many and no more.
    """

    def is_awake(order: Order) -> bool:
        return order.snoozed is None or not is_asleep(order, at) or alert not in order.snoozed.alerts

    asleep: Document = {"snoozed.until": {"$gt": at}, "snoozed.alerts": alert.value}
    return replace(
        rule, filter=rule.filter | {"$nor": [asleep]}, raised=lambda order: rule.raised(order) and is_awake(order)
    )


def _rules(at: datetime) -> dict[str, Rule]:
    """The rules, whoever sleeps."""
    owed, unshipped, unpaid = (
        at - timedelta(seconds=seconds)
        for seconds in (settings.STOCK_OWED_TOO_LONG, settings.SHIP_WITHIN, settings.UNPAID_ORDER_TTL)
    )
    return {
        Alert.UNKNOWN: Rule(
            STOCK_UNKNOWN,
            lambda order: any(item.stock.state == LineState.UNKNOWN for item in order.items),
            "unknown_newest",
        ),
        Alert.OWED: Rule(
            {"stock_due_at": {"$gt": EPOCH}, "status_since": {"$lt": owed}},
            lambda order: order.stock_due_at is not None and _came_before(order, owed),
            "owed_newest",
            "status_since",
            owed,
        ),
        Alert.SHORT: Rule(
            # Its index is by creation alone: without a condition on that it is not looked at where nothing is sorted.
            {"items.stock.discrepancy": {"$gt": 0}, "created_at": {"$gt": EPOCH}},
            lambda order: any((item.stock.discrepancy or 0) > 0 for item in order.items),
            "short_newest",
        ),
        Alert.UNCHECKED: Rule(
            {"user_verified": False, "status": {"$in": list(OPEN)}},
            lambda order: not order.user_verified and order.status in OPEN,
            "unverified_newest",
        ),
        Alert.UNSHIPPED: Rule(
            {"status": {"$in": list(TO_SHIP)}, "status_since": {"$lt": unshipped}},
            lambda order: order.status in TO_SHIP and _came_before(order, unshipped),
            "status_newest",
            "status_since",
            unshipped,
        ),
        Alert.UNPAID: Rule(
            {"status": Status.PENDING.value, "created_at": {"$lt": unpaid}},
            lambda order: order.status == Status.PENDING and order.created_at < unpaid,
            "status_newest",
        ),
        Alert.UNVERIFIED: Rule({"user_verified": False}, lambda order: not order.user_verified, "unverified_newest"),
        # The indexes of these are by creation, too: see SHORT.
        Alert.MONEY: Rule(
            {"owed": {"$gt": NO_MONEY}, "created_at": {"$gt": EPOCH}}, lambda order: bool(order.owed), "money_owed"
        ),
        Alert.HELD: Rule(
            {"held_at": {"$gt": EPOCH}, "created_at": {"$gt": EPOCH}},
            lambda order: order.held_at is not None,
            "held_newest",
        ),
        Alert.SNOOZED: Rule(
            {"snoozed.until": {"$gt": at}},
            lambda order: is_asleep(order, at),
            "snoozed",
            "snoozed.until",
        ),
    }


def _came_before(order: Order, moment: datetime) -> bool:
    """Whether an order came to its status before a moment."""
    return order.status_since is not None and order.status_since < moment


def raised(order: Order, at: datetime) -> list[Alert]:
    """The alerts of an order, as the queries would find it."""
    return [Alert(alert) for alert, rule in alert_rules(at).items() if rule.raised(order)]


def raised_whoever_sleeps(order: Order, at: datetime) -> list[Alert]:
    """The alerts that an order would have if it were not snoozed."""
    return [Alert(alert) for alert, rule in _rules(at).items() if rule.raised(order)]


FIELDS: Mapping[str, Any] = dict.fromkeys(
    (
        *("number", "user_id", "user_verified", "status", "version", "total_price", "items.product_id"),
        *("currency", "contact.name", "contact.email", "items.name", "items.quantity", "items.stock"),
        *(
            "created_at",
            "status_since",
            "stock_due_at",
            "held_at",
            "owed",
            "paid",
            "refunded",
            "paid_at",
            "shipments.at",
        ),
        *("snoozed.until", "snoozed.reason", "snoozed.actor", "snoozed.alerts", "assignee"),
    ),
    1,
) | {
    # When a line became unknown stands in the history, of which nothing else is wanted here.
    "history": {
        "$filter": {"input": "$history", "as": "entry", "cond": {"$eq": ["$$entry.to", LineState.UNKNOWN.value]}}
    }
}


@wrap_database_errors
def longest_waiting(alert: Alert, at: datetime, limit: int) -> list[Document]:
    """The orders that have waited longest, with FIELDS."""
    rule = alert_rules(at)[alert]
    return orders().find(rule.filter | OURS, FIELDS).sort(rule.since, 1).limit(limit).to_list()


def since(alert: Alert, at: datetime) -> str:
    """The field by which :func:`longest_waiting` sorts."""
    return alert_rules(at)[alert].since


@wrap_database_errors
def count(alert: Alert, at: datetime, most: int) -> int:
    """How many orders have it; `most` where there are as many or more."""
    return orders().count_documents(alert_rules(at)[alert].filter, limit=most)


@wrap_database_errors
def count_of_any(at: datetime, most: int) -> int:
    """How many orders need attention, each counted once, by one read; `most` where there are as many or more.

    Of one `$or` for all alerts mongod would keep the plan of each branch unseen, however badly it fits later.
    """
    rules = alert_rules(at)
    first, *others = (_first_of(rules[alert], most) for alert in NEEDS_ATTENTION)
    pipeline: list[Document] = [
        *first,
        *({"$unionWith": {"coll": orders().name, "pipeline": other}} for other in others),
        *({"$group": {"_id": "$_id"}}, {"$limit": most}, {"$count": "orders"}),
    ]
    return sum(row["orders"] for row in orders().aggregate(pipeline))


def _first_of(rule: Rule, most: int) -> list[Document]:
    return [{"$match": rule.filter}, {"$limit": most}, {"$project": {"_id": 1}}]
