"""The run over HTTP: `python -m tests.proof.chaos --mongodb-uri mongodb://… --report chaos.json`.

Several gunicorn workers and two settle workers serve many clients that are at the same few orders and products, while
the peers fail at random, and workers and peers are killed with SIGKILL. Then the faults end, the workers finish what is
owed, and everything is compared: orders, inventory's ledger, what clients were told. Every event is a line in
`events.jsonl`.
"""

import argparse
import json
import os
import random
import signal
import sys
import tempfile
import time
from collections import Counter
from contextlib import suppress
from pathlib import Path
from typing import Any

from pymongo.errors import PyMongoError

from tests.proof.chaos_crowd import PRICE, USERS, Crowd, EventLog
from tests.proof.chaos_stage import PEERS, Stage
from tests.proof.inventories import Inventory

PRODUCTS = [f"{0xC:08x}{number:016x}" for number in range(1, 6)]
SCARCE, PLENTY = 12, 60
"""Units of the first two products, and of the others; more come in when they run out."""
UNSTOCKED = 5
"""Times as many at first, where none come in."""
PATIENCE = 100.0
"""Seconds for the workers to finish; longer than an order is put off after a fault of ours."""
KILL_EVERY = (40, 160)
"""Answers to clients between two kills. Not seconds: on a busy machine nobody would live to give an answer."""

READS, WRITES = ("verify", "product", "check", "stock"), ("reserve", "release")
KINDS: tuple[dict[str, Any], ...] = (
    {"kind": "status", "status": 500},
    {"kind": "status", "status": 503},
    {"kind": "status", "status": 503, "retry_after": 1},
    {"kind": "status", "status": 429},
    {"kind": "status", "status": 502},
    {"kind": "drop_before"},
    {"kind": "drop_after"},
    {"kind": "stall_before", "seconds": 0.8},
    {"kind": "stall_after", "seconds": 0.8},
    {"kind": "garbage"},
    {"kind": "wrong"},
    {"kind": "latency", "seconds": 0.05},
    {"kind": "latency", "seconds": 0.7},
    {"kind": "latency", "seconds": 1.4},
)
"""The last two act after the caller has stopped waiting."""
LIES: tuple[dict[str, Any], ...] = ({"kind": "status", "status": 409}, {"kind": "status", "status": 400})
"""Refusals: of a call that was repeated, a lie where keys are honoured, which nobody can defend against."""


class Monkey:
    """Sets faults, kills workers and peers, brings stock in: by one seed, though what it meets is up to the machine."""

    def __init__(self, stage: Stage, log: EventLog, seed: int) -> None:
        self.counts: Counter[str] = Counter()
        self.total: dict[str, int] = {}
        self._stage, self._log, self._chance = stage, log, random.Random(seed)
        self._faults_due, self._kill_due = 0.0, KILL_EVERY[0]

    def prepare(self) -> None:
        for user in USERS:
            self._stage.tell("PUT", f"users/{user}", {"email": "a@example.com", "full_name": "A", "active": True})
        for number, product in enumerate(PRODUCTS):
            self.total[product] = SCARCE if number < 2 else PLENTY
            if not self._stage.inventory_kind.is_atomic:
                self.total[product] *= UNSTOCKED
            body = {"name": "P", "price": PRICE, "category": "", "available": self.total[product]}
            self._stage.tell("PUT", f"products/{product}", body)

    def act(self, answered: int) -> None:
        """Do what is due; called again and again, from the thread that entered the stage."""
        now = time.monotonic()
        if now > self._faults_due:
            self._set_faults()
            self._restock()
            self._faults_due = now + self._chance.uniform(0.4, 1.5)
        if answered >= self._kill_due:
            self._kill()
            self._kill_due = answered + self._chance.randint(*KILL_EVERY)

    def calm(self) -> None:
        """No more faults; all workers run."""
        self._stage.tell("DELETE", "faults")
        for worker in self._stage.workers:
            self._stage.restart(worker)

    def _set_faults(self) -> None:
        self._stage.tell("DELETE", "faults")
        chosen = []
        if self._chance.random() > 0.15:  # now and then all is well
            for operations, number in ((WRITES, self._chance.randint(1, 4)), (READS, self._chance.randint(0, 2))):
                kinds = KINDS if self._stage.keys and operations is WRITES else KINDS + LIES
                for kind in self._chance.choices(kinds, k=number):
                    operation = self._chance.choice(operations)
                    probability = self._chance.choice((0.03, 0.1, 0.1, 0.3) if operations is WRITES else (0.02, 0.06))
                    chosen.append(kind | {"operation": operation, "probability": probability})
        for fault in chosen:
            self._stage.tell("POST", "faults", fault)
        self.counts["faults set"] += len(chosen)
        self._log.note(who="monkey", op="faults", faults=chosen)

    def _kill(self) -> None:
        victim = self._chance.random()
        if victim < 0.2:
            peer = self._chance.choice(PEERS)
            self._log.note(who="monkey", op="kill", what=f"{peer} service")
            self._stage.lose_peer(peer, self._chance.uniform(0.1, 0.8))
            self.counts["peers killed"] += 1
        elif victim < 0.6:
            worker = self._chance.choice(self._stage.workers)
            self._stage.kill(worker)
            self._stage.restart(worker)
            self.counts["settle workers killed"] += 1
            self._log.note(who="monkey", op="kill", what=worker.name)
        elif len(workers := self._stage.web_workers()) >= 2:
            pid = self._chance.choice(workers)
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)  # gunicorn starts another
            self.counts["web workers killed"] += 1
            self._log.note(who="monkey", op="kill", what=f"gunicorn worker {pid}")

    def _restock(self) -> None:
        """More units come in where few are left; what has been shipped does not come back.

        None where inventory is not atomic: it would forget them, if they came between its look and its change.
        """
        if not self._stage.inventory_kind.is_atomic:
            return
        for product in self._stage.inventory["stock"].find({"available": {"$lt": 3}}):
            with suppress(PyMongoError):  # a reservation was faster
                self._stage.inventory["stock"].update_one({"_id": product["_id"]}, {"$inc": {"available": 10}})
                self.total[str(product["_id"])] += 10


def run(
    uri: str, directory: Path, *, keys: bool, inventory: Inventory = Inventory.ATOMIC, operations: int = 3000,
    seconds: float = 75.0, seed: int = 2026, clients: int = 24, patience: float = PATIENCE,
) -> dict[str, Any]:  # fmt: skip
    """Run it once; it ends after so many operations or seconds, and the time to finish what is owed.

    :param uri: of a mongod; the databases are made and dropped.
    :param directory: for `events.jsonl` and the logs of the processes.
    :param keys: whether inventory honours idempotency keys.
    :param inventory: what else it is like.
    :param patience: seconds for the workers to finish what is owed.
    :returns: the figures, and under `violations` what is wrong, each with its story.
    """
    directory.mkdir(parents=True, exist_ok=True)
    began, log = time.monotonic(), EventLog(directory / "events.jsonl")
    try:
        with Stage(uri, directory, keys=keys, inventory=inventory) as stage:
            stage.start_web()
            stage.start_worker()
            stage.start_worker()
            monkey = Monkey(stage, log, seed)
            monkey.prepare()
            stage.await_ready()
            crowd = Crowd(stage.root, PRODUCTS, log, seed=seed, clients=clients, operations=operations, seconds=seconds)
            started = time.monotonic()
            crowd.start()
            try:
                while crowd.busy:
                    monkey.act(crowd.answered)
                    time.sleep(0.05)
            finally:
                crowd.stop()
            took = time.monotonic() - started
            monkey.calm()
            struck = stage.peer_calls()
            claims = {"stock": monkey.total, "placed": crowd.placed, "changed": crowd.changed, "keys": keys}
            verdict = stage.judge(claims, patience)
            told_twice = [pair for pair, times in Counter(crowd.changed).items() if times > 1]
            mine = [*crowd.violations, *(f"told twice that {order} is {status}" for order, status in told_twice)]
            mine += [f"logged: {fault}" for fault in stage.tracebacks()]
        found = [{"problem": problem} for problem in mine] + verdict.pop("violations")
        for violation in found:
            violation["events"] = log.story(violation.get("order", ""), violation.get("key", ""))
        return verdict | crowd.report() | {
            "keys": keys, "inventory": inventory, "seed": seed, "operations": crowd.counts["operations"],
            "clients": clients, "done": dict(monkey.counts), "peer_calls": struck, "seconds_of_chaos": round(took, 1),
            "seconds": round(time.monotonic() - began, 1), "events": str(log.path), "violations": found,
        }  # fmt: skip
    finally:
        log.close()


def tell(report: dict[str, Any], limit: int = 3) -> str:
    """The first violations with their stories, for people."""
    lines = []
    for violation in report["violations"][:limit]:
        lines.append(f"VIOLATION {violation['problem']}")
        lines += [f"  {name}: {violation[name]}" for name in ("document", "movements") if name in violation]
        lines += [f"  {json.dumps(event)}" for event in violation["events"]]
    lines += [f"VIOLATION {violation['problem']}" for violation in report["violations"][limit:30]]
    return "\n".join([*lines, f"{len(report['violations'])} violations; all events: {report['events']}"])


def conclude(reports: list[dict[str, Any]], file: Path) -> int:
    """Write the reports down and tell them. :returns: the exit code: 1 if anything was violated."""
    file.write_text(json.dumps(reports, indent=1, default=str))
    for report in reports:
        sys.stdout.write(json.dumps(report | {"violations": len(report["violations"])}) + "\n")
        if report["violations"]:
            sys.stdout.write(tell(report) + "\n")
    return 1 if any(report["violations"] for report in reports) else 0


def main() -> int:
    """Run it with and without keys; return 1 if anything was violated."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--mongodb-uri", required=True)
    parser.add_argument("--operations", type=int, default=6000, help="in total")
    parser.add_argument("--seconds", type=float, default=150, help="at most, in total, without start and end")
    parser.add_argument("--seed", type=int, default=2026)
    parser.add_argument("--report", type=Path, required=True)
    parser.add_argument("--directory", type=Path, help="for logs; a temporary one where missing, kept on a violation")
    given = parser.parse_args()
    directory = given.directory or Path(tempfile.mkdtemp(prefix="chaos-"))
    reports = [
        run(
            given.mongodb_uri, directory / ("keys" if keys else "no-keys"), keys=keys,
            operations=given.operations // 2, seconds=given.seconds / 2, seed=given.seed,
        )
        for keys in (False, True)
    ]  # fmt: skip
    return conclude(reports, given.report)


if __name__ == "__main__":
    sys.exit(main())
