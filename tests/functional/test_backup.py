"""A copy of the database's files, made while it is locked and orders are placed, is a backup: docs/operations.md."""

import json
import shutil
import subprocess
import sys
import time
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from pymongo import MongoClient
from pymongo.database import Database

from devtools.embedded_mongo import EmbeddedMongo
from devtools.localhost import ROOT
from tests.functional.serving_stage import PRODUCT, Clients, ServingStage
from tests.order_invariants import violations_of

pytestmark = [pytest.mark.slow, pytest.mark.no_cover, pytest.mark.timeout(300)]  # on a machine that has a lot to do
CLIENTS = 6
LOCKED = 1.5
"""Seconds at least for which writes wait."""


def copy_while_locked(stage: ServingStage, source: Path, target: Path) -> list[int]:
    """Lock, copy, unlock. :returns: how many orders there were when it was locked, and just before it was unlocked."""
    admin, seen = stage.orders.client.admin, []
    admin.command("fsync", lock=True)
    try:
        seen.append(stage.orders["orders"].count_documents({}))
        began = time.monotonic()
        shutil.copytree(source, target, ignore=shutil.ignore_patterns("mongod.lock"))
        time.sleep(max(0.0, LOCKED - (time.monotonic() - began)))
        seen.append(stage.orders["orders"].count_documents({}))
    finally:
        admin.command("fsyncUnlock")
    return seen


def managed(stage: ServingStage, uri: str, *command: str) -> subprocess.CompletedProcess[str]:
    """A command of `manage.py` on the database there, with the inventory that goes on."""
    environment = stage.environment | {"MONGODB_URI": uri}
    arguments = [sys.executable, str(ROOT / "manage.py"), *command]
    return subprocess.run(arguments, env=environment, capture_output=True, text=True, timeout=100, check=False)


def later(restored: Database[dict[str, Any]]) -> None:
    """A copy is restored when what was under way at the lock has long ended: its claims have lapsed."""
    past = datetime(2020, 1, 1, tzinfo=UTC)
    lapsed = {"stock_due_at": past, "items.$[line].stock.attempt.until": past}
    claimed = [{"line.stock.attempt": {"$exists": True}}]
    restored["orders"].update_many({"stock_due_at": {"$exists": True}}, {"$set": lapsed}, array_filters=claimed)


def test_files_copied_under_a_lock_hold_every_order_until_then(tmp_path: Path) -> None:
    with EmbeddedMongo(tmp_path / "mongo") as mongo, ServingStage(mongo.uri, tmp_path / "logs") as stage:
        stage.serve()
        with Clients(stage.root, CLIENTS) as clients:
            clients.await_answers(30)
            told = {ids[0] for ids in list(clients.placed.values())}
            locked, unlocked = copy_while_locked(stage, tmp_path / "mongo" / "db", tmp_path / "restored" / "db")
            clients.await_answers(30)
        assert clients.failures == [], "writes waited, and none was refused"
        assert locked == unlocked, "nothing was written meanwhile"
        live = {str(order["_id"]): order for order in stage.orders["orders"].find()}
        assert stage.judge(stage.claims(clients), patience=10)["violations"] == []

        with EmbeddedMongo(tmp_path / "restored") as restored:
            client: MongoClient[dict[str, Any]] = MongoClient(restored.uri)
            with client:
                kept = check(client[stage.name], told, live)
                assert locked - CLIENTS <= kept <= locked, "what nobody had been told of yet may be missing"
                later(client[stage.name])
                settled = managed(stage, restored.uri, "run_worker", "--once")
                unknown = client[stage.name]["orders"].count_documents({"items.stock.state": "unknown"})
            compared = managed(stage, restored.uri, "reconcile_stock", "--json")
        assert settled.returncode == 0, settled.stderr
        assert compared.returncode == 1, compared.stderr
        lost = len(live) - kept
        assert lost > 0
        (difference,) = json.loads(compared.stdout)["differences"]
        assert difference["product_id"] == PRODUCT
        assert (difference["surplus"], difference["unknown"]) == (lost + unknown, unknown), "a unit each"


def check(restored: Database[dict[str, Any]], told: set[str], live: dict[str, Any]) -> int:
    """Compare the copy with what clients were told and with what became of its orders. :returns: how many it has."""
    found = {str(order["_id"]): order for order in restored["orders"].find()}
    assert told <= set(found) <= set(live)
    for name, order in found.items():
        assert violations_of(order) == []
        assert live[name]["history"][: len(order["history"])] == order["history"]
    # A key is taken before its order is written: of a placement that the lock caught in between there is the key alone.
    ids = [order["_id"] for order in found.values()]
    assert restored["idempotency_keys"].count_documents({"order_id": {"$in": ids}}) == len(found)
    indexes = restored["orders"].index_information()
    assert {"number", "stock_due"} <= set(indexes)
    return len(found)
