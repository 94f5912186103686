"""Our worker of gunicorn: who waits for whom, and what becomes of connections, with an app that only waits."""

import os
import signal
import socket
import sys
import time
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import ExitStack, closing
from pathlib import Path
from typing import Any

import pytest

from orders_project import gunicorn_worker
from orders_project.children import Child
from orders_project.gunicorn_worker import COURTESY, Worker
from orders_project.loopback import free_port, listens

THREADS = 3
SLOW = 3.0
"""Seconds of a slow request: more than anything else takes on a machine that has a lot to do."""
KEEPALIVE = 2


class Served:
    """gunicorn with one such worker, and connections to it that end with the test."""

    def __init__(self, log: Path, stack: ExitStack) -> None:
        self.port, self._stack = free_port(), stack
        command = ["-m", "gunicorn", "-b", f"127.0.0.1:{self.port}", "-w", "1", "--threads", str(THREADS)]
        command += ["-k", "orders_project.gunicorn_worker.Worker", "--keep-alive", str(KEEPALIVE)]
        command += ["--no-control-socket", "tests.functional.waiting_app"]
        self.child = Child("gunicorn", [sys.executable, *command], log=log)
        stack.callback(self.child.stop)
        self._threads = stack.enter_context(ThreadPoolExecutor(16))
        self.child.start(dict(os.environ))
        until = time.monotonic() + 60
        while not listens(self.port):
            assert self.child.running, log.read_text()
            assert time.monotonic() < until
            time.sleep(0.02)
        assert self.answer(self.send("GET", 0)).endswith(b"done")

    def connect(self) -> socket.socket:
        return self._stack.enter_context(closing(socket.create_connection(("127.0.0.1", self.port), timeout=60)))

    def send(self, method: str, path: object, sock: socket.socket | None = None, *, headers: str = "") -> socket.socket:
        sock = sock or self.connect()
        sock.sendall(f"{method} /{path} HTTP/1.1\r\nHost: x\r\n{headers}\r\n".encode())
        return sock

    def answer(self, sock: socket.socket) -> bytes:
        """What came: an answer with its body, or less if the connection was closed before."""
        told = b""
        while not told.endswith(b"done") and (more := sock.recv(4096)):
            told += more
        return told

    def later(self, sock: socket.socket) -> "Future[bytes]":
        return self._threads.submit(self.answer, sock)


@pytest.fixture
def served(tmp_path: Path) -> Iterator[Served]:
    with ExitStack() as stack:
        yield Served(tmp_path / "log", stack)


def assert_others_are_served(served: Served, *waiting: "Future[bytes]", times: int = 10) -> None:
    for _ in range(times):
        assert served.answer(served.send("GET", 0)).endswith(b"done")
    assert not any(answer.done() for answer in waiting), "the slow ones are still at it"


@pytest.mark.parametrize("method", ["GET", "POST"])
def test_fewer_slow_requests_than_threads_hold_nobody_up(served: Served, method: str) -> None:
    slow = [served.later(served.send(method, SLOW)) for _ in range(THREADS - 1)]
    assert_others_are_served(served, *slow)
    assert all(answer.result().endswith(b"done") for answer in slow)


@pytest.mark.parametrize("method", ["GET", "POST"])
def test_as_many_slow_requests_as_threads_are_answered_side_by_side(served: Served, method: str) -> None:
    began = time.monotonic()
    slow = [served.later(served.send(method, SLOW)) for _ in range(THREADS)]
    assert all(answer.result().endswith(b"done") for answer in slow)
    assert time.monotonic() - began < 2 * SLOW


def test_a_client_that_stops_in_the_middle_of_a_head_holds_nobody_up(served: Served) -> None:
    halves = [served.connect() for _ in range(THREADS - 1)]
    for sock in halves:
        sock.sendall(b"GET /0 HTTP/1.1\r\nHos")
    assert_others_are_served(served)
    for sock in halves:
        sock.sendall(b"t: x\r\n\r\n")
        assert served.answer(sock).endswith(b"done")


def test_a_client_that_does_not_close_its_end_holds_nobody_up(served: Served) -> None:
    for _ in range(THREADS - 1):
        sock = served.send("GET", 0, headers="Connection: close\r\n")
        assert served.answer(sock).endswith(b"done")
    began = time.monotonic()
    assert_others_are_served(served)
    assert time.monotonic() - began < 2, "and they still have two seconds"


def test_connections_are_kept_for_their_time_and_no_longer(served: Served) -> None:
    idle, busy = served.send("GET", 0), served.connect()
    assert served.answer(idle).endswith(b"done")
    silent = served.connect()
    until = time.monotonic() + 2 * KEEPALIVE + 2
    while time.monotonic() < until:
        assert served.answer(served.send("GET", 0, busy)).endswith(b"done")
        time.sleep(0.2)
    for sock in (idle, silent):
        sock.settimeout(0.1)
        assert sock.recv(1) == b"", "closed"


def test_told_to_end_it_closes_what_is_idle_and_answers_what_has_been_sent(served: Served) -> None:
    idle, silent = served.send("GET", 0), served.connect()
    assert served.answer(idle).endswith(b"done")
    kept = served.send("GET", 0)
    assert served.answer(kept).endswith(b"done")
    slow = [served.later(served.send("POST", SLOW)) for _ in range(THREADS)]
    time.sleep(0.5)
    waiting = served.later(served.send("GET", 0, kept))
    assert served.child.pid
    os.kill(served.child.pid, signal.SIGTERM)
    told = time.monotonic()
    assert idle.recv(1) == silent.recv(1) == b""
    assert time.monotonic() - told > 1, "they had time to send what they were about to"
    assert all(answer.result().endswith(b"done") for answer in slow)
    assert waiting.result().endswith(b"done"), "although no thread was free for it before"
    served.child.finish()
    assert time.monotonic() - told < 2 * SLOW + 2


def test_an_app_that_exits_ends_no_thread(served: Served) -> None:
    for _ in range(2 * THREADS):
        assert b"200" not in served.answer(served.send("GET", "exit"))
    assert served.answer(served.send("GET", 0)).endswith(b"done")


def test_a_new_connection_goes_to_the_worker_that_has_fewer(monkeypatch: pytest.MonkeyPatch) -> None:
    taken: list[str] = []

    def worker(name: str, connections: int) -> Any:
        made: Any = Worker.__new__(Worker)
        made.nr_conns, made.cfg = connections, None
        made.enqueue_req = lambda conn: taken.append(name) or conn.close()
        return made

    few, many = worker("few", 1), worker("many", 4)
    with closing(socket.create_server(("127.0.0.1", 0))) as listener:
        listener.setblocking(False)

        def sleep(seconds: float) -> None:
            if seconds == pytest.approx(4 * COURTESY):  # meanwhile
                few.accept(listener)

        monkeypatch.setattr(gunicorn_worker.time, "sleep", sleep)
        with closing(socket.create_connection(listener.getsockname())):
            many.accept(listener)
            assert taken == ["few"]
        with closing(socket.create_connection(listener.getsockname())):
            monkeypatch.setattr(gunicorn_worker.time, "sleep", lambda _: None)
            many.accept(listener)
            assert taken == ["few", "many"], "nobody else wanted it"
