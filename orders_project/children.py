"""Processes that a supervisor starts, watches and ends; none outlives it for long, not even a `kill -9` of it."""

import contextlib
import json
import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Self

ROOT = Path(__file__).resolve().parent.parent
"""The project, where modules can be run by name."""
_POLL = 0.05
_TIE = (
    "import ctypes, os, sys; ctypes.CDLL(None).prctl(1, int(sys.argv[2])); "
    "os.getppid() == int(sys.argv[1]) or sys.exit('the supervisor is gone'); os.execv(sys.argv[3], sys.argv[3:])"
)
"""Run before the program itself on Linux: asks for a signal on the parent's death (PR_SET_PDEATHSIG)."""


_FIRST_PAUSE, _LAST_PAUSE = 1.0, 30.0
"""Seconds before a child is started again: doubled each time that it ends within _STEADY seconds."""
_STEADY = 60.0


class ChildError(Exception):
    """A child did not do what it was started for; the message is one line and names its log."""


class Child:
    """A process in a session of its own, so that Ctrl-C in the terminal leaves its end to us.

    :param command: the program by its full path, and its arguments.
    :param log: the file for what it prints; the output of the run before is dropped. None: our own output.
    :param patience: seconds from asking it to end until it is killed.
    :param orphaned: the signal that it gets where its supervisor is gone; SIGTERM does not end a stopped process.
    """

    def __init__(
        self, name: str, command: list[str], *, log: Path | None = None, patience: float = 10,
        orphaned: signal.Signals = signal.SIGTERM,
    ) -> None:  # fmt: skip
        self.name = name
        self.log = log
        self._command = command
        self._patience = patience
        self._orphaned = orphaned
        self._process: subprocess.Popen[bytes] | None = None

    def start(self, environment: dict[str, str]) -> Self:
        """Start it, or start it again once it has ended; from the main thread, whose end would end it too."""
        tie = (
            [sys.executable, "-ISc", _TIE, str(os.getpid()), str(int(self._orphaned))]
            if sys.platform == "linux"
            else []
        )
        with contextlib.ExitStack() as stack:
            again = self._process is not None
            output = stack.enter_context(self.log.open("ab" if again else "wb")) if self.log else None
            self._process = subprocess.Popen(
                [*tie, *self._command],
                env=environment,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT if output else None,
                cwd=ROOT,
                start_new_session=True,
            )
        return self

    @property
    def pid(self) -> int | None:
        return self._process.pid if self._process else None

    @property
    def arguments(self) -> str:
        """Return its command line without the program, whose path a system may rewrite."""
        return " ".join(self._command[1:])

    @property
    def running(self) -> bool:
        return self._process is not None and self._process.poll() is None

    def stop(self) -> None:
        """End it: ask, and after its patience kill it and all that it has started."""
        if self._process is None:
            return
        if self.running:
            self._process.terminate()
        try:
            self._process.wait(self._patience)
        except subprocess.TimeoutExpired:
            with contextlib.suppress(ProcessLookupError, PermissionError):
                os.killpg(self._process.pid, signal.SIGKILL)
            self._process.wait()

    def finish(self) -> None:
        """Wait until it has ended by itself.

        :raises ChildError: if it ended with anything but success.
        """
        if self._process is not None and self._process.wait() != 0:
            raise self.failure()

    def await_line(self, pattern: str, timeout: float) -> re.Match[str]:
        """Wait until a line of its log matches.

        :raises ChildError: if it ends before that, or `timeout` seconds pass.
        """
        deadline = time.monotonic() + timeout
        while time.monotonic() < deadline:
            ended = not self.running
            if found := re.search(pattern, self._printed(), re.MULTILINE):
                return found
            if ended:
                raise self.failure()
            time.sleep(_POLL)
        raise ChildError(f"{self.name} was not ready after {timeout:g} s{self._hint()}")

    def failure(self) -> ChildError:
        """Return what to say of its unexpected end."""
        code = None
        if self._process is not None:
            with contextlib.suppress(subprocess.TimeoutExpired):
                code = self._process.wait(1)
        lines = self._printed().strip().splitlines()
        last = f": {lines[-1].strip()[:200]}" if lines else ""
        return ChildError(f"{self.name} ended unexpectedly (exit code {code}){last}{self._hint()}")

    def _printed(self) -> str:
        return self.log.read_text(errors="replace") if self.log and self.log.exists() else ""

    def _hint(self) -> str:
        return f"; its log: {self.log}" if self.log else "; it says above why"


class Restarted(Child):
    """A child that is started again whenever it ends, and later and later if it keeps ending."""

    _pause = 0.0
    _due: float | None = None
    _started = 0.0

    def start(self, environment: dict[str, str]) -> Self:
        """Start it as any child is."""
        self._started = time.monotonic()
        self._due = None
        return super().start(environment)

    def look_after(self, environment: dict[str, str]) -> str | None:
        """Start it again where that is due; return what is worth a line to a person, or None."""
        now = time.monotonic()
        if self.running:
            return None
        if self._due is None:
            steady = now - self._started > _STEADY
            self._pause = _FIRST_PAUSE if steady or not self._pause else min(self._pause * 2, _LAST_PAUSE)
            self._due = now + self._pause
            return f"{self.failure()}. It is started again in {self._pause:g} s."
        if now < self._due:
            return None
        self.start(environment)
        return f"{self.name} is started again."


class Register:
    """The children of a supervisor in a file, for the next one to end what a `kill -9` has left.

    :param path: JSON, process id to its arguments; made where missing.
    """

    def __init__(self, path: Path) -> None:
        self._path = path

    def note(self, children: list[Child]) -> None:
        """Write down who runs now."""
        running = {str(child.pid): child.arguments for child in children if child.running}
        self._path.write_text(json.dumps(running))

    def end_leftovers(self, patience: float = 10) -> None:
        """End what is still running of an earlier supervisor's; a recycled process id is left alone."""
        for number, seconds in ((signal.SIGTERM, patience), (signal.SIGKILL, 2.0)):
            for pid in self._left():
                with contextlib.suppress(ProcessLookupError):
                    os.killpg(pid, number)
            deadline = time.monotonic() + seconds
            while self._left() and time.monotonic() < deadline:
                time.sleep(_POLL)
        self._path.unlink(missing_ok=True)

    def _left(self) -> list[int]:
        with contextlib.suppress(OSError, ValueError, AttributeError):
            noted = json.loads(self._path.read_text()).items()
            return [int(pid) for pid, arguments in noted if command_line(int(pid)).endswith(arguments)]
        return []


def command_line(pid: int) -> str:
    """Return the command line of a living process, empty for one that has ended."""
    if Path("/proc/self/cmdline").exists():
        with contextlib.suppress(OSError):
            return Path(f"/proc/{pid}/cmdline").read_text(errors="replace").rstrip("\0").replace("\0", " ")
        return ""
    ps = ["ps", "-ww", "-o", "args=", "-p", str(pid)]
    return subprocess.run(ps, capture_output=True, text=True, check=False).stdout.strip()
