"""`run_worker` told to end amid owed releases: it finishes those it is at, and leaves the others untouched."""

import os
import signal
import time
from pathlib import Path

import pytest

from tests.proof.chaos_stage import Stage
from tests.proof.worker_kill import owe

pytestmark = [pytest.mark.slow, pytest.mark.no_cover]
ORDERS = 20
LATENCY = 0.3
TIMES = {
    "PEER_READ_TIMEOUT": "3",
    "INVENTORY_WRITE_TIMEOUT": "3",
    "REQUEST_DEADLINE": "7",
    "DATABASE_DEADLINE": "8",
    "GUNICORN_TIMEOUT": "10",
    "STOCK_LEASE": "30",
}


def test_it_ends_in_bounded_time_and_leaves_nothing_half_done(mongo_uri: str, tmp_path: Path) -> None:
    with Stage(mongo_uri, tmp_path, keys=False, times=TIMES) as stage:
        stage.await_ready()
        owe(stage, 2 * ORDERS)
        stage.tell("POST", "faults", {"operation": "release", "kind": "latency", "seconds": LATENCY})
        worker = stage.start_worker()
        until = time.monotonic() + 60
        while stage.inventory["movements"].count_documents({"action": "release"}) < 4:
            assert time.monotonic() < until
            time.sleep(0.01)
        assert worker.pid is not None
        os.kill(worker.pid, signal.SIGTERM)
        told = time.monotonic()
        worker.finish()
        assert time.monotonic() - told < float(TIMES["REQUEST_DEADLINE"]) + 3
        states = [item["stock"] for order in stage.orders["orders"].find() for item in order["items"]]
        assert {stock["state"] for stock in states} == {"released", "releasing"}, "some are left for the next worker"
        assert not [stock for stock in states if stock.get("attempt")], "none is in the air"
        released = sum(stock["state"] == "released" for stock in states)
        assert stage.inventory["movements"].count_documents({"action": "release"}) == released
        assert stage.tracebacks() == []
