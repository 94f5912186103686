"""Which addresses of the internet webhooks may go to: those of the public alone, however an address is written."""

import socket
from typing import Any

import pytest

from integrations import webhook_calls

PUBLIC = ("93.184.216.34", "2606:2800:220:1:248:1893:25c8:1946", "::ffff:93.184.216.34")
PRIVATE = (
    *("0.1.2.3", "10.1.2.3", "100.64.0.1", "127.0.0.1", "127.8.8.8", "169.254.169.254", "172.16.0.1", "192.0.0.8"),
    *("192.168.1.1", "198.18.0.1", "203.0.113.7", "224.0.0.1", "239.1.1.1", "240.0.0.1", "255.255.255.255"),
    *("::", "::1", "::127.0.0.1", "::10.0.0.1", "::ffff:10.0.0.1", "::ffff:169.254.169.254", "64:ff9b::10.0.0.1"),
    *("64:ff9b:1::1", "2001::1", "2001:db8::1", "2002:a00:1::", "fc00::1", "fd12::1", "fe80::1", "fe80::1%lo"),
    *("fec0::1", "ff02::1"),
)


@pytest.mark.parametrize("address", PUBLIC)
def test_an_address_of_the_public_internet_is_one(address: str) -> None:
    assert webhook_calls.is_public(address)


@pytest.mark.parametrize("address", PRIVATE)
def test_any_other_address_is_none(address: str) -> None:
    assert not webhook_calls.is_public(address)


@pytest.mark.parametrize("host", ["127.1", "2130706433", "0x7f.1", "0177.0.0.1", "LocalHost"])
def test_however_a_private_address_is_written_nothing_is_sent_there(host: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(socket.socket, "connect", _unreachable)
    sent = webhook_calls.post(f"https://{host}:8443/", headers={}, body=b"{}")
    assert (sent.status, "which is not public" in sent.error) == (None, True)


def test_a_name_of_which_one_address_is_private_is_not_called(monkeypatch: pytest.MonkeyPatch) -> None:
    def addresses(*_asked: Any, **_options: Any) -> list[Any]:
        return [
            (socket.AF_INET, socket.SOCK_STREAM, 6, "", (address, 443)) for address in ("93.184.216.34", "10.0.0.1")
        ]

    monkeypatch.setattr(socket, "getaddrinfo", addresses)
    monkeypatch.setattr(socket.socket, "connect", _unreachable)
    sent = webhook_calls.post("https://shop.example/", headers={}, body=b"{}")
    assert (sent.status, sent.error) == (None, "shop.example has the address 10.0.0.1, which is not public.")


def _unreachable(*_address: Any) -> None:
    raise AssertionError("connect was called")
