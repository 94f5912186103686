"""A person says what became of a line whose outcome nobody knew."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from threading import Barrier
from typing import Any

import pytest
from bson import ObjectId
from django.db import DatabaseError

from integrations.sandbox import Sandbox
from orders.services import access
from orders.services.access import NotPermitted, OrderNotFound
from orders.services.audit import ReasonMissing
from orders.services.stock.claims import reject_draft
from orders.services.stock.resolution import NothingUnknown, resolve_line
from orders.services.stock.worker import settle_due
from orders.storage import order_reads
from tests.integration.builders import (
    WORKER,
    A,
    Document,
    act,
    answer_lost,
    asked,
    line,
    read,
    shelve,
    small_sandbox,  # noqa: F401
    states,
    stock_of,
    store,
)

WHY = "counted in the warehouse"


def unknown(status: str, call: str, **options: Any) -> ObjectId:
    due: Document = {} if status == "placing" else {"due": None}
    return store(status, line("unknown", call=call, **options), **due)


def resolve(order_id: ObjectId, *, happened: bool, index: int = 0, **options: Any) -> Document:
    return resolve_line(order_id=order_id, line=index, happened=happened, act=act(reason=WHY), **options)


def worker() -> None:
    settle_due(actor=WORKER)


CASES = {
    ("cancelled", "release", True): ("released", "released", 0),
    ("cancelled", "release", False): ("releasing", "released", 1),
    ("rejected", "reserve", True): ("releasing", "released", 1),
    ("rejected", "reserve", False): ("none", "none", 0),
    ("placing", "reserve", True): ("reserved", "released", 1),
    ("placing", "reserve", False): ("none", "none", 0),
}
"""Status, call, whether it happened → the line's state, its state after the worker's turn, releases by then."""


@pytest.mark.parametrize(("status", "call", "happened"), CASES)
def test_what_is_true_decides_what_is_owed(sandbox: Sandbox, status: str, call: str, happened: bool) -> None:
    state, final, releases = CASES[status, call, happened]
    shelve(sandbox, available=8, reserved=2)
    order_id = unknown(status, call)
    returned = resolve(order_id, happened=happened)
    document = read(order_id)
    assert returned == document
    assert states(document) == [state]
    assert ("stock_due_at" in document) == (state == "releasing" or status == "placing")
    assert "attempt" not in document["items"][0]["stock"]
    assert asked(sandbox) == []
    worker()
    document = read(order_id)
    assert states(document) == [final]
    assert document["status"] == ("rejected" if status == "placing" else status)
    assert "stock_due_at" not in document
    assert len(asked(sandbox)) == len(asked(sandbox, "release")) == releases
    assert stock_of(sandbox) == ((10, 0) if releases else (8, 2))


def test_the_history_says_who_said_what_and_how_they_knew(sandbox: Sandbox) -> None:
    order_id = unknown("cancelled", "release")
    before = read(order_id)
    after = resolve(order_id, happened=True)
    entry = after["history"][-1]
    assert len(after["history"]) == len(before["history"]) + 1
    told = {name: entry[name] for name in ("act", "from", "to", "line", "actor", "via", "reason")}
    assert told == {
        "act": "resolve", "from": "unknown", "to": "released", "line": 0,
        "actor": "admin:boss", "via": "api", "reason": WHY,
    }  # fmt: skip
    assert (after["version"], after["updated_at"]) == (before["version"], before["updated_at"])


def test_only_the_named_line_changes(sandbox: Sandbox) -> None:
    order_id = store("cancelled", line("unknown", call="release"), line("unknown", call="release"), due=None)
    resolve(order_id, index=1, happened=True)
    assert states(read(order_id)) == ["unknown", "released"]


@pytest.mark.parametrize("actor", [access.customer("1"), access.customer("2")])
def test_whoever_may_not_say_so_changes_nothing(sandbox: Sandbox, actor: access.Actor) -> None:
    order_id = unknown("cancelled", "release")
    before = read(order_id)
    with pytest.raises(NotPermitted):
        resolve_line(order_id=order_id, line=0, happened=True, act=act(actor, WHY))
    assert read(order_id) == before


@pytest.mark.parametrize("reason", ["", "  "])
def test_without_a_reason_nothing_changes(sandbox: Sandbox, reason: str) -> None:
    order_id = unknown("cancelled", "release")
    before = read(order_id)
    with pytest.raises(ReasonMissing):
        resolve_line(order_id=order_id, line=0, happened=True, act=act(reason=reason))
    assert read(order_id) == before


def test_an_order_that_is_not_there_is_not_found(database: object) -> None:
    with pytest.raises(OrderNotFound):
        resolve(ObjectId(), happened=True)


@pytest.mark.parametrize("index", [-1, 1, 99])
def test_a_line_that_is_not_there_has_nothing_unknown(sandbox: Sandbox, index: int) -> None:
    order_id = unknown("cancelled", "release")
    before = read(order_id)
    with pytest.raises(NothingUnknown):
        resolve(order_id, index=index, happened=True)
    assert read(order_id) == before


@pytest.mark.parametrize("state", ["none", "reserving", "reserved", "used", "releasing", "released"])
def test_a_line_whose_outcome_is_known_is_left_alone(sandbox: Sandbox, state: str) -> None:
    order_id = store("cancelled", line(state))
    before = read(order_id)
    for happened in (True, False):
        with pytest.raises(NothingUnknown):
            resolve(order_id, happened=happened)
    assert read(order_id) == before


def test_what_was_seen_of_an_earlier_attempt_says_nothing_of_a_later_one(sandbox: Sandbox) -> None:
    shelve(sandbox, available=0, reserved=2)
    order_id = unknown("cancelled", "release")
    seen = read(order_id)["items"][0]["stock"]["attempts"]
    resolve(order_id, happened=False, expected_attempts=seen)
    sandbox.control.fault("release", "drop_after", times=1)
    worker()
    assert states(before := read(order_id)) == ["unknown"]
    with pytest.raises(NothingUnknown, match="tried again"):
        resolve(order_id, happened=False, expected_attempts=seen)
    assert read(order_id) == before
    worker()
    assert len(asked(sandbox)) == 1


def between_read_and_write(monkeypatch: pytest.MonkeyPatch, happens: Callable[[Document], object]) -> None:
    """Let something happen right after the next read of a whole order."""
    real = order_reads.get_whole

    def read_then(order_id: ObjectId) -> Document | None:
        monkeypatch.setattr(order_reads, "get_whole", real)
        found = real(order_id)
        assert found is not None
        happens(found)
        return found

    monkeypatch.setattr(order_reads, "get_whole", read_then)


def test_a_draft_that_is_turned_away_meanwhile_owes_the_release(
    sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    shelve(sandbox, available=8, reserved=2)
    order_id = unknown("placing", "reserve")
    between_read_and_write(monkeypatch, lambda draft: reject_draft(draft, act(WORKER, "late")))
    resolved = resolve(order_id, happened=True)
    assert (resolved["status"], states(resolved)) == ("rejected", ["releasing"])
    worker()
    assert states(read(order_id)) == ["released"]
    assert stock_of(sandbox) == (10, 0)


def test_a_retry_that_ends_unknown_meanwhile_is_not_taken_for_the_first_one(
    sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    shelve(sandbox, available=0, reserved=2)
    sandbox.control.fault("release", "drop_after", times=1)
    order_id = unknown("cancelled", "release")

    def somebody_else(document: Document) -> None:
        resolve(order_id, happened=False)
        worker()

    between_read_and_write(monkeypatch, somebody_else)
    with pytest.raises(NothingUnknown, match="tried again"):
        resolve(order_id, happened=False)
    document = read(order_id)
    assert states(document) == ["unknown"]
    assert [entry["act"] for entry in document["history"]].count("resolve") == 1
    assert len(asked(sandbox)) == 1


def test_of_two_people_at_once_one_wins_and_the_other_is_told(sandbox: Sandbox) -> None:
    shelve(sandbox, available=0, reserved=1000)
    with ThreadPoolExecutor(2) as threads:
        for _ in range(25):
            order_id, start = unknown("cancelled", "release"), Barrier(2)

            def say(happened: bool, order_id: ObjectId = order_id, start: Barrier = start) -> str | None:
                start.wait(60)
                try:
                    return states(resolve(order_id, happened=happened))[0]
                except NothingUnknown:
                    return None

            won = [state for state in threads.map(say, (True, False)) if state]
            document = read(order_id)
            assert won == states(document)
            assert [entry["act"] for entry in document["history"]].count("resolve") == 1
    assert asked(sandbox) == []


def test_a_write_that_fails_changes_nothing_and_can_be_repeated(
    sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    order_id = unknown("cancelled", "release")
    before = read(order_id)
    answer_lost(monkeypatch, written=False)
    with pytest.raises(DatabaseError):
        resolve(order_id, happened=True)
    assert read(order_id) == before
    assert states(resolve(order_id, happened=True)) == ["released"]


def test_unknown_lines_are_listed_by_order_call_and_product(sandbox: Sandbox) -> None:
    old = store("cancelled", line("unknown", call="release"), line("released"), due=None)
    new = store("rejected", line("released"), line("unknown", call="reserve"), due=None)
    store("cancelled", line("releasing"))

    def ids(**chosen: Any) -> list[ObjectId]:
        return [order["_id"] for order in order_reads.unknown_lines(**chosen)]

    assert set(ids()) == {old, new}
    assert ids(call="release") == [old]
    assert ids(call="reserve") == [new]
    assert ids(order_id=new) == [new]
    assert ids(order_id=new, call="release") == []
    assert set(ids(product_id=A)) == {old, new}
    assert ids(product_id="b" * 24) == []
    assert len(ids(limit=1)) == 1
