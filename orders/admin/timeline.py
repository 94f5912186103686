"""An order's history for people, a sentence for each entry, by days of the shop's zone; and what machines noted."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from decimal import Decimal
from itertools import groupby
from typing import Any

from django.utils.formats import date_format
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, ngettext, pgettext

from orders.admin import labels, replacement
from orders.admin.labels import Moment, moment, reason_code
from orders.admin.local_formats import count, exact
from orders.admin.money_format import money
from orders.models import HistoryEntry, Order, Payment, Refund
from orders.services.access import ADDRESS_CHANGED, Kind
from orders.services.days import day_of, local
from orders.services.stored_texts import for_reader

SENTENCES = {
    "draft": gettext_lazy("%(who)s began the order."),
    "import": gettext_lazy("%(who)s imported the order."),
    "adopt": gettext_lazy("%(who)s took the order over from another service."),
    "place": gettext_lazy("%(who)s placed the order."),
    "reject": gettext_lazy("%(who)s rejected the draft."),
    "pay": gettext_lazy("%(who)s marked the order as paid."),
    "start_processing": gettext_lazy("%(who)s started processing the order."),
    "ship": gettext_lazy("%(who)s marked the order as shipped."),
    "deliver": gettext_lazy("%(who)s marked the order as delivered."),
    "cancel": gettext_lazy("%(who)s cancelled the order."),
    "refund": gettext_lazy("%(who)s marked the order as refunded."),
    "ship_part": gettext_lazy("%(who)s shipped a parcel."),
    "track": gettext_lazy("%(who)s changed the tracking of a parcel."),
    "cancel_part": gettext_lazy("%(who)s cancelled items."),
    "refund_part": gettext_lazy("%(who)s recorded a refund."),
    "open_return": gettext_lazy("%(who)s opened a return."),
    "receive_return": gettext_lazy("%(who)s received a return."),
    "hold": gettext_lazy("%(who)s put the order on hold."),
    "lift_hold": gettext_lazy("%(who)s lifted the hold."),
    "change_address": gettext_lazy("%(who)s changed the shipping address."),
    "note": gettext_lazy("%(who)s added an internal note."),
    "snooze": gettext_lazy("%(who)s snoozed the order."),
    "wake": gettext_lazy("%(who)s woke the order up."),
    "assign": gettext_lazy("%(who)s assigned the order to %(what)s."),
    "unassign": gettext_lazy("%(who)s took the order off %(what)s."),
    "tag": gettext_lazy("%(who)s added the tags: %(what)s."),
    "untag": gettext_lazy("%(who)s removed the tag: %(what)s."),
    "erase": gettext_lazy("%(who)s erased the personal data."),
    "verify_user": gettext_lazy("%(who)s verified the customer."),
    "retry": gettext_lazy("%(who)s requested another attempt at the stock of item %(item)s."),
    "accept_shortage": gettext_lazy("%(who)s acknowledged the short release of item %(item)s."),
    "resolve": gettext_lazy("%(who)s confirmed manually, for item %(item)s: %(state)s."),
    "stock": gettext_lazy("Item %(item)s: %(state)s."),
}
"""What an entry says, by its act. `who` did it; `what` is its detail; `item` counts from 1."""
WITH_DETAIL = ("assign", "unassign", "tag", "untag")
"""Acts whose sentences contain the detail."""
ERASED_DETAIL = {"tag": gettext_lazy("%(who)s added tags."), "untag": gettext_lazy("%(who)s removed a tag.")}
"""Of entries whose detail was erased."""
WITH_AMOUNT = {
    "pay": gettext_lazy("%(who)s recorded %(amount)s as paid."),
    "refund": gettext_lazy("%(who)s recorded %(amount)s as refunded: the order is refunded."),
    "refund_part": gettext_lazy("%(who)s recorded %(amount)s as refunded."),
}
"""Of entries about money that is in the order's ledger."""
WITH_PARCEL = {
    "ship": (
        gettext_lazy("%(who)s shipped parcel %(parcel)s with %(tracking)s: the order is shipped."),
        gettext_lazy("%(who)s shipped parcel %(parcel)s: the order is shipped."),
    ),
    "ship_part": (
        gettext_lazy("%(who)s shipped parcel %(parcel)s with %(tracking)s."),
        gettext_lazy("%(who)s shipped parcel %(parcel)s."),
    ),
}
"""Of entries about a parcel: with its tracking, and without any."""
PEOPLE = {
    Kind.STAFF.value: "%(name)s",
    Kind.CUSTOMER.value: gettext_lazy("Customer %(name)s"),
    Kind.SERVICE.value: gettext_lazy("The service %(name)s"),
    Kind.ADMIN.value: gettext_lazy("Admin %(name)s"),
    Kind.SYSTEM.value: gettext_lazy("The process %(name)s"),
}
"""How a sentence about an actor begins, by its kind."""
TOPICS = {
    "note": "note", "change_address": "address", "erase": "privacy", "ship_part": "parcel", "track": "parcel",
    "cancel_part": "items", "refund_part": "money", "open_return": "return", "receive_return": "return",
    "hold": "hold", "lift_hold": "hold", "assign": "desk", "unassign": "desk", "tag": "desk", "untag": "desk",
    "snooze": "desk", "wake": "desk",
}  # fmt: skip
"""What an entry is about, by its act, for its colour; the others are about a status, or about stock."""
RECENT = 25
"""So many entries of a timeline are open at once."""


@dataclass(frozen=True)
class Told:
    """An entry of the timeline. :ivar clock: the time of its day; :ivar detail: what the sentence does not say."""

    topic: str
    sentence: str
    when: Moment
    clock: str
    who: str
    reason: str
    detail: str


@dataclass(frozen=True)
class Day:
    """A day of the timeline, newest entry first."""

    name: str
    entries: list[Told]


@dataclass(frozen=True)
class Timeline:
    """The days that are open at once, those before, and how many entries these have.

    :ivar machine: what machines noted of each entry, newest first.
    """

    recent: list[Day]
    earlier: list[Day]
    hidden: int
    machine: list[str]

    @property
    def earlier_title(self) -> str:
        """`1 earlier entry`, `16 earlier entries`."""
        told = ngettext("%(count)s earlier entry", "%(count)s earlier entries", self.hidden)
        return told % {"count": count(self.hidden)}


def timeline(order: Order, now: datetime) -> Timeline:
    """What happened to an order. That it was begun is left out where it was placed, too."""
    newest_first = list(reversed(order.history))
    placed = any(entry.act == "place" for entry in order.history)
    shown = [entry for entry in newest_first if not (placed and entry.act == "draft")]
    recent, earlier = shown[:RECENT], shown[RECENT:]
    noted = [_noted(entry) for entry in newest_first]
    return Timeline(_by_day(order, recent, now), _by_day(order, earlier, now), len(earlier), noted)


def entries(order: Order, wanted: Iterable[HistoryEntry], now: datetime) -> list[Told]:
    """Entries of a history as the timeline tells them, in the order given."""
    return [
        Told(
            topic="stock" if entry.line is not None else TOPICS.get(entry.act, "status"),
            sentence=sentence(order, entry),
            when=moment(entry.at, now),
            clock=f"{local(entry.at):%H:%M:%S %Z}",
            who=labels.person(entry.actor),
            reason=": ".join(filter(None, (str(reason_code(entry.code)), for_reader(entry.reason)))),
            detail=_detail(order, entry),
        )
        for entry in wanted
    ]


def sentence(order: Order, entry: HistoryEntry) -> str:
    """What an entry says; of an act that this version does not know, its name."""
    item = "" if entry.line is None else entry.line + 1
    values: dict[str, Any] = {"who": _who(order, entry.actor), "what": entry.detail}
    values |= {"item": item, "state": labels.settled(entry.target)}
    template = SENTENCES.get(entry.act)
    if template is None:
        return _("%(who)s: %(act)s") % {"who": values["who"], "act": labels.act(entry.act)}
    if replacement.is_placed_by_staff(entry):
        template = gettext_lazy("%(who)s placed the order for the customer.")
    if entry.act in ERASED_DETAIL and not entry.detail:
        template = ERASED_DETAIL[entry.act]
    if entry.act in WITH_AMOUNT and (amount := _amount(order, entry)):
        template, values["amount"] = WITH_AMOUNT[entry.act], money(amount, order.currency)
    if entry.act in WITH_PARCEL and (found := _parcel(order, entry.at)):
        (with_tracking, without), (values["parcel"], tracking) = WITH_PARCEL[entry.act], found
        template, values["tracking"] = with_tracking if tracking else without, tracking
    return str(template) % values


def _by_day(order: Order, wanted: Sequence[HistoryEntry], now: datetime) -> list[Day]:
    grouped = groupby(wanted, key=lambda entry: day_of(entry.at))
    return [Day(_day_name(day, day_of(now)), entries(order, of_day, now)) for day, of_day in grouped]


def _day_name(day: date, today: date) -> str:
    written = {"day": date_format(day, pgettext("a day, by Django's date filter", "l j F Y"))}
    named = {today: _("Today, %(day)s"), today - timedelta(days=1): _("Yesterday, %(day)s")}
    return named.get(day, "%(day)s") % written


def _who(order: Order, actor: str) -> str:
    kind, _colon, name = actor.partition(":")
    if kind == Kind.CUSTOMER and name == order.user_id:
        return _("The customer")
    return str(PEOPLE[kind]) % {"name": name} if kind in PEOPLE else labels.person(actor)


def _amount(order: Order, entry: HistoryEntry) -> Decimal | None:
    """What was paid or given back by an act, as the ledger has it; None where it has nothing of that moment."""
    ledger: Sequence[Payment | Refund] = order.payments if entry.act == "pay" else order.refunds
    return next((moved.amount for moved in ledger if moved.at == entry.at), None)


def _parcel(order: Order, at: datetime) -> tuple[int, str] | None:
    """The number of the parcel that left at a moment, and its carrier and tracking number as they are known now."""
    found = ((number, shipment) for number, shipment in enumerate(order.shipments, start=1) if shipment.at == at)
    return next(
        ((number, f"{shipment.carrier} {shipment.tracking_number}".strip()) for number, shipment in found), None
    )


def _detail(order: Order, entry: HistoryEntry) -> str:
    if entry.act in WITH_DETAIL:
        return ""
    if entry.act == ADDRESS_CHANGED and entry.detail:
        return _("Before: %(address)s") % {"address": entry.detail}
    if entry.act in WITH_AMOUNT:  # the sentence has it
        return entry.detail.removeprefix(f"{_amount(order, entry)} ")
    return replacement.detail_of(order, entry) or for_reader(entry.detail)


def _noted(entry: HistoryEntry) -> str:
    """What tells an entry to whoever looks for it in logs and in the feed."""
    line = f"items.{entry.line}" if entry.line is not None else ""
    states = f"{entry.source} → {entry.target}" if entry.source or entry.target else ""
    request = f"request {entry.request_id}" if entry.request_id else ""
    noted = (exact(entry.at), entry.act, line, states, entry.actor, entry.via, request)
    return " · ".join(part for part in noted if part)
