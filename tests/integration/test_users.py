"""Asking the user service."""

from collections.abc import Iterator
from typing import Any

import pytest
from pytest_django import Settings

from integrations import Deadline, PeerUnavailable, peer_requests, users
from integrations.sandbox import Sandbox
from observability.context import request_id
from tests.raw_server import RawServer, answer


@pytest.fixture(autouse=True)
def _peer_settings(settings: Settings) -> Iterator[None]:
    settings.MAX_RETRIES = 1
    settings.RETRY_DELAY = 0.001
    yield
    peer_requests.reset()


def verify(user_id: str) -> users.User | None:
    return users.verify(user_id, deadline=Deadline.after(5))


def test_an_active_user_is_valid(sandbox: Sandbox) -> None:
    sandbox.control.put_user(17, email="a@example.com", full_name="A")
    assert verify("17") == users.User(name="A", email="a@example.com")


def test_an_inactive_user_is_not_valid(sandbox: Sandbox) -> None:
    sandbox.control.put_user(17, email="a@example.com", full_name="A", active=False)
    assert verify("17") is None


@pytest.mark.parametrize(
    "user_id",
    [
        "18",
        "665f1c0a9b1e8a0012a40001",
        "7d9f3a52-1f0e-4a53-9a53-0c8f0b5f7a11",
        "17/../17",
        "a b?c#d",
        "Ünïcode",
    ],
)
def test_a_user_whom_the_peer_does_not_know_is_not_valid_in_any_format(sandbox: Sandbox, user_id: str) -> None:
    sandbox.control.put_user(17, email="a@example.com", full_name="A")
    assert verify(user_id) is None
    assert sandbox.control.counts() == {"verify": 1}


@pytest.mark.parametrize("user_id", ["", ".", "..", "9" * 300, "\ud83d"])
def test_what_is_no_id_anywhere_is_not_valid_and_not_asked_for(sandbox: Sandbox, user_id: str) -> None:
    assert verify(user_id) is None
    assert sandbox.control.counts() == {}


def test_a_peer_that_answers_404_does_not_know_the_user(settings: Settings) -> None:
    with RawServer(answer(404, {"detail": "User not found"})) as server:
        settings.USER_SERVICE_URL = f"{server.url}/api/v1/"
        assert verify("665f1c0a9b1e8a0012a40001") is None
        assert server.sent()[0] == "GET /api/v1/users/665f1c0a9b1e8a0012a40001/verify HTTP/1.1"


@pytest.mark.parametrize(
    ("kind", "options"),
    [
        ("status", {"status": 500}),
        ("status", {"status": 503}),
        ("drop_before", {}),
        ("drop_after", {}),
        ("garbage", {}),
        ("wrong", {}),
    ],
)
def test_a_peer_that_fails_says_nothing_about_the_user(sandbox: Sandbox, kind: str, options: dict[str, Any]) -> None:
    sandbox.control.put_user(17, email="a@example.com", full_name="A")
    sandbox.control.fault("verify", kind, **options)
    with pytest.raises(PeerUnavailable):
        verify("17")
    assert sandbox.control.counts() == {"verify": 2}


def test_a_peer_that_fails_once_is_asked_again(sandbox: Sandbox) -> None:
    sandbox.control.put_user(17, email="a@example.com", full_name="A")
    sandbox.control.fault("verify", "status", status=500, times=1)
    assert verify("17") == users.User(name="A", email="a@example.com")


@pytest.mark.parametrize("more", [{}, {"email": None, "full_name": 7}, {"email": ["a@example.com"]}])
def test_a_user_whose_name_the_peer_does_not_say_is_valid(settings: Settings, more: dict[str, object]) -> None:
    with RawServer(answer(200, {"valid": True} | more)) as server:
        settings.USER_SERVICE_URL = server.url
        assert verify("17") == users.User(name="", email="")


@pytest.mark.parametrize(
    "body",
    [
        {},
        {"exists": True},
        {"email": "a@example.com", "full_name": "A"},
        {"valid": 1},
        {"valid": "true"},
        {"valid": None},
        [True],
    ],
)
def test_an_answer_of_another_shape_is_no_answer(settings: Settings, body: object) -> None:
    with RawServer(answer(200, body)) as server:
        settings.USER_SERVICE_URL = server.url
        with pytest.raises(PeerUnavailable, match="answered"):
            verify("17")


def test_the_request_id_arrives(sandbox: Sandbox) -> None:
    token = request_id.set("req-9")
    try:
        verify("17")
    finally:
        request_id.reset(token)
    assert [call["request_id"] for call in sandbox.control.calls("verify")] == ["req-9"]
