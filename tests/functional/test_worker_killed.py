"""A settle worker killed with SIGKILL amid owed releases: `make proof` does it with 500 of them, here it is fewer."""

from pathlib import Path

import pytest

from tests.dose import dose
from tests.proof.worker_kill import LINES, run_worker_kill

pytestmark = [pytest.mark.slow, pytest.mark.no_cover]


@pytest.mark.parametrize("keys", dose([False, True], 2, "a kill each"))
def test_another_worker_finishes_and_calls_nothing_twice(mongo_uri: str, tmp_path: Path, keys: bool) -> None:
    report = run_worker_kill(mongo_uri, tmp_path, count=60, keys=keys)
    assert report["violations"] == []
    assert 0 < report["released_when_killed"] < 60
    assert 0 < report["in_the_air"] <= LINES
    assert report["unknown"] == (0 if keys else report["in_the_air"])
    assert report["lines"] == {"released": 60}
