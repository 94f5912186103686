"""`make run`, from an empty directory to a placed order, and every way in which it can end or not begin."""

import os
import signal
import socket
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from devtools import localhost
from devtools.real_systems import SIGNING
from tests.dose import dose
from tests.functional.quickstart_run import QuickstartRun, environment, manage
from tests.system_processes import await_end, command_line

ORDERS = "/api/v1/orders/"


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A directory that the first run of this module fills and that the others go on with."""
    return tmp_path_factory.mktemp("quickstart") / "data"


@pytest.fixture
def run(data: Path) -> Iterator[QuickstartRun]:
    with QuickstartRun(data) as run:
        yield run.await_welcome()


def test_a_first_run_prints_a_curl_line_that_places_an_order(run: QuickstartRun, data: Path) -> None:
    answer = run.place_printed_order()
    assert answer.status_code == 201, answer.text
    order = answer.json()
    assert order["status"] == "pending"
    customer, admin = run.tokens()
    for token in (customer, admin):
        assert run.get(f"{ORDERS}{order['id']}", token).json()["user_verified"] is True
    assert len(run.get(f"{ORDERS}?limit=100", admin).json()) == 100, "the demo orders are there"
    for path in ("/health", "/health/ready", "/api/v1/docs", "/admin/login/"):
        assert run.get(path).status_code == 200, path
    assert run.get("/admin/login/").url in run.output.replace("/admin/", "/admin/login/")

    children = run.children()
    assert set(children) == {"gunicorn", "sandbox", "run_worker", "mongod"}
    assert all(command_line(pid) for pid in children.values())
    assert run.end(signal.SIGINT) == 0
    await_end(*children.values())
    assert not localhost.listens(run.port)
    assert run.output.splitlines()[-1].startswith("Everything has ended, on SIGINT.")
    assert "Traceback" not in run.output
    assert not (data / "sandbox.port").exists()


@pytest.mark.slow
def test_a_second_run_keeps_the_data_shares_them_and_watches_its_children(run: QuickstartRun) -> None:
    _, admin = run.tokens()
    assert "demo data is there already" in run.output
    newest = run.get(f"{ORDERS}?limit=1", admin).json()[0]
    assert newest["shipping_address"]["line1"] == "1 Harbour Lane", "the order of the first run"

    code = "from orders.models import Order; print(Order.objects.count())"
    beside = manage("shell", "-c", code, environment=run.environment)
    assert beside.returncode == 0, beside.stderr
    assert int(beside.stdout.split()[-1]) > 300
    assert run.get("/health/ready").status_code == 200, "the other command has not ended our database"

    second = manage("quickstart", environment=run.environment)
    assert second.returncode == 2
    assert f"already running here (process {run.process.pid})" in second.stderr
    assert second.stderr.count("\n") == 1

    watch_a_worker_and_a_web_server_die(run)


def watch_a_worker_and_a_web_server_die(run: QuickstartRun) -> None:
    children = run.children()
    os.kill(children["run_worker"], signal.SIGKILL)
    run.await_output(r"worker ended unexpectedly \(exit code -9\).*worker\.log\. It is started again in 1 s")
    run.await_output("worker is started again")
    assert command_line(run.children()["run_worker"])

    children = run.children()
    os.kill(children["gunicorn"], signal.SIGKILL)
    assert run.process.wait(30) == 2
    last = run.output.splitlines()[-1]
    assert last.startswith("gunicorn ended unexpectedly (exit code -9)")
    assert last.endswith(f"its log: {run.data / 'logs' / 'gunicorn.log'}")
    await_end(*children.values())


@pytest.mark.slow
@pytest.mark.parametrize("name", dose(SIGNING, 3, "a run each"))
def test_a_key_that_may_be_real_signs_nothing_and_a_killed_run_troubles_no_other(data: Path, name: str) -> None:
    given = "https://users.example.com/keys" if name.endswith("URL") else "k" * 40
    with QuickstartRun(data, **{name: given}) as run:
        run.await_welcome()
        assert run.tokens() == []
        assert "Tokens are those of your user service" in run.output
        assert "demo data is there already" in run.output
        assert "(each one's password is its name)" in run.output
        kill_all_of(run)
    with QuickstartRun(data) as again:
        again.await_welcome()
        assert again.place_printed_order().status_code == 201
        children = again.children()
        assert again.end(signal.SIGTERM) == 0
        await_end(*children.values())


def kill_all_of(run: QuickstartRun) -> None:
    left = run.children()
    assert run.end(signal.SIGKILL) == -9
    mongod = left.pop("mongod")
    await_end(*left.values())
    os.kill(mongod, signal.SIGKILL)  # and as after a power cut, its lock stays behind


@pytest.mark.slow
def test_ctrl_c_while_things_start_ends_them(data: Path) -> None:
    with QuickstartRun(data) as run:
        run.await_output("Preparing the database")
        time.sleep(0.3)
        children = run.children()
        assert run.end(signal.SIGINT) == 0
        await_end(*children.values())
        assert "Traceback" not in run.output


def test_a_taken_port_is_told_in_one_line_before_anything_starts(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = other.getsockname()[1]
        tried = manage("quickstart", environment=environment(tmp_path / "data", port))
    assert tried.returncode == 2
    assert tried.stdout == ""
    assert tried.stderr.startswith(f"Port {port} is taken")
    assert f"PORT={port + 1} make run" in tried.stderr
    assert not (tmp_path / "data" / "mongo").exists()


@pytest.mark.parametrize(
    ("given", "said"),
    dose(
        [
            ({"MONGOD_BINARY": "/nowhere/mongod"}, "MONGOD_BINARY=/nowhere/mongod is not a program that can be run."),
            ({"PORT": "http"}, "PORT=http is not a port"),
            ({"PORT": "70000"}, "PORT=70000 is not a port"),
            ({"SANDBOX_PORT": "0"}, "SANDBOX_PORT=0 is not a port"),
            ({"BIND_HOST": "192.0.2.1"}, "Cannot listen on 192.0.2.1:"),
            ({"DATA_DIR": "/dev/null/data"}, "/dev/null/data cannot be used"),
        ],
        2,
        "a run each",
    ),
)
def test_what_keeps_it_from_starting_is_told_in_one_line(tmp_path: Path, given: dict[str, str], said: str) -> None:
    tried = manage("quickstart", environment=environment(tmp_path, localhost.free_port()) | given)
    assert tried.returncode == 2
    assert tried.stderr.startswith(said)
    assert tried.stderr.count("\n") == 1


@pytest.mark.slow
def test_a_setting_that_stops_a_child_stops_all_with_its_words(tmp_path: Path) -> None:
    sandbox_port = str(localhost.free_port())
    wrong = environment(tmp_path, localhost.free_port(), SANDBOX_PORT=sandbox_port, USER_SERVICE_URL="nonsense")
    tried = manage("quickstart", environment=wrong)
    assert tried.returncode == 2
    assert "USER_SERVICE_URL is not an http or https address" in tried.stderr
    assert tried.stderr.splitlines()[-1].startswith("preparing the database ended unexpectedly")
    assert not localhost.listens(int(sandbox_port))


@pytest.mark.slow
def test_a_real_database_that_does_not_answer_stops_all_in_a_line(tmp_path: Path) -> None:
    nowhere = environment(tmp_path, localhost.free_port(), MONGODB_URI="mongodb://127.0.0.1:1/?timeoutMS=1000")
    tried = manage("quickstart", environment=nowhere | {"SANDBOX_PORT": str(localhost.free_port())})
    assert tried.returncode == 2
    first, last = tried.stderr.splitlines()
    assert first.startswith("CommandError: the database cannot be migrated: ")
    assert last.startswith("preparing the database ended unexpectedly (exit code 1)")


@pytest.mark.slow
def test_commands_that_need_no_database_do_not_wait_for_one(tmp_path: Path) -> None:
    asked, compiler = tmp_path / "asked", tmp_path / "gcc"
    compiler.write_text(f"#!/bin/sh\n: > {asked}")
    compiler.chmod(0o755)
    without = environment(tmp_path, MONGOD_BINARY="/nowhere/mongod", PATH=f"{tmp_path}:{os.environ['PATH']}")
    for command in (["check"], ["migrate", "--help"], []):
        assert manage(*command, environment=without).returncode == 0, command
    assert not asked.exists(), "GDAL is looked for with the compiler, which takes as long as all else"
    refused = manage("migrate", environment=without)
    assert refused.returncode == 2
    assert refused.stderr.startswith("MONGOD_BINARY=/nowhere/mongod")
    assert refused.stderr.count("\n") == 1
    assert not list(tmp_path.rglob("mongod.lock"))


@pytest.mark.slow
def test_a_named_database_is_used_and_none_is_started(tmp_path: Path, mongo_uri: str) -> None:
    given = environment(tmp_path, MONGODB_URI=mongo_uri, MONGODB_DB="test_named", MONGOD_BINARY="/nowhere/mongod")
    done = manage("shell", "-c", "from orders.models import Order; print(Order.objects.count())", environment=given)
    assert done.returncode == 0, done.stderr
    assert done.stdout.split()[-1] == "0"
    assert not list(tmp_path.iterdir())
