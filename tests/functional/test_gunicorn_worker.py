"""Our worker of gunicorn: who waits for whom, and what becomes of connections, with an app that only waits."""

import errno
import os
import selectors
import signal
import socket
import struct
import sys
import threading
import time
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import ExitStack, closing, suppress
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from gunicorn.config import Config
from gunicorn.glogging import Logger
from gunicorn.workers.gthread import TConn

from devtools.child_processes import Child
from devtools.localhost import free_port, listens
from orders_project.gunicorn_worker import COURTESY, Worker
from tests.functional.waiting_app import application

THREADS = 3
SLOW = 3.0
"""Seconds of a slow request: more than anything else takes on a machine that has a lot to do."""
KEEPALIVE = 30
IDLE = 2
"""Seconds for which an idle connection is kept in the test that is about it."""


def asked(sock: socket.socket, method: str, path: object, headers: str = "") -> socket.socket:
    sock.sendall(f"{method} /{path} HTTP/1.1\r\nHost: x\r\n{headers}\r\n".encode())
    return sock


class Served:
    """gunicorn with one such worker, and connections to it that end with the test."""

    def __init__(self, log: Path, stack: ExitStack, keepalive: int = KEEPALIVE) -> None:
        self.port, self.log, self._stack = free_port(), log, stack
        command = ["-m", "gunicorn", "-b", f"127.0.0.1:{self.port}", "-w", "1", "--threads", str(THREADS)]
        command += ["-k", "orders_project.gunicorn_worker.Worker", "--keep-alive", str(keepalive)]
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

    def send(self, method: str, path: object, sock: socket.socket | None = None) -> socket.socket:
        return asked(sock or self.connect(), method, path)

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


def test_connections_are_kept_for_their_time_and_no_longer(tmp_path: Path) -> None:
    with ExitStack() as stack:
        served = Served(tmp_path / "log", stack, IDLE)
        idle, silent = served.send("GET", 0), served.connect()
        assert served.answer(idle).endswith(b"done")
        began = time.monotonic()
        assert idle.recv(1) == silent.recv(1) == b"", "closed"
        assert time.monotonic() - began > IDLE - 1


def test_a_connection_that_is_used_is_kept(served: Served) -> None:
    sock = served.connect()
    for _ in range(200):
        assert served.answer(served.send("GET", 0, sock)).endswith(b"done")


def test_clients_that_reset_their_connections_cost_nobody_else_anything(served: Served) -> None:
    slow = served.later(served.send("POST", SLOW))
    address = ("127.0.0.1", served.port)
    reset = struct.pack("ii", 1, 0)
    until = time.monotonic() + SLOW / 2
    while time.monotonic() < until:
        with socket.socket() as sock:
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, reset)
            sock.connect(address)
        time.sleep(0.001)
    assert_others_are_served(served)
    assert slow.result().endswith(b"done")
    assert "Booting worker" in served.log.read_text()
    assert served.log.read_text().count("Booting worker") == 1, "it is the same worker"


def test_clients_that_send_ahead_without_end_keep_nobody_waiting(served: Served) -> None:
    """The first request is of an odd length: what is read, 8 kB, never ends with the end of a request."""
    over = threading.Event()

    def send_on(sock: socket.socket) -> None:
        with suppress(OSError):
            sock.sendall(b"GET /0 HTTP/1.1\r\nHost: odd\r\n\r\n")
            while not over.is_set():
                sock.sendall(b"GET /0 HTTP/1.1\r\nHost: even\r\n\r\n" * 20)

    def read_on(sock: socket.socket) -> None:
        with suppress(OSError):
            while not over.is_set() and sock.recv(65536):
                pass

    with ExitStack() as stack:
        threads = stack.enter_context(ThreadPoolExecutor(2 * THREADS))
        stack.callback(over.set)
        for _ in range(THREADS):
            sock = stack.enter_context(closing(socket.create_connection(("127.0.0.1", served.port), timeout=5)))
            threads.submit(send_on, sock)
            threads.submit(read_on, sock)
        began = time.monotonic()
        assert_others_are_served(served)
        over.set()
        assert time.monotonic() - began < 10


def test_reads_that_only_wait_are_answered_side_by_side(served: Served) -> None:
    """One by one they would take their sum at least, however quick the machine is."""
    wait, each = 0.008, 100

    def asks(_: int) -> None:
        sock = served.connect()
        for _ in range(each):
            assert served.answer(served.send("GET", wait, sock)).endswith(b"done")

    began = time.monotonic()
    with ThreadPoolExecutor(2 * THREADS) as clients:
        list(clients.map(asks, range(2 * THREADS)))
    assert time.monotonic() - began < 0.8 * wait * each * 2 * THREADS


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
    assert 1 < time.monotonic() - told < KEEPALIVE / 2, "they had time to send what they were about to, and no more"
    assert all(answer.result().endswith(b"done") for answer in slow)
    assert waiting.result().endswith(b"done"), "although no thread was free for it before"
    served.child.finish()
    assert time.monotonic() - told < KEEPALIVE / 2


def test_told_to_end_it_takes_who_has_connected_already(served: Served) -> None:
    assert served.child.pid
    children = Path(f"/proc/{served.child.pid}/task/{served.child.pid}/children")
    worker = int(children.read_text())
    os.kill(worker, signal.SIGSTOP)
    early = [served.send("GET", 0) for _ in range(5)]
    os.kill(worker, signal.SIGTERM)
    os.kill(worker, signal.SIGCONT)
    assert all(served.answer(sock).endswith(b"done") for sock in early)


def test_an_app_that_exits_ends_no_thread(served: Served) -> None:
    for _ in range(2 * THREADS):
        assert b"200" not in served.answer(served.send("GET", "exit"))
    assert served.answer(served.send("GET", 0)).endswith(b"done")


@pytest.fixture
def unwatched() -> Any:
    """A worker in this process, whose main thread does nothing: nobody sees how long a request takes."""
    cfg = Config()
    for name, value in {"threads": 2, "keepalive": KEEPALIVE}.items():
        cfg.set(name, value)
    worker: Any = Worker(1, os.getppid(), [], None, 30, cfg, Logger(cfg))
    worker.wsgi = application
    worker.method_queue.init()
    worker.poller = selectors.DefaultSelector()
    worker.prepare()
    worker.begin()
    return worker


def connected_to(worker: Any, stack: ExitStack) -> socket.socket:
    ours, theirs = socket.socketpair()
    ours.settimeout(20)
    stack.enter_context(closing(ours))
    worker.nr_conns += 1
    worker.enqueue_req(TConn(worker.cfg, theirs, ("127.0.0.1", 1), ("127.0.0.1", 2)))
    return ours


def test_a_write_lets_the_next_request_be_answered_at_once(unwatched: Any) -> None:
    with ExitStack() as stack:
        slow, quick = connected_to(unwatched, stack), connected_to(unwatched, stack)
        asked(slow, "POST", SLOW)
        time.sleep(0.2)
        began = time.monotonic()
        assert asked(quick, "GET", 0).recv(4096)
        assert time.monotonic() - began < SLOW / 2


def test_a_client_that_does_not_close_its_end_holds_nobody_up(unwatched: Any) -> None:
    with ExitStack() as stack:
        lazy, quick = connected_to(unwatched, stack), connected_to(unwatched, stack)
        assert asked(lazy, "GET", 0, "Connection: close\r\n").recv(4096)
        began = time.monotonic()
        assert asked(quick, "GET", 0).recv(4096)
        assert time.monotonic() - began < 1, "that client has two seconds"


def test_a_read_that_takes_long_is_waited_for_until_that_is_seen(unwatched: Any) -> None:
    with ExitStack() as stack:
        slow, quick = connected_to(unwatched, stack), connected_to(unwatched, stack)
        asked(slow, "GET", SLOW)
        time.sleep(0.2)
        asked(quick, "GET", 0).settimeout(0.3)
        with pytest.raises(TimeoutError):
            quick.recv(4096)
        for _ in range(2):
            unwatched.watch(0.05)
        quick.settimeout(SLOW / 2)
        assert quick.recv(4096)


def test_a_connection_is_not_accepted_without_file_descriptors_and_the_worker_goes_on(unwatched: Any) -> None:
    class Full:
        def accept(self) -> Any:
            raise OSError(errno.EMFILE, os.strerror(errno.EMFILE))

    unwatched.accept(Full())
    assert unwatched.nr_conns == 0
    with ExitStack() as stack:
        assert asked(connected_to(unwatched, stack), "GET", 0).recv(4096)


def test_a_new_connection_goes_to_the_worker_that_has_fewer(monkeypatch: pytest.MonkeyPatch) -> None:
    taken: list[str] = []

    def worker(name: str, connections: int) -> Any:
        def enqueue_req(conn: Any) -> None:
            taken.append(name)
            conn.close()

        made: Any = Worker.__new__(Worker)
        made.nr_conns, made.cfg = connections, SimpleNamespace(workers=2, threads=8)
        made.enqueue_req = enqueue_req
        return made

    few, many = worker("few", 1), worker("many", 4)
    with closing(socket.create_server(("127.0.0.1", 0))) as listener:
        listener.setblocking(False)

        def sleep(seconds: float) -> None:
            if seconds == pytest.approx(4 * COURTESY):  # meanwhile
                few.accept(listener)

        monkeypatch.setattr(time, "sleep", sleep)
        with closing(socket.create_connection(listener.getsockname())):
            many.accept(listener)
            assert taken == ["few"]
        with closing(socket.create_connection(listener.getsockname())):
            monkeypatch.setattr(time, "sleep", lambda _: None)
            many.accept(listener)
            assert taken == ["few", "many"], "nobody else wanted it"
