"""What waits for staff is found by indexes of its own."""

from datetime import UTC, datetime, timedelta

import pytest
from bson import Decimal128, ObjectId
from django.utils import timezone
from pymongo.database import Database

from orders.services import access
from orders.services.access import NotPermitted
from orders.services.reporting import attention
from tests.functional.admin_helpers import Document, insert, line, profiled, stored

BOSS = access.admin("boss")
LONG_AGO = datetime.now(UTC).replace(microsecond=0) - timedelta(days=9)
HOUR = timedelta(hours=1)


def one_of_each(number: int = 0) -> dict[str, Document]:
    """An order of each kind that waits, with those beside it that nearly do."""
    due = {"stock_due_at": datetime.now(UTC) + HOUR}
    old = {"status_since": LONG_AGO - timedelta(minutes=number)}
    return {
        "unknown": stored(number, status="cancelled", items=[line("unknown", call="release")]),
        "owed": stored(number, status="cancelled", items=[line("releasing", call="release")], **due, **old),
        "short": stored(number, status="cancelled", items=[line("released", discrepancy=2, error="gave 0 of 2")]),
        "unchecked": stored(number, status="pending", user_verified=False),
        "unshipped": stored(number, status="paid", **old),
        "money": stored(number, status="cancelled", owed=Decimal128("12.00")),
    }


def others(number: int) -> list[Document]:
    return [
        stored(number, status="cancelled", items=[line("releasing", call="release")], stock_due_at=LONG_AGO),
        stored(number, status="cancelled", user_verified=False),
        stored(number, status="paid"),
        stored(number, status="shipped", status_since=LONG_AGO),
        stored(number, status="delivered"),
    ]


def names(kinds: list[attention.Waiting]) -> dict[str, list[ObjectId]]:
    return {kind.alert: [order["_id"] for order in kind.orders] for kind in kinds}


def test_each_kind_holds_what_waits_and_nothing_else_the_longest_waiting_first(database: Database[Document]) -> None:
    first, second = one_of_each(1), one_of_each(2)
    insert(database, *first.values(), *second.values(), *others(3))
    found = names(attention.everything(actor=BOSS, at=timezone.now()))
    assert found == {name: [second[name]["_id"], first[name]["_id"]] for name in first}
    counted = attention.counts(actor=BOSS, at=timezone.now())
    assert {kind.alert: (kind.count, kind.more) for kind in counted} == dict.fromkeys(first, (2, False))


def test_lists_and_counts_are_capped(database: Database[Document], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(attention, "SHOWN", 2)
    monkeypatch.setattr(attention, "COUNTED", 3)
    insert(database, *(order for number in range(5) for order in one_of_each(number).values()))
    for kind in attention.everything(actor=BOSS, at=timezone.now()):
        assert (len(kind.orders), kind.count, kind.more) == (2, 3, True), kind.alert


def test_whoever_does_not_see_all_orders_sees_nothing_that_waits(database: Database[Document]) -> None:
    for ask in (attention.counts, attention.everything):
        with pytest.raises(NotPermitted):
            ask(actor=access.customer("1"), at=timezone.now())


def test_what_waits_is_found_without_reading_what_does_not(database: Database[Document]) -> None:
    insert(database, *(order for number in range(300) for order in others(number % 50)), *one_of_each(1).values())
    with profiled(database) as operations:
        attention.everything(actor=BOSS, at=timezone.now())
        attention.counts(actor=BOSS, at=timezone.now())
    of_orders = [operation for operation in operations if operation["ns"].endswith(".orders")]
    assert len(of_orders) == 12
    for operation in of_orders:
        assert "COLLSCAN" not in operation["planSummary"], operation
        assert "IXSCAN" in operation["planSummary"], operation
        assert operation["docsExamined"] <= 1, operation
        assert operation["keysExamined"] <= 6, operation
        assert not operation.get("hasSortStage"), operation
