"""Who takes part in an interleaved run, and what each of them does there."""

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import timedelta
from decimal import Decimal
from itertools import count
from typing import Any, Protocol

from bson import Decimal128, ObjectId
from django.utils import timezone

from orders.models import Address, Item
from orders.models.machine import edges, edges_from
from orders.models.states import PUBLIC_STATUSES, Call, LineState
from orders.models.writes import history_entry, new_id, orders
from orders.services import access, placement, transitions
from orders.services.acts import Act
from orders.services.resolution import resolve_line
from orders.services.settlement import settle_due
from tests.proof.checks import Ledger
from tests.proof.interleave_choices import Choices

Document = dict[str, Any]
PRODUCTS = ("aaaaaaaaaaaaaaaaaaaaaaa1", "aaaaaaaaaaaaaaaaaaaaaaa2")
UNITS = (7, 4)
"""Few enough that somebody goes away empty-handed."""
PRICE = Decimal("12.50")
CUSTOMERS = {"anna": "1", "bert": "2"}
ONWARDS = {"pending": "pay", "paid": "start_processing", "processing": "ship", "shipped": "deliver"}


class Stage(Protocol):
    """What an operation may know of the run that it is part of."""

    choices: Choices
    told: list[ObjectId]

    def ledger(self) -> Ledger: ...

    def under_way(self, key: str) -> bool:
        """Tell whether a call with this key may still arrive at the peer."""

    def name(self, order_id: ObjectId) -> str: ...


@dataclass(eq=False)
class Operation:
    """One thing that one actor does.

    :ivar over: nobody will call inventory on its behalf any more: it ended, or its process died.
    :ivar severed: how often it lost the database.
    """

    title: str
    work: Callable[[Stage], str]
    over: bool = False
    severed: int = 0


@dataclass
class Role:
    name: str
    duties: list[Operation] = field(default_factory=list)


def cast(choices: Choices) -> list[Role]:
    """Who is there, and what they mean to do; Anna sends her order from two windows at once."""
    anna = _placing("anna", "anna-1", choices)
    bert = _placing("bert", "bert-1" if choices.pick(2) else None, choices)
    clerks = [[_changing(choices) for _ in range(3)] for _ in range(2)]
    return [
        Role("anna", [anna()]),
        Role("anna's other window", [anna(), _cancelling("anna")]),
        Role("bert", [bert(), _cancelling("bert") if choices.pick(2) else bert()]),
        Role("clerk", clerks[0]),
        Role("other clerk", clerks[1]),
        Role("worker", [_settling() for _ in range(3)]),
        Role("other worker", [_settling() for _ in range(3)]),
        Role("keeper", [Operation("looks into the warehouse", _resolve) for _ in range(2)]),
    ]


def remaining(roles: list[Role], without: frozenset[int]) -> list[Role]:
    """The roles without some of their operations, given by number over all; who has none left stays away."""
    numbers = count()
    kept = [Role(role.name, [duty for duty in role.duties if next(numbers) not in without]) for role in roles]
    return [role for role in kept if role.duties]


def _placing(customer: str, key: str | None, choices: Choices) -> Callable[[], Operation]:
    product, quantity = PRODUCTS[choices.pick(2)], 1 + choices.pick(3)

    def place(stage: Stage) -> str:
        address = Address(line1="1 Long Street", line2=key or "", city="X", postal_code="1", country="Y")
        placed = placement.place_order(
            user_id=CUSTOMERS[customer],
            items=[Item(product_id=product, quantity=quantity, price=PRICE)],
            shipping_address=address,
            act=Act(access.customer(CUSTOMERS[customer]), timezone.now()),
            idempotency_key=key,
        )
        stage.told.append(placed.order["_id"])
        return f"{stage.name(placed.order['_id'])} {'replayed' if placed.replayed else 'placed'}"

    return lambda: Operation(f"places {quantity} of product {product[-1]} by key {key}", place)


def _cancelling(customer: str) -> Operation:
    def cancel(stage: Stage) -> str:
        mine = {"user_id": CUSTOMERS[customer], "status": {"$in": list(PUBLIC_STATUSES)}}
        found = orders().find(mine, {"_id": 1}).sort("_id", -1).to_list(1)
        if not found:
            return "nothing to cancel"
        act = Act(access.customer(CUSTOMERS[customer]), timezone.now())
        return _change(stage, found[0]["_id"], "cancel", act)

    return Operation("cancels", cancel)


def _changing(choices: Choices) -> Operation:
    wish = ("onwards", "onwards", "cancel", "refund")[choices.pick(4)]

    def change(stage: Stage) -> str:
        public = {"status": {"$in": list(PUBLIC_STATUSES)}}
        found = orders().find(public, {"status": 1}).sort("_id", 1).to_list()
        order = found[stage.choices.pick(len(found))]
        transition = ONWARDS.get(order["status"], "") if wish == "onwards" else wish
        if transition not in {edge.name for edge in edges_from(order["status"])}:
            return f"{stage.name(order['_id'])} is {order['status']}"
        act = Act(access.admin("boss"), timezone.now(), "because")
        return _change(stage, order["_id"], transition, act)

    return Operation(f"takes an order {wish}" if wish == "onwards" else f"{wish}s an order", change)


def _change(stage: Stage, order_id: ObjectId, transition: str, act: Act) -> str:
    changed = transitions.change_status(order_id=order_id, transition=transition, act=act)
    return f"{stage.name(order_id)} is {changed['status']}"


def _settling() -> Operation:
    def settle(stage: Stage) -> str:
        done = settle_due(actor=access.system("settle_stock", via="worker"), limit=10)
        return f"settled {done.orders}" + (f", failed {done.failed}" if done.failed else "")

    return Operation("settles what is due", settle)


def _resolve(stage: Stage) -> str:
    """Settle unknown lines by what is true, as far as the truth cannot change any more."""
    settled = []
    for order in orders().find({"items.stock.state": LineState.UNKNOWN.value}).sort("_id", 1).to_list():
        stock = order["items"][0]["stock"]
        call = stock["call"]
        if not stage.under_way(f"{order['_id']}:0:{call}"):
            # Looked at after the order was: before, the call may not have been made.
            happened = stage.ledger().happened(order["_id"], 0, call)
            act = Act(access.admin("keeper"), timezone.now(), "looked into the warehouse")
            resolve_line(order_id=order["_id"], line=0, happened=happened, act=act, expected_attempts=stock["attempts"])
            settled.append(f"{stage.name(order['_id'])}: {call} {'happened' if happened else 'did not happen'}")
    return "; ".join(settled) or "nothing is unknown"


def earlier_orders() -> list[Document]:
    """Three orders of yesterday: one is pending, one about to be shipped, one cancelled and still to be released."""
    placed = ["place"]
    return [
        _earlier("1", PRODUCTS[0], 2, placed),
        _earlier("2", PRODUCTS[1], 1, [*placed, "pay", "start_processing"]),
        _earlier("2", PRODUCTS[0], 1, [*placed, "cancel"], owed=True),
    ]


def _earlier(user_id: str, product: str, quantity: int, acts: list[str], *, owed: bool = False) -> Document:
    at = (timezone.now() - timedelta(days=1)).replace(microsecond=0, tzinfo=None)
    history, status = [], ""
    for act in ["draft", *acts]:
        target = next((edge.target for edge in edges() if (edge.name, edge.source) == (act, status)), "placing")
        entry = history_entry(at=at, act=act, actor="system:yesterday", via="api", source=status, target=target)
        history.append(entry | {"write_id": new_id()})
        status = target
    stock = {"state": LineState.RESERVED.value, "attempts": 1, "error": ""}
    if owed:
        stock |= {"state": LineState.RELEASING.value, "call": Call.RELEASE.value}
    item = {"product_id": product, "quantity": quantity, "price": Decimal128(PRICE), "stock": stock}
    address = {"line1": "1 Long Street", "city": "X", "postal_code": "1", "country": "Y"}
    stamps = dict.fromkeys(("created_at", "updated_at", "placed_at", *(("stock_due_at",) if owed else ())), at)
    order = {"_id": ObjectId(), "number": "0000-0000-0000", "user_id": user_id, "user_verified": True}
    order |= {"status": status, "version": len(history) - 1, "items": [item]}
    order |= {"total_price": Decimal128((PRICE * quantity).quantize(Decimal("0.01")))}
    return order | {"shipping_address": address, "history": history} | stamps


TIMES = {
    "STOCK_LEASE": 300.0,
    "REQUEST_DEADLINE": 120.0,
    "PEER_CONNECT_TIMEOUT": 5.0,
    "PEER_READ_TIMEOUT": 10.0,
    "MAX_RETRIES": 1,
    "RETRY_DELAY": 0.001,
    "STOCK_RETRY_DELAY": 1000.0,
    "STOCK_RETRY_MAX_DELAY": 1000.0,
    "BREAKER_THRESHOLD": 10**6,
}
"""Long: in these runs time passes only where the scheduler says so."""
