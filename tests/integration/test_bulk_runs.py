"""Runs over many orders: what is recorded, what becomes of each order, and what is reported."""

import json
import threading
from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import pytest
from bson import ObjectId
from django.db import DatabaseError
from django.utils import timezone
from pymongo.database import Database
from pytest_django import Settings

from integrations.sandbox import Sandbox
from orders.models import BulkRun, condition_words, edges_named, transition_names
from orders.services import access, bulk
from orders.services.audit import Act
from orders.services.bulk import batch_loop, executor, planning, run_steps, runs, selecting
from orders.services.errors import OrderError
from orders.services.lifecycle.transitions import change_status
from orders.storage import bulk_batches, bulk_runs
from orders.storage.bulk_orders import UNMET, as_given, from_given, unmet
from orders.storage.order_query import OrderKeys, OrderQuery
from orders.storage.order_writes import orders
from tests.integration.builders import FUTURE, PAST, A, Document, act, answer_lost, now, place, read, shelve
from tests.integration.bulk_helpers import STAFF, carried, entries, figures, sound, started, stored, told

pytestmark = pytest.mark.usefixtures("database")


@pytest.fixture(autouse=True)
def several_pages(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let a few orders be more than are taken down at once."""
    monkeypatch.setattr(selecting, "TAKEN_AT_ONCE", 4)


def test_a_run_changes_every_order_that_it_selects_and_no_other() -> None:
    paid, pending = stored("paid", 25), stored("pending", 3)
    run = carried("start_processing", statuses=("paid",), batch_size=10, reason="the warehouse opens")
    assert (run.state, run.total, figures(run)) == ("done", 25, (25, 0, 0, 0))
    assert (str(run), run.actor, run.finished) == (f"Run {run.pk}", "system:jane", 25)
    for order_id in paid:
        order = read(order_id)
        assert order["status"] == "processing"
        last = order["history"][-1]
        assert (last["act"], last["actor"], last["via"]) == ("start_processing", "system:jane", "command")
        assert (last["reason"], last["request_id"]) == ("the warehouse opens", str(run.pk))
    assert {read(order_id)["status"] for order_id in pending} == {"pending"}
    sound()


def test_a_reason_that_would_be_refused_today_does_not_keep_a_stored_run_from_its_end(
    database: Database[Document],
) -> None:
    [paid] = stored("paid", 1)
    run = started("start_processing", keys=[paid])
    database["bulk_runs"].update_one({"_id": run.pk}, {"$set": {"reason": "wave\x1b 12\u202e"}})
    run = bulk.execute_run(run.pk, seconds=20)
    assert (run.state, run.last_error, figures(run)) == ("done", "", (1, 0, 0, 0))
    assert read(paid)["history"][-1]["reason"] == "wave? 12"


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
    made = bulk.plan(selection=OrderQuery(everything=True), transition="start_processing", actor=access.admin("a"))
    assert (made.can, made.already, made.cannot, made.total, made.units) == (3, 2, 1, 6, 0)
    assert made.refused == {"Cannot start processing an order that is delivered. It can become: refunded.": 1}
    made = bulk.plan(selection=OrderQuery(everything=True), transition="cancel", actor=access.admin("a"))
    assert (made.can, made.units) == (5, 10)
    assert list(orders().find()) == before
    assert BulkRun.objects.count() == 0


HELD = "It is on hold."
PARTLY = "A part of it has been shipped. Cancel the items that have not."
SHIPPED = {"at": timezone.now(), "carrier": "", "tracking_number": "", "tracking_url": ""}


def mark(ids: Sequence[ObjectId], **fields: Any) -> None:
    orders().update_many({"_id": {"$in": list(ids)}}, {"$set": fields})


@pytest.mark.parametrize(
    ("transition", "status", "marks", "why"),
    [
        ("start_processing", "paid", {"held_at": timezone.now()}, HELD),
        ("ship", "processing", {"held_at": timezone.now()}, HELD),
        ("cancel", "processing", {"shipments": [SHIPPED]}, PARTLY),
    ],
)
def test_what_a_condition_of_the_machine_refuses_is_refused_by_plan_and_run_in_the_same_words(
    transition: str, status: str, marks: dict[str, Any], why: str, sandbox: Sandbox
) -> None:
    shelve(sandbox, "665f1c0a9b1e8a0012a40001", available=0, reserved=100)
    free, refused, final = stored(status, 3), stored(status, 2), stored("refunded", 1)
    mark([*refused, *final], **marks)
    keys: list[ObjectId | str] = [*free, *refused, *final]
    other = f"Cannot {transition.replace('_', ' ')} an order that is refunded. It is final."
    for query in (OrderQuery(everything=True), OrderQuery(keys=OrderKeys(keys)), OrderQuery(everything=True, limit=6)):
        made = bulk.plan(selection=query, transition=transition, actor=STAFF)
        assert (made.can, made.refused) == (3, {why: 2, other: 1})
        assert made.units == (6 if transition == "cancel" else 0), "of those that can"
    run = carried(transition, keys=keys)
    assert figures(run) == (3, 0, 3, 0)
    assert told(run, only=bulk.PROBLEMS) == {("refused", why): 2, ("refused", other): 1}
    assert [read(order_id)["status"] for order_id in refused] == [status] * 2
    assert all(len(read(order_id)["history"]) == read(order_id)["version"] + 1 for order_id in refused)


def test_a_plan_counts_of_what_a_condition_refuses_only_what_is_within_the_limit() -> None:
    first, held, _ = stored("paid", 2), stored("paid", 3), stored("paid", 2)
    mark(held, held_at=timezone.now())
    for limit, can in ((2, 2), (3, 2), (5, 2), (7, 4), (100, 4)):
        made = bulk.plan(selection=OrderQuery(everything=True, limit=limit), transition="start_processing", actor=STAFF)
        assert (made.can, made.cannot) == (can, min(limit, 7) - can)
    chosen = OrderQuery(keys=OrderKeys([*held, *first]), limit=4)
    assert bulk.plan(selection=chosen, transition="start_processing", actor=STAFF).refused == {HELD: 3}


def test_each_condition_has_the_index_of_those_that_do_not_meet_it() -> None:
    every = [edge for name in transition_names() for edge in edges_named(name)]
    assert set(UNMET) == {condition for edge in every for condition in edge.conditions}
    order_id = stored("processing", 1)[0]
    mark([order_id], held_at=timezone.now(), shipments=[SHIPPED])
    for name, why in (("cancel", PARTLY), ("ship", HELD)):
        [order] = unmet(OrderQuery(everything=True), name)
        assert (order.pk, condition_words(edges_named(name)[-1], order)) == (order_id, why)


def test_the_code_of_a_reason_is_kept_with_the_run_for_whoever_carries_it_on(sandbox: Sandbox) -> None:
    shelve(sandbox, "665f1c0a9b1e8a0012a40001", available=0, reserved=100)
    ids = stored("paid", 3)
    chosen = OrderQuery(keys=OrderKeys(ids))
    coded = Act(STAFF, timezone.now(), "a rat in the store", "other")
    run = bulk.start_run(selection=chosen, transition="cancel", act=coded, for_worker=False, run_id=ObjectId())
    assert bulk.get_run(run.pk).reason_code == "other"
    with pytest.raises(bulk.RunExists):
        bulk.start_run(selection=chosen, transition="cancel", act=replace(coded, code="fraud"), run_id=run.pk)
    bulk.execute_run(run.pk, stopping=lambda: read(ids[0])["status"] == "cancelled", threads=1)
    bulk.execute_run(run.pk)
    last = [next(entry for entry in read(one)["history"] if entry["act"] == "cancel") for one in ids]
    assert [(entry["code"], entry["reason"]) for entry in last] == [("other", "a rat in the store")] * 3


def test_a_code_is_reason_enough_and_one_that_only_a_newer_version_knows_is_left_to_it(sandbox: Sandbox) -> None:
    shelve(sandbox, "665f1c0a9b1e8a0012a40001", available=0, reserved=100)
    [order_id] = stored("paid", 1)
    chosen = OrderQuery(keys=OrderKeys([order_id]))
    act_of = Act(STAFF, timezone.now(), code="fraud")
    run = bulk.start_run(selection=chosen, transition="cancel", act=act_of, for_worker=True)
    bulk_runs.runs().update_one({"_id": run.pk}, {"$set": {"reason_code": "weather"}})
    assert bulk.execute_run(run.pk).state == "queued"
    assert read(order_id)["status"] == "paid"
    bulk_runs.runs().update_one({"_id": run.pk}, {"$set": {"reason_code": "fraud"}})
    assert bulk.execute_run(run.pk).done == 1
    [entry] = [entry for entry in read(order_id)["history"] if entry["act"] == "cancel"]
    assert (entry["code"], entry["reason"]) == ("fraud", "")


def test_a_run_of_before_there_were_codes_has_none() -> None:
    run = started("pay", keys=stored("pending", 1))
    bulk_runs.runs().update_one({"_id": run.pk}, {"$unset": {"reason_code": ""}})
    assert bulk.get_run(run.pk).reason_code == ""
    assert bulk.execute_run(run.pk).done == 1


def test_who_may_not_make_the_transition_starts_no_run() -> None:
    stored("paid", 1)
    clerk = access.Actor(access.Kind.STAFF, "c", "admin", frozenset({access.VIEW, "orders.ship_order"}))
    for actor in (clerk, access.customer("1")):
        with pytest.raises(access.NotPermitted):
            bulk.start_run(selection=OrderQuery(statuses=("paid",)), transition="cancel", act=act(actor))
    assert BulkRun.objects.count() == 0


def test_nothing_selected_is_not_everything() -> None:
    with pytest.raises(bulk.NothingSelected):
        started("pay", everything=False)
    with pytest.raises(bulk.UnknownTransition):
        started("place")
    assert BulkRun.objects.count() == 0


# --- paused, resumed, cancelled --------------------------------------------------------------------------------------


def test_a_run_that_somebody_paused_waits_until_it_is_resumed() -> None:
    ids = stored("paid", 3)
    run = started("start_processing", keys=ids)
    paused = bulk.pause_run(run_id=run.pk, actor=STAFF)
    assert (paused.state, paused.paused_until, paused.last_error) == ("paused", None, "Stopped by system:jane.")
    assert bulk.execute_run(run.pk).state == "paused"
    assert {read(order_id)["status"] for order_id in ids} == {"paid"}
    resumed = bulk.resume_run(run_id=run.pk, actor=STAFF)
    assert (resumed.state, resumed.for_worker) == ("queued", True)
    assert figures(bulk.execute_run(run.pk)) == (3, 0, 0, 0)


def test_a_run_paused_while_it_looks_for_its_orders_goes_on_looking() -> None:
    stored("paid", 3)
    run = started("start_processing", statuses=("paid",))
    bulk.pause_run(run_id=run.pk, actor=STAFF)
    assert bulk.resume_run(run_id=run.pk, actor=STAFF).state == "selecting"
    assert figures(bulk.execute_run(run.pk)) == (3, 0, 0, 0)


def test_a_cancelled_run_changes_nothing_more_and_stays_cancelled() -> None:
    ids = stored("paid", 4)
    run = started("start_processing", keys=ids, batch_size=2)
    stops = iter([False, False, False])  # to begin, to work, and for one batch
    bulk.execute_run(run.pk, stopping=lambda: next(stops, True))
    cancelled = bulk.cancel_run(run_id=run.pk, actor=STAFF)
    assert (cancelled.state, cancelled.last_error) == ("cancelled", "Cancelled by system:jane.")
    assert cancelled.finished_at is not None
    assert bulk.execute_run(run.pk).state == "cancelled"
    assert [read(order_id)["status"] for order_id in ids] == ["processing"] * 2 + ["paid"] * 2
    assert told(run) == {("done", ""): 2, ("waiting", ""): 2}
    for act_on in (bulk.resume_run, bulk.pause_run, bulk.cancel_run):
        with pytest.raises(bulk.RunIsOver) as refused:
            act_on(run_id=run.pk, actor=STAFF)
        assert refused.value.members == {"state": "cancelled"}


@pytest.mark.parametrize("act_on", [bulk.resume_run, bulk.pause_run, bulk.cancel_run])
def test_a_run_that_ends_while_somebody_looks_at_it_is_over(
    act_on: Callable[..., BulkRun], monkeypatch: pytest.MonkeyPatch
) -> None:
    run = started("start_processing", keys=stored("paid", 1))
    real = runs.get_run

    def just_before(run_id: ObjectId) -> BulkRun:
        found = real(run_id)
        monkeypatch.setattr(runs, "get_run", real)
        bulk.execute_run(run_id)
        return found

    monkeypatch.setattr(runs, "get_run", just_before)
    with pytest.raises(bulk.RunIsOver):
        act_on(run_id=run.pk, actor=STAFF)
    assert bulk.get_run(run.pk).state == "done"


@pytest.mark.parametrize("act_on", [bulk.resume_run, bulk.pause_run, bulk.cancel_run])
def test_who_may_not_make_the_transition_may_not_touch_its_runs(act_on: Callable[..., BulkRun]) -> None:
    run = started("start_processing", keys=stored("paid", 1))
    clerk = access.Actor(access.Kind.STAFF, "c", "admin", frozenset({access.VIEW, "orders.ship_order"}))
    with pytest.raises(access.NotPermitted):
        act_on(run_id=run.pk, actor=clerk)
    with pytest.raises(bulk.RunNotFound):
        act_on(run_id=ObjectId(), actor=STAFF)
    assert bulk.get_run(run.pk).state == "queued"


# --- what was cut off is carried out, once ---------------------------------------------------------------------------


@pytest.mark.parametrize("written", [True, False])
@pytest.mark.parametrize("method", ["update_many", "update_one", "find_one_and_update", "find", "aggregate"])
def test_an_answer_that_is_lost_costs_a_pause_and_nothing_else(
    monkeypatch: pytest.MonkeyPatch, settings: Settings, method: str, written: bool
) -> None:
    settings.STOCK_LEASE = 0.5
    ids = stored("paid", 6) + stored("pending", 1)
    run = started("start_processing", keys=ids, batch_size=3)
    answer_lost(monkeypatch, method, written=written)
    seen: list[BulkRun] = []
    run = bulk.execute_run(run.pk, progress=seen.append)
    assert (run.state, figures(run), run.pauses) == ("done", (6, 0, 1, 0), 0)
    assert {entries(order, run) for order in sound()} == {0, 1}
    assert {read(order_id)["version"] for order_id in ids[:6]} == {3}


@pytest.mark.parametrize("skip", range(3))
@pytest.mark.parametrize("method", ["insert_many", "find", "update_one"])
def test_looking_for_the_orders_goes_on_where_it_was_cut_off(
    monkeypatch: pytest.MonkeyPatch, method: str, skip: int
) -> None:
    stored("paid", 7)
    run = started("start_processing", statuses=("paid",), batch_size=2, limit=5)
    answer_lost(monkeypatch, method, skip=skip)
    run = bulk.execute_run(run.pk)
    assert (run.state, run.total, figures(run)) == ("done", 5, (5, 0, 0, 0))
    assert {order["status"] for order in sound()[:5]} == {"processing"}


def test_batches_that_mongod_refuses_are_an_outage_and_no_fault_of_the_run(
    database: Database[Document],
) -> None:
    stored("paid", 4)
    run = started("start_processing", statuses=("paid",), batch_size=2)
    database.command("collMod", "bulk_batches", validator={"n": {"$lt": 1}})
    seen: list[str] = []

    def mend(run: BulkRun) -> None:
        if run.state == "paused":
            seen.append(run.last_error)
            database.command("collMod", "bulk_batches", validator={})

    try:
        run = bulk.execute_run(run.pk, progress=mend)
    finally:
        database.command("collMod", "bulk_batches", validator={})
    assert "Document failed validation" in seen[0]
    assert (run.state, figures(run)) == ("done", (4, 0, 0, 0))


def test_orders_of_one_moment_are_neither_missed_nor_doubled() -> None:
    moment = datetime(2026, 3, 1, tzinfo=UTC)
    stored("paid", 11, created_at=moment)
    run = carried("start_processing", statuses=("paid",), batch_size=2)
    assert (run.total, figures(run)) == (11, (11, 0, 0, 0))


def test_of_two_who_look_for_the_orders_one_leaves_it_to_the_other(monkeypatch: pytest.MonkeyPatch) -> None:
    stored("paid", 6)
    run = started("start_processing", statuses=("paid",), batch_size=2)
    real, other = selecting.store.add_batches, []

    def while_the_lease_lapses(run_id: ObjectId, n: int, *given: Any) -> bool:
        if not other:
            other.append(True)
            bulk_runs.runs().update_one({"_id": run_id}, {"$unset": {"attempt": ""}})
            other.append(bulk.execute_run(run_id))
        return real(run_id, n, *given)

    monkeypatch.setattr(selecting.store, "add_batches", while_the_lease_lapses)
    run = bulk.execute_run(run.pk)
    assert (run.state, run.total, figures(run)) == ("done", 6, (6, 0, 0, 0))


def test_who_finds_the_orders_being_looked_for_waits(monkeypatch: pytest.MonkeyPatch) -> None:
    stored("paid", 2)
    run = started("start_processing", statuses=("paid",))
    held = {"id": "another", "until": now() + FUTURE}
    bulk_runs.runs().update_one({"_id": run.pk}, {"$set": {"attempt": held}})
    assert bulk.execute_run(run.pk, seconds=5).state == "selecting"
    timer = threading.Timer(0.7, lambda: bulk_runs.runs().update_one({"_id": run.pk}, {"$set": {"attempt": None}}))
    timer.start()
    assert figures(bulk.execute_run(run.pk)) == (2, 0, 0, 0)
    timer.join()


def test_told_to_stop_it_leaves_off_looking_and_goes_on_later() -> None:
    stored("paid", 6)
    run = started("start_processing", statuses=("paid",), batch_size=2)
    stops = iter([False])
    assert bulk.execute_run(run.pk, stopping=lambda: next(stops, True)).state == "selecting"
    assert bulk_batches.batches().count_documents({}) == 2
    assert figures(bulk.execute_run(run.pk)) == (6, 0, 0, 0)


def test_a_batch_that_another_holds_is_waited_for_and_taken_over_when_its_claim_lapses() -> None:
    ids = stored("paid", 2)
    run = started("start_processing", keys=ids, batch_size=1)
    held = bulk_batches.claim_batch(run.pk, "another", 60)
    assert held is not None
    run = bulk.execute_run(run.pk, seconds=5)
    assert (run.state, figures(run)) == ("running", (1, 0, 0, 0))
    timer = threading.Timer(0.3, lambda: bulk_batches.renew_batch(held, 0))
    timer.start()
    assert figures(bulk.execute_run(run.pk)) == (2, 0, 0, 0)
    timer.join()
    assert bulk_batches.finish_batch(held, []) is False, "too late"
    assert {entries(order, run) for order in sound()} == {1}


def test_a_resumed_run_does_not_wait_for_the_claims_of_a_process_that_is_gone() -> None:
    ids = stored("paid", 4)
    run = started("start_processing", keys=ids, batch_size=2)
    stops = iter([False])
    bulk.execute_run(run.pk, stopping=lambda: next(stops, True))
    assert bulk_batches.claim_batch(run.pk, "killed", 3600) is not None
    assert bulk.execute_run(run.pk, seconds=10).finished == 2, "the other batch is claimed"
    bulk.resume_run(run_id=run.pk, actor=STAFF)
    run = bulk.execute_run(run.pk, seconds=10)
    assert (run.state, figures(run)) == ("done", (4, 0, 0, 0))
    assert {entries(order, run) for order in sound()} == {1}


def test_each_claim_lasts_as_long_as_the_lease(monkeypatch: pytest.MonkeyPatch, settings: Settings) -> None:
    settings.STOCK_LEASE = 47
    monkeypatch.setattr(batch_loop, "CHECK_EVERY", 0.0)
    monkeypatch.setattr(selecting, "TAKEN_AT_ONCE", 1)
    left: dict[str, list[float]] = {}

    def watch(place: Any, name: str) -> None:
        real = getattr(place, name)

        def watched(*given: Any) -> Any:
            result = real(*given)
            held = {"attempt.until": {"$exists": True}}
            found = [*bulk_runs.runs().find(held), *bulk_batches.batches().find(held)]
            left[name] = [(claim["attempt"]["until"] - now()).total_seconds() for claim in found]
            return result

        monkeypatch.setattr(place, name, watched)

    for name in ("claim_selection", "renew_selection"):
        watch(bulk_runs, name)
    for name in ("claim_batch", "renew_batch"):
        watch(bulk_batches, name)
    ids = stored("pending", 2)
    orders().update_many({"_id": {"$in": ids}}, {"$set": {"items.$[].stock.state": "none"}})
    run = started("cancel", statuses=("pending",), batch_size=1, reason="recalled")
    bulk.execute_run(run.pk, threads=1, stopping=lambda: len(left) == 4)
    assert set(left) == {"claim_selection", "renew_selection", "claim_batch", "renew_batch"}
    assert all(len(seconds) == 1 and 37 < seconds[0] <= 47 for seconds in left.values()), left


def test_one_broken_order_costs_its_batch_nothing() -> None:
    ids = stored("paid", 9)
    orders().update_one({"_id": ids[4]}, {"$set": {"history": "broken"}})
    run = carried("start_processing", keys=ids)
    assert figures(run) == (8, 0, 0, 1)
    (problem,) = bulk.results(run.pk, only=bulk.PROBLEMS)
    assert (problem.order_id, problem.result) == (str(ids[4]), "failed")
    assert problem.reason.startswith("The database refused: ")
    assert read(ids[4])["status"] == "paid"
    assert {read(order_id)["version"] for order_id in ids if order_id != ids[4]} == {3}


# --- results, selections, plans --------------------------------------------------------------------------------------


def test_results_go_on_where_they_were_left() -> None:
    ids = stored("paid", 5) + stored("processing", 4)
    run = carried("start_processing", keys=ids, batch_size=4)
    every = list(bulk.results(run.pk))
    assert [found.order_id for found in every] == [str(order_id) for order_id in ids]
    for index, found in enumerate(every):
        assert list(bulk.results(run.pk, after=found.position)) == every[index + 1 :]
    already = list(bulk.results(run.pk, only={"already"}))
    assert already == every[5:]
    assert list(bulk.results(run.pk, only={"already"}, after=already[1].position)) == already[2:]
    assert list(bulk.results(run.pk, only=())) == []


def test_a_selection_survives_being_written_down() -> None:
    moment = datetime(2026, 3, 1, 12, 30, tzinfo=UTC)
    full = OrderQuery(
        statuses=("paid", "pending"), user_id="7", product_id="f" * 24, since=moment, before=moment, limit=9,
        everything=True,
    )  # fmt: skip
    for selection in (full, OrderQuery()):
        assert from_given(as_given(selection)) == selection
    keys = [ObjectId() for _ in range(7)]
    given = as_given(OrderQuery(keys=OrderKeys(keys)))
    assert (given["orders"], given["first"]) == (7, [str(key) for key in keys[:5]])
    assert as_given(OrderQuery(keys=OrderKeys()))["orders"] == 0


def test_named_orders_are_narrowed_by_the_criteria() -> None:
    paid, pending = stored("paid", 3), stored("pending", 2)
    run = carried("start_processing", keys=[*paid, *pending, ObjectId()], statuses=("paid",), limit=2)
    assert (run.total, figures(run)) == (2, (2, 0, 0, 0))
    selection = OrderQuery(keys=OrderKeys([*paid, *pending]), statuses=("paid", "pending"), limit=4)
    made = bulk.plan(selection=selection, transition="start_processing", actor=STAFF)
    assert (made.total, made.can, made.already, made.cannot) == (3, 1, 0, 2)


def test_keys_are_kept_once_each_in_the_order_given() -> None:
    first, second = ObjectId(), ObjectId()
    keys = OrderKeys([second, first, "7KQF-2M9D-XW3H", second])
    assert list(keys) == [second, first, "7KQF-2M9D-XW3H"]
    assert len(keys) == 3
    assert first in keys
    assert "7KQF-2M9D-XW3H" in keys
    assert ObjectId() not in keys
    assert 17 not in keys


def test_an_order_that_is_named_by_number_and_id_is_in_the_run_once() -> None:
    paid = stored("paid", 3)
    numbers = [read(order_id)["number"] for order_id in paid]
    run = carried("start_processing", keys=[numbers[0], *paid[:2], numbers[1], numbers[2]])
    assert (run.total, figures(run)) == (3, (3, 0, 0, 0))


def test_a_request_that_calls_itself_like_a_run_is_not_taken_for_it() -> None:
    ids = stored("paid", 2)
    run = started("start_processing", keys=ids)
    other = access.admin("1", request_id=str(run.pk))
    change_status(order_id=ids[0], transition="start_processing", act=act(other))
    run = bulk.execute_run(run.pk)
    assert figures(run) == (1, 1, 0, 0)


def test_a_plan_counts_what_is_named_once_and_names_what_there_is_not() -> None:
    paid, draft = stored("paid", 2), stored("rejected", 1)
    number = read(paid[0])["number"]
    selection = OrderQuery(keys=OrderKeys([*paid, number, paid[0], *draft, ObjectId(), "7KQF-2M9D-XW3H"]))
    made = bulk.plan(selection=selection, transition="cancel", actor=STAFF)
    assert (made.can, made.already, made.refused, made.units) == (2, 0, {planning.NO_SUCH_ORDER: 3}, 4)


def test_a_plan_of_too_many_orders_does_not_count_their_units(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(planning, "MOST_COUNTED", 2)
    monkeypatch.setattr(planning, "ASKED_AT_ONCE", 2)
    paid = stored("paid", 5)
    for selection in (OrderQuery(statuses=("paid",)), OrderQuery(keys=OrderKeys(paid))):
        made = bulk.plan(selection=selection, transition="cancel", actor=STAFF)
        assert (made.can, made.units) == (5, None)
    assert bulk.plan(selection=OrderQuery(keys=OrderKeys(paid), limit=2), transition="cancel", actor=STAFF).units == 4


# --- the workers' part -----------------------------------------------------------------------------------------------


def test_workers_carry_on_what_is_left_to_them_and_nothing_else() -> None:
    first, second = stored("paid", 3), stored("pending", 2)
    mine = started("start_processing", keys=first, for_worker=True)
    others = started("pay", keys=second)
    assert bulk.execute_pending_runs(seconds=20) is True
    assert (bulk.get_run(mine.pk).state, bulk.get_run(others.pk).state) == ("done", "queued")
    assert {read(order_id)["status"] for order_id in second} == {"pending"}
    assert bulk.execute_pending_runs(seconds=20) is False, "there is no more"


def test_a_bad_run_does_not_keep_workers_from_the_others(monkeypatch: pytest.MonkeyPatch) -> None:
    bad = started("start_processing", keys=stored("paid", 1), for_worker=True)
    good = started("pay", keys=stored("pending", 1), for_worker=True)
    real = run_steps.job_of
    monkeypatch.setattr(run_steps, "job_of", lambda run: real(run) if run.pk == good.pk else 1 / 0)
    assert bulk.execute_pending_runs(seconds=20) is True
    assert (bulk.get_run(bad.pk).state, bulk.get_run(good.pk).state) == ("paused", "done")


def test_workers_leave_off_when_their_time_is_up() -> None:
    run = started("start_processing", keys=stored("paid", 1), for_worker=True)
    assert bulk.execute_pending_runs(seconds=0) is False
    assert bulk.execute_pending_runs(seconds=20, stopping=lambda: True) is False
    assert bulk.get_run(run.pk).state == "queued"


def test_workers_take_a_run_up_again_when_its_pause_is_over() -> None:
    run = started("start_processing", keys=stored("paid", 1), for_worker=True)
    paused = {"state": "paused", "paused_until": now() + FUTURE, "pauses": 3, "last_error": "gone"}
    bulk_runs.runs().update_one({"_id": run.pk}, {"$set": paused})
    assert bulk.execute_pending_runs(seconds=20) is False
    bulk_runs.runs().update_one({"_id": run.pk}, {"$set": {"paused_until": now() + PAST}})
    assert bulk.execute_pending_runs(seconds=20) is True
    run = bulk.get_run(run.pk)
    assert (run.state, run.pauses, run.last_error, run.paused_until) == ("done", 0, "", None)


def test_a_run_recorded_without_a_reason_by_an_earlier_version_is_executed(sandbox: Sandbox) -> None:
    order_id = place((A, 2)).order["_id"]
    run = started("cancel", keys=[order_id])
    BulkRun.objects.filter(pk=run.pk).update(reason="")
    bulk.execute_run(run.pk)
    found = read(order_id)
    assert found["status"] == "cancelled"
    assert [entry["reason"] for entry in found["history"] if entry["act"] == "cancel"] == [f"Bulk run {run.pk}"]


def test_orders_that_cannot_be_counted_in_time_are_too_many_for_whoever_waits_for_them(
    database: Database[Document],
) -> None:
    with pytest.raises(OrderError, match="too many orders to be counted in time"), bulk.counted_within(0):
        bulk.plan(selection=OrderQuery(("paid",)), transition="start_processing", actor=STAFF)
    with pytest.raises(DatabaseError, match="another fault"), bulk.counted_within(60):
        raise DatabaseError("another fault")


def test_a_run_over_few_orders_is_executed_at_once_and_what_keeps_it_from_it_is_left_to_workers(
    database: Database[Document], monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    stored("paid", 2)
    many = started("start_processing")
    assert executor.execute_if_small(many, orders=executor.FEW + 1).state == "selecting"
    with monkeypatch.context() as patch:
        patch.setattr(executor, "execute_run", lambda *_, **__: 1 / 0)
        assert executor.execute_if_small(many, orders=2) is many
    assert "could not be executed here" in caplog.text
    done = executor.execute_if_small(many, orders=2)
    assert (done.state, figures(done)) == ("done", (2, 0, 0, 0))


def test_a_report_is_json_too_whether_of_some_orders_or_of_none(database: Database[Document]) -> None:
    none = carried("pay")
    assert json.loads("".join(bulk.report_json(none.pk))) == []
    ids = stored("pending", 3)
    rows = json.loads("".join(bulk.report_json(carried("pay").pk)))
    assert {row["order_id"]: row["result"] for row in rows} == dict.fromkeys(map(str, ids), "done")
