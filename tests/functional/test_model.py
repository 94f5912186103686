"""A slice of the search through the model of the stock protocol (tests/proof/model); `make proof` runs it whole."""

from pathlib import Path

import pytest

from tests.proof.model.configurations import (
    LOST_UPDATE,
    NO_LOCKS,
    PAUSED,
    REACHED,
    REACHED_IT,
    SMALLEST,
    Configuration,
)
from tests.proof.model.search import SearchError, counterexample, search

pytestmark = pytest.mark.slow


def test_whatever_the_order_of_steps_no_unit_is_lost_or_sold_twice(tmp_path: Path) -> None:
    verdict = search(SMALLEST, tmp_path)
    assert verdict.found is None
    assert verdict.states > 10_000


def test_the_search_comes_through_an_order_that_was_cancelled_and_released_after_a_crash(tmp_path: Path) -> None:
    after_a_crash = next(one for one in REACHED if one.numbers["PROBE"] == 4)
    assert search(after_a_crash, tmp_path).found == REACHED_IT


def test_without_locks_an_inventory_that_is_not_atomic_loses_an_update(tmp_path: Path) -> None:
    assert search(NO_LOCKS, tmp_path).found == LOST_UPDATE


def test_a_paused_process_does_harm_and_the_model_says_how(tmp_path: Path) -> None:
    story = counterexample(PAUSED, tmp_path)
    assert any("is paused" in sentence for sentence in story)
    assert story[-1].startswith("Inventory writes the row")


def test_a_search_that_is_cut_off_proves_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tests.proof.model.search.DEPTH", 50)
    with pytest.raises(SearchError, match="max search depth"):
        search(Configuration("one order", {"ORDERS": 1}), tmp_path)


def test_what_is_missing_to_search_is_said_in_one_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(SearchError, match=r"^The model needs spin and gcc: apt-get install spin gcc$"):
        search(SMALLEST, tmp_path)
