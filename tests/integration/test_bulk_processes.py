"""Runs carried out by real processes: killed in the middle and resumed, and two of them over the same orders."""

import csv
import os
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from bson import ObjectId
from django.conf import settings as django_settings
from django.db import connection
from pytest_django import Settings

from devtools.localhost import ROOT
from integrations.sandbox import Sandbox
from orders.services import bulk
from orders.services.search_terms import terms_of
from orders.services.stock.worker import settle_due
from orders.storage import bulk_batches, bulk_runs, service_state
from orders.storage.order_writes import orders
from tests.dose import dose
from tests.integration.builders import (
    WORKER,
    A,
    Document,
    due_now,
    place,
    shelve,
    small_sandbox,  # noqa: F401
    stock_of,
)
from tests.integration.bulk_helpers import entries, figures, sound, started, stored

pytestmark = pytest.mark.slow

MANY = 300
BY_THREES = """
import sys, django
django.setup()
from django.core.management import execute_from_command_line
from orders.services.bulk import selecting
selecting.TAKEN_AT_ONCE = 3
execute_from_command_line(["manage.py", *sys.argv[1:]])
"""
"""`manage.py` that takes three orders of a selection down at once, so that it takes its time."""
Start = Callable[..., subprocess.Popen[str]]


@pytest.fixture
def start(mongo_uri: str, sandbox: Sandbox) -> Iterator[Start]:
    """Start `manage.py` with some arguments, on the test's own database and peers, and with the usual time limits.

    Those of the tests are so short that on a busy machine a release that took place would be taken for a lost one.
    """
    running: list[subprocess.Popen[str]] = []
    environment = os.environ | {
        "DJANGO_SETTINGS_MODULE": "orders_project.settings.development",
        "WORKER_INTERVAL": "0.05",
        "INVENTORY_IS_ATOMIC": "true",
        "EXPIRE_UNPAID_EVERY": "0",
        "MONGODB_URI": mongo_uri,
        "MONGODB_DB": connection.settings_dict["NAME"],
    }
    environment |= {
        f"{peer}_SERVICE_URL": getattr(django_settings, f"{peer}_SERVICE_URL")
        for peer in ("USER", "PRODUCT", "INVENTORY")
    }

    def begin(*arguments: str, by_threes: bool = False) -> subprocess.Popen[str]:
        command = [sys.executable, *(("-c", BY_THREES) if by_threes else ("manage.py",)), *arguments]
        running.append(
            subprocess.Popen(
                command, env=environment, cwd=ROOT, text=True, stdout=subprocess.PIPE, stderr=subprocess.PIPE
            )
        )
        return running[-1]

    yield begin
    for process in running:
        process.kill()
        process.communicate()


def many(status: str, count: int = MANY) -> list[ObjectId]:
    """So many orders like one, fast."""
    (first,) = stored(status, 1)
    document = orders().find_one({"_id": first})
    assert document is not None
    copies = [document | {"_id": ObjectId(), "number": f"M{n:013d}"} for n in range(count - 1)]
    orders().insert_many(copy | {"terms": terms_of(copy)} for copy in copies)
    return [first, *(copy["_id"] for copy in copies)]


def killed_when(process: subprocess.Popen[str], met: Callable[[], Any]) -> None:
    """SIGKILL a process as soon as something is so; it must not have ended by then."""
    until = time.monotonic() + 60
    while not met():
        assert process.poll() is None, process.communicate()
        assert time.monotonic() < until
        time.sleep(0.01)
    process.send_signal(signal.SIGKILL)
    assert process.wait() == -signal.SIGKILL


def report(path: Path) -> Counter[str]:
    with path.open() as file:
        rows = list(csv.DictReader(file))
    assert len({row["order_id"] for row in rows}) == len(rows)
    return Counter(row["result"] for row in rows)


def finished(process: subprocess.Popen[str]) -> tuple[int, str]:
    out, err = process.communicate(timeout=100)
    return process.returncode, out + err


def test_killed_in_the_middle_and_resumed_every_order_has_changed_once(start: Start, tmp_path: Path) -> None:
    many("paid")
    process = start("transition_orders", "start_processing", "--status", "paid", "--yes", "--batch-size", "5")
    killed_when(process, lambda: orders().count_documents({"status": "processing"}) >= MANY / 3)
    changed = orders().count_documents({"status": "processing"})
    assert changed < MANY
    run = bulk.get_run(bulk_runs.runs().find_one({})["_id"])  # type: ignore[index]
    assert run.state == "running"
    code, told = finished(start("transition_orders", "--resume", str(run.pk), "--report", str(tmp_path / "r.csv")))
    assert (code, f"done: {MANY} done, 0 already, 0 refused, 0 failed, of {MANY}" in told) == (0, True), told
    assert report(tmp_path / "r.csv") == {"done": MANY}
    found = sound()
    assert {(order["status"], order["version"], entries(order, run)) for order in found} == {("processing", 3, 1)}


def test_killed_while_it_looks_for_its_orders_it_misses_and_doubles_none(start: Start) -> None:
    many("paid")
    process = start(
        "transition_orders", "start_processing", "--status", "paid", "--yes", "--batch-size", "3", by_threes=True
    )
    killed_when(process, lambda: bulk_batches.batches().count_documents({}) >= 20)
    run = bulk.get_run(bulk_runs.runs().find_one({})["_id"])  # type: ignore[index]
    assert (run.state, orders().count_documents({"status": "processing"})) == ("selecting", 0)
    code, told = finished(start("transition_orders", "--resume", str(run.pk)))
    assert code == 0, told
    run = bulk.get_run(run.pk)
    assert (run.total, figures(run)) == (MANY, (MANY, 0, 0, 0))
    assert {entries(order, run) for order in sound()} == {1}


@pytest.mark.parametrize("keys", dose([False, True], 2, "a kill each"))
def test_killed_amid_releases_and_resumed_each_is_released_once(
    start: Start, sandbox: Sandbox, settings: Settings, tmp_path: Path, keys: bool
) -> None:
    settings.INVENTORY_HONOURS_IDEMPOTENCY_KEY = keys
    sandbox.control.honour_keys(keys)
    shelve(sandbox, available=200)
    for _ in range(40):
        place((A, 2))
    sandbox.control.fault("release", "latency", seconds=0.05)
    process = start(
        *("transition_orders", "cancel", "--status", "pending", "--yes", "--reason", "no stock"),
        *("--batch-size", "6", "--jobs", "3"),
    )
    killed_when(process, lambda: orders().count_documents({"status": "cancelled"}) >= 13)
    run = bulk.get_run(bulk_runs.runs().find_one({})["_id"])  # type: ignore[index]
    code, told = finished(start("transition_orders", "--resume", str(run.pk), "--report", str(tmp_path / "r.csv")))
    assert code == 0, told
    assert report(tmp_path / "r.csv") == {"done": 40}
    found = sound()
    assert {(order["status"], entries(order, run)) for order in found} == {("cancelled", 1)}
    in_air = [order["_id"] for order in found if order["items"][0]["stock"]["state"] == "releasing"]
    assert len(in_air) <= 3, "one a thread, at the most"
    for order_id in in_air:
        due_now(order_id)
    settle_due(actor=WORKER)
    final = Counter(order["items"][0]["stock"]["state"] for order in sound())
    released_twice = [order for order in orders().find() if released(order) > 1]
    assert released_twice == []
    if keys:
        assert final == {"released": 40}
        assert stock_of(sandbox) == (200, 0)
    else:
        assert final == Counter(released=40 - len(in_air)) + Counter(unknown=len(in_air))


def released(order: Document) -> int:
    return sum(entry["to"] == "released" for entry in order["history"] if entry.get("line") is not None)


def test_of_two_runs_at_once_each_order_is_changed_by_one_and_the_other_says_already(start: Start) -> None:
    ids = many("paid")
    runs = [started("start_processing", keys=ids, batch_size=5) for _ in range(2)]
    processes = [start("transition_orders", "--resume", str(run.pk)) for run in runs]
    told = [finished(process) for process in processes]
    assert [code for code, _ in told] == [0, 0], told
    first, second = (bulk.get_run(run.pk) for run in runs)
    assert first.done + second.done == MANY
    assert figures(first) == (first.done, second.done, 0, 0)
    assert figures(second) == (second.done, first.done, 0, 0)
    found = sound()
    assert {order["version"] for order in found} == {3}
    assert {entries(order, first) + entries(order, second) for order in found} == {1}
    assert sum(entries(order, first) for order in found) == first.done


def test_two_processes_on_one_run_share_it(start: Start) -> None:
    workers = [start("run_worker") for _ in range(2)]
    seen: set[str] = set()
    until = time.monotonic() + 60
    while len(seen) < len(workers):  # before that, SIGTERM would find one that is still starting
        assert time.monotonic() < until
        time.sleep(0.05)
        seen |= {beat["by"] for beat in service_state.heartbeats().find({"_id": service_state.WORKER})}
    run = started("start_processing", keys=many("paid"), batch_size=5, for_worker=True)
    until = time.monotonic() + 60
    while not bulk.get_run(run.pk).is_over and time.monotonic() < until:
        time.sleep(0.05)
    for worker in workers:
        worker.send_signal(signal.SIGTERM)
        code, told = finished(worker)
        assert (code, "Traceback" in told) == (0, False), told
    run = bulk.get_run(run.pk)
    assert (run.state, figures(run)) == ("done", (MANY, 0, 0, 0))
    assert {entries(order, run) for order in sound()} == {1}
