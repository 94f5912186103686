"""The form on an order's page that erases the personal data of its customer: read, handed over, and told in words."""

from typing import TYPE_CHECKING

from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from orders.admin.local_formats import count
from orders.admin.posted import INCOMPLETE
from orders.models import Order
from orders.services import access
from orders.services.audit import Act
from orders.services.errors import OrderError
from orders.services.lifecycle import erasing_many
from orders.services.lifecycle.erasing import NothingToErase, OrderUnfinished

if TYPE_CHECKING:
    from django.http import QueryDict

ERASED_AT_ONCE = 200
"""Orders of a customer that are looked at while the page waits."""


def erase_customer(order: Order, post: "QueryDict", act: Act) -> str:
    """Take `erase` (`customer`) and `reason`; erase all finished orders of the order's customer."""
    act.actor.require(access.ERASE)
    if post.get("erase") != "customer":
        raise OrderError(str(INCOMPLETE))
    customer = erasing_many.Customer(user_id=order.user_id)
    done = erasing_many.erase_customer(customer=customer, act=act, limit=ERASED_AT_ONCE)
    if not done.erased:
        if done.waiting:
            raise OrderUnfinished(" ".join(done.waiting))
        raise NothingToErase(_("Nothing is left to erase."))
    told = ngettext(
        "Personal data erased from %(count)s order of customer %(customer)s.",
        "Personal data erased from %(count)s orders of customer %(customer)s.",
        done.erased,
    ) % {"count": count(done.erased), "customer": order.user_id}
    sentences = [told]
    if done.waiting:
        sentences.append(_("Erase again later: %(orders)s") % {"orders": " ".join(done.waiting)})
    if done.total == ERASED_AT_ONCE:
        sentences.append(_("There may be more orders: run manage.py erase_customer."))
    return " ".join(sentences)
