"""The API against its own description: schemathesis sends what the OpenAPI document allows, and what it forbids.

The web server is a real gunicorn on the tests' mongod and peers. Which checks are made, and what is known of this API
beyond its document, stands in `tests/fuzzing`.
"""

import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import requests
from django.conf import settings

from devtools.child_processes import Child
from devtools.localhost import ROOT, free_port
from integrations.sandbox import Sandbox
from tests.api_client import token
from tests.dose import WHOLE, chosen
from tests.functional.helpers import Documents

pytestmark = pytest.mark.no_cover
FUZZING = ROOT / "tests" / "fuzzing"
OPERATIONS = 31
LEAST_CASES = 1000
"""Requests that are generated in all, at least; docs/reliability.md says so."""
NOT_INHERITED = ("COV", "MONGODB", "SANDBOX", "TEST_", "PYTEST", "DJANGO")
EXAMPLES = "12" if WHOLE else "4"
CALLERS = {
    "an admin": ({"role": "admin"}, ["--phases", "examples,coverage,fuzzing,stateful", "--max-examples", EXAMPLES]),
    "a customer": ({}, ["--phases", "fuzzing,stateful", "--max-examples", EXAMPLES]),
    "nobody": (None, ["--phases", "coverage", "--mode", "positive"]),
}
"""Claims of the caller's token, and what is tried: the form of requests is judged before it matters who sends them."""
PATIENCE = 500.0
"""Seconds for one caller on a machine that has a lot to do; a quiet one needs less than half a minute."""


@pytest.fixture
def web(sandbox: Sandbox, database: Documents, mongo_uri: str, tmp_path: Path) -> Iterator[str]:
    """The address of a gunicorn with patient time limits: a slow machine is no fault of the API."""
    inherited = {name: value for name, value in os.environ.items() if not name.startswith(NOT_INHERITED)}
    port = str(free_port())
    environment = inherited | {
        "DJANGO_SETTINGS_MODULE": "orders_project.settings.development",
        "DEBUG": "false",
        "SECRET_KEY": settings.SECRET_KEY,
        "MONGODB_URI": mongo_uri,
        "MONGODB_DB": database.name,
        "BIND_HOST": "127.0.0.1",
        "PORT": port,
        "WEB_CONCURRENCY": "1",
        "RATE_LIMIT_WRITES": "0",
        "RATE_LIMIT_ADMIN_WRITES": "0",
        "RATE_LIMIT_REFUSED_TOKENS": "0",
        "MAX_OPEN_ORDERS_PER_USER": "0",
        **{f"{peer}_SERVICE_URL": sandbox.url for peer in ("USER", "PRODUCT", "INVENTORY")},
    }
    command = [sys.executable, "-m", "gunicorn", "-c", "python:orders_project.web.gunicorn_conf", "--timeout", "60"]
    child = Child("web", command, log=tmp_path / "web.log").start(environment)
    try:
        _await(f"http://127.0.0.1:{port}", child)
        yield f"http://127.0.0.1:{port}"
    finally:
        child.stop()


def _await(root: str, child: Child) -> None:
    until = time.monotonic() + 60
    while time.monotonic() < until:
        try:
            # The document is made anew by each server, and slowly the first time.
            if requests.get(f"{root}/api/v1/openapi.json", timeout=30).status_code == 200:
                return
        except requests.ConnectionError:
            time.sleep(0.1)
    raise child.failure()


def _fuzz(web: str, bearer: str, options: list[str], directory: Path) -> dict[str, Any]:
    """Run schemathesis; its report. The output stands in the assertion where something was found."""
    report = directory / "report.json"
    command = [
        *(sys.executable, "-m", "schemathesis.cli", "--config-file", "schemathesis.toml"),
        *("run", f"{web}/api/v1/openapi.json", "--checks", "all", "--no-color"),
        *("--report", "json", "--report-json-path", str(report), *options),
        *(["-H", f"Authorization: Bearer {bearer}"] if bearer else []),
    ]
    environment = {name: value for name, value in os.environ.items() if not name.startswith(NOT_INHERITED)}
    ran = subprocess.run(
        command, cwd=FUZZING, env=environment | {"PYTHONPATH": str(ROOT)},
        capture_output=True, text=True, timeout=PATIENCE, check=False,
    )  # fmt: skip
    assert ran.returncode == 0, ran.stdout + ran.stderr
    found: dict[str, Any] = json.loads(report.read_text())
    return found


@pytest.mark.slow
@pytest.mark.timeout(4 * PATIENCE)
def test_nothing_that_the_document_allows_or_forbids_is_answered_otherwise_than_it_says(
    web: str, database: Documents, tmp_path: Path
) -> None:
    cases = 0
    for claims, options in chosen(CALLERS, "an admin", "a customer").values():
        bearer = "" if claims is None else token("1", exp=int(time.time()) + 7200, **claims)
        report = _fuzz(web, bearer, options, tmp_path)
        assert (report["failures"], report["errors"], report["stop_reason"]) == ([], [], "completed")
        assert report["operations"]["tested"] == OPERATIONS
        cases += report["test_cases"]["generated"]
    assert cases > (LEAST_CASES if WHOLE else LEAST_CASES // 2)
    # It reached what is behind the checks of the form: orders were placed and changed, and runs were started.
    assert database["orders"].count_documents({"status": {"$nin": ["placing", "rejected"]}}) > (20 if WHOLE else 10)
    assert database["orders"].distinct("status", {"version": {"$gt": 1}})
    assert database["bulk_runs"].count_documents({}) > (10 if WHOLE else 5)


def test_the_figures_of_the_documentation_are_those_asserted_here() -> None:
    page = (ROOT / "docs" / "reliability.md").read_text()
    assert f"more than {LEAST_CASES:,} generated requests" in page
    assert f"all {OPERATIONS} operations" in page
