"""Time for clients, server and peers that share one process, and the machine with whatever else runs on it."""

import pytest
from pytest_django import Settings


@pytest.fixture(autouse=True)
def patience(settings: Settings) -> None:
    """Longer time limits than the settings for tests have: here nobody is to run out of time who is not meant to."""
    settings.PEER_CONNECT_TIMEOUT, settings.PEER_READ_TIMEOUT, settings.REQUEST_DEADLINE = 0.5, 1.0, 4.0
