"""Runs that release stock: order by order, each as by itself, and none of them while inventory does not answer."""

import threading
import time
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from bson import ObjectId
from django.utils import timezone
from pymongo.collection import Collection
from pymongo.errors import NetworkTimeout
from pytest_django import Settings

from integrations.sandbox import Sandbox
from orders.models import BulkRun
from orders.services import bulk
from orders.services.bulk import batch_loop, batches, outages, run_steps
from orders.services.lifecycle.transitions import change_status
from orders.services.lifecycle.versions import OrderBusy
from orders.storage import bulk_batches, bulk_runs
from orders.storage.order_writes import orders
from tests.functional.helpers import dead_url
from tests.integration.builders import (
    A,
    B,
    act,
    answer_lost,
    asked,
    line,
    place,
    read,
    shelve,
    small_sandbox,  # noqa: F401
    states,
    stock_of,
    store,
)
from tests.integration.bulk_helpers import STAFF, carried, entries, figures, sound, started, stored, told

Held = list[ObjectId]


@pytest.fixture
def held(sandbox: Sandbox) -> Held:
    """Twelve placed orders of two units each."""
    shelve(sandbox, available=30)
    return [place((A, 2)).order["_id"] for _ in range(12)]


@pytest.mark.parametrize("threads", [1, 4])
def test_every_order_is_cancelled_and_released(sandbox: Sandbox, held: Held, threads: int) -> None:
    run = carried("cancel", statuses=("pending",), threads=threads, batch_size=3)
    assert (run.state, run.total, figures(run)) == ("done", 12, (12, 0, 0, 0))
    found = sound()
    assert {(order["status"], *states(order)) for order in found} == {("cancelled", "released")}
    assert {entries(order, run) for order in found} == {1}
    assert stock_of(sandbox) == (30, 0)
    assert len(asked(sandbox, "release")) == 12


def test_orders_that_cannot_are_told_and_the_rest_goes_on(sandbox: Sandbox, held: Held) -> None:
    change_status(order_id=held[0], transition="cancel", act=act(STAFF, "as agreed"))
    shipped, nobody = stored("shipped", 1), ObjectId()
    run = carried("cancel", keys=[*held[:3], *shipped, nobody, "7KQF-2M9D-XW3H"])
    assert figures(run) == (2, 1, 3, 0)
    assert told(run, only=bulk.PROBLEMS) == {
        ("refused", "Cannot cancel an order that is shipped. It can become: delivered, refunded."): 1,
        ("refused", f"There is no order {nobody}."): 1,
        ("refused", "There is no order 7KQF-2M9D-XW3H."): 1,
    }
    assert read(held[3])["status"] == "pending"
    assert stock_of(sandbox) == (12, 18)


def test_historical_orders_are_refunded_without_inventory(sandbox: Sandbox) -> None:
    order_id = store("paid", line("none", attempts=0), due=None)
    assert figures(carried("refund", keys=[order_id])) == (1, 0, 0, 0)
    assert read(order_id)["status"] == "refunded"
    assert sandbox.control.calls() == []


def test_one_bad_order_never_stops_the_rest(sandbox: Sandbox, held: Held, monkeypatch: pytest.MonkeyPatch) -> None:
    orders().update_one({"_id": held[0]}, {"$set": {"history": "broken"}})
    real = batches.transitions.change_status

    def two_fail(**given: Any) -> Any:
        if given["order_id"] == held[1]:
            raise RuntimeError("a fault of ours")
        if given["order_id"] == held[2]:
            raise OrderBusy("This order is being changed by others right now. Try again.")
        return real(**given)

    monkeypatch.setattr(batches.transitions, "change_status", two_fail)
    run = carried("cancel", keys=held)
    assert (run.state, figures(run)) == ("done", (9, 0, 0, 3))
    reasons = {found.order_id: found.reason for found in bulk.results(run.pk, only=bulk.PROBLEMS)}
    assert reasons[str(held[0])].startswith("The database refused: ")
    assert reasons[str(held[1])] == "Internal error: RuntimeError('a fault of ours')"
    assert reasons[str(held[2])].startswith("This order is being changed")
    assert [read(order_id)["status"] for order_id in held] == ["pending"] * 3 + ["cancelled"] * 9


# --- outages ---------------------------------------------------------------------------------------------------------


class Told:
    """Looks at a run while it is carried on, and ends an outage once it has seen enough of it."""

    def __init__(self, end: Callable[[], Any], *, pauses: int = 2) -> None:
        self.seen: list[BulkRun] = []
        self._end, self._pauses = end, pauses

    def __call__(self, run: BulkRun) -> None:
        self.seen.append(run)
        if run.state == "paused" and run.pauses >= self._pauses:
            self._end()

    @property
    def pauses(self) -> list[BulkRun]:
        return [run for run in self.seen if run.state == "paused"]


@pytest.mark.parametrize("threads", [1, 4])
def test_while_inventory_is_down_nothing_is_cancelled(
    sandbox: Sandbox, held: Held, settings: Settings, threads: int
) -> None:
    up = settings.INVENTORY_SERVICE_URL
    settings.INVENTORY_SERVICE_URL = dead_url()
    cancelled = []

    def back() -> None:
        cancelled.append(orders().count_documents({"status": "cancelled"}))
        settings.INVENTORY_SERVICE_URL = up

    progress = Told(back, pauses=3)
    run = bulk.execute_run(started("cancel", keys=held).pk, threads=threads, progress=progress)
    assert cancelled == [0]
    assert (run.state, figures(run), run.pauses, run.last_error) == ("done", (12, 0, 0, 0), 0, "")
    assert "inventory does not answer" in progress.pauses[0].last_error
    assert progress.pauses[0].paused_until is not None
    assert {tuple(states(order)) for order in sound()} == {("released",)}
    assert stock_of(sandbox) == (30, 0)


def test_an_outage_in_the_middle_leaves_one_order_to_the_worker_and_no_more(sandbox: Sandbox, held: Held) -> None:
    orders_cut: list[int] = []

    def back() -> None:
        orders_cut.append(orders().count_documents({"status": "cancelled"}))
        sandbox.control.clear_faults()

    run = started("cancel", keys=held)
    real, released = outages.check_releases, []

    def down_after_four(order: Any, *given: Any) -> None:
        released.append(order["_id"])
        if len(released) == 4:
            for operation in ("release", "stock"):
                sandbox.control.fault(operation, "status", status=503)
        real(order, *given)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(batches, "check_releases", down_after_four)
        run = bulk.execute_run(run.pk, progress=Told(back))
    assert orders_cut == [5], "the fifth found inventory down"
    assert (run.state, figures(run)) == ("done", (12, 0, 0, 0))
    assert [states(order)[0] for order in sound()].count("releasing") == 1
    assert {entries(order, run) for order in orders().find()} == {1}


def test_reads_that_answer_do_not_excuse_releases_that_come_to_nothing(sandbox: Sandbox, held: Held) -> None:
    sandbox.control.fault("release", "status", status=503)
    run = bulk.execute_run(started("cancel", keys=held).pk, threads=1)
    assert (run.state, run.paused_until) == ("paused", None), "somebody is to look at it"
    assert "failed to release the last 10 orders" in run.last_error
    assert orders().count_documents({"status": "cancelled"}) == outages.MOST_FAILED_RELEASES
    sandbox.control.clear_faults()
    assert bulk.resume_run(run_id=run.pk, actor=STAFF, for_worker=False).in_vain == 0
    run = bulk.execute_run(run.pk)
    assert (run.state, figures(run), run.in_vain) == ("done", (12, 0, 0, 0), 0)


@pytest.fixture
def three_in_a_row(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let three failed releases in a row be enough to stop a run."""
    monkeypatch.setattr(outages, "MOST_FAILED_RELEASES", 3)
    monkeypatch.setattr(run_steps, "MOST_FAILED_RELEASES", 3)


def test_failed_releases_stop_a_run_only_if_none_between_them_succeeds(sandbox: Sandbox, three_in_a_row: None) -> None:
    shelve(sandbox, A, available=20)
    shelve(sandbox, B, available=20)
    ids = [place((product, 1)).order["_id"] for product in (A, A, B, A, A, B, A)]
    sandbox.control.fault("release", "status", status=503, product_id=A)
    run = carried("cancel", keys=ids, threads=1)
    assert (run.state, figures(run), run.in_vain) == ("done", (7, 0, 0, 0), 1)
    assert [states(order)[0] for order in sound()] == [
        "releasing", "releasing", "released", "releasing", "releasing", "released", "releasing",
    ]  # fmt: skip


def test_an_order_of_which_only_one_line_is_released_counts_as_failed(sandbox: Sandbox, three_in_a_row: None) -> None:
    shelve(sandbox, A, available=20)
    shelve(sandbox, B, available=20)
    ids = [place((A, 1), (B, 1)).order["_id"] for _ in range(5)]
    sandbox.control.fault("release", "status", status=503, product_id=A)
    run = carried("cancel", keys=ids, threads=1)
    assert (run.state, run.paused_until, run.in_vain) == ("paused", None, 3)
    assert "failed to release the last 3 orders" in run.last_error
    assert [read(order_id)["status"] for order_id in ids] == ["cancelled"] * 3 + ["pending"] * 2
    assert {tuple(states(read(order_id))) for order_id in ids[:3]} == {("releasing", "released")}


def test_failed_releases_are_counted_across_executions(sandbox: Sandbox, three_in_a_row: None) -> None:
    shelve(sandbox, A, available=20)
    run = started("cancel", keys=[place((A, 1)).order["_id"] for _ in range(3)])
    bulk_runs.runs().update_one({"_id": run.pk}, {"$set": {"in_vain": 2}})
    sandbox.control.fault("release", "status", status=503)
    run = bulk.execute_run(run.pk, threads=1)
    assert (run.state, run.paused_until, run.in_vain) == ("paused", None, 3)
    assert orders().count_documents({"status": "cancelled"}) == 1


@pytest.mark.parametrize("method", ["find_one_and_update", "find_one", "find", "aggregate"])
def test_a_database_that_goes_away_fails_no_order(
    sandbox: Sandbox, held: Held, monkeypatch: pytest.MonkeyPatch, method: str
) -> None:
    run = started("cancel", keys=held)
    answer_lost(monkeypatch, method, skip=3 if method != "aggregate" else 0)
    progress = Told(lambda: None)
    run = bulk.execute_run(run.pk, progress=progress)
    assert (run.state, figures(run)) == ("done", (12, 0, 0, 0))
    assert any("the database does not answer" in paused.last_error for paused in progress.pauses)
    assert {entries(order, run) for order in sound()} == {1}


def test_a_database_that_stays_away_is_waited_for(
    sandbox: Sandbox, held: Held, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = started("cancel", keys=held)
    failing = threading.Event()
    failing.set()
    for method in ("find_one", "update_one", "aggregate"):
        monkeypatch.setattr(Collection, method, _failing(getattr(Collection, method), failing))
    timer = threading.Timer(0.5, failing.clear)
    timer.start()
    run = bulk.execute_run(run.pk)
    timer.join()
    assert (run.state, figures(run)) == ("done", (12, 0, 0, 0))


def _failing(real: Callable[..., Any], failing: threading.Event) -> Callable[..., Any]:
    def method(collection: Any, *given: Any, **options: Any) -> Any:
        if failing.is_set() and not collection.database.name.endswith("_sandbox"):
            raise NetworkTimeout("the primary went away")
        return real(collection, *given, **options)

    return method


# --- limits of time, and being called off ----------------------------------------------------------------------------


def test_a_slice_of_time_ends_between_two_orders_and_the_next_goes_on(sandbox: Sandbox, held: Held) -> None:
    sandbox.control.fault("release", "latency", seconds=0.05)
    run, slices = started("cancel", keys=held), 0
    while not run.is_over:
        run = bulk.execute_run(run.pk, seconds=0.2)
        slices += 1
        assert slices < 40
    assert slices > 2
    assert (run.state, figures(run)) == ("done", (12, 0, 0, 0))
    assert {entries(order, run) for order in sound()} == {1}
    assert len(asked(sandbox, "release")) == 12


def test_with_its_time_limited_nobody_waits_for_the_end_of_a_pause(
    sandbox: Sandbox, held: Held, settings: Settings
) -> None:
    settings.STOCK_RETRY_DELAY = settings.STOCK_RETRY_MAX_DELAY = 60
    settings.INVENTORY_SERVICE_URL = dead_url()
    run = started("cancel", keys=held)
    began = time.monotonic()
    run = bulk.execute_run(run.pk, seconds=30)
    assert time.monotonic() - began < 25
    assert run.paused_until is not None
    assert timedelta(seconds=20) < run.paused_until - timezone.now() <= timedelta(seconds=60), "as the worker's delays"
    assert (run.state, figures(run)) == ("paused", (0, 0, 0, 0))
    assert {order["status"] for order in orders().find()} == {"pending"}


def test_cancelling_a_run_stops_it_between_two_orders(sandbox: Sandbox, held: Held) -> None:
    sandbox.control.fault("release", "latency", seconds=0.3)
    run = started("cancel", keys=held)

    def cancel_amid() -> None:
        while not orders().count_documents({"status": "cancelled"}):
            time.sleep(0.01)
        bulk.cancel_run(run_id=run.pk, actor=STAFF)

    canceller = threading.Thread(target=cancel_amid)
    canceller.start()
    run = bulk.execute_run(run.pk)
    canceller.join()
    assert run.state == "cancelled"
    done = orders().count_documents({"status": "cancelled"})
    assert 1 <= done < 12
    assert figures(run) == (done, 0, 0, 0)
    assert told(run) == {("done", ""): done, ("waiting", ""): 12 - done}
    assert len(list(bulk.results(run.pk, only={"done"}))) == done
    assert len(list(bulk.results(run.pk, only={"waiting"}))) == 12 - done
    assert {read(order_id)["status"] for order_id in held[done:]} == {"pending"}
    sound()


def test_whoever_lost_a_batch_leaves_it_to_its_new_holder(
    sandbox: Sandbox, held: Held, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(batch_loop, "CHECK_EVERY", 0.0)
    run = started("cancel", keys=held)
    real, stolen = bulk_batches.renew_batch, []

    def steal(batch: Any, seconds: float) -> bool:
        if not stolen:
            stolen.append(batch.n)
            bulk_batches.release_batches(batch.run_id)
        return real(batch, seconds)

    monkeypatch.setattr(bulk_batches, "renew_batch", steal)
    run = bulk.execute_run(run.pk)
    assert stolen == [0]
    assert (run.state, figures(run)) == ("done", (12, 0, 0, 0))
    assert {entries(order, run) for order in sound()} == {1}


def test_a_product_that_inventory_cannot_read_does_not_stall_the_others(sandbox: Sandbox, held: Held) -> None:
    shelve(sandbox, B, available=5)
    place((B, 1))
    sandbox.control.fault("stock", "status", status=500, product_id=A)
    run = carried("cancel", statuses=("pending",), threads=1)
    assert (run.state, figures(run)) == ("done", (13, 0, 0, 0))
