"""The processes of a run over HTTP, all real, on a database of their own: sandbox, gunicorn, settle workers."""

import contextlib
import json
import os
import signal
import subprocess
import sys
import time
import uuid
from pathlib import Path
from typing import Any, Self

import requests
from pymongo import MongoClient
from pymongo.database import Database

from orders_project.children import ROOT, Child, ChildError
from orders_project.loopback import free_port

Document = dict[str, Any]

SECRET = "chaos-only-0123456789-0123456789-0123456789"
TIMES = {
    "PEER_CONNECT_TIMEOUT": "0.2",
    "PEER_READ_TIMEOUT": "0.5",
    "REQUEST_DEADLINE": "1.8",
    "GUNICORN_TIMEOUT": "2",
    "STOCK_LEASE": "3",
    "STOCK_RETRY_DELAY": "0.05",
    "STOCK_RETRY_MAX_DELAY": "0.4",
    "MAX_RETRIES": "2",
    "RETRY_DELAY": "0.02",
    "WORKER_INTERVAL": "0.05",
    "BREAKER_THRESHOLD": "8",
    "BREAKER_RECOVERY": "0.2",
}
"""Short, so that leases lapse within a run; in the order that the settings ask for."""
UNLIMITED = {"RATE_LIMIT_WRITES": "1000000", "RATE_LIMIT_ADMIN_WRITES": "1000000"}
START = 60.0
"""Seconds for a process to be ready, on a machine that has a lot to do."""
MANAGE = [sys.executable, str(ROOT / "manage.py")]
NOT_INHERITED = ("COV", "MONGODB", "SANDBOX", "TEST_", "PYTEST", "USER_SERVICE", "PRODUCT_SERVICE", "INVENTORY")


class Stage:
    """As a context manager: the sandbox and a migrated database; ends every process that it started.

    Children are tied to the thread that starts them: start and kill from the thread that enters.

    :param keys: whether inventory honours idempotency keys, and we know it.
    :param directory: for logs.
    """

    def __init__(self, uri: str, directory: Path, *, keys: bool, times: dict[str, str] | None = None) -> None:
        self.keys, self.directory = keys, directory
        self.name = f"chaos_{uuid.uuid4().hex[:12]}"
        self.children: list[Child] = []
        self.workers: list[Child] = []
        self.web: Child | None = None
        self._judge: subprocess.Popen[str] | None = None
        self._client: MongoClient[Document] = MongoClient(uri, timeoutMS=20_000)
        inherited = {name: value for name, value in os.environ.items() if not name.startswith(NOT_INHERITED)}
        inherited.pop("PYTHONDONTWRITEBYTECODE", None)  # else each process would compile all of it again
        self.environment = inherited | TIMES | UNLIMITED | (times or {}) | {
            "DJANGO_SETTINGS_MODULE": "orders_project.settings.development",
            "PYTHONUNBUFFERED": "1",
            "DEBUG": "false",
            "SECRET_KEY": SECRET,
            "MONGODB_URI": uri,
            "MONGODB_DB": self.name,
            "SANDBOX_MONGODB_DB": f"{self.name}_sandbox",
            "INVENTORY_HONOURS_IDEMPOTENCY_KEY": str(keys).lower(),
            "BIND_HOST": "127.0.0.1",
            "PORT": str(free_port()),
            "WEB_CONCURRENCY": "2",
            "WEB_THREADS": "8",
        }  # fmt: skip
        self.root = f"http://127.0.0.1:{self.environment['PORT']}"
        self.sandbox = ""

    def __enter__(self) -> Self:
        """:raises ChildError: if a process does not come up."""
        self.directory.mkdir(parents=True, exist_ok=True)
        try:
            sandbox = self._start("sandbox", [sys.executable, "-m", "integrations.sandbox", "--port", "0"])
            found = sandbox.await_line(r"http://\S+:(\d+)/\S*", START)
            for peer in ("USER", "PRODUCT", "INVENTORY"):
                self.environment[f"{peer}_SERVICE_URL"] = found[0]
            self.sandbox = f"http://127.0.0.1:{found[1]}"
            self._start_judge()
            self.tell("PUT", "keys", {"honour": self.keys})
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *_exception: object) -> None:
        for child in reversed(self.children):
            child.stop()
        if self._judge is not None:
            with self._judge:  # closes its pipes, and waits
                self._judge.kill()
        with contextlib.suppress(Exception):
            for name in (self.name, f"{self.name}_sandbox"):
                self._client.drop_database(name)
        self._client.close()

    @property
    def orders(self) -> Database[Document]:
        return self._client[self.name]

    @property
    def inventory(self) -> Database[Document]:
        return self._client[f"{self.name}_sandbox"]

    def tell(self, method: str, path: str, body: Any = None) -> Any:
        """Tell the sandbox something over its control."""
        with requests.Session() as session:
            session.trust_env = False
            answer = session.request(method, f"{self.sandbox}/control/{path}", json=body, timeout=20)
        answer.raise_for_status()
        return answer.json() if answer.content else None

    def start_web(self, *options: str) -> None:
        # A worker that is loading while others have the processor is not to be taken for one that hangs.
        command = ["-m", "gunicorn", "-c", "python:orders_project.gunicorn_conf", "--timeout", "60", *options]
        self.web = self._start("web", [sys.executable, *command])

    def await_ready(self) -> None:
        """Wait until the database is migrated and, where it has been started, gunicorn answers."""
        self._await_judge("migrated")
        if self.web is None:
            return
        until = time.monotonic() + START
        while True:
            with contextlib.suppress(requests.RequestException), requests.Session() as session:
                session.trust_env = False
                if session.get(f"{self.root}/health/ready", timeout=5).status_code == 200:
                    return
            if not self.web.running or time.monotonic() > until:
                raise self.web.failure()
            time.sleep(0.1)

    def start_worker(self) -> Child:
        name = f"worker-{len(self.workers) + 1}"
        self.workers.append(self._start(name, [*MANAGE, "settle_stock", "--loop"]))
        return self.workers[-1]

    def kill(self, child: Child) -> None:
        """End a child by SIGKILL."""
        if child.pid and child.running:
            os.kill(child.pid, signal.SIGKILL)
        child.stop()

    def restart(self, child: Child) -> None:
        if not child.running:
            child.stop()
            child.start(self.environment)

    def web_workers(self) -> list[int]:
        """Process ids of gunicorn's workers."""
        assert self.web is not None
        listed = subprocess.run(["ps", "-axo", "pid=,ppid="], capture_output=True, text=True, check=True)  # noqa: S607
        pairs = (line.split() for line in listed.stdout.splitlines())
        return [int(pid) for pid, parent in pairs if int(parent) == self.web.pid]

    def judge(self, claims: Document, patience: float) -> Document:
        """Let the workers finish, settle what is unknown, and check everything; see `chaos_judge`."""
        assert self._judge is not None
        try:
            said, _ = self._judge.communicate(json.dumps(claims | {"patience": patience}) + "\n", 2 * patience + START)
        except subprocess.TimeoutExpired:
            self._judge.kill()
            said, _ = self._judge.communicate()
        if self._judge.returncode:
            raise ChildError(f"the judge failed; its log: {self.directory / 'judge.log'}")
        verdict: Document = json.loads(said)
        return verdict

    def tracebacks(self) -> list[str]:
        """What our processes logged as faults of their own: the line before each traceback, and its last one."""
        found = []
        for child in self.children:
            lines = child.log.read_text(errors="replace").splitlines() if child.log and child.log.exists() else []
            for number, line in enumerate(lines):
                if line.startswith("Traceback"):
                    end = next((text for text in lines[number + 1 :] if text and not text.startswith(" ")), "")
                    found.append(f"{child.name}: {lines[max(number - 1, 0)][:200]} … {end[:300]}")
        return found

    def _start_judge(self) -> None:
        """Early, since it takes its time to load; it costs nothing while it waits."""
        with (self.directory / "judge.log").open("w") as log:
            self._judge = subprocess.Popen(
                [sys.executable, "-m", "tests.proof.chaos_judge"],
                env=self.environment, cwd=ROOT, text=True, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=log,
            )  # fmt: skip

    def _await_judge(self, word: str) -> None:
        assert self._judge is not None
        assert self._judge.stdout is not None
        if self._judge.stdout.readline().strip() != word:
            raise ChildError(f"the judge failed; its log: {self.directory / 'judge.log'}")

    def _start(self, name: str, command: list[str]) -> Child:
        child = Child(name, command, log=self.directory / f"{name}.log")
        self.children.append(child)
        return child.start(self.environment)
