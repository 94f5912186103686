"""Our orders and inventory, compared product by product; and what of our records the figures can settle."""

import random
from collections.abc import Callable
from dataclasses import astuple
from datetime import timedelta
from typing import Any

import pytest
from bson import ObjectId
from pytest_django import Settings

from integrations import PeerError
from integrations.sandbox import Sandbox
from orders.models import LineState
from orders.services import access
from orders.services.access import NotPermitted
from orders.services.stock import reconciliation
from orders.services.stock.reconciliation import Difference, Report, plan_repairs, reconcile, repair
from orders.services.stock.resolution import resolve_line
from orders.services.stock.worker import settle_due
from orders.storage import order_reads
from orders.storage.order_reads import Holding
from orders.storage.order_writes import orders
from tests.functional.helpers import dead_url
from tests.integration.builders import (
    WORKER,
    A,
    B,
    C,
    Document,
    act,
    asked,
    line,
    now,
    place,
    read,
    shelve,
    small_sandbox,  # noqa: F401
    states,
    stock_of,
    store,
)

NOWHERE = "f" * 24
WHY = "the figures say so"


def unknown(call: str, quantity: int = 2, product: str = A) -> ObjectId:
    status = "cancelled" if call == "release" else "rejected"
    return store(status, line("unknown", product, quantity, call=call), due=None)


# --- what our orders say ---------------------------------------------------------------------------------------------


def test_each_state_of_a_line_counts_where_it_belongs(sandbox: Sandbox) -> None:
    for state in LineState.values:
        store("pending", line(state, quantity=3, call="release" if state == "unknown" else None))
    store("shipped", line("used", quantity=5), line("reserved", B, 7), line("released", B), line("none", C))
    assert order_reads.holdings() == {
        A: Holding(reserved=3, used=8, in_flight=6, unknown=3),
        B: Holding(reserved=7),
    }
    assert order_reads.holdings([B, C]) == {B: Holding(reserved=7)}
    assert order_reads.holdings([]) == {}


def test_the_sums_are_those_that_a_child_would_find(sandbox: Sandbox) -> None:
    chance = random.Random(3)
    expected: dict[str, list[int]] = {}
    column = {"reserved": 0, "used": 1, "reserving": 2, "releasing": 2, "unknown": 3}
    for _ in range(120):
        lines = []
        for _ in range(chance.randint(1, 5)):
            state, product, quantity = (
                chance.choice(LineState.values), chance.choice((A, B, C)), chance.randint(1, 9)
            )  # fmt: skip
            lines.append(line(state, product, quantity, call="release" if state == "unknown" else None))
            if state in column:
                expected.setdefault(product, [0, 0, 0, 0])[column[state]] += quantity
        store("pending", *lines)
    assert {product: list(astuple(held)) for product, held in order_reads.holdings().items()} == expected
    assert order_reads.holdings([B]) == {B: Holding(*expected[B])}


# --- comparing -------------------------------------------------------------------------------------------------------


def test_orders_that_the_services_placed_and_moved_differ_in_nothing(sandbox: Sandbox) -> None:
    place((A, 2), (B, 1))
    place((B, 3))
    report = reconcile([C])
    assert report == Report(checked=3, differences=(), waiting=(), moving=())


def test_no_orders_and_no_products_are_no_difference(sandbox: Sandbox) -> None:
    assert reconcile() == Report(checked=0, differences=(), waiting=(), moving=())
    assert sandbox.control.counts() == {}


@pytest.mark.parametrize("held", [0, 4, 7])
def test_a_difference_is_told_in_units(sandbox: Sandbox, held: int) -> None:
    shelve(sandbox, reserved=held)
    store("paid", line("reserved", quantity=3), due=None)
    store("shipped", line("used", quantity=2), due=None)
    [difference] = reconcile().differences
    assert difference == Difference(A, expected=5, actual=held, unknown=0)
    assert difference.surplus == held - 5


def test_a_product_that_inventory_does_not_know_differs_by_all_that_we_hold(sandbox: Sandbox) -> None:
    for product in (NOWHERE, "no id/../at all"):
        store("paid", line("reserved") | {"product_id": product}, due=None)
    assert {
        difference.product_id: (difference.actual, difference.surplus) for difference in reconcile().differences
    } == {
        NOWHERE: (None, -2),
        "no id/../at all": (None, -2),
    }


def test_a_product_of_no_order_is_compared_if_it_is_named(sandbox: Sandbox) -> None:
    shelve(sandbox, B, reserved=4)
    assert reconcile().differences == ()
    assert reconcile([B, NOWHERE]).differences == (Difference(B, expected=0, actual=4, unknown=0),)


def test_a_leaked_unit_of_a_product_that_no_order_holds_any_more_shows(sandbox: Sandbox) -> None:
    shelve(sandbox, A, reserved=1)
    shelve(sandbox, B, reserved=2)
    shelve(sandbox, C, reserved=3)
    store("cancelled", line("released", A), due=None)
    store("rejected", line("none", B), due=None)
    store("paid", line("none", C, attempts=0), due=None)  # imported: inventory was never asked for it
    report = reconcile()
    assert {(found.product_id, found.surplus) for found in report.differences} == {(A, 1), (B, 2)}
    assert report.checked == 2


def test_what_was_let_go_of_long_ago_is_not_looked_at(sandbox: Sandbox) -> None:
    shelve(sandbox, A, reserved=1)
    store("cancelled", line("released", A), due=None, updated_at=now() - reconciliation.RECENTLY - timedelta(minutes=1))
    assert reconcile() == Report(checked=0, differences=(), waiting=(), moving=())


def test_a_product_that_inventory_does_not_know_counts_as_that(sandbox: Sandbox) -> None:
    store("cancelled", line("released") | {"product_id": NOWHERE}, due=None)
    assert reconcile(["typo"]) == Report(checked=0, differences=(), waiting=(), moving=(), not_known=(NOWHERE, "typo"))


def test_an_inventory_that_consumes_holds_nothing_of_what_was_shipped(sandbox: Sandbox, settings: Settings) -> None:
    shelve(sandbox, reserved=3)
    store("paid", line("reserved", quantity=3), due=None)
    store("shipped", line("used", quantity=2), due=None)
    assert reconcile().differences
    settings.INVENTORY_CONSUMES = True
    assert reconcile().differences == ()


@pytest.mark.parametrize("state", ["reserving", "releasing"])
def test_a_product_with_something_in_flight_is_left_out(sandbox: Sandbox, state: str) -> None:
    shelve(sandbox, A, reserved=9)
    shelve(sandbox, B, reserved=9)
    store("paid", line("reserved", A), line("reserved", B), due=None)
    store("cancelled", line(state, A))
    report = reconcile()
    assert report.moving == (A,)
    assert [difference.product_id for difference in report.differences] == [B]


def between_the_reads(monkeypatch: pytest.MonkeyPatch, happens: Callable[[], object]) -> None:
    """Let something happen after both sides were read once, and before our orders are read again."""
    real = order_reads.holdings

    def again(product_ids: Any = None) -> dict[str, Holding]:
        if product_ids is not None:
            happens()
        return real(product_ids)

    monkeypatch.setattr(order_reads, "holdings", again)


CHANGES: dict[str, Callable[[Sandbox], object]] = {
    "theirs": lambda sandbox: shelve(sandbox, reserved=3),
    "theirs, by what is available": lambda sandbox: shelve(sandbox, available=3, reserved=9),
    "ours": lambda sandbox: store("paid", line("reserved"), due=None),
    "ours, all gone": lambda sandbox: orders().delete_many({}),
}


@pytest.mark.parametrize("name", CHANGES)
def test_a_difference_that_the_second_read_does_not_confirm_does_not_count(
    sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    shelve(sandbox, reserved=9)
    store("paid", line("reserved"), due=None)
    between_the_reads(monkeypatch, lambda: CHANGES[name](sandbox))
    report = reconcile()
    assert (report.differences, report.moving) == ((), (A,))


def test_many_products_are_asked_for_in_several_goes(sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reconciliation, "LEVELS_AT_ONCE", 2)
    shelve(sandbox, C, reserved=1)
    report = reconcile([A, B, C])
    assert (report.checked, [difference.product_id for difference in report.differences]) == (3, [C])


def test_an_inventory_that_does_not_answer_is_no_difference(sandbox: Sandbox, settings: Settings) -> None:
    store("paid", line("reserved"), due=None)
    settings.INVENTORY_SERVICE_URL = dead_url()
    with pytest.raises(PeerError):
        reconcile()


# --- what the figures can settle -------------------------------------------------------------------------------------


def plan(sandbox: Sandbox, surplus: int) -> list[tuple[str, int, bool]]:
    """The plan, as (call, quantity, happened), if inventory holds so many units more than our reserved lines."""
    shelve(sandbox, reserved=surplus)
    return [(planned.call, planned.quantity, planned.happened) for planned in plan_repairs(reconcile())]


@pytest.mark.parametrize(
    ("call", "surplus", "happened"),
    [("reserve", 2, True), ("reserve", 0, False), ("release", 2, False), ("release", 0, True)],
)
def test_one_unknown_line_is_explained_by_the_surplus(
    sandbox: Sandbox, call: str, surplus: int, happened: bool
) -> None:
    unknown(call)
    assert plan(sandbox, surplus) == [(call, 2, happened)]


def test_an_unknown_line_without_surplus_is_no_difference_and_waits(sandbox: Sandbox) -> None:
    unknown("release")
    shelve(sandbox, reserved=0)
    report = reconcile()
    assert (report.differences, report.waiting) == ((), (Difference(A, expected=0, actual=0, unknown=2),))


def test_several_lines_are_explained_where_one_sum_fits(sandbox: Sandbox) -> None:
    unknown("reserve", 2)
    unknown("release", 3)
    assert sorted(plan(sandbox, 3)) == [("release", 3, False), ("reserve", 2, False)]
    assert sorted(plan(sandbox, 2)) == [("release", 3, True), ("reserve", 2, True)]
    assert sorted(plan(sandbox, 5)) == [("release", 3, False), ("reserve", 2, True)]


@pytest.mark.parametrize("surplus", [2, 1, 5])
def test_what_several_or_no_sums_explain_is_left_to_a_person(sandbox: Sandbox, surplus: int) -> None:
    unknown("reserve", 2)
    unknown("release", 2)
    assert plan(sandbox, surplus) == []


def test_a_lack_is_not_explained_by_what_is_unknown(sandbox: Sandbox) -> None:
    unknown("reserve")
    store("paid", line("reserved", quantity=4), due=None)
    assert plan(sandbox, 3) == []


def test_a_difference_without_unknown_lines_is_left_to_a_person(sandbox: Sandbox) -> None:
    store("paid", line("reserved"), due=None)
    assert plan(sandbox, 7) == []


def test_too_many_possibilities_are_not_even_tried(sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reconciliation, "MOST_UNKNOWN", 2)
    for quantity in (1, 2):
        unknown("reserve", quantity)
    assert len(plan(sandbox, 3)) == 2
    unknown("reserve", 4)
    assert plan(sandbox, 7) == []


def test_lines_of_other_products_and_states_beside_it_stay_out_of_the_plan(sandbox: Sandbox) -> None:
    order_id = store(
        "cancelled", line("unknown", B, call="release"), line("released"), line("unknown", call="release"), due=None
    )
    shelve(sandbox, A, reserved=2)
    shelve(sandbox, B, reserved=1)
    [planned] = plan_repairs(reconcile())
    assert (planned.order_id, planned.line, planned.product_id, planned.happened) == (order_id, 2, A, False)


def test_a_line_that_has_just_become_unknown_is_left_since_its_call_may_act_yet(
    sandbox: Sandbox, settings: Settings
) -> None:
    order_id = unknown("reserve")
    entry = {"at": now() - timedelta(seconds=10), "act": "stock", "from": "", "to": "unknown", "line": 0}
    orders().update_one({"_id": order_id}, {"$push": {"history": entry}})
    assert plan(sandbox, 0) == []
    settings.STOCK_LEASE = 9
    assert plan(sandbox, 0) == [("reserve", 2, False)]


def test_a_plan_for_what_has_changed_since_the_report_is_empty(sandbox: Sandbox) -> None:
    order_id = unknown("reserve")
    unknown("reserve", 3)
    shelve(sandbox, reserved=5)
    report = reconcile()
    resolve_line(order_id=order_id, line=0, happened=False, act=act(reason=WHY))
    assert plan_repairs(report) == ()


def test_a_repair_changes_our_own_records_only(sandbox: Sandbox) -> None:
    shelve(sandbox, reserved=3)
    reserved, released = unknown("reserve", 2), unknown("release", 3)
    other = store("paid", line("none", B), due=None)
    before = read(other)
    assert repair(plan_repairs(reconcile()), act=act(reason=WHY)) == 2
    assert (states(read(reserved)), states(read(released))) == (["none"], ["releasing"])
    for order_id in (reserved, released):
        entry = read(order_id)["history"][-1]
        assert (entry["act"], entry["actor"], entry["reason"]) == ("resolve", "admin:boss", WHY)
    assert read(other) == before
    assert sandbox.control.counts().keys() == {"stock"}
    assert stock_of(sandbox) == (10, 3)
    settle_due(actor=WORKER)
    assert len(asked(sandbox, "release")) == 1
    assert reconcile() == Report(checked=2, differences=(), waiting=(), moving=())


def test_a_line_that_somebody_else_settled_meanwhile_is_left_as_it_is(sandbox: Sandbox) -> None:
    shelve(sandbox, reserved=5)
    first, second = unknown("release", 2), unknown("release", 3)
    planned = plan_repairs(reconcile())
    resolve_line(order_id=first, line=0, happened=True, act=act(reason=WHY))
    assert repair(planned, act=act(reason=WHY)) == 1
    assert (states(read(first)), states(read(second))) == (["released"], ["releasing"])


def test_a_repair_planned_for_one_attempt_is_not_made_for_a_later_one(sandbox: Sandbox) -> None:
    shelve(sandbox, reserved=2)
    order_id = unknown("release", 2)
    planned = plan_repairs(reconcile())
    orders().update_one({"_id": order_id}, {"$inc": {"items.0.stock.attempts": 1}})
    before = read(order_id)
    assert len(planned) == 1
    assert repair(planned, act=act(reason=WHY)) == 0
    assert read(order_id) == before


def test_whoever_may_not_resolve_repairs_nothing(sandbox: Sandbox) -> None:
    shelve(sandbox, reserved=2)
    order_id = unknown("release")
    before: Document = read(order_id)
    planned = plan_repairs(reconcile())
    with pytest.raises(NotPermitted):
        repair(planned, act=act(access.customer("1"), WHY))
    assert read(order_id) == before
