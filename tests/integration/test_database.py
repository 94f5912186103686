"""Collections are kept, and are always those of the database that is connected to."""

import pytest
from django.db import connections

from orders.storage.database import collection


@pytest.mark.usefixtures("database")
def test_a_collection_is_kept_as_long_as_its_database_is_the_one(monkeypatch: pytest.MonkeyPatch) -> None:
    kept = collection("orders")
    assert collection("orders") is kept
    assert collection("idempotency_keys").name == "idempotency_keys"
    other = kept.database.client["another"]
    monkeypatch.setattr(connections["default"], "database", other)
    assert collection("orders").database is other
    monkeypatch.undo()
    assert collection("orders").database == kept.database
