"""Nodes of the database lost under load; `make proof` loses more of them, and longer (tests/proof/failover.py)."""

from pathlib import Path

import pytest

from tests.dose import WHOLE
from tests.proof.chaos import tell
from tests.proof.failover import run

pytestmark = [pytest.mark.slow, pytest.mark.no_cover, pytest.mark.timeout(600)]  # on a machine that has a lot to do


def test_no_acknowledged_order_is_lost_when_the_primary_is_killed_or_frozen(tmp_path: Path) -> None:
    acts = ["kill", "freeze"] if WHOLE else ["kill"]
    report = run(tmp_path, keys=True, acts=acts, clients=4, seed=7, bulk=(300, 40))
    assert not report["violations"], tell(report)
    assert [act for act, _ in report["acts"]] == acts
    assert report["placed"] >= 10
    assert report["told"] >= report["placed"] + 340, "the bulk runs change so many"
    assert report["counts"].keys() <= {
        *("operations", "requests"),
        *(f"answered {status}" for status in (200, 201, 204, 400, 404, 409, 412, 503)),
    }
    assert [run["state"] for run in report["bulk"].values()] == ["done", "done"]
