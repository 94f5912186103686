"""A slice of the run over HTTP (tests/proof/chaos.py): many clients, failing peers, workers killed."""

from pathlib import Path

import pytest

from tests.dose import WHOLE, chosen
from tests.proof.chaos import run, tell
from tests.proof.inventories import Inventory

pytestmark = [pytest.mark.slow, pytest.mark.no_cover]
KINDS = {
    "no keys": (False, Inventory.ATOMIC),
    "keys": (True, Inventory.ATOMIC),
    "not atomic": (False, Inventory.PUBLISHED),
}
SLICE = chosen(KINDS, "not atomic")


@pytest.mark.parametrize(("keys", "inventory"), SLICE.values(), ids=SLICE)
def test_nothing_is_lost_or_sold_twice_whatever_fails(
    mongo_uri: str, tmp_path: Path, keys: bool, inventory: Inventory
) -> None:
    report = run(
        mongo_uri, tmp_path, keys=keys, inventory=inventory,
        operations=150, seconds=40, seed=7, clients=16, patience=30,
    )  # fmt: skip
    assert not report["violations"], tell(report)
    assert report["operations"] >= 50
    assert report["counts"]["answered 201"] >= (10 if inventory.is_atomic else 3), "turns take their time"
    assert report["done"]["faults set"]
    assert {"released", "reserved"} <= report["lines"].keys()


@pytest.mark.skipif(not WHOLE, reason="tests/integration/test_interleavings.py finds the same, and sooner")
def test_without_turns_an_inventory_that_is_not_atomic_loses_units(mongo_uri: str, tmp_path: Path) -> None:
    report = run(
        mongo_uri, tmp_path, keys=False, inventory=Inventory.WITHOUT_LOCKS,
        operations=200, seconds=4, seed=7, clients=16, patience=15,
    )  # fmt: skip
    assert any("inventory holds" in violation["problem"] for violation in report["violations"]), tell(report)
