"""A worker killed with SIGKILL in the middle of many owed releases, and a second one that finishes them.

`python -m tests.proof.worker_kill --mongodb-uri mongodb://… --report worker_kill.json`
"""

import argparse
import json
import os
import signal
import sys
import tempfile
import time
from collections import Counter
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from bson import Decimal128, ObjectId

from devtools.child_processes import Child, ChildError
from tests.proof.chaos_stage import Stage

TIMES = {
    "PEER_CONNECT_TIMEOUT": "0.15",
    "PEER_READ_TIMEOUT": "0.4",
    "INVENTORY_WRITE_TIMEOUT": "0.4",
    "REQUEST_DEADLINE": "1.2",
    "DATABASE_DEADLINE": "1.5",
    "GUNICORN_TIMEOUT": "2",
    "STOCK_LEASE": "2.5",
}
LINES = 2
"""Lines of an order; their releases are sent side by side."""
LATENCY = 0.01
"""Seconds that inventory takes for a release: what a killed worker was about is then most likely in the air."""
PRODUCTS = [ObjectId(f"{0xD:08x}{number:016x}") for number in range(LINES)]
PATIENCE = 60.0
STOCK = 10_000

Document = dict[str, Any]


def run_worker_kill(uri: str, directory: Path, *, count: int = 500, keys: bool) -> Document:
    """Have `count` releases owed, kill the worker when about half are done, and let another finish.

    :param uri: of a mongod; the databases are made and dropped.
    :param keys: whether inventory honours idempotency keys.
    :returns: the figures, and under `violations` what is wrong.
    """
    began = time.monotonic()
    with Stage(uri, directory, keys=keys, times=TIMES) as stage:
        stage.await_ready()
        owed = owe(stage, count)
        stage.tell("POST", "faults", {"operation": "release", "kind": "latency", "seconds": LATENCY})
        first = stage.start_worker()
        done, in_air = _kill_in_the_middle(stage, first, len(owed) // 2)
        stage.tell("DELETE", "faults")
        acted_in_air = _released(stage) & in_air
        stage.start_worker()
        _await_settled(stage)
        unknown = _lines(stage, "unknown")
        calls = Counter(call["key"] for call in stage.tell("GET", "calls?operation=release")["calls"])
        acted = Counter(move["key"] for move in stage.inventory["movements"].find({"action": "release"}))
        violations = [*_twice(calls, acted, in_air, keys), *_lost(owed, acted, unknown, in_air, keys)]
        claims = {"stock": {str(p): STOCK for p in PRODUCTS}, "placed": {}, "changed": [], "keys": keys}
        verdict = stage.judge(claims, PATIENCE)
        violations += [problem["problem"] for problem in verdict["violations"]]
        violations += [f"logged: {fault}" for fault in stage.tracebacks()]
    return {
        "keys": keys, "owed": len(owed), "released_when_killed": done, "in_the_air": len(in_air),
        "in_the_air_and_acted": len(acted_in_air), "unknown": len(unknown), "calls": calls.total(),
        "called_twice": sum(times > 1 for times in calls.values()), "lines": verdict["lines"],
        "seconds": round(time.monotonic() - began, 1), "violations": violations,
    }  # fmt: skip


def owe(stage: Stage, number: int) -> set[str]:
    """Orders that have been placed and cancelled, and no release of theirs was sent; inventory holds their units."""
    at, orders, moves = datetime.now(UTC), [], []
    for begin in range(0, number, LINES):
        order_id, lines = ObjectId(), range(min(LINES, number - begin))
        orders.append(_cancelled(order_id, f"KILL-{begin:04}", len(lines), at))
        moves += [
            {
                "key": f"{order_id}:{line}:reserve", "order_id": str(order_id), "product_id": PRODUCTS[line],
                "action": "reserve", "quantity": line + 1, "at": at, "answer": {"reserved": True, "quantity": line + 1},
            }
            for line in lines
        ]  # fmt: skip
    for product in PRODUCTS:
        held = sum(move["quantity"] for move in moves if move["product_id"] == product)
        body = {"name": "P", "price": "1.00", "category": "", "available": STOCK - held, "reserved": held}
        stage.tell("PUT", f"products/{product}", body)
    stage.inventory["movements"].insert_many(moves)
    stage.orders["orders"].insert_many(orders)
    return {move["key"].replace("reserve", "release") for move in moves}


def _cancelled(order_id: ObjectId, number: str, lines: int, at: datetime) -> Document:
    path = (("draft", "", "placing"), ("place", "placing", "pending"), ("cancel", "pending", "cancelled"))
    history = [
        {
            "at": at, "act": act, "from": source, "to": target, "actor": "customer:1", "via": "api", "reason": "",
            "request_id": "", "write_id": f"{version:032x}",
        }
        for version, (act, source, target) in enumerate(path)
    ]  # fmt: skip
    stock = {"state": "releasing", "call": "release", "attempts": 0, "error": ""}
    items = [
        {"product_id": str(PRODUCTS[line]), "quantity": line + 1, "price": Decimal128("1.00"), "stock": dict(stock)}
        for line in range(lines)
    ]
    address = {"line1": "1", "line2": "", "city": "C", "state": "", "postal_code": "1", "country": "F"}
    return {
        "_id": order_id, "number": number, "user_id": "1", "status": "cancelled", "version": len(path) - 1,
        "user_verified": True, "items": items, "total_price": Decimal128("3.00"), "shipping_address": address,
        "history": history, "stock_due_at": at, "created_at": at, "updated_at": at, "placed_at": at,
        "untold_at": at, "told": 1,
    }  # fmt: skip


def _kill_in_the_middle(stage: Stage, worker: Child, enough: int) -> tuple[int, set[str]]:
    """Kill the worker once so many lines are released and it is at others.

    It is stopped for the look, so that what is seen is what is true at its death.
    :returns: how many were released, and the keys of the lines in the air.
    """
    until = time.monotonic() + PATIENCE
    while time.monotonic() < until and worker.running:
        if stage.inventory["movements"].count_documents({"action": "release"}) < enough:
            time.sleep(0.005)
            continue
        assert worker.pid is not None
        os.kill(worker.pid, signal.SIGSTOP)
        time.sleep(0.1)  # what it has sent to mongod arrives
        if in_air := _lines(stage, "releasing", under_attempt=True):
            stage.kill(worker)
            return len(_lines(stage, "released")), in_air
        os.kill(worker.pid, signal.SIGCONT)
        time.sleep(0.003)
    raise ChildError(f"{worker.name} was not caught in the middle; its log: {worker.log}")


def _lines(stage: Stage, state: str, *, under_attempt: bool = False) -> set[str]:
    """The release keys of the lines in a state."""
    return {
        f"{order['_id']}:{line}:release"
        for order in stage.orders["orders"].find({"items.stock.state": state}, {"items.stock": 1})
        for line, item in enumerate(order["items"])
        if item["stock"]["state"] == state and (item["stock"].get("attempt") or not under_attempt)
    }


def _released(stage: Stage) -> set[str]:
    return {move["key"] for move in stage.inventory["movements"].find({"action": "release"}, {"key": 1})}


def _await_settled(stage: Stage) -> None:
    until = time.monotonic() + PATIENCE
    while stage.orders["orders"].find_one({"stock_due_at": {"$exists": True}}, {"_id": 1}):
        if time.monotonic() > until:
            return  # the judge will find it
        time.sleep(0.05)


def _twice(calls: Counter[str], acted: Counter[str], in_air: set[str], keys: bool) -> list[str]:
    """No release acts twice; only what was in the air is called again, and only where keys are honoured."""
    found = [f"{key} acted {times} times" for key, times in acted.items() if times > 1]
    repeatable = in_air if keys else set()
    return found + [f"{key} was called {n} times" for key, n in calls.items() if n > 1 and key not in repeatable]


def _lost(owed: set[str], acted: Counter[str], unknown: set[str], in_air: set[str], keys: bool) -> list[str]:
    """With keys everything is released; without them what was in the air, and nothing else, is unknown."""
    found = [f"{key} was never released" for key in owed - set(acted) - unknown]
    if unknown != (set() if keys else in_air):
        found.append(f"unknown are {sorted(unknown)}; in the air were {sorted(in_air)}")
    return found


def main() -> int:
    """Run it with and without keys; return 1 if anything was violated."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--mongodb-uri", required=True)
    parser.add_argument("--count", type=int, default=500)
    parser.add_argument("--report", type=Path, required=True)
    given = parser.parse_args()
    directory = Path(tempfile.mkdtemp(prefix="worker-kill-"))
    reports = [
        run_worker_kill(given.mongodb_uri, directory / str(keys), count=given.count, keys=keys)
        for keys in (False, True)
    ]
    given.report.write_text(json.dumps(reports, indent=1, default=str))
    for report in reports:
        with suppress(BrokenPipeError):
            sys.stdout.write(json.dumps(report) + "\n")
    return 1 if any(report["violations"] for report in reports) else 0


if __name__ == "__main__":
    sys.exit(main())
