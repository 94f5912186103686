"""gunicorn reloaded, its workers replaced and ended, while clients place, pay and read orders: no request fails."""

import os
import re
import signal
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, closing, suppress
from http.client import HTTPException
from pathlib import Path
from typing import Any

import pytest
import requests

from tests.dose import WHOLE
from tests.functional.serving_stage import Client, Clients, ServingStage

pytestmark = [pytest.mark.slow, pytest.mark.no_cover, pytest.mark.timeout(300)]  # on a machine that has a lot to do
RELOADS = 2 if WHOLE else 1
HANGING = {
    "PEER_CONNECT_TIMEOUT": "0.5",
    "PEER_READ_TIMEOUT": "3",
    "INVENTORY_WRITE_TIMEOUT": "3",
    "REQUEST_DEADLINE": "7.5",
    "DATABASE_DEADLINE": "7.8",
    "GUNICORN_TIMEOUT": "8",
    "STOCK_LEASE": "9",
}
"""Short, so that a hanging worker is found and its leases lapse within the test."""


@pytest.fixture
def stage(mongo_uri: str, tmp_path: Path) -> Iterator[ServingStage]:
    with ServingStage(mongo_uri, tmp_path) as stage:
        yield stage


def judged(stage: ServingStage, clients: Clients) -> dict[str, Any]:
    """Everything that clients were told is so, nothing was placed twice, and inventory holds just that."""
    verdict = stage.judge(stage.claims(clients), patience=10)
    assert verdict["violations"] == []
    assert stage.tracebacks() == []
    assert verdict["orders"] == len(clients.placed)
    assert verdict["statuses"] == {"paid": len(clients.changed)}
    return verdict


def test_a_reload_under_load_fails_no_request(stage: ServingStage) -> None:
    web = stage.serve()
    seen = set(stage.web_workers())
    with Clients(stage.root, number=8) as clients:
        for _ in range(RELOADS):
            clients.await_answers(40)
            before = set(stage.web_workers())
            stage.signal(signal.SIGHUP)
            seen |= set(stage.await_workers(lambda now, old=before: len(now) == 2 and not old & set(now)))
        clients.await_answers(40)
        for workers in (3, 4):  # the other way, in which the old ones serve until the new ones do
            stage.signal(signal.SIGTTIN)
            stage.await_workers(lambda now, expected=workers: len(now) == expected)
        added = set(stage.web_workers()) - seen
        clients.await_answers(60)
        for workers in (3, 2):
            stage.signal(signal.SIGTTOU)
            stage.await_workers(lambda now, expected=workers: len(now) == expected)
        assert set(stage.web_workers()) == added, "the oldest end"
        clients.await_answers(20)
    assert clients.failures == []
    assert web.running
    assert len(seen | added) == 2 * (RELOADS + 2), "every worker was replaced every time"
    assert min(clients.counts.values()) > 30, clients.counts
    judged(stage, clients)


def test_workers_that_are_replaced_after_some_requests_fail_none(stage: ServingStage) -> None:
    stage.serve(WEB_MAX_REQUESTS="40")
    seen: set[int] = set()
    with Clients(stage.root, number=8) as clients:
        until = time.monotonic() + 60
        while len(seen) < 4 and time.monotonic() < until:
            seen |= set(stage.web_workers())
            time.sleep(0.05)
    assert clients.failures == []
    assert len(seen) >= 4, "they were replaced"
    judged(stage, clients)


def test_told_to_end_it_answers_what_it_has_begun_and_nothing_else(stage: ServingStage) -> None:
    web = stage.serve()
    stage.tell("POST", "faults", {"operation": "reserve", "kind": "latency", "seconds": 6})
    with ExitStack() as stack:
        clients = [stack.enter_context(closing(Client(stage.root, kept=number % 2 == 0))) for number in range(8)]
        late = stack.enter_context(closing(Client(stage.root, kept=False)))
        threads = stack.enter_context(ThreadPoolExecutor(9))
        for client in clients:
            assert client.ask("GET", "/health")[0] == 200
        answers = [threads.submit(client.place, f"key-{number}") for number, client in enumerate(clients)]
        await_orders(stage, 8, "placing")
        assert not any(answer.done() for answer in answers), "all are under way"
        stage.signal(signal.SIGTERM)
        told = time.monotonic()
        await_silence(stage)
        refused = threads.submit(late.place, "late")
        assert not any(answer.done() for answer in answers), "they are still under way"
        assert [answer.result()[0] for answer in answers] == [201] * 8
        with pytest.raises((OSError, HTTPException)):
            refused.result()
    web.finish()
    assert time.monotonic() - told < 20
    assert stage.orders["orders"].count_documents({"status": "pending"}) == 8
    assert stage.orders["orders"].count_documents({}) == 8, "nothing that came too late was carried out"


def test_a_worker_that_hangs_is_killed_and_costs_only_what_it_had_begun(mongo_uri: str, tmp_path: Path) -> None:
    with ServingStage(mongo_uri, tmp_path, **HANGING) as stage, ExitStack() as stack:
        stage.serve("--timeout", HANGING["GUNICORN_TIMEOUT"])
        before = set(stage.web_workers())
        stage.tell("POST", "faults", {"operation": "reserve", "kind": "latency", "seconds": 2})
        client = stack.enter_context(closing(Client(stage.root, kept=True)))
        other = stack.enter_context(closing(Client(stage.root, kept=False)))
        answer = stack.enter_context(ThreadPoolExecutor(1)).submit(client.place, "the-key")
        await_orders(stage, 1, "placing")
        assert not answer.done(), answer.result()
        serving = next(pid for pid in before if client.port in peer_ports(pid))
        os.kill(serving, signal.SIGSTOP)
        with pytest.raises((OSError, HTTPException)):
            answer.result()
        stage.tell("DELETE", "faults")
        until = time.monotonic() + 60
        while serving in stage.web_workers() or len(stage.web_workers()) < 2:
            assert other.ask("GET", "/health")[0] == 200
            assert time.monotonic() < until
        stage.start_worker()
        clients = Clients(stage.root)
        while (again := client.place("the-key"))[0] in (409, 503):
            assert again[1]["code"] in ("idempotency_key_in_use", "stock_outcome_unknown"), again
            assert time.monotonic() < until + 60
            time.sleep(0.2)
        assert again[0] == 201
        clients.placed["the-key"].append(again[1]["id"])
        verdict = stage.judge(stage.claims(clients), patience=20)
        assert verdict["violations"] == []
        assert verdict["statuses"]["pending"] == 1


def await_silence(stage: ServingStage) -> None:
    """Wait until new connections are not answered any more."""
    until = time.monotonic() + 60
    with suppress(OSError):
        while time.monotonic() < until:
            requests.get(f"{stage.root}/health", timeout=2)
        pytest.fail("they still are")


def await_orders(stage: ServingStage, number: int, status: str) -> None:
    until = time.monotonic() + 60
    while stage.orders["orders"].count_documents({"status": status}) < number:
        assert time.monotonic() < until
        time.sleep(0.02)


def peer_ports(pid: int) -> set[int]:
    """The other ends' ports of a process's TCP connections."""
    inodes = set()
    for file in Path(f"/proc/{pid}/fd").iterdir():
        with suppress(OSError):
            inodes |= set(re.findall(r"socket:\[(\d+)\]", str(file.readlink())))
    rows = [line.split() for line in Path("/proc/net/tcp").read_text().splitlines()[1:]]
    return {int(row[2].partition(":")[2], 16) for row in rows if row[9] in inodes}
