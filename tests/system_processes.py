"""Processes of this machine that are not our own children, as far as tests look at them."""

import time
from pathlib import Path


def command_line(pid: int) -> str:
    """The command line of a living process; empty for one that has ended."""
    try:
        return Path(f"/proc/{pid}/cmdline").read_text(errors="replace").rstrip("\0").replace("\0", " ")
    except OSError:
        return ""


def children_of(parent: int) -> dict[int, str]:
    """The living children of a process: process id → command line."""
    found = {}
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            stat = (folder / "stat").read_text().rpartition(")")[2].split()
        except OSError:  # it has ended meanwhile
            continue
        if int(stat[1]) == parent and (command := command_line(int(folder.name))):
            found[int(folder.name)] = command
    return found


def await_end(*pids: int | None) -> None:
    """Wait until none of these processes is there any more."""
    deadline = time.monotonic() + 60
    while left := [f"{pid}: {command_line(pid)}" for pid in pids if pid and command_line(pid)]:
        assert time.monotonic() < deadline, f"still there: {left}"
        time.sleep(0.02)
