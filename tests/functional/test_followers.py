"""A slice of the run with followers of the feed (tests/proof/followers.py), which are killed while orders change."""

from pathlib import Path

import pytest

from tests.dose import WHOLE
from tests.proof.chaos import tell
from tests.proof.followers import run

pytestmark = [pytest.mark.slow, pytest.mark.timeout(3600 if WHOLE else 600)]  # on a machine that has a lot to do


def test_followers_that_are_killed_at_random_know_in_the_end_what_the_database_has(
    mongo_uri: str, tmp_path: Path
) -> None:
    report = run(mongo_uri, tmp_path, orders=2000 if WHOLE else 25, seed=7)
    assert not report["violations"], tell(report)
    assert report["followers_killed"] >= (20 if WHOLE else 1)
    assert report["bulk_runs"] >= 1
    assert report["told"] > report["placed"]
