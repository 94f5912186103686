"""The processes of a run over HTTP, all real, on a database of their own: three peers, gunicorn, settle workers."""

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

from devtools.child_processes import Child, ChildError
from devtools.localhost import ROOT, free_port, listens
from tests.proof.inventories import Inventory

Document = dict[str, Any]

SECRET = "chaos-only-0123456789-0123456789-0123456789"
TIMES = {
    "PEER_CONNECT_TIMEOUT": "0.2",
    "PEER_READ_TIMEOUT": "0.5",
    "INVENTORY_WRITE_TIMEOUT": "0.5",
    "REQUEST_DEADLINE": "1.8",
    "DATABASE_DEADLINE": "1.9",
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
UNLIMITED = dict.fromkeys(("RATE_LIMIT_WRITES", "RATE_LIMIT_ADMIN_WRITES", "MAX_OPEN_ORDERS_PER_USER"), "1000000")
PEERS = ("USER", "PRODUCT", "INVENTORY")
PAUSE = 0.02
"""Seconds between the look and the change of an inventory that is not atomic."""
START = 60.0
"""Seconds for a process to be ready, on a machine that has a lot to do."""
MANAGE = [sys.executable, str(ROOT / "manage.py")]
NOT_INHERITED = ("COV", "MONGODB", "SANDBOX", "TEST_", "PYTEST", "USER_SERVICE", "PRODUCT_SERVICE", "INVENTORY")


class Stage:
    """As a context manager: three peers, each a sandbox of its own, and a migrated database; ends every process that it
    started.

    Children are tied to the thread that starts them: start and kill from the thread that enters.

    :param keys: whether inventory honours idempotency keys, and we know it.
    :param inventory: what it is like.
    :param directory: for logs.
    :param peers_uri: of the mongod in which the peers keep their stock, where that is another.
    :param settings: the settings module of our own processes.
    """

    def __init__(
        self, uri: str, directory: Path, *, keys: bool, inventory: Inventory = Inventory.ATOMIC,
        times: dict[str, str] | None = None, peers_uri: str = "", settings: str = "orders_project.settings.development",
    ) -> None:  # fmt: skip
        self.keys, self.inventory_kind, self.directory = keys, inventory, directory
        self.name = f"chaos_{uuid.uuid4().hex[:12]}"
        self.children: list[Child] = []
        self.workers: list[Child] = []
        self.peers: dict[str, Child] = {}
        self.web: Child | None = None
        self._judge: subprocess.Popen[str] | None = None
        self._client: MongoClient[Document] = MongoClient(uri, timeoutMS=20_000)
        self._peers_client: MongoClient[Document] = MongoClient(peers_uri or uri, timeoutMS=20_000)
        self._ports = {peer: free_port() for peer in PEERS}
        inherited = {name: value for name, value in os.environ.items() if not name.startswith(NOT_INHERITED)}
        inherited.pop("PYTHONDONTWRITEBYTECODE", None)  # else each process would compile all of it again
        self.environment = inherited | TIMES | UNLIMITED | (times or {}) | {
            "DJANGO_SETTINGS_MODULE": settings,
            "PYTHONUNBUFFERED": "1",
            "DEBUG": "false",
            "SECRET_KEY": SECRET,
            "MONGODB_URI": uri,
            "MONGODB_DB": self.name,
            "SANDBOX_MONGODB_URI": peers_uri or uri,
            "SANDBOX_MONGODB_DB": f"{self.name}_sandbox",
            "INVENTORY_HONOURS_IDEMPOTENCY_KEY": str(keys).lower(),
            "INVENTORY_IS_ATOMIC": str(inventory.is_said_to_be_atomic).lower(),
            "BIND_HOST": "127.0.0.1",
            "PORT": str(free_port()),
            "WEB_CONCURRENCY": "2",
            "WEB_THREADS": "8",
            "WEBHOOKS_INSECURE": "true",
            **{f"{peer}_SERVICE_URL": f"http://127.0.0.1:{port}/api/v1" for peer, port in self._ports.items()},
        }  # fmt: skip
        self.root = f"http://127.0.0.1:{self.environment['PORT']}"

    def __enter__(self) -> Self:
        """:raises ChildError: if a process does not come up."""
        self.directory.mkdir(parents=True, exist_ok=True)
        try:
            self._start_judge()
            for peer, port in self._ports.items():
                command = [sys.executable, "-m", "integrations.sandbox", "--port", str(port)]
                command += ["--mongodb-uri", self.environment["SANDBOX_MONGODB_URI"]]
                command += ["--honour-keys"] * self.keys
                command += [] if self.inventory_kind.is_atomic else ["--pause", str(PAUSE)]
                self.peers[peer] = self.start(peer.lower(), command)
            for peer in PEERS:
                self._await_peer(peer)
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
            self._client.drop_database(self.name)
            self._peers_client.drop_database(f"{self.name}_sandbox")
        self._client.close()
        self._peers_client.close()

    @property
    def orders(self) -> Database[Document]:
        return self._client[self.name]

    @property
    def inventory(self) -> Database[Document]:
        return self._peers_client[f"{self.name}_sandbox"]

    def tell(self, method: str, path: str, body: Any = None) -> Any:
        """Tell inventory something over its control; of faults, which each process keeps for itself, tell all peers."""
        concerned = PEERS if path == "faults" else ("INVENTORY",)
        return [self._control(peer, method, path, body) for peer in concerned][-1]

    def peer_calls(self) -> dict[str, int]:
        """How often each operation of the peers was called, since they were last started."""
        return {name: count for peer in PEERS for name, count in self._control(peer, "GET", "")["counts"].items()}

    def _control(self, peer: str, method: str, path: str, body: Any = None) -> Any:
        with requests.Session() as session:
            session.trust_env = False
            address = f"http://127.0.0.1:{self._ports[peer]}/control/{path}"
            answer = session.request(method, address, json=body, timeout=20)
        answer.raise_for_status()
        return answer.json() if answer.content else None

    def lose_peer(self, peer: str, seconds: float) -> None:
        """Kill a peer by SIGKILL, and bring it back after a while; its faults are forgotten."""
        self.kill(self.peers[peer])
        time.sleep(seconds)
        self.restart(self.peers[peer])
        self._await_peer(peer)

    def _await_peer(self, peer: str) -> None:
        until = time.monotonic() + START
        while not listens(self._ports[peer]):
            if not self.peers[peer].running or time.monotonic() > until:
                raise self.peers[peer].failure()
            time.sleep(0.05)

    def start_web(self, *options: str) -> None:
        # A worker that is loading while others have the processor is not to be taken for one that hangs.
        command = ["-m", "gunicorn", "-c", "python:orders_project.web.gunicorn_conf", "--timeout", "60", *options]
        self.web = self.start("web", [sys.executable, *command])

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
        self.workers.append(self.start(name, [*MANAGE, "settle_stock", "--loop"]))
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

    def start(self, name: str, command: list[str]) -> Child:
        """Start a process with the environment of all, which is ended with the stage."""
        child = Child(name, command, log=self.directory / f"{name}.log")
        self.children.append(child)
        return child.start(self.environment)
