"""Claim, talk, settle: every outcome of every call, what is owed after it, and who may call at all."""

import time
from datetime import timedelta
from typing import Any

import pytest
from bson import ObjectId
from django.db import DatabaseError
from pytest_django import Settings

from integrations import Deadline, inventory
from integrations.sandbox import Sandbox
from orders.models import LineState, StockCall
from orders.services.stock.claims import Claim, backoff, claim_of, new_lease, reject_draft, write_lines
from orders.services.stock.inventory_calls import Outcome, Result, call_inventory, record_outcomes
from orders.storage.line_stock import LineStock, lines_by_index, lines_released
from orders.storage.order_writes import guarded_write, orders
from tests.integration.builders import (
    FUTURE,
    A,
    B,
    C,
    Document,
    act,
    answer_lost,
    asked,
    line,
    now,
    read,
    sent_twice,
    shelve,
    small_sandbox,  # noqa: F401
    states,
    stock_of,
    store,
)

pytestmark = pytest.mark.usefixtures("database")

DEAD = "http://127.0.0.1:9/api/v1"


def claimed(
    call: str, *products: str, status: str | None = None, repeats: frozenset[int] = frozenset()
) -> tuple[ObjectId, Claim]:
    """An order of two units a line, all of them under one live attempt."""
    state, status = {"reserve": ("reserving", "placing"), "release": ("releasing", status or "cancelled")}[call]
    items = [line(state, product, until=FUTURE) for product in products or (A,)]
    for item in items:
        item["stock"]["attempt"] = items[0]["stock"]["attempt"]
    order_id = store(status, *items, due=FUTURE)
    claim = claim_of(read(order_id), items[0]["stock"]["attempt"]["id"], new_lease(), repeats)
    assert claim is not None
    return order_id, claim


def last_entry(document: Document) -> tuple[str, str, int | None, str]:
    entry = document["history"][-1]
    return entry["act"], entry["to"], entry.get("line"), entry["reason"]


# --- settling: each outcome of each call, repeatable or not -----------------------------------------------------------

DONE, HALF = Outcome(Result.DONE, 2), Outcome(Result.DONE, 1)
REFUSED, NOT_SENT = Outcome(Result.REFUSED, detail="no"), Outcome(Result.NOT_SENT, detail="down")
UNKNOWN = Outcome(Result.UNKNOWN, detail="lost")
FINAL, RETRIED_ANEW, REPEATED = "final", "retried anew", "repeated"
OUTCOMES: list[tuple[str, Outcome, bool, bool, str, str, dict[str, Any]]] = [
    # call, outcome, honours keys, sent before → state, what comes next, what else the line says
    ("reserve", DONE, False, False, "reserved", FINAL, {"error": ""}),
    ("reserve", DONE, True, True, "reserved", FINAL, {"error": ""}),
    ("reserve", REFUSED, False, False, "none", FINAL, {"error": "no"}),
    ("reserve", NOT_SENT, False, False, "none", FINAL, {"error": "down"}),
    ("reserve", NOT_SENT, True, False, "none", FINAL, {"error": "down"}),
    ("reserve", NOT_SENT, True, True, "reserving", REPEATED, {"call": "reserve", "error": "down"}),
    ("reserve", UNKNOWN, False, False, "unknown", FINAL, {"call": "reserve", "error": "lost"}),
    ("reserve", UNKNOWN, True, False, "reserving", REPEATED, {"call": "reserve", "error": "lost"}),
    ("reserve", UNKNOWN, True, True, "reserving", REPEATED, {"call": "reserve", "error": "lost"}),
    ("release", DONE, False, False, "released", FINAL, {"error": ""}),
    ("release", DONE, True, True, "released", FINAL, {"error": ""}),
    ("release", HALF, False, False, "released", FINAL, {"error": "inventory released 1 of 2", "discrepancy": 1}),
    ("release", REFUSED, False, False, "released", FINAL, {"error": "no", "discrepancy": 2}),
    ("release", NOT_SENT, False, False, "releasing", RETRIED_ANEW, {"call": "release", "error": "down"}),
    ("release", NOT_SENT, True, False, "releasing", RETRIED_ANEW, {"call": "release", "error": "down"}),
    ("release", NOT_SENT, True, True, "releasing", REPEATED, {"call": "release", "error": "down"}),
    ("release", UNKNOWN, False, False, "unknown", FINAL, {"call": "release", "error": "lost"}),
    ("release", UNKNOWN, True, False, "releasing", REPEATED, {"call": "release", "error": "lost"}),
    ("release", UNKNOWN, True, True, "releasing", REPEATED, {"call": "release", "error": "lost"}),
]


@pytest.mark.parametrize(
    ("call", "outcome", "honours", "repeat", "state", "then", "says"),
    OUTCOMES,
    ids=[
        f"{call} {outcome.result}{outcome.quantity or ''}{' keys' * honours}{' again' * repeat}"
        for call, outcome, honours, repeat, *_ in OUTCOMES
    ],
)
def test_an_outcome_is_written_as_the_design_says(
    settings: Settings,
    call: str,
    outcome: Outcome,
    honours: bool,
    repeat: bool,
    state: str,
    then: str,
    says: dict[str, Any],
) -> None:
    settings.INVENTORY_HONOURS_IDEMPOTENCY_KEY = honours
    settings.STOCK_RETRY_DELAY = settings.STOCK_RETRY_MAX_DELAY = settings.STOCK_LEASE = 20
    order_id, claim = claimed(call, repeats=frozenset({0} if repeat else ()))
    document = record_outcomes(claim, {0: outcome}, act(), deadline=Deadline.after(0.3))
    assert document == read(order_id)
    found = document["items"][0]["stock"]
    attempt = found.pop("attempt", None)
    assert found == {"state": state, "attempts": 1} | says
    due, soon = document.get("stock_due_at"), now() + timedelta(seconds=9)
    if then is FINAL:
        assert attempt is None
        assert (due is not None) == (call == "reserve"), "only the draft is still due, to be turned away"
    else:
        assert due is not None
        assert soon < due < soon + timedelta(seconds=15)
        assert (attempt and attempt["id"]) == (claim.attempt if then is REPEATED else None)
    if state in ("none", "released", "unknown"):
        assert last_entry(document) == ("stock", state, 0, says["error"])
    else:
        assert len(document["history"]) == (1 if call == "reserve" else 2), "only final outcomes are in the history"
    assert document["version"] == (0 if call == "reserve" else 1), "no person sees a difference"


def test_each_line_gets_its_own_outcome_in_one_write() -> None:
    order_id, claim = claimed("release", A, B, C)
    document = record_outcomes(claim, {0: DONE, 1: UNKNOWN, 2: NOT_SENT}, act(), deadline=Deadline.after(0.3))
    assert document == read(order_id)
    assert states(document) == ["released", "unknown", "releasing"]
    assert [(entry["line"], entry["to"]) for entry in document["history"][2:]] == [(0, "released"), (1, "unknown")]


@pytest.mark.parametrize("gone", ["taken over", "settled", "one line settled"])
def test_who_no_longer_holds_the_lines_writes_nothing(gone: str) -> None:
    order_id, claim = claimed("release", A, B)
    changes = {
        "taken over": {"items.0.stock.attempt.id": "other", "items.1.stock.attempt.id": "other"},
        "settled": {"items.0.stock": {"state": "released"}, "items.1.stock": {"state": "released"}},
        "one line settled": {"items.0.stock": {"state": "unknown", "call": "release"}},
    }[gone]
    orders().update_one({"_id": order_id}, {"$set": changes})
    before = read(order_id)
    assert record_outcomes(claim, {0: DONE, 1: DONE}, act(), deadline=Deadline.after(0.3)) is None
    assert read(order_id) == before


@pytest.mark.parametrize(
    ("call", "outcome", "honours"),
    [
        ("release", DONE, False),
        ("release", UNKNOWN, False),
        ("reserve", REFUSED, False),
        ("reserve", DONE, True),
        ("release", NOT_SENT, False),
    ],
)
def test_settling_that_was_repeated_after_a_failover_sees_its_own_success(
    settings: Settings, monkeypatch: pytest.MonkeyPatch, call: str, outcome: Outcome, honours: bool
) -> None:
    settings.INVENTORY_HONOURS_IDEMPOTENCY_KEY = honours
    order_id, claim = claimed(call)
    sent_twice(monkeypatch)
    assert record_outcomes(claim, {0: outcome}, act(), deadline=Deadline.after(0.3)) == read(order_id)
    entries = [entry for entry in read(order_id)["history"] if entry["act"] == "stock"]
    assert len(entries) <= 1


def test_settling_that_could_not_be_written_is_an_error_and_the_line_stays_claimed(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    order_id, claim = claimed("release")
    before = read(order_id)
    answer_lost(monkeypatch, written=False)
    with pytest.raises(DatabaseError):
        record_outcomes(claim, {0: DONE}, act(), deadline=Deadline.after(0))
    assert read(order_id) == before


@pytest.mark.parametrize("written", [True, False], ids=["carried out", "not carried out"])
def test_an_outcome_is_not_thrown_away_for_one_failed_write(monkeypatch: pytest.MonkeyPatch, written: bool) -> None:
    order_id, claim = claimed("release")
    answer_lost(monkeypatch, written=written)
    record_outcomes(claim, {0: DONE}, act(), deadline=Deadline.after(2))
    document = read(order_id)
    assert states(document) == ["released"]
    assert len(document["history"]) == 3
    assert "stock_due_at" not in document


@pytest.mark.parametrize(("asked_for", "least", "most"), [(0.0, 0, 0.1), (30.0, 29, 31), (10.0**8, 29, 61)])
def test_a_peer_that_asks_for_patience_gets_it_within_bounds(
    settings: Settings, asked_for: float, least: float, most: float
) -> None:
    settings.STOCK_RETRY_DELAY, settings.STOCK_RETRY_MAX_DELAY = 0.01, 60
    _, claim = claimed("release")
    outcome, before = Outcome(Result.NOT_SENT, detail="busy", retry_after=asked_for), now()
    document = record_outcomes(claim, {0: outcome}, act(), deadline=Deadline.after(0.3))
    assert document is not None
    assert before + timedelta(seconds=least) <= document["stock_due_at"] <= now() + timedelta(seconds=most)


def test_a_peer_that_asks_for_patience_does_not_keep_a_draft_waiting(settings: Settings) -> None:
    """Between this write and the rejection the process may die; what else is reserved must not wait for a day."""
    _, claim = claimed("reserve", A, B)
    busy = Outcome(Result.NOT_SENT, detail="busy", retry_after=86400)
    document = record_outcomes(claim, {0: DONE, 1: busy}, act(), deadline=Deadline.after(0.3))
    assert document is not None
    assert states(document) == ["reserved", "none"]
    assert (document["stock_due_at"] - now()).total_seconds() < 60


def test_settling_is_not_tried_for_longer_than_the_lease(monkeypatch: pytest.MonkeyPatch) -> None:
    order_id, claim = claimed("release")
    over = Claim(order_id, claim.attempt, Deadline.after(0), claim.lines)
    answer_lost(monkeypatch, written=False)
    with pytest.raises(DatabaseError):
        record_outcomes(over, {0: DONE}, act(), deadline=Deadline.after(60))
    assert states(read(order_id)) == ["releasing"]


# --- talking ---------------------------------------------------------------------------------------------------------


def test_every_line_is_asked_for_once_with_the_order_and_a_key_of_its_own(sandbox: Sandbox) -> None:
    order_id, claim = claimed("reserve", A, A, B)
    outcomes = call_inventory(claim, deadline=Deadline.after(60))
    assert [outcomes[index] for index in range(3)] == [Outcome(Result.DONE, 2)] * 3
    calls = sandbox.control.calls("reserve")
    assert sorted((call["key"], call["product_id"], call["quantity"], call["order_id"]) for call in calls) == [
        (f"{order_id}:{index}:reserve", product, 2, str(order_id)) for index, product in enumerate((A, A, B))
    ]


FAULTS: list[tuple[str, dict[str, Any], Result]] = [
    ("status", {"status": 400}, Result.REFUSED),
    ("status", {"status": 404}, Result.REFUSED),
    ("status", {"status": 409}, Result.REFUSED),
    ("status", {"status": 422}, Result.REFUSED),
    ("status", {"status": 401}, Result.NOT_SENT),
    ("status", {"status": 429}, Result.NOT_SENT),
    ("status", {"status": 503}, Result.NOT_SENT),
    ("status", {"status": 500}, Result.UNKNOWN),
    ("status", {"status": 502}, Result.UNKNOWN),
    ("status", {"status": 504}, Result.UNKNOWN),
    ("drop_before", {}, Result.UNKNOWN),
    ("drop_after", {}, Result.UNKNOWN),
    ("stall_before", {"seconds": 30}, Result.UNKNOWN),
    ("stall_after", {"seconds": 30}, Result.UNKNOWN),
    ("garbage", {}, Result.UNKNOWN),
    ("wrong", {}, Result.UNKNOWN),
]


@pytest.mark.usefixtures("short_writes")
@pytest.mark.parametrize("call", ["reserve", "release"])
@pytest.mark.parametrize(
    ("kind", "options", "result"), FAULTS, ids=[f"{k} {o.get('status', '')}" for k, o, _ in FAULTS]
)
def test_what_a_peers_failure_means(
    sandbox: Sandbox, call: str, kind: str, options: dict[str, Any], result: Result
) -> None:
    _, claim = claimed(call)
    sandbox.control.fault(call, kind, **options)
    outcome = call_inventory(claim, deadline=Deadline.after(60))[0]
    assert (outcome.result, bool(outcome.detail)) == (result, True)
    assert len(asked(sandbox)) == 1


def test_a_peer_that_cannot_be_reached_was_not_asked(settings: Settings, sandbox: Sandbox) -> None:
    settings.INVENTORY_SERVICE_URL = DEAD
    _, claim = claimed("release")
    assert call_inventory(claim, deadline=Deadline.after(60))[0].result is Result.NOT_SENT
    assert asked(sandbox) == []


@pytest.mark.parametrize("short", ["deadline", "lease"])
def test_with_less_than_one_timeout_left_nothing_is_sent(sandbox: Sandbox, short: str) -> None:
    _, claim = claimed("release", A, B)
    soon = Deadline.after(6)  # a timeout is 7 s
    if short == "lease":
        claim = Claim(claim.order_id, claim.attempt, soon, claim.lines)
    outcomes = call_inventory(claim, deadline=soon if short == "deadline" else Deadline.after(60), retries=True)
    assert [outcome.result for outcome in outcomes.values()] == [Result.NOT_SENT] * 2
    assert asked(sandbox) == []


def test_what_was_not_acted_on_is_asked_again_only_if_allowed(sandbox: Sandbox) -> None:
    for retries, expected, sent in ((False, Result.NOT_SENT, 1), (True, Result.DONE, 2)):
        _, claim = claimed("reserve")
        sandbox.control.fault("reserve", "status", status=503, times=1)
        before = len(asked(sandbox))
        assert call_inventory(claim, deadline=Deadline.after(60), retries=retries)[0].result is expected
        assert len(asked(sandbox)) - before == sent


@pytest.mark.usefixtures("short_writes")
@pytest.mark.parametrize("fault", ["drop_after", "stall_after"])
def test_without_keys_what_may_have_acted_is_never_asked_again(sandbox: Sandbox, fault: str) -> None:
    shelve(sandbox)
    _, claim = claimed("reserve")
    sandbox.control.fault("reserve", fault, times=1, **({"seconds": 30} if fault == "stall_after" else {}))
    assert call_inventory(claim, deadline=Deadline.after(60), retries=True)[0].result is Result.UNKNOWN
    assert len(asked(sandbox)) == 1
    assert stock_of(sandbox) == (8, 2)


def test_with_keys_a_lost_answer_is_asked_for_again_and_acts_once(settings: Settings, sandbox: Sandbox) -> None:
    settings.INVENTORY_HONOURS_IDEMPOTENCY_KEY = True
    sandbox.control.honour_keys(True)
    shelve(sandbox)
    _, claim = claimed("reserve")
    sandbox.control.fault("reserve", "drop_after", times=1)
    assert call_inventory(claim, deadline=Deadline.after(60), retries=True)[0] == Outcome(Result.DONE, 2)
    assert len(asked(sandbox)) == 2
    assert stock_of(sandbox) == (8, 2)


def test_a_probe_comes_before_every_call_that_could_not_be_repeated(sandbox: Sandbox) -> None:
    _, claim = claimed("release", A, B)
    call_inventory(claim, deadline=Deadline.after(60), background=True)
    for product in (A, B):
        calls = [call["operation"] for call in sandbox.control.calls() if call["product_id"] == product]
        assert calls == ["stock", "release"]


def test_where_the_probe_gets_no_answer_nothing_is_sent(sandbox: Sandbox) -> None:
    _, claim = claimed("release", A, B)
    sandbox.control.fault("stock", "drop_before")
    outcomes = call_inventory(claim, deadline=Deadline.after(60), background=True)
    assert [outcome.result for outcome in outcomes.values()] == [Result.NOT_SENT] * 2
    assert asked(sandbox) == []


def test_no_probe_is_needed_where_keys_are_honoured(settings: Settings, sandbox: Sandbox) -> None:
    settings.INVENTORY_HONOURS_IDEMPOTENCY_KEY = True
    _, claim = claimed("release")
    call_inventory(claim, deadline=Deadline.after(60), background=True)
    assert [call["operation"] for call in sandbox.control.calls()] == ["release"]


def test_a_fault_of_ours_costs_no_other_line_its_outcome(sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch) -> None:
    _, claim = claimed("release", A, B)
    real = inventory.release

    def broken(product_id: str, *args: Any, **kwargs: Any) -> int:
        if product_id == B:
            raise ZeroDivisionError
        return real(product_id, *args, **kwargs)

    shelve(sandbox, available=0, reserved=2)
    monkeypatch.setattr(inventory, "release", broken)
    outcomes = call_inventory(claim, deadline=Deadline.after(60))
    assert outcomes[0] == Outcome(Result.DONE, 2)
    assert outcomes[1].result is Result.UNKNOWN, "nobody knows how far it came"
    assert "ZeroDivisionError" in outcomes[1].detail


# --- claims ----------------------------------------------------------------------------------------------------------


def test_a_claim_is_the_lines_under_its_attempt_and_no_other() -> None:
    order_id = store("cancelled", line("releasing", until=FUTURE), line("released"), line("releasing"))
    attempt = read(order_id)["items"][0]["stock"]["attempt"]["id"]
    claim = claim_of(read(order_id), attempt, new_lease(), frozenset({0}))
    assert claim is not None
    assert [(found.index, found.call, found.repeat) for found in claim.lines] == [(0, StockCall.RELEASE, True)]
    assert claim_of(read(order_id), "another", new_lease()) is None


def test_a_lease_ends_here_before_it_does_on_mongods_clock(settings: Settings) -> None:
    settings.STOCK_LEASE = 5
    lease = new_lease()
    time.sleep(0.05)
    order_id = store("pending", line("reserved"), due=None)
    document = guarded_write(order_id, guard={}, items=lines_released("mine", settings.STOCK_LEASE))
    assert document is not None
    left = (document["items"][0]["stock"]["attempt"]["until"] - now()).total_seconds()
    assert lease.remaining() < left <= 5


@pytest.mark.parametrize(
    ("attempts", "least", "most"), [(0, 0.25, 1), (1, 1, 2), (2, 2, 4), (5, 16, 32), (9, 150, 300)]
)
def test_pauses_grow_with_the_attempts_up_to_a_bound(
    settings: Settings, attempts: int, least: float, most: float
) -> None:
    settings.STOCK_RETRY_DELAY, settings.STOCK_RETRY_MAX_DELAY = 2, 300
    pauses = [backoff(attempts) for _ in range(50)]
    assert min(pauses) >= least
    assert max(pauses) <= most
    assert len(set(pauses)) > 1, "with jitter"
    assert backoff(10**6) <= 300


# --- turning a draft away --------------------------------------------------------------------------------------------


def test_a_draft_is_rejected_and_its_reserved_lines_claimed() -> None:
    order_id = store("placing", line("reserved", A), line("none", B), line("unknown", C, call="reserve"))
    claim = reject_draft(read(order_id), act(reason="sold out"))
    document = read(order_id)
    assert claim is not None
    assert [found.index for found in claim.lines] == [0]
    assert (document["status"], document["version"]) == ("rejected", 1)
    assert states(document) == ["releasing", "none", "unknown"]
    assert last_entry(document) == ("reject", "rejected", None, "sold out")
    assert document["stock_due_at"] == document["items"][0]["stock"]["attempt"]["until"]


@pytest.mark.parametrize("rest", [[line("none")], [line("unknown", call="reserve")], [line("none"), line("unknown")]])
def test_a_draft_with_nothing_reserved_is_rejected_and_owes_nothing(rest: list[Document]) -> None:
    order_id = store("placing", *rest)
    assert reject_draft(read(order_id), act()) is None
    document = read(order_id)
    assert document["status"] == "rejected"
    assert "stock_due_at" not in document


@pytest.mark.parametrize("until", [None, FUTURE])
def test_a_draft_with_a_reserve_still_open_is_not_rejected(until: timedelta | None) -> None:
    order_id = store("placing", line("reserved"), line("reserving", until=until))
    before = read(order_id)
    assert reject_draft(before, act()) is None
    assert read(order_id) == before


def test_an_order_that_was_placed_meanwhile_is_not_rejected() -> None:
    order_id = store("placing", line("reserved"))
    as_read = read(order_id)
    orders().update_one({"_id": order_id}, {"$set": {"status": "pending"}})
    before = read(order_id)
    assert reject_draft(as_read, act()) is None
    assert reject_draft(before, act()) is None
    assert read(order_id) == before


def test_a_rejection_that_was_repeated_after_a_failover_still_holds_its_claim(monkeypatch: pytest.MonkeyPatch) -> None:
    order_id = store("placing", line("reserved"))
    sent_twice(monkeypatch)
    claim = reject_draft(read(order_id), act())
    assert claim is not None
    assert claim.attempt == read(order_id)["items"][0]["stock"]["attempt"]["id"]
    assert read(order_id)["version"] == 1


def test_a_line_that_was_taken_back_from_is_no_longer_due() -> None:
    order_id, _ = claimed("release")
    write_lines(order_id, {0: LineStock(LineState.RELEASED)}, act(), guard={})
    assert "stock_due_at" not in read(order_id)
    guarded_write(order_id, guard={}, items=lines_by_index({}))
    assert "stock_due_at" not in read(order_id)
