"""The worker: it finishes what is owed, calls for each line at most once, and never for somebody else's."""

import threading
import time
from collections import Counter
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from datetime import timedelta
from typing import Any

import pytest
from bson import ObjectId
from django.db import DatabaseError
from pytest_django import Settings

from integrations import Deadline, inventory, peer_requests
from integrations.sandbox import Sandbox
from orders.services.lifecycle.transitions import change_status
from orders.services.stock import worker
from orders.services.stock.claims import INTERRUPTED, claim_due
from orders.services.stock.worker import settle_due, settle_order
from orders.storage import order_reads
from orders.storage.order_writes import orders
from tests.integration.builders import (
    FUTURE,
    PAST,
    WORKER,
    A,
    B,
    C,
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

DEAD = "http://127.0.0.1:9/api/v1"


@pytest.fixture
def keys(settings: Settings, sandbox: Sandbox) -> None:
    """Inventory honours idempotency keys, and we know it."""
    settings.INVENTORY_HONOURS_IDEMPOTENCY_KEY = True
    sandbox.control.honour_keys(True)


def work() -> worker.Pass:
    return settle_due(actor=WORKER)


def outcomes(document: Document) -> list[tuple[int, str]]:
    return [(entry["line"], entry["to"]) for entry in document["history"] if entry["act"] == "stock"]


# --- what is due, and to whom ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("honours", [False, True])
@pytest.mark.parametrize(("status", "state"), [("cancelled", "releasing"), ("placing", "reserving")])
def test_an_unexpired_attempt_is_touched_by_nobody(
    sandbox: Sandbox, settings: Settings, status: str, state: str, honours: bool
) -> None:
    settings.INVENTORY_HONOURS_IDEMPOTENCY_KEY = honours
    order_id = store(status, line(state, until=FUTURE), due=PAST)
    before = read(order_id)
    work()
    document = read(order_id)
    assert document["items"] == before["items"]
    assert document["status"] == status
    assert document["stock_due_at"] == document["items"][0]["stock"]["attempt"]["until"], "due when the attempt ends"
    assert sandbox.control.calls() == []


@pytest.mark.parametrize("due", [None, FUTURE])
def test_an_order_that_is_not_due_is_left_alone(sandbox: Sandbox, due: timedelta | None) -> None:
    order_id = store("cancelled", line("releasing"), due=due)
    before = read(order_id)
    assert work() == worker.Pass(0, 0)
    assert settle_order(order_id=order_id, act=act(WORKER)) is False
    assert read(order_id) == before
    assert sandbox.control.calls() == []


def test_an_order_that_is_gone_is_nobodys_business(sandbox: Sandbox) -> None:
    assert settle_order(order_id=ObjectId(), act=act(WORKER)) is False


def test_a_line_that_was_never_sent_is_sent_now(sandbox: Sandbox) -> None:
    shelve(sandbox, available=8, reserved=2)
    order_id = store("cancelled", line("releasing"))
    assert work() == worker.Pass(1, 0)
    document = read(order_id)
    assert states(document) == ["released"]
    assert outcomes(document) == [(0, "released")]
    assert "stock_due_at" not in document
    assert asked(sandbox) == [("release", f"{order_id}:0:release")]
    assert stock_of(sandbox) == (10, 0)


@pytest.mark.parametrize(
    ("status", "call"), [("cancelled", "release"), ("rejected", "release"), ("placing", "reserve")]
)
def test_without_keys_an_expired_attempt_is_for_a_person(sandbox: Sandbox, status: str, call: str) -> None:
    order_id = store(status, line({"release": "releasing", "reserve": "reserving"}[call], until=PAST))
    work()
    document = read(order_id)
    stock = document["items"][0]["stock"]
    assert (stock["state"], stock["call"], stock["error"]) == ("unknown", call, INTERRUPTED)
    assert "attempt" not in stock
    assert "stock_due_at" not in document
    assert outcomes(document) == [(0, "unknown")]
    assert document["status"] == ("rejected" if status == "placing" else status)
    assert asked(sandbox) == [], "nothing was called for it"


@pytest.mark.usefixtures("keys")
def test_with_keys_an_expired_release_is_repeated_and_acts_once(sandbox: Sandbox) -> None:
    shelve(sandbox, available=6, reserved=4)
    order_id = store("cancelled", line("releasing", until=PAST))
    key = f"{order_id}:0:release"
    before = [("release", key)]
    http_release(order_id, key)
    assert stock_of(sandbox) == (8, 2)
    work()
    assert states(read(order_id)) == ["released"]
    assert asked(sandbox) == before * 2
    assert stock_of(sandbox) == (8, 2), "another order's reservation is still there"


@pytest.mark.usefixtures("keys")
@pytest.mark.parametrize(("after", "state", "calls"), [(60, "released", 1), (0, "unknown", 0)])
def test_an_expired_call_is_repeated_only_while_inventory_remembers_its_key(
    sandbox: Sandbox, settings: Settings, after: int, state: str, calls: int
) -> None:
    """Later, the repeated call would count as another one, and act a second time."""
    settings.INVENTORY_KEY_TTL = -PAST.total_seconds() + after
    shelve(sandbox, available=6, reserved=4)
    order_id = store("cancelled", line("releasing", until=PAST))
    work()
    assert states(read(order_id)) == [state]
    assert len(asked(sandbox)) == calls
    assert stock_of(sandbox) == (6 + 2 * calls, 4 - 2 * calls)


def http_release(order_id: ObjectId, key: str) -> None:
    inventory.release(A, 2, order_id=str(order_id), key=key, deadline=Deadline.after(60))


@pytest.mark.usefixtures("keys")
def test_with_keys_an_expired_reserve_is_repeated_to_know_and_then_released(sandbox: Sandbox) -> None:
    shelve(sandbox)
    order_id = store("placing", line("reserving", until=PAST))
    work()
    document = read(order_id)
    assert document["status"] == "rejected", "a draft is never rolled forward"
    assert states(document) == ["released"]
    assert asked(sandbox) == [("reserve", f"{order_id}:0:reserve"), ("release", f"{order_id}:0:release")]
    assert stock_of(sandbox) == (10, 0)
    assert "stock_due_at" not in document


@pytest.mark.usefixtures("keys")
@pytest.mark.parametrize("call", ["reserve", "release"])
@pytest.mark.parametrize(
    ("kind", "options"),
    [("status", {"status": 409}), ("status", {"status": 503}), ("status", {"status": 500}), ("drop_after", {})],
    ids=["409", "503", "500", "drop"],
)
def test_with_keys_a_repeat_without_a_clear_answer_stays_owed_under_its_attempt(
    sandbox: Sandbox, call: str, kind: str, options: dict[str, Any]
) -> None:
    """409: the first call is still under way at inventory. It would be a unit that nobody knows of."""
    shelve(sandbox, available=8, reserved=2)
    status, state = {"reserve": ("placing", "reserving"), "release": ("cancelled", "releasing")}[call]
    order_id = store(status, line(state, until=PAST))
    sandbox.control.fault(call, kind, times=1, **options)
    work()
    document = read(order_id)
    assert (document["status"], states(document)) == (status, [state])
    assert document["items"][0]["stock"]["attempt"]["id"]
    assert document["items"][0]["stock"]["attempts"] == 2
    assert document["stock_due_at"] > now()
    due_now(order_id)
    work()
    assert states(read(order_id)) == ["released"]


@pytest.mark.usefixtures("keys")
def test_with_keys_a_plain_refusal_of_a_repeat_is_final(sandbox: Sandbox) -> None:
    shelve(sandbox, available=1)
    order_id = store("placing", line("reserving", until=PAST))
    work()
    document = read(order_id)
    assert (document["status"], states(document)) == ("rejected", ["none"])
    assert stock_of(sandbox) == (1, 0)


# --- drafts ----------------------------------------------------------------------------------------------------------

OLD, NEW = {"until": PAST}, {"until": FUTURE}
DRAFTS: dict[str, tuple[list[Document], list[str], list[str]]] = {
    "all reserved": ([line("reserved", A), line("reserved", B)], ["released", "released"], ["A", "B"]),
    "none reserved": ([line("none", A), line("none", B)], ["none", "none"], []),
    "reserved and refused": ([line("reserved", A), line("none", B)], ["released", "none"], ["A"]),
    "all lapsed": ([line("reserving", A, **OLD), line("reserving", B, **OLD)], ["unknown", "unknown"], []),
    "reserved and lapsed": ([line("reserved", A), line("reserving", B, **OLD)], ["released", "unknown"], ["A"]),
    "reserved and unknown": (
        [line("reserved", A), line("unknown", B, call="reserve")],
        ["released", "unknown"],
        ["A"],
    ),
    "never sent": ([line("reserving", A), line("reserved", B)], ["none", "released"], ["B"]),
    "never sent and lapsed": ([line("reserving", A), line("reserving", B, **OLD)], ["none", "unknown"], []),
}


@pytest.mark.parametrize("case", DRAFTS)
def test_a_draft_left_behind_is_rejected_and_what_is_known_to_be_reserved_released(sandbox: Sandbox, case: str) -> None:
    items, after, released = DRAFTS[case]
    for product in (A, B):
        shelve(sandbox, product, available=6, reserved=4)
    order_id = store("placing", *items)
    work()
    document = read(order_id)
    assert (document["status"], states(document)) == ("rejected", after)
    assert "stock_due_at" not in document
    assert [call["product_id"] for call in sandbox.control.calls("release")] == [
        {"A": A, "B": B}[name] for name in released
    ] or sorted(released) == ["A", "B"]
    assert len(sandbox.control.calls("release")) == len(released)
    assert sandbox.control.calls("reserve") == []
    for name, product in (("A", A), ("B", B)):
        assert stock_of(sandbox, product) == ((8, 2) if name in released else (6, 4))
    assert [entry["act"] for entry in document["history"] if entry["act"] != "stock"] == ["draft", "reject"]


def test_a_draft_with_a_live_reserve_beside_a_lapsed_one_is_not_rejected_yet(sandbox: Sandbox) -> None:
    order_id = store("placing", line("reserving", A, **OLD), line("reserving", B, **NEW), line("reserved", C))
    work()
    document = read(order_id)
    assert (document["status"], states(document)) == ("placing", ["unknown", "reserving", "reserved"])
    assert document["stock_due_at"] == document["items"][1]["stock"]["attempt"]["until"]
    assert asked(sandbox) == []


@pytest.mark.usefixtures("keys")
def test_a_draft_with_a_reserve_still_unknown_keeps_what_it_has_until_that_is_known(sandbox: Sandbox) -> None:
    shelve(sandbox, A, available=8, reserved=2)
    order_id = store("placing", line("reserved", A), line("reserving", B, **OLD))
    sandbox.control.fault("reserve", "drop_before", times=1)
    work()
    assert read(order_id)["status"] == "placing"
    assert sandbox.control.calls("release") == []
    due_now(order_id)
    work()
    document = read(order_id)
    assert (document["status"], states(document)) == ("rejected", ["released", "released"])
    assert stock_of(sandbox, A) == (10, 0)


# --- mixed and discrepant --------------------------------------------------------------------------------------------


def test_lines_of_one_order_are_each_treated_by_their_own_state(sandbox: Sandbox) -> None:
    shelve(sandbox, A, available=6, reserved=4)
    order_id = store(
        "cancelled",
        line("releasing", A),
        line("releasing", B, **OLD),
        line("releasing", C, **NEW),
        line("released", A),
        line("unknown", B, call="release"),
    )
    before = read(order_id)["items"]
    work()
    document = read(order_id)
    assert states(document) == ["released", "unknown", "releasing", "released", "unknown"]
    assert document["items"][2:] == before[2:]
    assert asked(sandbox) == [("release", f"{order_id}:0:release")]
    assert document["stock_due_at"] == before[2]["stock"]["attempt"]["until"]


@pytest.mark.parametrize(("reserved", "missing"), [(2, None), (1, 1), (0, 2)])
def test_what_inventory_did_not_release_is_a_discrepancy(sandbox: Sandbox, reserved: int, missing: int | None) -> None:
    shelve(sandbox, available=0, reserved=reserved)
    order_id = store("cancelled", line("releasing"))
    work()
    stock = read(order_id)["items"][0]["stock"]
    assert (stock["state"], stock.get("discrepancy")) == ("released", missing)
    assert stock_of(sandbox) == (reserved, 0)


@pytest.mark.parametrize("status", [400, 404])
def test_a_refused_release_is_final_and_a_discrepancy(sandbox: Sandbox, status: int) -> None:
    order_id = store("cancelled", line("releasing"))
    sandbox.control.fault("release", "status", status=status)
    work()
    stock = read(order_id)["items"][0]["stock"]
    assert (stock["state"], stock["discrepancy"]) == ("released", 2)
    assert str(status) in stock["error"]
    assert "stock_due_at" not in read(order_id)
    assert work() == worker.Pass(0, 0)
    assert len(asked(sandbox)) == 1


# --- inventory down --------------------------------------------------------------------------------------------------


def test_while_inventory_is_down_nothing_is_sent_and_the_pauses_grow_until_it_is_back(
    sandbox: Sandbox, settings: Settings
) -> None:
    settings.STOCK_RETRY_DELAY, settings.STOCK_RETRY_MAX_DELAY = 8, 1000
    shelve(sandbox, available=8, reserved=2)
    order_id = store("cancelled", line("releasing"))
    alive, settings.INVENTORY_SERVICE_URL = settings.INVENTORY_SERVICE_URL, DEAD
    pauses = []
    for attempts in (2, 3, 4):
        began = now()
        assert work() == worker.Pass(1, 0)
        document = read(order_id)
        stock = document["items"][0]["stock"]
        assert (stock["state"], stock["attempts"], "attempt" in stock) == ("releasing", attempts, False)
        assert stock["error"]
        pauses.append((document["stock_due_at"] - began).total_seconds())
        assert work() == worker.Pass(0, 0), "not due yet"
        due_now(order_id)
    assert pauses == sorted(pauses)
    assert 8 <= pauses[0] <= 17
    assert 32 <= pauses[2] <= 65
    assert sandbox.control.calls() == []
    settings.INVENTORY_SERVICE_URL = alive
    peer_requests.reset()
    work()
    assert states(read(order_id)) == ["released"]
    assert stock_of(sandbox) == (10, 0)
    assert len(read(order_id)["history"]) == 3, "attempts are a counter, not history"


@pytest.mark.parametrize("fault", [{"kind": "status", "status": 500}, {"kind": "drop_before"}])
def test_where_inventory_does_not_answer_the_probe_no_release_is_risked(
    sandbox: Sandbox, fault: dict[str, Any]
) -> None:
    shelve(sandbox, available=8, reserved=2)
    order_id = store("cancelled", line("releasing"))
    sandbox.control.fault("stock", **fault)
    work()
    assert states(read(order_id)) == ["releasing"]
    assert asked(sandbox) == []
    sandbox.control.clear_faults()
    due_now(order_id)
    work()
    assert states(read(order_id)) == ["released"]
    operations = [call["operation"] for call in sandbox.control.calls()]
    assert operations[-2:] == ["stock", "release"]


def test_a_release_that_gets_lost_after_the_probe_is_for_a_person_and_never_repeated(sandbox: Sandbox) -> None:
    shelve(sandbox, available=6, reserved=4)
    order_id = store("cancelled", line("releasing"))
    sandbox.control.fault("release", "drop_after", times=1)
    work()
    assert states(read(order_id)) == ["unknown"]
    orders().update_one({"_id": order_id}, {"$set": {"stock_due_at": now() + PAST}})
    work()
    assert states(read(order_id)) == ["unknown"]
    assert "stock_due_at" not in read(order_id)
    assert len(asked(sandbox)) == 1
    assert stock_of(sandbox) == (8, 2)


# --- several workers -------------------------------------------------------------------------------------------------


def test_two_workers_at_once_call_for_each_line_once(sandbox: Sandbox) -> None:
    shelve(sandbox, A, available=0, reserved=100)
    shelve(sandbox, B, available=0, reserved=100)
    ids = [store("cancelled", line("releasing", A), line("releasing", B)) for _ in range(15)]
    drafts = [store("placing", line("reserved", A), line("none", B)) for _ in range(10)]
    start = threading.Barrier(3)

    def work_at_once(_: int) -> worker.Pass:
        start.wait()
        return work()

    with ThreadPoolExecutor(3) as threads:
        passes = list(threads.map(work_at_once, range(3)))
    assert sum(done.failed for done in passes) == 0
    assert {tuple(states(read(order_id))) for order_id in ids} == {("released", "released")}
    assert {read(order_id)["status"] for order_id in drafts} == {"rejected"}
    assert set(Counter(key for _, key in asked(sandbox)).values()) == {1}
    assert stock_of(sandbox, A) == (50, 50)
    assert stock_of(sandbox, B) == (30, 70)
    assert orders().count_documents({"stock_due_at": {"$exists": True}}) == 0


def test_of_two_who_read_the_same_due_order_one_claims_it(sandbox: Sandbox) -> None:
    order_id = store("cancelled", line("releasing"))
    document, moment = read(order_id), order_reads.server_time()
    first = claim_due(document, moment, act(WORKER))
    assert first is not None
    assert claim_due(document, moment, act(WORKER)) is None
    assert read(order_id) == first[0]


def test_who_finds_an_order_claimed_between_reading_and_claiming_leaves_it_alone(
    sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    order_id = store("cancelled", line("releasing"))
    real = order_reads.server_time

    def overtaken() -> Any:
        monkeypatch.setattr(order_reads, "server_time", real)
        claim_due(read(order_id), real(), act(WORKER))
        return real()

    monkeypatch.setattr(order_reads, "server_time", overtaken)
    assert settle_order(order_id=order_id, act=act(WORKER)) is False
    assert sandbox.control.calls() == []


def test_a_claim_does_not_survive_that_the_attempt_was_renewed_meanwhile(sandbox: Sandbox, settings: Settings) -> None:
    order_id = store("cancelled", line("releasing", until=PAST))
    document = read(order_id)
    orders().update_one({"_id": order_id}, {"$set": {"items.0.stock.attempt.until": now() + FUTURE}})
    before = read(order_id)
    assert claim_due(document, now(), act(WORKER)) is None
    assert read(order_id) == before


@pytest.mark.parametrize(
    "items",
    [[line("releasing")], [line("releasing", until=PAST)], [line("releasing"), line("releasing", until=PAST)]],
    ids=["claimed", "lapsed", "both"],
)
def test_a_claim_that_was_repeated_after_a_failover_sees_its_own_success(
    sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch, items: list[Document]
) -> None:
    order_id = store("cancelled", *items)
    sent_twice(monkeypatch)
    claimed = claim_due(read(order_id), order_reads.server_time(), act(WORKER))
    assert claimed is not None
    assert claimed[0] == read(order_id)
    assert bool(claimed[1]) == (items[0]["stock"].get("attempt") is None)


# --- the worker loses ------------------------------------------------------------------------------------------------


def test_a_worker_whose_lease_was_taken_writes_nothing_over_it(
    sandbox: Sandbox, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Inventory acts, the answer takes so long that the lease (by mongod) lapses and another worker looks at it."""
    shelve(sandbox, available=8, reserved=2)
    order_id = store("cancelled", line("releasing"))
    real = worker.call_inventory

    def slow(*args: Any, **kwargs: Any) -> Any:
        answers = real(*args, **kwargs)
        due_now(order_id)
        monkeypatch.setattr(worker, "call_inventory", real)
        work()
        return answers

    monkeypatch.setattr(worker, "call_inventory", slow)
    assert settle_order(order_id=order_id, act=act(WORKER)) is True
    assert states(read(order_id)) == ["unknown"], "what the other wrote stands"
    assert len(asked(sandbox)) == 1


def test_a_claim_of_unknown_end_calls_nobody(sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch) -> None:
    order_id = store("cancelled", line("releasing"))
    answer_lost(monkeypatch)
    assert work() == worker.Pass(0, 1)
    assert sandbox.control.calls() == []
    document = read(order_id)
    assert states(document) == ["releasing"]
    assert document["stock_due_at"] <= now() + timedelta(seconds=1), "it is taken up again soon"


@pytest.mark.usefixtures("keys")
@pytest.mark.parametrize(("call", "state"), [("reserve", "reserving"), ("release", "releasing")])
def test_a_repeat_whose_claim_failed_is_still_thought_of_as_perhaps_sent(
    sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch, call: str, state: str
) -> None:
    """The earlier attempt may have acted: to forget that would leave units with inventory that no order knows of."""
    shelve(sandbox, available=8, reserved=2)
    order_id = store("placing" if call == "reserve" else "cancelled", line(state, until=PAST))
    answer_lost(monkeypatch)
    assert work() == worker.Pass(0, 1)
    document = read(order_id)
    assert states(document) == [state]
    assert document["items"][0]["stock"].get("attempt"), "a line without an attempt counts as never sent"
    assert sandbox.control.calls() == []


def test_a_first_claim_that_failed_is_known_never_to_have_called(
    sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    shelve(sandbox, available=8, reserved=2)
    order_id = store("cancelled", line("releasing"))
    answer_lost(monkeypatch)
    work()
    assert "attempt" not in read(order_id)["items"][0]["stock"]
    due_now(order_id)
    work()
    assert states(read(order_id)) == ["released"], "and not unknown"
    assert len(asked(sandbox)) == 1


@pytest.mark.parametrize("broken", [{"items": None}, {"items.0.stock.call": "burn"}, {"items.0.stock": {}}])
def test_one_bad_order_is_put_off_and_the_rest_settled(sandbox: Sandbox, broken: dict[str, Any]) -> None:
    shelve(sandbox, available=0, reserved=10)
    bad = store("cancelled", line("releasing"), due=PAST * 2)
    good = store("cancelled", line("releasing"))
    orders().update_one({"_id": bad}, {"$set": broken})
    before = read(bad)
    assert work() == worker.Pass(1, 1)
    assert states(read(good)) == ["released"]
    after = read(bad)
    due = after.pop("stock_due_at")
    assert due > now() + timedelta(seconds=worker.FAULT_DELAY - 10)
    assert after == {name: value for name, value in before.items() if name != "stock_due_at"}
    assert work() == worker.Pass(0, 0)


def test_an_order_that_cannot_even_be_put_off_does_not_stop_the_rest(
    sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    shelve(sandbox, available=0, reserved=10)
    store("cancelled", line("releasing"), due=PAST * 2, items=None)
    good = store("cancelled", line("releasing"))
    answer_lost(monkeypatch, "update_one", written=False)
    assert work() == worker.Pass(1, 1)
    assert states(read(good)) == ["released"]


def test_a_worker_that_cannot_read_what_is_due_says_so(database: object, monkeypatch: pytest.MonkeyPatch) -> None:
    answer_lost(monkeypatch, "find")
    with pytest.raises(DatabaseError):
        work()


def test_the_longest_waiting_are_settled_first_and_no_more_than_asked_for(sandbox: Sandbox) -> None:
    shelve(sandbox, available=0, reserved=10)
    late, first = store("cancelled", line("releasing"), due=PAST), store("cancelled", line("releasing"), due=PAST * 10)
    assert settle_due(actor=WORKER, limit=1) == worker.Pass(1, 0)
    assert states(read(first)) == ["released"]
    assert states(read(late)) == ["releasing"]


# --- after requests that died ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("honours", [False, True])
def test_a_cancellation_whose_release_found_inventory_down_is_finished_later(
    sandbox: Sandbox, settings: Settings, honours: bool
) -> None:
    settings.INVENTORY_HONOURS_IDEMPOTENCY_KEY = honours
    sandbox.control.honour_keys(honours)
    shelve(sandbox)
    order_id = place((A, 3)).order["_id"]
    alive, settings.INVENTORY_SERVICE_URL = settings.INVENTORY_SERVICE_URL, DEAD
    cancelled = change_status(order_id=order_id, transition="cancel", act=act())
    assert (cancelled["status"], states(cancelled)) == ("cancelled", ["releasing"])
    settings.INVENTORY_SERVICE_URL = alive
    peer_requests.reset()
    due_now(order_id)
    work()
    assert states(read(order_id)) == ["released"]
    assert stock_of(sandbox) == (10, 0)
    assert len(sandbox.control.calls("release")) == 1


def _place_and_die(monkeypatch: pytest.MonkeyPatch) -> None:
    """Leave a draft whose reserve has acted: no findAndModify (the first without a key is `place`) comes through."""
    with monkeypatch.context() as outage:
        answer_lost(outage, written=False, forever=True)
        with pytest.raises(DatabaseError):
            place((A, 2), deadline=Deadline.after(3.5))


@pytest.mark.usefixtures("short_writes")
def test_a_worker_never_finishes_a_placement_that_died_after_its_reserve(
    sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    shelve(sandbox)
    _place_and_die(monkeypatch)
    [draft] = orders().find({})
    assert (draft["status"], stock_of(sandbox)) == ("placing", (8, 2))
    due_now(draft["_id"])
    work()
    document = read(draft["_id"])
    assert document["status"] == "rejected"
    assert states(document) == ["unknown"], "its reserve may have acted: a person says"
    assert sandbox.control.calls("release") == []


@pytest.mark.usefixtures("keys", "short_writes")
def test_with_keys_the_same_draft_is_undone_by_the_worker(sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch) -> None:
    shelve(sandbox)
    _place_and_die(monkeypatch)
    [draft] = orders().find({})
    due_now(draft["_id"])
    work()
    document = read(draft["_id"])
    assert (document["status"], states(document)) == ("rejected", ["released"])
    assert stock_of(sandbox) == (10, 0)


@pytest.mark.usefixtures("keys", "short_writes")
def test_a_slow_reserve_that_was_refused_when_repeated_never_reserves_behind_our_back(sandbox: Sandbox) -> None:
    """The repeat is refused while another holds the last unit; the first call acts after that one gave it back."""
    shelve(sandbox, available=1)
    sandbox.control.fault("reserve", "latency", seconds=4, times=1)
    placing = threading.Thread(target=_try_to_place, args=((A, 1),))
    placing.start()
    _wait_for(lambda: bool(sandbox.control.calls("reserve")))
    shelve(sandbox, available=0, reserved=1)  # another order takes the last unit
    placing.join()  # the call has run out of time, and its repeat was refused
    assert len(sandbox.control.calls("reserve")) == 2
    shelve(sandbox, available=1, reserved=0)  # and is cancelled
    _wait_for(lambda: stock_of(sandbox) == (0, 1))  # the first call acts
    [draft] = orders().find({})
    if "stock_due_at" in draft:
        due_now(draft["_id"])
        work()
    document = read(draft["_id"])
    held = sum(item["quantity"] for item in document["items"] if item["stock"]["state"] in ("reserved", "unknown"))
    assert stock_of(sandbox)[1] == held, "inventory holds nothing that no order knows of"


def _try_to_place(*wanted: tuple[str, int]) -> None:
    with suppress(Exception):  # what became of it is read from the database
        place(*wanted)


def _wait_for(met: Callable[[], bool], seconds: float = 60) -> None:
    until = time.monotonic() + seconds
    while not met():
        assert time.monotonic() < until
        time.sleep(0.005)
