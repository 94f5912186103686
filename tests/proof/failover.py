"""The database's nodes lost under load: `python -m tests.proof.failover --report failover.json`.

Three mongods are a replica set. While clients place, change, cancel and read orders over HTTP, and bulk runs are under
way, the primary is killed, frozen, cut off, or left without a majority, and comes back. Placements that were answered
503 are repeated with the same key. In the end everything is compared, as in `chaos`: no order that was acknowledged is
lost, none is doubled, and nobody was told anything worse than a short 503. Two follow the feed of events meanwhile, one
by asking and one by webhooks: they have had every event once, in the order of the feed, and none that was taken back.
"""

import argparse
import sys
import tempfile
import time
from collections.abc import Sequence
from itertools import pairwise
from pathlib import Path
from typing import Any

from devtools.child_processes import ChildError
from devtools.embedded_mongo import EmbeddedMongo
from tests.proof.chaos import PRODUCTS, conclude
from tests.proof.chaos_crowd import PRICE, USERS, Crowd, EventLog
from tests.proof.chaos_stage import Stage
from tests.proof.failover_bulk import BulkRuns
from tests.proof.failover_figures import longest_outage, longest_placement
from tests.proof.followers import Followers
from tests.proof.replica_set import ELECTION, ReplicaSet

TIMES = {
    "REQUEST_DEADLINE": "3",
    "DATABASE_DEADLINE": "6",
    "GUNICORN_TIMEOUT": "8",
    "STOCK_LEASE": "9",
    "MONGODB_HEARTBEAT_MS": "500",
    "MONGODB_CONNECT_TIMEOUT_MS": "1000",
    # Peers are not what is tried here, and the machine may have a lot to do.
    "PEER_READ_TIMEOUT": "1",
    "INVENTORY_WRITE_TIMEOUT": "1",
    "BREAKER_THRESHOLD": "1000",
}
"""In proportion to the time that an election takes here: a fifth of the usual."""
SLACK = 4.0
"""Seconds beyond the database's deadline for an answer to arrive, on a machine that has a lot to do."""
RECOVERY = 45.0
"""Seconds from the loss of a node to the next write that is acknowledged: after that it is not "short" any more."""
CUT_OFF = 0.6 * ELECTION
"""Seconds for which a primary is the only node; after ELECTION it would step down by itself."""
WEAKENED = "tests.proof.weakened_settings"
PLENTY = 1_000_000
PATIENCE = 60.0
ACTS = ("kill", "freeze", "cut off", "kill", "freeze", "minority")


class Surgeon:
    """Takes nodes away and brings them back, one act after the other, each while clients are served."""

    def __init__(self, nodes: ReplicaSet, crowd: Crowd, log: EventLog) -> None:
        self._nodes, self._crowd, self._log = nodes, crowd, log
        self.outages: list[tuple[str, float]] = []

    def perform(self, act: str) -> None:
        """:raises ChildError: if no write was acknowledged for too long afterwards."""
        self._await_writes(time.monotonic())
        began = time.monotonic()
        {"kill": self._kill, "freeze": self._freeze, "cut off": self._cut_off, "minority": self._minority}[act]()
        self._await_writes(time.monotonic())
        self._nodes.await_whole()
        self._await_writes(time.monotonic())
        self.outages.append((act, self._gap_since(began)))
        self._log.note(who="surgeon", op="recovered", what=act, outage=self.outages[-1][1])

    def _kill(self) -> None:
        primary = self._lose("kill")
        primary.kill()
        self._await_writes(time.monotonic())
        primary.start()

    def _freeze(self) -> None:
        primary = self._lose("freeze")
        primary.freeze()
        self._await_writes(time.monotonic())
        primary.thaw()

    def _cut_off(self) -> None:
        """The primary goes on for a moment without followers, then dies, and they come back: what only it has is lost.

        The followers are killed: one that is frozen finds in its sockets whatever it has missed.
        """
        primary = self._lose("cut off")
        others = [node for node in self._nodes.nodes if node is not primary]
        for node in others:
            node.kill()
        time.sleep(CUT_OFF)
        primary.kill()
        for node in others:
            node.start()
        self._await_writes(time.monotonic())
        primary.start()

    def _minority(self) -> None:
        """The primary stays alone: it steps down, and nobody can write until another is back."""
        primary = self._lose("minority")
        others = [node for node in self._nodes.nodes if node is not primary]
        for node in others:
            node.kill()
        time.sleep(3 * ELECTION)
        for node in others:
            node.start()

    def _lose(self, act: str) -> Any:
        primary = self._nodes.primary
        if primary is None:
            raise ChildError("the nodes do not agree on a primary")
        self._log.note(who="surgeon", op=act, what=primary.address)
        return primary

    def _await_writes(self, since: float) -> None:
        """Wait until a write has been acknowledged that was sent after a moment."""
        while not (self._crowd.acknowledged and self._crowd.acknowledged[-1][0] > since):
            if time.monotonic() - since > RECOVERY or not self._crowd.busy:
                raise ChildError(f"no write was acknowledged for {time.monotonic() - since:.0f} s")
            time.sleep(0.02)

    def _gap_since(self, began: float) -> float:
        answered = [began, *sorted(end for _, end in self._crowd.acknowledged if end > began)]
        return round(max(later - earlier for earlier, later in pairwise(answered)), 2)


def run(
    directory: Path, *, keys: bool, acts: Sequence[str] = ACTS, seed: int = 2026, clients: int = 8,
    bulk: tuple[int, int] = (1500, 150), weakened: bool = False,
) -> dict[str, Any]:  # fmt: skip
    """Run it once; it takes as long as the acts, the start, and the time to finish what is owed.

    :param directory: for the data, `events.jsonl` and the logs of the processes.
    :param keys: whether inventory honours idempotency keys.
    :param acts: of ACTS, in order.
    :param bulk: how many orders are paid and cancelled by bulk runs.
    :param weakened: acknowledge what one node has: this must lose orders, and be found out.
    :returns: the figures, and under `violations` what is wrong, each with its story.
    :raises ChildError: if something does not come up, or back.
    """
    directory.mkdir(parents=True, exist_ok=True)
    began, log = time.monotonic(), EventLog(directory / "events.jsonl")
    settings = WEAKENED if weakened else "orders_project.settings.development"
    try:
        with EmbeddedMongo(directory / "peers", cache_gb=0.25) as peers, ReplicaSet(directory) as nodes:
            with Stage(
                nodes.uri, directory, keys=keys, times=TIMES, peers_uri=peers.uri, settings=settings
            ) as stage:  # fmt: skip
                report = _run_on(stage, nodes, log, keys=keys, acts=acts, seed=seed, clients=clients, bulk=bulk)
            report["rolled_back"] = sum(node.rolled_back for node in nodes.nodes)
        limit = float(TIMES["DATABASE_DEADLINE"]) + SLACK
        if report["slowest_seconds"] > limit:
            report["violations"].append({"problem": f"an answer took {report['slowest_seconds']} s, over {limit}"})
        for violation in report["violations"]:
            violation["events"] = log.story(violation.get("order", ""), violation.get("key", ""))
        return report | {"seconds": round(time.monotonic() - began, 1), "events": str(log.path)}
    finally:
        log.close()


def _run_on(
    stage: Stage, nodes: ReplicaSet, log: EventLog, *, keys: bool, acts: Sequence[str], seed: int, clients: int,
    bulk: tuple[int, int],
) -> dict[str, Any]:  # fmt: skip
    stage.start_web()
    stage.start_worker()
    stage.start_worker()
    stock = _prepare(stage)
    stage.await_ready()
    runs = BulkRuns(stage, paid=bulk[0], cancelled=bulk[1])
    stock |= runs.prepare()
    followers = Followers(stage)
    followers.start()
    crowd = Crowd(
        stage.root, PRODUCTS, log, seed=seed, clients=clients, operations=10**6, seconds=600, patience=40, pause=0.03
    )
    surgeon = Surgeon(nodes, crowd, log)
    started = time.monotonic()
    crowd.start()
    try:
        for number, act in enumerate(acts):
            if number == 0:
                runs.start()
            surgeon.perform(act)
    finally:
        crowd.stop()
    took = time.monotonic() - started
    run_reports, problems = runs.finish()
    claims = {"stock": stock, "placed": crowd.placed, "changed": crowd.changed, "keys": keys}
    verdict = stage.judge(claims, PATIENCE)
    mine = [*crowd.violations, *problems, *followers.problems()]
    mine += [f"logged: {fault}" for fault in stage.tracebacks()]
    if crowd.counts["no answer"]:
        mine.append(f"{crowd.counts['no answer']} requests had no answer")
    found = [{"problem": problem} for problem in mine] + verdict.pop("violations")
    return verdict | crowd.report() | {
        "keys": keys, "acts": surgeon.outages, "placed": len(crowd.placed), "bulk": run_reports,
        "told": verdict["events"],
        "operations": crowd.counts["operations"], "acknowledged": len(crowd.acknowledged),
        "seconds_of_loss": round(took, 1), "longest_outage_of_a_client": longest_outage(log.events),
        "longest_placement": longest_placement(log.events), "violations": found,
    }  # fmt: skip


def _prepare(stage: Stage) -> dict[str, int]:
    for user in USERS:
        stage.tell("PUT", f"users/{user}", {"email": "a@example.com", "full_name": "A", "active": True})
    for product in PRODUCTS:
        stage.tell("PUT", f"products/{product}", {"name": "P", "price": PRICE, "category": "", "available": PLENTY})
    return dict.fromkeys(PRODUCTS, PLENTY)


def main() -> int:
    """Run it with and without keys; return 1 if anything was violated."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--acts", nargs="+", default=list(ACTS), choices=sorted(set(ACTS)))
    parser.add_argument("--keys", choices=["yes", "no", "both"], default="both")
    parser.add_argument("--weakened", action="store_true", help="acknowledge what one node has: orders must be lost")
    parser.add_argument("--seed", type=int, default=2026)
    parser.add_argument("--report", type=Path, required=True)
    given = parser.parse_args()
    directory = Path(tempfile.mkdtemp(prefix="failover-"))
    wanted = {"yes": [True], "no": [False], "both": [False, True]}[given.keys]
    reports = [
        run(directory / f"keys-{keys}", keys=keys, acts=given.acts, seed=given.seed, weakened=given.weakened)
        for keys in wanted
    ]
    return conclude(reports, given.report)


if __name__ == "__main__":
    sys.exit(main())
