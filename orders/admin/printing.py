"""Orders on paper: packing slips, order confirmations, and the pick list over several orders."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from decimal import Decimal

import segno
from django.conf import settings
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import render
from django.urls import reverse
from django.utils.functional import Promise
from django.utils.safestring import SafeString, mark_safe
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, ngettext_lazy, npgettext

from orders.admin import labels
from orders.admin.labels import address_lines
from orders.admin.local_formats import count
from orders.admin.money_format import money
from orders.admin.posted import SMALL
from orders.models import Item, Order, Removal, Shipment, Status, statuses_before, to_cents
from orders.services.reporting.pick_list import PickList, pick_list

DOCUMENTS = {"packing-slip": gettext_lazy("Packing slip"), "confirmation": gettext_lazy("Order confirmation")}
"""The printed documents by the last part of their address."""
OF_ONE = {
    "packing-slip": gettext_lazy("Packing slip %(number)s"),
    "confirmation": gettext_lazy("Order confirmation %(number)s"),
}
COUNTED = {
    "packing-slip": ngettext_lazy("%(count)s packing slip", "%(count)s packing slips", "count"),
    "confirmation": ngettext_lazy("%(count)s order confirmation", "%(count)s order confirmations", "count"),
}
WARNINGS = {
    Status.PLACING: gettext_lazy("This order is a draft."),
    Status.REJECTED: gettext_lazy("This order is rejected."),
    Status.CANCELLED: gettext_lazy("This order is cancelled."),
    Status.REFUNDED: gettext_lazy("This order is refunded."),
}

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
    :ivar contents: how much it is together, e.g. `5 units in 2 items`.
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
    contents: str
    charges: list[tuple[str, str]]
    total: str
    parcel: str
    shipment: Shipment | None


def document(request: HttpRequest, name: str, order: Order) -> HttpResponse:
    """One of DOCUMENTS as HTML that prints well and needs no scripts of its own page.

    A packing slip is of one parcel where the address has `parcel`, from 1.

    :raises Http404: the order has no such parcel.
    """
    title = OF_ONE[name] % {"number": order.number}
    parcel = _parcel(request, order) if name == "packing-slip" else None
    if parcel is not None:
        names = {"number": order.number, "parcel": parcel + 1}
        title = _("Packing slip %(number)s, parcel %(parcel)s") % names
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
    found = pick_list(orders)
    shown = {"found": found, "gone": gone, "contents": _to_fetch(found), "others": _others("pick-list", orders)}
    return _rendered(request, "pick-list", title=_("Pick list"), **shown)


def _to_fetch(found: PickList) -> str:
    """How much it is together, e.g. `5 units of 2 products for 3 orders`."""
    orders = len(found.picked)
    counted = {
        "units": labels.units(found.units),
        "products": labels.products(len(found.picks)),
        "orders": npgettext("after “for”", "%(count)s order", "%(count)s orders", orders) % {"count": count(orders)},
    }
    return _("%(units)s of %(products)s for %(orders)s") % counted


OF_MANY: dict[str, tuple["str | Promise", Callable[[HttpRequest, Sequence[Order], int], HttpResponse]]] = {
    "packing-slips": (gettext_lazy("Print packing slips"), packing_slips),
    "confirmations": (gettext_lazy("Print order confirmations"), confirmations),
    "pick-list": (gettext_lazy("Print pick list"), picks),
}
"""What is printed of several orders: by the last part of its address, what the list calls it, and what makes it of the
orders and the number of those that are gone."""
OF_THESE = {
    "packing-slips": gettext_lazy("Packing slips"),
    "confirmations": gettext_lazy("Order confirmations"),
    "pick-list": gettext_lazy("Pick list"),
}
"""What each of them calls the others, which it links to."""


def _documents(request: HttpRequest, name: str, orders: Sequence[Order], gone: int) -> HttpResponse:
    title = COUNTED[name] % {"count": len(orders)}
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
        contents=labels.contents([item for _number, item in shown]),
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
        return _("This order has not been paid.")
    if order.status in statuses_before("ship") | PACKED:
        return ""
    told = [str(WARNINGS[Status(order.status)])]
    if packing:
        told.append(_("Do not pack it."))
    return " ".join(told)
