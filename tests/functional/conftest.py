"""What each test begins with: time for clients, server and peers that share one process, and no keys from before."""

import pytest
from pytest_django import Settings

from orders.api.key_set import key_set


@pytest.fixture(autouse=True)
def patience(settings: Settings) -> None:
    """Longer time limits than the settings for tests have: here nobody is to run out of time who is not meant to."""
    settings.PEER_CONNECT_TIMEOUT, settings.PEER_READ_TIMEOUT, settings.REQUEST_DEADLINE = 0.5, 1.0, 4.0
    settings.INVENTORY_WRITE_TIMEOUT = settings.PEER_READ_TIMEOUT


@pytest.fixture(autouse=True)
def no_keys_from_before() -> None:
    """A server of an earlier test may have had the port, and so the address, that one has now."""
    key_set.cache_clear()
