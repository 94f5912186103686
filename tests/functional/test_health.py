"""GET /health and GET /health/ready over real HTTP."""

import time

import pytest
import requests
from pytest_django import Settings

from integrations.sandbox import Sandbox
from tests.functional.helpers import Documents, database_down, dead_url

PEERS = {"users": "verify", "products": "product", "inventory": "stock"}
"""Each peer, and the operation by which it is asked."""
UP = dict.fromkeys(PEERS, "up")


def get(url: str) -> requests.Response:
    return requests.get(url, timeout=30)


def test_the_process_says_that_it_is_alive(live_server_url: str) -> None:
    answer = get(f"{live_server_url}/health")
    assert (answer.status_code, answer.json()) == (200, {"status": "ok", "service": "order-service"})
    assert answer.headers["Content-Type"] == "application/json"


def test_it_is_ready_when_mongodb_and_all_peers_answer(live_server_url: str, sandbox: Sandbox) -> None:
    answer = get(f"{live_server_url}/health/ready")
    assert answer.status_code == 200
    assert answer.json() == {"status": "ok", "service": "order-service", "mongodb": "up", "peers": UP}
    assert sandbox.control.calls("reserve") == []


@pytest.mark.parametrize("peer", PEERS)
def test_a_peer_that_is_down_degrades_it(live_server_url: str, sandbox: Sandbox, settings: Settings, peer: str) -> None:
    setting = {"users": "USER", "products": "PRODUCT", "inventory": "INVENTORY"}[peer]
    setattr(settings, f"{setting}_SERVICE_URL", dead_url())
    answer = get(f"{live_server_url}/health/ready")
    assert answer.status_code == 200
    assert (answer.json()["status"], answer.json()["peers"]) == ("degraded", UP | {peer: "down"})


@pytest.mark.parametrize("kind", ["status", "stall_before", "garbage", "drop_before"])
@pytest.mark.parametrize("peer", PEERS)
def test_a_peer_that_fails_degrades_it_in_bounded_time(
    live_server_url: str, sandbox: Sandbox, peer: str, kind: str
) -> None:
    options = {"status": {"status": 500}, "stall_before": {"seconds": 5.0}}.get(kind, {})
    sandbox.control.fault(PEERS[peer], kind, **options)
    began = time.monotonic()
    answer = get(f"{live_server_url}/health/ready")
    assert time.monotonic() - began < 2.5
    assert answer.status_code == 200
    assert (answer.json()["status"], answer.json()["peers"]) == ("degraded", UP | {peer: "down"})


def test_it_is_not_ready_without_mongodb_but_alive(live_server_url: str, sandbox: Sandbox, database: Documents) -> None:
    with database_down():
        answer = get(f"{live_server_url}/health/ready")
        assert get(f"{live_server_url}/health").status_code == 200
    assert answer.status_code == 503
    assert (answer.json()["status"], answer.json()["mongodb"]) == ("unavailable", "down")
    assert answer.json()["peers"] == UP
    assert get(f"{live_server_url}/health/ready").status_code == 200
