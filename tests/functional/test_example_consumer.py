"""examples/follow_events.py, killed again and again while orders change, ends with what the database has."""

import json
import os
import random
import sqlite3
import subprocess
import sys
import time
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
import requests
from bson import ObjectId

from devtools.localhost import ROOT
from orders.services.events.telling import tell
from orders.services.lifecycle.transitions import change_status
from orders.services.public_order import public_order
from orders.storage import event_feed
from tests.api_client import token
from tests.functional.helpers import Api, Documents
from tests.integration.builders import ADMIN, act, place, read
from tests.integration.bulk_helpers import carried
from tests.raw_server import RawServer, answer, cut, head

pytestmark = pytest.mark.slow

PROGRAM = ROOT / "examples" / "follow_events.py"
NEXT = {"pending": ("pay", "cancel"), "paid": ("start_processing", "cancel"), "processing": ("ship", "cancel")}
Follower = Callable[..., "subprocess.Popen[str]"]


@pytest.fixture
def follower(live_server_url: str, api: Api, tmp_path: Path) -> Follower:
    """Start the program; `--once` where nothing else is given."""

    def start(*arguments: str) -> "subprocess.Popen[str]":
        command = [sys.executable, "-W", "error", str(PROGRAM), "--api", f"{live_server_url}/api/v1"]
        command += ["--copy", str(tmp_path / "copy"), *(arguments or ("--once",))]
        environment = os.environ | {"ORDERS_TOKEN": token("staff", role="admin")}
        return subprocess.Popen(command, env=environment, stderr=subprocess.PIPE, text=True)

    return start


def finished(process: "subprocess.Popen[str]") -> tuple[int, str]:
    _, err = process.communicate(timeout=120)
    return process.returncode, err


def rows(tmp_path: Path, query: str) -> list[Any]:
    with closing(sqlite3.connect(tmp_path / "copy", timeout=30)) as copy:
        return copy.execute(query).fetchall()


def cursor_of(tmp_path: Path) -> int:
    try:
        return sum(cursor for (cursor,) in rows(tmp_path, "SELECT cursor FROM place"))
    except sqlite3.OperationalError:  # it has only just begun
        return 0


def assert_same(tmp_path: Path, database: Documents) -> None:
    """The copy has every order as it is, and has dealt with every event once."""
    kept = {order_id: json.loads(document) for order_id, document in rows(tmp_path, "SELECT id, document FROM orders")}
    there = {str(order["_id"]): order for order in database["orders"].find()}
    assert kept.keys() == there.keys()
    for order_id, order in there.items():
        assert kept[order_id] == json.loads(json.dumps(public_order(order), default=_moment)), order_id
    assert cursor_of(tmp_path) == event_feed.newest_cursor()


def _moment(value: Any) -> str:
    text: str = value.isoformat()
    return f"{text}Z"


def test_killed_at_any_moment_it_ends_with_what_the_database_has(
    follower: Follower, tmp_path: Path, database: Documents
) -> None:
    choose, placed, stops = random.Random(11), [place().order["_id"] for _ in range(10)], []
    while tell():
        pass
    for _ in range(6):
        process = follower("--limit", "2", "--pause", "0.01")
        before = cursor_of(tmp_path)
        until = time.monotonic() + 60
        while cursor_of(tmp_path) == before and time.monotonic() < until:
            time.sleep(0.005)
        placed += [place().order["_id"] for _ in range(3)]
        for order_id in choose.sample(placed, 5):
            if choices := NEXT.get(read(order_id)["status"]):
                change_status(order_id=order_id, transition=choose.choice(choices), act=act(ADMIN))
        tell()
        process.kill()
        finished(process)
        stops.append((cursor_of(tmp_path), event_feed.newest_cursor()))
    assert [cursor for cursor, _ in stops] == sorted(cursor for cursor, _ in stops)
    assert any(0 < cursor < newest for cursor, newest in stops), f"it was never killed on its way: {stops}"
    assert finished(follower()) == (0, "")
    assert_same(tmp_path, database)
    told = [(event["_id"], event["id"], event["type"]) for event in event_feed.feed().find(sort=[("_id", 1)])]
    assert rows(tmp_path, "SELECT cursor, event_id, type FROM journal ORDER BY cursor") == told


def test_what_is_about_no_order_is_only_in_its_journal(follower: Follower, tmp_path: Path, database: Documents) -> None:
    carried("pay", keys=[place().order["_id"] for _ in range(2)])
    while tell():
        pass
    assert finished(follower()) == (0, "")
    assert_same(tmp_path, database)
    assert rows(tmp_path, "SELECT type FROM journal WHERE cursor = 5") == [("bulk_run.finished",)]


def test_where_events_were_deleted_it_begins_afresh(follower: Follower, tmp_path: Path, database: Documents) -> None:
    placed = [place().order["_id"] for _ in range(3)]
    tell()
    assert finished(follower()) == (0, "")
    for order_id in placed:
        change_status(order_id=order_id, transition="pay", act=act(ADMIN))
    tell()
    event_feed.feed().delete_many({"_id": {"$lte": 5}})
    code, said = finished(follower())
    assert (code, "beginning afresh" in said, "cursor_expired" in said) == (0, True, True)
    assert_same(tmp_path, database)


def test_where_an_older_state_was_restored_what_happens_then_is_in_its_journal_too(
    follower: Follower, tmp_path: Path, database: Documents
) -> None:
    first, second = (place().order["_id"] for _ in range(2))
    tell()
    backup = {name: list(database[name].find()) for name in ("orders", "events")}
    change_status(order_id=first, transition="pay", act=act(ADMIN))
    tell()
    assert finished(follower()) == (0, "")
    for name, documents in backup.items():
        database[name].delete_many({})
        database[name].insert_many(documents)
    assert "cursor_unknown" in finished(follower())[1]
    change_status(order_id=second, transition="pay", act=act(ADMIN))
    tell()
    assert finished(follower()) == (0, "")
    assert_same(tmp_path, database)
    assert rows(tmp_path, "SELECT event_id FROM journal WHERE cursor = 3 ORDER BY event_id") == sorted(
        [(f"{first}-2",), (f"{second}-2",)]
    )


def test_an_answer_that_was_cut_off_is_asked_for_again(
    follower: Follower, live_server_url: str, tmp_path: Path
) -> None:
    place()
    tell()
    whole = requests.get(
        f"{live_server_url}/api/v1/events",
        headers={"Authorization": f"Bearer {token('staff', role='admin')}"},
        timeout=30,
    )
    event = whole.json()[0]
    cut_off = [cut(head(200, **{"Content-Length": "100"}) + b"["), cut(b"HTTP/1.1 2"), cut()]
    answers = [[], [event["order"]], [event], []]
    script = [step for body, torn in zip(answers, cut_off, strict=False) for step in (torn, answer(200, body))]
    with RawServer(*script, answer(200, [])) as server:
        assert finished(follower("--api", f"{server.url}/api/v1", "--once")) == (0, "")
    assert rows(tmp_path, "SELECT event_id FROM journal") == [(event["id"],)]


@pytest.mark.parametrize(
    "altered", [{"data.to": "cancelled"}, {"type": "order.cancelled"}, {"actor": "admin:nobody"}, {"digest": "0" * 64}]
)
def test_an_event_that_was_altered_is_noticed(
    follower: Follower, tmp_path: Path, database: Documents, altered: dict[str, Any]
) -> None:
    order_id: ObjectId = place().order["_id"]
    change_status(order_id=order_id, transition="pay", act=act(ADMIN))
    tell()
    event_feed.feed().update_one({"_id": 1}, {"$set": altered})
    code, said = finished(follower())
    assert (code, "Event 1 does not follow event 0" in said) == (1, True)
    assert rows(tmp_path, "SELECT cursor FROM journal") == []
