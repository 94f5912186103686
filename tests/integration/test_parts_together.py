"""Parts of an order when several things happen at once, when they fail half-way, and on orders that have none yet."""

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest
from bson import Decimal128, ObjectId
from django.utils import timezone
from pymongo.collection import Collection
from pytest_django import Settings

from integrations.sandbox import Sandbox
from orders.services.audit import Act
from orders.services.errors import OrderError
from orders.services.fulfilment import parts
from orders.services.fulfilment.cancelling import cancel_lines
from orders.services.fulfilment.holding import hold
from orders.services.fulfilment.parts import LinesNotAvailable
from orders.services.fulfilment.refunding import InvalidRefund, RefundTooHigh, refund
from orders.services.fulfilment.returning import NOT_TOLD, ReturnReceived, open_return, receive_return
from orders.services.fulfilment.shipping import ship
from orders.services.lifecycle.allowed_transitions import TransitionRefused
from orders.services.lifecycle.expiry import expire_unpaid
from orders.services.lifecycle.tracking import Tracking
from orders.services.lifecycle.transitions import change_status
from orders.services.stock.reconciliation import reconcile
from orders.services.stock.resolution import resolve_line
from orders.services.stock.worker import settle_due
from orders.storage.order_writes import orders
from tests.integration.builders import (
    WORKER,
    A,
    B,
    act,
    asked,
    due_now,
    line,
    read,
    shelve,
    states,
    stock_of,
    store,
)
from tests.integration.parts_helpers import amounts, because, placed, quantities, some
from tests.order_invariants import violations_of

STOCK = 100


@pytest.fixture(autouse=True)
def _stock(sandbox: Sandbox) -> Iterator[None]:
    shelve(sandbox, A, available=STOCK)
    shelve(sandbox, B, available=STOCK)
    yield
    broken = {str(order["_id"]): found for order in orders().find() if (found := violations_of(order))}
    assert not broken


def all_at_once(*changes: Callable[[], Any]) -> list[Any]:
    """What each change came to: what it returned, or why it was refused."""

    def attempt(change: Callable[[], Any]) -> Any:
        try:
            return change()
        except OrderError as error:
            return error

    with ThreadPoolExecutor(len(changes)) as pool:
        return list(pool.map(attempt, changes))


def settle(order_id: ObjectId) -> None:
    due_now(order_id)
    settle_due(actor=WORKER)


# --- at once ---------------------------------------------------------------------------------------------------------


def test_of_one_unit_that_is_shipped_cancelled_and_refunded_at_once_only_one_thing_becomes(sandbox: Sandbox) -> None:
    for _ in range(5):
        order_id = placed("processing", (A, 1))
        came = all_at_once(
            lambda order_id=order_id: ship(order_id=order_id, lines=None, tracking=Tracking(), act=act()),
            lambda order_id=order_id: cancel_lines(order_id=order_id, lines=some((0, 1)), act=because()),
            lambda order_id=order_id: change_status(order_id=order_id, transition="cancel", act=because()),
        )
        assert sum(not isinstance(one, OrderError) for one in came) == 1
    held = sum(order["items"][0]["stock"]["state"] == "used" for order in orders().find())
    assert stock_of(sandbox) == (STOCK - held, held)


def test_units_of_one_line_are_cancelled_once_each_however_many_ask_at_once(sandbox: Sandbox) -> None:
    order_id = placed("paid", (A, 5))
    came = all_at_once(*[lambda: cancel_lines(order_id=order_id, lines=some((0, 1)), act=because())] * 8)
    order = read(order_id)
    gone = sum(item["quantity"] for item in order["items"] if item.get("removed"))
    assert gone == sum(not isinstance(one, OrderError) for one in came)
    assert sum(quantities(order)) == 5
    assert stock_of(sandbox) == (STOCK - 5 + gone, 5 - gone)
    assert len(set(asked(sandbox, "release"))) == len(asked(sandbox, "release")), "each part has a key of its own"


def test_a_payment_and_a_cancelled_order_never_leave_money_unseen() -> None:
    for _ in range(5):
        order_id = placed("pending", (A, 1))
        all_at_once(
            lambda order_id=order_id: change_status(order_id=order_id, transition="pay", act=act()),
            lambda order_id=order_id: change_status(order_id=order_id, transition="cancel", act=because()),
        )
        order = read(order_id)
        paid, _, owed = amounts(order)
        assert order["status"] in ("paid", "cancelled")
        assert owed == (paid if order["status"] == "cancelled" else "0.00")


def test_a_refund_beside_a_cancelled_order_leaves_the_rest_owed() -> None:
    for _ in range(5):
        order_id = placed("paid", (A, 1))
        total = read(order_id)["total_price"].to_decimal()
        came = all_at_once(
            lambda order_id=order_id: refund(order_id=order_id, amount=Decimal("1.00"), act=because()),
            lambda order_id=order_id: change_status(order_id=order_id, transition="cancel", act=because()),
        )
        assert not [one for one in came if isinstance(one, OrderError)], "neither shuts the other out"
        assert amounts(read(order_id)) == (str(total), "1.00", str(total - 1))


def test_a_return_that_two_receive_at_once_goes_into_stock_once(sandbox: Sandbox) -> None:
    order_id = placed("shipped", (A, 3))
    open_return(order_id=order_id, lines=some((0, 2)), act=because())
    came = all_at_once(*[lambda: receive_return(order_id=order_id, number=0, restock=True, act=act())] * 4)
    assert sum(isinstance(one, ReturnReceived) for one in came) == 3
    assert len(asked(sandbox, "release")) == 1
    assert stock_of(sandbox) == (STOCK - 1, 1)


# --- while stock is in flight ----------------------------------------------------------------------------------------


def test_while_a_part_is_released_the_rest_is_shipped_cancelled_and_sent_back(sandbox: Sandbox) -> None:
    order_id = placed("processing", (A, 5))
    sandbox.control.fault("release", "status", status=503, times=1)
    order = cancel_lines(order_id=order_id, lines=some((0, 2)), act=because()).order
    assert states(order) == ["reserved", "releasing"]
    with pytest.raises(LinesNotAvailable, match="Line 1 is not open"):
        cancel_lines(order_id=order_id, lines=some((1, 1)), act=because())
    ship(order_id=order_id, lines=some((0, 2)), tracking=Tracking(), act=act())
    order = cancel_lines(order_id=order_id, lines=some((0, 1)), act=because()).order
    assert (order["status"], quantities(order)) == ("shipped", [1, 2, 2])
    assert states(order) == ["released", "releasing", "used"]
    open_return(order_id=order_id, lines=some((2, 1)), act=because())
    order = receive_return(order_id=order_id, number=0, restock=True, act=act()).order
    assert states(order) == ["released", "releasing", "used", "released"]
    settle(order_id)
    assert states(read(order_id)) == ["released", "released", "used", "released"]
    assert stock_of(sandbox) == (STOCK - 1, 1)
    assert not reconcile([A]).differences


def test_a_part_whose_release_nobody_knows_is_resolved_by_its_own_line(sandbox: Sandbox) -> None:
    order_id = placed("paid", (A, 3))
    sandbox.control.fault("release", "drop_after", times=1)
    order = cancel_lines(order_id=order_id, lines=some((0, 1)), act=because()).order
    assert states(order) == ["reserved", "unknown"]
    order = resolve_line(order_id=order_id, line=1, happened=True, act=act(reason="counted"))
    assert (states(order), stock_of(sandbox)) == (["reserved", "released"], (STOCK - 2, 2))
    assert not reconcile([A]).differences


def test_a_restock_that_is_not_carried_out_at_once_is_by_a_worker(sandbox: Sandbox) -> None:
    order_id = placed("delivered", (A, 2))
    open_return(order_id=order_id, lines=None, act=because())
    sandbox.control.fault("release", "status", status=503, times=1)
    order = receive_return(order_id=order_id, number=0, restock=True, act=act()).order
    assert (states(order), stock_of(sandbox)) == (["releasing"], (STOCK - 2, 2))
    settle(order_id)
    assert (states(read(order_id)), stock_of(sandbox)) == (["released"], (STOCK, 0))


# --- a write that is repeated ----------------------------------------------------------------------------------------


def test_a_refund_whose_write_arrives_twice_is_one_refund(monkeypatch: pytest.MonkeyPatch) -> None:
    order_id = placed("paid")
    write = Collection.find_one_and_update

    def twice(self: Any, *args: Any, **options: Any) -> Any:
        write(self, *args, **options)
        return write(self, *args, **options)

    with monkeypatch.context() as repeated:
        repeated.setattr(Collection, "find_one_and_update", twice)
        order = refund(order_id=order_id, amount=Decimal("1.00"), act=because()).order
    assert (amounts(order)[1], len(order["refunds"])) == ("1.00", 1)
    assert amounts(read(order_id))[1] == "1.00"


@pytest.mark.parametrize("amount", ["NaN", "Infinity", "1E+30", "1000000000000.00", "-1.00"])
def test_a_refund_of_no_amount_is_refused(amount: str) -> None:
    order_id = placed("paid")
    before = read(order_id)
    with pytest.raises(InvalidRefund):
        refund(order_id=order_id, amount=Decimal(amount), act=because())
    assert read(order_id) == before


def test_the_same_refund_is_the_same_however_its_amount_is_spelt() -> None:
    order_id = placed("paid")
    for amount, replayed in (("1.5", False), ("1.50", True)):
        change = refund(order_id=order_id, amount=Decimal(amount), act=because(), idempotency_key="k")
        assert change.replayed is replayed
    assert str(read(order_id)["refunded"]) == "1.50"


# --- orders that have no parts yet -----------------------------------------------------------------------------------


def test_an_order_of_before_there_were_parts_is_cancelled_refunded_and_sent_back_in_part(sandbox: Sandbox) -> None:
    shelve(sandbox, A, available=0, reserved=4)
    path = (("place", "placing", "pending"), ("pay", "pending", "paid"), ("start_processing", "paid", "processing"))
    shipped = (*path, ("ship", "processing", "shipped"))
    open_order, gone = (
        store(
            steps[-1][2], line(state, A, 2), due=None, total_price=Decimal128("29.80"), paid_at=timezone.now(),
            version=len(steps), history=_history(steps),
        )
        for state, steps in (("reserved", path), ("used", shipped))
    )  # fmt: skip
    order = cancel_lines(order_id=open_order, lines=some((0, 1)), act=because()).order
    price = order["items"][0]["price"].to_decimal()
    assert amounts(order) == ("29.80", "0.00", str(Decimal("29.80") - price))
    open_return(order_id=gone, lines=some((0, 1)), act=because())
    order = receive_return(order_id=gone, number=0, restock=True, act=act()).order
    assert (states(order), quantities(order)) == (["used", "released"], [1, 1])
    assert stock_of(sandbox) == (2, 2)


def _history(steps: Any) -> list[dict[str, Any]]:
    made = [("draft", "", "placing"), *steps]
    return [
        {"at": timezone.now(), "act": name, "from": source, "to": target, "actor": "x", "via": "api", "write_id": name}
        for name, source, target in made
    ]


def _imported(status: str) -> ObjectId:
    history = [_history(())[0] | {"act": "import", "to": status}]
    return store(status, line("none", A, 2), due=None, version=0, history=history)


def test_imported_orders_ship_cancel_and_come_back_in_part_without_a_call(sandbox: Sandbox) -> None:
    order_id = _imported("processing")
    ship(order_id=order_id, lines=some((0, 1)), tracking=Tracking(), act=act())
    order = cancel_lines(order_id=order_id, lines=some((0, None)), act=because()).order
    assert (order["status"], states(order)) == ("shipped", ["none", "none"])
    with pytest.raises(LinesNotAvailable, match="Line 0 is not shipped"):
        open_return(order_id=order_id, lines=some((0, 1)), act=because())
    for shipped in (order_id, _imported("delivered")):
        open_return(order_id=shipped, lines=None, act=because())
        order = receive_return(order_id=shipped, number=0, restock=True, act=act()).order
        assert set(states(order)) == {"none"}
        assert order["history"][-1]["detail"].endswith(NOT_TOLD)
    assert not asked(sandbox)


# --- conditions and bounds -------------------------------------------------------------------------------------------


def test_an_unpaid_order_on_hold_does_not_expire_and_one_cancelled_in_part_does(
    settings: Settings, sandbox: Sandbox
) -> None:
    held, partly = placed("pending", (A, 1)), placed("pending", (A, 3))
    hold(order_id=held, act=because("fraud"))
    cancel_lines(order_id=partly, lines=some((0, 1)), act=because())
    later = timezone.now() + timedelta(seconds=settings.UNPAID_ORDER_TTL + 60)
    done = expire_unpaid(act=Act(WORKER, later, "too late"), limit=10)
    assert (done.cancelled, done.total) == (1, 1)
    assert (read(held)["status"], read(partly)["status"]) == ("pending", "cancelled")
    assert states(read(partly)) == ["released", "released"]
    assert stock_of(sandbox) == (STOCK - 1, 1)


def test_the_whole_refund_of_an_order_that_was_shipped_in_part_releases_the_rest(sandbox: Sandbox) -> None:
    order_id = placed("processing", (A, 3))
    ship(order_id=order_id, lines=some((0, 1)), tracking=Tracking(), act=act())
    order = refund(order_id=order_id, act=because()).order
    assert (order["status"], states(order)) == ("refunded", ["released", "used"])
    assert stock_of(sandbox) == (STOCK - 1, 1)
    open_return(order_id=order_id, lines=None, act=because())
    receive_return(order_id=order_id, number=0, restock=True, act=act())
    assert stock_of(sandbox) == (STOCK, 0)
    with pytest.raises(TransitionRefused):
        cancel_lines(order_id=order_id, lines=some((0, 1)), act=because())
    with pytest.raises(RefundTooHigh):
        refund(order_id=order_id, amount=Decimal("0.01"), act=because())


def test_an_order_is_split_into_so_many_lines_and_no_more(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(parts, "MOST_LINES", 3)
    order_id = placed("paid", (A, 4))
    for _ in range(2):
        cancel_lines(order_id=order_id, lines=some((0, 1)), act=because())
    before = read(order_id)
    with pytest.raises(LinesNotAvailable, match="too many to split") as refused:
        cancel_lines(order_id=order_id, lines=some((0, 1)), act=because())
    assert list(refused.value.members["errors"]) == ["lines"]
    assert read(order_id) == before
    refund(order_id=order_id, lines=some((0, 1)), act=because())
    assert cancel_lines(order_id=order_id, lines=some((0, None)), act=because()).order["status"] == "cancelled"
