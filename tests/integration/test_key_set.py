"""The public keys of tokens: fetched by one at a time, and nobody whose key is known waits for it."""

import socket
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import Any

import jwt
import pytest

from orders.api import key_set as module
from orders.api.key_set import KeySet, KeysUnknownError
from tests.functional.test_authentication import KEY_SET
from tests.raw_server import Act, RawServer, answer, cut, head


@pytest.fixture
def served(monkeypatch: pytest.MonkeyPatch) -> Iterator[tuple[KeySet, RawServer, dict[str, Any]]]:
    how: dict[str, Any] = {"act": answer(200, KEY_SET)}

    def act(*given: Any) -> Any:
        return how["act"](*given)

    for pause in ("PAUSE", "PAUSE_AT_FIRST"):
        monkeypatch.setattr(module, pause, 60.0)
    with RawServer(act) as server:
        yield KeySet(f"{server.url}/jwks.json"), server, how


@contextmanager
def pause_over() -> Iterator[None]:
    """As if so much time had passed that the keys may be fetched again."""
    with pytest.MonkeyPatch.context() as patch:
        for pause in ("PAUSE", "PAUSE_AT_FIRST"):
            patch.setattr(module, pause, 0.0)
        yield


def test_keys_are_fetched_once(served: tuple[KeySet, RawServer, dict[str, Any]]) -> None:
    keys, server, _ = served
    assert {keys.key("r").key_id, keys.key("e").key_id, keys.key("r").key_id} == {"r", "e"}
    assert len(server.requests) == 1


def test_unknown_ids_cost_one_fetch_a_while(served: tuple[KeySet, RawServer, dict[str, Any]]) -> None:
    keys, server, _ = served
    keys.key("r")
    for number in range(50):
        with pytest.raises(jwt.InvalidKeyError):
            keys.key(f"unknown-{number}")
    assert len(server.requests) == 1
    with pause_over(), pytest.raises(jwt.InvalidKeyError):
        keys.key("unknown")
    for number in range(50):
        with pytest.raises(jwt.InvalidKeyError):
            keys.key(f"unknown-{number}")
    assert len(server.requests) == 2


def test_whoever_has_a_known_key_never_waits(served: tuple[KeySet, RawServer, dict[str, Any]]) -> None:
    keys, _, how = served
    keys.key("r")
    good, asked, answers = how["act"], threading.Event(), threading.Event()

    def wait(connection: socket.socket) -> bool:
        asked.set()
        answers.wait(60)
        return good(connection)

    how["act"] = wait
    with pause_over(), ThreadPoolExecutor(1) as thread:
        slow = thread.submit(keys.key, "unknown")
        assert asked.wait(60)
        assert keys.key("r").key_id == "r"
        with pytest.raises(KeysUnknownError):  # it may be new: nobody knows yet
            keys.key("another")
        assert not slow.done()
        answers.set()
        with pytest.raises(jwt.InvalidKeyError):
            slow.result()


def test_known_keys_outlast_a_server_that_is_away_but_not_for_ever(
    served: tuple[KeySet, RawServer, dict[str, Any]], monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    keys, server, how = served
    keys.key("r")
    how["act"] = answer(500, {})
    monkeypatch.setattr(module, "LIFESPAN", 0.0)
    with pause_over():
        assert keys.key("r").key_id == "r"
    for _ in range(5):
        assert keys.key("r").key_id == "r"
    with pytest.raises(KeysUnknownError):  # it may be new: nobody knows while the set cannot be had
        keys.key("another")
    assert len(server.requests) == 2
    assert "the key set cannot be fetched" in caplog.text
    monkeypatch.setattr(module, "STALE", 0.0)
    with pytest.raises(KeysUnknownError):
        keys.key("r")


def test_without_any_key_nobody_is_judged_and_soon_it_is_tried_again(
    served: tuple[KeySet, RawServer, dict[str, Any]],
) -> None:
    keys, server, how = served
    good, how["act"] = how["act"], answer(503, {})
    for _ in range(3):
        with pytest.raises(KeysUnknownError):
            keys.key("r")
    assert len(server.requests) == 1
    how["act"] = good
    with pause_over():
        assert keys.key("r").key_id == "r"


NO_KEY_SETS: dict[str, Act] = {
    "no HTTP": cut(b"SSH-2.0-OpenSSH\r\n"),
    "a body cut short": cut(head(200, **{"Content-Length": "500"}) + b'{"keys": ['),
    "chunks cut short": cut(head(200, **{"Transfer-Encoding": "chunked"}) + b"zz\r\nno chunk\r\n"),
    "too many headers": cut(b"HTTP/1.1 200 OK\r\n" + b"X: y\r\n" * 200 + b"\r\n"),
    "another protocol": cut(head(101, Upgrade="websocket") + b"\x81\x05Hello"),
    "a redirect to nowhere": answer(302, b"", Location="http://[bad"),
    "no JSON": answer(200, b"<html>"),
    "no UTF-8": answer(200, b'{"keys": "\xff"}'),
    "nested too deeply": answer(200, b"[" * 100_000),
    "no object": answer(200, [1]),
    "no list": answer(200, {"keys": {"kty": "RSA"}}),
    "no keys": answer(200, {"keys": []}),
    "numbers for keys": answer(200, {"keys": [1, None]}),
    "a list for an id": answer(200, {"keys": [KEY_SET["keys"][0] | {"kid": [1]}]}),
    "nonsense for keys": answer(
        200, {"keys": [{"kty": "RSA", "kid": [1], "n": 1, "e": None}, {"kty": "EC", "crv": 5}]}
    ),
}


@pytest.mark.parametrize("act", NO_KEY_SETS.values(), ids=NO_KEY_SETS.keys())
def test_whatever_comes_instead_of_a_key_set_nobody_is_judged(
    served: tuple[KeySet, RawServer, dict[str, Any]], act: Act
) -> None:
    keys, _, how = served
    good, how["act"] = how["act"], act
    with pytest.raises(KeysUnknownError):
        keys.key("r")
    how["act"] = good
    with pause_over():
        assert keys.key("r").key_id == "r"
