"""What the buttons of the attention page post, about one order or several: who may, and what does it."""

from typing import TYPE_CHECKING

from django.utils.translation import gettext as _

from orders.admin import order_forms, snooze_forms
from orders.admin.order_forms import Change
from orders.admin.posted import INCOMPLETE, SMALL
from orders.models import Order, transition_names
from orders.services import access
from orders.services.access import Actor
from orders.services.audit import Act
from orders.services.errors import OrderError
from orders.services.lifecycle import late_verification
from orders.services.stock import resolution

if TYPE_CHECKING:
    from django.http import QueryDict


def require_permission(name: str, transition: str, actor: Actor) -> None:
    """Before all else: somebody who may not act is not told what is wrong with the form.

    :param name: what the attention page calls the act.
    :raises NotPermitted:
    """
    if name in ("resolve", "retry", "accept"):
        actor.require(access.RESOLVE)
    elif name == "verify":
        actor.require_transition("cancel", "")
    elif name in ("snooze", "wake"):
        actor.require(access.SNOOZE)
    elif name == "transition" and transition in transition_names():
        actor.require_transition(transition, "")


def retry(order: Order, post: "QueryDict", act: Act) -> str:
    """Let the worker try the stock of the order at once."""
    resolution.retry_now(order_id=order.pk, act=act)
    return _("The stock of order %(number)s is queued for a retry.") % {"number": order.number}


def accept_shortage(order: Order, post: "QueryDict", act: Act) -> str:
    """Take `line`, `discrepancy` and `reason`."""
    line, missing = post.get("line", ""), post.get("discrepancy", "")
    if not (SMALL.match(line) and SMALL.match(missing)):
        raise OrderError(str(INCOMPLETE))
    resolution.accept_shortage(order_id=order.pk, line=int(line), discrepancy=int(missing), act=act)
    names = {"item": int(line) + 1, "number": order.number}
    return _("The short release of item %(item)s of order %(number)s is acknowledged.") % names


def verify_user(order: Order, post: "QueryDict", act: Act) -> str:
    """Ask the user service about the customer of an order that was placed without it."""
    late_verification.verify_user(order_id=order.pk, act=act)
    names = {"customer": order.user_id, "number": order.number}
    return _("Customer %(customer)s of order %(number)s is verified.") % names


CHANGES: dict[str, Change] = {
    "resolve": order_forms.resolve,
    "retry": retry,
    "accept": accept_shortage,
    "verify": verify_user,
    "transition": order_forms.change_status,
}
"""What the buttons post as `act`."""
OF_SEVERAL = {"snooze": snooze_forms.snooze, "wake": snooze_forms.wake}
"""What the forms about the selected orders of a section post as `act`; transitions go to the list's bulk actions."""
