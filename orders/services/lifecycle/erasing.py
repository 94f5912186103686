"""Erasing the personal data of an order. It is final, and waits until the order is finished: the goods need an address.

`erasing_many` does so for those of a customer, and for those that have been kept long enough.
"""

import hashlib
import hmac

from bson import ObjectId
from django.conf import settings
from django.utils.translation import gettext as _

from orders.models import Document
from orders.services.access import ERASE, ERASED, visible_whole
from orders.services.audit import Act
from orders.services.errors import OrderError, RefusalKind
from orders.services.lifecycle.versions import tried
from orders.services.search_terms import terms_of
from orders.services.words import status_word
from orders.storage import personal_data
from orders.storage.personal_data import FINISHED


class OrderUnfinished(OrderError):
    """The personal data of this order is still needed."""

    code = "order_unfinished"
    kind = RefusalKind.CONFLICT


class NothingToErase(OrderError):
    """There is no personal data left, or no such order."""

    code = "nothing_to_erase"
    kind = RefusalKind.CONFLICT


def is_finished(status: str) -> bool:
    """Tell whether nobody needs the address of an order in this status any more: it has shipped, or never will."""
    return status in FINISHED


def erase_order(*, order_id: ObjectId, act: Act) -> Document:
    """Erase the personal data of one order. What people write into it afterwards is erased by doing so again.

    :returns: the whole document after it.
    :raises NotPermitted, OrderNotFound:
    :raises OrderUnfinished: it is still to be shipped, or its stock is still to be settled.
    :raises NothingToErase: it was erased before.
    :raises OrderBusy: others kept changing the order.
    :raises DatabaseError: it may or may not have happened.
    """
    act.actor.require(ERASE)

    def change() -> Document | None:
        order = visible_whole(order_id, act.actor)
        require_finished(order)
        if not personal_data.is_left_in(order):
            raise NothingToErase(
                _("The personal data of order %(number)s was erased before.") % {"number": order["number"]}
            )
        user_id = _pseudonym(order["user_id"])
        bare = {
            "number": order["number"],
            "user_id": user_id,
            "reference": order.get("reference"),
            "items": order["items"],
        }
        terms = terms_of(bare)
        return personal_data.erase(order, act.entry(ERASED), user_id=user_id, terms=terms)

    return tried(change)


def require_finished(order: Document) -> None:
    """:raises OrderUnfinished:"""
    if not is_finished(order["status"]):
        raise OrderUnfinished(
            _("Order %(number)s is %(status)s: its address is needed until it is shipped or cancelled.")
            % {"number": order["number"], "status": status_word(order["status"])}
        )
    if personal_data.owes_stock(order):
        raise OrderUnfinished(
            _("Order %(number)s still has stock to be settled with inventory.") % {"number": order["number"]}
        )


def _pseudonym(user_id: str) -> str:
    """What stands for a user from now on: an id that is an e-mail address is personal data itself.

    The same for each order of theirs, so that customers can still be counted, and not to be guessed without SECRET_KEY.
    """
    if "@" not in user_id:
        return user_id
    return f"erased-{hmac.new(settings.SECRET_KEY.encode(), user_id.encode(), hashlib.sha256).hexdigest()[:24]}"
