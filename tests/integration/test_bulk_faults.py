"""Whose fault it is that orders cannot be changed: their own, the database's, or of whoever may not any more."""

from typing import Any

import pytest
from django.contrib.auth.models import Permission, User
from pymongo.collection import Collection
from pymongo.database import Database
from pymongo.errors import OperationFailure, WriteConcernError
from pytest_django import Settings

from orders.models import BulkRun
from orders.services import access, bulk
from orders.services.bulk.outages import MOST_PAUSES
from orders.storage.order_writes import orders
from tests.integration.builders import Document, read
from tests.integration.bulk_helpers import STAFF, carried, figures, started, stored

pytestmark = pytest.mark.usefixtures("database")


@pytest.mark.parametrize(
    "refusal",
    [
        OperationFailure("not authorized", 13),
        OperationFailure("no disk space", 14031),
        WriteConcernError("not enough data-bearing nodes", 100),
    ],
)
@pytest.mark.parametrize("count", [1, 3])
def test_what_the_database_refuses_to_everybody_fails_no_order(
    monkeypatch: pytest.MonkeyPatch, refusal: OperationFailure, count: int
) -> None:
    real = Collection.update_many
    seen: list[BulkRun] = []

    def refused(collection: Collection[Document], *given: Any, **options: Any) -> Any:
        if collection.name == "orders" and not seen:
            raise refusal
        return real(collection, *given, **options)

    monkeypatch.setattr(Collection, "update_many", refused)
    ids = stored("paid", count)
    run = started("start_processing", keys=ids)
    run = bulk.execute_run(run.pk, progress=lambda run: seen.append(run) if run.state == "paused" else None)
    assert "the database does not answer" in seen[0].last_error
    assert (run.state, figures(run)) == ("done", (count, 0, 0, 0))


def test_a_refusal_of_each_of_several_orders_is_no_fault_of_theirs(database: Database[Document]) -> None:
    ids = stored("paid", 4)
    run = started("start_processing", keys=ids)
    database.command("collMod", "orders", validator={"status": {"$ne": "processing"}})
    seen: list[str] = []

    def mend(run: BulkRun) -> None:
        if run.state == "paused":
            seen.append(run.last_error)
            database.command("collMod", "orders", validator={})

    try:
        run = bulk.execute_run(run.pk, progress=mend)
    finally:
        database.command("collMod", "orders", validator={})
    assert "the database refuses every order: The database refused: Document failed validation" in seen[0]
    assert (run.state, figures(run)) == ("done", (4, 0, 0, 0))


def test_orders_that_are_refused_again_and_again_do_not_stop_the_rest(
    database: Database[Document], settings: Settings
) -> None:
    settings.STOCK_RETRY_DELAY = 0.01
    bad, good = stored("paid", 2, user_id="66"), stored("paid", 3)
    run = started("start_processing", keys=[*bad, *good], batch_size=2)
    strict = {"$nor": [{"user_id": "66", "status": "processing"}]}
    database.command("collMod", "orders", validator=strict)
    pauses: set[int] = set()
    try:
        run = bulk.execute_run(run.pk, progress=lambda run: pauses.add(run.pauses))
    finally:
        database.command("collMod", "orders", validator={})
    assert (run.state, figures(run)) == ("done", (3, 0, 0, 2))
    assert max(pauses) == MOST_PAUSES


def test_orders_that_are_broken_each_in_its_own_way_are_told_of() -> None:
    ids = stored("paid", 3)
    orders().update_many({"_id": {"$in": ids[:2]}}, {"$set": {"history": "broken"}})
    run = carried("start_processing", keys=ids)
    assert (run.state, figures(run)) == ("done", (1, 0, 0, 2))


# --- the rights of staff ---------------------------------------------------------------------------------------------


@pytest.fixture
def clerk() -> User:
    user = User.objects.create_user("clerk", password="x" * 12, is_staff=True)
    names = ["view_order", "start_processing_order"]
    user.user_permissions.set(Permission.objects.filter(codename__in=names))
    return user


@pytest.mark.parametrize("lost", ["active", "staff", "permission", "login"])
def test_a_run_stops_when_its_member_of_staff_may_not_go_on(clerk: User, lost: str) -> None:
    ids = stored("paid", 2)
    actor = access.staff(User.objects.get(pk=clerk.pk))
    run = started("start_processing", keys=ids, actor=actor)
    if lost == "login":
        clerk.delete()
    elif lost == "permission":
        clerk.user_permissions.clear()
    else:
        User.objects.filter(pk=clerk.pk).update(**{f"is_{lost}": False})
    run = bulk.execute_run(run.pk)
    assert (run.state, run.paused_until, run.done) == ("paused", None, 0)
    assert run.last_error.startswith("staff:clerk no longer has the permission.")
    assert {read(order_id)["status"] for order_id in ids} == {"paid"}
    bulk.resume_run(run_id=run.pk, actor=STAFF)
    assert bulk.execute_run(run.pk).state == "paused", "it is still in that name"


def test_a_run_goes_on_while_its_member_of_staff_may(clerk: User) -> None:
    actor = access.staff(User.objects.get(pk=clerk.pk))
    run = carried("start_processing", keys=stored("paid", 2), actor=actor)
    assert (run.state, figures(run)) == ("done", (2, 0, 0, 0))
