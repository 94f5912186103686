"""A slice of the exhaustive crash test; `make proof` runs it whole."""

from pathlib import Path

import pytest

from tests.proof.__main__ import crash_test

pytestmark = [pytest.mark.slow, pytest.mark.no_cover]


def test_whatever_step_a_process_dies_after_no_unit_is_lost_or_sold_twice(mongo_uri: str, tmp_path: Path) -> None:
    report = crash_test(mongo_uri, tmp_path, share=0.005)
    assert report["violations"] == []
    assert report["cases"] > 20
    assert report["died"] > 0
