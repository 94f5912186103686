"""gunicorn's part in refusing demo logins: before it listens, once, in production."""

import os
import subprocess
import sys
from typing import Any

from observability import processes

LENIENT = {f"orders_project.settings.{name}" for name in ("development", "test")}
FOUND = 3
"""The exit code if there are any; here, since gunicorn's first process must not import Django (HUP loads new code)."""
PATIENCE = 60.0
"""Seconds for the process to start and look; the database gets part of them."""


def on_starting(server: Any) -> None:
    """Look for demo logins in a separate process; if that fails, it is logged and gunicorn starts.

    :raises RuntimeError: if there are any: gunicorn does not start then, and says why in one line.
    """
    if os.environ.get("DJANGO_SETTINGS_MODULE") in LENIENT:
        return
    try:
        code, said = _look()
    except subprocess.TimeoutExpired:
        code, said = 1, f"no answer within {PATIENCE:g} s"
    if code == FOUND:
        raise RuntimeError(said)
    if code:
        server.log.warning("Whether the database has demo logins was not seen: %s", said)


def _look() -> tuple[int, str]:
    """:returns: the exit code, and the last line of what was printed."""
    environment = {"DJANGO_SETTINGS_MODULE": "orders_project.settings.production"} | os.environ
    environment.pop(processes.DIRECTORY, None)  # its metrics are not wanted
    command = [sys.executable, "-m", "orders_project.demo_logins"]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=PATIENCE, check=False)
    lines = (done.stdout.strip() or done.stderr.strip()).splitlines()
    return done.returncode, lines[-1] if lines else f"exit code {done.returncode}"
