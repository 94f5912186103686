"""A `manage.py quickstart` as people run it: a process of its own, with a directory and ports of its own."""

import os
import re
import shlex
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Self

import requests

from devtools import localhost
from devtools.localhost import ROOT
from devtools.real_systems import DATABASE, HANDED_ON, PEERS, SIGNING
from tests.system_processes import children_of, command_line

OURS = ("DJANGO_SETTINGS_MODULE", "MONGODB_DB", "PORT", "BIND_HOST", DATABASE, *PEERS, *SIGNING, HANDED_ON)
PATIENCE = 100.0


def environment(data: Path, port: int = 8001, **more: str) -> dict[str, str]:
    """What a person's shell would have, and nothing of what the tests set for themselves."""
    kept = {name: value for name, value in os.environ.items() if name not in OURS}
    return kept | {"DATA_DIR": str(data), "PORT": str(port), **more}


def manage(*arguments: str, environment: dict[str, str]) -> subprocess.CompletedProcess[str]:
    """Run a management command to its end."""
    command = [sys.executable, str(ROOT / "manage.py"), *arguments]
    return subprocess.run(command, env=environment, capture_output=True, text=True, timeout=PATIENCE, check=False)


class QuickstartRun:
    """A quickstart under way; what is still there of it at the end of the block is killed."""

    def __init__(self, data: Path, **settings: str) -> None:
        self.data = data
        self.port = localhost.free_port()
        self.environment = environment(data, self.port, SANDBOX_PORT=str(localhost.free_port()), **settings)
        self._output = data.parent / f"output-{self.port}.txt"
        with self._output.open("w") as output:
            self.process = subprocess.Popen(
                [sys.executable, str(ROOT / "manage.py"), "quickstart"],
                env=self.environment,
                cwd=data.parent,  # it must not matter where one stands
                stdout=output,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_exception: object) -> None:
        pids = [self.process.pid, *self.children().values()]
        for pid in pids:
            if command_line(pid):
                os.killpg(pid, signal.SIGKILL)
        self.process.wait()

    @property
    def output(self) -> str:
        return self._output.read_text()

    def await_output(self, pattern: str) -> re.Match[str]:
        """Wait until it has printed that."""
        deadline = time.monotonic() + PATIENCE
        while not (found := re.search(pattern, self.output)):
            assert self.process.poll() is None, self.output
            assert time.monotonic() < deadline, self.output
            time.sleep(0.05)
        return found

    def await_welcome(self) -> Self:
        self.await_output("Ctrl-C ends everything")
        return self

    def children(self) -> dict[str, int]:
        """Process ids by what they are, of those that live and of the mongod that was started last."""
        pids = {}
        for pid, command in children_of(self.process.pid).items():
            for name in ("gunicorn", "integrations.sandbox", "run_worker"):
                if name in command:
                    pids[name.removeprefix("integrations.")] = pid
        for lock in self.data.glob("mongo*/db/mongod.lock"):
            if pid := lock.read_text().strip():
                pids["mongod"] = int(pid)
        return pids

    def end(self, number: int, timeout: float = 30) -> int:
        """Send it a signal; return its exit code."""
        self.process.send_signal(number)
        return self.process.wait(timeout)

    def place_printed_order(self) -> requests.Response:
        """Do what the printed curl line does."""
        words = shlex.split(self.await_output(r"(?m)^curl .*$")[0])
        headers = [words[place + 1] for place, word in enumerate(words) if word == "-H"]
        return requests.post(
            next(word for word in words if word.startswith("http")),
            data=words[words.index("-d") + 1],
            headers=dict(header.split(": ", 1) for header in headers),
            timeout=60,
        )

    def get(self, path: str, token: str = "") -> requests.Response:
        headers = {"Authorization": f"Bearer {token}"} if token else {}
        return requests.get(f"http://127.0.0.1:{self.port}{path}", headers=headers, timeout=60)

    def tokens(self) -> list[str]:
        """The tokens that were printed: a customer's, an admin's."""
        return re.findall(r"(?m)^\s*(ey[\w-]+\.[\w-]+\.[\w-]+)$", self.output)
