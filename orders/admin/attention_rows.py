"""What the attention page tells of one order that waits, and which of its buttons the reader may press."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime

from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString
from django.utils.timesince import timesince
from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from orders.admin import badges, labels, part_facts
from orders.admin.local_formats import count, exact
from orders.admin.money_format import money
from orders.models import (
    DUE_STATES,
    Document,
    Edge,
    LineState,
    Order,
    Shipment,
    Status,
    StockCall,
    condition_words,
    edges_from,
)
from orders.services.access import RESOLVE, Actor
from orders.services.order_queries import Alert
from orders.services.reporting.attention import Waiting
from orders.services.stored_texts import for_reader


@dataclass(frozen=True)
class WaitingLine:
    """A line that waits.

    :ivar told: what is wrong with it, in a sentence.
    :ivar releases: whether its stock is to be released; else it is to be reserved.
    :ivar tried: whether somebody is asking inventory right now.
    """

    index: int
    told: SafeString
    attempts: int
    error: str
    discrepancy: int | None
    releases: bool
    tried: bool

    @property
    def number(self) -> int:
        return self.index + 1


@dataclass(frozen=True)
class Snoozed:
    """Until when an order sleeps, who wanted that and why, and what it would else wait with."""

    until: datetime
    by: str
    reason: str
    alerts: list[str]


@dataclass(frozen=True)
class Row:
    """An order that waits since a moment; the buttons are what the reader may press.

    :ivar contents: what was ordered, in short.
    :ivar assignee: who is on it; empty where nobody is.
    :ivar snoozed: until when, if that is to come, by whom and why.
    """

    id: str
    number: str
    customer: str
    user_id: str
    status: SafeString
    version: int
    total: str
    since: datetime | None
    age: str
    contents: str
    assignee: str = ""
    snoozed: Snoozed | None = None
    due: datetime | None = None
    lines: list[WaitingLine] = field(default_factory=list)
    next_steps: list[Edge] = field(default_factory=list)
    cancel: Edge | None = None
    cancel_means: str = ""
    owed: str = ""
    refunds: bool = False
    resolves: bool = False
    verifies: bool = False

    @property
    def retries(self) -> bool:
        return self.resolves and not all(line.tried for line in self.lines)


def row_of(waiting: Waiting, order: Document, actor: Actor, now: datetime) -> Row:
    """What the page shows of an order in a section.

    :param order: as :data:`orders.storage.alerts.FIELDS` says, its moments naive UTC.
    :param now: the reader's moment; whether a line is being tried is only shown by it, never decided.
    """
    alert, known, since = waiting.alert, _in_hand(order), _aware(order.get(waiting.since))
    edges = [
        edge
        for edge in edges_from(order["status"])
        if actor.may(edge.name, order["user_id"]) and not condition_words(edge, known)
    ]
    forward = ("start_processing", "ship") if alert is Alert.UNSHIPPED else ()
    contact = order.get("contact") or {}
    cancels = alert in (Alert.OWED, Alert.UNCHECKED, Alert.UNSHIPPED)
    return Row(
        id=str(order["_id"]),
        number=order["number"],
        customer=contact.get("name") or contact.get("email") or order["user_id"],
        user_id=order["user_id"],
        status=badges.of(Status(order["status"])),
        version=order["version"],
        total=money(order["total_price"].to_decimal(), order.get("currency") or ""),
        since=since,
        age=labels.moment(since, now).ago if since else "",
        contents=_contents(order["items"]),
        assignee=on_it(order),
        snoozed=_snoozed(order) if alert is Alert.SNOOZED else None,
        due=_aware(order.get("stock_due_at")),
        lines=[_line(alert, order, index, now) for index in _lines(alert, order)],
        next_steps=[edge for edge in edges if edge.name in forward],
        cancel=next((edge for edge in edges if cancels and edge.name == "cancel"), None),
        resolves=actor.has(RESOLVE),
        cancel_means=part_facts.paid_and_owed(known),
        owed=money(known.owed, known.currency) if known.owed else "",
        refunds=alert is Alert.MONEY and actor.may("refund", order["user_id"]),
        verifies=alert is Alert.UNCHECKED and actor.may("cancel", order["user_id"]),
    )


def on_it(order: Document) -> str:
    """Who is on it; empty where nobody is."""
    return str((order.get("assignee") or {}).get("name") or "")


def _snoozed(order: Document) -> Snoozed:
    snooze = order["snoozed"]
    alerts = [str(Alert(alert).label) for alert in snooze["alerts"]]
    return Snoozed(labels.aware(snooze["until"]), labels.person(snooze["actor"]), snooze["reason"], alerts)


def _in_hand(order: Document) -> Order:
    """As much of the order as conditions and its money need."""
    amounts = {name: order[name].to_decimal() for name in ("total_price", "paid", "refunded", "owed") if name in order}
    return Order(
        status=order["status"],
        currency=order.get("currency") or "",
        held_at=order.get("held_at"),
        paid_at=order.get("paid_at"),
        shipments=[Shipment(at=shipment["at"]) for shipment in order.get("shipments") or ()],
        **amounts,
    )


def _contents(items: Sequence[Document]) -> str:
    """The first item by name, and how many there are besides."""
    if not items:
        return _("no items")
    first, others = items[0], len(items) - 1
    shown = f"{count(first['quantity'])} × {first.get('name') or first['product_id']}"
    told = ngettext("%(item)s and %(others)s more item", "%(item)s and %(others)s more items", others)
    return told % {"item": shown, "others": count(others)} if others else shown


def _lines(alert: Alert, order: Document) -> list[int]:
    wanted = {
        Alert.UNKNOWN: lambda stock: stock["state"] == LineState.UNKNOWN,
        Alert.OWED: lambda stock: stock["state"] in DUE_STATES,
        Alert.SHORT: lambda stock: bool(stock.get("discrepancy")),
    }.get(alert)
    return [index for index, item in enumerate(order["items"]) if wanted and wanted(item["stock"])]


def _line(alert: Alert, order: Document, index: int, now: datetime) -> WaitingLine:
    stock = order["items"][index]["stock"]
    until = _aware((stock.get("attempt") or {}).get("until"))
    tried = bool(until and until > now)
    return WaitingLine(
        index=index,
        told=_told(alert, order, index, now, tried=tried),
        attempts=stock["attempts"],
        error=for_reader(stock["error"]),
        discrepancy=stock.get("discrepancy"),
        releases=stock.get("call") == StockCall.RELEASE,
        tried=tried,
    )


def _told(alert: Alert, order: Document, index: int, now: datetime, *, tried: bool) -> SafeString:
    """What is wrong with a line, e.g. that its release has been tried seven times."""
    stock = order["items"][index]["stock"]
    told: list[str] = [_what_waits(alert, order["items"][index], index + 1)]
    if alert is not Alert.SHORT:
        told.append(labels.attempts(stock["attempts"]))
    if alert is Alert.UNKNOWN and (since := _unconfirmed_since(order, index)):
        words = _('unconfirmed for <time datetime="{iso}" title="{exact}">{span}</time>')
        told.append(format_html(words, iso=since.isoformat(), exact=exact(since), span=timesince(since, now)))
    if tried:
        told.append(_("being retried right now"))
    return format_html("{}.", format_html_join(", ", "{}", ((part,) for part in told)))


def _what_waits(alert: Alert, item: Document, number: int) -> SafeString:
    stock, called = item["stock"], item.get("name") or ""
    product = format_html('<span class="figures-id">{}</span>', item["product_id"])
    if called not in ("", item["product_id"]):
        product = format_html("<bdi>{}</bdi> {}", called, product)
    if alert is Alert.SHORT:
        words = _("Item {number}: <strong>{missing} of {quantity}</strong> × {product} not returned to stock")
    elif stock.get("call") == StockCall.RELEASE:
        words = _("Item {number}: <strong>release</strong> of {quantity} × {product}")
    else:
        words = _("Item {number}: <strong>reserve</strong> of {quantity} × {product}")
    figures = {"quantity": count(item["quantity"]), "missing": count(stock.get("discrepancy") or 0)}
    return format_html(words, number=number, product=product, **figures)


def _unconfirmed_since(order: Document, index: int) -> datetime | None:
    """When a line came to be unknown, which is all that its history was read for."""
    told = [entry["at"] for entry in order["history"] if entry.get("line") == index]
    return _aware(told[-1] if told else order.get("status_since"))


def _aware(moment: datetime | None) -> datetime | None:
    return moment.replace(tzinfo=UTC) if moment else None
