"""The stage of the matrix and of hostile input, set up once for a module, and a client for every caller."""

from collections.abc import Iterator

import pytest
from django.test import Client, override_settings
from pymongo.database import Database

from integrations.sandbox import Sandbox
from integrations.sandbox.catalogue import seed
from tests.functional.access import callers
from tests.functional.access.stage import Snapshot, Stage, set_up
from tests.functional.admin_helpers import Document
from tests.raw_server import RawServer, answer


@pytest.fixture(scope="module", name="key_server")
def key_server_fixture() -> Iterator[RawServer]:
    with RawServer(answer(200, callers.KEY_SET)) as server:
        yield server


@pytest.fixture(scope="module", name="stage")
def stage_fixture(
    running_sandbox: Sandbox, module_database: Database[Document], key_server: RawServer
) -> Iterator[Stage]:
    """Set up once: each cell leaves everything as it was."""
    keys = {"JWT_JWKS_URL": f"{key_server.url}/jwks.json", "JWT_SHARED_KEY": callers.SHARED_KEY}
    with override_settings(**keys):
        running_sandbox.control.reset()
        seed(running_sandbox.control)
        empty = Stage(module_database, {})
        before = empty.snapshot()
        yield set_up(module_database)
        empty.restore(before)


@pytest.fixture(scope="module", name="before")
def before_fixture(stage: Stage, clients: dict[str, Client]) -> Snapshot:
    """What there is before the first request, for whoever has to put it back."""
    return stage.snapshot()


@pytest.fixture(scope="module", name="clients")
def clients_fixture(stage: Stage) -> dict[str, Client]:
    return {name: callers.client_for(name) for name in dict.fromkeys(callers.API_CALLERS + callers.ADMIN_CALLERS)}
