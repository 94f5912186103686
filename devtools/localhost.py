"""What programs of one machine share: the project's directory, that of its data, locks, ports."""

import errno
import os
import socket
import sys
from pathlib import Path
from typing import IO

if sys.platform != "win32":
    import fcntl

HOST = "127.0.0.1"
ROOT = Path(__file__).resolve().parent.parent
"""The project, where modules can be run by name."""


def data_dir() -> Path:
    """Return the directory of everything that a development run keeps: DATA_DIR, else `.data` in the project."""
    given = os.environ.get("DATA_DIR", "").strip()
    return Path(given).resolve() if given else ROOT / ".data"


def lock(file: IO[str], *, exclusive: bool) -> bool:
    """Lock an open file until it is closed or its process ends, however that ends; False if another holds it."""
    try:
        fcntl.flock(file, (fcntl.LOCK_EX if exclusive else fcntl.LOCK_SH) | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def listens(port: int) -> bool:
    """Tell whether somebody accepts connections there."""
    with socket.socket() as probe:
        probe.settimeout(1)
        return probe.connect_ex((HOST, port)) == 0


def is_free(port: int, host: str = HOST) -> bool:
    """Tell whether a server could listen there now.

    :raises OSError: if it is not to be had at all: no address of ours, or a port for root alone.
    """
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
        except OSError as error:
            if error.errno != errno.EADDRINUSE:
                raise
            return False
    return True


def free_port() -> int:
    """Return a port that the system chose; it is free now, and may be taken a moment later."""
    with socket.socket() as probe:
        probe.bind((HOST, 0))
        return int(probe.getsockname()[1])


def reachable(host: str) -> str:
    """Return where a client on this machine reaches a server that was told to listen on `host`."""
    return HOST if host in {"0.0.0.0", "::"} else host  # noqa: S104 - compared, not bound
