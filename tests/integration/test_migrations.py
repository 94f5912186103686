"""Migrations of a large collection take longer than an operation may, and may be cut off anywhere."""

from importlib import import_module
from typing import Any

import pytest
from django.db import connection, migrations
from django.db.migrations.state import ProjectState
from pymongo import _csot
from pymongo.database import Database

from orders.migrations._slow import ENOUGH, Slow
from orders.models import Document

NAMES = (
    "0002_indexes_inside_documents",
    "0005_staff_work",
    "0006_bulk_runs",
    "0007_list_indexes",
    "0008_dashboard_indexes",
    "0012_short_newest",
    "0013_numbers_as_typed",
    "0016_search_terms",
    "0017_personal_data",
)
WITH_INDEXES = tuple(name for name in NAMES if name not in {"0005_staff_work", "0016_search_terms"})
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
