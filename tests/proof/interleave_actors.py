"""What people and workers do in an interleaved run, and what they find there at its beginning."""

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import timedelta
from decimal import Decimal
from typing import Any, Protocol

from bson import Decimal128, ObjectId
from django.utils import timezone
from hypothesis import strategies as st

from orders.models import PUBLIC_STATUSES, Address, Item, LineState, StockCall, edges, edges_from
from orders.services import access
from orders.services.audit import Act
from orders.services.fulfilment.cancelling import cancel_lines
from orders.services.fulfilment.parts import LineRequest
from orders.services.fulfilment.refunding import refund
from orders.services.fulfilment.returning import open_return, receive_return
from orders.services.fulfilment.shipping import ship
from orders.services.lifecycle import placement, transitions
from orders.services.lifecycle.tracking import Tracking
from orders.services.stock.resolution import resolve_line
from orders.services.stock.worker import settle_due
from orders.storage import new_id
from orders.storage.order_writes import history_entry, orders
from tests.feed_invariants import YESTERDAY
from tests.proof.checks import Ledger

Document = dict[str, Any]
PRODUCTS = ("aaaaaaaaaaaaaaaaaaaaaaa1", "aaaaaaaaaaaaaaaaaaaaaaa2")
UNITS = (9, 6)
"""Few enough that somebody goes away empty-handed."""
PRICE = Decimal("12.50")
REFUNDED = Decimal("10.00")
"""What is given back at a time: twice it is more than one unit costs."""
CUSTOMERS = {"anna": "1", "bert": "2"}
ONWARDS = {"pending": "pay", "paid": "start_processing", "processing": "ship", "shipped": "deliver"}


class Stage(Protocol):
    """What an operation may know of the run that it is part of.

    :ivar told: the orders of which somebody was told that they are placed.
    :ivar endpoint, received, replays: the webhook endpoint, what its consumer was sent, when its cursor was set back.
    """

    told: list[ObjectId]
    endpoint: ObjectId
    received: list[Document]
    replays: list[tuple[int, int]]

    def ledger(self) -> Ledger: ...

    def under_way(self, key: str) -> bool:
        """Tell whether a call with this key may still arrive at the peer."""

    def name(self, order_id: ObjectId) -> str: ...


@dataclass(eq=False)
class Operation:
    """One thing that somebody does, once.

    :ivar over: nobody will call inventory on its behalf any more: it ended, or its process died.
    :ivar severed: how often it lost the database.
    """

    who: str
    title: str
    work: Callable[[Stage], str] = field(repr=False)
    over: bool = field(default=False, repr=False)
    severed: int = field(default=0, repr=False)


def placing(customer: str, product: int, quantity: int, key: str | None) -> Operation:
    def place(stage: Stage) -> str:
        address = Address(line1="1 Long Street", line2=key or "", city="X", postal_code="1", country="Y")
        placed = placement.place_order(
            user_id=CUSTOMERS[customer],
            items=[Item(product_id=PRODUCTS[product - 1], quantity=quantity, price=PRICE)],
            shipping_address=address,
            act=Act(access.customer(CUSTOMERS[customer]), timezone.now()),
            idempotency_key=key,
        )
        stage.told.append(placed.order["_id"])
        return f"{stage.name(placed.order['_id'])} {'replayed' if placed.replayed else 'placed'}"

    return Operation(customer, f"places {quantity} of product {product} by key {key}", place)


def cancelling(customer: str) -> Operation:
    def cancel(stage: Stage) -> str:
        mine = {"user_id": CUSTOMERS[customer], "status": {"$in": list(PUBLIC_STATUSES)}}
        found = orders().find(mine, {"_id": 1}).sort("_id", -1).to_list(1)
        if not found:
            return "nothing to cancel"
        act = Act(access.customer(CUSTOMERS[customer]), timezone.now())
        return _change(stage, found[0]["_id"], "cancel", act)

    return Operation(customer, "cancels the latest order", cancel)


def changing(wish: str, which: int) -> Operation:
    """Staff take one of the orders that are there `onwards`, or `cancel` or `refund` it."""

    def change(stage: Stage) -> str:
        public = {"status": {"$in": list(PUBLIC_STATUSES)}}
        found = orders().find(public, {"status": 1}).sort("_id", 1).to_list()
        order = found[which % len(found)]
        transition = ONWARDS.get(order["status"], "") if wish == "onwards" else wish
        if transition not in {edge.name for edge in edges_from(order["status"])}:
            return f"{stage.name(order['_id'])} is {order['status']}"
        act = Act(access.admin("boss"), timezone.now(), "because")
        return _change(stage, order["_id"], transition, act)

    return Operation("clerk", f"takes an order {wish}" if wish == "onwards" else f"{wish}s an order", change)


def _change(stage: Stage, order_id: ObjectId, transition: str, act: Act) -> str:
    changed = transitions.change_status(order_id=order_id, transition=transition, act=act)
    return f"{stage.name(order_id)} is {changed['status']}"


def parting(what: str, which: int, quantity: int = 1, line: int | None = None) -> Operation:
    """Staff do something to a part of one of the orders that are there: of a `line`, or of one that it suits."""

    def part(stage: Stage) -> str:
        found = orders().find({"status": {"$in": list(PUBLIC_STATUSES)}}).sort("_id", 1).to_list()
        order = found[which % len(found)]
        fit = [index for index, item in enumerate(order["items"]) if _suits(item, what)]
        lines = [LineRequest(line if line is not None else fit[0] if fit else 0, quantity)]
        same: Document = {"order_id": order["_id"], "act": Act(access.admin("boss"), timezone.now(), "because")}
        match what:
            case "ship":
                changed = ship(lines=lines, tracking=Tracking(), **same)
            case "cancel":
                changed = cancel_lines(lines=lines, **same)
            case "refund":
                changed = refund(amount=REFUNDED * quantity, **same)
            case "send back":
                changed = open_return(lines=lines, **same)
            case _:
                changed = receive_return(number=max(0, len(order.get("returns", ())) - 1), restock=True, **same)
        return f"{stage.name(order['_id'])} is {changed.order['status']}, {_lines(changed.order)}"

    return Operation("clerk", f"{what}s {quantity} of an order", part)


def _suits(item: Document, what: str) -> bool:
    wanted = LineState.USED if what == "send back" else LineState.RESERVED
    return bool(item["stock"]["state"] == wanted and item.get("returned_in") is None)


def _lines(order: Document) -> str:
    return ", ".join(f"{item['quantity']} {item['stock']['state']}" for item in order["items"])


def settling() -> Operation:
    def settle(stage: Stage) -> str:
        done = settle_due(actor=access.system("settle_stock", via="worker"), limit=10)
        return f"settled {done.orders}" + (f", failed {done.failed}" if done.failed else "")

    return Operation("worker", "settles what is due", settle)


def resolving() -> Operation:
    """A person settles unknown lines by what is true, as far as the truth cannot change any more."""

    def resolve(stage: Stage) -> str:
        settled = []
        for order in orders().find({"items.stock.state": LineState.UNKNOWN.value}).sort("_id", 1).to_list():
            unknown = [(line, item["stock"]) for line, item in enumerate(order["items"]) if _is_unknown(item)]
            for line, stock in unknown:
                call, attempts = stock["call"], stock["attempts"]
                if stage.under_way(f"{order['_id']}:{line}:{call}"):
                    continue
                # Looked at after the order was: before, the call may not have been made.
                happened = stage.ledger().happened(order["_id"], line, call)
                act = Act(access.admin("keeper"), timezone.now(), "looked into the warehouse")
                resolve_line(order_id=order["_id"], line=line, happened=happened, act=act, expected_attempts=attempts)
                settled.append(f"{stage.name(order['_id'])}: {call} {'happened' if happened else 'did not happen'}")
        return "; ".join(settled) or "nothing is unknown"

    return Operation("keeper", "looks into the warehouse", resolve)


def _is_unknown(item: Document) -> bool:
    return bool(item["stock"]["state"] == LineState.UNKNOWN)


REQUESTS = (("anna", 1, 2, "anna-1"), ("bert", 1, 3, "bert-1"), ("bert", 2, 1, None), ("anna", 2, 3, "anna-2"))
"""What is ordered: customer, product, quantity, idempotency key. Who orders it again sends the same key."""
SETTLING = st.builds(settling)
PLACING = st.sampled_from(REQUESTS).map(lambda request: placing(*request))
CHANGING = st.builds(changing, st.sampled_from(("onwards", "onwards", "cancel", "refund")), st.integers(0, 3))
CANCELLING = st.builds(cancelling, st.sampled_from(tuple(CUSTOMERS)))
PARTS = ("ship", "cancel", "cancel", "cancel", "refund", "send back", "take back")
PARTING = st.builds(parting, st.sampled_from(PARTS), st.integers(0, 3), st.integers(1, 2))
OPERATIONS = st.one_of(SETTLING, SETTLING, PLACING, CHANGING, CHANGING, PARTING, CANCELLING, st.builds(resolving))


def earlier_orders() -> list[Document]:
    """Orders of yesterday: one pending, one about to be shipped, one cancelled and still to be released, one shipped.

    They are as orders were before they had parts and a ledger.
    """
    placed = ["place"]
    return [
        _earlier("1", PRODUCTS[0], 2, placed),
        _earlier("2", PRODUCTS[1], 3, [*placed, "pay", "start_processing"]),
        _earlier("2", PRODUCTS[0], 1, [*placed, "cancel"], owed=True),
        _earlier("1", PRODUCTS[0], 2, [*placed, "pay", "start_processing", "ship"], state=LineState.USED),
    ]


def _earlier(
    user_id: str,
    product: str,
    quantity: int,
    acts: list[str],
    *,
    owed: bool = False,
    state: str = LineState.RESERVED,
) -> Document:
    at = (timezone.now() - timedelta(days=1)).replace(microsecond=0, tzinfo=None)
    history, status = [], ""
    for act in ["draft", *acts]:
        target = next((edge.target for edge in edges() if (edge.name, edge.source) == (act, status)), "placing")
        entry = history_entry(at=at, act=act, actor=YESTERDAY, via="api", source=status, target=target)
        history.append(entry | {"write_id": new_id()})
        status = target
    stock = {"state": str(state), "attempts": 1, "error": ""}
    if owed:
        stock |= {"state": LineState.RELEASING.value, "call": StockCall.RELEASE.value}
    item = {"product_id": product, "quantity": quantity, "price": Decimal128(PRICE), "stock": stock}
    address = {"line1": "1 Long Street", "city": "X", "postal_code": "1", "country": "Y"}
    stamps = dict.fromkeys(("created_at", "updated_at", "placed_at", *(("stock_due_at",) if owed else ())), at)
    order = {"_id": ObjectId(), "number": "0000-0000-0000", "user_id": user_id, "user_verified": True}
    order |= {"status": status, "version": len(history) - 1, "items": [item]}
    order |= {"total_price": Decimal128((PRICE * quantity).quantize(Decimal("0.01")))}
    return order | {"shipping_address": address, "history": history} | stamps


TIMES = {
    "STOCK_LEASE": 1500.0,
    "REQUEST_DEADLINE": 600.0,
    "PEER_CONNECT_TIMEOUT": 5.0,
    "PEER_READ_TIMEOUT": 10.0,
    "INVENTORY_WRITE_TIMEOUT": 120.0,
    "MAX_RETRIES": 1,
    "RETRY_DELAY": 0.001,
    "STOCK_RETRY_DELAY": 1000.0,
    "STOCK_RETRY_MAX_DELAY": 1000.0,
    "BREAKER_THRESHOLD": 10**6,
    "WEBHOOKS_INSECURE": True,
}
"""Long: in these runs time passes only where the scheduler says so."""
