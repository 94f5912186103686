"""`manage.py purge_runs`: runs that are over go with their batches, the orders and their histories stay."""

import io
from datetime import timedelta

import pytest
from django.core.management import CommandError, call_command
from django.db import DatabaseError
from django.utils import timezone
from pymongo.database import Database

from orders.management.commands import purge_runs as command
from orders.models import BulkRun
from orders.services import bulk
from orders.services.access import NotPermitted, admin
from orders.services.audit import Act
from orders.storage import bulk_batches, bulk_runs
from tests.integration.builders import Document, read
from tests.integration.bulk_helpers import carried, entries, started, stored


@pytest.fixture(autouse=True)
def nobody_there(monkeypatch: pytest.MonkeyPatch, database: Database[Document]) -> None:
    monkeypatch.setattr("sys.stdin", io.StringIO(""))


def aged(run: BulkRun, days: float) -> BulkRun:
    at = timezone.now() - timedelta(days=days)
    bulk_runs.runs().update_one({"_id": run.pk}, {"$set": {"created_at": at}})
    return run


def purge(*arguments: str) -> tuple[int, str]:
    out, code = io.StringIO(), 0
    try:
        call_command("purge_runs", *arguments, stdout=out, stderr=io.StringIO())
    except CommandError as error:
        code = error.returncode
        out.write(str(error))
    return code, out.getvalue()


def kept() -> set[object]:
    batches = {batch["run"] for batch in bulk_batches.batches().find()}
    assert batches == {run.pk for run in BulkRun.objects.all()}
    return batches


def test_old_runs_that_are_over_go_and_no_others() -> None:
    ids = stored("paid", 3)
    old = aged(carried("start_processing", keys=ids), 91)
    young = aged(carried("ship", keys=ids), 89)
    waiting = aged(started("deliver", keys=ids), 400)
    assert purge("--dry-run") == (0, "1 runs to delete\n")
    assert kept() == {old.pk, young.pk, waiting.pk}
    assert purge("--yes") == (0, "1 runs deleted\n")
    assert kept() == {young.pk, waiting.pk}
    assert [entries(read(order_id), old) for order_id in ids] == [1, 1, 1], "what it did is still told"
    assert purge("--older-than", "88d", "--yes") == (0, "1 runs deleted\n")
    assert kept() == {waiting.pk}
    assert purge() == (0, "0 runs to delete\n")


def test_nothing_goes_unless_somebody_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    run = aged(carried("start_processing", keys=stored("paid", 1)), 91)
    assert purge() == (1, "nothing was deleted")
    assert purge("--older-than", "1h", "--yes")[0] == 2
    assert kept() == {run.pk}
    monkeypatch.setattr("sys.stdin", io.StringIO("y\n"))
    assert purge() == (0, "1 runs deleted\n")


def test_only_operators_delete_runs() -> None:
    aged(carried("start_processing", keys=stored("paid", 1)), 91)
    with pytest.raises(NotPermitted):
        bulk.purge_runs(older_than=timedelta(days=90), act=Act(admin("1"), timezone.now()))
    assert len(kept()) == 1


def test_a_database_that_does_not_answer_is_said_so(monkeypatch: pytest.MonkeyPatch) -> None:
    def away(**_: object) -> int:
        raise DatabaseError("gone")

    monkeypatch.setattr(command.bulk, "purge_runs", away)
    assert purge("--yes") == (1, "the database does not answer: gone")
