"""Load from a process of its own: wrk, which takes little of the processor that it shares with what it measures."""

import json
import os
import re
import shutil
import subprocess
import tempfile
import uuid
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

SCRIPT = Path(__file__).with_name("load.lua")
Request = tuple[str, str, Any]
"""Method, path, and body (JSON-ready) or None."""


class LoadError(Exception):
    """The load was not what was to be measured; one line says why."""


@dataclass(frozen=True)
class Load:
    """What wrk saw: `p50` and `p99` are milliseconds."""

    requests: int
    seconds: float
    refused: int
    broken: int
    p50: float
    p99: float

    @property
    def rate(self) -> float:
        return self.requests / self.seconds


def require_wrk() -> None:
    """:raises LoadError:"""
    if shutil.which("wrk") is None:
        raise LoadError("make bench needs wrk (Debian: apt-get install wrk)")


def run(
    url: str, tokens: Sequence[str], requests: Sequence[Request], *, connections: int, seconds: float, once: bool
) -> Load:
    """Send the requests over and over, or each `once`, for so long at most, with one token after the other.

    :raises LoadError: one was not answered with success, or there were too few of them for the time.
    """
    with tempfile.NamedTemporaryFile("w", suffix=".tsv") as file:
        for method, path, body in requests:
            file.write(f"{method}\t{path}\t{json.dumps(body) if body is not None else ''}\n")
        file.flush()
        environment = os.environ | {
            "REQUESTS": file.name, "TOKENS": " ".join(tokens), "ONCE": str(int(once)), "RUN": uuid.uuid4().hex,
        }  # fmt: skip
        command = ["wrk", "-t1", f"-c{connections}", f"-d{seconds:.0f}s", "--timeout", "30s", "-s", str(SCRIPT), url]
        told = subprocess.run(command, env=environment, check=True, capture_output=True, text=True).stdout
    found = re.search(r"^FIGURES (.*)$", told, re.MULTILINE)
    if found is None:
        raise LoadError(f"wrk did not say how it went: {told[-200:]}")
    load = Load(**json.loads(found[1]))
    if load.refused or load.broken or not load.requests:
        raise LoadError(f"{load.refused} of {load.requests} answers were no success, {load.broken} were none: {url}")
    return load
