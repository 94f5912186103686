"""What the forms on an order's page post: read, handed to a service, and told in words."""

from collections.abc import Callable
from typing import TYPE_CHECKING

from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from orders.admin import labels
from orders.admin.posted import ANSWERS, INCOMPLETE, SMALL, required_version
from orders.admin.refund_forms import owed_after
from orders.models import Address, Order, Status, edges_named, transition_names
from orders.services import access
from orders.services.audit import Act
from orders.services.errors import OrderError
from orders.services.lifecycle import editing, transitions
from orders.services.lifecycle.payments import Paid
from orders.services.stock.resolution import resolve_line
from orders.services.text_rules import ADDRESS_FIELDS

if TYPE_CHECKING:
    from django.http import QueryDict

Change = Callable[[Order, "QueryDict", Act], str]
"""Carries out what was posted and says what it did. :raises OrderError:"""

NOW = {
    Status.PAID: gettext_lazy("Order %(number)s is now paid."),
    Status.PROCESSING: gettext_lazy("Order %(number)s is now processing."),
    Status.SHIPPED: gettext_lazy("Order %(number)s is now shipped."),
    Status.DELIVERED: gettext_lazy("Order %(number)s is now delivered."),
    Status.CANCELLED: gettext_lazy("Order %(number)s is now cancelled."),
    Status.REFUNDED: gettext_lazy("Order %(number)s is now refunded."),
}
"""What is said of an order whose status has been changed to this one."""


def change_status(order: Order, post: "QueryDict", act: Act) -> str:
    """Take `transition`, `version`, `reason` and `reason_code`; of `pay` also `reference` and `method`."""
    name = post.get("transition", "")
    if name not in transition_names():
        raise OrderError(_("Unknown action."))
    act.actor.require_transition(name, order.user_id)
    version = required_version(post)
    paid = Paid(reference=post.get("reference", "").strip(), method=post.get("method", "").strip())
    payment = paid if name == "pay" and (paid.reference or paid.method) else None
    [status] = {edge.target for edge in edges_named(name)}
    changed = transitions.change_status_to(
        order_id=order.pk, status=status, act=act, expected_versions=[version], payment=payment
    ).order
    told = NOW[Status(changed["status"])] % {"number": order.number}
    return f"{told} {owed_after(changed)}".rstrip() if name == "cancel" else told


def change_address(order: Order, post: "QueryDict", act: Act) -> str:
    """Take the address's fields, `version` and `reason`."""
    act.actor.require(access.CHANGE_ADDRESS)
    version = required_version(post)
    address = Address(**{name: post.get(name, "") for name in ADDRESS_FIELDS})
    editing.change_address(order_id=order.pk, address=address, act=act, expected_version=version)
    told = _("The shipping address of order %(number)s is now %(address)s.")
    return told % {"number": order.number, "address": address}


def write_note(order: Order, post: "QueryDict", act: Act) -> str:
    """Take `text`."""
    editing.write_note(order_id=order.pk, text=post.get("text", ""), act=act)
    return _("Note added.")


def resolve(order: Order, post: "QueryDict", act: Act) -> str:
    """Take `line`, `attempts`, `happened` and `reason`."""
    act.actor.require(access.RESOLVE)
    answer, line, attempts = (post.get(name, "") for name in ("happened", "line", "attempts"))
    if answer not in ANSWERS or not (SMALL.match(line) and SMALL.match(attempts)):
        raise OrderError(str(INCOMPLETE))
    changed = resolve_line(
        order_id=order.pk, line=int(line), happened=ANSWERS[answer], act=act, expected_attempts=int(attempts)
    )
    outcome = labels.settled(changed["items"][int(line)]["stock"]["state"])
    names = {"item": int(line) + 1, "number": order.number, "outcome": outcome}
    return _("Item %(item)s of order %(number)s: %(outcome)s.") % names
