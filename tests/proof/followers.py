"""Two followers of the feed, as real processes that may be killed, and whether they know in the end what is so.

One is `examples/follow_events.py`, which asks for events; the other takes webhooks (`tests.proof.consumer`). Whatever
failed meanwhile, both must have had every event, in the order of the feed, and know every order as the API shows it.

`python -m tests.proof.followers --mongodb-uri mongodb://… --report followers.json` kills both at random, and workers
and peers as `chaos` does, while orders are placed, changed, cancelled, and changed in bulk.
"""

import argparse
import json
import random
import sqlite3
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import requests

from devtools.child_processes import Child, ChildError
from devtools.localhost import ROOT, free_port
from tests.api_client import token
from tests.proof.chaos import PRODUCTS, Monkey, conclude
from tests.proof.chaos_crowd import USERS, Crowd, EventLog
from tests.proof.chaos_stage import SECRET, Stage
from tests.proof.consumer import received, state_of

PATIENCE = 300.0
"""Seconds for followers to catch up; of one whose endpoint was away, deliveries wait for longer and longer."""
RETRIES = 120
KILL_EVERY = (30, 120)
"""Answers to clients between two kills of a follower."""
BULK_EVERY = 250
"""Answers to clients between two bulk runs."""
Json = dict[str, Any]


class Followers:
    """Both of them; start and kill them from the thread that entered the stage."""

    def __init__(self, stage: Stage) -> None:
        self.kills = 0
        self._stage, self._port = stage, free_port()
        self._copy, self._kept = stage.directory / "copy.sqlite3", stage.directory / "webhooks.jsonl"
        self._children: list[Child] = []
        self._endpoint = ""

    def start(self) -> None:
        """Start them, and have webhooks sent; before anything has been told."""
        api = f"{self._stage.root}/api/v1"
        self._stage.environment["ORDERS_TOKEN"] = _token()
        follow = [sys.executable, str(ROOT / "examples" / "follow_events.py"), "--api", api, "--copy", str(self._copy)]
        take = [sys.executable, "-m", "tests.proof.consumer", "--file", str(self._kept), "--port", str(self._port)]
        self._children = [
            self._stage.start("follower", [*follow, "--pause", "0.1", "--limit", "50"]),
            self._stage.start("consumer", take),
        ]
        url = f"http://127.0.0.1:{self._port}/hook"
        self._endpoint = _ask(api, "POST", "webhooks", {"url": url}, key="followers")["id"]

    def kill(self, chance: random.Random) -> str:
        """Kill one, and bring it back. :returns: its name."""
        child = chance.choice(self._children)
        self._stage.kill(child)
        self._stage.restart(child)
        self.kills += 1
        return child.name

    def problems(self) -> Iterator[str]:
        """Wait until they have had everything; say what is wrong, and what they do not know as the API shows it."""
        feed = [
            (event["_id"], event["id"], event["type"])
            for event in self._stage.orders["events"].find({}, {"id": 1, "type": 1}).sort("_id", 1)
        ]
        newest = feed[-1][0] if feed else 0
        for child in self._children:
            self._stage.restart(child)
        yield from self._await(newest)
        there = {order["id"]: order for order in self._orders()}
        with closing(sqlite3.connect(self._copy, timeout=30)) as copy:
            journal = copy.execute("SELECT cursor, event_id, type FROM journal ORDER BY rowid").fetchall()
            copied = {name: json.loads(order) for name, order in copy.execute("SELECT id, document FROM orders")}
        yield from _differences("the follower", copied, there)
        if journal != feed:
            yield f"the follower dealt with {len(journal)} events; the feed has {len(feed)}: {_first(journal, feed)}"
        kept = received(self._kept)
        yield from _differences("the consumer", state_of(kept), there)
        first_time = list(dict.fromkeys((event["cursor"], event["id"]) for event in kept))
        if first_time != [(cursor, name) for cursor, name, _ in feed]:
            yield f"the consumer was sent {len(first_time)} events of {len(feed)}: {_first(first_time, feed)}"
        log = (self._stage.directory / "follower.log").read_text()
        if log.strip():
            yield f"the follower said: {log[-500:]}"

    def _await(self, newest: int) -> Iterator[str]:
        until = time.monotonic() + PATIENCE
        while (places := self._places()) != {"the follower": newest, "the consumer": newest}:
            if time.monotonic() > until:
                yield f"after {PATIENCE:g} s they had come to {places}; the feed has come to {newest}"
                return
            time.sleep(0.2)

    def _places(self) -> dict[str, int]:
        with closing(sqlite3.connect(self._copy, timeout=30)) as copy:
            [(cursor,)] = copy.execute("SELECT coalesce(max(cursor), 0) FROM place").fetchall()
        [endpoint] = self._stage.orders["webhook_endpoints"].find({}, {"cursor": 1})
        return {"the follower": cursor, "the consumer": endpoint["cursor"]}

    def _orders(self) -> Iterator[Json]:
        """All orders, as the API shows them to admins."""
        address = f"{self._stage.root}/api/v1/orders/?limit=100"
        while address:
            answer = _request("GET", address)
            answer.raise_for_status()
            yield from answer.json()
            address = answer.links.get("next", {}).get("url", "")


def _token() -> str:
    return token("staff", key=SECRET, role="admin", exp=int(time.time()) + 86_400)


def _request(method: str, address: str, body: Json | None = None, key: str | None = None) -> requests.Response:
    headers = {"Authorization": f"Bearer {_token()}"} | ({"Idempotency-Key": key} if key else {})
    with requests.Session() as session:
        session.trust_env = False
        return session.request(method, address, json=body, headers=headers, timeout=30)


def _ask(api: str, method: str, path: str, body: Json, *, key: str) -> Json:
    """Ask until it is answered; the same request with the same key is carried out once."""
    for _ in range(RETRIES):
        answer = _request(method, f"{api}/{path}", body, key)
        if answer.status_code < 300:
            return dict(answer.json())
        if answer.status_code != 503:
            break
        time.sleep(0.5)
    raise ChildError(f"{method} {path} was answered {answer.status_code}: {answer.text[:300]}")


def _differences(who: str, known: dict[str, Json], there: dict[str, Json]) -> Iterator[str]:
    for order_id in sorted(known.keys() | there.keys()):
        if known.get(order_id) != there.get(order_id):
            yield f"{who} knows order {order_id} as {known.get(order_id)}; it is {there.get(order_id)}"


def _first(one: list[Any], other: list[Any]) -> str:
    """Where two lists begin to differ."""
    differ = (n for n, (a, b) in enumerate(zip(one, other, strict=False)) if a[:2] != b[:2])
    place = next(differ, min(len(one), len(other)))
    return f"{one[place : place + 3]} instead of {other[place : place + 3]}"


def run(uri: str, directory: Path, *, orders: int = 2000, clients: int = 16, seed: int = 2026) -> dict[str, Any]:
    """Run it once: until so many orders have been placed, and then until everybody has heard of everything.

    :param uri: of a mongod; the databases are made and dropped.
    :param directory: for `events.jsonl`, what the followers keep, and the logs of the processes.
    :returns: the figures, and under `violations` what is wrong.
    """
    directory.mkdir(parents=True, exist_ok=True)
    began, log, chance = time.monotonic(), EventLog(directory / "events.jsonl"), random.Random(seed)
    try:
        with Stage(uri, directory, keys=True) as stage:
            stage.start_web()
            stage.start_worker()
            stage.start_worker()
            monkey, followers = Monkey(stage, log, seed), Followers(stage)
            monkey.prepare()
            stage.await_ready()
            followers.start()
            crowd = Crowd(stage.root, PRODUCTS, log, seed=seed, clients=clients, operations=10**6, seconds=3600)
            runs = _play(crowd, monkey, followers, stage, chance, log, orders)
            monkey.calm()
            _await_runs(stage)
            claims = {"stock": monkey.total, "placed": crowd.placed, "changed": crowd.changed, "keys": True}
            verdict = stage.judge(claims, 100.0)
            problems = [*crowd.violations, *followers.problems(), *(f"logged: {each}" for each in stage.tracebacks())]
            times = _lags(stage)
        found = [{"problem": problem} for problem in problems] + verdict.pop("violations")
        for violation in found:
            violation["events"] = log.story(violation.get("order", ""), violation.get("key", ""))
        return verdict | crowd.report() | {
            "placed": len(crowd.placed), "done": dict(monkey.counts), "followers_killed": followers.kills,
            "bulk_runs": runs, "told_within": times, "seconds": round(time.monotonic() - began, 1),
            "told": verdict["events"], "events": str(log.path), "violations": found,
        }  # fmt: skip
    finally:
        log.close()


def _play(
    crowd: Crowd, monkey: Monkey, followers: Followers, stage: Stage, chance: random.Random, log: EventLog, orders: int
) -> int:
    """Let clients act, and kill followers, workers and peers, until so many orders are placed.

    And until a follower has been killed and a bulk run was started, however fast the orders come. :returns: bulk runs.
    """
    runs, kill_due, bulk_due = 0, KILL_EVERY[0], BULK_EVERY // 5
    crowd.start()
    try:
        while crowd.busy and (len(crowd.placed) < orders or not runs or not followers.kills):
            monkey.act(crowd.answered)
            if crowd.answered >= kill_due:
                kill_due = crowd.answered + chance.randint(*KILL_EVERY)
                log.note(who="monkey", op="kill", what=followers.kill(chance))
            if crowd.answered >= bulk_due:
                bulk_due, runs = crowd.answered + BULK_EVERY, runs + 1
                transition, user = chance.choice(("pay", "start_processing", "cancel")), chance.choice(USERS)
                body = {"transition": transition, "filter": {"user_id": user}, "reason": "proof"}
                _ask(f"{stage.root}/api/v1", "POST", "orders/bulk-transitions", body, key=f"bulk-{runs}")
                log.note(who="monkey", op="bulk run", what=f"{transition} those of {user}")
            time.sleep(0.05)
    finally:
        crowd.stop()
    return runs


def _await_runs(stage: Stage) -> None:
    """Wait for the end of all bulk runs. :raises ChildError: if that takes too long."""
    until = time.monotonic() + PATIENCE
    while run := stage.orders["bulk_runs"].find_one({"finished_at": None}):
        if time.monotonic() > until:
            raise ChildError(f"a bulk run has not ended: {run}")
        time.sleep(0.2)


def _lags(stage: Stage) -> dict[str, float]:
    """Seconds from what happened until it was told, over all events of orders; clocks are of one machine."""
    found = stage.orders["events"].find({}, {"at": 1, "told_at": 1})
    lags = sorted((event["told_at"] - event["at"]).total_seconds() for event in found)
    return {f"p{part}": round(lags[len(lags) * part // 100], 2) for part in (50, 95, 99)} if lags else {}


def main() -> int:
    """Return 1 if anything was violated."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--mongodb-uri", required=True)
    parser.add_argument("--orders", type=int, default=2000)
    parser.add_argument("--seed", type=int, default=2026)
    parser.add_argument("--report", type=Path, required=True)
    given = parser.parse_args()
    directory = Path(tempfile.mkdtemp(prefix="followers-"))
    return conclude([run(given.mongodb_uri, directory, orders=given.orders, seed=given.seed)], given.report)


if __name__ == "__main__":
    sys.exit(main())
