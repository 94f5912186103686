"""`manage.py purge_old_records`: settled rejected drafts go, and runs that are over, and nothing else can."""

import io
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from bson import ObjectId
from django.core.management import CommandError, call_command
from django.db import DatabaseError
from django.utils import timezone
from pymongo.database import Database
from pytest_django import Settings

from integrations.sandbox import Sandbox
from orders.models import BulkRun, LineState, Status
from orders.services import purging
from orders.services.access import NotPermitted, system
from orders.services.audit import Act
from orders.services.lifecycle.verification import InsufficientStock
from orders.services.purging import TooYoung, purge_drafts, purge_runs
from orders.storage import bulk_batches, bulk_runs, rejected_drafts
from orders.storage.order_writes import orders
from tests.integration.builders import ADMIN, A, Document, line, now, place, shelve, store
from tests.integration.bulk_helpers import carried, entries, started, stored

OLD = timedelta(days=31)
OPERATOR = system("operator", via="command")


@pytest.fixture(autouse=True)
def nobody_there(monkeypatch: pytest.MonkeyPatch, database: Database[Document]) -> None:
    monkeypatch.setattr("sys.stdin", io.StringIO(""))


@pytest.fixture
def typed(monkeypatch: pytest.MonkeyPatch) -> Callable[[str], None]:
    return lambda text: monkeypatch.setattr("sys.stdin", io.StringIO(text))


def draft(*items: Document, age: timedelta = OLD, status: str = "rejected", **fields: Any) -> ObjectId:
    return store(status, *(items or (line("none"),)), due=None, created_at=now() - age, **fields)


def run(*arguments: str, age: str = "30d", what: str = "drafts") -> tuple[int, str, str]:
    out, err, code = io.StringIO(), io.StringIO(), 0
    try:
        call_command("purge_old_records", f"--{what}-older-than", age, *arguments, stdout=out, stderr=err)
    except CommandError as error:
        code = error.returncode
        err.write(f"{error}\n")
    return code, out.getvalue(), err.getvalue()


def left() -> set[ObjectId]:
    return {order["_id"] for order in orders().find({}, {"_id": 1})}


def purge(**options: Any) -> int:
    return purge_drafts(older_than=timedelta(days=30), act=Act(OPERATOR, timezone.now()), **options)


def test_old_rejected_drafts_go(sandbox: Sandbox) -> None:
    draft(), draft(line("released")), draft(line("none"), line("released"), line("none", attempts=3))
    young = draft(age=timedelta(days=29))
    assert run("--yes") == (0, "3 drafts deleted\n", "")
    assert left() == {young}
    assert run("--yes", age="28d") == (0, "1 drafts deleted\n", "")
    assert left() == set()
    assert sandbox.control.counts() == {}


@pytest.mark.parametrize("status", sorted(set(Status.values) - {"rejected"}))
def test_no_order_in_another_status_goes(status: str) -> None:
    kept = {draft(line(state), status=status) for state in LineState.values}
    assert run("--yes") == (0, "0 drafts deleted\n", "")
    assert left() == kept


@pytest.mark.parametrize("state", [*sorted(set(LineState.values) - {"none", "released"}), "a state of tomorrow"])
def test_no_draft_with_a_line_in_another_state_goes(state: str) -> None:
    kept = {draft(line(state)), draft(line("none"), line(state)), draft(line(state), line("released"))}
    assert run("--yes") == (0, "0 drafts deleted\n", "")
    assert left() == kept
    assert rejected_drafts.remove_drafts(list(kept), now()) == 0
    assert left() == kept


def test_no_draft_goes_of_which_anything_is_owed_or_missing() -> None:
    short = line("released")
    short["stock"]["discrepancy"] = 1
    stateless = line("none")
    del stateless["stock"]["state"]
    kept = {
        draft(short),
        draft(stateless),
        draft(line("none", until=-OLD)),
        draft(stock_due_at=now() + OLD),
        draft(items=None),
    }
    assert run("--yes") == (0, "0 drafts deleted\n", "")
    assert left() == kept


def test_a_draft_that_changes_after_it_was_found_stays(monkeypatch: pytest.MonkeyPatch) -> None:
    gone, kept = draft(), draft()

    def changed(ids: list[ObjectId], before: Any) -> int:
        orders().update_one({"_id": kept}, {"$set": {"items.0.stock.state": "unknown"}})
        return rejected_drafts.remove_drafts(ids, before)

    monkeypatch.setattr(purging, "remove_drafts", changed)
    assert run("--yes") == (0, "1 drafts deleted\n", "")
    assert left() == {kept}
    assert gone not in left()


def test_one_for_which_an_idempotency_key_stands_goes_when_the_key_has_gone(
    sandbox: Sandbox, database: Database[Document]
) -> None:
    shelve(sandbox, A, available=5)
    sandbox.control.fault("reserve", "status", status=409)
    with pytest.raises(InsufficientStock):
        place((A, 2), actor=ADMIN, idempotency_key="k")
    (rejected,) = left()
    orders().update_one({"_id": rejected}, {"$set": {"created_at": now() - OLD}})
    assert run("--dry-run")[1] == "0 drafts to delete\n"
    assert run("--yes")[1] == "0 drafts deleted\n"
    assert left() == {rejected}
    sandbox.control.clear_faults()
    placed = place((A, 2), actor=ADMIN, idempotency_key="k").order
    assert placed["_id"] != rejected, "inventory has seen the calls of the first one's id"
    assert run("--yes")[1] == "1 drafts deleted\n"
    assert left() == {placed["_id"]}
    again = place((A, 2), actor=ADMIN, idempotency_key="k")
    assert again.replayed
    assert again.order["_id"] == placed["_id"]


def test_drafts_are_kept_as_long_as_a_key_may_stand_for_them(settings: Settings) -> None:
    kept = draft()
    settings.IDEMPOTENCY_KEY_TTL = 40 * 86_400
    code, out, err = run("--yes")
    assert (code, out) == (2, "")
    assert "3456000 seconds (IDEMPOTENCY_KEY_TTL) at least" in err
    with pytest.raises(TooYoung):
        purge(dry_run=True)
    assert left() == {kept}


def test_it_asks_before_it_deletes(typed: Callable[[str], None]) -> None:
    kept = {draft(), draft()}
    assert run() == (1, "", "nothing was deleted\n")
    typed("n\n")
    assert run()[0] == 1
    assert left() == kept
    typed("y\n")
    assert run() == (0, "2 drafts deleted\n", "")
    assert left() == set()
    assert run() == (0, "0 drafts to delete\n", "")


def test_a_dry_run_counts_and_deletes_nothing() -> None:
    kept = {draft() for _ in range(3)} | {draft(line("unknown"))}
    assert run("--dry-run") == (0, "3 drafts to delete\n", "")
    assert run("--dry-run", "--limit", "2") == (0, "2 drafts to delete\n", "")
    assert left() == kept


def test_a_limit_takes_the_oldest_first(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(purging, "BATCH", 2)
    made = [draft(age=OLD + timedelta(days=day)) for day in range(7)]
    assert run("--yes", "--limit", "3")[1] == "3 drafts deleted\n"
    assert left() == set(made[:4])
    told: list[int] = []
    assert purge(progress=told.append) == 4
    assert told == [2, 2]
    assert left() == set()


def test_drafts_of_one_moment_are_all_found(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(purging, "BATCH", 2)
    at = now() - OLD
    for _ in range(5):
        orders().update_one({"_id": draft()}, {"$set": {"created_at": at}})
    assert purge(dry_run=True) == 5
    assert purge() == 5


def test_it_reads_by_an_index_and_few_documents(database: Database[Document]) -> None:
    for number in range(60):
        draft(status="delivered" if number % 10 else "rejected")
    database.command("profile", 2)
    try:
        assert purge() == 6
    finally:
        database.command("profile", 0)
    found = list(database["system.profile"].find({"ns": f"{database.name}.orders"}))
    database.drop_collection("system.profile")
    assert {plan["op"] for plan in found} == {"query", "remove"}
    for plan in found:
        assert "IXSCAN" in plan["planSummary"]
        assert plan["docsExamined"] <= 6


@pytest.mark.parametrize("arguments", [("--drafts-older-than", "30"), ("--runs-older-than", "-1d"), ("--limit", "0")])
def test_what_it_does_not_understand_it_refuses(arguments: tuple[str, str]) -> None:
    kept = draft()
    assert run("--yes", *arguments)[0] != 0
    assert left() == {kept}


def test_what_shall_go_must_be_said() -> None:
    kept = draft()
    with pytest.raises(CommandError, match="What shall go") as refused:
        call_command("purge_old_records", "--yes")
    assert refused.value.returncode == 2
    assert left() == {kept}


def test_only_operators_purge() -> None:
    draft()
    kept_run = aged(91)
    kept = left()
    for what, purge_them in (("drafts", purge_drafts), ("runs", purge_runs)):
        with pytest.raises(NotPermitted, match=f"You may not delete {what}"):
            purge_them(older_than=timedelta(days=90), act=Act(ADMIN, timezone.now()))
    assert (left(), kept_runs()) == (kept, {kept_run})


def test_a_database_that_does_not_answer_is_said_so(monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: Any, **__: Any) -> list[Any]:
        raise DatabaseError("no primary")

    monkeypatch.setattr(purging, "batches", fail)
    assert run("--yes") == (1, "", "the database does not answer: no primary\n")


# --- runs ------------------------------------------------------------------------------------------------------------


def aged(days: float, *, over: bool = True) -> ObjectId:
    ids = stored("paid", 1)
    run = carried("start_processing", keys=ids) if over else started("start_processing", keys=ids)
    at = timezone.now() - timedelta(days=days)
    bulk_runs.runs().update_one({"_id": run.pk}, {"$set": {"created_at": at}})
    return run.pk


def kept_runs() -> set[ObjectId]:
    batches = {batch["run"] for batch in bulk_batches.batches().find()}
    assert batches == {run.pk for run in BulkRun.objects.all()}
    return batches


def test_old_runs_that_are_over_go_and_what_they_did_is_still_told() -> None:
    old, young, waiting = BulkRun.objects.get(pk=aged(91)), aged(89), aged(400, over=False)
    before = list(orders().find())
    assert run("--dry-run", what="runs", age="90d") == (0, "1 runs to delete\n", "")
    assert run(what="runs", age="90d") == (1, "", "nothing was deleted\n")
    assert kept_runs() == {old.pk, young, waiting}
    assert run("--yes", what="runs", age="90d") == (0, "1 runs deleted\n", "")
    assert kept_runs() == {young, waiting}
    assert list(orders().find()) == before
    assert sorted(entries(order, old) for order in before) == [0, 0, 1]


def test_both_go_at_once_or_neither(typed: Callable[[str], None], settings: Settings) -> None:
    first, second, kept = aged(400), aged(300), {order["_id"] for order in orders().find()}
    gone = draft()
    assert run("--runs-older-than", "1h", "--yes")[0] == 2
    assert (left(), kept_runs()) == (kept | {gone}, {first, second})
    typed("y\n")
    assert run("--runs-older-than", "90d", "--limit", "1") == (0, "1 drafts deleted\n1 runs deleted\n", "")
    assert (left(), kept_runs()) == (kept, {second})
    assert run("--runs-older-than", "90d", "--dry-run")[1] == "0 drafts and 1 runs to delete\n"
