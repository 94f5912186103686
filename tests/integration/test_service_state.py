"""What the service notes of itself, read back: that a worker is at work, and that the database takes writes."""

from datetime import UTC, datetime, timedelta
from typing import Any

from pymongo.database import Database

from orders.storage import service_state

MOMENT = timedelta(seconds=30)


def test_a_worker_that_is_at_work_is_seen(database: Database[dict[str, Any]]) -> None:
    assert service_state.worker_seen() is None
    service_state.beat("$worker-1")
    seen = service_state.worker_seen()
    assert seen is not None
    assert abs(datetime.now(UTC) - seen) < MOMENT
    assert service_state.heartbeats().find_one({"_id": service_state.WORKER})["by"] == "$worker-1"


def test_a_probe_is_a_write_and_no_worker(database: Database[dict[str, Any]]) -> None:
    service_state.probe()
    [written] = service_state.heartbeats().find()
    assert abs(datetime.now(UTC) - written["at"].replace(tzinfo=UTC)) < MOMENT
    assert service_state.worker_seen() is None
