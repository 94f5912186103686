"""A slice of the run over HTTP (tests/proof/chaos.py): many clients, failing peers, workers killed."""

from pathlib import Path

import pytest

from tests.proof.chaos import run, tell


@pytest.mark.parametrize("keys", [False, True], ids=["no keys", "keys"])
def test_nothing_is_lost_or_sold_twice_whatever_fails(mongo_uri: str, tmp_path: Path, keys: bool) -> None:
    report = run(mongo_uri, tmp_path, keys=keys, operations=400, seconds=8, seed=7, clients=16, patience=30)
    assert not report["violations"], tell(report)
    assert report["operations"] >= 50
    assert report["counts"]["answered 201"] >= 10
    assert report["done"]["faults set"]
    assert {"released", "reserved"} <= report["lines"].keys()
