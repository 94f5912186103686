"""`manage.py run_worker`: once, or until it is told to stop."""

import io
import os
import signal
import threading
import time
from collections.abc import Iterator
from datetime import timedelta

import pytest
from django.core.management import CommandError, call_command
from django.db import DatabaseError
from pymongo.errors import AutoReconnect
from pytest_django import Settings

from integrations.sandbox import Sandbox
from orders.management import worker_loop
from orders.services import bulk
from orders.storage import daily_figures, event_feed
from orders.storage.order_writes import orders
from tests.integration.builders import (
    PAST,
    answer_lost,
    asked,
    line,
    now,
    place,
    read,
    shelve,
    small_sandbox,  # noqa: F401
    states,
    store,
)
from tests.integration.bulk_helpers import started


@pytest.fixture(autouse=True)
def handlers() -> Iterator[None]:
    """Give pytest its signal handlers back."""
    before = {number: signal.getsignal(number) for number in (signal.SIGTERM, signal.SIGINT)}
    yield
    for number, handler in before.items():
        signal.signal(number, handler)


def run(*arguments: str) -> tuple[str, str]:
    out, err = io.StringIO(), io.StringIO()
    call_command("run_worker", *arguments, stdout=out, stderr=err)
    return out.getvalue(), err.getvalue()


def told_to_stop_when(met: object, number: int = signal.SIGTERM) -> threading.Thread:
    """Send this process a signal as soon as something is so."""

    def wait() -> None:
        until = time.monotonic() + 60
        try:
            while time.monotonic() < until and not met():  # type: ignore[operator]
                time.sleep(0.01)
        finally:
            os.kill(os.getpid(), number)

    thread = threading.Thread(target=wait)
    thread.start()
    return thread


def test_once_it_settles_what_is_due_and_says_how_much(sandbox: Sandbox) -> None:
    shelve(sandbox, available=0, reserved=10)
    order_id = store("cancelled", line("releasing"))
    store("cancelled", line("releasing"), items=None)
    assert run("--once") == ("1 orders settled, 1 failed\n", "")
    document = read(order_id)
    assert states(document) == ["released"]
    assert (document["history"][-1]["actor"], document["history"][-1]["via"]) == ("system:settle_stock", "worker")


def test_with_nothing_due_it_says_so_and_calls_nobody(sandbox: Sandbox) -> None:
    assert run("--once") == ("0 orders settled, 0 failed\n", "")
    assert sandbox.control.calls() == []


def test_it_takes_no_more_orders_than_it_may(sandbox: Sandbox) -> None:
    shelve(sandbox, available=0, reserved=10)
    for _ in range(3):
        store("cancelled", line("releasing"))
    assert run("--once", "--limit", "2")[0] == "2 orders settled, 0 failed\n"
    assert orders().count_documents({"stock_due_at": {"$exists": True}}) == 1


@pytest.mark.parametrize("limit", ["0", "-5", "many"])
def test_a_limit_that_is_none_is_refused(database: object, limit: str) -> None:
    with pytest.raises(CommandError):
        run("--once", "--limit", limit)


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_it_loops_until_it_is_told_to_stop(sandbox: Sandbox, settings: Settings, number: int) -> None:
    shelve(sandbox, available=0, reserved=10)
    first = store("cancelled", line("releasing"))
    second = store("cancelled", line("releasing"), due=-PAST / 20)  # a quarter of a second from now
    stopper = told_to_stop_when(lambda: states(read(second)) == ["released"], number)
    out, err = run()
    stopper.join()
    assert err == ""
    # Once for each, and again where inventory was too slow to answer the first time.
    assert len(out.splitlines()) >= 2
    assert set(out.splitlines()) == {"1 orders settled, 0 failed"}
    assert states(read(first)) == ["released"]


def test_told_to_stop_it_leaves_the_rest_of_a_pass_for_another_time(sandbox: Sandbox) -> None:
    shelve(sandbox, available=0, reserved=100)
    sandbox.control.fault("release", "latency", seconds=0.2)
    for _ in range(50):  # which would take 10 s
        store("cancelled", line("releasing"))
    stopper = told_to_stop_when(lambda: len(asked(sandbox)) >= 2)
    run()
    stopper.join()
    left = [states(order) for order in orders().find({"stock_due_at": {"$exists": True}})]
    assert left
    assert set(map(tuple, left)) == {("releasing",)}, "untouched, not unknown"


def test_a_database_that_goes_away_does_not_end_the_loop(
    sandbox: Sandbox, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    shelve(sandbox, available=0, reserved=10)
    order_id = store("cancelled", line("releasing"))
    answer_lost(monkeypatch, "find")
    stopper = told_to_stop_when(lambda: bool(asked(sandbox)))  # a read of ours would be the one to fail
    out, err = run()
    stopper.join()
    assert out == "1 orders settled, 0 failed\n"
    assert states(read(order_id)) == ["released"]
    assert "the database does not answer" in err
    assert "the primary went away" in err


def test_full_passes_follow_each_other_without_a_pause(sandbox: Sandbox, settings: Settings) -> None:
    settings.WORKER_INTERVAL = 90
    shelve(sandbox, available=0, reserved=10)
    for _ in range(3):
        store("cancelled", line("releasing"))
    stopper = told_to_stop_when(lambda: orders().count_documents({"stock_due_at": {"$exists": True}}) == 0)
    run("--limit", "1")
    stopper.join()
    assert orders().count_documents({"stock_due_at": {"$exists": True}}) == 0


def test_looping_it_carries_bulk_runs_on_beside_what_is_due(sandbox: Sandbox) -> None:
    shelve(sandbox, available=0, reserved=10)
    due, paid = store("cancelled", line("releasing")), store("paid", line("reserved"), due=None)
    made = started("start_processing", keys=[paid], for_worker=True)
    stopper = told_to_stop_when(lambda: bulk.get_run(made.pk).is_over and states(read(due)) == ["released"])
    out, err = run()
    stopper.join()
    assert (out, err) == ("1 orders settled, 0 failed\n", "")
    assert (bulk.get_run(made.pk).state, read(paid)["status"]) == ("done", "processing")


@pytest.mark.parametrize("fault", [RuntimeError("a fault of ours"), DatabaseError("the primary is away")])
def test_a_fault_in_bulk_runs_does_not_end_the_loop(
    sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture, fault: Exception
) -> None:
    shelve(sandbox, available=0, reserved=10)
    seen: list[float] = []
    away = isinstance(fault, DatabaseError)

    def fail(**_options: object) -> bool:
        seen.append(time.monotonic())
        raise fault from AutoReconnect("no primary") if away else None

    monkeypatch.setattr(worker_loop, "execute_pending_runs", fail)
    order_id = store("cancelled", line("releasing"), due=-PAST / 20)
    stopper = told_to_stop_when(lambda: states(read(order_id)) == ["released"])
    _, err = run()
    stopper.join()
    assert f"bulk runs could not be executed, trying again: {fault.__cause__ or fault}" in err
    assert any(record.exc_info for record in caplog.records) is not away, "an outage is no fault of ours"
    assert len(seen) > 1


def counted() -> int:
    return daily_figures.figures().count_documents({"stale": False})


def test_in_its_loop_it_counts_the_dashboards_figures_slice_by_slice(
    sandbox: Sandbox, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings.WORKER_INTERVAL = 60
    monkeypatch.setattr(worker_loop, "COUNTING", 0.001)  # a day at a time, and between two days it looks for stock
    shelve(sandbox, available=0, reserved=10)
    order_id = store("cancelled", line("releasing"), due=-PAST / 50)
    orders().update_one({"_id": order_id}, {"$set": {"created_at": now() - timedelta(days=40)}})
    done_after: list[int] = []

    def enough() -> bool:
        if not done_after and states(read(order_id)) == ["released"]:
            done_after.append(counted())
        return counted() == 41

    stopper = told_to_stop_when(enough)
    out, err = run()
    stopper.join()
    assert (out, err) == ("1 orders settled, 0 failed\n", "")
    assert counted() == 41
    assert done_after
    assert done_after[0] < 41, "settled while there was more to count"


def test_figures_that_cannot_be_counted_do_not_end_the_loop(
    sandbox: Sandbox, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(**_: object) -> None:
        raise DatabaseError("no figures today")

    monkeypatch.setattr(worker_loop, "refresh", broken)
    shelve(sandbox, available=0, reserved=10)
    order_id = store("cancelled", line("releasing"), due=-PAST / 20)
    stopper = told_to_stop_when(lambda: states(read(order_id)) == ["released"])
    out, err = run()
    stopper.join()
    assert out == "1 orders settled, 0 failed\n"
    assert err.startswith("the figures could not be counted, trying again later: no figures today")
    assert counted() == 0


def test_once_it_counts_nothing(sandbox: Sandbox) -> None:
    store("cancelled", line("released"))
    run("--once")
    assert daily_figures.figures().count_documents({}) == 0


def test_of_its_parts_it_does_those_that_are_named(sandbox: Sandbox) -> None:
    shelve(sandbox, available=10, reserved=10)
    order_id = store("cancelled", line("releasing"))
    untold = place().order["_id"]
    stopper = told_to_stop_when(lambda: event_feed.last_event() is not None)
    assert run("--only", "events, webhooks") == ("", "")
    stopper.join()
    assert "untold_at" not in read(untold)
    assert states(read(order_id)) == ["releasing"]


def test_a_part_that_there_is_not_is_refused(database: object) -> None:
    with pytest.raises(CommandError, match="there is no part 'stocks'; there are: stock, events, webhooks"):
        run("--only", "stocks")


def test_by_its_former_name_it_goes_once_or_loops(sandbox: Sandbox) -> None:
    shelve(sandbox, available=10, reserved=10)
    store("cancelled", line("releasing"))
    out = io.StringIO()
    call_command("settle_stock", "--limit", "5", stdout=out)
    assert out.getvalue() == "1 orders settled, 0 failed\n"
    order_id = place().order["_id"]
    stopper = told_to_stop_when(lambda: "untold_at" not in read(order_id))
    call_command("settle_stock", "--loop", stdout=out)
    stopper.join()
    assert event_feed.last_event() is not None
