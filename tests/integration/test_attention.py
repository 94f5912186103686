"""What waits for staff is found by indexes of its own, and has ways out."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from bson import Decimal128, ObjectId
from django.utils import timezone
from pymongo.database import Database

from integrations import users
from integrations.sandbox import Sandbox
from orders.services import access
from orders.services.access import NotPermitted, OrderNotFound
from orders.services.audit import Act, ReasonMissing
from orders.services.lifecycle.late_verification import StillUnverified, verify_user
from orders.services.lifecycle.versions import OrderBusy
from orders.services.reporting import attention
from orders.services.stock.resolution import NothingOwed, NothingShort, accept_shortage, retry_now
from orders.services.stock.worker import settle_due
from orders.storage import order_reads
from tests.functional.admin_helpers import Document, find, insert, line, placed, profiled, stored
from tests.integration.builders import WORKER
from tests.order_invariants import violations_of

BOSS = access.admin("boss")
SUPPORT = access.Actor(access.Kind.STAFF, "Support", "admin", frozenset({access.VIEW, "orders.cancel_order"}))
LONG_AGO = datetime.now(UTC).replace(microsecond=0) - timedelta(days=9)
HOUR = timedelta(hours=1)


def act(actor: access.Actor = BOSS, reason: str = "looked") -> Act:
    return Act(actor, timezone.now(), reason)


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


# --- retry now -------------------------------------------------------------------------------------------------------


def owed(database: Database[Document], *lines: Document, **changes: Any) -> Document:
    due = {"stock_due_at": (datetime.now(UTC) + HOUR).replace(microsecond=0)}
    items = list(lines) or [line("releasing", call="release")]
    return insert(database, stored(status="cancelled", items=items, **(due | changes)))


def test_a_retry_makes_the_stock_due_at_once_and_is_in_the_history_of_each_line(database: Database[Document]) -> None:
    order = owed(database, line("released"), line("releasing", call="release"), line("releasing", call="release"))
    changed = retry_now(order_id=order["_id"], act=act(reason=""))
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
    assert not any(kind.count for kind in attention.counts(actor=BOSS, at=timezone.now()))
    assert "stock_due_at" not in changed


@pytest.mark.parametrize(("index", "discrepancy"), [(0, 2), (1, 1), (2, 2), (-1, 2)])
def test_a_shortage_that_is_not_there_is_not_noted(database: Database[Document], index: int, discrepancy: int) -> None:
    order = short(database)
    before = find(database, order)
    with pytest.raises(NothingShort):
        accept_shortage(order_id=order["_id"], line=index, discrepancy=discrepancy, act=act())
    assert find(database, order) == before


def test_a_shortage_needs_a_reason_a_permission_and_an_order(database: Database[Document]) -> None:
    order = short(database)
    before = find(database, order)
    with pytest.raises(ReasonMissing):
        accept_shortage(order_id=order["_id"], line=1, discrepancy=2, act=act(reason=" "))
    with pytest.raises(NotPermitted):
        accept_shortage(order_id=order["_id"], line=1, discrepancy=2, act=act(SUPPORT))
    with pytest.raises(OrderNotFound):
        accept_shortage(order_id=ObjectId(), line=1, discrepancy=2, act=act())
    assert find(database, order) == before


def test_of_two_that_note_a_shortage_the_second_is_told(
    database: Database[Document], monkeypatch: pytest.MonkeyPatch
) -> None:
    order = short(database)
    old = order_reads.get_whole(order["_id"])
    accept_shortage(order_id=order["_id"], line=1, discrepancy=2, act=act())
    monkeypatch.setattr(order_reads, "get_whole", lambda _: old)
    between = find(database, order)
    with pytest.raises(NothingShort):
        accept_shortage(order_id=order["_id"], line=1, discrepancy=2, act=act())
    assert find(database, order) == between


# --- users that were not verified ------------------------------------------------------------------------------------


def unverified(database: Database[Document], user_id: str = "1") -> Document:
    order = placed()
    database["orders"].update_one({"_id": order["_id"]}, {"$set": {"user_verified": False, "user_id": user_id}})
    return find(database, order)


def test_a_user_that_the_service_knows_is_verified_with_a_new_version(
    database: Database[Document], sandbox: Sandbox
) -> None:
    order = unverified(database)
    changed = verify_user(order_id=order["_id"], act=act(SUPPORT, ""))
    assert (changed["user_verified"], changed["version"]) == (True, order["version"] + 1)
    assert changed["history"][-1]["act"] == "verify_user"
    assert violations_of(changed) == []
    again = verify_user(order_id=order["_id"], act=act(SUPPORT))
    assert again == changed == find(database, order)


@pytest.mark.parametrize("trouble", ["unknown", "down"])
def test_a_user_that_is_unknown_or_cannot_be_asked_about_stays_unverified(
    database: Database[Document], sandbox: Sandbox, trouble: str
) -> None:
    order = unverified(database, "987654")
    if trouble == "down":
        sandbox.control.fault("verify", "status", status=503)
    with pytest.raises(StillUnverified, match="has no active" if trouble == "unknown" else "does not answer"):
        verify_user(order_id=order["_id"], act=act())
    assert find(database, order) == order


@pytest.mark.parametrize(
    ("sent", "kept"),
    [
        (None, ("Amara Okafor", "amara.okafor@example.com", "")),
        ({"name": "Bob", "email": "", "phone": "555"}, ("Bob", "amara.okafor@example.com", "555")),
    ],
)
def test_what_the_contact_lacks_is_filled_in(
    database: Database[Document], sandbox: Sandbox, sent: dict[str, str] | None, kept: tuple[str, ...]
) -> None:
    order = unverified(database)
    if sent:
        database["orders"].update_one({"_id": order["_id"]}, {"$set": {"contact": sent}})
    contact = verify_user(order_id=order["_id"], act=act())["contact"]
    assert tuple(contact[name] for name in ("name", "email", "phone")) == kept


def test_a_contact_that_changes_meanwhile_is_not_overwritten(
    database: Database[Document], sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    order, verify = unverified(database), users.verify

    def change_in_between(*args: Any, **options: Any) -> Any:
        contact = {"name": "Bob", "email": "", "phone": ""}
        database["orders"].update_one({"_id": order["_id"]}, {"$set": {"contact": contact}, "$inc": {"version": 1}})
        return verify(*args, **options)

    monkeypatch.setattr(users, "verify", change_in_between)
    changed = verify_user(order_id=order["_id"], act=act())
    assert (changed["user_verified"], changed["version"]) == (True, order["version"] + 2)
    assert changed["contact"] == {"name": "Bob", "email": "amara.okafor@example.com", "phone": ""}


def test_an_order_that_others_keep_changing_stays_unverified(
    database: Database[Document], sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    order, read = unverified(database), order_reads.get_whole

    def changed_again(order_id: ObjectId) -> Document | None:
        found = read(order_id)
        database["orders"].update_one({"_id": order_id}, {"$inc": {"version": 1}})
        return found

    monkeypatch.setattr(order_reads, "get_whole", changed_again)
    with pytest.raises(OrderBusy):
        verify_user(order_id=order["_id"], act=act())
    assert find(database, order)["user_verified"] is False


def test_a_user_is_verified_once_by_two_at_once(
    database: Database[Document], sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    order = unverified(database)
    stale = [order_reads.get_whole(order["_id"])]
    first = verify_user(order_id=order["_id"], act=act())
    read = order_reads.get_whole
    monkeypatch.setattr(order_reads, "get_whole", lambda order_id: stale.pop() if stale else read(order_id))
    assert verify_user(order_id=order["_id"], act=act()) == first


def test_a_user_is_verified_by_whoever_may_cancel_and_for_an_order_that_exists(database: Database[Document]) -> None:
    order = insert(database, stored(user_verified=False))
    looker = access.Actor(access.Kind.STAFF, "x", "admin", frozenset({access.VIEW}))
    with pytest.raises(NotPermitted):
        verify_user(order_id=order["_id"], act=act(looker))
    with pytest.raises(OrderNotFound):
        verify_user(order_id=ObjectId(), act=act())
    assert find(database, order)["user_verified"] is False
