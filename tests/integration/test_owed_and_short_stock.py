"""Stock that is owed is tried again when somebody says so, and stock that fell short is accepted by somebody."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from bson import ObjectId
from django.utils import timezone
from pymongo.database import Database

from integrations.sandbox import Sandbox
from orders.services.access import NotPermitted, OrderNotFound
from orders.services.audit import ReasonMissing
from orders.services.reporting import attention
from orders.services.stock.resolution import NothingOwed, NothingShort, accept_shortage, retry_now
from orders.services.stock.worker import settle_due
from orders.storage import order_reads
from tests.functional.admin_helpers import Document, find, insert, line, placed, stored
from tests.integration.builders import ADMIN, SUPPORT, WORKER, act

LONG_AGO = datetime.now(UTC).replace(microsecond=0) - timedelta(days=9)
HOUR = timedelta(hours=1)


# --- retry now -------------------------------------------------------------------------------------------------------


def owed(database: Database[Document], *lines: Document, **changes: Any) -> Document:
    due = {"stock_due_at": (datetime.now(UTC) + HOUR).replace(microsecond=0)}
    items = list(lines) or [line("releasing", call="release")]
    return insert(database, stored(status="cancelled", items=items, **(due | changes)))


def test_a_retry_makes_the_stock_due_at_once_and_is_in_the_history_of_each_line(database: Database[Document]) -> None:
    order = owed(database, line("released"), line("releasing", call="release"), line("releasing", call="release"))
    changed = retry_now(order_id=order["_id"], act=act())
    assert changed == find(database, order)
    assert order_reads.due_orders(order_reads.server_time(), 5) == [order["_id"]]
    entries = [(entry["act"], entry["line"], entry["actor"]) for entry in changed["history"][2:]]
    assert entries == [("retry", 1, "admin:boss"), ("retry", 2, "admin:boss")]
    assert changed["items"] == order["items"]
    assert changed["version"] == order["version"]


def test_what_is_due_already_is_not_written_again(database: Database[Document]) -> None:
    order = owed(database, stock_due_at=LONG_AGO)
    before = find(database, order)
    for _ in range(2):
        assert retry_now(order_id=order["_id"], act=act()) == before
    assert find(database, order) == before


def test_the_worker_then_settles_it(database: Database[Document], sandbox: Sandbox) -> None:
    order, owing = placed(), {"state": "releasing", "call": "release", "attempts": 3, "error": "down"}
    database["orders"].update_one(
        {"_id": order["_id"]},
        {"$set": {"status": "cancelled", "items.0.stock": owing, "stock_due_at": datetime.now(UTC) + HOUR}},
    )
    assert settle_due(actor=WORKER).orders == 0
    retry_now(order_id=order["_id"], act=act())
    assert settle_due(actor=WORKER).orders == 1
    assert find(database, order)["items"][0]["stock"]["state"] == "released"


def test_a_line_that_is_being_tried_is_left_alone(database: Database[Document]) -> None:
    live = {"id": "a" * 32, "until": datetime.now(UTC).replace(microsecond=0) + HOUR}
    order = owed(database, line("releasing", call="release", attempt=live))
    before = find(database, order)
    with pytest.raises(NothingOwed, match="being retried"):
        retry_now(order_id=order["_id"], act=act())
    assert find(database, order) == before
    both = owed(database, line("releasing", call="release", attempt=live), line("releasing", call="release"))
    changed = retry_now(order_id=both["_id"], act=act())
    assert [entry["line"] for entry in changed["history"][2:]] == [1]
    assert changed["items"] == find(database, both)["items"]


def test_a_lapsed_attempt_may_be_tried(database: Database[Document]) -> None:
    lapsed = {"id": "a" * 32, "until": LONG_AGO}
    order = owed(database, line("releasing", call="release", attempt=lapsed))
    assert retry_now(order_id=order["_id"], act=act())["stock_due_at"] < order["stock_due_at"].replace(tzinfo=None)


def test_a_worker_that_was_faster_is_not_disturbed(
    database: Database[Document], monkeypatch: pytest.MonkeyPatch
) -> None:
    order = owed(database)
    time = order_reads.server_time

    def claimed_meanwhile() -> datetime:
        until = (datetime.now(UTC) + HOUR).replace(microsecond=0)
        stock = {"items.0.stock.attempt": {"id": "b" * 32, "until": until}, "items.0.stock.attempts": 2}
        database["orders"].update_one({"_id": order["_id"]}, {"$set": stock | {"stock_due_at": until}})
        return time()

    monkeypatch.setattr(order_reads, "server_time", claimed_meanwhile)
    with pytest.raises(NothingOwed):
        retry_now(order_id=order["_id"], act=act())
    assert len(find(database, order)["history"]) == 2
    assert find(database, order)["items"][0]["stock"]["attempt"]["id"] == "b" * 32


def test_nothing_is_retried_where_nothing_is_owed_or_by_whoever_may_not(database: Database[Document]) -> None:
    order = insert(database, stored())
    before = find(database, order)
    with pytest.raises(NothingOwed):
        retry_now(order_id=order["_id"], act=act())
    with pytest.raises(OrderNotFound):
        retry_now(order_id=ObjectId(), act=act())
    with pytest.raises(NotPermitted):
        retry_now(order_id=owed(database)["_id"], act=act(SUPPORT))
    assert find(database, order) == before


# --- released with less than asked -----------------------------------------------------------------------------------


def short(database: Database[Document]) -> Document:
    items = [line("released"), line("released", discrepancy=2, error="inventory released 0 of 2", attempts=4)]
    return insert(database, stored(status="cancelled", items=items))


def test_a_shortage_that_is_noted_waits_no_more_and_stays_in_the_history(database: Database[Document]) -> None:
    order = short(database)
    changed = accept_shortage(order_id=order["_id"], line=1, discrepancy=2, act=act(reason="Recounted"))
    assert changed["items"][1]["stock"] == {"state": "released", "attempts": 4, "error": ""}
    entry = changed["history"][-1]
    assert (entry["act"], entry["line"], entry["reason"]) == ("accept_shortage", 1, "Recounted")
    assert entry["detail"] == "2 not released. inventory released 0 of 2"
    assert not any(kind.count for kind in attention.counts(actor=ADMIN, at=timezone.now()))
    assert "stock_due_at" not in changed


@pytest.mark.parametrize(("index", "discrepancy"), [(0, 2), (1, 1), (2, 2), (-1, 2)])
def test_a_shortage_that_is_not_there_is_not_noted(database: Database[Document], index: int, discrepancy: int) -> None:
    order = short(database)
    before = find(database, order)
    with pytest.raises(NothingShort):
        accept_shortage(order_id=order["_id"], line=index, discrepancy=discrepancy, act=act(reason="looked"))
    assert find(database, order) == before


def test_a_shortage_needs_a_reason_a_permission_and_an_order(database: Database[Document]) -> None:
    order = short(database)
    before = find(database, order)
    with pytest.raises(ReasonMissing):
        accept_shortage(order_id=order["_id"], line=1, discrepancy=2, act=act(reason=" "))
    with pytest.raises(NotPermitted):
        accept_shortage(order_id=order["_id"], line=1, discrepancy=2, act=act(SUPPORT, "looked"))
    with pytest.raises(OrderNotFound):
        accept_shortage(order_id=ObjectId(), line=1, discrepancy=2, act=act(reason="looked"))
    assert find(database, order) == before


def test_of_two_that_note_a_shortage_the_second_is_told(
    database: Database[Document], monkeypatch: pytest.MonkeyPatch
) -> None:
    order = short(database)
    old = order_reads.get_whole(order["_id"])
    accept_shortage(order_id=order["_id"], line=1, discrepancy=2, act=act(reason="looked"))
    monkeypatch.setattr(order_reads, "get_whole", lambda _: old)
    between = find(database, order)
    with pytest.raises(NothingShort):
        accept_shortage(order_id=order["_id"], line=1, discrepancy=2, act=act(reason="looked"))
    assert find(database, order) == between
