"""Metrics of several processes as those of one service: the workers write theirs to files in one directory.

prometheus_client names these files by process id, so that each worker that is replaced would leave some behind for as
long as gunicorn runs. Here they are named by *slot*: gunicorn has as many slots as workers at a time, and a worker that
takes the slot of one that has ended goes on with its files.

`begin` must be called, and the slot be taken after the fork, before anything is counted.
"""

import atexit
import os
import shutil
import tempfile
from pathlib import Path

DIRECTORY = "PROMETHEUS_MULTIPROC_DIR"
PREFIX = "order-service-metrics-"

_slot = "master"
_name = ""


def begin(parent: str | None = None) -> Path:
    """Create a directory for the metrics of this process and its children, and remove it when this process ends.

    Those of processes that were killed are removed too, where the system tells which are there (Linux).
    """
    root = Path(parent or tempfile.gettempdir())
    for old in root.glob(f"{PREFIX}*") if Path("/proc/self").exists() else ():
        owner = old.name.removeprefix(PREFIX)
        if owner.isdecimal() and not Path(f"/proc/{owner}").exists():
            shutil.rmtree(old, ignore_errors=True)
    pid = os.getpid()
    made = root / f"{PREFIX}{pid}"
    shutil.rmtree(made, ignore_errors=True)  # left by a process that had our id
    made.mkdir(mode=0o700)
    os.environ[DIRECTORY] = str(made)

    def remove() -> None:
        if os.getpid() == pid:  # its forks end too
            shutil.rmtree(made, ignore_errors=True)

    atexit.register(remove)
    return made


def together() -> bool:
    """Whether the metrics of several processes are combined."""
    return DIRECTORY in os.environ


def take_slot(number: int) -> None:
    """Set the slot of this process, before anything is counted."""
    global _slot
    _slot = str(number)


def name() -> str:
    """The name of this process in log lines."""
    return _name or f"process-{os.getpid()}"


def be_called(name: str) -> None:
    """Set the name of this process, e.g. `web-1`."""
    global _name
    _name = name


def install() -> None:
    """Have prometheus_client name its files by slot. Call it before the first metric is created."""
    if together():
        from prometheus_client import values

        values.ValueClass = values.MultiProcessValue(process_identifier=lambda: _slot)
