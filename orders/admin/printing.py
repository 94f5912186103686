"""Orders on paper: packing slips, order confirmations, and the pick list over several orders."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from decimal import Decimal

import segno
from django.conf import settings
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import render
from django.urls import reverse
from django.utils.safestring import SafeString, mark_safe
from django.utils.translation import gettext_lazy as _

from orders.admin.labels import address_lines, count
from orders.admin.money_format import money
from orders.admin.posted import SMALL
from orders.models import Item, Order, Removal, Shipment, Status, statuses_before, to_cents
from orders.services.reporting.pick_list import pick_list

DOCUMENTS = {"packing-slip": "Packing slip", "confirmation": "Order confirmation"}
"""The printed documents by the last part of their address."""

PACKED = {Status.SHIPPED, Status.DELIVERED}


@dataclass(frozen=True)
class PrintedLine:
    """A line of an order; `number` counts from 1, and money is shown with its currency."""

    number: int
    item: Item
    price: str
    total: str


@dataclass(frozen=True)
class Printed:
    """What is printed of one order.

    :ivar code: the order's number as a QR code, in SVG.
    :ivar recipient: the lines of the shipping address; `billing` those of the other, if there is one.
    :ivar phone: of whoever receives it.
    :ivar parcel: which of the order's parcels it is about, and `shipment` that one; empty where it is the whole order.
    """

    order: Order
    status: str
    warning: str
    code: SafeString
    recipient: list[str]
    phone: str
    billing: list[str]
    lines: list[PrintedLine]
    units: int
    charges: list[tuple[str, str]]
    total: str
    parcel: str
    shipment: Shipment | None


def document(request: HttpRequest, name: str, order: Order) -> HttpResponse:
    """One of DOCUMENTS as HTML that prints well and needs no scripts of its own page.

    A packing slip is of one parcel where the address has `parcel`, from 1.

    :raises Http404: the order has no such parcel.
    """
    title = f"{DOCUMENTS[name]} {order.number}"
    parcel = _parcel(request, order) if name == "packing-slip" else None
    if parcel is not None:
        title = f"{title}, parcel {parcel + 1}"
    return _rendered(request, name, title=title, documents=[_printed(name, order, parcel)], of_one=order)


def _parcel(request: HttpRequest, order: Order) -> int | None:
    """The index of the shipment that is asked for."""
    given = request.GET.get("parcel")
    if given is None:
        return None
    if not SMALL.match(given) or not 1 <= int(given) <= len(order.shipments):
        raise Http404
    return int(given) - 1


def packing_slips(request: HttpRequest, orders: Sequence[Order], gone: int) -> HttpResponse:
    """A packing slip for each order, in this order, each from a new page on."""
    return _documents(request, "packing-slip", orders, gone)


def confirmations(request: HttpRequest, orders: Sequence[Order], gone: int) -> HttpResponse:
    """An order confirmation for each order, in this order, each from a new page on."""
    return _documents(request, "confirmation", orders, gone)


def picks(request: HttpRequest, orders: Sequence[Order], gone: int) -> HttpResponse:
    """What to fetch for these orders together, and which of them are left out."""
    shown = {"found": pick_list(orders), "gone": gone, "others": _others("pick-list", orders)}
    return _rendered(request, "pick-list", title="Pick list", **shown)


OF_MANY: dict[str, tuple[str, Callable[[HttpRequest, Sequence[Order], int], HttpResponse]]] = {
    "packing-slips": ("Print packing slips", packing_slips),
    "confirmations": ("Print order confirmations", confirmations),
    "pick-list": ("Print pick list", picks),
}
"""What is printed of several orders: by the last part of its address, what the list calls it, and what makes it of the
orders and the number of those that are gone."""
OF_THESE = {
    "packing-slips": _("Packing slips"),
    "confirmations": _("Order confirmations"),
    "pick-list": _("Pick list"),
}
"""What each of them calls the others, which it links to."""


def _documents(request: HttpRequest, name: str, orders: Sequence[Order], gone: int) -> HttpResponse:
    title = count(len(orders), DOCUMENTS[name].lower())
    shown = {"documents": [_printed(name, order) for order in orders], "gone": gone}
    return _rendered(request, name, title=title, others=_others(f"{name}s", orders), **shown)


def _others(name: str, orders: Sequence[Order]) -> list[tuple[str, str]]:
    """The other documents of these orders, as links: no selection has to be made twice."""
    ids = ",".join(str(order.pk) for order in orders)
    addresses = {other: f"{reverse(f'admin:orders_order_{other}')}?ids={ids}" for other in OF_MANY if other != name}
    return [(str(OF_THESE[other]), address) for other, address in addresses.items()]


def _rendered(request: HttpRequest, name: str, **shown: object) -> HttpResponse:
    context = {"shop": settings.PROJECT_NAME, "kind": name, "heading": DOCUMENTS.get(name, ""), **shown}
    return render(request, f"orders/print/{name}.html", context)


def _printed(name: str, order: Order, parcel: int | None = None) -> Printed:
    packing = name == "packing-slip"
    shown = [
        (number, item)
        for number, item in enumerate(order.items, 1)
        if not packing or (item.shipment == parcel if parcel is not None else item.removed != Removal.CANCELLED)
    ]
    shipment = order.shipments[parcel] if parcel is not None else None
    return Printed(
        order=order,
        status=str(Status(order.status).label),
        warning=_warning(order, packing=packing),
        code=_code(order.number),
        recipient=address_lines(order.shipping_address, order.contact),
        phone=order.shipping_address.phone or order.contact.phone,
        billing=address_lines(order.billing_address, order.contact) if order.billing_address else [],
        lines=[
            PrintedLine(number, item, _money(order, item.price), _money(order, to_cents(item.price * item.quantity)))
            for number, item in shown
        ],
        units=sum(item.quantity for _, item in shown),
        parcel=str(parcel + 1) if parcel is not None else "",
        shipment=shipment,
        charges=[(charge.title, _money(order, charge.amount)) for charge in order.charges],
        total=_money(order, order.total_price),
    )


def _money(order: Order, amount: Decimal) -> str:
    return money(amount, order.currency)


def _code(number: str) -> SafeString:
    return mark_safe(segno.make_qr(number).svg_inline(omitsize=True))  # noqa: S308 - lines only, none of the text


def _warning(order: Order, *, packing: bool) -> str:
    if order.status in statuses_before("pay"):
        return "This order has not been paid."
    if order.status in statuses_before("ship") | PACKED:
        return ""
    state = "a draft" if order.status == Status.PLACING else order.status
    return f"This order is {state}.{' Do not pack it.' if packing else ''}"
