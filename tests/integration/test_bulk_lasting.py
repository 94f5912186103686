"""What a run still knows after a node of the database, or one of its own processes, is lost."""

from dataclasses import replace
from typing import Any

import pytest
from bson import ObjectId
from pymongo.collection import Collection

from orders.services import bulk
from orders.services.bulk import batches, jobs, run_steps
from orders.storage import bulk_batches
from tests.integration.builders import Document, read
from tests.integration.bulk_helpers import STAFF, carried, figures, started, stored, told

pytestmark = pytest.mark.usefixtures("database")


@pytest.mark.parametrize("named", [True, False])
def test_a_run_that_lost_a_batch_is_never_called_done(named: bool) -> None:
    ids = stored("paid", 4)
    run = started("start_processing", batch_size=2, **({"keys": ids} if named else {"statuses": ("paid",)}))
    stops = iter([False] * (1 if named else 2))
    bulk.execute_run(run.pk, stopping=lambda: next(stops, True))
    assert bulk.get_run(run.pk).total == 4
    bulk_batches.batches().delete_one({"run": run.pk, "n": 1})
    run = bulk.execute_run(run.pk)
    assert (run.state, run.paused_until, run.last_error) == ("paused", None, run_steps.INCOMPLETE)
    assert (run.finished_at, figures(run)) == (None, (2, 0, 0, 0))
    assert [read(order_id)["status"] for order_id in ids] == ["processing"] * 2 + ["paid"] * 2


def test_a_run_whose_counts_do_not_add_up_is_never_called_done(monkeypatch: pytest.MonkeyPatch) -> None:
    real = bulk_batches.finish_batch

    def miscounted(batch: bulk_batches.Batch, others: Any) -> bool:
        finished = real(batch, others)
        bulk_batches.batches().update_one({"run": batch.run_id, "n": batch.n}, {"$inc": {"done": -1}})
        return finished

    monkeypatch.setattr(bulk_batches, "finish_batch", miscounted)
    run = carried("start_processing", keys=stored("paid", 2))
    assert (run.state, run.last_error) == ("paused", run_steps.INCOMPLETE)


def test_a_run_is_done_only_once_a_majority_has_every_batch(monkeypatch: pytest.MonkeyPatch) -> None:
    tally, states = bulk_batches.tally, []

    def lagging(run_id: ObjectId, *, lasting: bool = False) -> bulk_batches.Tally:
        found = tally(run_id, lasting=lasting)
        if lasting:
            states.append(str(bulk.get_run(run_id).state))
        return replace(found, open=True) if len(states) == 1 else found

    monkeypatch.setattr(bulk_batches, "tally", lagging)
    run = carried("start_processing", keys=stored("paid", 2))
    assert (run.state, states) == ("done", ["running", "running"])


def test_which_orders_a_run_is_about_is_written_to_a_majority(monkeypatch: pytest.MonkeyPatch) -> None:
    real, written = Collection.insert_many, []

    def seen(collection: Collection[Document], *given: Any, **options: Any) -> Any:
        written.append((collection.name, collection.write_concern.document))  # of runs too
        return real(collection, *given, **options)

    monkeypatch.setattr(Collection, "insert_many", seen)
    ids = stored("paid", 2)
    written.clear()
    carried("start_processing", keys=ids)
    carried("ship", statuses=("processing",))
    assert written == [("bulk_runs", {"w": "majority"}), ("bulk_batches", {"w": "majority"})] * 2


def test_a_cancelled_run_tells_what_a_killed_process_had_changed() -> None:
    ids = stored("paid", 5)
    run = started("start_processing", keys=ids, batch_size=3)
    stops = iter([False])
    bulk.execute_run(run.pk, stopping=lambda: next(stops, True))
    batch = bulk_batches.claim_batch(run.pk, "killed", 60)
    assert batch is not None
    batches.change_together(jobs.job_of(run), batch)
    run = bulk.cancel_run(run_id=run.pk, actor=STAFF)
    assert (run.state, figures(run)) == ("cancelled", (3, 0, 0, 0))
    assert told(run) == {("done", ""): 3, ("waiting", ""): 2}
    assert bulk_batches.finish_batch(batch, []) is True, "who still lived may say so itself"
    assert figures(bulk.execute_run(run.pk)) == (3, 0, 0, 0)
    assert told(run) == {("done", ""): 3, ("waiting", ""): 2}
