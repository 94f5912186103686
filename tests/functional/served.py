"""The service as it is served: gunicorn with its own configuration, on a port of its own, asked over sockets."""

import os
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import suppress

import pytest
from django.conf import settings
from django.db import connection

from integrations.sandbox import Sandbox
from tests.functional.access.stage import Stage

Address = tuple[str, int]


@pytest.fixture(scope="module", name="gunicorn")
def gunicorn_fixture(stage: Stage, running_sandbox: Sandbox) -> Iterator[Address]:
    """It has the test's database and the sandbox for its peers."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    environment = os.environ | {
        "DJANGO_SETTINGS_MODULE": "orders_project.settings.test",
        "MONGODB_URI": connection.settings_dict["HOST"],
        "MONGODB_DB": connection.settings_dict["NAME"],
        "JWT_SHARED_KEY": settings.JWT_SHARED_KEY,
        "JWT_JWKS_URL": settings.JWT_JWKS_URL,
        "PORT": str(port),
        "WEB_CONCURRENCY": "1",
        "WEB_THREADS": "4",
        **{f"{peer}_SERVICE_URL": running_sandbox.url for peer in ("USER", "PRODUCT", "INVENTORY")},
    }
    command = [sys.executable, "-m", "gunicorn", "-c", "python:orders_project.web.gunicorn_conf"]
    with subprocess.Popen(command, env=environment, stderr=subprocess.DEVNULL) as process:
        try:
            _wait_for(port)
            yield "127.0.0.1", port
        finally:
            process.terminate()


def _wait_for(port: int) -> None:
    until = time.monotonic() + 60
    while time.monotonic() < until:
        try:
            socket.create_connection(("127.0.0.1", port), timeout=1).close()
        except OSError:
            time.sleep(0.1)
        else:
            return
    pytest.fail("the server did not start")


def exchange(server: Address, head: bytes, body: bytes = b"", *, ends: bool = False) -> int:
    """Send bytes as they are. :returns: the status of the answer. :param ends: say that nothing follows."""
    return int(converse(server, head, body, ends=ends).split(b" ", 2)[1])


def converse(server: Address, head: bytes, body: bytes = b"", *, ends: bool = False) -> bytes:
    """Send bytes as they are. :returns: what comes back at first; all of it, where the request asks to close."""
    with socket.create_connection(server, timeout=60) as connected:
        connected.sendall(head)
        with suppress(OSError):  # it may answer before it has read everything
            connected.sendall(body)
        if ends:
            connected.shutdown(socket.SHUT_WR)
        answer = connected.recv(65536)
        while ends and (more := connected.recv(65536)):
            answer += more
        return answer


def hang_up(server: Address, sent: bytes) -> None:
    """Send bytes and close the connection without waiting for an answer."""
    with socket.create_connection(server, timeout=60) as connected:
        connected.sendall(sent)
