"""Clients that send slowly, or not at all, on a gunicorn with the production settings."""

import json
import socket
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, closing

import pytest

from tests.api_client import order_body, token
from tests.functional.serving_stage import PRICE, PRODUCT, Client, ServingStage
from tests.proof.chaos_stage import SECRET

pytestmark = [pytest.mark.slow, pytest.mark.no_cover, pytest.mark.timeout(300)]  # on a machine that has a lot to do
SLOW = 7
"""Slow clients: a worker has 8 threads, and may happen to be the one that takes all of them."""

BUSY = 24
"""Busy ones: more than both workers have threads."""


@pytest.fixture(scope="module")
def stage(mongo_uri: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[ServingStage]:
    with ServingStage(mongo_uri, tmp_path_factory.mktemp("slow")) as stage:
        stage.serve()
        yield stage


def connected(stage: ServingStage, stack: ExitStack) -> socket.socket:
    port = int(stage.environment["PORT"])
    return stack.enter_context(closing(socket.create_connection(("127.0.0.1", port), timeout=40)))


def placement() -> tuple[bytes, bytes]:
    """A placement's head and body as they go over the wire."""
    body = json.dumps(order_body("1", (PRODUCT, 1, PRICE))).encode()
    lines = (
        "POST /api/v1/orders/ HTTP/1.1",
        "Host: 127.0.0.1",
        f"Authorization: Bearer {token('1', key=SECRET)}",
        "Content-Type: application/json",
        f"Content-Length: {len(body)}",
        "Connection: close",
        "\r\n",
    )
    return "\r\n".join(lines).encode(), body


def test_fewer_slow_clients_than_a_worker_has_threads_keep_nobody_waiting(stage: ServingStage) -> None:
    head, body = placement()
    before = stage.orders["orders"].count_documents({})
    with ExitStack() as stack:
        slow = [connected(stage, stack) for _ in range(SLOW)]
        for sock in slow:
            sock.sendall(head + body[:10])
        quick = stack.enter_context(closing(Client(stage.root, kept=False)))
        for _ in range(20):
            assert quick.ask("GET", "/api/v1/orders/user/1?limit=5")[0] == 200
        assert stage.orders["orders"].count_documents({}) == before, "the slow ones are still at it"
        for sock in slow:
            sock.sendall(body[10:])
        assert [sock.recv(12) for sock in slow] == [b"HTTP/1.1 201"] * SLOW


def test_a_client_that_goes_away_in_the_middle_of_a_request_places_nothing(stage: ServingStage) -> None:
    head, body = placement()
    before = stage.orders["orders"].count_documents({})
    with ExitStack() as stack:
        connected(stage, stack).sendall(head + body[:-1])
    with closing(Client(stage.root, kept=True)) as other:
        assert other.ask("GET", "/health")[0] == 200
    time.sleep(0.5)
    assert stage.orders["orders"].count_documents({}) == before
    assert stage.tracebacks() == []


def test_silent_connections_keep_their_threads_for_seconds_only(stage: ServingStage) -> None:
    began = time.monotonic()
    with ExitStack() as stack:
        for _ in range(2 * 16):
            connected(stage, stack)
        client = stack.enter_context(closing(Client(stage.root, kept=True)))
        assert client.ask("GET", "/health")[0] == 200
        assert time.monotonic() - began < 25, "gunicorn waits for 5 s, and for two connections in each thread"


@pytest.mark.parametrize(
    "line", [b"GET /" + b"x" * 5000 + b" HTTP/1.1\r\n\r\n", b"GET / HTTP/1.1\r\n" + b"A: b\r\n" * 70]
)
def test_a_request_beyond_the_limits_is_refused(stage: ServingStage, line: bytes) -> None:
    with ExitStack() as stack:
        sock = connected(stage, stack)
        sock.sendall(line + b"\r\n")
        assert sock.recv(12) in (b"HTTP/1.1 400", b"HTTP/1.1 414", b"HTTP/1.1 431")


def test_more_busy_connections_than_threads_keep_none_waiting(stage: ServingStage) -> None:
    def asks(_: int) -> float:
        longest = 0.0
        with closing(Client(stage.root, kept=True)) as client:
            for _ in range(10):
                began = time.monotonic()
                assert client.ask("GET", "/health")[0] == 200
                longest = max(longest, time.monotonic() - began)
        return longest

    with ThreadPoolExecutor(BUSY) as pool:
        assert max(pool.map(asks, range(BUSY))) < 20


def test_requests_that_are_sent_ahead_are_answered_in_their_order(stage: ServingStage) -> None:
    paths = ["/health", "/api/v1/orders/", "/health", "/nothing"]
    with ExitStack() as stack:
        sock = connected(stage, stack)
        sock.sendall(b"".join(f"GET {path} HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n".encode() for path in paths))
        file, answered = stack.enter_context(sock.makefile("rb")), []
        for _ in paths:
            answered.append(int(file.readline().split()[1]))
            length = 0
            while (line := file.readline().strip()) != b"":
                if line.lower().startswith(b"content-length:"):
                    length = int(line.split(b":")[1])
            file.read(length)
    assert answered == [200, 401, 200, 404]
