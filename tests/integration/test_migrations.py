"""Migrations of a large collection take longer than an operation may, and may be cut off anywhere."""

from collections.abc import Iterator
from importlib import import_module
from typing import Any

import pytest
from django.core.management import CommandError, call_command
from django.db import connection, connections, migrations
from django.db.migrations.state import ProjectState
from pymongo import _csot
from pymongo.database import Database

from orders.migrations._slow import ENOUGH, Slow
from orders.models import Document, Order
from tests.fastapi_orders import STRANGE, fastapi_order

NAMES = (
    "0001_initial",
    "0002_indexes_inside_documents",
    "0005_staff_work",
    "0006_bulk_runs",
    "0007_list_indexes",
    "0008_dashboard_indexes",
    "0012_short_newest",
    "0013_numbers_as_typed",
    "0016_search_terms",
    "0017_personal_data",
    "0026_foreign_orders",
    "0028_assigning",
)
WITHOUT = {"0001_initial", "0005_staff_work", "0016_search_terms"}
WITH_INDEXES = tuple(name for name in NAMES if name not in WITHOUT)
SUCCEEDED = {"0002_indexes_inside_documents": "stock_unknown", "0008_dashboard_indexes": "stock_short"}
"""An index of theirs that a later one replaces."""


def module(name: str) -> Any:
    return import_module(f"orders.migrations.{name}")


@pytest.mark.parametrize("name", NAMES)
def test_a_migration_that_goes_through_all_orders_may_take_its_time(name: str) -> None:
    assert issubclass(module(name).Migration, Slow)


def test_a_slow_migration_has_a_day_there_and_back(database: Database[Document]) -> None:
    given: list[float | None] = []

    def look(apps: Any, schema_editor: Any) -> None:
        given.append(_csot.get_timeout())

    migration = Slow("test", "orders")
    migration.operations = [migrations.RunPython(look, look)]
    with connection.schema_editor() as editor:
        migration.apply(ProjectState(), editor)
        migration.unapply(ProjectState(), editor)
    assert given == [ENOUGH, ENOUGH]
    assert _csot.get_timeout() != ENOUGH


@pytest.mark.parametrize("name", WITH_INDEXES)
def test_a_way_back_that_was_cut_off_is_finished_by_another_one(name: str, database: Database[Document]) -> None:
    before = {collection: database[collection].index_information() for collection in database.list_collection_names()}
    migration = module(name)
    with connection.schema_editor() as editor:
        migration.drop(None, editor)
        migration.drop(None, editor)
        migration.create(None, editor)
        migration.create(None, editor)
    if name in SUCCEEDED:
        database["orders"].drop_index(SUCCEEDED[name])
    database.drop_collection("daily_figures")  # replaced by figures_by_day
    after = {collection: database[collection].index_information() for collection in database.list_collection_names()}
    assert after == before


# --- a collection that another service has filled --------------------------------------------------------------------


@pytest.fixture
def elsewhere(database: Database[Document]) -> Iterator[Database[Document]]:
    """A database in which no migration was ever applied."""
    client, name, wrapper = database.client, f"{database.name}_elsewhere", connections["default"]
    client.drop_database(name)
    wrapper.database = client[name]  # type: ignore[attr-defined]
    yield client[name]
    wrapper.database = database  # type: ignore[attr-defined]
    client.drop_database(name)


def migrate(*arguments: str) -> None:
    call_command("migrate", *arguments, verbosity=0)


def test_orders_of_another_service_stay_as_they_are_and_its_indexes_too(elsewhere: Database[Document]) -> None:
    documents = [make() for make in STRANGE.values()]
    elsewhere["orders"].insert_many(documents)
    theirs = [elsewhere["orders"].create_index(keys) for keys in ("user_id", "status", [("created_at", -1)])]
    elsewhere["orders"].create_index("order_ref", unique=True, sparse=True)
    migrate()
    assert list(elsewhere["orders"].find()) == documents
    indexes = elsewhere["orders"].index_information()
    ours = {index.name for index in Order._meta.indexes} | {"product_newest", "number_as_typed", "foreign"}
    assert {*theirs, "order_ref_1", *ours} <= set(indexes)
    migrate()
    assert list(elsewhere["orders"].find()) == documents


def test_indexes_that_would_cost_orders_are_named_before_anything_is_changed(elsewhere: Database[Document]) -> None:
    costly: dict[str, tuple[Document, str]] = {
        "order_ref": ({"unique": True}, "is unique"),
        "number": ({"unique": True, "sparse": True}, "is unique"),
        "created_at": ({"expireAfterSeconds": 3600}, "deletes documents by their age"),
    }
    for keys, (options, _) in costly.items():
        elsewhere["orders"].create_index(keys, **options)
    with pytest.raises(CommandError) as told:
        migrate("orders")
    for keys, (_, problem) in costly.items():
        assert f"the index {keys}_1 {problem}" in str(told.value)
        assert f"db.orders.dropIndex('{keys}_1')" in str(told.value)
    assert set(elsewhere["orders"].index_information()) == {"_id_", *(f"{keys}_1" for keys in costly)}
    assert "bulk_runs" not in elsewhere.list_collection_names()
    for keys in costly:
        elsewhere["orders"].drop_index(f"{keys}_1")
    migrate("orders")


def test_a_collection_that_takes_no_orders_is_named(elsewhere: Database[Document]) -> None:
    elsewhere.create_collection("orders", validator={"$jsonSchema": {"required": ["order_ref"]}})
    with pytest.raises(CommandError, match="it has the option validator"):
        migrate("orders")
    elsewhere.drop_collection("orders")
    elsewhere.create_collection("orders", viewOn="others", pipeline=[])
    with pytest.raises(CommandError, match="it has the option viewOn"):
        migrate("orders")


@pytest.mark.parametrize(
    "conflicting", [{"keys": "number"}, {"keys": [("user_id", 1)], "name": "status_newest"}], ids=["keys", "name"]
)
def test_an_index_in_the_way_is_named_and_the_rest_follows_once_it_is_gone(
    conflicting: Document, elsewhere: Database[Document]
) -> None:
    elsewhere["orders"].insert_one(document := fastapi_order())
    name = elsewhere["orders"].create_index(**conflicting)
    with pytest.raises(CommandError, match="An index cannot be created"):
        migrate("orders")
    assert elsewhere["orders"].find().to_list() == [document]
    elsewhere["orders"].drop_index(name)
    migrate("orders")
    assert elsewhere["orders"].find().to_list() == [document]
