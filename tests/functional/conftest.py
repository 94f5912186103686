"""What each test begins with: time for clients, server and peers that share one process, and no keys from before."""

import pytest

from orders.api.key_set import key_set


@pytest.fixture(autouse=True)
def no_keys_from_before() -> None:
    """A server of an earlier test may have had the port, and so the address, that one has now."""
    key_set.cache_clear()
