"""Changing an order's status: one guarded write, and the talk with inventory that it owes."""

import logging
from collections.abc import Collection
from dataclasses import asdict, dataclass

from bson import ObjectId
from django.conf import settings
from django.db import DatabaseError
from django_fsm import can_proceed

from integrations.deadline import Deadline
from observability.metrics import TRANSITIONS
from orders.models.machine import Edge, edges_from, moments, transition_towards
from orders.models.order import Order
from orders.models.states import StockEffect
from orders.services.access import Kind
from orders.services.audit import Act
from orders.services.errors import OrderError
from orders.services.lifecycle.idempotency_keys import Mark
from orders.services.lifecycle.versions import TRIES, busy, require_version, visible
from orders.services.stock.claims import claim_of, claiming, new_lease
from orders.services.stock.inventory_calls import settle, talk
from orders.storage import order_reads
from orders.storage.database import Document
from orders.storage.order_writes import Expression, guarded_write, lines_released, lines_used, new_id

logger = logging.getLogger(__name__)

REASON_NEEDED = frozenset({"cancel", "refund"})
"""What staff and operators do only with a reason: it ends the order, and the customer will ask."""


@dataclass(frozen=True)
class Change:
    """A change that was asked for.

    :ivar order: the whole document of the order, as it is now.
    :ivar replayed: an earlier request with the same key made it.
    """

    order: Document
    replayed: bool = False


class TransitionRefused(OrderError):
    """The machine does not allow this change from the order's present status."""

    code = "transition_not_allowed"


def change_status(
    *,
    order_id: ObjectId,
    transition: str,
    act: Act,
    expected_version: int | None = None,
    deadline: Deadline | None = None,
) -> Document:
    """Make a transition, by its name.

    :param expected_version: refuse if the order has another one by now.
    :param deadline: how long talking to inventory may take; what is not done by then a worker does.
    :returns: the whole document after it.
    :raises OrderNotFound: also where the actor may not know of the order.
    :raises NotPermitted: the actor may not make this transition.
    :raises ReasonMissing: staff or an operator gave none for a transition of REASON_NEEDED.
    :raises TransitionRefused: with `current_status` and `allowed` (the statuses it may change to).
    :raises StaleOrder: with `version` and `changes` since the expected one.
    :raises OrderBusy: others were always faster.
    :raises DatabaseError: it may or may not have happened; inventory was not called.
    """
    expected = None if expected_version is None else [expected_version]
    return _change(order_id, transition, act, expected, None, deadline).order


def change_status_to(
    *,
    order_id: ObjectId,
    status: str,
    act: Act,
    expected_versions: Collection[int] | None = None,
    idempotency_key: str | None = None,
    deadline: Deadline | None = None,
) -> Change:
    """Make the transition that leads to a public status; see :func:`change_status`.

    :param expected_versions: refuse if the order is at none of them by now.
    :param idempotency_key: the same request (order, actor, status and reason) with the same key is carried out once,
        and told so again whatever has become of the order since: the key is looked for before the version is, and
        before the machine is asked. A request that is refused leaves its key free.
    :raises KeyReused: this actor changed the order otherwise with the same key.
    """
    request = {"status": status, "reason": act.reason}
    mark = Mark.of(caller=act.actor.label, key=idempotency_key, request=request) if idempotency_key else None
    transition = transition_towards(status)
    if transition is not None:
        return _change(order_id, transition, act, expected_versions, mark, deadline)
    order = _machine(order_id, act, mark)
    if mark:
        mark.is_in(order)
    raise _refused(order, f"An order that is {order.status} cannot become {status}.")


def _change(
    order_id: ObjectId,
    transition: str,
    act: Act,
    expected: Collection[int] | None,
    mark: Mark | None,
    deadline: Deadline | None,
) -> Change:
    deadline = deadline or Deadline.after(settings.REQUEST_DEADLINE)
    for _ in range(TRIES):
        order = _machine(order_id, act, mark)
        act.actor.require_transition(transition, order.user_id)
        require_reason(transition, act)
        if mark and mark.is_in(order):
            return Change(_whole(order), replayed=True)
        if expected is not None:
            require_version(order, expected, act)
        edge = next((edge for edge in edges_from(order.status) if edge.name == transition), None)
        if edge is None:
            allowed = [edge.target for edge in edges_from(order.status)]
            raise TransitionRefused(refusal(transition, order.status), current_status=order.status, allowed=allowed)
        if (written := _write(order, edge, act, mark, deadline)) is not None:
            return Change(written)
    raise busy()


def _machine(order_id: ObjectId, act: Act, mark: Mark | None) -> Order:
    found = order_reads.get_machine(order_id, sees=act.actor.sees, key=mark.key if mark else None)
    return visible(found, order_id, act)


def _whole(order: Order) -> Document:
    found = order_reads.get_whole(order.pk)
    assert found is not None  # noqa: S101 - no public order is ever deleted
    return found


def require_reason(transition: str, act: Act) -> None:
    """Storefronts need none: customers owe nobody a reason, and DELETE has no place for one.

    :raises ReasonMissing: staff or an operator gave none for a transition of REASON_NEEDED.
    """
    if transition in REASON_NEEDED and act.actor.kind in (Kind.STAFF, Kind.SYSTEM):
        act.require_reason(f"A reason is needed to {transition} an order: it is kept in its history.")


def refusal(transition: str, status: str) -> str:
    """Why a transition is refused to an order in this status, and what it can become instead."""
    return f"Cannot {transition.replace('_', ' ')} an order that is {status}. {_way_out(status)}"


def _refused(order: Order, problem: str) -> TransitionRefused:
    allowed = [edge.target for edge in edges_from(order.status)]
    text = f"{problem} {_way_out(order.status)}"
    return TransitionRefused(text, current_status=order.status, allowed=allowed)


def _way_out(status: str) -> str:
    allowed = [edge.target for edge in edges_from(status)]
    return f"It can become: {', '.join(allowed)}." if allowed else "It is final."


def _write(order: Order, edge: Edge, act: Act, mark: Mark | None, deadline: Deadline) -> Document | None:
    """Run the machine on the order as read, and write the result if the order is still as read."""
    source, version, method = order.status, order.version, getattr(order, edge.name)
    if not can_proceed(method):
        raise _refused(order, f"Cannot {edge.name.replace('_', ' ')} this order now.")
    method()
    attempt, lease = new_id(), new_lease()
    with claiming(order.pk, attempt, within=deadline.remaining()):
        written = guarded_write(
            order.pk,
            guard={"status": source, "version": version},
            entries=[act.entry(edge.name, source=source, target=order.status, **(asdict(mark) if mark else {}))],
            fields={"status": order.status, **moments(order.status, act.at)},
            items=_items(order.stock_effect, attempt),
            seen_at=act.at,
        )
    if written is None:
        return None
    TRANSITIONS.labels(edge.name, act.actor.via).inc()
    if order.stock_effect is StockEffect.RELEASE:
        return _release(written, attempt, lease, act, deadline)
    return written


def _items(effect: StockEffect, attempt: str) -> Expression:
    match effect:
        case StockEffect.RELEASE:
            return lines_released(attempt, settings.STOCK_LEASE)
        case StockEffect.USE:
            return lines_used()
        case _:
            return None


def _release(written: Document, attempt: str, lease: Deadline, act: Act, deadline: Deadline) -> Document:
    """Release what the written transition claimed. The transition stands, whatever becomes of this."""
    claim = claim_of(written, attempt, lease)
    if claim is None:
        return written
    try:
        return settle(claim, talk(claim, deadline=deadline), act, deadline=deadline) or written
    except DatabaseError:
        logger.warning("order %s: its release could not be recorded; a worker takes over", claim.order_id)
        return written
