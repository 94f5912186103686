"""A gunicorn with two workers, and workers of the stock, as in production: what they log, and what they count."""

import contextlib
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, Self

import pytest
import requests
from django.conf import settings
from django.db import connection
from prometheus_client.parser import text_string_to_metric_families

from devtools.localhost import ROOT, free_port
from integrations.sandbox import Sandbox
from tests.api_client import ApiClient

Line = dict[str, Any]
TOKEN = "scrape-0123456789"
PATIENCE = 60.0
NOT_INHERITED = ("MONGODB", "SANDBOX", "TEST_", "PYTEST", "DJANGO", "PROMETHEUS")


def environment(mongo_uri: str, sandbox: Sandbox, **more: str) -> dict[str, str]:
    """Production's settings, on the database and the peers of the tests."""
    inherited = {name: value for name, value in os.environ.items() if not name.startswith(NOT_INHERITED)}
    return inherited | {
        "DJANGO_SETTINGS_MODULE": "tests.settings.production",
        "SECRET_KEY": settings.SECRET_KEY.replace("-", "x"),
        "JWT_SHARED_KEY": settings.SECRET_KEY,
        "ALLOWED_HOSTS": "127.0.0.1",
        "SECURE_SSL_REDIRECT": "false",
        "MONGODB_URI": mongo_uri,
        "MONGODB_DB": connection.settings_dict["NAME"],
        "MONGODB_TIMEOUT_MS": "5000",
        "LOG_LEVEL": "DEBUG",
        "METRICS_TOKEN": TOKEN,
        "MAX_RETRIES": "1",
        "BREAKER_THRESHOLD": "1000",  # a fault in one test suspends no call of the next
        "RETRY_DELAY": "0.01",
        "PEER_CONNECT_TIMEOUT": "2",
        "PEER_READ_TIMEOUT": "5",
        "INVENTORY_WRITE_TIMEOUT": "5",
        "STOCK_RETRY_DELAY": "0.05",
        "STOCK_RETRY_MAX_DELAY": "0.1",
        "WORKER_INTERVAL": "0.05",
        "EXPIRE_UNPAID_EVERY": "0",
        **{f"{peer}_SERVICE_URL": sandbox.url for peer in ("USER", "PRODUCT", "INVENTORY")},
        **more,
    }


class Process:
    """A process of ours, its log in a file; killed at the end of the block if it has not ended by then."""

    def __init__(self, command: list[str], environment: dict[str, str], log: Path) -> None:
        self.environment, self.log = environment, log
        self._read: list[Line] = []
        self._offset = 0
        with log.open("wb") as output:
            self.process = subprocess.Popen(
                [sys.executable, *command],
                env=environment, cwd=ROOT, stdout=output, stderr=subprocess.STDOUT, start_new_session=True,
            )  # fmt: skip

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_exception: object) -> None:
        self.process.terminate()
        try:
            self.process.wait(10)
        except subprocess.TimeoutExpired:
            os.killpg(self.process.pid, signal.SIGKILL)
            self.process.wait()

    def lines(self) -> list[Line]:
        """Its log: each line must be a JSON object."""
        with self.log.open("rb") as file:
            file.seek(self._offset)
            for line in file:
                if not line.endswith(b"\n"):
                    break
                self._offset += len(line)
                self._read.append(json.loads(line))
        return self._read

    def await_line(self, wanted: Callable[[Line], bool]) -> Line:
        return eventually(lambda: next((line for line in self.lines() if wanted(line)), None))

    def requests(self, request_id: str) -> list[Line]:
        """The lines of requests by this id, once there is one; a moment later, should there be another."""

        def found() -> list[Line]:
            wanted = (request_id, "orders.requests")
            return [line for line in self.lines() if (line.get("request_id"), line["logger"]) == wanted]

        eventually(found)
        time.sleep(0.02)
        return found()

    def scrape(self, port: str, token: str = TOKEN) -> dict[str, dict[tuple[tuple[str, str], ...], float]]:
        answer = requests.get(
            f"http://127.0.0.1:{self.environment[port]}/metrics",
            headers={"Authorization": f"Bearer {token}"}, timeout=30,
        )  # fmt: skip
        assert answer.status_code == 200, answer.text
        return samples(answer.text)


class Service(Process):
    """gunicorn, with two workers."""

    def __init__(self, environment: dict[str, str], log: Path) -> None:
        ports = {"PORT": str(free_port()), "METRICS_PORT": str(free_port()), "WEB_CONCURRENCY": "2"}
        command = ["-m", "gunicorn", "-c", "python:orders_project.web.gunicorn_conf"]
        super().__init__(command, ports | environment, log)
        self.root = f"http://127.0.0.1:{self.environment['PORT']}"

    def await_ready(self) -> Self:
        def ready() -> bool:
            assert self.process.poll() is None, self.log.read_text()
            with contextlib.suppress(requests.RequestException):
                return requests.get(f"{self.root}/health/ready", timeout=30).status_code == 200
            return False

        eventually(ready)
        eventually(lambda: len(self.workers()) == 2)
        return self

    def workers(self) -> list[int]:
        """Process ids of gunicorn's workers."""
        children = Path(f"/proc/{self.process.pid}/task/{self.process.pid}/children").read_text().split()
        return [int(pid) for pid in children]


def samples(text: str) -> dict[str, dict[tuple[tuple[str, str], ...], float]]:
    """Prometheus's text, read by its own parser: name of the sample → labels → value."""
    found: dict[str, dict[tuple[tuple[str, str], ...], float]] = {}
    for family in text_string_to_metric_families(text):
        for sample in family.samples:
            labels = tuple(sorted(sample.labels.items()))
            assert labels not in found.setdefault(sample.name, {}), f"twice: {sample}"
            found[sample.name][labels] = sample.value
    return found


def total(found: dict[tuple[tuple[str, str], ...], float], **labels: str) -> float:
    """The sum of the samples with these labels."""
    return sum(value for known, value in found.items() if set(labels.items()) <= set(known))


def eventually(look: Callable[[], Any], patience: float = PATIENCE) -> Any:
    until = time.monotonic() + patience
    while not (found := look()):
        assert time.monotonic() < until, "it did not come about"
        time.sleep(0.05)
    return found


@pytest.fixture(scope="module", name="service")
def service_fixture(
    mongo_uri: str, running_sandbox: Sandbox, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Service]:
    log = tmp_path_factory.mktemp("service") / "web.log"
    with Service(environment(mongo_uri, running_sandbox), log) as service:
        yield service.await_ready()


@pytest.fixture(name="shop")
def shop_fixture(service: Service, sandbox: Sandbox) -> Iterator[Callable[..., ApiClient]]:
    """A maker of clients of the service that runs as in production."""
    made: list[ApiClient] = []

    def make(user_id: str = "1", **options: Any) -> ApiClient:
        made.append(ApiClient(service.root, user_id, **options))
        return made[-1]

    yield make
    for client in made:
        client.close()
