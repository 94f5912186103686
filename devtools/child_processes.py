"""Processes that a supervisor starts, watches and ends; on Linux none outlives it, not even a `kill -9` of it."""

import contextlib
import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Self

from devtools.localhost import ROOT

_POLL = 0.05
_TIE = (
    "import ctypes, os, sys; ctypes.CDLL(None).prctl(1, int(sys.argv[2])); "
    "os.getppid() == int(sys.argv[1]) or sys.exit('the supervisor is gone'); os.execv(sys.argv[3], sys.argv[3:])"
)
"""Run before the program itself on Linux: asks for a signal on the parent's death (PR_SET_PDEATHSIG)."""


class ChildError(Exception):
    """A child did not do what it was started for; the message is one line and names its log."""


class Child:
    """A process in a session of its own, so that Ctrl-C in the terminal leaves its end to us.

    :param command: the program by its full path, and its arguments.
    :param log: the file for what it prints; the output of the run before is dropped. None: our own output.
    :param patience: seconds from asking it to end until it is killed.
    :param end_signal: what it is sent when its supervisor dies; SIGTERM does not end a stopped process.
    """

    def __init__(
        self, name: str, command: list[str], *, log: Path | None = None, patience: float = 10,
        end_signal: signal.Signals = signal.SIGTERM,
    ) -> None:  # fmt: skip
        self.name = name
        self.log = log
        self._command = command
        self._patience = patience
        self._end_signal = end_signal
        self._process: subprocess.Popen[bytes] | None = None

    def start(self, environment: dict[str, str]) -> Self:
        """Start it, or start it again once it has ended; from the main thread, whose end would end it too."""
        tie: list[str] = []
        if sys.platform == "linux":
            tie = [sys.executable, "-ISc", _TIE, str(os.getpid()), str(int(self._end_signal))]
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
