"""Work done in forked children, which may die."""

import json
import os
import signal
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from tests.proof.steps import KILLED

AT_ONCE = 6
"""Children that run at the same time."""
START = 30.0
"""Seconds for something that is served to be ready."""

Work = Callable[[], Any]


def in_children(works: Iterable[tuple[int, Work]], directory: Path) -> dict[int, Any]:
    """Run works side by side, each in a child of this process, which must hold no MongoDB client.

    :param works: a number each, and what to do; its result must be JSON-ready.
    :returns: number → result; None where the child was killed, `{"error": …}` where it failed.
    """
    running: dict[int, int] = {}
    results: dict[int, Any] = {}

    def reap() -> None:
        pid, status = os.wait()
        number = running.pop(pid)
        killed = os.waitstatus_to_exitcode(status) == KILLED
        results[number] = None if killed else json.loads((directory / f"{number}.json").read_text())

    for number, work in works:
        running[_fork(work, directory / f"{number}.json")] = number
        if len(running) >= AT_ONCE:
            reap()
    while running:
        reap()
    return results


def _fork(work: Work, result: Path) -> int:
    if pid := os.fork():
        return pid
    try:
        result.write_text(json.dumps(work(), default=str))
    except BaseException as error:
        result.write_text(json.dumps({"error": repr(error)}))
    os._exit(0)


@contextmanager
def beside(serve: Callable[[], Any], ready: Callable[[], bool]) -> Iterator[None]:
    """Have something served by a child of this process, which must hold no MongoDB client, and kill it in the end."""
    parent = os.getpid()
    if not (pid := os.fork()):
        try:
            serve()
            while os.getppid() == parent:
                time.sleep(0.2)
        finally:
            os._exit(0)
    try:
        until = time.monotonic() + START
        while not ready() and time.monotonic() < until:
            time.sleep(0.02)
        yield
    finally:
        os.kill(pid, signal.SIGKILL)
        os.waitpid(pid, 0)
