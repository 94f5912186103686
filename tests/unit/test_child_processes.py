"""Processes that are started, watched and ended, whatever they do."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from devtools import localhost
from devtools.child_processes import Child, ChildError
from devtools.localhost import ROOT
from tests.system_processes import await_end, command_line

STUBBORN = "import signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN); print('up', flush=True); time.sleep(60)"
SLEEPER = "import time; print('up', flush=True); time.sleep(60)"
SUPERVISOR = """
import os, sys, time
from pathlib import Path
from devtools.child_processes import Child
child = Child("sleeper", [sys.executable, "-c", sys.argv[2]], log=Path(sys.argv[1])).start(dict(os.environ))
child.await_line("up", 60)
print(child.pid, flush=True)
time.sleep(60)
"""


def python(code: str, log: Path | None, patience: float = 60) -> Child:
    return Child("the child", [sys.executable, "-c", code], log=log, patience=patience)


def test_a_child_is_ended_when_asked(tmp_path: Path) -> None:
    child = python(SLEEPER, tmp_path / "log").start(dict(os.environ))
    assert child.await_line("^u(p)$", 60)[1] == "p"
    assert child.running
    child.stop()
    child.stop()
    assert not child.running


def test_a_child_that_ignores_being_asked_is_killed_after_its_patience(tmp_path: Path) -> None:
    child = python(STUBBORN, tmp_path / "log", patience=0.2).start(dict(os.environ))
    child.await_line("up", 60)
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
        child.await_line("never", 60)
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


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux tells children of their parent's death")
def test_a_child_ends_when_its_supervisor_is_killed(tmp_path: Path) -> None:
    command = [sys.executable, "-c", SUPERVISOR, str(tmp_path / "log"), SLEEPER]
    with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True) as supervisor:
        assert supervisor.stdout is not None
        pid = int(supervisor.stdout.readline())
        assert command_line(pid)
        supervisor.kill()
    await_end(pid)


def test_a_killed_child_is_told_by_its_signal(tmp_path: Path) -> None:
    child = python(SLEEPER, tmp_path / "log").start(dict(os.environ))
    child.await_line("up", 60)
    assert child.pid is not None
    os.kill(child.pid, signal.SIGKILL)
    await_end(child.pid)
    assert "(exit code -9)" in str(child.failure())


def test_a_port_that_is_listened_on_is_not_free() -> None:
    port = localhost.free_port()
    assert localhost.is_free(port)
    code = f"import socket; s = socket.create_server(('127.0.0.1', {port})); print(1, flush=True); input()"
    with subprocess.Popen([sys.executable, "-c", code], stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        process.stdout.readline()
        assert not localhost.is_free(port)
        assert localhost.listens(port)
        process.kill()
    assert not localhost.listens(port)


@pytest.mark.parametrize("host", ["192.0.2.1", "no.such.host.invalid"])
def test_a_host_that_is_not_this_machine_is_an_error_and_no_taken_port(host: str) -> None:
    with pytest.raises(OSError, match=r"."):
        localhost.is_free(8001, host)


def test_a_server_on_every_address_is_reached_on_loopback() -> None:
    assert localhost.reachable("0.0.0.0") == "127.0.0.1"  # noqa: S104 - nothing is bound
    assert localhost.reachable("192.0.2.1") == "192.0.2.1"
