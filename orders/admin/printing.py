"""An order on paper: the packing slip and the order confirmation."""

from django.conf import settings
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.utils import timezone

from orders.admin.order_facts import facts
from orders.models import Order, Status, statuses_before

DOCUMENTS = {"packing-slip": "Packing slip", "confirmation": "Order confirmation"}
"""The printed documents by the last part of their address."""

PACKED = {Status.SHIPPED, Status.DELIVERED}


def document(request: HttpRequest, name: str, order: Order) -> HttpResponse:
    """One of DOCUMENTS as HTML that prints well and needs no scripts of its own page."""
    context = {
        "title": DOCUMENTS[name],
        "shop": settings.PROJECT_NAME,
        "facts": facts(order, timezone.now()),
        "order": order,
        "warning": _warning(order, packing=name == "packing-slip"),
    }
    return render(request, f"orders/print/{name}.html", context)


def _warning(order: Order, *, packing: bool) -> str:
    if order.status in statuses_before("pay"):
        return "This order has not been paid."
    if order.status in statuses_before("ship") | PACKED:
        return ""
    state = "a draft" if order.status == Status.PLACING else order.status
    return f"This order is {state}.{' Do not pack it.' if packing else ''}"
