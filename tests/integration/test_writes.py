"""The guarded writes against a real mongod: all or nothing, exactly what was given, and `stock_due_at` with it."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest
from bson import Decimal128, ObjectId
from django.db import DatabaseError
from django.utils import timezone

from orders.models import LineState, Order, StockCall
from orders.storage import new_id, order_reads
from orders.storage.line_stock import LineStock, lines_by_index, lines_released, lines_used
from orders.storage.order_writes import clear_attempt, guarded_write, history_entry, insert_draft, orders, postpone
from tests.integration.builders import (
    FUTURE,
    PAST,
    A,
    B,
    Document,
    address,
    answer_lost,
    line,
    lines,
    now,
    read,
    sent_twice,
    states,
    store,
)

pytestmark = pytest.mark.usefixtures("database")

HOSTILE = [
    "$status",
    "$$ROOT",
    "$$NOW",
    "a.b.$c",
    "{$gt: 1}",
    "İstanbul ß 東京 🛒",
    "",
    "null",
    "\u202egnirts",
    "a\x00b",
]
"""Texts that an aggregation, a dotted path or a careless conversion would turn into something else."""


def draft(**changes: Any) -> Order:
    at = timezone.now()
    fields: dict[str, Any] = {
        "id": ObjectId(),
        "number": "0000-0000-0000",
        "user_id": "1",
        "items": lines((A, 2), (B, 1)),
        "shipping_address": address(),
        "total_price": Decimal("78.80"),
        "created_at": at,
        "updated_at": at,
    }
    return Order(**(fields | changes))


def entry(act: str = "note", **details: Any) -> Document:
    return history_entry(**({"at": now(), "act": act, "actor": "admin:boss", "via": "api"} | details))


def insert(order: Order, *, attempt: str = "mine", lease: float = 60) -> bool:
    return insert_draft(order, attempt=attempt, lease=lease, entry=entry("draft", target="placing"))


# --- inserting a draft -----------------------------------------------------------------------------------------------


def test_a_draft_is_born_with_every_line_claimed_and_due_when_its_lease_ends() -> None:
    order = draft()
    before = order_reads.server_time()
    assert insert(order, lease=60)
    after = order_reads.server_time()
    document = read(order.id)
    assert (document["status"], document["version"]) == ("placing", 0)
    assert [entry["act"] for entry in document["history"]] == ["draft"]
    for item in document["items"]:
        stock = item["stock"]
        assert (stock["state"], stock["call"], stock["attempts"], stock["error"]) == ("reserving", "reserve", 1, "")
        assert stock["attempt"]["id"] == "mine"
        assert before + timedelta(seconds=60) <= stock["attempt"]["until"] <= after + timedelta(seconds=60)
    assert document["stock_due_at"] == document["items"][0]["stock"]["attempt"]["until"]
    assert "placed_at" not in document


def test_a_draft_is_read_by_the_orm_as_it_was_given() -> None:
    order = draft()
    insert(order)
    found = Order.objects.get(pk=order.id)
    assert found.total_price == Decimal("78.80")
    assert [(item.product_id, item.quantity, item.price) for item in found.items] == [
        (item.product_id, item.quantity, item.price) for item in order.items
    ]
    assert found.shipping_address.line1 == "1 Long Street"


@pytest.mark.parametrize("text", HOSTILE)
def test_every_text_of_a_draft_is_stored_unchanged(text: str) -> None:
    fields = ("line1", "line2", "city", "state", "postal_code", "country")
    order = draft(shipping_address=address(**dict.fromkeys(fields, text)), user_id=text, number=text)
    note = entry("draft", actor=text, reason=text, request_id=text)
    assert insert_draft(order, attempt="mine", lease=60, entry=note)
    document = read(order.id)
    assert [document["shipping_address"][field] for field in fields] == [text] * len(fields)
    assert (document["user_id"], document["number"]) == (text, text)
    [kept] = document["history"]
    assert (kept["actor"], kept["reason"], kept["request_id"]) == (text, text, text)


@pytest.mark.parametrize("status", ["placing", "pending", "rejected"])
def test_inserting_where_an_order_exists_changes_nothing(status: str) -> None:
    order_id = store(status, line("reserved"), due=None)
    before = read(order_id)
    assert insert(draft(id=order_id)) is False
    assert read(order_id) == before


def test_of_many_inserts_under_one_id_one_succeeds() -> None:
    order_id = ObjectId()
    with ThreadPoolExecutor(8) as threads:
        inserted = list(threads.map(lambda i: insert(draft(id=order_id), attempt=f"attempt {i}"), range(8)))
    assert inserted.count(True) == 1
    assert read(order_id)["items"][0]["stock"]["attempt"]["id"] == f"attempt {inserted.index(True)}"


def test_a_draft_whose_insert_was_repeated_knows_its_own_first_try(monkeypatch: pytest.MonkeyPatch) -> None:
    order = draft()
    sent_twice(monkeypatch, "update_one")
    assert insert(order)
    assert len(read(order.id)["history"]) == 1


def test_an_insert_of_unknown_end_is_a_database_error(monkeypatch: pytest.MonkeyPatch) -> None:
    answer_lost(monkeypatch, "update_one")
    with pytest.raises(DatabaseError):
        insert(draft())


# --- the guard -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("guard", [{"version": 7}, {"status": "paid"}, {"items.0.stock.state": "used"}])
def test_where_the_guard_does_not_hold_nothing_changes(guard: Document) -> None:
    order_id = store("pending", line("reserved"), due=None)
    before = read(order_id)
    written = guarded_write(
        order_id,
        guard=guard,
        entries=[entry()],
        fields={"status": "shipped"},
        items=lines_used(),
        seen_at=timezone.now(),
    )
    assert written is None
    assert read(order_id) == before


def test_an_order_that_does_not_exist_is_not_created() -> None:
    assert guarded_write(ObjectId(), guard={}, fields={"status": "paid"}) is None
    assert orders().count_documents({}) == 0


def test_of_eight_writers_at_one_version_exactly_one_wins() -> None:
    for _ in range(5):
        order_id = store("pending", line("reserved"), due=None)

        def write(name: str, order_id: ObjectId = order_id) -> Document | None:
            return guarded_write(order_id, guard={"version": 1}, entries=[entry(name)], seen_at=timezone.now())

        with ThreadPoolExecutor(8) as threads:
            won = [written for written in threads.map(write, map(str, range(8))) if written]
        document = read(order_id)
        assert won == [document]
        assert document["version"] == 2
        assert len(document["history"]) == 3


def test_of_many_appends_to_the_history_none_is_lost() -> None:
    order_id = store("pending", line("reserved"), due=None)
    with ThreadPoolExecutor(8) as threads:
        list(threads.map(lambda i: guarded_write(order_id, guard={}, entries=[entry(str(i))]), range(80)))
    assert sorted(int(entry["act"]) for entry in read(order_id)["history"][2:]) == list(range(80))


# --- what is written -------------------------------------------------------------------------------------------------


def test_a_change_that_people_see_has_a_new_version_and_moment() -> None:
    order_id = store("pending", line("reserved"), due=None)
    at = timezone.now()
    written = guarded_write(order_id, guard={}, fields={"status": "paid"}, seen_at=at)
    assert written is not None
    assert (written["version"], written["status"]) == (2, "paid")
    assert abs(written["updated_at"] - at.replace(tzinfo=None)) < timedelta(milliseconds=1)
    assert written == read(order_id)


def test_a_change_that_nobody_sees_keeps_version_and_moment() -> None:
    order_id = store("cancelled", line("releasing"))
    before = read(order_id)
    written = guarded_write(order_id, guard={}, items=lines_by_index({0: LineStock(LineState.RELEASED)}))
    assert written is not None
    assert (written["version"], written["updated_at"]) == (before["version"], before["updated_at"])


def test_fields_and_reasons_are_set_to_these_very_values() -> None:
    order_id = store("pending", line("reserved"), due=None)
    for text in HOSTILE:
        home = {"line1": text, "city": text, "dotted.name": text, "nested": [{"$weird": text}]}
        changed = {"shipping_address": home, "notes": text}
        guarded_write(order_id, guard={}, fields=changed, entries=[entry(reason=text)])
        document = read(order_id)
        assert document["shipping_address"] == home, "an object is replaced, not merged"
        assert document["notes"] == text
        assert document["history"][-1]["reason"] == text


def test_decimals_stay_exact() -> None:
    order_id = store("pending", line("reserved"), due=None)
    total = Decimal128("99999999999.99")
    written = guarded_write(order_id, guard={}, fields={"total_price": total}, items=lines_used())
    assert written is not None
    assert written["total_price"] == total
    assert written["items"][0]["price"] == Decimal128("14.90")


def test_the_error_on_a_line_is_stored_unchanged() -> None:
    order_id = store("cancelled", line("releasing"))
    for text in HOSTILE:
        failed = LineStock(LineState.UNKNOWN, StockCall.RELEASE, error=text)
        guarded_write(order_id, guard={}, items=lines_by_index({0: failed}))
        assert read(order_id)["items"][0]["stock"]["error"] == text


def test_reasons_and_errors_are_cut_to_500_characters() -> None:
    order_id = store("cancelled", line("releasing"))
    items = lines_by_index({0: LineStock(LineState.RELEASED, error="é" * 501)})
    guarded_write(order_id, guard={}, items=items, entries=[entry(reason="é" * 501)])
    document = read(order_id)
    assert document["items"][0]["stock"]["error"] == "é" * 500
    assert document["history"][-1]["reason"] == "é" * 500


# --- lines -----------------------------------------------------------------------------------------------------------


def test_only_the_named_lines_change() -> None:
    order_id = store("placing", *(line("reserving", quantity=n, until=FUTURE) for n in range(1, 6)))
    before = read(order_id)["items"]
    changes = {1: LineStock(LineState.RESERVED, attempts=3), 4: LineStock(LineState.NONE, error="no")}
    guarded_write(order_id, guard={}, items=lines_by_index(changes))
    items = read(order_id)["items"]
    assert [items[i] for i in (0, 2, 3)] == [before[i] for i in (0, 2, 3)]
    assert items[1] == before[1] | {"stock": {"state": "reserved", "attempts": 3, "error": ""}}
    assert items[4] == before[4] | {"stock": {"state": "none", "attempts": 0, "error": "no"}}


def test_changing_no_line_leaves_the_lines_as_they_are() -> None:
    order_id = store("placing", line("reserved"), line("unknown", call="reserve"))
    before = read(order_id)["items"]
    guarded_write(order_id, guard={}, items=lines_by_index({}))
    assert read(order_id)["items"] == before


def test_an_index_beyond_the_lines_adds_none() -> None:
    order_id = store("placing", line("reserved"))
    before = read(order_id)["items"]
    guarded_write(order_id, guard={}, items=lines_by_index({7: LineStock(LineState.UNKNOWN)}))
    assert read(order_id)["items"] == before


EVERY_STATE = [line(state.value, quantity=n) for n, state in enumerate(LineState, start=1)]


def test_only_reserved_lines_are_released() -> None:
    order_id = store("cancelled", *EVERY_STATE, due=None)
    before = read(order_id)["items"]
    guarded_write(order_id, guard={}, items=lines_released("mine", 60))
    for old, new in zip(before, read(order_id)["items"], strict=True):
        if old["stock"]["state"] == "reserved":
            until = new["stock"].pop("attempt")
            assert until["id"] == "mine"
            assert new["stock"] == {"state": "releasing", "call": "release", "attempts": 1, "error": ""}
        else:
            assert new == old


def test_only_reserved_lines_become_used() -> None:
    order_id = store("shipped", *EVERY_STATE, due=None)
    before = states(read(order_id))
    guarded_write(order_id, guard={}, items=lines_used())
    assert states(read(order_id)) == ["used" if state == "reserved" else state for state in before]


# --- when the stock is due -------------------------------------------------------------------------------------------

SOON, LATE = timedelta(hours=1), timedelta(hours=2)
DUE: dict[str, tuple[str, list[Document], Callable[[Document], Any]]] = {
    "nothing owed: never": ("cancelled", [line("released"), line("used")], lambda _: None),
    "an unknown line alone: never": ("cancelled", [line("unknown", call="release")], lambda _: None),
    "a reserved order: never": ("pending", [line("reserved"), line("reserved")], lambda _: None),
    "one attempt: when it ends": (
        "cancelled",
        [line("releasing", until=SOON), line("released")],
        lambda document: document["items"][0]["stock"]["attempt"]["until"],
    ),
    "two attempts: when the first ends": (
        "placing",
        [line("reserving", until=LATE), line("reserving", until=SOON)],
        lambda document: document["items"][1]["stock"]["attempt"]["until"],
    ),
    "a live draft: when its attempt ends, not before": (
        "placing",
        [line("reserved"), line("reserving", until=LATE)],
        lambda document: document["items"][1]["stock"]["attempt"]["until"],
    ),
    "unknown beside owed: by the owed one": (
        "cancelled",
        [line("unknown", call="release"), line("releasing", until=SOON)],
        lambda document: document["items"][1]["stock"]["attempt"]["until"],
    ),
}


@pytest.mark.parametrize("case", DUE)
def test_when_the_stock_is_due_follows_from_the_lines(case: str) -> None:
    status, items, expected = DUE[case]
    order_id = store(status, *items, due=PAST)
    document = guarded_write(order_id, guard={}, items=lines_by_index({}), retry_after=10)
    assert document is not None
    assert document.get("stock_due_at") == expected(document)


@pytest.mark.parametrize(
    ("status", "items"),
    [
        ("cancelled", [line("releasing")]),
        ("cancelled", [line("releasing"), line("releasing", until=LATE)]),
        ("placing", [line("reserved"), line("none")]),
        ("placing", [line("unknown", call="reserve")]),
    ],
    ids=["owed without attempt", "owed without attempt beside a later one", "settled draft", "draft of unknown lines"],
)
def test_what_nobody_is_at_is_due_after_the_pause(status: str, items: list[Document]) -> None:
    order_id = store(status, *items, due=None)
    before = order_reads.server_time()
    document = guarded_write(order_id, guard={}, items=lines_by_index({}), retry_after=10)
    assert document is not None
    pause = timedelta(seconds=10)
    assert before + pause <= document["stock_due_at"] <= order_reads.server_time() + pause


def test_a_write_that_leaves_the_lines_alone_leaves_their_due_moment_alone() -> None:
    order_id = store("pending", line("reserved"), due=FUTURE)
    before = read(order_id)["stock_due_at"]
    guarded_write(order_id, guard={}, fields={"status": "paid"}, seen_at=timezone.now())
    assert read(order_id)["stock_due_at"] == before


def test_a_negative_lease_ends_at_once_and_never_in_the_past() -> None:
    order_id = store("cancelled", line("reserved"), due=None)
    before = order_reads.server_time()
    document = guarded_write(order_id, guard={}, items=lines_released("mine", -5))
    assert document is not None
    assert document["stock_due_at"] >= before


def test_putting_off_moves_only_what_is_due() -> None:
    due, idle = store("cancelled", line("releasing"), due=PAST), store("pending", line("reserved"), due=None)
    untouched = read(idle)
    postpone(due, 60)
    postpone(idle, 60)
    assert read(due)["stock_due_at"] > now() + timedelta(seconds=50)
    assert read(idle) == untouched


# --- after a failover ------------------------------------------------------------------------------------------------


def test_a_repeated_write_knows_its_own_first_try_by_its_history(monkeypatch: pytest.MonkeyPatch) -> None:
    order_id = store("pending", line("reserved"), due=None)
    sent_twice(monkeypatch)
    written = guarded_write(
        order_id, guard={"version": 1}, entries=[entry("pay")], fields={"status": "paid"}, seen_at=timezone.now()
    )
    assert written == read(order_id)
    assert (written["version"], [entry["act"] for entry in written["history"]]) == (2, ["draft", "place", "pay"])


def test_a_repeated_write_without_history_is_known_by_what_it_alone_made_true(monkeypatch: pytest.MonkeyPatch) -> None:
    order_id = store("cancelled", line("releasing"))
    mine = new_id()
    items = lines_by_index({0: LineStock(LineState.RELEASING, StockCall.RELEASE, mine, 60)})
    sent_twice(monkeypatch)
    guard = {"items.0.stock.attempt": {"$exists": False}}
    assert guarded_write(order_id, guard=guard, items=items) == read(order_id)


def test_one_change_tried_again_under_its_write_id_is_known_and_made_once() -> None:
    order_id = store("pending", line("reserved"), due=None)
    change: dict[str, Any] = {"guard": {"version": 1}, "entries": [entry("pay")], "seen_at": timezone.now()}
    first = guarded_write(order_id, **change, write_id="w")
    assert first == guarded_write(order_id, **change, write_id="w") == read(order_id)
    assert first is not None
    assert first["version"] == 2


def test_a_guard_on_a_line_without_an_attempt_does_not_hold_once_there_is_one() -> None:
    """`{"items.0.stock.attempt": None}` would: null also equals the missing field "0" of each line."""
    order_id = store("cancelled", line("releasing", until=FUTURE))
    absent = {"items.0.stock.attempt": {"$exists": False}}
    assert orders().count_documents({"_id": order_id, "items.0.stock.attempt": None}) == 1, "mongod has changed"
    assert guarded_write(order_id, guard=absent, fields={"status": "paid"}) is None


def test_clearing_an_attempt_takes_off_that_one_and_no_other() -> None:
    order_id = store("cancelled", line("releasing", until=FUTURE), line("releasing", until=FUTURE), line("released"))
    before = read(order_id)
    mine = before["items"][0]["stock"]["attempt"]["id"]
    clear_attempt(order_id, mine)
    document = read(order_id)
    assert document["items"][0]["stock"] == {"state": "releasing", "call": "release", "attempts": 1, "error": ""}
    assert document["items"][1:] == before["items"][1:]
    assert document["stock_due_at"] <= order_reads.server_time()
    clear_attempt(order_id, mine)
    assert read(order_id) == document


def test_somebody_elses_write_is_never_taken_for_ones_own() -> None:
    order_id = store("pending", line("reserved"), due=None)
    guarded_write(order_id, guard={"version": 1}, entries=[entry("pay")], seen_at=timezone.now())
    assert guarded_write(order_id, guard={"version": 1}, entries=[entry("pay")], seen_at=timezone.now()) is None
    assert read(order_id)["version"] == 2


@pytest.mark.parametrize("written", [True, False], ids=["carried out", "not carried out"])
def test_a_write_of_unknown_end_is_a_database_error(monkeypatch: pytest.MonkeyPatch, written: bool) -> None:
    order_id = store("pending", line("reserved"), due=None)
    answer_lost(monkeypatch, written=written)
    with pytest.raises(DatabaseError):
        guarded_write(order_id, guard={}, fields={"status": "paid"})
    assert read(order_id)["status"] == ("paid" if written else "pending")
