"""What the bench compares the service with does the same work."""

from importlib import import_module

import pytest

from orders.storage.order_reads import PUBLIC_FIELDS


def test_the_floor_reads_of_an_order_what_the_service_reads(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("JWT_SHARED_KEY", "a key that no token is signed with")
    assert import_module("tests.bench.twins.floor").FIELDS.keys() == PUBLIC_FIELDS.keys()
