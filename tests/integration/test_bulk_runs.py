"""Runs over many orders: what is recorded, what becomes of each order, and what is reported."""

import pytest
from bson import ObjectId

from orders.models import BulkRun
from orders.models.selection import OrderSelection
from orders.models.writes import orders
from orders.services import access, bulk
from tests.integration.builders import act, read
from tests.integration.bulk_helpers import carried, entries, figures, sound, started, stored, told

pytestmark = pytest.mark.usefixtures("database")


def test_a_run_changes_every_order_that_it_selects_and_no_other() -> None:
    paid, pending = stored("paid", 25), stored("pending", 3)
    run = carried("start_processing", statuses=("paid",), batch_size=10, reason="the warehouse opens")
    assert (run.state, run.total, figures(run)) == ("done", 25, (25, 0, 0, 0))
    for order_id in paid:
        order = read(order_id)
        assert order["status"] == "processing"
        last = order["history"][-1]
        assert (last["act"], last["actor"], last["via"]) == ("start_processing", "system:jane", "command")
        assert (last["reason"], last["request_id"]) == ("the warehouse opens", str(run.pk))
    assert {read(order_id)["status"] for order_id in pending} == {"pending"}
    sound()


def test_each_order_has_its_result() -> None:
    paid, ready, late = stored("paid", 3), stored("processing", 2), stored("delivered", 1)
    draft = stored("rejected", 1)
    nobody = ObjectId()
    run = carried("start_processing", keys=[*paid, *ready, *late, *draft, nobody, "XXXX-XXXX-XXXX", paid[0]])
    assert (run.total, figures(run)) == (9, (3, 2, 4, 0))
    final = "Cannot start processing an order that is delivered. It can become: refunded."
    assert told(run) == {
        ("done", ""): 3,
        ("already", ""): 2,
        ("refused", final): 1,
        ("refused", f"There is no order {draft[0]}."): 1,
        ("refused", f"There is no order {nobody}."): 1,
        ("refused", "There is no order XXXX-XXXX-XXXX."): 1,
    }
    assert read(draft[0])["status"] == "rejected"
    changed = [order for order in sound() if entries(order, run)]
    assert {order["_id"] for order in changed} == set(paid)


def test_a_plan_says_what_the_run_will_do() -> None:
    stored("paid", 3)
    stored("processing", 2)
    stored("delivered", 1)
    before = list(orders().find())
    made = bulk.plan(selection=OrderSelection(everything=True), transition="start_processing", actor=access.admin("a"))
    assert (made.can, made.already, made.cannot, made.total, made.units) == (3, 2, 1, 6, 0)
    assert made.refused == {"Cannot start processing an order that is delivered. It can become: refunded.": 1}
    made = bulk.plan(selection=OrderSelection(everything=True), transition="cancel", actor=access.admin("a"))
    assert (made.can, made.units) == (5, 10)
    assert list(orders().find()) == before
    assert BulkRun.objects.count() == 0


def test_who_may_not_make_the_transition_starts_no_run() -> None:
    stored("paid", 1)
    clerk = access.Actor(access.Kind.STAFF, "c", "admin", frozenset({access.VIEW, "orders.ship_order"}))
    for actor in (clerk, access.customer("1")):
        with pytest.raises(access.NotPermitted):
            bulk.start_run(selection=OrderSelection(statuses=("paid",)), transition="cancel", act=act(actor))
    assert BulkRun.objects.count() == 0


def test_nothing_selected_is_not_everything() -> None:
    with pytest.raises(bulk.NothingSelected):
        started("pay", everything=False)
    with pytest.raises(bulk.UnknownTransition):
        started("place")
    assert BulkRun.objects.count() == 0
