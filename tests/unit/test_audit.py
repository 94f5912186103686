"""`.ci/audit`: a known vulnerability fails, and so does pip-audit; a machine without PyPI does not, and says so."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.dose import dose
from tests.raw_server import RawServer, answer

pytestmark = pytest.mark.slow

AUDIT = Path(__file__).parents[2] / ".ci" / "audit"
RANGE = {"type": "ECOSYSTEM", "events": [{"introduced": "0"}, {"fixed": "999"}]}
ADVISORY = {
    "id": "PYSEC-2026-1",
    "modified": "2026-01-01T00:00:00Z",
    "affected": [{"package": {"ecosystem": "PyPI", "name": "django"}, "ranges": [RANGE], "versions": ["5.2.19"]}],
}


def audit(url: str, *more: str, **environment: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, str(AUDIT), "-s", "osv", "--osv-url", url, "--timeout", "5", *more]
    return subprocess.run(
        command, capture_output=True, text=True, timeout=100, check=False, env=os.environ | environment
    )


def test_a_known_vulnerability_fails() -> None:
    with RawServer(answer(200, {"vulns": [ADVISORY]})) as server:
        found = audit(server.url)
    assert found.returncode == 1, found.stderr
    assert "PYSEC-2026-1" in found.stdout


def test_nothing_known_passes() -> None:
    with RawServer(answer(200, {})) as server:
        found = audit(server.url)
    assert found.returncode == 0
    assert "0 known vulnerabilities" in found.stdout
    assert "NOT AUDITED" not in found.stderr


@pytest.mark.parametrize("url", dose(["http://127.0.0.1:1", "http://nobody.invalid"], 2, "a run each"))
def test_a_machine_on_its_own_is_told_that_nothing_was_asked(url: str) -> None:
    found = audit(url, no_proxy="*")
    assert found.returncode == 0, found.stderr
    assert "NOT AUDITED: PyPI cannot be asked" in found.stderr
    assert found.stdout == ""


def test_an_index_that_fails_is_no_isolated_machine() -> None:
    with RawServer(answer(500, {})) as server:
        assert_failed(audit(server.url), "ServiceError")


def test_pip_audit_that_cannot_run_fails_and_says_why(tmp_path: Path) -> None:
    assert_failed(audit("http://127.0.0.1:1", "--no-such-option"), "unrecognized arguments")
    (tmp_path / "pip_audit.py").write_text("raise RuntimeError('this one is broken')")
    assert_failed(audit("http://127.0.0.1:1", PYTHONPATH=str(tmp_path)), "this one is broken")
    (tmp_path / "pip_audit.py").write_text("print('{\"dependencies\": []}')")
    assert_failed(audit("http://127.0.0.1:1", PYTHONPATH=str(tmp_path)), "no package at all")


def assert_failed(found: subprocess.CompletedProcess[str], why: str) -> None:
    assert found.returncode == 2, found.stderr
    assert why in found.stderr
    assert "pip-audit itself failed" in found.stderr
    assert found.stdout == ""
