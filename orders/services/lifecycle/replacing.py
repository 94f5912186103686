"""Changing the items of an unpaid order: it is cancelled, and another placed that takes its place, as one act.

The new order is placed as every other is: a draft, whose lines are reserved. Then one transaction makes it an order and
cancels the one before, which learn of each other by it: both happen, or neither does (docs/adr/0012). What comes before
that leaves at worst a draft, which a worker rejects; what is left to do after it, releasing the stock of the cancelled
order, is due like that of every cancellation. The transaction asks for the version that the person saw, so that of
several replacements one is made.
"""

from collections.abc import Collection
from dataclasses import replace
from functools import partial

from bson import ObjectId
from django.utils.translation import gettext as _

from integrations import Deadline
from orders.models import Address, Document, Item, LineState, Status
from orders.services.access import PLACE_FOR_CUSTOMER, Actor, visible_whole
from orders.services.audit import Act, require_reason
from orders.services.errors import OrderError, RefusalKind
from orders.services.lifecycle import idempotency_keys
from orders.services.lifecycle.drafts import Details
from orders.services.lifecycle.placement import Placement, PlacementInterrupted, place_order
from orders.services.lifecycle.replacement_write import CANCEL, placed_instead
from orders.services.lifecycle.verification import InsufficientStock
from orders.services.lifecycle.versions import require_version
from orders.storage import order_reads


class OrderNotReplaceable(OrderError):
    """The items of this order cannot be changed as it is now."""

    code = "order_not_replaceable"
    kind = RefusalKind.CONFLICT


def may_replace(actor: Actor, user_id: str) -> bool:
    """Tell whether somebody may change the items of an order of this customer."""
    return actor.has(PLACE_FOR_CUSTOMER) and actor.may(CANCEL, user_id)


def obstacle(*, status: str, is_held: bool, has_charges: bool) -> str:
    """Why the items of an order cannot be changed now; empty if they can."""
    if status != Status.PENDING:
        return _("Only the items of an unpaid order can be changed.")
    if is_held:
        return _("The order is on hold. Lift the hold first.")
    if has_charges:
        return _("The order has charges of another shop system, which a new order would not have.")
    return ""


def key_of(order_id: ObjectId, idempotency_key: str) -> str:
    """The key under which the order is placed that replaces this one: the same key means another for each order."""
    return f"{order_id}:{idempotency_key}"


def replace_order(
    *,
    order_id: ObjectId,
    expected_version: int,
    items: list[Item],
    shipping_address: Address,
    act: Act,
    details: Details,
    idempotency_key: str,
    deadline: Deadline | None = None,
) -> Placement:
    """Place an order instead of an unpaid one of the same customer, which is cancelled by the same write.

    The metadata stay those of the storefront, whatever `details` say of them.

    :param expected_version: which the person saw; any change since refuses it.
    :param act: its reason is that of the cancellation.
    :raises OrderNotFound, NotPermitted, ReasonMissing: nobody was asked, nothing changed.
    :raises StaleOrder: the order has changed since, perhaps because somebody replaced it.
    :raises OrderNotReplaceable: see :func:`obstacle`.
    :raises InsufficientStock: also where the stock would do once the order is cancelled; it says so.
    :raises OrderError, PeerError, DatabaseError: as :func:`orders.services.lifecycle.placement.place_order` does.
    """
    old = visible_whole(order_id, act.actor)
    act.actor.require_placing_for(old["user_id"])
    act.actor.require_transition(CANCEL, old["user_id"])
    require_reason(CANCEL, act)
    if not _was_replaced_with(old, act, idempotency_key):
        _require_as_seen(old, expected_version, act)
    try:
        return place_order(
            user_id=old["user_id"],
            items=items,
            shipping_address=shipping_address,
            act=act,
            details=replace(details, metadata=old.get("metadata") or {}),
            idempotency_key=key_of(order_id, idempotency_key),
            deadline=deadline,
            write=partial(placed_instead, old, expected_version, act),
        )
    except InsufficientStock as error:
        raise _with_what_is_held(error, old, items) from error
    except PlacementInterrupted:
        _require_as_seen(order_reads.get_whole(order_id) or old, expected_version, act)
        raise


def _was_replaced_with(old: Document, act: Act, key: str) -> bool:
    """Tell whether a request with this key replaced the order: it is then answered once more."""
    instead = old.get("replaced_by") or {}
    return bool(instead) and instead["order_id"] == idempotency_keys.order_of(
        caller=act.actor.label, key=key_of(old["_id"], key)
    )


def _require_as_seen(old: Document, version: int, act: Act) -> None:
    """:raises StaleOrder, OrderNotReplaceable:"""
    require_version(order_reads.machine_of(old, version=old["version"]), [version], act)
    held, charges = old.get("held_at") is not None, bool(old.get("charges"))
    if told := obstacle(status=old["status"], is_held=held, has_charges=charges):
        raise OrderNotReplaceable(told)


def _with_what_is_held(error: InsufficientStock, old: Document, items: Collection[Item]) -> InsufficientStock:
    """The same error; where the old order holds units of what is short, it says that these count as taken."""
    held = {item["product_id"] for item in old["items"] if item["stock"]["state"] == LineState.RESERVED}
    short = [item for index, item in enumerate(items) if f"items.{index}" in error.members["available"]]
    if held.isdisjoint(item.product_id for item in short):
        return error
    told = _("What the order to be replaced holds is free only once it is cancelled.")
    return InsufficientStock(f"{error.detail} {told}", wanted=error.wanted, **error.members)
