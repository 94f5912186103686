"""Placing a new order from its form: just as it was checked, or nothing at all."""

from dataclasses import replace
from http import HTTPStatus
from typing import Any

from django.conf import settings
from django.db import DatabaseError
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from integrations import Deadline, PeerError
from orders.admin.new_order_check import Step, check, checked_again, refused
from orders.admin.new_order_form import Typed
from orders.admin.new_order_resent import UNDER_WAY, sent_before
from orders.admin.staff_actions import status_of, why_not
from orders.models import Order
from orders.services.audit import Act
from orders.services.errors import OrderError
from orders.services.lifecycle.idempotency_keys import KeyInUse, KeyReused
from orders.services.lifecycle.placement import Placement, PlacementInterrupted, place_order
from orders.services.lifecycle.replacing import replace_order
from orders.services.lifecycle.verification import VerificationFailed

UNPLACED = {
    "products": gettext_lazy("Nothing was placed: the product service did not answer. Try again."),
    "inventory": gettext_lazy("Nothing was placed: the inventory service did not answer. Try again."),
    "users": gettext_lazy("Nothing was placed: the user service did not answer. Try again."),
}
"""What is said where an order could not be placed for want of this peer's answer."""


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
        return checked_again(typed, act, error, deadline)
    except KeyReused as error:
        return replace(sent_before(typed, act, old), status=status_of(error))
    except KeyInUse as error:
        return Step(typed, told=str(UNDER_WAY), status=status_of(error))
    except PlacementInterrupted as error:
        # What was checked may be placed by another press, under the same key.
        return Step(typed, told=why_not(error), status=HTTPStatus.CONFLICT)
    except OrderError as error:
        return refused(typed, error)
    except PeerError as error:
        return Step(typed, told=str(UNPLACED[error.peer]), status=HTTPStatus.SERVICE_UNAVAILABLE)
    except DatabaseError as error:
        told = why_not(error, _("Press the button again to find out whether the order was placed, and do that"))
        return Step(typed, told=told, status=status_of(error))


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
