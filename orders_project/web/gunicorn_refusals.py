"""What gunicorn refuses to serve: settings that are wrong and, in production, a database with demo logins.

It looks once, before it listens, and in a process of its own: gunicorn's first process must not import Django, so that
HUP loads new code.
"""

import os
import subprocess
import sys
from typing import Any

from observability import processes

LENIENT = {f"orders_project.settings.{name}" for name in ("development", "test")}
PATIENCE = 60.0
"""Seconds for the process to start and look; the database gets part of them."""


def on_starting(server: Any) -> None:
    """Look for both; if the database or the process does not answer in time, it is logged and gunicorn starts.

    :raises SystemExit: with 78, once stderr says what is refused: gunicorn does not start then.
    """
    lenient = os.environ.get("DJANGO_SETTINGS_MODULE") in LENIENT
    try:
        code, said = _look("orders_project.settings" if lenient else "orders_project.demo_logins")
    except subprocess.TimeoutExpired:
        code, said = 1, f"no answer within {PATIENCE:g} s"
    if code == os.EX_CONFIG:
        sys.stderr.write(f"{said}\n")
        sys.exit(code)
    if code:
        last_line = said.rpartition("\n")[2] or f"exit code {code}"
        server.log.warning("Whether the database has demo logins was not seen: %s", last_line)


def _look(module: str) -> tuple[int, str]:
    """Run a module of ours. :returns: the exit code, and what was printed."""
    environment = {name: value for name, value in os.environ.items() if name != processes.DIRECTORY}  # no metrics of it
    command = [sys.executable, "-m", module]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=PATIENCE, check=False)
    return done.returncode, done.stdout.strip() or done.stderr.strip()
