"""What the forms about parts of an order post: parcels, cancelled items, returns and holds."""

from typing import TYPE_CHECKING

from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from orders.admin.labels import in_a_row
from orders.admin.local_formats import count
from orders.admin.posted import ANSWERS, INCOMPLETE, SMALL, lines_chosen, required_version
from orders.admin.refund_forms import owed_after, price_of, then_refund, wants_refund
from orders.models import Order, Status
from orders.services import access
from orders.services.audit import Act
from orders.services.errors import OrderError
from orders.services.fulfilment import cancelling, holding, returning, shipping
from orders.services.fulfilment.overview import refundable_for
from orders.services.lifecycle.tracking import Tracking

if TYPE_CHECKING:
    from django.http import QueryDict

TRACKING = ("carrier", "tracking_number", "tracking_url")


def ship(order: Order, post: "QueryDict", act: Act) -> str:
    """Take `version`, `quantity_…` of each line that goes into the parcel, and TRACKING."""
    act.actor.require_transition("ship", order.user_id)
    version, lines, tracking = required_version(post), lines_chosen(post), _tracking(post)
    done = shipping.ship(order_id=order.pk, lines=lines, tracking=tracking, act=act, expected_versions=[version])
    names = {"parcel": len(done.order["shipments"]), "number": order.number}
    told = _("Parcel %(parcel)s of order %(number)s has been shipped.") % names
    return in_a_row(told, _("The order is now shipped.") if done.order["status"] == Status.SHIPPED else "")


def change_tracking(order: Order, post: "QueryDict", act: Act) -> str:
    """Take `version`, `number` of the parcel, from 0, and TRACKING."""
    act.actor.require_transition("ship", order.user_id)
    version, number = required_version(post), _number(post)
    shipping.change_tracking(
        order_id=order.pk, shipment=number, tracking=_tracking(post), act=act, expected_versions=[version]
    )
    names = {"parcel": number + 1, "number": order.number}
    return _("The tracking of parcel %(parcel)s of order %(number)s is saved.") % names


def cancel_items(order: Order, post: "QueryDict", act: Act) -> str:
    """Take `version`, `quantity_…` of each line, `reason_code`, `reason`, and `refund` (yes) to refund their price."""
    act.actor.require_transition("cancel", order.user_id)
    with_refund = wants_refund(order, post, act)
    version, lines = required_version(post), lines_chosen(post)
    done = cancelling.cancel_lines(order_id=order.pk, lines=lines, act=act, expected_versions=[version]).order
    units = sum(line.quantity or 0 for line in lines)
    told = ngettext(
        "%(count)s unit of order %(number)s cancelled.", "%(count)s units of order %(number)s cancelled.", units
    ) % {"count": count(units), "number": order.number}
    ended = {Status.CANCELLED: _("The order is now cancelled."), Status.SHIPPED: _("The order is now shipped.")}
    told = in_a_row(told, ended.get(Status(done["status"]), ""))
    if not with_refund:
        return in_a_row(told, owed_after(done))
    return in_a_row(told, then_refund(done, price_of(order, lines), act, post.get("reference", "")))


def take_back(order: Order, post: "QueryDict", act: Act) -> str:
    """Take `version`, `quantity_…` of each line that comes back, `reason_code` and `reason`.

    Where the goods are here already, also `restock` (yes or no), and `refund` (yes) to refund their price.
    """
    act.actor.require(access.RETURN)
    with_refund = wants_refund(order, post, act)
    version, lines = required_version(post), lines_chosen(post)
    restock = ANSWERS.get(post.get("restock", ""))
    if with_refund and restock is None:
        raise OrderError(_("Choose whether the goods go back into stock, or record the refund when they arrive."))
    done = returning.open_return(order_id=order.pk, lines=lines, act=act, expected_versions=[version]).order
    number = len(done["returns"]) - 1
    names = {"return": number + 1, "number": order.number}
    if restock is None:
        return _("Return %(return)s of order %(number)s is open. Receive it when the goods arrive.") % names
    try:
        done = returning.receive_return(
            order_id=order.pk, number=number, restock=restock, act=act, expected_versions=[done["version"]]
        ).order
    except OrderError as error:
        told = _("Return %(return)s of order %(number)s is open, but was not received.") % names
        return in_a_row(told, error.detail)
    told = _received(order, number, restock=restock)
    if not with_refund:
        return in_a_row(told, owed_after(done))
    return in_a_row(told, then_refund(done, price_of(order, lines), act, post.get("reference", "")))


def receive(order: Order, post: "QueryDict", act: Act) -> str:
    """Take `version`, `number` of the return, from 0, `restock` (yes or no), and `refund` (yes) to refund its price."""
    act.actor.require(access.RETURN)
    with_refund = wants_refund(order, post, act)
    version, number, restock = required_version(post), _number(post), ANSWERS.get(post.get("restock", ""))
    if restock is None:
        raise OrderError(_("Choose whether the goods go back into stock."))
    done = returning.receive_return(
        order_id=order.pk, number=number, restock=restock, act=act, expected_versions=[version]
    ).order
    told = _received(order, number, restock=restock)
    if not with_refund:
        return in_a_row(told, owed_after(done))
    # Stored, so in English whoever receives it.
    code, reason = act.code or order.returns[number].code, act.reason or f"Return {number + 1}"
    because = Act(act.actor, act.at, reason, code)
    refunded = then_refund(done, refundable_for(order, number), because, post.get("reference", ""))
    return in_a_row(told, refunded)


def _received(order: Order, number: int, *, restock: bool) -> str:
    told = (
        _("Return %(return)s of order %(number)s is received, and restocked.")
        if restock
        else _("Return %(return)s of order %(number)s is received, not restocked.")
    )
    return told % {"return": number + 1, "number": order.number}


def hold(order: Order, post: "QueryDict", act: Act) -> str:
    """Take `version`, `reason_code` and `reason`."""
    act.actor.require(access.HOLD)
    holding.hold(order_id=order.pk, act=act, expected_versions=[required_version(post)])
    return _("Order %(number)s is on hold.") % {"number": order.number}


def lift_hold(order: Order, post: "QueryDict", act: Act) -> str:
    """Take `version` and `reason`."""
    act.actor.require(access.HOLD)
    holding.lift(order_id=order.pk, act=act, expected_versions=[required_version(post)])
    return _("The hold of order %(number)s is lifted.") % {"number": order.number}


def _number(post: "QueryDict") -> int:
    given = post.get("number", "")
    if not SMALL.match(given):
        raise OrderError(str(INCOMPLETE))
    return int(given)


def _tracking(post: "QueryDict") -> Tracking:
    return Tracking(**{name: post.get(name, "") for name in TRACKING})
