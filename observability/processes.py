"""Figures of several processes that are one service: gunicorn's workers write theirs into files of one directory.

prometheus_client names these files by process id, so that each restarted worker would leave some behind for as long as
gunicorn runs. Here they are named by *place*: gunicorn has as many places as workers at a time, and a worker that takes
the place of one that has ended goes on with its files.

`begin` must be called, and the place be taken after the fork, before anything is counted.
"""

import atexit
import os
import shutil
import tempfile
from pathlib import Path

DIRECTORY = "PROMETHEUS_MULTIPROC_DIR"
PREFIX = "order-service-metrics-"

_place = "master"
_name = ""


def begin(parent: str | None = None) -> Path:
    """Make a directory for the figures of this process and its children, and remove it when this process ends.

    What earlier processes left behind that were killed is removed, too.
    """
    root = Path(parent or tempfile.gettempdir())
    for old in root.glob(f"{PREFIX}*"):
        if not _alive(old.name.removeprefix(PREFIX).partition("-")[0]):
            shutil.rmtree(old, ignore_errors=True)
    owner = os.getpid()
    made = Path(tempfile.mkdtemp(prefix=f"{PREFIX}{owner}-", dir=root))
    os.environ[DIRECTORY] = str(made)

    def remove() -> None:
        if os.getpid() == owner:  # its forks end too
            shutil.rmtree(made, ignore_errors=True)

    atexit.register(remove)
    return made


def _alive(pid: str) -> bool:
    try:
        os.kill(int(pid), 0)
    except ProcessLookupError:
        return False
    except (PermissionError, ValueError):  # somebody else's, or no directory of ours
        return True
    return True


def together() -> bool:
    """Whether this process is one of several whose figures are one."""
    return DIRECTORY in os.environ


def place() -> str:
    """The name of this process's place."""
    return _place


def take_place(number: int) -> None:
    """Say which place this process has; before anything is counted in it."""
    global _place
    _place = str(number)
    if together():  # a system may have cleared its temporary files away
        Path(os.environ[DIRECTORY]).mkdir(exist_ok=True)


def name() -> str:
    """What this process calls itself in its log lines."""
    return _name or f"process-{os.getpid()}"


def be_called(name: str) -> None:
    """Say what this process is, e.g. `web-1`."""
    global _name
    _name = name


def install() -> None:
    """Let prometheus_client name its files by place. Before the first metric is made."""
    if together():
        from prometheus_client import values

        values.ValueClass = values.MultiProcessValue(process_identifier=place)
