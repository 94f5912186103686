"""A MongoDB server of our own: a real `mongod` on loopback, a replica set of one, its data in a directory.

For development and tests, where no `MONGODB_URI` is set; it knows nothing of Django. Any number of processes
may use one directory at once: the first starts the server, the others share it, and the last one to leave ends
it. Who uses it is told by file locks, which the kernel drops with their process, so a `kill -9` leaves nothing
to clean up: a server that outlived everybody is simply taken over by the next one to come.

In the directory: `db/` is the server's, `port` says where it listens, each user holds `users.lock` (shared) and
whoever is starting or stopping `starter.lock`; `mongod.log` is the server's output, `.log.1` that of the last run.
"""

import contextlib
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import IO, Any, Self

from pymongo import MongoClient
from pymongo.errors import PyMongoError

from devtools.localhost import HOST, free_port, is_free, listens, lock
from devtools.mongod import (
    REMEDIES,
    REPLICA_SET,
    EmbeddedMongoError,
    cause_of_death,
    find_mongod,
    frugal_options,
    make_replica_set,
)

PORT_TAKEN = 48
"""mongod's exit code; a port that was free a moment ago may be taken by the time that mongod binds it."""
__all__ = ["EmbeddedMongo", "EmbeddedMongoError"]
_POLL = 0.02
_STOP_TIMEOUT = 20.0


class EmbeddedMongo:
    """A mongod with its data under `directory`; as a context manager it is started and stopped.

    :param directory: made where missing; an earlier run's data in it is kept.
    :param cache_gb: the server's cache, in GB (0.25 at least).
    :param start_timeout: seconds until a start is given up; recovery after a crash may need some.
    """

    def __init__(self, directory: Path, *, cache_gb: float = 0.5, start_timeout: float = 60.0) -> None:
        self.directory = Path(directory).resolve()
        self.log = self.directory / "mongod.log"
        self._db = self.directory / "db"
        self._cache_gb = cache_gb
        self._start_timeout = start_timeout
        self._deadline = 0.0
        self._port: int | None = None
        self._process: subprocess.Popen[bytes] | None = None
        self._use: IO[str] | None = None

    @property
    def uri(self) -> str:
        """Return the address for clients, without a database name.

        :raises EmbeddedMongoError: if it is not started.
        """
        if self._port is None:
            raise EmbeddedMongoError("The embedded MongoDB is not started")
        return f"mongodb://{HOST}:{self._port}/?replicaSet={REPLICA_SET}&directConnection=true"

    @property
    def pid(self) -> int | None:
        """Return the process id of the mongod that this object started or shares, or None."""
        if self._process is not None:
            return self._process.pid
        with contextlib.suppress(OSError, ValueError):
            return int((self._db / "mongod.lock").read_text())
        return None

    @property
    def running(self) -> bool:
        """Tell whether the server is there, as far as can be seen without asking it."""
        if self._process is not None:
            return self._process.poll() is None
        return self._port is not None and listens(self._port)

    def start(self) -> Self:
        """Start the server, or share the one that runs on this directory; return when it takes writes.

        :raises EmbeddedMongoError: with one line that says what is wrong and what can be done.
        """
        if sys.platform == "win32":
            raise EmbeddedMongoError("The embedded MongoDB needs Linux or macOS: use WSL, or set MONGODB_URI")
        if self._use is not None:
            return self
        self._deadline = time.monotonic() + self._start_timeout
        try:
            self._db.mkdir(parents=True, exist_ok=True)
            with self._alone():
                self._take_up()
        except OSError as error:
            raise EmbeddedMongoError(
                f"MongoDB cannot keep its data in {self.directory}: {error.strerror or error}."
                " Make it writable, or set DATA_DIR to another directory, or MONGODB_URI to a server of yours."
            ) from error
        return self

    def stop(self) -> None:
        """Leave the server; whoever leaves last ends it. Does nothing where it is not started."""
        if self._use is None:
            return
        self._deadline = time.monotonic() + _STOP_TIMEOUT
        with self._alone():
            if lock(self._use, exclusive=True):
                self._end()
            self._leave()

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(self, *_exception: object) -> None:
        self.stop()

    @contextlib.contextmanager
    def _alone(self) -> Iterator[None]:
        with (self.directory / "starter.lock").open("a") as file:
            while not lock(file, exclusive=True):
                self._wait("Another process has been starting or stopping MongoDB for too long")
            yield

    def _take_up(self) -> None:
        self._use = (self.directory / "users.lock").open("a")
        lock(self._use, exclusive=False)
        self._port = self._remembered_port()
        try:
            if not (self._is_held() and self._await_primary()):
                self._launch()
                if not self._await_primary():
                    raise self._death()
        except BaseException:
            if self._process is not None:
                self._end()
            self._leave()
            raise

    def _leave(self) -> None:
        if self._use is not None:
            self._use.close()
        if self._process is not None and self._process.poll() is None:
            self._process.returncode = 0  # others use it: it is no child of ours to wait for any more
        self._use = self._port = self._process = None

    def _launch(self) -> None:
        binary = find_mongod()
        with contextlib.suppress(FileNotFoundError):
            self.log.replace(self.log.with_suffix(".log.1"))
        while True:
            if self._port is None or not is_free(self._port):
                self._port = free_port()
            (self.directory / "port").write_text(f"{self._port}\n")
            self._process = self._spawn(binary)
            while self._process.poll() is None and not listens(self._port):
                self._wait("MongoDB did not start in time")
            if self._process.poll() is None:
                return
            if self._process.returncode != PORT_TAKEN:
                raise self._death()
            self._port = None

    def _spawn(self, binary: Path) -> subprocess.Popen[bytes]:
        command = [str(binary), "--dbpath", str(self._db), "--bind_ip", HOST, "--port", str(self._port)]
        command += ["--replSet", REPLICA_SET, *frugal_options(self._cache_gb)]
        with self.log.open("ab") as log:
            try:
                # A session of its own: Ctrl-C in the terminal is for us, who end the server in good order.
                return subprocess.Popen(
                    command, stdin=subprocess.DEVNULL, stdout=log, stderr=log, start_new_session=True
                )
            except OSError as error:
                raise EmbeddedMongoError(f"{binary} cannot be run: {error.strerror}. {REMEDIES}") from error

    def _await_primary(self) -> bool:
        """Wait until it takes writes; False if it ended instead."""
        with MongoClient[dict[str, Any]](
            HOST, self._port, directConnection=True, serverSelectionTimeoutMS=500, appname="embedded"
        ) as client:
            while self._lives():
                if self._port is not None and self._is_primary(client):
                    return True
                self._wait(f"MongoDB (process {self.pid}) runs and takes no writes")
        return False

    def _is_primary(self, client: MongoClient[dict[str, Any]]) -> bool:
        try:
            if self._process is None:
                self._refuse_a_stranger(client)
            hello = client.admin.command("hello")
            if "setName" not in hello:
                make_replica_set(client, f"{HOST}:{self._port}")
            return bool(hello.get("isWritablePrimary"))
        except PyMongoError:
            return False

    def _refuse_a_stranger(self, client: MongoClient[dict[str, Any]]) -> None:
        """Check that it is our data that is served at the port that the file names."""
        storage = client.admin.command("getCmdLineOpts")["parsed"].get("storage", {})
        if Path(storage.get("dbPath", "")) != self._db:
            raise EmbeddedMongoError(
                f"Another mongod (process {self.pid}) uses {self._db}, and we do not know its port:"
                " end it, or set DATA_DIR to another directory."
            )

    def _end(self) -> None:
        """End the server, whoever started it: in order, and by force where that takes too long."""
        for number in (signal.SIGTERM, signal.SIGKILL):
            self._deadline = time.monotonic() + _STOP_TIMEOUT
            if (pid := self.pid) and self._lives():
                with contextlib.suppress(ProcessLookupError):
                    os.kill(pid, number)
            with contextlib.suppress(EmbeddedMongoError):
                while self._lives():
                    self._wait("MongoDB does not end")
                return

    def _lives(self) -> bool:
        return self._process.poll() is None if self._process is not None else self._is_held()

    def _is_held(self) -> bool:
        """Tell whether some mongod holds the data. Only while alone: a look may disturb one that starts."""
        try:
            with (self._db / "mongod.lock").open() as file:
                return not lock(file, exclusive=True)
        except FileNotFoundError:
            return False

    def _remembered_port(self) -> int | None:
        with contextlib.suppress(OSError, ValueError):
            return int((self.directory / "port").read_text())
        return None

    def _death(self) -> EmbeddedMongoError:
        code = self._process.poll() if self._process is not None else None
        return cause_of_death(code or 0, self.log, self._db)

    def _wait(self, complaint: str) -> None:
        if time.monotonic() > self._deadline:
            raise EmbeddedMongoError(f"{complaint}; its log may say why: {self.log}. {REMEDIES}")
        time.sleep(_POLL)
