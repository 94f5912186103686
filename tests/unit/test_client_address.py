"""Whose address counts, and that nobody can say another."""

import logging

import pytest
from django.test import RequestFactory
from pytest_django import Settings

from orders.api.client_address import _warn_of_fewer, client_address

CASES = [
    (0, "192.0.2.1", None, "192.0.2.1"),
    (0, "192.0.2.1", "203.0.113.5", "192.0.2.1"),
    (1, "10.0.0.1", "203.0.113.5", "203.0.113.5"),
    (1, "10.0.0.1", "1.1.1.1, 203.0.113.5", "203.0.113.5"),
    (2, "10.0.0.1", "1.1.1.1, 203.0.113.5, 10.0.0.2", "203.0.113.5"),
    (2, "10.0.0.1", "203.0.113.5", "10.0.0.1"),
    (1, "10.0.0.1", None, "10.0.0.1"),
    (1, "10.0.0.1", "unknown", "10.0.0.1"),
    (1, "10.0.0.1", "' OR 1=1", "10.0.0.1"),
    (1, "10.0.0.1", "203.0.113.5:4711", "203.0.113.5"),
    (1, "10.0.0.1", "[2001:db8:1:2:3:4:5:6]:4711", "2001:db8:1:2::"),
    (0, "2001:db8:1:2:3:4:5:6", None, "2001:db8:1:2::"),
    (0, "fe80::1%eth0", None, "fe80::"),
    (0, "::ffff:192.0.2.1", None, "192.0.2.1"),
    (0, "", None, "0.0.0.0"),  # noqa: S104 - no address to listen at
]


@pytest.mark.parametrize(("proxies", "peer", "forwarded", "expected"), CASES)
def test_the_address_is(settings: Settings, proxies: int, peer: str, forwarded: str | None, expected: str) -> None:
    settings.TRUSTED_PROXIES = proxies
    headers = {} if forwarded is None else {"X-Forwarded-For": forwarded}
    assert client_address(RequestFactory().get("/", REMOTE_ADDR=peer, headers=headers)) == expected


def test_too_few_entries_are_warned_of_once(settings: Settings, caplog: pytest.LogCaptureFixture) -> None:
    settings.TRUSTED_PROXIES = 2
    _warn_of_fewer.cache_clear()
    with caplog.at_level(logging.WARNING, logger="orders.api.client_address"):
        for forwarded in (None, "203.0.113.5, 10.0.0.2"):
            headers = {} if forwarded is None else {"X-Forwarded-For": forwarded}
            client_address(RequestFactory().get("/", headers=headers))
        assert not caplog.records
        for _ in range(3):
            client_address(RequestFactory().get("/", headers={"X-Forwarded-For": "203.0.113.5"}))
    [warning] = caplog.records
    assert "fewer entries than TRUSTED_PROXIES" in warning.getMessage()
    assert "203.0.113.5" not in warning.getMessage()
