"""Orders that need attention can be put to sleep: until a moment, for a reason, and until their state is another."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from bson import Decimal128, ObjectId
from django.utils import timezone
from pymongo.database import Database

from integrations.sandbox import Sandbox
from orders.services import access, bulk
from orders.services.access import NotPermitted
from orders.services.audit import Act, InvalidReason, ReasonMissing
from orders.services.errors import OrderError
from orders.services.lifecycle import editing, transitions
from orders.services.order_queries import NEEDS_ATTENTION, Alert, OrderKeys, OrderQuery, raised
from orders.services.reporting import attention, snoozing
from orders.services.reporting.snoozing import InvalidSnooze, TooManySnoozed
from orders.services.stock.worker import settle_due
from orders.storage import alerts, order_lists, service_state
from tests.functional.admin_helpers import Document, find, insert, line, profiled, stored
from tests.integration.builders import WORKER
from tests.order_invariants import every_change_has_its_version

BOSS = access.admin("boss")
DAY = timedelta(days=1)
LONG_AGO = datetime.now(UTC).replace(microsecond=0) - timedelta(days=9)


def act(reason: str = "The customer is on holiday", actor: access.Actor = BOSS) -> Act:
    return Act(actor, timezone.now(), reason)


def snooze(*orders: Document, days: float = 3, **asked: Any) -> snoozing.Done:
    asked = {"act": act()} | asked
    until = asked["act"].at + timedelta(days=days)
    return snoozing.snooze(order_ids=[order["_id"] for order in orders], until=until, **asked)


def late(number: int = 0, **changes: Any) -> Document:
    """An order that is paid and should have been shipped."""
    return stored(number, **({"status": "paid", "created_at": LONG_AGO, "status_since": LONG_AGO} | changes))


def shown(at: datetime | None = None) -> dict[str, list[ObjectId]]:
    """The orders with each alert, as the page has them; all that speak of attention have to say the same."""
    at, everything = at or timezone.now(), {}
    for kind in [*attention.everything(actor=BOSS, at=at), attention.snoozed(actor=BOSS, at=at)]:
        ids = [order["_id"] for order in kind.orders]
        assert kind.count == len(ids) == alerts.count(kind.alert, at, 99), kind.alert
        listed = order_lists.first_ids(OrderQuery(alerts=(kind.alert,), at=at, drafts=True), 99)
        assert set(listed) == set(ids), kind.alert
        seen = {order.pk for order in order_lists.page_after(OrderQuery(drafts=True), 99).orders
                if kind.alert in raised(order, at)}  # fmt: skip
        assert seen == set(ids), kind.alert
        everything[str(kind.alert)] = ids
    counted = attention.counts(actor=BOSS, at=at)
    assert {kind.alert: kind.count for kind in counted} == {alert: len(everything[alert]) for alert in NEEDS_ATTENTION}
    waiting = {order_id for alert in NEEDS_ATTENTION for order_id in everything[alert]}
    tab = OrderQuery(alerts=NEEDS_ATTENTION, at=at, drafts=True)
    assert len(waiting) == order_lists.size(tab, 99) == order_lists.count(tab)
    assert len(waiting) == attention.number(actor=BOSS, at=at, most=99, within=2)
    return {alert: sorted(ids) for alert, ids in everything.items() if ids}


def test_an_order_that_sleeps_is_in_no_list_and_no_number_until_its_time_has_come(
    database: Database[Document],
) -> None:
    first, second, other = late(1), late(2, user_verified=False), late(3)
    insert(database, first, second, other)
    assert snooze(first, second) == snoozing.Done(2, {})
    assert shown() == {"unshipped": [other["_id"]], "snoozed": [first["_id"], second["_id"]]}
    in_time = shown(timezone.now() + timedelta(days=3, minutes=1))
    assert in_time["unshipped"] == [first["_id"], second["_id"], other["_id"]]
    assert in_time["unchecked"] == [second["_id"]]
    assert "snoozed" not in in_time
    written = find(database, second)
    assert list(every_change_has_its_version(written)) == []
    entry = written["history"][-1]
    assert (entry["act"], entry["actor"], entry["reason"]) == ("snooze", "admin:boss", "The customer is on holiday")
    assert entry["detail"].endswith(": Unverified customer, open order, Paid, not shipped")
    assert written["snoozed"] | {"until": 0} == {
        "until": 0, "reason": entry["reason"], "actor": "admin:boss", "alerts": ["unchecked", "unshipped"],
        "status": "paid", "stock": ["reserved"],
    }  # fmt: skip


def test_an_alert_that_it_did_not_have_shows_it_again(database: Database[Document]) -> None:
    order = late(status_since=datetime.now(UTC) - timedelta(hours=47), owed=Decimal128("3.00"))
    insert(database, order)
    snooze(order)
    assert shown() == {"snoozed": [order["_id"]]}
    assert shown(timezone.now() + DAY) == {"unshipped": [order["_id"]], "snoozed": [order["_id"]]}


def cancel(order: Document) -> None:
    transitions.change_status(order_id=order["_id"], transition="cancel", act=act())


def run(order: Document) -> None:
    selection = OrderQuery(keys=OrderKeys([order["_id"]]))
    started = bulk.start_run(selection=selection, transition="start_processing", act=act(), run_id=ObjectId())
    assert bulk.execute_if_small(started, orders=1).done == 1


def note(order: Document) -> None:
    editing.write_note(order_id=order["_id"], text="Asked the carrier", act=act())


def fail_again(order: Document) -> None:
    """Of the line that is to be released nothing but the number of attempts changes."""
    assert settle_due(actor=WORKER).orders == 1


DUE = {"items": [line("releasing", call="release")], "stock_due_at": LONG_AGO}


@pytest.mark.parametrize(
    ("changes", "happens", "alert"),
    [
        ({"status": "pending", "items": [line("unknown", call="reserve")]}, cancel, "unknown"),
        ({}, run, None),
        ({"owed": Decimal128("3.00")}, note, "snoozed"),
        ({"status": "cancelled", **DUE}, fail_again, "snoozed"),
    ],
    ids=["cancelled", "one of a run", "a note", "one more attempt"],
)
def test_a_change_of_its_state_wakes_an_order_and_nothing_else_does(
    database: Database[Document],
    sandbox: Sandbox,
    changes: dict[str, Any],
    happens: Callable[[Document], None],
    alert: str | None,
) -> None:
    order = late(**changes)
    insert(database, order)
    sandbox.control.fault("release", "status", status=503)
    snooze(order)
    happens(order)
    written = find(database, order)
    assert ("snoozed" in written) is (alert == "snoozed")
    assert shown() == ({alert: [order["_id"]]} if alert else {})
    assert list(every_change_has_its_version(written)) == []


@pytest.mark.parametrize(
    "change", [{"items.0.stock.state": "used"}, {"owed": Decimal128("4.00")}, {"status": "shipped"}]
)
def test_stock_money_and_status_are_each_of_its_state(database: Database[Document], change: Document) -> None:
    order = late(owed=Decimal128("3.00"))
    insert(database, order)
    snooze(order)
    database["orders"].update_one({"_id": order["_id"]}, {"$set": change})
    note(order)
    assert "snoozed" not in find(database, order)


def test_somebody_can_wake_it_up(database: Database[Document]) -> None:
    order, other = late(1), late(2)
    insert(database, order, other)
    before = find(database, other)
    snooze(order)
    woken = snoozing.wake(order_ids=[order["_id"], other["_id"], ObjectId()], act=act(""))
    assert woken == snoozing.Done(1, {"it is not snoozed any more": 1, "it does not exist": 1})
    assert shown() == {"unshipped": [order["_id"], other["_id"]]}
    assert find(database, order)["history"][-1]["act"] == "wake"
    assert find(database, other) == before


def test_what_does_not_wait_is_not_snoozed_and_stops_no_other(database: Database[Document]) -> None:
    order, fine, unpaid = late(1), stored(2, status="paid"), stored(3, status="pending", created_at=LONG_AGO)
    insert(database, order, fine, unpaid)
    before = find(database, fine), find(database, unpaid)
    assert snooze(order, fine, unpaid) == snoozing.Done(1, {"it does not need attention any more": 2})
    assert shown() == {"snoozed": [order["_id"]]}
    assert (find(database, fine), find(database, unpaid)) == before


def test_it_may_be_snoozed_anew(database: Database[Document]) -> None:
    order = late()
    insert(database, order)
    snooze(order)
    assert snooze(order, days=1, act=act("Sooner")).changed == 1
    assert find(database, order)["snoozed"]["reason"] == "Sooner"
    assert shown(timezone.now() + 2 * DAY) == {"unshipped": [order["_id"]]}


VIEWER = access.Actor(access.Kind.STAFF, "Finance", "admin", frozenset({access.VIEW}))
BLIND = access.Actor(access.Kind.STAFF, "Finance", "admin", frozenset({access.SNOOZE}))


def test_it_needs_a_permission_a_reason_that_can_be_kept_and_a_time_within_reach(
    database: Database[Document], monkeypatch: pytest.MonkeyPatch
) -> None:
    order = late()
    insert(database, order)
    before = find(database, order)
    refused: list[tuple[type[OrderError], Callable[[], Any]]] = [
        (NotPermitted, lambda: snooze(order, act=act(actor=VIEWER))),
        (NotPermitted, lambda: snooze(order, act=act(actor=BLIND))),
        (NotPermitted, lambda: snoozing.wake(order_ids=[order["_id"]], act=act(actor=VIEWER))),
        (NotPermitted, lambda: attention.snoozed(actor=BLIND, at=timezone.now())),
        (NotPermitted, lambda: attention.number(actor=BLIND, at=timezone.now(), most=9, within=1)),
        (ReasonMissing, lambda: snooze(order, act=act(" "))),
        (InvalidReason, lambda: snooze(order, act=act("x" * 501))),
        (InvalidSnooze, lambda: snooze(order, days=0)),
        (InvalidSnooze, lambda: snooze(order, days=90.01)),
        (InvalidSnooze, lambda: snooze()),
        (InvalidSnooze, lambda: snooze(*[order] * 101)),
    ]
    for error, ask in refused:
        with pytest.raises(error):
            ask()
    monkeypatch.setattr(snoozing, "MOST_ASLEEP", 1)
    with pytest.raises(TooManySnoozed):
        snooze(order, order)
    assert find(database, order) == before


def test_where_no_more_can_be_snoozed_those_that_are_can_be_snoozed_anew(
    database: Database[Document], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(snoozing, "MOST_ASLEEP", 2)
    first, second, other = late(1), late(2), late(3)
    insert(database, first, second, other)
    snooze(first, second)
    assert snooze(first, second, days=5) == snoozing.Done(2, {})
    for asked in ((other,), (first, other)):
        with pytest.raises(TooManySnoozed):
            snooze(*asked)
    snoozing.wake(order_ids=[first["_id"]], act=act())
    assert snooze(second, other) == snoozing.Done(2, {})


def test_an_order_that_changes_meanwhile_is_looked_at_again(
    database: Database[Document], monkeypatch: pytest.MonkeyPatch
) -> None:
    order = late()
    insert(database, order)
    read, meanwhile = order_lists.orders_with_ids, [{"owed": Decimal128("1.00")}]

    def outdated(ids: Any) -> Any:
        found = read(ids)
        for change in meanwhile[:1]:
            database["orders"].update_one({"_id": ids[0]}, {"$set": change | {"write_id": str(ObjectId())}})
        del meanwhile[1:]
        return found

    monkeypatch.setattr(order_lists, "orders_with_ids", outdated)
    assert snooze(order).skipped == {"This order is being changed by others right now. Try again.": 1}
    assert len(find(database, order)["history"]) == len(order["history"])
    monkeypatch.undo()
    assert snooze(order).changed == 1
    assert find(database, order)["snoozed"]["alerts"] == ["unshipped", "money"]


def test_who_sleeps_is_passed_by_within_the_index_and_nothing_else_is_read(database: Database[Document]) -> None:
    at = timezone.now()
    asleep = [late(number) for number in range(4)]
    others = [stored(number, status="delivered", status_since=LONG_AGO) for number in range(50, 350)]
    insert(database, late(9), *asleep, *others)
    snooze(*asleep)
    database.command("planCacheClear", "orders")  # other tests had few orders, where any plan is as good
    with profiled(database) as operations:
        assert attention.number(actor=BOSS, at=at, most=100, within=2) == 1
        attention.everything(actor=BOSS, at=at)
        attention.counts(actor=BOSS, at=at)
        assert attention.snoozed(actor=BOSS, at=at).count == 4
        order_lists.page_after(OrderQuery(alerts=NEEDS_ATTENTION, at=at, drafts=True), 50)
        order_lists.page_after(OrderQuery(alerts=(Alert.SNOOZED,), at=at, drafts=True), 50)
    of_orders = [operation for operation in operations if operation["ns"].endswith(".orders")]
    assert len(of_orders) >= 1 + 6 + 6 + 1 + 6 + 1
    for operation in of_orders:
        assert "COLLSCAN" not in operation["planSummary"], operation
        assert "IXSCAN" in operation["planSummary"], operation
        assert operation["docsExamined"] <= 10, operation
        assert operation["keysExamined"] <= 16, operation


def test_monitoring_speaks_of_the_same_orders(database: Database[Document]) -> None:
    unknown = [stored(number, status="cancelled", items=[line("unknown", call="release")]) for number in (1, 2)]
    insert(database, *unknown)
    snooze(unknown[0])
    figures = service_state.read(99)
    assert (figures.unknown, figures.snoozed) == (1, 1)
