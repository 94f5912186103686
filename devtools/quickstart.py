"""Everything that the service needs, on this machine, from one command: what `make run` calls.

The database, the peers (stand-ins where no setting names a real one), migrations, demo data, the worker and the web
server are processes of their own; this one starts them in that order, watches them, and ends them in reverse order.
Real systems are touched as little as possible: nothing is loaded, and a real database gets its migrations and nothing
else; no worker is started on it, and it is not asked whether it takes writes.
It knows nothing of Django: `manage.py quickstart --prepare` is the part that does, and runs as a child.
"""

import os
import signal
import sys
import time
import urllib.error
import urllib.request
from contextlib import ExitStack, suppress
from pathlib import Path
from types import FrameType
from typing import IO

from devtools import localhost
from devtools.child_processes import Child, ChildError
from devtools.embedded_mongo import EmbeddedMongo, EmbeddedMongoError
from devtools.real_systems import DATABASE, HANDED_ON, PEERS, mongo_directory, named

SANDBOX_PORT = 8010
"""Where development settings look for the sandbox; another one is chosen while that is taken."""
MANAGE = str(localhost.ROOT / "manage.py")
_READY_TIMEOUT = 60.0
_RESTART_PAUSE = 1.0
"""Seconds before a worker that has ended is started again."""


class CannotRunError(Exception):
    """The quickstart cannot go on; the message is one line with what can be done."""


def main() -> int:
    """Run it all until Ctrl-C or SIGTERM; return 0 then, 2 (and one line on stderr) if something is in the way."""
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, _interrupt)
    try:
        with ExitStack() as stack:
            Quickstart(stack, localhost.data_dir(), dict(os.environ)).run()
    except KeyboardInterrupt as told:
        say(f"Everything has ended, on {told}. The data are kept; make run goes on with them.")
    except (CannotRunError, ChildError, EmbeddedMongoError) as error:
        sys.stderr.write(f"{error}\n")
        return 2
    return 0


def say(line: str) -> None:
    """Print a line at once, also into a pipe."""
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()


class Quickstart:
    """One run, all of whose processes end with `stack`.

    :param data: the directory for the database, logs and notes.
    :param environment: the settings for the children; what is missing there is filled in.
    """

    def __init__(self, stack: ExitStack, data: Path, environment: dict[str, str]) -> None:
        self._stack = stack
        self._data = data
        self._real = named(environment)
        self._mongo_directory = mongo_directory(data, environment)
        self._environment = environment | {
            HANDED_ON: " ".join(self._real),
            "DJANGO_SETTINGS_MODULE": "orders_project.settings.development",
            "PYTHONUNBUFFERED": "1",
            "DATA_DIR": str(data),
        }
        self._environment.setdefault("WEB_CONCURRENCY", "2")  # for one person, however many processors there are
        self._host = environment.get("BIND_HOST") or localhost.HOST
        self._port = _port(environment.get("PORT") or "8001")
        self._sandbox_port = _port(environment.get("SANDBOX_PORT") or str(SANDBOX_PORT), "SANDBOX_PORT")
        self._children: list[Child] = []
        self._mongo: EmbeddedMongo | None = None

    def run(self) -> None:
        """Bring everything up, print how to use it, and watch.

        :raises CannotRunError: if the port is taken or a run is under way.
        :raises ChildError: if a child fails.
        :raises EmbeddedMongoError: if the database cannot be started.
        :raises KeyboardInterrupt: when told to end.
        """
        self._stack.enter_context(_hold(self._data))
        _refuse_taken(self._host, self._port)
        self._provide_database()
        self._provide_peers()
        # It takes its time to load; nobody has its address before the data are there.
        web = self._start("gunicorn", "-m", "gunicorn", "-c", "python:orders_project.web.gunicorn_conf")
        welcome = self._prepare()
        self._await_ready(web)
        worker = None
        if DATABASE not in self._real:
            worker = self._start("worker", MANAGE, "run_worker")
        say(f"\n{welcome.read_text().rstrip()}\n\nCtrl-C ends everything. Logs: {self._data / 'logs'}")
        self._watch(worker)

    def _provide_database(self) -> None:
        if DATABASE not in self._real:
            self._environment[DATABASE] = self._embedded().uri

    def _embedded(self) -> EmbeddedMongo:
        """Return the MongoDB of our own, started where it is not up yet."""
        if self._mongo is None:
            say("Starting MongoDB …")
            self._mongo = EmbeddedMongo(self._mongo_directory)
            self._stack.callback(self._mongo.stop)
            self._mongo.start()
        return self._mongo

    def _provide_peers(self) -> None:
        missing = [name for name in PEERS if name not in self._real]
        if not missing:
            return
        stock = self._embedded().uri  # also beside a real database: it gets no stock of ours
        say("Starting the sandbox: users, products and inventory …")
        database = f"{self._environment.get('MONGODB_DB') or 'order_db'}_sandbox"
        self._environment.setdefault("SANDBOX_MONGODB_DB", database)
        port = self._sandbox_port if localhost.is_free(self._sandbox_port) else 0
        where = ["--port", str(port), "--mongodb-uri", stock]
        sandbox = self._start("sandbox", "-m", "integrations.sandbox", "--seed", *where)
        url = sandbox.await_line(r"http://\S+:(\d+)/\S*", _READY_TIMEOUT)
        self._environment |= dict.fromkeys(missing, url[0])
        if "PRODUCT_SERVICE_URL" in missing:
            self._environment.setdefault("PRODUCT_BACKEND", "integrations.sandbox.searchable.Products")
        note = self._data / "sandbox.port"
        note.write_text(url[1])
        self._stack.callback(note.unlink, missing_ok=True)

    def _prepare(self) -> Path:
        say("Preparing the database …")
        welcome = self._data / "welcome.txt"
        step = Child("preparing the database", [sys.executable, MANAGE, "quickstart", "--prepare", str(welcome)])
        self._stack.callback(step.stop)
        step.start(self._environment).finish()
        return welcome

    def _start(self, name: str, *arguments: str) -> Child:
        logs = self._data / "logs"
        logs.mkdir(exist_ok=True)
        child = Child(name, [sys.executable, *arguments], log=logs / f"{name}.log")
        self._stack.callback(child.stop)
        self._children.append(child.start(self._environment))
        return child

    def _await_ready(self, web: Child) -> None:
        # Whether a real database takes writes would be seen by writing.
        path = "/health" if DATABASE in self._real else "/health/ready"
        url = f"http://{localhost.reachable(self._host)}:{self._port}{path}"
        deadline = time.monotonic() + _READY_TIMEOUT
        while (answer := _ask(url)) != "200":
            if not web.running:
                raise web.failure()
            if time.monotonic() > deadline:
                raise ChildError(f"The service is not ready ({answer}); its log: {web.log}")
            time.sleep(0.05)

    def _watch(self, worker: Child | None) -> None:
        while True:
            time.sleep(0.5)
            if self._mongo is not None and not self._mongo.running:
                raise ChildError(f"MongoDB ended unexpectedly; its log: {self._mongo.log}")
            for child in self._children:
                if child is not worker and not child.running:
                    raise child.failure()
            if worker is not None and not worker.running:
                say(f"{worker.failure()}. It is started again in {_RESTART_PAUSE:g} s.")
                time.sleep(_RESTART_PAUSE)
                worker.start(self._environment)
                say(f"{worker.name} is started again.")


def _interrupt(given: int, _frame: FrameType | None) -> None:
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.SIG_IGN)  # the end is under way, and its waits are limited
    raise KeyboardInterrupt(signal.Signals(given).name)


def _port(given: str, name: str = "PORT") -> int:
    if not given.isdecimal() or not 1 <= int(given) <= 65535:
        raise CannotRunError(f"{name}={given} is not a port: set a number from 1 to 65535")
    return int(given)


def _hold(data: Path) -> IO[str]:
    """Make the directory and hold it for this run, until the returned file is closed.

    :raises CannotRunError: if it cannot be made, or another run has it.
    """
    try:
        data.mkdir(parents=True, exist_ok=True)
        file = (data / "quickstart.lock").open("a+")
    except OSError as error:
        raise CannotRunError(f"{data} cannot be used: {error.strerror}. Set DATA_DIR to another.") from error
    if localhost.lock(file, exclusive=True):
        file.truncate(0)
        file.write(str(os.getpid()))
        file.flush()
        return file
    with file:
        file.seek(0)
        raise CannotRunError(
            f"make run is already running here (process {file.read().strip()}): use that one, end it,"
            " or set DATA_DIR and PORT for a second one."
        )


def _refuse_taken(host: str, port: int) -> None:
    try:
        if localhost.is_free(port, host):
            return
    except OSError as error:
        raise CannotRunError(f"Cannot listen on {host}:{port}: {error.strerror}. Set BIND_HOST or PORT.") from error
    raise CannotRunError(f"Port {port} is taken: end what uses it, or set another, as in PORT={port + 1} make run")


def _ask(url: str) -> str:
    """Return the status of a GET as text, or why there is none."""
    with suppress(OSError):
        try:
            with urllib.request.urlopen(url, timeout=5) as response:  # noqa: S310 - an address of our own
                return str(response.status)
        except urllib.error.HTTPError as error:
            with error:
                return f"{error.code}: {error.read(500).decode(errors='replace')}"
    return "no answer"
