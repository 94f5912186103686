"""The product with one safeguard taken out: a proof that does not notice it proves nothing."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from typing import Any
from unittest.mock import patch

from bson import ObjectId
from django.utils import timezone

from integrations import inventory
from orders.models import Edge, Item, LineState, Order, StockEffect
from orders.services.events import delivering, telling
from orders.services.fulfilment import cancelling
from orders.services.lifecycle import idempotency_keys, reservation, transitions
from orders.services.lifecycle.idempotency_keys import Ticket
from orders.services.stock import claims, worker
from orders.storage import event_feed, ledger, order_reads, order_writes, webhook_endpoints
from orders.storage.database import collection
from orders.storage.line_stock import LineStock, lines_by_index
from orders.storage.order_writes import guarded_write

Patches = dict[tuple[object, str], object]


def no_version_guard() -> Patches:
    """A transition is written whatever has become of the order since it was read."""

    def unguarded(order_id: ObjectId, *, guard: Any, **rest: Any) -> Any:
        return guarded_write(order_id, guard={}, **rest)

    return {(transitions, "guarded_write"): unguarded}


def no_lease() -> Patches:
    """A worker takes every attempt for expired, and every order that owes something for due."""

    def owing(_now: object, limit: int) -> list[ObjectId]:
        found = order_writes.orders().find({"stock_due_at": {"$exists": True}}, {"_id": 1}).sort("_id", 1)
        return [order["_id"] for order in found.limit(limit)]

    return {
        (order_reads, "due_orders"): owing,
        (worker, "_is_due"): lambda document, _now: "stock_due_at" in document,
        (claims, "_is_live"): lambda _attempt, _now: False,
    }


def no_guard_on_claims() -> Patches:
    """A worker claims what was due when it looked, though another may have claimed it since."""
    write_lines = claims.write_lines

    def unguarded(order_id: ObjectId, changes: Any, act: Any, *, guard: Any, **rest: Any) -> Any:
        return write_lines(order_id, changes, act, guard={}, **rest)

    return {(claims, "write_lines"): unguarded}


def no_idempotency_key() -> Patches:
    """Each placement is the first one by its key."""
    return {(idempotency_keys, "take"): lambda **_: Ticket(ObjectId())}


def call_then_write() -> Patches:
    """Stock is released first, and then the order is written as cancelled or refunded."""
    write = transitions._write

    def called_first(order: Order, edge: Edge, request: Any, stages: Any, fields: Any, deadline: Any) -> Any:
        source, document = order.status, order_reads.get_whole(order.pk)
        assert document is not None
        meant = Order(status=source)
        getattr(meant, edge.name)()
        if meant.stock_effect is not StockEffect.RELEASE:
            return write(order, edge, request, stages, fields, deadline)
        released = {}
        for index, item in enumerate(document["items"]):
            key = f"{order.pk}:{index}:release"
            if item["stock"]["state"] == LineState.RESERVED:
                inventory.release(
                    item["product_id"], item["quantity"], order_id=str(order.pk), key=key, deadline=deadline
                )
                released[index] = LineStock(LineState.RELEASED, attempts=1)
        act = request.act
        return guarded_write(
            order.pk,
            guard={"status": source, "version": order.version},
            entries=[act.entry(edge.name, source=source, target=meant.status)],
            fields={"status": meant.status},
            items=lines_by_index(released),
            seen_at=act.at,
            first=stages.first,
            then=stages.then,
        )

    return {(transitions, "_write"): called_first}


def too_late_to_reject() -> Patches:
    """A placement is completed though a worker may have rejected it."""

    def unguarded(order_id: ObjectId, *, guard: Any, **rest: Any) -> Any:
        return guarded_write(order_id, guard={}, **rest)

    return {(reservation, "guarded_write"): unguarded}


def no_memory_of_calls() -> Patches:
    """A worker forgets that an attempt that has expired may have made its call."""
    return {(claims, "frozenset"): lambda _indexes: frozenset()}


def no_guard_on_amounts() -> Patches:
    """A refund is written if what is left sufficed when it was read."""
    return {(ledger, "refund_fits"): lambda *_, **__: {}, (ledger, "refund_leaves_none"): lambda _amount: {}}


def no_guard_on_parts() -> Patches:
    """A part is cancelled whatever has become of its line and its order since they were read."""
    return {(cancelling, "as_read"): lambda _order: {}, (cancelling, "as_counted"): lambda _parts: {}}


def lines_in_flight_are_split() -> Patches:
    """A part may be taken off a line whose release is under way."""
    open_states = (LineState.RESERVED, LineState.RELEASING)
    return {(Item, "is_open"): property(lambda item: item.stock.state in open_states)}


# --- the feed --------------------------------------------------------------------------------------------------------


def no_memory_of_the_feed() -> Patches:
    """The feed is not asked what it has: an order's marks alone say what was told of it."""
    return {(event_feed, "told_of"): lambda _order_ids: {}}


def numbers_from_a_counter() -> Patches:
    """Numbers are taken from a counter, and then events are appended under them."""

    def counted(events: Sequence[Any]) -> None:
        if not events:
            return
        counter = collection("event_counter")
        upto = counter.find_one_and_update({}, {"$inc": {"n": len(events)}}, upsert=True, return_document=True)["n"]
        last = event_feed.last_event()
        digest = last["digest"] if last else telling.START
        event_feed.append(list(telling._numbered(events, upto - len(events), digest, timezone.now())))

    collection("event_counter").delete_many({})
    return {(telling, "_append"): counted}


def marks_without_looking() -> Patches:
    """An order is marked as told, whatever its history has got meanwhile."""
    return {(event_feed, "_mark"): lambda told: [{"$set": {"told": told.entries, "untold_at": "$$REMOVE"}}]}


def cursor_before_the_answer() -> Patches:
    """An endpoint's cursor is moved on, and then it is called."""
    deliver_one = delivering._deliver_one

    def moved_first(endpoint: Any, holder: str, event: Any) -> bool:
        webhook_endpoints.delivered(endpoint["_id"], holder, event["_id"], None)
        return deliver_one(endpoint, holder, event)

    return {(delivering, "_deliver_one"): moved_first}


def cursor_out_of_sight() -> Patches:
    """Who delivers knows where the cursor must be, and does not look whether it is there."""
    take, delivered = webhook_endpoints.take, webhook_endpoints.delivered
    known: dict[str, int] = {}

    def taken(endpoint_id: ObjectId, holder: str, seconds: float) -> Any:
        found = take(endpoint_id, holder, seconds)
        return found and found | {"cursor": known.get(holder, found["cursor"])}

    def recorded(endpoint_id: ObjectId, holder: str, cursor: int, attempted: Any) -> bool:
        known[holder] = cursor
        return delivered(endpoint_id, holder, cursor, attempted)

    return {(webhook_endpoints, "take"): taken, (webhook_endpoints, "delivered"): recorded}


@contextmanager
def no_unique_sequence() -> Iterator[None]:
    """Nothing keeps two events of an order from having one sequence."""
    feed, name = event_feed.feed(), "order_sequence"
    made = feed.index_information()[name]
    feed.drop_index(name)
    try:
        yield
    finally:
        feed.delete_many({})
        feed.create_index(made["key"], name=name, unique=True, partialFilterExpression=made["partialFilterExpression"])


@contextmanager
def mutated(mutation: Callable[[], Patches]) -> Iterator[None]:
    """The product under one mutation."""
    with ExitStack() as stack:
        for (module, attribute), value in mutation().items():
            # `create` for what is a builtin in the module.
            stack.enter_context(patch.object(module, attribute, value, create=attribute == "frozenset"))
        yield
