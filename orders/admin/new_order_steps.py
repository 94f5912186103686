"""What the buttons of a new order's form do: check it, and place it."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from http import HTTPStatus
from typing import Any

from django.conf import settings
from django.db import DatabaseError
from django.utils.html import format_html
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from integrations import Deadline, PeerError
from orders.admin.money_format import money
from orders.admin.new_order_form import Typed, as_checked, new_key
from orders.admin.replacement import link_to
from orders.admin.staff_actions import status_of, why_not
from orders.models import PUBLIC_STATUSES, Document, Order, to_cents
from orders.services.audit import Act
from orders.services.errors import OrderError
from orders.services.lifecycle.idempotency_keys import KeyInUse, KeyReused, order_under
from orders.services.lifecycle.placement import Placement, PlacementInterrupted, place_order
from orders.services.lifecycle.previewing import Preview, preview_order
from orders.services.lifecycle.replacing import key_of, replace_order
from orders.services.lifecycle.verification import PriceChanged, VerificationFailed
from orders.services.lifecycle.versions import StaleOrder

UNDER_WAY = gettext_lazy("This form is still being worked on. Press again to see what came of it.")
UNPLACED = {
    "products": gettext_lazy("Nothing was placed: the product service did not answer. Try again."),
    "inventory": gettext_lazy("Nothing was placed: the inventory service did not answer. Try again."),
    "users": gettext_lazy("Nothing was placed: the user service did not answer. Try again."),
}
"""What is said where an order could not be placed for want of this peer's answer."""


@dataclass(frozen=True)
class Step:
    """What a button came to.

    :ivar typed: what the form shows next.
    :ivar placed: the order, if there is one now; then nothing else matters.
    :ivar told: what went wrong, in words.
    :ivar errors: by field, as the services name them.
    """

    typed: Typed
    preview: Preview | None = None
    placed: Document | None = None
    told: str = ""
    errors: Mapping[str, list[str]] = field(default_factory=dict)
    status: HTTPStatus = HTTPStatus.OK


def check(typed: Typed, act: Act, deadline: Deadline | None = None) -> Step:
    """Say what the order would come to, and all that would keep it from being placed."""
    preview = preview_order(
        user_id=typed.text("user_id"),
        items=typed.items,
        shipping_address=typed.shipping_address,
        details=typed.details,
        actor=act.actor,
        at=act.at,
        deadline=deadline,
    )
    return Step(as_checked(typed, preview), preview)


def place(typed: Typed, act: Act, old: Order | None, version: int | None) -> Step:
    """Place the order just as it was checked; otherwise check it, and place nothing.

    :param old: whose place it takes; `version`: at which the person saw that one.
    """
    if not typed.is_as_checked:
        told = _(
            "The items were not checked as they are now. Nothing was placed: look at the total, and place the order."
        )
        return replace(check(typed, act), told=told)
    deadline = Deadline.after(settings.REQUEST_DEADLINE)
    try:
        return Step(typed, placed=_placed(typed, act, old, version, deadline).order)
    except VerificationFailed as error:
        return _checked_again(typed, act, error, deadline)
    except KeyReused as error:
        return replace(_sent_before(typed, act, old), status=status_of(error))
    except KeyInUse as error:
        return Step(typed, told=str(UNDER_WAY), status=status_of(error))
    except PlacementInterrupted as error:
        # What was checked may be placed by another press, under the same key.
        return Step(typed, told=why_not(error), status=HTTPStatus.CONFLICT)
    except StaleOrder as error:
        # They look at the order as it is now, and check what they typed once more.
        seen = {**typed.texts, "version": str(error.members["version"])}
        return Step(replace(typed, texts=seen, checked=""), told=why_not(error), status=status_of(error))
    except OrderError as error:
        return refused(typed, error)
    except PeerError as error:
        return Step(typed, told=str(UNPLACED[error.peer]), status=HTTPStatus.SERVICE_UNAVAILABLE)
    except DatabaseError as error:
        told = why_not(error, _("Press the button again to find out whether the order was placed, and do that"))
        return Step(typed, told=told, status=HTTPStatus.SERVICE_UNAVAILABLE)


def refused(typed: Typed, error: OrderError) -> Step:
    """The form again, with what is wrong beside its fields; it has to be checked again."""
    errors = error.members.get("errors", {})
    return Step(replace(typed, checked=""), told=why_not(error), errors=errors, status=status_of(error))


def _placed(typed: Typed, act: Act, old: Order | None, version: int | None, deadline: Deadline) -> Placement:
    given: dict[str, Any] = {
        "items": typed.items,
        "shipping_address": typed.shipping_address,
        "act": act,
        "details": typed.details,
        "idempotency_key": typed.key,
        "deadline": deadline,
    }
    if old is None:
        return place_order(user_id=typed.text("user_id"), **given)
    return replace_order(order_id=old.pk, expected_version=version or 0, **given)


def _sent_before(typed: Typed, act: Act, old: Order | None) -> Step:
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


def _checked_again(typed: Typed, act: Act, error: VerificationFailed, deadline: Deadline) -> Step:
    """After a refusal because of what a peer says: how things are now, and what has changed."""
    again = check(typed, act, deadline)
    told = why_not(error)
    if isinstance(error, PriceChanged) and again.preview:
        told = _("A price has changed. Nothing was placed: %(changes)s. Look at the total, and place the order.") % {
            "changes": ", ".join(_changes(typed, again.preview)) or error.detail
        }
    return replace(again, told=told, status=status_of(error))


def _changes(typed: Typed, preview: Preview) -> list[str]:
    """The prices that are not as they were shown, in words."""
    currency, told = typed.text("currency"), []
    for item, line in zip(typed.items, preview.lines, strict=True):
        if line.price is not None and line.price != to_cents(item.price):
            prices = {"before": money(item.price, currency), "now": money(line.price, currency)}
            told.append(_("%(product)s %(before)s → %(now)s") % {"product": line.name or item.product_id, **prices})
    return told
