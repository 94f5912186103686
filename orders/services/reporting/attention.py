"""Orders that need attention: by what is to be done about them, how many there are and which have waited longest."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from django.utils.translation import gettext as _

from orders.models import Document
from orders.services.access import Actor, NotPermitted
from orders.services.adoption.adopting import not_adopted
from orders.storage import alerts, time_limit
from orders.storage.alerts import NEEDS_ATTENTION, Alert

SHOWN, COUNTED = 25, 500
"""Of each kind, how many orders are shown (those that have waited longest), and up to how many are counted."""
READING = 2.0
"""Seconds for reading all of them."""


@dataclass(frozen=True)
class Waiting:
    """The orders with one alert.

    :ivar count: how many there are, counted up to COUNTED.
    :ivar orders: those that have waited longest, as :data:`orders.storage.alerts.FIELDS` says.
    :ivar since: the field that says for how long; of those that are snoozed, until when they are.
    """

    alert: Alert
    count: int
    orders: Sequence[Document] = ()
    since: str = ""

    @property
    def more(self) -> bool:
        """Whether there may be more than are counted."""
        return self.count >= COUNTED


def counts(*, actor: Actor, at: datetime) -> list[Waiting]:
    """How many orders need attention, by alert.

    :raises NotPermitted: the actor does not see all orders.
    :raises DatabaseError: also where it takes too long.
    """
    _require_seeing_all(actor)
    with time_limit(READING):
        return [Waiting(alert, alerts.count(alert, at, COUNTED)) for alert in NEEDS_ATTENTION]


def everything(*, actor: Actor, at: datetime) -> list[Waiting]:
    """The orders that need attention, by alert; raises as :func:`counts` does."""
    _require_seeing_all(actor)
    with time_limit(READING):
        return [_waiting(alert, at) for alert in NEEDS_ATTENTION]


def snoozed(*, actor: Actor, at: datetime) -> Waiting:
    """The orders that are snoozed, those first that wake up first; raises as above."""
    _require_seeing_all(actor)
    with time_limit(READING):
        return _waiting(Alert.SNOOZED, at)


def number(*, actor: Actor, at: datetime, most: int, within: float) -> int:
    """How many orders need attention, each counted once, up to `most`.

    :param within: seconds.
    :raises NotPermitted: the actor does not see all orders.
    :raises DatabaseError: also where it takes too long.
    """
    _require_seeing_all(actor)
    with time_limit(within):
        return alerts.count_of_any(at, most)


def _waiting(alert: Alert, at: datetime) -> Waiting:
    found = alerts.longest_waiting(alert, at, SHOWN)
    # What is not cut off is counted already.
    count = alerts.count(alert, at, COUNTED) if len(found) == SHOWN else len(found)
    return Waiting(alert, count, found, alerts.since(alert, at))


def foreign(*, actor: Actor) -> int:
    """How many documents of another service there are among the orders, counted up to COUNTED; raises as above."""
    _require_seeing_all(actor)
    with time_limit(READING):
        return not_adopted(COUNTED)


def _require_seeing_all(actor: Actor) -> None:
    if not actor.sees_all:
        raise NotPermitted(_("You may not see orders that need attention."))
