"""`.ci/audit`: a known vulnerability fails, a machine without PyPI does not, and says so."""

import subprocess
import sys
from pathlib import Path

from tests.raw_server import RawServer, answer

AUDIT = Path(__file__).parents[2] / ".ci" / "audit"
RANGE = {"type": "ECOSYSTEM", "events": [{"introduced": "0"}, {"fixed": "999"}]}
ADVISORY = {
    "id": "PYSEC-2026-1",
    "modified": "2026-01-01T00:00:00Z",
    "affected": [{"package": {"ecosystem": "PyPI", "name": "django"}, "ranges": [RANGE], "versions": ["5.2.19"]}],
}


def audit(url: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, str(AUDIT), "-s", "osv", "--osv-url", url, "--timeout", "5"]
    return subprocess.run(command, capture_output=True, text=True, timeout=100, check=False)


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


def test_a_machine_on_its_own_is_told_that_nothing_was_asked() -> None:
    found = audit("http://127.0.0.1:1")
    assert found.returncode == 0
    assert "NOT AUDITED" in found.stderr
    assert found.stdout == ""
