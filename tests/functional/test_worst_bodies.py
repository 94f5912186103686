"""Bodies that are made to cost: one of the largest size may take a moment of a worker's time, and no more."""

from pathlib import Path

import pytest

from tests.bench import bodies
from tests.bench.stage import Stage

MOST_CPU_MS, MOST_MEMORY = 1000, 120
"""`make bench` asks for a tenth and for 50 MB, on a machine that has nothing else to do."""


@pytest.mark.slow
@pytest.mark.timeout(300)
def test_no_body_costs_a_worker_much_time_or_memory(mongo_uri: str, tmp_path: Path) -> None:
    with Stage(tmp_path, uri=mongo_uri, database="test_worst_bodies") as stage:
        stage.environment["WEB_CONCURRENCY"] = "1"
        stage.serve("service")
        found, memory = bodies.measure(stage.servers["service"], stage.tokens[0], times=1)
        for name in ("test_worst_bodies", "test_worst_bodies_sandbox"):
            stage.client.drop_database(name)
    assert {name: cost for name, cost in found.items() if cost > MOST_CPU_MS} == {}
    assert memory < MOST_MEMORY
