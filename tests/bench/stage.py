"""What is measured: this service and its three twins, two processes each, over one mongod and one sandbox."""

import os
import re
import secrets
import sys
import time
from contextlib import ExitStack, suppress
from pathlib import Path
from typing import Any, Self

import jwt
import requests
from pymongo import MongoClient
from pymongo.database import Database

from devtools.child_processes import Child
from devtools.embedded_mongo import EmbeddedMongo
from devtools.localhost import ROOT, free_port
from devtools.real_systems import HANDED_ON

PROCESSES, THREADS = 2, 8
CALLERS = 16
"""Who calls: storefronts and staff are many, and what a service counts of each caller is not one document."""
START = 60.0
"""Seconds for a server to answer."""
TICKS = os.sysconf("SC_CLK_TCK")
PAGE = os.sysconf("SC_PAGE_SIZE")
GUNICORN = ["-m", "gunicorn", "-k", "gthread", "--keep-alive", "30", "--timeout", "60", "--no-control-socket"]
SERVERS = {
    "floor": [*GUNICORN, "tests.bench.twins.floor:application"],
    "service": ["-m", "gunicorn", "-c", "python:orders_project.web.gunicorn_conf"],
    "drf": [*GUNICORN, "django.core.wsgi:get_wsgi_application()"],
    "fastapi": ["-m", "uvicorn", "tests.bench.twins.fast:app", "--no-access-log", "--log-level", "warning"],
}
NAMES = {"floor": "floor", "service": "this service", "drf": "DRF twin", "fastapi": "FastAPI twin"}
SETTINGS = {"drf": "tests.bench.twins.drf_settings"}


class Server:
    """One of the four.

    :ivar url: its address, without a slash at its end.
    """

    def __init__(self, name: str, environment: dict[str, str], log: Path) -> None:
        port = str(free_port())
        self.name, self.url = name, f"http://127.0.0.1:{port}"
        self._environment = environment | {"PORT": port}
        if name in SETTINGS:
            self._environment["DJANGO_SETTINGS_MODULE"] = SETTINGS[name]
        listen = {
            "service": [],
            "fastapi": ["--port", port, "--workers", str(PROCESSES)],
        }.get(name, ["-b", f"127.0.0.1:{port}", "-w", str(PROCESSES), "--threads", str(THREADS)])
        self.child = Child(name, [sys.executable, *SERVERS[name], *listen], log=log)

    def start(self, token: str) -> None:
        self.child.start(self._environment)
        until = time.monotonic() + START
        while True:
            with suppress(requests.RequestException):
                asked = {"Authorization": f"Bearer {token}"}
                if requests.get(f"{self.url}/api/v1/orders/?limit=1", headers=asked, timeout=START).ok:
                    return
            if not self.child.running or time.monotonic() > until:
                raise self.child.failure()
            time.sleep(0.1)

    def _processes(self) -> dict[Path, list[str]]:
        """The fields of `/proc/<pid>/stat` after the name, of each of its processes, by `/proc/<pid>`."""
        found = {}
        for stat in Path("/proc").glob("[0-9]*/stat"):
            with suppress(OSError):
                fields = stat.read_text().rpartition(")")[2].split()
                if int(fields[3]) == self.child.pid:  # the session
                    found[stat.parent] = fields
        return found

    def cpu_seconds(self) -> float:
        return sum(int(fields[11]) + int(fields[12]) for fields in self._processes().values()) / TICKS

    def most_resident(self) -> float:
        """MB of its largest process."""
        return max(int(fields[21]) for fields in self._processes().values()) * PAGE / 2**20

    def forget_peaks(self) -> None:
        """Have :meth:`peak_resident` tell of what follows."""
        for process in self._processes():
            (process / "clear_refs").write_text("5")

    def peak_resident(self) -> float:
        """MB that its largest process has had at any time."""
        said = [(process / "status").read_text() for process in self._processes()]
        return max(int(re.findall(r"VmHWM:\s+(\d+) kB", status)[0]) for status in said) / 1024


class Stage:
    """As a context manager: everything is up. `directory` is for data and logs."""

    def __init__(self, directory: Path, *, database: str = "bench_http", uri: str | None = None) -> None:
        self._stack, self._directory, self._uri = ExitStack(), directory, uri
        self.database_name = database
        self.servers: dict[str, Server] = {}

    def __enter__(self) -> Self:
        try:
            self._up()
        except BaseException:
            self._stack.close()
            raise
        return self

    def __exit__(self, *_exception: object) -> None:
        self._stack.close()

    def _up(self) -> None:
        uri = self._uri or self._stack.enter_context(EmbeddedMongo(self._directory / "mongo", cache_gb=2)).uri
        self.client: MongoClient[dict[str, Any]] = self._stack.enter_context(MongoClient(uri, tz_aware=False))
        self.database: Database[dict[str, Any]] = self.client[self.database_name]
        key = secrets.token_hex(32)
        claims = {"exp": int(time.time()) + 24 * 3600, "type": "access", "role": "admin"}
        self.tokens = [jwt.encode(claims | {"sub": f"bench-{n}"}, key, algorithm="HS256") for n in range(CALLERS)]
        self.environment = os.environ | {
            "DJANGO_SETTINGS_MODULE": "orders_project.settings.development", "DEBUG": "false", "JWT_SHARED_KEY": key,
            "INVENTORY_IS_ATOMIC": "true",
            "MONGODB_URI": uri, "MONGODB_DB": self.database_name, "SANDBOX_MONGODB_DB": f"{self.database_name}_sandbox",
            HANDED_ON: "",  # the database and the peers are our own
            "WEB_CONCURRENCY": str(PROCESSES), "WEB_THREADS": str(THREADS), "PYTHONPATH": str(ROOT),
            "PYTHONUNBUFFERED": "1", "LOG_FORMAT": "json",
        }  # fmt: skip
        sandbox = Child("sandbox", [sys.executable, "-m", "integrations.sandbox", "--port", "0", "--seed"],
                        log=self._directory / "sandbox.log")  # fmt: skip
        self._stack.callback(sandbox.stop)
        address = sandbox.start(self.environment).await_line(r"http://\S+:\d+/\S*", START)[0]
        self.environment |= {f"{peer}_SERVICE_URL": address for peer in ("USER", "PRODUCT", "INVENTORY")}
        self.manage("migrate", "-v0")

    def manage(self, *arguments: str) -> None:
        self.run("manage.py", *arguments)

    def run(self, *arguments: str) -> None:
        command = Child(arguments[0], [sys.executable, *arguments], log=self._directory / "manage.log")
        self._stack.callback(command.stop)
        command.start(self.environment).finish()

    def fill(self, orders: int) -> None:
        """Have so many orders in the database, at least."""
        self.run("-m", "tests.bench.data", "--orders", str(orders), "--among-others")

    def stock_up(self) -> None:
        """Have inventory hold more of every product than will be asked for."""
        stock = self.client[f"{self.database_name}_sandbox"].stock
        stock.update_many({}, {"$set": {"available": 10**9, "reserved": 10**9}})

    def serve(self, *names: str) -> None:
        for name in names:
            server = Server(name, self.environment, self._directory / f"{name}.log")
            self._stack.callback(server.child.stop)
            server.start(self.tokens[0])
            self.servers[name] = server

    def restart(self) -> None:
        """The same servers in new processes."""
        for server in self.servers.values():
            server.child.stop()
            server.start(self.tokens[0])
