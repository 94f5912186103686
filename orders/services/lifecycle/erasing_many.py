"""Erasing the personal data of many orders: a customer's at their request, or all that has been kept long enough.

Each order is erased by a guarded write of its own, so that whatever stops the rest leaves no order half erased, and
the same call goes on from there.
"""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from datetime import timedelta
from itertools import islice

from bson import ObjectId
from django.conf import settings
from django.core.exceptions import ValidationError
from django.core.validators import validate_email
from django.utils.translation import gettext_noop

from orders.services.access import ERASE, OrderNotFound
from orders.services.audit import Act
from orders.services.identifiers import MalformedUserId, user_typed
from orders.services.lifecycle.erasing import NothingToErase, OrderUnfinished, erase_order, require_finished
from orders.services.lifecycle.versions import OrderBusy
from orders.storage import personal_data
from orders.storage.bulk_orders import named
from orders.storage.order_query import Key, OrderKeys, OrderQuery
from orders.storage.personal_data import Customer

__all__ = [
    "Customer", "Erasure", "customer_typed", "erase_customer", "erase_named", "erase_old", "erased_orders",
    "plan_erasure", "retention_reason",
]  # fmt: skip


@dataclass
class Erasure:
    """What became of the orders that were to be erased; in a dry run, what would.

    :ivar already: nothing was left in them to erase.
    :ivar missing: there is no such order.
    :ivar waiting: why the others have to wait, each a sentence with the order's number.
    """

    erased: int = 0
    already: int = 0
    missing: int = 0
    waiting: list[str] = field(default_factory=list)

    @property
    def total(self) -> int:
        return self.erased + self.already + self.missing + len(self.waiting)


def customer_typed(text: str) -> Customer:
    """The customer whom somebody means: by user id or by e-mail address; some shops' user ids are addresses.

    :raises MalformedUserId: it is neither.
    """
    try:
        validate_email(text.strip())
    except ValidationError:
        return Customer(user_id=user_typed(text))
    try:
        return Customer(user_id=user_typed(text), email=text.strip())
    except MalformedUserId:
        return Customer(email=text.strip())


def plan_erasure(*, customer: Customer, act: Act) -> Erasure:
    """What erasing a customer's orders would do now.

    :raises NotPermitted:
    :raises DatabaseError: also if not all of them could be read.
    """
    act.actor.require(ERASE)
    done = Erasure()
    for order in personal_data.orders_of(customer):
        try:
            require_finished(order)
        except OrderUnfinished as error:
            done.waiting.append(error.detail)
        else:
            is_left = personal_data.is_left_in(order)
            done.erased, done.already = done.erased + is_left, done.already + (not is_left)
    return done


Progress = Callable[[int], None]
TOO_OLD = gettext_noop("Kept for %(days)s days.")


def erase_customer(
    *,
    customer: Customer,
    act: Act,
    limit: int | None = None,
    stopping: Callable[[], bool] = lambda: False,
    progress: Progress = lambda _: None,
) -> Erasure:
    """Erase the personal data of all finished orders of a customer, rejected drafts too.

    :param limit: look at so many orders at most.
    :param progress: told how many more orders were looked at, each time.
    :raises NotPermitted:
    :raises DatabaseError: what is erased stays erased; the same call goes on from there.
    """
    ids = (order["_id"] for order in personal_data.orders_of(customer))
    return _erase_each(islice(ids, limit), act, stopping, progress)


def erase_named(
    *, keys: OrderKeys, act: Act, stopping: Callable[[], bool] = lambda: False, progress: Progress = lambda _: None
) -> Erasure:
    """Erase the personal data of these orders; otherwise as :func:`erase_customer`."""
    return _erase_each(named(OrderQuery(keys=keys)), act, stopping, progress)


def erase_old(*, act: Act, limit: int, stopping: Callable[[], bool] = lambda: False) -> Erasure:
    """Erase what has been kept for PERSONAL_DATA_DAYS days: of orders placed, and last changed in status, before that.

    :param limit: the most orders to look at.
    :raises NotPermitted, DatabaseError: as of :func:`erase_customer`.
    """
    before = act.at - timedelta(days=settings.PERSONAL_DATA_DAYS)
    return _erase_each(islice(personal_data.erasable(before), limit), act, stopping, lambda _: None)


def retention_reason() -> str:
    """Why the worker erases, for the histories."""
    return TOO_OLD % {"days": settings.PERSONAL_DATA_DAYS}


def erased_orders(*, act: Act) -> Iterator[ObjectId]:
    """The orders whose personal data was erased: to be erased again where a backup has brought it back.

    :raises NotPermitted: at once.
    :raises DatabaseError: also between two of them.
    """
    act.actor.require(ERASE)
    return personal_data.erased()


def _erase_each(keys: Iterable[Key], act: Act, stopping: Callable[[], bool], progress: Progress) -> Erasure:
    act.actor.require(ERASE)
    done = Erasure()
    for key in keys:
        if stopping():
            break
        _erase_one(key, act, done)
        progress(1)
    return done


def _erase_one(key: Key, act: Act, done: Erasure) -> None:
    if isinstance(key, str):  # a number that no order has
        done.missing += 1
        return
    try:
        erase_order(order_id=key, act=act)
        done.erased += 1
    except NothingToErase:
        done.already += 1
    except OrderNotFound:
        done.missing += 1
    except (OrderUnfinished, OrderBusy) as error:
        done.waiting.append(error.detail)
