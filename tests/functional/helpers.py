"""What several functional tests ask, break or look at."""

import io
import socket
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import Any, TypeVar

import pytest
import requests
from bson import ObjectId
from django.core.management import call_command
from django.db import connection
from django.test import override_settings
from pymongo import MongoClient
from pymongo.database import Database

from integrations.sandbox import Sandbox
from integrations.sandbox.catalogue import PRODUCTS
from tests.api_client import ApiClient
from tests.factories import ROUTES

T = TypeVar("T")
Api = Callable[..., ApiClient]
Documents = Database[dict[str, Any]]

TOWEL, SKILLET, SCARCE = PRODUCTS[0], PRODUCTS[1], PRODUCTS[12]
"""Two products with plenty in stock, and one with 4 units."""
TWO_TOWELS = (TOWEL.product_id, 2, TOWEL.price)
ONE_SKILLET = (SKILLET.product_id, 1, SKILLET.price)
NOBODYS_ID = "0" * 24


@pytest.fixture(name="visitor")
def visitor_fixture(live_server_url: str, running_sandbox: Sandbox, database: Documents) -> Iterator[Api]:
    """What `api` is, for tests in which no peer is needed: the catalogue is not put in order before each."""
    made: list[ApiClient] = []

    def make(user_id: str = "1", *, admin: bool = False, token: str | None = None) -> ApiClient:
        made.append(ApiClient(live_server_url, user_id, admin=admin, token=token))
        return made[-1]

    yield make
    for client in made:
        client.close()


def problem(answer: requests.Response, status: int, code: str | None = None) -> dict[str, Any]:
    """Return the answer's problem document, having checked that it is one (RFC 9457) of this status and code."""
    assert answer.status_code == status, answer.text
    assert answer.headers["Content-Type"] == "application/problem+json"
    document: dict[str, Any] = answer.json()
    assert document["status"] == status
    assert document["title"]
    assert document["type"]
    assert document["detail"]
    assert isinstance(document["detail"], str)
    assert code in (None, document["code"])
    return document


def outage(answer: requests.Response, code: str | None = None) -> dict[str, Any]:
    """Return the problem document of a 503, which must say when to try again."""
    document = problem(answer, 503, code)
    assert "Retry-After" in answer.headers
    assert int(answer.headers["Retry-After"]) >= 1
    return document


def stored(database: Documents, order_id: str) -> dict[str, Any]:
    """Return the order as it is stored."""
    found = database["orders"].find_one({"_id": ObjectId(order_id)})
    assert found is not None
    return found


def only_order(database: Documents) -> dict[str, Any]:
    """Return the one order that there is, drafts and rejected ones included."""
    [found] = database["orders"].find()
    return found


def line_states(order: dict[str, Any]) -> list[str]:
    return [item["stock"]["state"] for item in order["items"]]


def placed_in(api: Api, status: str, *lines: tuple[str, int, str]) -> dict[str, Any]:
    """Place an order of customer 1 and have an admin bring it to a status, all over HTTP; return it."""
    answer = api().place(*(lines or [TWO_TOWELS]))
    assert answer.status_code == 201, answer.text
    order: dict[str, Any] = answer.json()
    staff = api(admin=True)
    for _, target in ROUTES[status][1:]:
        answer = staff.put(f"orders/{order['id']}/status", json={"status": target})
        assert answer.status_code == 200, answer.text
        order = answer.json()
    return order


def settle(database: Documents, patience: float = 60.0) -> None:
    """Run the worker until nothing is owed."""
    until = time.monotonic() + patience
    while database["orders"].count_documents({"stock_due_at": {"$ne": None}}):
        assert time.monotonic() < until, list(database["orders"].find({"stock_due_at": {"$ne": None}}))
        call_command("run_worker", once=True, stdout=io.StringIO())
        time.sleep(0.01)


def at_once(number: int, act: Callable[[int], T]) -> list[T]:
    """Call `act` with 0, 1, … in as many threads, all at the same time; return what they return."""
    with ThreadPoolExecutor(number) as threads:
        return list(threads.map(act, range(number)))


def dead_url() -> str:
    """Return an address on loopback where nobody listens."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return f"http://127.0.0.1:{free.getsockname()[1]}/api/v1"


@contextmanager
def database_down() -> Iterator[None]:
    """Let the web server's threads find a MongoClient that leads to a port where nobody listens.

    Every connection to the web server has a thread of its own, and each new thread asks the backend for the
    process's client; so this is for clients that connect within the block.
    """
    address = dead_url().removeprefix("http://").removesuffix("/api/v1")
    dead: MongoClient[Any] = MongoClient(address, serverSelectionTimeoutMS=100, timeoutMS=150)
    registry = connection._connection_pools
    alive, registry["default"] = registry["default"], dead
    try:
        with override_settings(DATABASE_DEADLINE=0.2):
            yield
    finally:
        registry["default"] = alive
        dead.close()
