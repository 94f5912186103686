"""The exhaustive crash test: `python -m tests.proof.crash --sandbox http://… --report crash.json`.

Every scenario is run with every answer of inventory, with and without idempotency keys honoured: once to record its
steps, and then once for each step, after which the process dies. When all are dead, recovery runs, and every order is
compared with what inventory itself recorded. Children are forked from this process, which holds no MongoDB client.

Where inventory is not atomic, a neighbour orders one of the products as soon as a process has died or is done: what it
was about may still be at work over there.
"""

import argparse
import json
import os
import random
import sys
import tempfile
import time
from collections import Counter
from contextlib import suppress
from dataclasses import replace
from functools import partial
from itertools import count
from pathlib import Path
from typing import Any

import django
import requests
from django.conf import settings

TIMES = {
    "STOCK_LEASE": 3.0,
    "REQUEST_DEADLINE": 2.5,
    "PEER_CONNECT_TIMEOUT": 0.15,
    "PEER_READ_TIMEOUT": 0.2,
    "INVENTORY_WRITE_TIMEOUT": 0.2,
    "STOCK_RETRY_DELAY": 0.01,
    "STOCK_RETRY_MAX_DELAY": 0.02,
    "MAX_RETRIES": 1,
    "RETRY_DELAY": 0.01,
    "BREAKER_THRESHOLD": 10**6,
}
"""Short, so that hundreds of runs fit; a lease still outlasts the deadline."""
TIMES_AS_MANY = 10
"""Of the crash points without calls to inventory, which are few and soon tried, beside all others."""

if __name__ == "__main__":
    django.setup()
    for _name, _value in TIMES.items():
        setattr(settings, _name, _value)

from devtools.localhost import free_port, listens  # noqa: E402
from integrations import PeerError  # noqa: E402
from orders.services.errors import OrderError  # noqa: E402
from tests.proof.children import beside, in_children  # noqa: E402
from tests.proof.consumer import Consumer  # noqa: E402
from tests.proof.inventories import Inventory  # noqa: E402
from tests.proof.recovery import recover  # noqa: E402
from tests.proof.scenarios import AMID, ANSWERS, SCENARIOS, WITHOUT_INVENTORY, Case, Control, place  # noqa: E402
from tests.proof.steps import Steps  # noqa: E402


class CrashTest:
    """One run. :param share: of the crash points, chosen by `seed`."""

    def __init__(self, sandbox: str, inventory: Inventory, share: float, seed: int, directory: Path) -> None:
        self._sandbox, self._inventory, self._share, self._directory = sandbox, inventory, share, directory
        self._chance = random.Random(seed)
        self._deliveries = directory / "deliveries.jsonl"
        self._numbers = count(1)

    def run(self) -> dict[str, Any]:
        """Crash, recover, check; returns the report."""
        port = free_port()
        os.environ["CONSUMER"] = f"http://127.0.0.1:{port}"
        with beside(partial(Consumer, self._deliveries, port), partial(listens, port)):
            return self._run()

    def _run(self) -> dict[str, Any]:
        report: dict[str, Any] = {"cases": 0, "died": 0, "unknown": 0, "by_scenario": Counter(), "by_answer": Counter()}
        problems = []
        settings.WEBHOOKS_INSECURE = True
        settings.INVENTORY_IS_ATOMIC = self._inventory.is_said_to_be_atomic
        self._tell("PUT", "atomicity", {"atomic": self._inventory.is_atomic})
        for keys in (False, True):
            settings.INVENTORY_HONOURS_IDEMPOTENCY_KEY = keys
            self._tell("PUT", "keys", {"honour": keys})
            cases, told = self._crash(keys)
            self._tell("DELETE", "faults", None)
            time.sleep(settings.STOCK_LEASE)
            recovered = in_children([(0, partial(recover, cases, told, self._deliveries))], self._directory)[0]
            if "error" in recovered:
                raise SystemExit(f"recovery failed: {recovered['error']}")
            problems += recovered["violations"]
            report["unknown"] += recovered["unknown"]
            report["cases"] += len(cases)
            report["died"] += sum(answer is None for answer in told.values())
            report["by_scenario"].update(case.scenario for case in cases)
            report["by_answer"].update(case.answer for case in cases)
        return report | {"violations": problems}

    def _crash(self, keys: bool) -> tuple[list[Case], dict[int, Any]]:
        answers = ANSWERS if self._inventory.is_atomic else AMID
        alive = [
            Case(next(self._numbers), scenario, answer, keys)
            for scenario in SCENARIOS
            for answer in WITHOUT_INVENTORY.get(scenario, answers)
            if scenario not in WITHOUT_INVENTORY or (self._inventory.is_atomic and not keys)
        ]
        recorded = self._played(alive)
        deadly = [
            replace(case, number=next(self._numbers), deadly=step)
            for case in alive
            for step in range(1, len(recorded[case.number].get("steps", ())) + 1)
            if self._chance.random() < self._share * (TIMES_AS_MANY if case.scenario in WITHOUT_INVENTORY else 1)
        ]
        return [*alive, *deadly], recorded | self._played(deadly)

    def _played(self, cases: list[Case]) -> dict[int, Any]:
        act = self._act if self._inventory.is_atomic else self._act_beside
        return in_children(((case.number, partial(act, case)) for case in cases), self._directory)

    def _act_beside(self, case: Case) -> dict[str, Any] | None:
        """Act in a process of its own; the neighbour orders when that has died or is done."""
        directory = self._directory / f"beside-{case.number}"
        directory.mkdir()
        acted: dict[str, Any] | None = in_children([(case.number, partial(self._act, case))], directory)[case.number]
        with suppress(
            OrderError, PeerError
        ):  # whether the product can be locked in time, or enough in stock, is another question
            place(case.neighbour, quantities=(1,))
        return acted

    def _act(self, case: Case) -> dict[str, Any]:
        steps, control = Steps().install(), Control(self._sandbox)
        control.prepare(case)
        act = SCENARIOS[case.scenario](case, control, steps)
        control.fail(case)
        steps.arm(lambda number, _name: number == case.deadly)
        try:
            act()
            answer = "placed" if case.scenario == "placing" else "done"
        except (OrderError, PeerError) as error:
            answer = type(error).__name__
        return {"answer": answer, "steps": steps.disarm()}

    def _tell(self, method: str, path: str, body: Any) -> None:
        requests.request(method, f"{self._sandbox}/control/{path}", json=body, timeout=60).raise_for_status()


def main() -> int:
    """Return 1 if anything was violated."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--inventory", type=Inventory, default=Inventory.ATOMIC)
    parser.add_argument("--share", type=float, default=1.0, help="of the crash points, 0 to 1")
    parser.add_argument("--seed", type=int, default=2026)
    parser.add_argument("--sandbox", required=True, help="its address, without /api/v1")
    parser.add_argument("--report", type=Path, required=True)
    given = parser.parse_args()
    began = time.monotonic()
    with tempfile.TemporaryDirectory() as directory:
        report = CrashTest(given.sandbox, given.inventory, given.share, given.seed, Path(directory)).run()
    report |= {"seconds": round(time.monotonic() - began, 1), "seed": given.seed, "share": given.share}
    given.report.write_text(json.dumps(report, indent=1))
    sys.stdout.write(json.dumps(report | {"violations": len(report["violations"])}) + "\n")
    for problem in report["violations"][:20]:
        sys.stdout.write(f"{problem}\n")
    return 1 if report["violations"] else 0


if __name__ == "__main__":
    sys.exit(main())
