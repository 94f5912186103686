"""The groups of the attention page: what each alert means, the orders that have it, and what the reader may do."""

from dataclasses import dataclass
from datetime import datetime
from urllib.parse import urlencode

from django.conf import settings
from django.urls import reverse
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _

from orders.admin import labels
from orders.admin.attention_rows import Row, row_of
from orders.admin.list_form import OLDEST
from orders.admin.local_formats import count
from orders.models import transition_label
from orders.services.access import SNOOZE, Actor
from orders.services.order_queries import Alert
from orders.services.reporting import attention
from orders.services.reporting.attention import Waiting

MEANINGS = {
    Alert.UNKNOWN: _("Inventory did not answer, so the outcome has to be checked there. Then record the result here."),
    Alert.OWED: _(
        "Inventory has not confirmed the stock of these orders for over %(owed)s. It is retried automatically: if they "
        "do not get fewer, check that inventory answers and a worker runs."
    ),
    Alert.SHORT: _(
        "Inventory took back fewer units than these orders held. Correct the figures there, then acknowledge here."
    ),
    Alert.UNCHECKED: _("Placed while the user service was unavailable. Verify the customer now, or cancel the order."),
    Alert.UNSHIPPED: _(
        "No progress for over %(unshipped)s. Prepare and ship them; snooze those that wait for something."
    ),
    Alert.MONEY: _(
        "Paid for items that were cancelled or returned. Pay it back, then record the refund on the order’s page."
    ),
    Alert.SNOOZED: _(
        "These need attention again when their time has come, their state changes, or another alert is raised."
    ),
}
"""What an alert means, below its name, and what is to be done."""

FITTING = {Alert.UNSHIPPED: ("start_processing", "ship", "cancel"), Alert.UNCHECKED: ("cancel",)}
"""The transitions that are a way out of an alert, for many orders as for one."""


@dataclass(frozen=True)
class Section:
    """:ivar transitions: those that the reader may make of the selected orders, with their labels."""

    waiting: Waiting
    rows: list[Row]
    transitions: list[tuple[str, str]]
    snoozes: bool

    @property
    def name(self) -> str:
        return self.waiting.alert.value

    @property
    def title(self) -> str:
        return str(self.waiting.alert.label)

    @property
    def count(self) -> str:
        return at_least(self.waiting.count, more=self.waiting.more)

    @property
    def meaning(self) -> str:
        return str(MEANINGS[self.waiting.alert]) % {
            "owed": labels.span(settings.STOCK_OWED_TOO_LONG),
            "unshipped": labels.span(settings.SHIP_WITHIN),
        }

    @property
    def hidden(self) -> bool:
        return self.waiting.count > len(self.rows)

    @property
    def sleeps(self) -> bool:
        return self.waiting.alert is Alert.SNOOZED

    @property
    def selects(self) -> bool:
        """Whether the reader may do anything with several of them."""
        return self.snoozes or bool(self.transitions)

    @property
    def address(self) -> str:
        """Of the list with these orders, those first that were placed first."""
        query = urlencode({"flag": self.name, "sort": OLDEST})
        return f"{reverse('admin:orders_order_changelist')}?{query}"


def at_least(number: int, *, more: bool) -> str:
    """A number as far as it was counted. :param more: there may be more."""
    return gettext("%(count)s or more") % {"count": count(number)} if more else count(number)


def sections(actor: Actor, now: datetime) -> list[Section]:
    """What needs attention, by alert; raises as :func:`orders.services.reporting.attention.everything` does."""
    return [_section(found, actor, now) for found in attention.everything(actor=actor, at=now) if found.orders]


def asleep(actor: Actor, now: datetime) -> Section | None:
    """What is snoozed, if anything is; raises as above."""
    found = attention.snoozed(actor=actor, at=now)
    return _section(found, actor, now) if found.orders else None


def _section(found: Waiting, actor: Actor, now: datetime) -> Section:
    return Section(
        found,
        [row_of(found, order, actor, now) for order in found.orders],
        [(name, transition_label(name)) for name in FITTING.get(found.alert, ()) if actor.may_bulk(name)],
        actor.has(SNOOZE),
    )
