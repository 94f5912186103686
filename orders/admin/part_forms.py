"""What the forms about parts of an order post: parcels, cancelled items, refunds, returns and holds."""

import re
from collections.abc import Sequence
from decimal import Decimal
from typing import TYPE_CHECKING

from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from orders.admin.local_formats import count
from orders.admin.money_format import money
from orders.admin.posted import ANSWERS, INCOMPLETE, SMALL, amount_typed, required_version
from orders.models import Document, Order, Status
from orders.services import access
from orders.services.audit import REASON_CODES, Act
from orders.services.errors import OrderError
from orders.services.fulfilment import cancelling, holding, refunding, returning, shipping
from orders.services.fulfilment.overview import refundable_for, refundable_of
from orders.services.fulfilment.parts import LineRequest
from orders.services.lifecycle.tracking import Tracking

if TYPE_CHECKING:
    from django.http import QueryDict

QUANTITY = re.compile(r"quantity_([0-9]{1,9})\Z")
TRACKING = ("carrier", "tracking_number", "tracking_url")


def ship(order: Order, post: "QueryDict", act: Act) -> str:
    """Take `version`, `quantity_…` of each line that goes into the parcel, and TRACKING."""
    act.actor.require_transition("ship", order.user_id)
    version, lines, tracking = required_version(post), _chosen(post), _tracking(post)
    done = shipping.ship(order_id=order.pk, lines=lines, tracking=tracking, act=act, expected_versions=[version])
    names = {"parcel": len(done.order["shipments"]), "number": order.number}
    told = _("Parcel %(parcel)s of order %(number)s has been shipped.") % names
    return _in_a_row(told, _("The order is now shipped.") if done.order["status"] == Status.SHIPPED else "")


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
    with_refund = _with_refund(order, post, act)
    version, lines = required_version(post), _chosen(post)
    done = cancelling.cancel_lines(order_id=order.pk, lines=lines, act=act, expected_versions=[version]).order
    units = sum(line.quantity or 0 for line in lines)
    told = ngettext(
        "%(count)s unit of order %(number)s cancelled.", "%(count)s units of order %(number)s cancelled.", units
    ) % {"count": count(units), "number": order.number}
    ended = {Status.CANCELLED: _("The order is now cancelled."), Status.SHIPPED: _("The order is now shipped.")}
    told = _in_a_row(told, ended.get(Status(done["status"]), ""))
    if not with_refund:
        return _in_a_row(told, owed_after(done))
    return _in_a_row(told, _then_refund(done, _price_of(order, lines), act, post.get("reference", "")))


def refund(order: Order, post: "QueryDict", act: Act) -> str:
    """Take `version`, `amount` or `quantity_…` of lines, `reason_code`, `reason` and `reference`."""
    act.actor.require_transition("refund", order.user_id)
    version, given = required_version(post), post.get("amount", "").strip()
    lines = _chosen(post, required=False)
    if not given and not lines:
        raise OrderError(_("Enter an amount, or choose items."))
    amount = amount_typed(given) if given else None
    done = refunding.refund(
        order_id=order.pk,
        act=act,
        amount=amount,
        lines=lines or None,
        reference=post.get("reference", ""),
        expected_versions=[version],
    ).order
    names = {"amount": _refunded(done), "number": order.number}
    return _in_a_row(_("%(amount)s recorded as refunded for order %(number)s.") % names, owed_after(done))


def take_back(order: Order, post: "QueryDict", act: Act) -> str:
    """Take `version`, `quantity_…` of each line that comes back, `reason_code` and `reason`.

    Where the goods are here already, also `restock` (yes or no), and `refund` (yes) to refund their price.
    """
    act.actor.require(access.RETURN)
    with_refund = _with_refund(order, post, act)
    version, lines = required_version(post), _chosen(post)
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
        return _in_a_row(told, error.detail)
    told = _received(order, number, restock=restock)
    if not with_refund:
        return _in_a_row(told, owed_after(done))
    return _in_a_row(told, _then_refund(done, _price_of(order, lines), act, post.get("reference", "")))


def receive(order: Order, post: "QueryDict", act: Act) -> str:
    """Take `version`, `number` of the return, from 0, `restock` (yes or no), and `refund` (yes) to refund its price."""
    act.actor.require(access.RETURN)
    with_refund = _with_refund(order, post, act)
    version, number, restock = required_version(post), _number(post), ANSWERS.get(post.get("restock", ""))
    if restock is None:
        raise OrderError(_("Choose whether the goods go back into stock."))
    done = returning.receive_return(
        order_id=order.pk, number=number, restock=restock, act=act, expected_versions=[version]
    ).order
    told = _received(order, number, restock=restock)
    if not with_refund:
        return _in_a_row(told, owed_after(done))
    # Stored, so in English whoever receives it.
    code, reason = act.code or order.returns[number].code, act.reason or f"Return {number + 1}"
    because = Act(act.actor, act.at, reason, code)
    refunded = _then_refund(done, refundable_for(order, number), because, post.get("reference", ""))
    return _in_a_row(told, refunded)


def _received(order: Order, number: int, *, restock: bool) -> str:
    told = (
        _("Return %(return)s of order %(number)s is received, and restocked.")
        if restock
        else _("Return %(return)s of order %(number)s is received, not restocked.")
    )
    return told % {"return": number + 1, "number": order.number}


def _with_refund(order: Order, post: "QueryDict", act: Act) -> bool:
    """Whether the price is to be refunded as well. :raises NotPermitted: by somebody who may not."""
    if post.get("refund") != "yes":
        return False
    act.actor.require_transition("refund", order.user_id)
    return True


def _price_of(order: Order, lines: Sequence[LineRequest]) -> Decimal:
    return refundable_of(order, {line.line: line.quantity or 0 for line in lines})


def _then_refund(changed: Document, amount: Decimal, act: Act, reference: str) -> str:
    """Record what is given back for what was just taken off an order. :returns: sentences."""
    try:
        done = refunding.refund(
            order_id=changed["_id"], act=act, amount=amount, reference=reference, expected_versions=[changed["version"]]
        ).order
    except OrderError as error:
        return _in_a_row(_("The refund was not recorded."), error.detail)
    return _in_a_row(_("%(amount)s recorded as refunded.") % {"amount": _refunded(done)}, owed_after(done))


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


def reason_code(code: str) -> str:
    """A code of a reason in words; one that is no longer known as it is."""
    return str(REASON_CODES.get(code, code))


def _chosen(post: "QueryDict", *, required: bool = True) -> list[LineRequest]:
    found = []
    for name, given in post.items():
        if (line := QUANTITY.match(name)) and (text := str(given).strip()):
            if not SMALL.match(text):
                raise OrderError(_("Enter quantities as whole numbers."))
            if int(text):
                found.append(LineRequest(int(line[1]), int(text)))
    if required and not found:
        raise OrderError(_("Enter how many units of at least one item."))
    return found


def _number(post: "QueryDict") -> int:
    given = post.get("number", "")
    if not SMALL.match(given):
        raise OrderError(str(INCOMPLETE))
    return int(given)


def _tracking(post: "QueryDict") -> Tracking:
    return Tracking(**{name: post.get(name, "") for name in TRACKING})


def _refunded(order: Document) -> str:
    return _money(order, order["refunds"][-1]["amount"].to_decimal())


def owed_after(order: Document) -> str:
    """What is owed to the customer after a change, as a sentence; empty where nothing is."""
    owed = order.get("owed")
    return _("%(amount)s is owed to the customer.") % {"amount": _money(order, owed.to_decimal())} if owed else ""


def _in_a_row(*sentences: str) -> str:
    return " ".join(filter(None, sentences))


def _money(order: Document, amount: Decimal) -> str:
    return money(amount, order.get("currency") or "")


def described(order: Order, lines: Sequence[int]) -> list[str]:
    """Lines, by index, in words: how many of what."""
    return [str(order.items[line]) for line in lines]
