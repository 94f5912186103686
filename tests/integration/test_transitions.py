"""Changing an order's status through the service: who wins, what becomes of the stock, what the history says."""

import threading
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from bson import ObjectId
from django.db import DatabaseError
from pytest_django import Settings

from integrations.sandbox import Sandbox
from orders.models import PUBLIC_STATUSES, edges_from, public_edges, transition_names
from orders.services import access
from orders.services.access import NotPermitted, OrderNotFound
from orders.services.audit import ReasonMissing
from orders.services.lifecycle import allowed_transitions
from orders.services.lifecycle.allowed_transitions import TransitionRefused
from orders.services.lifecycle.transitions import change_status, change_status_to
from orders.services.lifecycle.versions import OrderBusy, StaleOrder
from orders.services.stock import inventory_calls
from orders.services.stock.worker import settle_due
from orders.storage import daily_figures, order_reads, service_state
from orders.storage.order_writes import orders
from tests.integration.builders import (
    ADMIN,
    WORKER,
    A,
    B,
    Document,
    act,
    answer_lost,
    asked,
    due_now,
    line,
    now,
    place,
    read,
    sent_twice,
    shelve,
    small_sandbox,  # noqa: F401
    states,
    stock_of,
    store,
)

CUSTOMER = access.customer("1")
DEAD = "http://127.0.0.1:9/api/v1"
HELD = {"pending": "reserved", "paid": "reserved", "processing": "reserved", "shipped": "used", "delivered": "used"}


def ordered(status: str, *items: Document) -> ObjectId:
    """An order in a public status, with lines as they are in that status."""
    state = HELD.get(status, "released")
    return store(status, *(items or (line(state, A), line(state, B))), due=None)


# --- every arrow -----------------------------------------------------------------------------------------------------

AFTER = {
    "pay": "reserved",
    "start_processing": "reserved",
    "ship": "used",
    "deliver": "used",
    "cancel": "released",
}


@pytest.mark.parametrize("edge", public_edges(), ids=lambda edge: f"{edge.source}-{edge.target}")
@pytest.mark.parametrize("by", ["name", "status"])
def test_every_arrow_of_the_machine_can_be_taken(sandbox: Sandbox, edge: Any, by: str) -> None:
    for product in (A, B):
        shelve(sandbox, product, available=8, reserved=2)
    order_id = ordered(edge.source)
    before = read(order_id)
    if by == "name":
        written = change_status(order_id=order_id, transition=edge.name, act=act(reason="because"))
    else:
        written = change_status_to(order_id=order_id, status=edge.target, act=act(reason="because")).order
    assert written == read(order_id)
    assert (written["status"], written["version"]) == (edge.target, before["version"] + 1)
    assert written["updated_at"] > before["updated_at"]
    was_held = HELD[edge.source] == "reserved"
    expected = AFTER.get(edge.name) or ("released" if was_held else "used")
    assert states(written) == [expected] * 2
    released = was_held and expected == "released"
    assert len(asked(sandbox)) == (2 if released else 0), "nothing is released once it was shipped"
    assert stock_of(sandbox) == ((10, 0) if released else (8, 2))
    assert "stock_due_at" not in written
    entry = written["history"][2]
    assert (entry["act"], entry["from"], entry["to"]) == (edge.name, edge.source, edge.target)
    assert (entry["actor"], entry["via"], entry["reason"]) == ("admin:boss", "api", "because")
    assert "line" not in entry


@pytest.mark.parametrize("status", PUBLIC_STATUSES)
def test_what_the_machine_does_not_allow_is_refused_and_changes_nothing(sandbox: Sandbox, status: str) -> None:
    order_id = ordered(status)
    before = read(order_id)
    allowed = [edge.target for edge in edges_from(status)]
    for target in set(PUBLIC_STATUSES) - set(allowed):
        with pytest.raises(TransitionRefused) as refused:
            change_status_to(order_id=order_id, status=target, act=act())
        assert refused.value.members == {"current_status": status, "allowed": allowed}
    for name in set(transition_names()) - {edge.name for edge in edges_from(status)}:
        with pytest.raises(TransitionRefused, match=status):
            change_status(order_id=order_id, transition=name, act=act())
    assert read(order_id) == before
    assert asked(sandbox) == []


# --- who -------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("status", ["placing", "rejected"])
def test_a_draft_and_a_rejected_order_do_not_exist_for_anybody(database: object, status: str) -> None:
    order_id = store(status, line("reserved"), due=None)
    before = read(order_id)
    with pytest.raises(OrderNotFound):
        change_status(order_id=order_id, transition="cancel", act=act())
    with pytest.raises(OrderNotFound):
        change_status_to(order_id=order_id, status="pending", act=act())
    assert read(order_id) == before


def test_anothers_order_and_no_order_look_the_same(database: object) -> None:
    order_id, nothing = ordered("pending"), ObjectId()
    said = []
    for asked_for in (order_id, nothing):
        with pytest.raises(OrderNotFound) as refused:
            change_status(order_id=asked_for, transition="cancel", act=act(access.customer("2")))
        said.append(refused.value.detail.replace(str(asked_for), "X"))
    assert said[0] == said[1]
    assert read(order_id)["status"] == "pending"


@pytest.mark.parametrize("edge", [edge for edge in public_edges() if edge.target != "cancelled"], ids=str)
def test_what_a_customer_may_not_do_changes_nothing(sandbox: Sandbox, edge: Any) -> None:
    order_id = ordered(edge.source)
    before = read(order_id)
    with pytest.raises(NotPermitted):
        change_status(order_id=order_id, transition=edge.name, act=act(CUSTOMER))
    assert read(order_id) == before
    assert asked(sandbox) == []


def test_a_customer_who_may_not_is_not_told_what_could_be_done(database: object) -> None:
    order_id = ordered("shipped")
    with pytest.raises(NotPermitted):
        change_status(order_id=order_id, transition="pay", act=act(CUSTOMER))


@pytest.mark.parametrize("status", ["pending", "paid", "processing"])
def test_a_customer_cancels_their_own_order(sandbox: Sandbox, status: str) -> None:
    order_id = ordered(status)
    cancelled = change_status(order_id=order_id, transition="cancel", act=act(CUSTOMER))
    assert cancelled["status"] == "cancelled"
    assert cancelled["history"][2]["actor"] == "customer:1"


@pytest.mark.parametrize("kind", [access.Kind.STAFF, access.Kind.SYSTEM])
def test_staff_and_operators_cancel_and_refund_with_a_reason_only(sandbox: Sandbox, kind: access.Kind) -> None:
    order_id = place().order["_id"]
    staff = access.Actor(kind, "maria", "admin", access.every_permission())
    change_status(order_id=order_id, transition="pay", act=act(staff))
    before = read(order_id)
    for name in ("cancel", "refund"):
        for reason in ("", "  "):
            with pytest.raises(ReasonMissing):
                change_status(order_id=order_id, transition=name, act=act(staff, reason))
    assert read(order_id) == before
    assert change_status(order_id=order_id, transition="refund", act=act(staff, "Broken"))["status"] == "refunded"
    other = place().order["_id"]
    assert change_status(order_id=other, transition="cancel", act=act(ADMIN))["status"] == "cancelled"


# --- the version guard -----------------------------------------------------------------------------------------------


def test_an_expected_version_that_still_holds_is_let_through(sandbox: Sandbox) -> None:
    assert change_status(order_id=ordered("pending"), transition="pay", act=act(), expected_version=1)["version"] == 2


@pytest.mark.parametrize("expected", [0, 2, 10**9])
def test_another_version_than_the_expected_one_changes_nothing(sandbox: Sandbox, expected: int) -> None:
    order_id = ordered("pending")
    before = read(order_id)
    with pytest.raises(StaleOrder):
        change_status(order_id=order_id, transition="cancel", act=act(), expected_version=expected)
    assert read(order_id) == before
    assert asked(sandbox) == []


def test_who_is_late_is_told_what_changed_since_and_by_whom(sandbox: Sandbox) -> None:
    order_id = place().order["_id"]
    for name in ("pay", "start_processing", "cancel"):
        change_status(order_id=order_id, transition=name, act=act(access.admin("maria", request_id="req-maria")))
    with pytest.raises(StaleOrder) as refused:
        change_status(order_id=order_id, transition="refund", act=act(), expected_version=2)
    assert refused.value.members["version"] == 4
    changes = refused.value.members["changes"]
    assert [(change["act"], change["to"]) for change in changes] == [
        ("start_processing", "processing"),
        ("cancel", "cancelled"),
    ], "stock outcomes are not among them"
    assert {change["actor"] for change in changes} == {"admin:maria"}
    assert {change["request_id"] for change in changes} == {"req-maria"}


def test_a_customer_who_is_late_learns_no_names(sandbox: Sandbox) -> None:
    order_id = place(actor=CUSTOMER).order["_id"]
    maria = access.admin("maria", request_id="req-maria")
    change_status(order_id=order_id, transition="pay", act=act(maria, "card ending 1234"))
    with pytest.raises(StaleOrder) as refused:
        change_status(order_id=order_id, transition="cancel", act=act(CUSTOMER), expected_version=1)
    assert "maria" not in str(refused.value.members)
    assert "1234" not in str(refused.value.members)
    changes = refused.value.members["changes"]
    assert [(change["actor"], change["request_id"]) for change in changes] == [("admin", "")]


def test_a_customer_who_is_late_knows_an_own_change_by_its_request(sandbox: Sandbox) -> None:
    order_id = place(actor=CUSTOMER).order["_id"]
    mine = replace(CUSTOMER, request_id="req-lost")
    change_status(order_id=order_id, transition="cancel", act=act(mine), expected_version=1)
    with pytest.raises(StaleOrder) as refused:
        change_status(order_id=order_id, transition="cancel", act=act(CUSTOMER), expected_version=1)
    changes = refused.value.members["changes"]
    assert [(change["act"], change["request_id"]) for change in changes] == [("cancel", "req-lost")]


def test_each_version_has_one_entry_in_the_history_and_its_place_there_is_the_version(sandbox: Sandbox) -> None:
    order_id = place((A, 1), (B, 1)).order["_id"]
    for name in ("pay", "start_processing", "refund"):
        change_status(order_id=order_id, transition=name, act=act())
    document = read(order_id)
    changes = [entry for entry in document["history"] if "line" not in entry]
    assert len(changes) == document["version"] + 1
    assert [entry["to"] for entry in changes] == ["placing", "pending", "paid", "processing", "refunded"]
    assert len(document["history"]) == len(changes) + 2
    for version in range(document["version"] + 1):
        since = order_reads.changes_since(order_id, version)
        assert [entry["to"] for entry in since] == [entry["to"] for entry in changes[version + 1 :]]
    assert order_reads.changes_since(ObjectId(), 0) == []


@pytest.mark.parametrize("round_", range(4))
def test_of_eight_different_changes_at_one_version_exactly_one_wins(sandbox: Sandbox, round_: int) -> None:
    shelve(sandbox, available=8, reserved=2)
    order_id = ordered("processing", line("reserved", A))
    names, start = ["ship", "cancel", "refund", "ship", "cancel", "refund", "ship", "cancel"], threading.Barrier(8)

    def change(name: str) -> str | None:
        start.wait()
        try:
            change_status(order_id=order_id, transition=name, act=act(), expected_version=1)
        except (StaleOrder, TransitionRefused, OrderBusy):
            return None
        return name

    with ThreadPoolExecutor(8) as threads:
        won = [name for name in threads.map(change, names) if name]
    document = read(order_id)
    assert len(won) == 1
    assert document["version"] == 2
    assert document["status"] == {"ship": "shipped", "cancel": "cancelled", "refund": "refunded"}[won[0]]
    assert states(document) == ["used" if won == ["ship"] else "released"]
    assert len(asked(sandbox)) == (0 if won == ["ship"] else 1)
    assert stock_of(sandbox) == ((8, 2) if won == ["ship"] else (10, 0))


def test_cancelling_twice_at_once_releases_once(sandbox: Sandbox) -> None:
    shelve(sandbox, available=6, reserved=4)
    order_id = ordered("pending", line("reserved", A))

    def cancel(_: int) -> bool:
        try:
            change_status(order_id=order_id, transition="cancel", act=act(CUSTOMER))
        except TransitionRefused:
            return False
        return True

    with ThreadPoolExecutor(6) as threads:
        assert sorted(threads.map(cancel, range(6))) == [False] * 5 + [True]
    assert len(asked(sandbox)) == 1
    assert stock_of(sandbox) == (8, 2)


def test_without_an_expected_version_a_change_that_was_overtaken_is_tried_anew(
    sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    order_id = ordered("pending")
    overtake(monkeypatch, order_id, times=1)
    assert change_status(order_id=order_id, transition="pay", act=act())["version"] == 3


def test_who_is_overtaken_again_and_again_is_told_to_come_back(
    sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    order_id = ordered("pending")
    overtake(monkeypatch, order_id, times=99)
    with pytest.raises(OrderBusy) as refused:
        change_status(order_id=order_id, transition="cancel", act=act())
    assert refused.value.members["retry_after"] == 1
    assert read(order_id)["status"] == "pending"
    assert asked(sandbox) == []


def overtake(monkeypatch: pytest.MonkeyPatch, order_id: ObjectId, *, times: int) -> None:
    """Let somebody change the order between our reading and our writing, so often."""
    real, left = order_reads.get_machine, [times]

    def overtaken(wanted: ObjectId, **options: Any) -> Any:
        found = real(wanted, **options)
        if left[0] > 0:
            left[0] -= 1
            orders().update_one({"_id": order_id}, {"$inc": {"version": 1}})
        return found

    monkeypatch.setattr(order_reads, "get_machine", overtaken)


def test_a_machine_that_says_no_after_all_is_believed(database: object, monkeypatch: pytest.MonkeyPatch) -> None:
    order_id = ordered("pending")
    before = read(order_id)
    monkeypatch.setattr(allowed_transitions, "can_proceed", lambda _: False)
    with pytest.raises(TransitionRefused):
        change_status(order_id=order_id, transition="pay", act=act())
    assert read(order_id) == before


# --- the release that follows ----------------------------------------------------------------------------------------


@pytest.mark.parametrize(("name", "status"), [("cancel", "cancelled"), ("refund", "refunded")])
@pytest.mark.parametrize("fault", [None, 429, 503])
def test_a_cancellation_stands_while_inventory_is_down_and_the_release_follows(
    sandbox: Sandbox, settings: Settings, fault: int | None, name: str, status: str
) -> None:
    shelve(sandbox, available=8, reserved=2)
    order_id = ordered("paid", line("reserved", A))
    alive = settings.INVENTORY_SERVICE_URL
    if fault is None:
        settings.INVENTORY_SERVICE_URL = DEAD
    else:
        sandbox.control.fault("release", "status", status=fault)
    cancelled = change_status(order_id=order_id, transition=name, act=act())
    assert (cancelled["status"], states(cancelled)) == (status, ["releasing"])
    assert cancelled["stock_due_at"] < now() + timedelta(seconds=5)
    assert "attempt" not in cancelled["items"][0]["stock"], "known not to have acted"
    settings.INVENTORY_SERVICE_URL = alive
    sandbox.control.clear_faults()
    due_now(order_id)
    settle_due(actor=WORKER)
    assert states(read(order_id)) == ["released"]
    assert stock_of(sandbox) == (10, 0)


@pytest.mark.parametrize(
    ("kind", "options"),
    [("status", {"status": 500}), ("drop_before", {}), ("stall_before", {"seconds": 1}), ("drop_after", {}),
     ("stall_after", {"seconds": 1}), ("garbage", {})],
)  # fmt: skip
def test_a_release_whose_answer_is_lost_is_for_a_person_and_never_repeated(
    sandbox: Sandbox, kind: str, options: dict[str, Any]
) -> None:
    shelve(sandbox, available=6, reserved=4)
    order_id = ordered("paid", line("reserved", A))
    sandbox.control.fault("release", kind, **options)
    cancelled = change_status(order_id=order_id, transition="cancel", act=act())
    assert (cancelled["status"], states(cancelled)) == ("cancelled", ["unknown"])
    assert "stock_due_at" not in cancelled
    settle_due(actor=WORKER)
    assert len(asked(sandbox)) == 1
    assert stock_of(sandbox)[1] >= 2, "another order's reservation is still there"


@pytest.mark.parametrize("status", [400, 404, 409, 422])
def test_a_release_that_inventory_refuses_is_final_and_shown_to_staff(sandbox: Sandbox, status: int) -> None:
    order_id = ordered("paid", line("reserved", A))
    sandbox.control.fault("release", "status", status=status)
    cancelled = change_status(order_id=order_id, transition="cancel", act=act())
    assert states(cancelled) == ["released"]
    assert cancelled["items"][0]["stock"]["discrepancy"] == 2
    assert "stock_due_at" not in cancelled


@pytest.mark.parametrize("kind", ["drop_before", "drop_after"])
def test_with_keys_it_is_repeated_by_the_worker_and_acts_once(sandbox: Sandbox, settings: Settings, kind: str) -> None:
    settings.INVENTORY_HONOURS_IDEMPOTENCY_KEY = True
    sandbox.control.honour_keys(True)
    shelve(sandbox, available=6, reserved=4)
    order_id = ordered("paid", line("reserved", A))
    sandbox.control.fault("release", kind, times=1)
    cancelled = change_status(order_id=order_id, transition="cancel", act=act())
    assert states(cancelled) == ["releasing"]
    due_now(order_id)
    settle_due(actor=WORKER)
    assert states(read(order_id)) == ["released"]
    assert stock_of(sandbox) == (8, 2)
    assert len(asked(sandbox)) == 2


@pytest.mark.parametrize("written", [True, False], ids=["carried out", "not carried out"])
def test_a_cancellation_of_unknown_end_calls_nobody_and_is_finished_by_the_worker(
    sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch, written: bool
) -> None:
    shelve(sandbox, available=8, reserved=2)
    order_id = ordered("paid", line("reserved", A))
    answer_lost(monkeypatch, written=written)
    with pytest.raises(DatabaseError):
        change_status(order_id=order_id, transition="cancel", act=act())
    assert asked(sandbox) == []
    assert read(order_id)["status"] == ("cancelled" if written else "paid")
    if written:
        due_now(order_id)
        settle_due(actor=WORKER)
        assert states(read(order_id)) == ["released"], "it was surely not sent, so it may be now"
        assert stock_of(sandbox) == (10, 0)


def test_a_cancellation_that_was_repeated_after_a_failover_still_releases(
    sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    shelve(sandbox, available=8, reserved=2)
    order_id = ordered("paid", line("reserved", A))
    sent_twice(monkeypatch)
    cancelled = change_status(order_id=order_id, transition="cancel", act=act(), expected_version=1)
    assert (cancelled["version"], states(cancelled)) == (2, ["released"])
    assert len(asked(sandbox)) == 1


def test_a_release_that_cannot_be_recorded_leaves_the_cancellation_standing(
    sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    shelve(sandbox, available=6, reserved=4)
    order_id = ordered("paid", line("reserved", A))
    monkeypatch.setattr(inventory_calls, "record_outcomes", _fail)
    cancelled = change_status(order_id=order_id, transition="cancel", act=act())
    assert (cancelled["status"], states(cancelled)) == ("cancelled", ["releasing"])
    due_now(order_id)
    settle_due(actor=WORKER)
    assert states(read(order_id)) == ["unknown"], "it may have been sent"
    assert len(asked(sandbox)) == 1
    assert stock_of(sandbox) == (8, 2)


def _fail(*_: Any, **__: Any) -> None:
    raise DatabaseError


def test_only_reserved_lines_of_an_order_are_released(sandbox: Sandbox) -> None:
    order_id = store("paid", line("reserved", A), line("unknown", B, call="reserve"), line("none", B), due=None)
    cancelled = change_status(order_id=order_id, transition="cancel", act=act())
    assert states(cancelled) == ["released", "unknown", "none"]
    assert [call["product_id"] for call in sandbox.control.calls("release")] == [A]


def test_refunding_a_shipped_order_asks_nobody(sandbox: Sandbox) -> None:
    refunded = change_status(order_id=ordered("shipped"), transition="refund", act=act(ADMIN))
    assert states(refunded) == ["used", "used"]
    assert sandbox.control.calls() == []


# --- what is written here and read elsewhere -------------------------------------------------------------------------


def test_an_order_that_ships_counts_among_the_days_shipments(sandbox: Sandbox) -> None:
    order_id = place().order["_id"]
    for transition in ("pay", "start_processing", "ship"):
        change_status(order_id=order_id, transition=transition, act=act())
    shipped = read(order_id)
    assert shipped["paid_at"] < shipped["shipped_at"] == shipped["status_since"] == shipped["updated_at"]
    today = daily_figures.day_key(shipped["shipped_at"].date())
    assert daily_figures.count(today, today, today + daily_figures.DAY)
    assert [sum(day["shipping"]) for day in daily_figures.days_kept(today, today)] == [1]


def test_how_long_stock_has_been_due_counts_from_the_cancellation(sandbox: Sandbox) -> None:
    order_id = place().order["_id"]
    long_ago = now() - timedelta(days=3)
    orders().update_one({"_id": order_id}, {"$set": {"status_since": long_ago}})
    sandbox.control.fault("release", "status", status=503)
    change_status(order_id=order_id, transition="cancel", act=act())
    time.sleep(0.01)
    assert 0 < service_state.read(10).oldest_owed < 60
