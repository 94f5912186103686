"""The MongoDB of our own: it starts, keeps its data, is shared, and survives every kill."""

import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any

import pytest
from pymongo import MongoClient

from devtools.embedded_mongo import EmbeddedMongo, EmbeddedMongoError
from devtools.localhost import ROOT
from tests.system_processes import await_end, command_line

STARTER = """
import sys, time
from pathlib import Path
from devtools.embedded_mongo import EmbeddedMongo
with EmbeddedMongo(Path(sys.argv[1])) as mongo:
    print(mongo.uri, mongo.pid, flush=True)
    sys.stdin.readline()
"""


@pytest.fixture
def folder(tmp_path: Path) -> Iterator[Path]:
    """A directory for data; a server that a failed test has left on it is ended."""
    yield tmp_path / "mongo"
    for lock in tmp_path.rglob("mongod.lock"):
        if (pid := int(lock.read_text() or 0)) and str(lock.parent) in command_line(pid):
            os.kill(pid, signal.SIGKILL)


def starter(folder: Path) -> subprocess.Popen[str]:
    """Another process that uses the server until it reads a line; it prints the address and mongod's pid."""
    return subprocess.Popen(
        [sys.executable, "-c", STARTER, str(folder)],
        cwd=ROOT,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )


def write(uri: str, value: str) -> None:
    with MongoClient[dict[str, Any]](uri, w="majority") as client:
        client.shop.notes.insert_one({"value": value})


def read(uri: str) -> list[str]:
    with MongoClient[dict[str, Any]](uri) as client:
        return [note["value"] for note in client.shop.notes.find()]


def test_a_start_gives_a_replica_set_that_takes_writes_and_transactions(folder: Path) -> None:
    with EmbeddedMongo(folder) as mongo, MongoClient[dict[str, Any]](mongo.uri) as client:
        with client.start_session() as session, session.start_transaction():
            client.shop.notes.insert_one({"value": "a"}, session=session)
        assert client.shop.notes.count_documents({}) == 1
        assert client.admin.command("hello")["setName"] == "rs0"
        assert mongo.start() is mongo, "starting what is started changes nothing"


@pytest.mark.slow
def test_a_restart_keeps_data_and_port(folder: Path) -> None:
    with EmbeddedMongo(folder) as mongo:
        first, pid = mongo.uri, mongo.pid
        write(first, "kept")
    await_end(pid)
    assert not mongo.running
    with EmbeddedMongo(folder) as mongo:
        assert read(mongo.uri) == ["kept"]
        assert mongo.uri == first
    assert (folder / "mongod.log.1").exists()


@pytest.mark.slow
def test_a_taken_port_is_given_up_for_another_and_the_data_are_kept(folder: Path) -> None:
    with EmbeddedMongo(folder) as mongo:
        write(mongo.uri, "kept")
        port = int((folder / "port").read_text())
    with HTTPServer(("127.0.0.1", port), BaseHTTPRequestHandler) as other:
        thread = threading.Thread(target=other.serve_forever, args=(0.05,))
        thread.start()
        with EmbeddedMongo(folder) as mongo:
            assert f":{port}/" not in mongo.uri
            assert read(mongo.uri) == ["kept"]
            write(mongo.uri, "and writable")
        other.shutdown()
        thread.join()


@pytest.mark.slow
def test_a_mongod_killed_with_its_lock_left_behind_starts_again_with_all_data(folder: Path) -> None:
    mongo = EmbeddedMongo(folder).start()
    write(mongo.uri, "acknowledged")
    assert mongo.pid is not None
    os.kill(mongo.pid, signal.SIGKILL)
    deadline = time.monotonic() + 60
    while mongo.running:
        assert time.monotonic() < deadline, "its death is not seen"
        time.sleep(0.02)
    mongo.stop()
    assert (folder / "db" / "mongod.lock").read_text().strip(), "the lock is stale, not empty"
    with EmbeddedMongo(folder) as again:
        assert read(again.uri) == ["acknowledged"]


@pytest.mark.slow
def test_a_server_whose_starter_was_killed_is_taken_over_and_ended(folder: Path) -> None:
    process = starter(folder)
    assert process.stdout is not None
    uri, pid = process.stdout.readline().split()
    process.kill()
    process.communicate()
    assert command_line(int(pid)), "it has outlived its starter"
    with EmbeddedMongo(folder) as mongo:
        assert (mongo.uri, mongo.pid) == (uri, int(pid))
        assert mongo.running
        write(mongo.uri, "a")
    await_end(int(pid))


@pytest.mark.slow
def test_whoever_leaves_last_ends_the_server(folder: Path) -> None:
    process = starter(folder)
    assert process.stdout is not None
    uri, pid = process.stdout.readline().split()
    mongo = EmbeddedMongo(folder).start()
    assert (mongo.uri, mongo.pid) == (uri, int(pid))
    process.communicate("leave\n")
    assert process.returncode == 0
    write(mongo.uri, "still there")
    mongo.stop()
    mongo.stop()
    await_end(int(pid))


@pytest.mark.slow
def test_a_first_user_may_leave_before_a_second(folder: Path) -> None:
    first, second = EmbeddedMongo(folder).start(), EmbeddedMongo(folder).start()
    first.stop()
    assert second.running
    write(second.uri, "a")
    pid = second.pid
    second.stop()
    await_end(pid)


@pytest.mark.slow
def test_two_that_start_at_once_share_one_server(folder: Path) -> None:
    processes = [starter(folder) for _ in range(3)]
    said = [process.stdout.readline().split() for process in processes if process.stdout]
    assert len({tuple(line) for line in said}) == 1
    for process in processes:
        process.communicate("leave\n")
    assert [process.returncode for process in processes] == [0, 0, 0]
    await_end(int(said[0][1]))


@pytest.mark.slow
def test_a_recycled_process_id_in_a_stale_lock_harms_nobody(folder: Path) -> None:
    with EmbeddedMongo(folder):
        pass
    with subprocess.Popen([sys.executable, "-c", "import time; time.sleep(60)"]) as bystander:
        (folder / "db" / "mongod.lock").write_text(f"{bystander.pid}\n")
        with EmbeddedMongo(folder) as mongo:
            assert mongo.pid != bystander.pid
        assert bystander.poll() is None
        bystander.kill()


@pytest.mark.slow
def test_a_server_of_other_data_is_never_taken_for_ours(folder: Path, tmp_path: Path) -> None:
    with EmbeddedMongo(folder) as ours, EmbeddedMongo(tmp_path / "other") as other:
        port = (folder / "port").read_text()
        (folder / "port").write_text((tmp_path / "other" / "port").read_text())
        with pytest.raises(EmbeddedMongoError, match=rf"Another mongod \(process {ours.pid}\) uses"):
            EmbeddedMongo(folder).start()
        (folder / "port").write_text(port)
        assert ours.running
        assert other.running


def test_an_address_is_told_only_of_a_started_server(folder: Path) -> None:
    with pytest.raises(EmbeddedMongoError, match="not started"):
        _ = EmbeddedMongo(folder).uri
    assert EmbeddedMongo(folder).pid is None
