"""GET /health and GET /health/ready over real HTTP."""

import time
from datetime import UTC, datetime, timedelta

import pytest
import requests
from django.db.migrations.recorder import MigrationRecorder
from pytest_django import Settings

from integrations.sandbox import Sandbox
from orders.services.events.telling import tell
from orders.services.reporting import readiness
from orders.services.reporting.readiness import Heartbeat
from tests.functional.admin_helpers import insert, profiled, stored
from tests.functional.helpers import TWO_TOWELS, Api, Documents, database_down, outage

PEERS = {"users": "verify", "products": "product", "inventory": "check"}
"""Each peer, and an operation of a placement that asks it."""


def get(url: str) -> requests.Response:
    return requests.get(url, timeout=30)


@pytest.fixture(autouse=True)
def looked_at_each_time(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(readiness, "PROBED_EVERY", 0.0)


def test_many_who_ask_at_once_cost_one_write(
    live_server_url: str, database: Documents, monkeypatch: pytest.MonkeyPatch
) -> None:
    get(f"{live_server_url}/health/ready")
    monkeypatch.setattr(readiness, "PROBED_EVERY", 60.0)
    with profiled(database) as done:
        for _ in range(10):
            assert get(f"{live_server_url}/health/ready").status_code == 200
    assert done == []


@pytest.fixture
def unlooked(monkeypatch: pytest.MonkeyPatch) -> None:
    """As in a process that has not looked for migrations yet."""
    monkeypatch.setattr(readiness, "_migrations", readiness._Migrations())


def test_the_process_says_that_it_is_alive_and_asks_nobody(
    live_server_url: str, sandbox: Sandbox, database: Documents
) -> None:
    with profiled(database) as done:
        answer = get(f"{live_server_url}/health")
    assert (answer.status_code, answer.json()) == (200, {"status": "ok", "service": "order-service"})
    assert answer.headers["Content-Type"] == "application/json"
    assert done == []
    assert sandbox.control.calls() == []


def test_it_is_ready_when_a_write_is_acknowledged_and_every_migration_applied(
    live_server_url: str, sandbox: Sandbox, database: Documents, unlooked: None
) -> None:
    Heartbeat("tests").beat()
    before = datetime.now(UTC).replace(tzinfo=None) - timedelta(seconds=2)
    answer = get(f"{live_server_url}/health/ready")
    assert answer.status_code == 200
    body = answer.json()
    assert body.pop("worker")["status"] == "seen"
    assert body == {
        "status": "ok",
        "service": "order-service",
        "mongodb": "up",
        "migrations": "applied",
        "events": {"status": "in_time", "waiting_since": None},
        "orders": {"not_adopted": 0},
        "peers": {},
    }
    probe = database["vitals"].find_one({"_id": "probe"})
    assert probe is not None
    assert probe["at"] > before
    assert sandbox.control.calls() == [], "a slow peer must not make the probe slow"


def test_a_second_look_asks_no_more_than_a_write_two_reads_by_id_and_two_by_an_index(
    live_server_url: str, database: Documents
) -> None:
    get(f"{live_server_url}/health/ready")
    with profiled(database) as done:
        get(f"{live_server_url}/health/ready")
    assert len(done) <= 5
    by_index = {"IXSCAN { untold_at: 1 }", "IXSCAN { version: 1, _id: 1 }"}
    assert {operation["planSummary"] for operation in done} <= {"IDHACK", "EXPRESS", *by_index}
    assert sum(operation.get("docsExamined", 0) for operation in done) <= 3


@pytest.mark.parametrize("peer", PEERS)
def test_a_call_whose_breaker_is_open_degrades_it_and_no_more(
    api: Api, live_server_url: str, sandbox: Sandbox, settings: Settings, peer: str
) -> None:
    settings.BREAKER_THRESHOLD = 2
    settings.ALLOW_UNVERIFIED_USERS = False
    Heartbeat("tests").beat()
    sandbox.control.fault(PEERS[peer], "status", status=500)
    outage(api().place(TWO_TOWELS))
    answer = get(f"{live_server_url}/health/ready")
    assert (answer.status_code, answer.json()["status"]) == (200, "degraded")
    states = answer.json()["peers"]
    assert states.pop(f"{peer}.{PEERS[peer]}") == "open"
    assert set(states.values()) <= {"closed"}


def test_reserves_that_fail_beside_healthy_reads_degrade_it(
    api: Api, live_server_url: str, sandbox: Sandbox, settings: Settings
) -> None:
    settings.BREAKER_THRESHOLD = 9
    Heartbeat("tests").beat()
    sandbox.control.fault("reserve", "status", status=500)
    client = api()
    for _ in range(9):
        assert get(f"{live_server_url}/health/ready").json()["status"] == "ok"
        outage(client.place(TWO_TOWELS))
    answer = get(f"{live_server_url}/health/ready").json()
    assert (answer["status"], answer["peers"]["inventory.reserve"]) == ("degraded", "open")
    assert answer["peers"]["inventory.check"] == answer["peers"]["inventory.connect"] == "closed"
    asked = sandbox.control.counts()["reserve"]
    outage(client.place(TWO_TOWELS))
    assert sandbox.control.counts()["reserve"] == asked == 9


def test_no_worker_degrades_it_and_no_more(live_server_url: str, database: Documents, settings: Settings) -> None:
    answer = get(f"{live_server_url}/health/ready")
    assert (answer.status_code, answer.json()["status"]) == (200, "degraded")
    assert answer.json()["worker"] == {"status": "missing", "last_seen": None}
    database["vitals"].insert_one({"_id": "worker", "at": datetime.now(UTC) - timedelta(seconds=31), "by": "tests"})
    answer = get(f"{live_server_url}/health/ready")
    assert (answer.status_code, answer.json()["worker"]["status"]) == (200, "missing")
    assert answer.json()["worker"]["last_seen"] is not None
    settings.WORKER_SEEN_WITHIN = 60
    assert get(f"{live_server_url}/health/ready").json()["status"] == "ok"


def test_events_that_are_told_late_degrade_it_and_no_more(live_server_url: str, database: Documents) -> None:
    Heartbeat("tests").beat()
    order = stored(1, untold_at=datetime.now(UTC) - timedelta(seconds=50))
    insert(database, order)
    assert get(f"{live_server_url}/health/ready").json()["events"]["status"] == "in_time"
    database["orders"].update_one({}, {"$set": {"untold_at": datetime.now(UTC) - timedelta(seconds=70)}})
    answer = get(f"{live_server_url}/health/ready")
    assert (answer.status_code, answer.json()["status"]) == (200, "degraded")
    assert answer.json()["events"]["status"] == "late"
    assert datetime.fromisoformat(answer.json()["events"]["waiting_since"]) < datetime.now(UTC) - timedelta(seconds=60)
    database["orders"].update_one({}, {"$set": {"told": 0}})
    tell()
    assert get(f"{live_server_url}/health/ready").json()["status"] == "ok"


def test_it_is_not_ready_while_a_migration_is_missing_and_notices_when_it_is_there(
    live_server_url: str, database: Documents, unlooked: None
) -> None:
    done = database[MigrationRecorder.Migration._meta.db_table]
    last = done.find_one_and_delete({"app": "orders"}, sort=[("name", -1)])
    assert last is not None
    try:
        answer = get(f"{live_server_url}/health/ready")
    finally:
        done.insert_one(last)
    assert (answer.status_code, answer.json()["status"]) == (503, "unavailable")
    assert (answer.json()["mongodb"], answer.json()["migrations"]) == ("up", "missing")
    assert get(f"{live_server_url}/health/ready").status_code == 200


def test_it_is_not_ready_without_mongodb_but_alive(live_server_url: str, sandbox: Sandbox, database: Documents) -> None:
    began = time.monotonic()
    with database_down():
        answer = get(f"{live_server_url}/health/ready")
        assert get(f"{live_server_url}/health").status_code == 200
    assert time.monotonic() - began < 8
    assert answer.status_code == 503
    assert (answer.json()["status"], answer.json()["mongodb"]) == ("unavailable", "down")
    assert answer.json()["migrations"] == "unknown"
    assert get(f"{live_server_url}/health/ready").status_code == 200


def test_a_database_that_hangs_makes_it_unready_in_bounded_time(
    live_server_url: str, sandbox: Sandbox, database: Documents
) -> None:
    admin = database.client.admin
    admin.command("fsync", lock=True)  # every write waits from here on
    try:
        began = time.monotonic()
        answer = get(f"{live_server_url}/health/ready")
        took = time.monotonic() - began
    finally:
        admin.command("fsyncUnlock")
    assert (answer.status_code, answer.json()["mongodb"]) == (503, "down")
    assert took < 8
    assert get(f"{live_server_url}/health/ready").status_code == 200
