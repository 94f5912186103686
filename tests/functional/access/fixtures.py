"""The stage of the matrix and of hostile input, set up once for a module, and a client for every caller."""

from collections.abc import Iterator

import pytest
from django.db import connection
from django.test import Client, override_settings
from pytest_django.plugin import DjangoDbBlocker

from integrations.sandbox import Sandbox
from integrations.sandbox.catalogue import seed
from tests.functional.access import callers
from tests.functional.access.stage import Stage, set_up
from tests.raw_server import RawServer, answer


@pytest.fixture(scope="module", name="key_server")
def key_server_fixture() -> Iterator[RawServer]:
    with RawServer(answer(200, callers.KEY_SET)) as server:
        yield server


@pytest.fixture(scope="module", name="stage")
def stage_fixture(
    running_sandbox: Sandbox, django_db_blocker: DjangoDbBlocker, key_server: RawServer
) -> Iterator[Stage]:
    """Set up once: each cell leaves everything as it was."""
    keys = {"JWT_JWKS_URL": f"{key_server.url}/jwks.json", "JWT_SHARED_KEY": callers.SHARED_KEY}
    with django_db_blocker.unblock(), override_settings(**keys):
        assert connection.database.name.startswith("test_")
        running_sandbox.control.reset()
        seed(running_sandbox.control)
        empty = Stage(connection.database, {})
        before = empty.snapshot()
        yield set_up(connection.database)
        empty.restore(before)


@pytest.fixture(scope="module", name="clients")
def clients_fixture(stage: Stage) -> dict[str, Client]:
    return {name: callers.client_for(name) for name in dict.fromkeys(callers.API_CALLERS + callers.ADMIN_CALLERS)}
