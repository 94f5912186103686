"""Runs whose process was lost, or failed, at a bad moment: none hangs, and none ends for no fault of its own."""

from datetime import timedelta
from typing import Any

import pytest
from bson import ObjectId
from django.db import DatabaseError

from orders.models import BulkRun
from orders.services import bulk
from orders.services.bulk import run_steps, selecting
from orders.services.bulk.run_steps import INTERRUPTED, RETRY_WINDOW
from orders.storage import bulk_batches, bulk_runs
from orders.storage.order_writes import orders
from tests.integration.builders import FUTURE, Document, answer_lost, now, read
from tests.integration.bulk_helpers import STAFF, figures, started, stored

pytestmark = pytest.mark.usefixtures("database")


@pytest.fixture(autouse=True)
def several_pages(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let a few orders be more than are taken down at once."""
    monkeypatch.setattr(selecting, "TAKEN_AT_ONCE", 2)


def cut_off(monkeypatch: pytest.MonkeyPatch, ids: list[ObjectId], **options: Any) -> BulkRun:
    """A run whose start failed when a part of its orders was taken down."""
    answer_lost(monkeypatch, "insert_many", skip=1)
    with pytest.raises(DatabaseError):
        started("start_processing", keys=ids, batch_size=2, **options)
    (run,) = BulkRun.objects.all()
    assert run.state == "selecting"
    return run


def hold(run: BulkRun, ends: Any) -> None:
    bulk_runs.runs().update_one({"_id": run.pk}, {"$set": {"attempt": {"id": "another", "until": ends}}})


def test_a_run_cut_off_while_its_orders_were_taken_down_fails_and_changes_nothing(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    ids = stored("paid", 4)
    run = cut_off(monkeypatch, ids)
    run = bulk.execute_run(run.pk)
    assert (run.state, run.last_error) == ("failed", INTERRUPTED)
    assert {read(order_id)["status"] for order_id in ids} == {"paid"}


def test_whoever_asks_for_a_cut_off_run_again_gets_it_whole(monkeypatch: pytest.MonkeyPatch) -> None:
    ids, run_id = stored("paid", 5), ObjectId()
    run = cut_off(monkeypatch, ids, run_id=run_id)
    assert bulk.execute_run(run.pk, seconds=0).state == "selecting"
    again = started("start_processing", keys=ids, batch_size=2, run_id=run_id)
    assert (again.pk, again.state, again.total) == (run_id, "queued", 5)
    run = bulk.execute_run(run_id)
    assert (run.state, figures(run)) == ("done", (5, 0, 0, 0))
    assert {read(order_id)["version"] for order_id in ids} == {3}


def test_while_the_orders_are_being_taken_down_nobody_ends_the_run_or_begins_it_anew() -> None:
    ids, run_id = stored("paid", 3), ObjectId()
    run = started("start_processing", keys=ids, run_id=run_id)
    bulk_runs.runs().update_one({"_id": run.pk}, {"$set": {"state": "selecting", "selected": False}})
    hold(run, now() + FUTURE)
    assert bulk.execute_run(run.pk, seconds=5).state == "selecting"
    assert started("start_processing", keys=ids, run_id=run_id).state == "selecting"
    assert bulk_batches.batches().count_documents({"run": run_id}) == 1


def test_workers_end_a_cut_off_run_once_nobody_asks_for_it_again(monkeypatch: pytest.MonkeyPatch) -> None:
    run = cut_off(monkeypatch, stored("paid", 4), for_worker=True)
    bulk.execute_pending_runs(seconds=5)
    assert bulk.get_run(run.pk).state == "selecting"
    hold(run, now() - timedelta(seconds=2 * RETRY_WINDOW))
    bulk.execute_pending_runs(seconds=5)
    assert (bulk.get_run(run.pk).state, bulk.get_run(run.pk).last_error) == ("failed", INTERRUPTED)


@pytest.mark.parametrize("away", ["lease", "batches", "cancelled"])
def test_whoever_lost_a_run_leaves_off_taking_its_orders_down(monkeypatch: pytest.MonkeyPatch, away: str) -> None:
    real, seen = selecting.store.add_batches, []

    def lost(run_id: ObjectId, n: int, made: Any) -> bool:
        seen.append(n)
        added = real(run_id, n, made)
        if away == "lease":
            hold(bulk.get_run(run_id), now() + FUTURE)
        elif away == "cancelled":
            bulk.cancel_run(run_id=run_id, actor=STAFF)
        else:
            real(run_id, n + len(made), made)
        return added

    monkeypatch.setattr(selecting.store, "add_batches", lost)
    run = started("start_processing", keys=stored("paid", 6), batch_size=2)
    assert run.state == ("cancelled" if away == "cancelled" else "selecting")
    assert not run.selected
    assert seen == ([0, 1] if away == "batches" else [0])


@pytest.mark.parametrize("named", [False, True])
def test_a_run_of_too_many_batches_fails_and_changes_nothing(monkeypatch: pytest.MonkeyPatch, named: bool) -> None:
    ids = stored("paid", 5)
    monkeypatch.setattr(bulk_batches, "MOST_BATCHES", 4)
    if named:
        with pytest.raises(selecting.TooManyBatches):
            started("start_processing", keys=ids, batch_size=1)
    else:
        bulk.execute_run(started("start_processing", statuses=("paid",), batch_size=1).pk)
    (run,) = BulkRun.objects.all()
    assert (run.state, run.done) == ("failed", 0)
    assert run.last_error == "A run with 1 orders a batch is about 4 orders at most."
    assert {read(order_id)["status"] for order_id in ids} == {"paid"}


@pytest.mark.parametrize("limit", [None, 2])
def test_a_search_that_finds_nothing_for_long_keeps_its_place(limit: int | None) -> None:
    """Each turn of a worker gets no further than one page here, and most pages hold nothing that is wanted."""
    product = "665f1c0a9b1e8a00ffffffff"
    others, wanted = stored("paid", 9), stored("pending", 3)
    orders().update_many({"_id": {"$in": [*others, *wanted]}}, {"$set": {"items.0.product_id": product}})
    stored("pending", 15)
    run = started("pay", statuses=("pending",), product_id=product, batch_size=2, for_worker=True, limit=limit)
    turns = 0
    while bulk.get_run(run.pk).state == "selecting":
        turns += 1
        asked: list[None] = []
        bulk.execute_run(run.pk, stopping=lambda asked=asked: bool(asked.append(None)) or len(asked) > 2)
        assert turns < 15
    run = bulk.execute_run(run.pk)
    assert (run.state, figures(run)) == ("done", (limit or 3, 0, 0, 0))
    assert [read(order_id)["status"] for order_id in wanted] == ["paid"] * (limit or 3) + ["pending"] * (3 - run.done)
    assert turns > 2


# --- faults of this process ------------------------------------------------------------------------------------------


def test_a_fault_of_ours_pauses_the_run_and_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    ids = stored("paid", 1)
    run = started("start_processing", keys=ids)
    with monkeypatch.context() as patch:
        patch.setattr(run_steps, "job_of", lambda _: 1 / 0)
        with pytest.raises(ZeroDivisionError):
            bulk.execute_run(run.pk)
    run = bulk.get_run(run.pk)
    assert (run.state, run.last_error) == ("paused", "internal error: ZeroDivisionError('division by zero')")
    assert run.paused_until is not None
    assert read(ids[0])["status"] == "paid"
    assert figures(bulk.execute_run(run.pk)) == (1, 0, 0, 0)


def test_a_run_goes_on_when_nobody_reads_how_far_it_is() -> None:
    run = started("start_processing", keys=stored("paid", 3), batch_size=1)

    def gone(_: BulkRun) -> None:
        raise BrokenPipeError

    run = bulk.execute_run(run.pk, progress=gone)
    assert (run.state, figures(run)) == ("done", (3, 0, 0, 0))


@pytest.mark.parametrize("unknown", [{"transition": "gift_wrap"}, {"actor_kind": "robot"}])
def test_what_a_newer_version_asks_for_is_left_to_it(unknown: Document) -> None:
    ids = stored("paid", 1)
    run = started("start_processing", keys=ids, for_worker=True)
    bulk_runs.runs().update_one({"_id": run.pk}, {"$set": unknown})
    assert bulk.execute_pending_runs(seconds=5) is False
    run = bulk.execute_run(run.pk)
    assert (run.state, run.last_error) == ("queued", "")
    assert read(ids[0])["status"] == "paid"
