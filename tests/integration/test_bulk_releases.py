"""Runs that release stock: order by order, each as by itself, and none of them while inventory does not answer."""

import pytest

from integrations.sandbox import Sandbox
from tests.integration.builders import (
    A,
    asked,
    place,
    shelve,
    small_sandbox,  # noqa: F401
    states,
    stock_of,
)
from tests.integration.bulk_helpers import carried, entries, figures, sound


@pytest.fixture
def held(sandbox: Sandbox) -> list[object]:
    """Twelve placed orders of two units each."""
    shelve(sandbox, available=30)
    return [place((A, 2)).order["_id"] for _ in range(12)]


@pytest.mark.parametrize("jobs", [1, 4])
def test_every_order_is_cancelled_and_released(sandbox: Sandbox, held: list[object], jobs: int) -> None:
    run = carried("cancel", statuses=("pending",), jobs=jobs, batch_size=3)
    assert (run.state, run.total, figures(run)) == ("done", 12, (12, 0, 0, 0))
    found = sound()
    assert {(order["status"], *states(order)) for order in found} == {("cancelled", "released")}
    assert {entries(order, run) for order in found} == {1}
    assert stock_of(sandbox) == (30, 0)
    assert len(asked(sandbox, "release")) == 12
