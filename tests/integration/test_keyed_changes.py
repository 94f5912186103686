"""A change of an order with an idempotency key: it is made once, and whoever asks again is told so."""

import threading
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from bson import ObjectId
from django.db import DatabaseError
from pymongo.database import Database
from pytest_django import Settings

from integrations.sandbox import Sandbox
from orders.services import access
from orders.services.access import NotPermitted, OrderNotFound
from orders.services.lifecycle.allowed_transitions import TransitionRefused
from orders.services.lifecycle.idempotency_keys import KeyReused
from orders.services.lifecycle.transitions import Change, change_status, change_status_to
from orders.services.lifecycle.versions import StaleOrder
from orders.services.stock.worker import settle_due
from orders.storage import order_reads
from tests.integration.builders import (
    ADMIN,
    WORKER,
    A,
    Document,
    act,
    answer_lost,
    asked,
    due_now,
    line,
    place,
    read,
    sent_twice,
    shelve,
    small_sandbox,  # noqa: F401
    states,
    stock_of,
    store,
)
from tests.order_invariants import violations_of

CUSTOMER = access.customer("1")
KEYS = {"key", "fingerprint"}


def change(
    order_id: ObjectId, status: str = "paid", *, key: str | None = "k", actor: access.Actor = ADMIN, reason: str = "",
    versions: Any = None,
) -> Change:  # fmt: skip
    return change_status_to(
        order_id=order_id, status=status, act=act(actor, reason), expected_versions=versions, idempotency_key=key
    )


def pending() -> ObjectId:
    return store("pending", line("reserved", A), due=None)


@pytest.mark.parametrize("versions", [None, [1]], ids=["blind", "guarded by the version that was"])
def test_the_same_request_again_changes_nothing_and_is_told_of_the_order(database: object, versions: Any) -> None:
    order_id = pending()
    first = change(order_id, versions=versions, reason="cash")
    again = change(order_id, versions=versions, reason="cash")
    assert (first.replayed, again.replayed) == (False, True)
    assert first.order == again.order == read(order_id)
    assert first.order["version"] == 2


def test_a_replay_tells_of_the_order_as_it_is_now(sandbox: Sandbox) -> None:
    order_id = place().order["_id"]
    change(order_id, versions=[1])
    change(order_id, "processing", key="another", versions=[2])
    change_status(order_id=order_id, transition="cancel", act=act())
    before = read(order_id)
    again = change(order_id, versions=[1])
    assert again.replayed
    assert again.order == before == read(order_id)
    assert (before["status"], len(asked(sandbox, "release"))) == ("cancelled", 1)
    assert violations_of(before) == []


def test_a_cancellation_asked_for_again_releases_nothing_more(sandbox: Sandbox) -> None:
    shelve(sandbox, available=6, reserved=4)
    order_id = pending()
    for number in range(3):
        assert change(order_id, "cancelled", actor=CUSTOMER).replayed == (number > 0)
    assert len(asked(sandbox)) == 1
    assert stock_of(sandbox) == (8, 2)


def test_without_a_key_a_change_is_made_or_refused_as_ever(database: object) -> None:
    order_id = pending()
    assert not change(order_id, key=None).replayed
    with pytest.raises(TransitionRefused):
        change(order_id, key=None)
    assert not any(KEYS & entry.keys() for entry in read(order_id)["history"])


def test_a_key_is_kept_by_the_write_that_it_caused_and_in_no_readable_form(database: Database[Document]) -> None:
    order_id = pending()
    change(order_id, key="order-17-paid")
    document = read(order_id)
    assert [bool(KEYS & entry.keys()) for entry in document["history"]] == [False, False, True]
    assert document["history"][-1]["act"] == "pay"
    assert "order-17-paid" not in repr(document)
    assert database["idempotency_keys"].count_documents({}) == 0


@pytest.mark.parametrize(
    ("status", "reason"),
    [("cancelled", "cash"), ("paid", "card"), ("paid", ""), ("delivered", "cash"), ("pending", "")],
)
def test_a_key_that_stands_for_another_change_is_refused(sandbox: Sandbox, status: str, reason: str) -> None:
    order_id = pending()
    change(order_id, "paid", reason="cash")
    before = read(order_id)
    with pytest.raises(KeyReused):
        change(order_id, status, reason=reason)
    assert read(order_id) == before
    assert asked(sandbox) == []


def test_the_same_reason_spelt_otherwise_is_the_same(database: object) -> None:
    order_id = pending()
    change(order_id, reason="paid in cash\nin the shop")
    assert change(order_id, reason=" paid in cash\r\nin the shop\u202e\n").replayed


def test_anothers_key_of_the_same_name_is_another_key(sandbox: Sandbox) -> None:
    order_id = place(actor=CUSTOMER).order["_id"]
    change(order_id, "cancelled", actor=CUSTOMER)
    for other in (ADMIN, access.admin("1")):
        with pytest.raises(TransitionRefused):
            change(order_id, "cancelled", actor=other)
    assert read(order_id)["version"] == 2


def test_a_key_stands_for_a_change_of_one_order(database: object) -> None:
    assert [change(pending()).replayed for _ in range(2)] == [False, False]


def test_one_order_may_be_changed_with_several_keys(database: object) -> None:
    order_id = pending()
    wanted = ("paid", "processing", "shipped", "delivered")
    assert not any(change(order_id, status, key=status).replayed for status in wanted)
    assert all(change(order_id, status, key=status).replayed for status in wanted)
    assert read(order_id)["version"] == 5


def test_the_key_of_a_placement_is_no_key_of_a_change(sandbox: Sandbox) -> None:
    order_id = place(actor=CUSTOMER, idempotency_key="k").order["_id"]
    assert not change(order_id, "cancelled", actor=CUSTOMER).replayed
    assert place(actor=CUSTOMER, idempotency_key="k").order["status"] == "cancelled"


def test_a_key_gives_nobody_a_right(database: object) -> None:
    order_id = pending()
    change(order_id, actor=ADMIN)
    before = read(order_id)
    demoted = access.Actor(access.Kind.ADMIN, "boss", "api")
    with pytest.raises(OrderNotFound):
        change(order_id, actor=demoted)
    with pytest.raises(NotPermitted):
        change(order_id, actor=access.Actor(access.Kind.ADMIN, "boss", "api", frozenset({access.VIEW})))
    with pytest.raises(NotPermitted):
        change(order_id, actor=CUSTOMER)
    assert read(order_id) == before


def test_what_was_refused_leaves_its_key_free(database: object) -> None:
    order_id = pending()
    with pytest.raises(TransitionRefused):
        change(order_id, "shipped")
    with pytest.raises(StaleOrder):
        change(order_id, "paid", versions=[7])
    with pytest.raises(TransitionRefused):
        change(order_id, "pending")
    assert not change(order_id, "paid").replayed


def test_of_eight_requests_at_once_with_one_key_one_makes_the_change_and_the_others_are_told_so(
    sandbox: Sandbox,
) -> None:
    shelve(sandbox, available=6, reserved=4)
    order_id, start = pending(), threading.Barrier(8)

    def cancel(_: int) -> Change:
        start.wait()
        return change(order_id, "cancelled", versions=[1])

    with ThreadPoolExecutor(8) as threads:
        found = list(threads.map(cancel, range(8)))
    assert sorted(one.replayed for one in found) == [False] + [True] * 7
    assert {one.order["version"] for one in found} == {2}
    assert len(asked(sandbox)) == 1
    assert stock_of(sandbox) == (8, 2)


def test_who_is_overtaken_by_the_same_request_is_told_so(database: object, monkeypatch: pytest.MonkeyPatch) -> None:
    order_id, real = pending(), order_reads.get_machine

    def overtaken(*args: Any, **options: Any) -> Any:
        found = real(*args, **options)
        monkeypatch.setattr(order_reads, "get_machine", real)
        change(order_id, versions=[1])
        return found

    monkeypatch.setattr(order_reads, "get_machine", overtaken)
    assert change(order_id, versions=[1]).replayed
    assert read(order_id)["version"] == 2


@pytest.mark.parametrize("written", [True, False], ids=["carried out", "not carried out"])
def test_who_never_heard_what_became_of_it_asks_again_and_it_is_done_once(
    sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch, settings: Settings, written: bool
) -> None:
    shelve(sandbox, available=8, reserved=2)
    order_id = pending()
    answer_lost(monkeypatch, written=written)
    with pytest.raises(DatabaseError):
        change(order_id, "cancelled", versions=[1])
    again = change(order_id, "cancelled", versions=[1])
    assert (again.replayed, again.order["status"], again.order["version"]) == (written, "cancelled", 2)
    due_now(order_id)
    settle_due(actor=WORKER)
    assert states(read(order_id)) == ["released"]
    assert len(asked(sandbox)) == 1
    assert stock_of(sandbox) == (10, 0)


def test_a_write_that_the_driver_repeated_is_the_first_and_no_replay(
    sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    order_id = pending()
    sent_twice(monkeypatch)
    assert not change(order_id, versions=[1]).replayed
    assert read(order_id)["version"] == 2


# --- several versions ------------------------------------------------------------------------------------------------


def test_any_of_the_expected_versions_will_do(database: object) -> None:
    assert change(pending(), key=None, versions=[1, 7]).order["version"] == 2


@pytest.mark.parametrize(
    ("versions", "changes"), [([], []), ([1], ["paid", "processing"]), ([1, 2], ["processing"]), ([2, 9], [])]
)
def test_an_order_at_none_of_them_stays_and_what_changed_since_the_newest_is_told(
    database: object, versions: list[int], changes: list[str]
) -> None:
    order_id = pending()
    change(order_id, "paid", key=None)
    change(order_id, "processing", key=None)
    before = read(order_id)
    with pytest.raises(StaleOrder) as refused:
        change(order_id, "shipped", versions=versions)
    assert refused.value.members["version"] == 3
    assert [one["to"] for one in refused.value.members["changes"]] == changes
    assert read(order_id) == before


# --- what it costs ---------------------------------------------------------------------------------------------------


def test_only_the_entry_of_the_key_is_read(database: object) -> None:
    order_id = pending()
    for status in ("paid", "processing"):
        change(order_id, status, key=status)
    marks = [order_reads.get_machine(order_id), order_reads.get_machine(order_id, key="none")]
    assert [order and order.history for order in marks] == [[], []]
    key = read(order_id)["history"][-1]["key"]
    found = order_reads.get_machine(order_id, key=key)
    assert found is not None
    assert [entry.key for entry in found.history] == [key]
