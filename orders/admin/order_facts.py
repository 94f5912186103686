"""What the page of one order shows, made ready for its templates from the one document that is read for it."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any
from urllib.parse import urlencode

from django.urls import reverse
from django.utils.safestring import SafeString
from django.utils.translation import gettext as _

from orders.admin import badges, labels, part_facts, timeline
from orders.admin.labels import Moment, moment
from orders.admin.local_formats import count
from orders.admin.money_format import money
from orders.admin.timeline import Told
from orders.models import HistoryEntry, Order, Status
from orders.services import order_queries
from orders.services.access import ERASED
from orders.services.identifiers import object_id
from orders.services.lifecycle.frozen_facts import image_address


@dataclass(frozen=True)
class Line:
    """A line of an order; `number` counts from 1, and a product without a name is called by its id.

    :ivar state: what has become of it.
    :ivar is_part: whether it was split from the line above it, or another part of that.
    """

    number: int
    product_id: str
    name: str
    sku: str
    image_url: str
    product_url: str
    quantity: str
    price: str
    total: str
    state: SafeString
    is_part: bool
    notes: list[str]
    stock: SafeString
    details: list[str]
    lease: str


@dataclass(frozen=True)
class Facts:
    """What an order is now, for its page and on paper.

    :ivar customer: by name, else by e-mail address or user id.
    :ivar recipient: the lines of the shipping address; `billing` those of the other, if there is one. Their texts are
        for copying: line by line.
    :ivar due: when a worker looks at its stock.
    :ivar units: how many there are in all, `size` the same in words, beside the number of lines.
    """

    order: Order
    status: SafeString
    charges: list[tuple[str, str]]
    total: str
    customer: str
    customer_url: str
    recipient: list[str]
    recipient_text: str
    billing: list[str]
    billing_text: str
    metadata: list[tuple[str, str]]
    moments: list[tuple[str, Moment]]
    updated: Moment
    due: Moment | None
    units: str
    size: str
    items: str
    lines: list[Line]


def facts(order: Order, now: datetime) -> Facts:
    dates = {
        _("Placed"): order.placed_at,
        _("Paid"): order.paid_at,
        _("Shipped"): order.shipped_at,
        _("Delivered"): order.delivered_at,
        _("Cancelled"): order.cancelled_at,
        _("Refunded"): order.refunded_at,
    }
    units, items = sum(item.quantity for item in order.items), labels.items(len(order.items))
    recipient = labels.address_lines(order.shipping_address, order.contact)
    billing = labels.address_lines(order.billing_address, order.contact) if order.billing_address else []
    return Facts(
        order=order,
        status=badges.of(Status(order.status)),
        charges=[(charge.title, money(charge.amount, order.currency)) for charge in order.charges],
        total=money(order.total_price, order.currency),
        customer=order.contact.name or order.contact.email or order.user_id,
        metadata=list(order.metadata.items()),
        recipient=recipient,
        recipient_text="\n".join(recipient),
        billing=billing,
        billing_text="\n".join(billing),
        customer_url=_list(user=order.user_id),
        moments=[(name, moment(at, now)) for name, at in dates.items() if at],
        updated=moment(order.updated_at, now),
        due=moment(order.stock_due_at, now) if order.stock_due_at else None,
        units=count(units),
        size=labels.contents(order.items),
        items=items,
        lines=[_line(order, index) for index in part_facts.in_families(order.items)],
    )


def changes_since(order: Order, version: int) -> list[HistoryEntry]:
    """What people changed after a version; each version has one entry."""
    return [entry for entry in order.history if entry.line is None][version + 1 :]


def last_change(given: str) -> dict[str, Any] | None:
    """The version of the order of this id, and what its open pages say of the last change; None where there is none."""
    key = object_id(given)
    found = key and order_queries.last_change(key)
    if not found:
        return None
    version, entry = found
    told = _("Someone updated this order.")
    if entry:
        change = {"what": labels.act(entry["act"]), "who": labels.person(entry["actor"])}
        told = _("Someone updated this order. Last change: %(what)s, by %(who)s.") % change
    return {"version": version, "told": told}


def erasure(order: Order, now: datetime) -> Told | None:
    """The last erasure of the order's personal data, if it was erased."""
    found = [entry for entry in order.history if entry.act == ERASED]
    return next(iter(timeline.entries(order, found[-1:], now)), None)


def _line(order: Order, index: int) -> Line:
    item, currency = order.items[index], order.currency
    return Line(
        number=index + 1,
        state=part_facts.line_state(order, item),
        is_part=item.split_from is not None,
        notes=part_facts.split_note(index + 1, item),
        product_id=item.product_id,
        name=item.name or item.product_id,
        sku=item.sku,
        image_url=image_address(item.image_url),
        product_url=_list(product=item.product_id),
        quantity=count(item.quantity),
        price=money(item.price, currency),
        total=money(item.price * item.quantity, currency),
        stock=badges.of_stock(item.stock),
        details=labels.stock_details(item.stock),
        lease=str(item.stock.attempt or ""),
    )


def _list(**chosen: str) -> str:
    return f"{reverse('admin:orders_order_changelist')}?{urlencode(chosen)}"
