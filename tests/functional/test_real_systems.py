"""`make run` beside a database and peers that are somebody's: it comes up, and leaves nothing but migrations in them.

Somebody's database is a second mongod, somebody's peers are a second sandbox in a process of its own.
"""

import os
import re
import subprocess
import sys
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
import requests
from bson import ObjectId
from pymongo import MongoClient
from pytest_django import Settings

from devtools.child_processes import Child
from devtools.embedded_mongo import EmbeddedMongo
from devtools.localhost import ROOT
from devtools.real_systems import DATABASE, PEERS
from devtools.welcome import STAND_INS, welcome_text
from integrations.sandbox.catalogue import PRODUCTS
from tests.conftest import KEPT
from tests.dose import chosen
from tests.functional.admin_helpers import Browser
from tests.functional.quickstart_run import QuickstartRun, environment, manage
from tests.system_processes import await_end

pytestmark = pytest.mark.no_cover
Contents = dict[str, dict[str, list[dict[str, Any]]]]
INVENTORY, USERS = "INVENTORY_SERVICE_URL", "USER_SERVICE_URL"
MIXES = {
    "a database": (DATABASE,),
    "the user service": (USERS,),
    "inventory": (INVENTORY,),
    "all peers": PEERS,
    "a database and inventory": (DATABASE, INVENTORY),
    "a database and all peers": (DATABASE, *PEERS),
}
SLICE = chosen(MIXES, "inventory")
"""Of peers the least; a database and inventory have a test of their own."""
BY_HAND = chosen({"a database": (DATABASE,), "a peer": (USERS,), "all": (DATABASE, *PEERS)}, "a peer")
PASSWORD = "of-the-first-superuser"


@pytest.fixture(scope="module")
def somebodys_mongo(tmp_path_factory: pytest.TempPathFactory) -> Iterator[MongoClient[dict[str, Any]]]:
    with EmbeddedMongo(tmp_path_factory.mktemp("somebodys")) as mongo, MongoClient(mongo.uri) as client:
        yield client


@pytest.fixture
def somebodys(somebodys_mongo: MongoClient[dict[str, Any]]) -> MongoClient[dict[str, Any]]:
    """Their server, with nothing in it."""
    for name in contents(somebodys_mongo):
        somebodys_mongo.drop_database(name)
    return somebodys_mongo


@pytest.fixture
def their_peers(mongo_uri: str, tmp_path: Path) -> Iterator[str]:
    """The address of peers whose calls were all made in this test."""
    where = ["--port", "0", "--seed", "--mongodb-uri", mongo_uri, "--db", "test_somebodys_peers"]
    child = Child("peers", [sys.executable, "-m", "integrations.sandbox", *where], log=tmp_path / "peers.log")
    yield child.start(dict(os.environ)).await_line(r"http://\S+", 60)[0]
    child.stop()
    with MongoClient[dict[str, Any]](mongo_uri) as client:
        client.drop_database("test_somebodys_peers")


def contents(client: MongoClient[dict[str, Any]]) -> Contents:
    """All that is in a server: database → collection → documents."""
    databases = [client[name] for name in client.list_database_names() if name not in ("admin", "config", "local")]
    return {
        database.name: {name: list(database[name].find().sort("_id")) for name in database.list_collection_names()}
        for database in databases
    }


def is_only_migrated(found: Contents) -> bool:
    """Whether there is one database, with every migration, and no document but those that migrations make."""
    assert set(found) == {"order_db"}
    filled = {name for name, documents in found["order_db"].items() if documents}
    assert filled == KEPT
    return True


def calls(peers: str) -> dict[str, int]:
    counts: dict[str, int] = requests.get(peers.replace("/api/v1", "/control/calls"), timeout=60).json()["counts"]
    return counts


def uri(client: MongoClient[dict[str, Any]]) -> str:
    host, port = client.address or ("", 0)
    return f"mongodb://{host}:{port}/?directConnection=true"


def settings_of(mix: tuple[str, ...], database: MongoClient[dict[str, Any]], peers: str) -> dict[str, str]:
    return {name: uri(database) if name == DATABASE else peers for name in mix}


def log_in(run: QuickstartRun) -> None:
    """Make a superuser with the line that is printed, and go in."""
    line = run.await_output(r"(?m)^    (.*manage\.py createsuperuser)$")[1]
    said = {"DJANGO_SUPERUSER_PASSWORD": PASSWORD, "DJANGO_SUPERUSER_USERNAME": "first"}
    subprocess.run(  # noqa: S602 - as it is pasted
        f"{line} --noinput --email first@example.com",
        shell=True,
        cwd=ROOT, env=run.environment | said, check=True, capture_output=True, timeout=100,
    )  # fmt: skip
    with Browser(f"http://127.0.0.1:{run.port}") as browser:
        assert browser.log_in("first", "/admin/", password=PASSWORD).status_code == 302


@pytest.mark.slow
@pytest.mark.parametrize("mix", SLICE.values(), ids=SLICE)
def test_each_mix_comes_up_and_leaves_the_real_ones_as_they_were(
    mix: tuple[str, ...], somebodys: MongoClient[dict[str, Any]], their_peers: str, tmp_path: Path
) -> None:
    with QuickstartRun(tmp_path / "data", **settings_of(mix, somebodys, their_peers)) as run:
        run.await_welcome()
        for path in ("/health", "/api/v1/docs", "/admin/login/"):
            assert run.get(path).status_code == 200, path
        assert set(run.children()) == expected_children(mix)
        assert run.tokens() == []
        assert "is its name" not in run.output
        named = re.search(r"is up, with real systems: (.+)\. Nothing was loaded\.", run.output)
        assert named
        assert set(re.findall(r"[A-Z_]+", named[1])) == set(mix)
        started = re.search(r"(?m)^  Started +(?:(.+), )?the web server$", run.output)
        left = {word for name, word in STAND_INS.items() if name not in mix}
        if DATABASE not in mix:
            left.add("a worker")
        assert started
        assert set(started[1].split(", ") if started[1] else ()) == left
        ours_is_empty(run, mix)
        if DATABASE in mix:
            assert is_only_migrated(contents(somebodys))
            assert len(somebodys["order_db"]["orders"].index_information()) > 10
        else:
            assert contents(somebodys) == {}
            assert run.get("/health/ready").json()["mongodb"] == "up"
        log_in(run)
        children = run.children()
        assert run.end(2) == 0
        await_end(*children.values())
    assert calls(their_peers) == {}
    assert "Traceback" not in run.output


def expected_children(mix: tuple[str, ...]) -> set[str]:
    children = {"gunicorn"}
    if DATABASE not in mix:
        children |= {"run_worker"}
    if not set(PEERS) <= set(mix):
        children |= {"sandbox"}
    return children | ({"mongod"} if len(children) > 1 else set())


def ours_is_empty(run: QuickstartRun, mix: tuple[str, ...]) -> None:
    """What we started has no demo data either, but for the sandbox's catalogue; and it is not where those would be."""
    assert not (run.data / "mongo").exists()
    ports = [path.read_text().strip() for path in run.data.glob("mongo-*/port")]
    assert len(ports) == ("mongod" in expected_children(mix))
    for port in ports:
        with MongoClient[dict[str, Any]](f"mongodb://127.0.0.1:{port}/?directConnection=true") as client:
            found = contents(client)
        assert set(found) <= {"order_db", "order_db_sandbox"}
        assert "order_db" not in found or not (found["order_db"]["orders"] or found["order_db"]["auth_user"])
        if "order_db_sandbox" in found:
            assert len(found["order_db_sandbox"]["products"]) == len(PRODUCTS)
            assert found["order_db_sandbox"]["movements"] == []


@pytest.mark.slow
def test_orders_and_logins_in_a_real_database_stay_as_they_are(
    somebodys: MongoClient[dict[str, Any]], their_peers: str, tmp_path: Path
) -> None:
    given = settings_of((DATABASE, INVENTORY), somebodys, their_peers)
    assert manage("migrate", "-v0", environment=environment(tmp_path, **given)).returncode == 0
    long_ago = datetime.now(UTC) - timedelta(days=9)
    line = {"product_id": PRODUCTS[0].product_id, "quantity": 1, "stock": {"state": "releasing"}}
    owed = {"_id": ObjectId(), "status": "cancelled", "items": [line], "created_at": long_ago, "stock_due_at": long_ago}
    somebodys["order_db"]["orders"].insert_one(owed)
    somebodys["order_db"]["auth_user"].insert_one({"_id": ObjectId(), "username": "support", "password": "!"})
    before = contents(somebodys)
    with QuickstartRun(tmp_path / "data", **given) as run:
        run.await_welcome()
        assert "No worker was started" in run.output
        assert contents(somebodys) == before
        assert run.end(2) == 0
    assert contents(somebodys) == before
    assert calls(their_peers) == {}


@pytest.mark.slow
@pytest.mark.parametrize("mix", BY_HAND.values(), ids=BY_HAND)
def test_by_hand_nothing_is_loaded_there_either(
    mix: tuple[str, ...], somebodys: MongoClient[dict[str, Any]], their_peers: str, tmp_path: Path
) -> None:
    given = settings_of(mix, somebodys, their_peers)
    tried = manage("load_demo_data", environment=environment(tmp_path, **given))
    assert tried.returncode == 1
    assert tried.stderr.startswith("CommandError: this is for the embedded database and the sandbox peers alone, ")
    assert tried.stderr.count("\n") == 1
    assert all(name in tried.stderr for name in mix)
    assert contents(somebodys) == {}
    assert calls(their_peers) == {}


def test_a_password_in_an_address_is_not_printed(settings: Settings) -> None:
    settings.MONGODB_URI = "mongodb://orders:s3cret@db.example.com/?replicaSet=rs0"
    for mix in MIXES.values():
        text = welcome_text("http://127.0.0.1:8001", real=mix)
        assert ("s3cret" in text) == (DATABASE not in mix), "the embedded one has none"
