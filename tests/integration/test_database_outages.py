"""What is done and told while the database does not answer; whole nodes are lost in test_failover.py."""

import socket
import time
from collections.abc import Callable
from datetime import timedelta
from typing import Any, NoReturn

import pytest
import requests
from bson import ObjectId
from django.db import DatabaseError
from django.http import HttpRequest, HttpResponse
from django.test import RequestFactory
from pymongo import MongoClient
from pymongo.collection import Collection
from pymongo.database import Database
from pymongo.errors import (
    AutoReconnect,
    DuplicateKeyError,
    ExecutionTimeout,
    NetworkTimeout,
    NotPrimaryError,
    OperationFailure,
    PyMongoError,
    ServerSelectionTimeoutError,
    WaitQueueTimeoutError,
    WriteConcernError,
    WTimeoutError,
)
from pytest_django import Settings

from orders.api.exception_handler import problem_details
from orders.api.problem_responses import server_error
from orders.models import LineState
from orders.services import access
from orders.services.stock import worker
from orders.storage import is_outage, order_reads, time_limit
from orders_project.web import error_pages
from orders_project.web.request_limits import DatabaseDeadlineMiddleware
from tests.functional.admin_helpers import profiled
from tests.functional.helpers import database_down
from tests.integration.builders import line, store

OUTAGES: list[PyMongoError] = [
    AutoReconnect("gone"),
    NetworkTimeout("timed out"),
    NotPrimaryError("stepped down"),
    ServerSelectionTimeoutError("no primary"),
    WaitQueueTimeoutError("no connection is free"),
    WriteConcernError("stepped down before a majority had it", 189),
    WTimeoutError("no majority in time", 64),
    ExecutionTimeout("over its time", 50),
]
FAULTS: list[PyMongoError] = [OperationFailure("no such operator", 9), DuplicateKeyError("twice", 11000)]


def wrapped(error: PyMongoError) -> DatabaseError:
    wrapper = DatabaseError()
    wrapper.__cause__ = error
    return wrapper


@pytest.mark.parametrize("error", OUTAGES, ids=repr)
def test_an_outage_is_known_as_one_and_asks_to_come_again(
    error: PyMongoError, caplog: pytest.LogCaptureFixture
) -> None:
    for told in (error, wrapped(error)):
        assert is_outage(told)
        response = problem_details(told, {})
        assert response is not None
        assert (response.status_code, response["Retry-After"]) == (503, "5")
        assert response.data["code"] == "database_unavailable"
    assert not [record for record in caplog.records if record.exc_info], "nothing is wrong with the code"


@pytest.mark.parametrize("error", [*FAULTS, ValueError("x"), None], ids=repr)
def test_what_the_database_refuses_is_no_outage(error: Exception | None) -> None:
    assert not is_outage(error)
    assert not is_outage(DatabaseError("without a cause"))


def test_a_database_that_fails_for_another_reason_is_logged_with_its_trace(caplog: pytest.LogCaptureFixture) -> None:
    response = problem_details(wrapped(FAULTS[0]), {})
    assert response is not None
    assert response.status_code == 503
    assert [record for record in caplog.records if record.exc_info]


def test_no_time_at_all_is_not_taken_for_all_the_time_there_is(database: Database[dict[str, Any]]) -> None:
    with time_limit(0):
        time.sleep(0.01)
        with pytest.raises(PyMongoError) as raised:
            database.command("ping")
    assert raised.value.timeout


READS = (order_reads.get_order, order_reads.get_machine, order_reads.get_history)


def levels_of(operations: list[dict[str, Any]]) -> list[str]:
    return [operation["command"]["readConcern"]["level"] for operation in operations]


@pytest.mark.parametrize("read", READS)
def test_of_no_order_and_of_anothers_the_same_is_asked_and_nothing_is_written(
    database: Database[dict[str, Any]], read: Callable[..., Any]
) -> None:
    others = store("pending", line(LineState.RESERVED), user_id="2")
    draft = store("placing", line(LineState.RESERVING), user_id="1")
    oplog = database.client["local"]["oplog.rs"]
    for asked in (ObjectId(), others, draft):
        before = oplog.count_documents({"op": "n", "o.msg": {"$ne": "periodic noop"}})
        with profiled(database) as operations:
            found = read(asked, sees=lambda user_id: user_id == "1")
        assert levels_of(operations) == ["majority", "local"]
        assert (found is None) is (asked != others)
        assert oplog.count_documents({"op": "n", "o.msg": {"$ne": "periodic noop"}}) == before
        assert 0 < operations[1]["command"]["maxTimeMS"] <= order_reads.CERTAIN_WITHIN * 1000


@pytest.mark.parametrize("read", READS)
def test_an_order_that_a_majority_is_not_known_to_have_yet_is_made_certain(
    database: Database[dict[str, Any]], monkeypatch: pytest.MonkeyPatch, read: Callable[..., Any]
) -> None:
    """As right after a failover: the majority's read is behind."""
    order_id = store("pending", line(LineState.RESERVED), user_id="1")
    by_id: Callable[..., Any] = order_reads._by_id
    monkeypatch.setattr(order_reads, "_by_id", lambda asked, fields: by_id(ObjectId(), fields))
    with profiled(database) as operations:
        assert read(order_id, sees=lambda user_id: user_id == "1")
        assert not read(order_id, sees=lambda user_id: user_id == "2")
    assert levels_of(operations) == ["majority", "local", "linearizable", "majority", "local"]


def test_an_order_is_read_all_the_same_where_its_connection_has_just_been_lost(
    database: Database[dict[str, Any]], monkeypatch: pytest.MonkeyPatch
) -> None:
    order_id = store("pending", line(LineState.RESERVED))
    assert order_reads.get_order(order_id)
    (server,) = database.client._topology._servers.values()  # not that of the one that watches the server
    for connection in server.pool.conns:
        connection.conn.sock.shutdown(socket.SHUT_RDWR)
    asked_again: list[Any] = []
    find_one = Collection.find_one
    monkeypatch.setattr(Collection, "find_one", lambda *given: asked_again.append(given) or find_one(*given))
    found = order_reads.get_order(order_id)
    assert found is not None
    assert found["_id"] == order_id
    assert len(asked_again) == 1


def test_an_order_is_not_asked_for_again_where_the_time_is_up(
    database: Database[dict[str, Any]], monkeypatch: pytest.MonkeyPatch
) -> None:
    def too_late(*_arguments: Any, **_named: Any) -> NoReturn:
        raise NetworkTimeout("timed out")

    asked_again: list[Any] = []
    monkeypatch.setattr(Database, "command", too_late)
    monkeypatch.setattr(Collection, "find_one", lambda *given: asked_again.append(given))
    with pytest.raises(DatabaseError) as raised:
        order_reads.get_order(ObjectId())
    assert is_outage(raised.value)
    assert not asked_again


@pytest.mark.parametrize(("method", "limit"), [("GET", 0.3), ("POST", 0.6)])
def test_a_server_that_accepts_and_says_nothing_costs_a_request_no_more_than_its_time(
    settings: Settings, method: str, limit: float
) -> None:
    settings.REQUEST_DEADLINE, settings.DATABASE_DEADLINE = 0.3, 0.6

    def ask(_request: HttpRequest) -> HttpResponse:
        for _ in range(3):
            with pytest.raises(PyMongoError):
                client.admin.command("ping")
        return HttpResponse()

    with socket.create_server(("127.0.0.1", 0)) as mute:
        host, port = mute.getsockname()
        with MongoClient[dict[str, Any]](host, port, directConnection=True, timeoutMS=30_000) as client:
            began = time.monotonic()
            DatabaseDeadlineMiddleware(ask)(RequestFactory().generic(method, "/api/v1/orders/"))
    assert limit <= time.monotonic() - began < limit + 15, "each of its three waits would be 30 s"


@pytest.mark.parametrize("debug", [False, True])
def test_the_backoffice_says_that_the_database_is_away(
    live_server_url: str, database: Any, settings: Settings, debug: bool
) -> None:
    settings.DEBUG = debug
    token, session = "t" * 32, {"sessionid": "a" * 32}
    with database_down():
        answer = requests.get(f"{live_server_url}/admin/", cookies=session, timeout=30)
        posted = requests.post(
            f"{live_server_url}/admin/orders/order/{'0' * 24}/note/",
            data={"text": "A note", "csrfmiddlewaretoken": token},
            cookies=session | {"csrftoken": token},
            timeout=30,
        )
    for page in (answer, posted):
        assert (page.status_code, page.headers["Retry-After"]) == (503, "5")
        assert "The database is not available" in page.text
        assert page.headers["X-Request-ID"] in page.text
        assert "A note" not in page.text
    assert ("may not have been saved" in answer.text, "may not have been saved" in posted.text) == (False, True)
    assert f'href="/admin/orders/order/{"0" * 24}/change/"' in posted.text


def test_a_fault_of_the_backoffice_is_told_without_the_database() -> None:
    with database_down():
        answer = error_pages.server_error(RequestFactory().get("/admin/"))
    assert answer.status_code == 500
    assert "Something went wrong" in answer.content.decode()


def test_outside_of_the_views_the_api_tells_an_outage_in_a_problem_document() -> None:
    try:
        raise wrapped(OUTAGES[0])
    except DatabaseError:
        answer = server_error(RequestFactory().get("/api/v1/orders/"))
    assert (answer.status_code, answer["Retry-After"]) == (503, "5")
    assert answer["Content-Type"] == "application/problem+json"


def test_an_order_that_alone_is_not_answered_waits_behind_the_others(
    database: Database[dict[str, Any]], monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    first, second = due(2), due(1)
    asked = not_answered(monkeypatch)
    assert settle() == worker.Pass(orders=0, failed=2)
    assert asked == [first, second]
    waiting = database["orders"].find_one({"_id": first})
    assert waiting
    assert timedelta() < waiting.pop("stock_due_at") - order_reads.server_time() < timedelta(seconds=2)
    assert waiting["items"][0]["stock"]["state"] == "releasing"
    assert not [record for record in caplog.records if record.exc_info]


@pytest.mark.usefixtures("database")
def test_a_pass_ends_where_the_database_takes_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    first, second = due(2), due(1)
    asked = not_answered(monkeypatch)
    monkeypatch.setattr(worker, "postpone", no_answer)
    assert settle() == worker.Pass(orders=0, failed=1)
    assert asked == [first]
    assert {first, second} <= set(order_reads.due_orders(order_reads.server_time(), 10))


def due(seconds: int) -> ObjectId:
    return store("cancelled", line("releasing"), due=-timedelta(seconds=seconds))


def settle() -> worker.Pass:
    return worker.settle_due(actor=access.system("settle_stock", via="worker"))


def no_answer(*_arguments: Any, **_named: Any) -> NoReturn:
    raise wrapped(OUTAGES[0])


def not_answered(monkeypatch: pytest.MonkeyPatch) -> list[ObjectId]:
    """Have no order's settling be answered. :returns: the orders that it will have been tried for."""
    asked: list[ObjectId] = []

    def settle_order(*, order_id: ObjectId, **_options: Any) -> NoReturn:
        asked.append(order_id)
        no_answer()

    monkeypatch.setattr(worker, "settle_order", settle_order)
    return asked
