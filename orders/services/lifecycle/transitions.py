"""Changing an order's status: one guarded write, and the calls to inventory that follow from it."""

import logging
from collections.abc import Collection
from dataclasses import asdict, dataclass

from bson import ObjectId
from django.conf import settings
from django.db import DatabaseError

from integrations import Deadline
from observability.metrics import TRANSITIONS
from orders.models import Document, Edge, Order, StockEffect, can_proceed, edges_from, moments, transition_towards
from orders.services.access import Kind, visible
from orders.services.audit import Act
from orders.services.errors import OrderError
from orders.services.lifecycle.idempotency_keys import KeyedRequest
from orders.services.lifecycle.versions import TRIES, busy, require_version
from orders.services.stock.claims import claim_of, claiming
from orders.services.stock.inventory_calls import carry_out
from orders.storage import line_stock, order_reads
from orders.storage.order_writes import as_read, guarded_write

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
    :param deadline: how long calling inventory may take; a worker does what is not done by then.
    :returns: the whole document after it.
    :raises OrderNotFound: also where the actor may not know of the order.
    :raises NotPermitted: the actor may not make this transition.
    :raises ReasonMissing: staff or an operator gave none for a transition of REASON_NEEDED.
    :raises TransitionRefused: with `current_status` and `allowed` (the statuses it may change to).
    :raises StaleOrder: with `version` and `changes` since the expected one.
    :raises OrderBusy: others kept changing the order.
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
        and answered alike again, whatever has become of the order since: the key is checked before the version and
        the machine are. A request that is refused leaves its key unused.
    :raises KeyReused: this actor changed the order otherwise with the same key.
    """
    request = {"status": status, "reason": act.reason}
    keyed = KeyedRequest.of(caller=act.actor.label, key=idempotency_key, request=request) if idempotency_key else None
    transition = transition_towards(status)
    if transition is not None:
        return _change(order_id, transition, act, expected_versions, keyed, deadline)
    order = _machine(order_id, act, keyed)
    if keyed:
        keyed.was_made_on(order)
    raise _refused(order, f"An order that is {order.status} cannot become {status}.")


def _change(
    order_id: ObjectId,
    transition: str,
    act: Act,
    expected: Collection[int] | None,
    keyed: KeyedRequest | None,
    deadline: Deadline | None,
) -> Change:
    deadline = deadline or Deadline.after(settings.REQUEST_DEADLINE)
    for _ in range(TRIES):
        order = _machine(order_id, act, keyed)
        act.actor.require_transition(transition, order.user_id)
        require_reason(transition, act)
        if keyed and keyed.was_made_on(order):
            return Change(_whole(order), replayed=True)
        if expected is not None:
            require_version(order, expected, act)
        edge = next((edge for edge in edges_from(order.status) if edge.name == transition), None)
        if edge is None:
            allowed = [edge.target for edge in edges_from(order.status)]
            raise TransitionRefused(refusal(transition, order.status), current_status=order.status, allowed=allowed)
        if (written := _write(order, edge, act, keyed, deadline)) is not None:
            return Change(written)
    raise busy()


def _machine(order_id: ObjectId, act: Act, keyed: KeyedRequest | None) -> Order:
    found = order_reads.get_machine(order_id, sees=act.actor.sees, key=keyed.key if keyed else None)
    return visible(found, order_id, act.actor)


def _whole(order: Order) -> Document:
    found = order_reads.get_whole(order.pk)
    assert found is not None  # noqa: S101 - no public order is ever deleted
    return found


def require_reason(transition: str, act: Act) -> None:
    """Storefronts need none: customers owe nobody a reason, and DELETE has no place for one.

    :raises ReasonMissing: staff or an operator gave none for a transition of REASON_NEEDED.
    """
    if transition in REASON_NEEDED and act.actor.kind in (Kind.STAFF, Kind.SYSTEM):
        act.require_reason(f"A reason is required to {transition} an order.")


def refusal(transition: str, status: str) -> str:
    """Why a transition is refused to an order in this status, and what it can become instead."""
    return f"Cannot {transition.replace('_', ' ')} an order that is {status}. {_alternatives(status)}"


def _refused(order: Order, problem: str) -> TransitionRefused:
    allowed = [edge.target for edge in edges_from(order.status)]
    text = f"{problem} {_alternatives(order.status)}"
    return TransitionRefused(text, current_status=order.status, allowed=allowed)


def _alternatives(status: str) -> str:
    allowed = [edge.target for edge in edges_from(status)]
    return f"It can become: {', '.join(allowed)}." if allowed else "It is final."


def _write(order: Order, edge: Edge, act: Act, keyed: KeyedRequest | None, deadline: Deadline) -> Document | None:
    """Run the machine on the order as read, and write the result if the order is still as read."""
    guard, source = as_read(order), order.status
    method = getattr(order, edge.name)
    if not can_proceed(method):
        raise _refused(order, f"Cannot {edge.name.replace('_', ' ')} this order now.")
    method()
    with claiming(order.pk, within=deadline.remaining()) as (attempt, lease):
        written = guarded_write(
            order.pk,
            guard=guard,
            entries=[act.entry(edge.name, source=source, target=order.status, **(asdict(keyed) if keyed else {}))],
            fields={"status": order.status, **moments(order.status, act.at)},
            items=line_stock.lines_after(order.stock_effect, attempt, settings.STOCK_LEASE),
            seen_at=act.at,
        )
    if written is None:
        return None
    TRANSITIONS.labels(edge.name, act.actor.via).inc()
    if order.stock_effect is StockEffect.RELEASE:
        return _release(written, attempt, lease, act, deadline)
    return written


def _release(written: Document, attempt: str, lease: Deadline, act: Act, deadline: Deadline) -> Document:
    """Release what the written transition claimed. The transition stands, whatever comes of this."""
    claim = claim_of(written, attempt, lease)
    if claim is None:
        return written
    try:
        return carry_out(claim, act, deadline=deadline) or written
    except DatabaseError:
        logger.warning("order %s: its release could not be recorded; a worker takes over", claim.order_id)
        return written
