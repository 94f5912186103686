"""A form of a new order that was sent before: whether it has placed one already."""

from dataclasses import replace

from django.utils.html import format_html
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from orders.admin.new_order_check import Step
from orders.admin.new_order_form import Typed, new_key
from orders.admin.replacement import link_to
from orders.models import PUBLIC_STATUSES, Order
from orders.services.audit import Act
from orders.services.lifecycle.idempotency_keys import order_under
from orders.services.lifecycle.replacing import key_of

UNDER_WAY = gettext_lazy("This form is still being worked on. Press again to see what came of it.")


def sent_before(typed: Typed, act: Act, old: Order | None) -> Step:
    """What came of the form when it was sent with other things in it: an order, or nothing that is known of."""
    key = key_of(old.pk, typed.key) if old else typed.key
    order = order_under(caller=act.actor.label, key=key)
    if order and order["status"] not in PUBLIC_STATUSES:
        return Step(typed, told=str(UNDER_WAY))
    if order:
        told = _("Order {order} has been placed with this form already. Open a new form for another one.")
        return Step(replace(typed, checked=""), told=format_html(told, order=link_to(order["_id"], order["number"])))
    told = _(
        "The form has changed since it was sent, and no order is known to have been placed with it. "
        "Look at the customer’s orders. Press again to place this one as it is now."
    )
    return Step(replace(typed, key=new_key()), told=told)
