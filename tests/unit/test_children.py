"""Processes that are started, watched and ended, whatever they do."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from orders_project import loopback
from orders_project.children import ROOT, Child, ChildError, Register, Restarted, command_line

STUBBORN = "import signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN); print('up', flush=True); time.sleep(60)"
SLEEPER = "import time; print('up', flush=True); time.sleep(60)"
SUPERVISOR = """
import os, sys, time
from pathlib import Path
from orders_project.children import Child
child = Child("sleeper", [sys.executable, "-c", sys.argv[2]], log=Path(sys.argv[1])).start(dict(os.environ))
child.await_line("up", 10)
print(child.pid, flush=True)
time.sleep(60)
"""


def python(code: str, log: Path | None, kind: type[Child] = Child, patience: float = 5) -> Child:
    return kind("the child", [sys.executable, "-c", code], log=log, patience=patience)


def await_end(pid: int) -> None:
    deadline = time.monotonic() + 10
    while command_line(pid):
        assert time.monotonic() < deadline, f"process {pid} is still there"
        time.sleep(0.02)


def test_a_child_is_ended_when_asked(tmp_path: Path) -> None:
    child = python(SLEEPER, tmp_path / "log").start(dict(os.environ))
    assert child.await_line("^u(p)$", 10)[1] == "p"
    assert child.running
    child.stop()
    child.stop()
    assert not child.running


def test_a_child_that_ignores_being_asked_is_killed_after_its_patience(tmp_path: Path) -> None:
    child = python(STUBBORN, tmp_path / "log", patience=0.2).start(dict(os.environ))
    child.await_line("up", 10)
    child.stop()
    assert not child.running


def test_a_child_that_was_never_started_can_be_stopped(tmp_path: Path) -> None:
    child = python(SLEEPER, tmp_path / "log")
    child.stop()
    assert not child.running
    assert child.pid is None


def test_ctrl_c_in_our_terminal_does_not_reach_a_child(tmp_path: Path) -> None:
    child = python(SLEEPER, tmp_path / "log").start(dict(os.environ))
    assert child.pid is not None
    assert os.getsid(child.pid) == child.pid
    child.stop()


def test_the_end_of_a_child_that_fails_names_its_last_words_and_its_log(tmp_path: Path) -> None:
    child = python("import sys; print('one', flush=True); sys.exit('no such thing')", tmp_path / "log").start({})
    with pytest.raises(ChildError) as caught:
        child.await_line("never", 10)
    log = tmp_path / "log"
    assert str(caught.value) == f"the child ended unexpectedly (exit code 1): no such thing; its log: {log}"
    with pytest.raises(ChildError):
        child.finish()


def test_a_child_that_never_says_the_line_is_given_up(tmp_path: Path) -> None:
    child = python(SLEEPER, tmp_path / "log").start(dict(os.environ))
    with pytest.raises(ChildError, match=r"not ready after 0\.2 s"):
        child.await_line("never", 0.2)
    child.stop()


def test_a_child_without_a_log_prints_where_we_do(capfd: pytest.CaptureFixture[str]) -> None:
    python("print('hello')", None).start(dict(os.environ)).finish()
    assert capfd.readouterr().out == "hello\n"


def test_a_restarted_child_comes_back_after_a_pause(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("orders_project.children._FIRST_PAUSE", 0.1)
    child = python("print('up', flush=True); raise SystemExit(3)", tmp_path / "log", Restarted)
    assert isinstance(child, Restarted)
    child.start(dict(os.environ))
    news: list[str] = []
    deadline = time.monotonic() + 20
    while len(news) < 4 and time.monotonic() < deadline:
        news += filter(None, [child.look_after(dict(os.environ))])
        time.sleep(0.02)
    assert [line.partition(";")[0] for line in news] == [
        "the child ended unexpectedly (exit code 3): up",
        "the child is started again.",
        "the child ended unexpectedly (exit code 3): up",
        "the child is started again.",
    ]
    assert "in 0.1 s" in news[0]
    assert "in 0.2 s" in news[2]
    child.stop()
    assert (tmp_path / "log").read_text().startswith("up\nup\n"), "the log of the first life is kept"


@pytest.mark.skipif(sys.platform != "linux", reason="elsewhere the next supervisor ends them, see below")
def test_a_child_ends_when_its_supervisor_is_killed(tmp_path: Path) -> None:
    command = [sys.executable, "-c", SUPERVISOR, str(tmp_path / "log"), SLEEPER]
    with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True) as supervisor:
        assert supervisor.stdout is not None
        pid = int(supervisor.stdout.readline())
        assert command_line(pid)
        supervisor.kill()
    await_end(pid)


@pytest.mark.parametrize("code", [SLEEPER, STUBBORN])
def test_what_an_earlier_supervisor_left_is_ended(tmp_path: Path, code: str) -> None:
    register = Register(tmp_path / "children.json")
    left = python(code, tmp_path / "log").start(dict(os.environ))
    left.await_line("up", 10)
    register.note([left, python(SLEEPER, None)])
    register.end_leftovers(patience=0.3)
    assert left.pid is not None
    assert command_line(left.pid) == ""
    left.stop()
    assert not (tmp_path / "children.json").exists()


def test_a_process_that_has_got_a_noted_id_is_left_alone(tmp_path: Path) -> None:
    other = python(SLEEPER, tmp_path / "log").start(dict(os.environ))
    other.await_line("up", 10)
    (tmp_path / "children.json").write_text(json.dumps({str(other.pid): "-m integrations.sandbox"}))
    Register(tmp_path / "children.json").end_leftovers(patience=0.3)
    assert other.running
    other.stop()


@pytest.mark.parametrize("text", ["", "[]", "{", '{"x": "y"}'])
def test_a_register_that_makes_no_sense_is_dropped(tmp_path: Path, text: str) -> None:
    (tmp_path / "children.json").write_text(text)
    Register(tmp_path / "children.json").end_leftovers(patience=0.1)
    assert not (tmp_path / "children.json").exists()


def test_an_ended_process_has_no_command_line() -> None:
    with subprocess.Popen([sys.executable, "-c", "pass"]) as process:
        process.wait()
    assert command_line(process.pid) == ""
    assert str(ROOT / "nothing") not in command_line(os.getpid())


def test_a_killed_child_is_told_by_its_signal(tmp_path: Path) -> None:
    child = python(SLEEPER, tmp_path / "log").start(dict(os.environ))
    child.await_line("up", 10)
    assert child.pid is not None
    os.kill(child.pid, signal.SIGKILL)
    await_end(child.pid)
    assert "(exit code -9)" in str(child.failure())


def test_a_port_that_is_listened_on_is_not_free_and_tells_whose_it_is() -> None:
    port = loopback.free_port()
    assert loopback.is_free(port)
    assert loopback.listener(port) is None
    code = f"import socket; s = socket.create_server(('127.0.0.1', {port})); print(1, flush=True); input()"
    with subprocess.Popen([sys.executable, "-c", code], stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        process.stdout.readline()
        assert not loopback.is_free(port)
        assert loopback.listens(port)
        if sys.platform == "linux":
            assert loopback.listener(port) == process.pid
        process.kill()
    assert not loopback.listens(port)


@pytest.mark.parametrize("host", ["192.0.2.1", "no.such.host.invalid"])
def test_a_host_that_is_not_this_machine_is_an_error_and_no_taken_port(host: str) -> None:
    with pytest.raises(OSError, match=r"."):
        loopback.is_free(8001, host)


def test_a_server_on_every_address_is_reached_on_loopback() -> None:
    assert loopback.reachable("0.0.0.0") == "127.0.0.1"  # noqa: S104 - nothing is bound
    assert loopback.reachable("192.0.2.1") == "192.0.2.1"
