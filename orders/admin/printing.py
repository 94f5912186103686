"""An order on paper: the packing slip and the order confirmation."""

from django.conf import settings
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.utils import timezone

from orders.admin.order_facts import facts
from orders.models import Order
from orders.models.states import Status
from orders.services.editing import may_change_address

DOCUMENTS = {"packing-slip": "Packing slip", "confirmation": "Order confirmation"}
"""The printed documents by the last part of their address."""

PACKED = {Status.SHIPPED, Status.DELIVERED}


def document(request: HttpRequest, name: str, order: Order) -> HttpResponse:
    """One of DOCUMENTS as HTML that prints well and needs no scripts of its own page."""
    warning = ""
    if not may_change_address(order.status) and order.status not in PACKED:
        warning = f"This order is {order.status}. {'Do not pack it.' if name == 'packing-slip' else ''}".strip()
    context = {
        "title": DOCUMENTS[name],
        "shop": settings.PROJECT_NAME,
        "facts": facts(order, timezone.now()),
        "order": order,
        "warning": warning,
    }
    return render(request, f"orders/print/{name}.html", context)
