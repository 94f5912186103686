"""Snoozing: orders leave staff alone until a moment, with the alerts that they have now.

An order is awake again once that moment has come, somebody wakes it up, or its state is another: its status, the stock
of its lines, or what is owed to the customer (`WOKEN` in `orders.storage.order_writes`). An alert that it did not have
when it was snoozed is raised all the same.
"""

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from bson import ObjectId
from django.utils.translation import gettext as _
from django.utils.translation import gettext_noop

from orders.models import Document, Order
from orders.services.access import SNOOZE, NotPermitted, OrderNotFound
from orders.services.audit import Act
from orders.services.days import local
from orders.services.errors import OrderError, RefusalKind
from orders.services.lifecycle.versions import tried
from orders.services.words import in_english
from orders.storage import alerts, order_lists
from orders.storage.alerts import NEEDS_ATTENTION, Alert
from orders.storage.order_writes import STATE, as_read, guarded_write

SNOOZED = gettext_noop("Until %(moment)s: %(alerts)s")
LONGEST = timedelta(days=90)
MOST_AT_ONCE = 100
MOST_ASLEEP = 1_000
"""Reads of what needs attention pass by the orders that are asleep: so they read so many more at most."""


class InvalidSnooze(OrderError):
    """It would end in the past or too late, or it names too few or too many orders."""

    code = "invalid_snooze"
    kind = RefusalKind.INVALID


class NothingToSnooze(OrderError):
    """The order does not need attention."""

    code = "nothing_to_snooze"
    kind = RefusalKind.CONFLICT


class NotSnoozed(OrderError):
    """The order is not snoozed."""

    code = "not_snoozed"
    kind = RefusalKind.CONFLICT


class TooManySnoozed(OrderError):
    """So many orders are snoozed that nobody would look after them."""

    code = "too_many_snoozed"
    kind = RefusalKind.CONFLICT


@dataclass(frozen=True)
class Done:
    """What became of the orders.

    :ivar changed: how many are as was asked for.
    :ivar skipped: how many are not, by the reason.
    """

    changed: int
    skipped: Mapping[str, int]


def snooze(*, order_ids: Sequence[ObjectId], until: datetime, act: Act) -> Done:
    """Snooze orders, with the alerts that each of them has; one that was snoozed before is snoozed anew.

    :param until: aware; after the act, by LONGEST at most.
    :raises NotPermitted, ReasonMissing, InvalidSnooze, TooManySnoozed: before anything is changed.
    :raises DatabaseError: some may have been snoozed.
    """
    _require(act, order_ids)
    act.require_reason(_("Add a reason: your colleagues will ask why nobody looked at these orders."))
    if not act.at < until <= act.at + LONGEST:
        problem = _("Choose a time in the next %(days)s days.") % {"days": LONGEST.days}
        raise InvalidSnooze(problem, errors={"until": [problem]})
    asleep = alerts.count(Alert.SNOOZED, act.at, MOST_ASLEEP)
    if asleep + len(order_ids) > MOST_ASLEEP and asleep + _awake(order_ids, act.at) > MOST_ASLEEP:
        raise TooManySnoozed(
            _("At most %(most)s orders can be snoozed at the same time. Wake some up first.") % {"most": MOST_ASLEEP}
        )

    def write(order: Order) -> Document | None:
        had = [alert for alert in alerts.raised_whoever_sleeps(order, act.at) if alert in NEEDS_ATTENTION]
        if not had:
            raise NothingToSnooze(_("it does not need attention any more"))
        with in_english():
            names = ", ".join(str(alert.label) for alert in had)
        told = SNOOZED % {"moment": f"{local(until):%Y-%m-%d %H:%M %Z}", "alerts": names}
        values = {"until": until, "reason": act.reason, "actor": act.actor.label, "alerts": [*map(str, had)]}
        # Nobody may have written in between, not even the outcome of a call: the alerts are those of what was read.
        return guarded_write(
            order.pk,
            guard=as_read(order) | {"write_id": order.write_id or {"$in": [None, ""]}},
            entries=[act.entry("snooze", detail=told)],
            seen_at=act.at,
            then=[{"$set": {"snoozed": {"$mergeObjects": [{"$literal": values}, STATE]}}}],
        )

    return _each(order_ids, write)


def wake(*, order_ids: Sequence[ObjectId], act: Act) -> Done:
    """Let snoozed orders need attention again.

    :raises NotPermitted, InvalidSnooze: before anything is changed.
    :raises DatabaseError: some may have been woken up.
    """
    _require(act, order_ids)

    def write(order: Order) -> Document | None:
        if not alerts.is_asleep(order, act.at):
            raise NotSnoozed(_("it is not snoozed any more"))
        return guarded_write(
            order.pk, guard=as_read(order), entries=[act.entry("wake")], unset=["snoozed"], seen_at=act.at
        )

    return _each(order_ids, write)


def _require(act: Act, order_ids: Sequence[ObjectId]) -> None:
    if not act.actor.sees_all:
        raise NotPermitted(_("You may not see orders that need attention."))
    act.actor.require(SNOOZE)
    if not 0 < len(order_ids) <= MOST_AT_ONCE:
        problem = _("Select between 1 and %(most)s orders.") % {"most": MOST_AT_ONCE}
        raise InvalidSnooze(problem, errors={"orders": [problem]})


def _awake(order_ids: Sequence[ObjectId], at: datetime) -> int:
    """How many of these orders are not asleep."""
    return len(order_ids) - sum(alerts.is_asleep(order, at) for order in order_lists.orders_with_ids(order_ids))


def _each(order_ids: Sequence[ObjectId], write: Callable[[Order], Document | None]) -> Done:
    """Change each order; one that cannot be does not stop the others."""
    skipped: Counter[str] = Counter()
    for order_id in order_ids:
        try:
            _change(order_id, write)
        except OrderError as error:
            skipped[error.detail] += 1
    return Done(len(order_ids) - skipped.total(), skipped)


def _change(order_id: ObjectId, write: Callable[[Order], Document | None]) -> None:
    def change() -> Document | None:
        found = order_lists.orders_with_ids([order_id])
        if not found:
            raise OrderNotFound(_("it does not exist"))
        return write(found[0])

    tried(change)
