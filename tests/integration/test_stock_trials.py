"""Trying an inventory with stock: whatever it does, that is what is told, and the stock is afterwards what it was."""

import threading
from collections.abc import Callable
from contextlib import nullcontext
from functools import partial
from itertools import count
from typing import Any

import pytest
from bson import ObjectId
from pymongo.read_concern import ReadConcern
from pytest_django import Settings

from integrations import Deadline, inventory
from integrations.sandbox import Sandbox
from orders.services.examination import stock_trials, trial_stock
from orders.services.examination.findings import Finding, Verdict, exit_code
from orders.services.examination.stock_trials import (
    BACK,
    BEYOND,
    KEY_AFTER_CUT,
    KEY_AFTER_LOSS,
    KEY_OF_RELEASE,
    KEY_OF_RESERVE,
    KEYS,
    ONE,
    SIMULTANEOUS,
    TOO_MUCH,
    CannotTry,
    Tried,
    plan,
    try_stock,
)
from orders.services.examination.suggestions import suggestions
from orders.services.stock import product_locks
from orders.services.stock.inventory_calls import Outcome, Result
from orders.services.stock.product_locks import ProductLocked, product_lock
from orders.storage import product_leases
from orders.storage.database import collection
from tests.integration.builders import A, answer_lost, asked, shelve, stock_of
from tests.odd_inventory import OddInventory, serving

OK, NOTE, WRONG, OPEN, SKIPPED = Verdict
REST = (TOO_MUCH, *KEYS, SIMULTANEOUS, BEYOND)
START = (40, 0)
FAILED = "answered 503: The sandbox was told to answer 503"


@pytest.fixture(autouse=True)
def quick(sandbox: Sandbox, settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    """Looks follow each other closely, and what cannot act any more is not waited for; a product nobody has ordered."""
    monkeypatch.setattr(trial_stock, "LOOK_EVERY", 0.01)
    monkeypatch.setattr(stock_trials, "ROUNDS", 1)
    settings.STOCK_LEASE = settings.REQUEST_DEADLINE + 0.5
    settings.INVENTORY_IS_ATOMIC = False
    settings.BREAKER_THRESHOLD = 1  # which keeps nothing from being asked
    shelve(sandbox, A, available=40)


@pytest.fixture
def patient(settings: Settings) -> None:
    """An unanswered call is waited for as long as it takes to act, on a slow machine too."""
    settings.STOCK_LEASE = settings.REQUEST_DEADLINE + 60


def tried(stopped: Callable[[], bool] = lambda: False, tell: Callable[[str], None] = lambda _: None) -> Tried:
    return try_stock(plan(A), stopped=stopped, tell=tell)


def before_reserve(monkeypatch: pytest.MonkeyPatch, number: int, act: Callable[[], object]) -> None:
    """Let something happen right before the reserve of that number (from 1) is sent.

    The first is of a single unit, the second of too many, 3 and 4 have one key, the fifth is released with one key,
    6 to 9 are cut off and repeated, 10 to 19 come side by side, and the last is of a unit of which two are released.
    """
    real, numbers = inventory.reserve, count(1)

    def reserve(*args: Any, **kwargs: Any) -> int:
        if next(numbers) == number:
            act()
        return real(*args, **kwargs)

    monkeypatch.setattr(inventory, "reserve", reserve)


def by_case(found: Tried) -> dict[str, Finding]:
    assert [finding.case for finding in found.findings] == [ONE, *REST, BACK]
    return {finding.case: finding for finding in found.findings}


def verdicts(found: Tried) -> dict[str, tuple[Verdict, bool | None]]:
    return {case: (finding.verdict, finding.fact) for case, finding in by_case(found).items()}


def suggested(found: Tried) -> dict[str, Any]:
    return {each.setting: each.suggested for each in suggestions(found.findings, slowest_write=found.slowest)}


ALL_WELL = {
    ONE: (OK, None),
    TOO_MUCH: (OK, True),
    **dict.fromkeys(KEYS, (OK, True)),
    SIMULTANEOUS: (OK, None),
    BEYOND: (OK, True),
    BACK: (OK, None),
}
UNHONOURED = {
    KEY_OF_RESERVE: (NOTE, False),
    KEY_OF_RELEASE: (NOTE, False),
    KEY_AFTER_LOSS: (SKIPPED, None),
    KEY_AFTER_CUT: (SKIPPED, None),
}


# --- how inventories differ ------------------------------------------------------------------------------------------


@pytest.mark.usefixtures("patient")
@pytest.mark.parametrize(
    ("atomic", "honoured", "claimed"),
    [(True, False, False), (True, True, True), (False, False, True), (False, True, False)],
)
def test_what_an_inventory_does_is_found_out_whatever_the_settings_say(
    sandbox: Sandbox,
    settings: Settings,
    monkeypatch: pytest.MonkeyPatch,
    atomic: bool,
    honoured: bool,
    claimed: bool,
) -> None:
    settings.INVENTORY_IS_ATOMIC = settings.INVENTORY_HONOURS_IDEMPOTENCY_KEY = claimed
    monkeypatch.setattr(stock_trials, "ROUNDS", 3)
    sandbox.control.be_atomic(atomic, 0 if atomic else 0.1)
    sandbox.control.honour_keys(honoured)
    found = tried()
    disproved = WRONG if claimed else NOTE
    expected = dict(ALL_WELL)
    if not honoured:
        expected |= {case: (disproved if v is NOTE else v, fact) for case, (v, fact) in UNHONOURED.items()}
    if not atomic:
        expected[SIMULTANEOUS] = (disproved, False)
    if claimed:
        expected[BEYOND] = (SKIPPED, None)
    assert verdicts(found) == expected
    assert exit_code(found.findings) == (1 if claimed and not (atomic and honoured) else 0)
    assert suggested(found)["INVENTORY_IS_ATOMIC"] is (None if atomic else False), "a trial never shows that it is"
    assert suggested(found)["INVENTORY_HONOURS_IDEMPOTENCY_KEY"] is honoured
    assert (stock_of(sandbox), found.left) == (START, ())


def test_units_that_others_reserved_stay_reserved(sandbox: Sandbox) -> None:
    sandbox.control.be_atomic(False, 0.1)
    shelve(sandbox, A, available=40, reserved=7)
    found = by_case(tried())
    assert found[SIMULTANEOUS].fact is False
    assert found[BEYOND].verdict is SKIPPED
    assert "7 units are reserved by others" in found[BEYOND].found
    assert stock_of(sandbox) == (40, 7)


@pytest.mark.parametrize(
    ("odd", "case", "expected", "told", "left"),
    [
        ({"conflicts": True}, KEY_OF_RESERVE, (NOTE, False), "the repeat does not say", (50, 0)),
        ({"conflicts": True}, KEY_OF_RELEASE, (NOTE, False), "the repeat does not say", (50, 0)),
        (
            {"beyond": "refused"},
            BEYOND,
            (OK, True),
            "answered 400: Less is reserved; the stock shows 0 released",
            (50, 0),
        ),
        ({"beyond": "released"}, BEYOND, (WRONG, False), "it answers that 2 were released", (50, 0)),
        ({"sells_anything": True}, TOO_MUCH, (WRONG, False), "a reserve of 1050: done (1050)", (50, 0)),
        ({"deaf": {"reserve"}}, ONE, (WRONG, None), "done (1); the stock shows 0 reserved", (50, 0)),
        ({"deaf": {"release"}}, ONE, (WRONG, None), "done (1); the stock shows 0 released", (49, 1)),
    ],
)
def test_an_oddity_is_told(
    settings: Settings, odd: dict[str, Any], case: str, expected: Any, told: str, left: tuple[int, int]
) -> None:
    with serving(OddInventory(**odd), settings) as shop:
        found = tried()
    assert verdicts(found)[case] == expected
    assert told in by_case(found)[case].found
    assert (shop.available, shop.reserved) == left
    assert by_case(found)[BACK].verdict is (OK if left == (50, 0) else NOTE), "what can be given back is"


# --- an inventory that fails -----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("operation", "fault", "told"),
    [
        ("reserve", {"kind": "status", "status": 500}, "told to answer 500; the stock shows 0"),
        ("reserve", {"kind": "status", "status": 503}, "told to answer 503; the stock shows 0"),
        ("reserve", {"kind": "drop_before"}, "the stock shows 0 reserved"),
        ("reserve", {"kind": "drop_after"}, "the stock shows 1 reserved"),
        ("reserve", {"kind": "garbage"}, "not JSON; the stock shows 1 reserved"),
        ("reserve", {"kind": "wrong"}, "no true or false in `reserved`; the stock shows 1 reserved"),
        ("release", {"kind": "status", "status": 500, "times": 2}, "told to answer 500; the stock shows 0"),
        ("release", {"kind": "drop_after"}, "the stock shows 1 released"),
        ("release", {"kind": "wrong"}, "no true or false in `released`; the stock shows 1 released"),
    ],
)  # fmt: skip
def test_a_failure_is_told_with_what_it_did_and_ends_the_trials(
    sandbox: Sandbox, operation: str, fault: dict[str, Any], told: str
) -> None:
    sandbox.control.fault(operation, **fault)
    found = tried()
    one = by_case(found)[ONE]
    assert (one.call, one.verdict) == (operation, WRONG)
    assert told in one.found
    assert {finding.verdict for case, finding in by_case(found).items() if case in REST} == {SKIPPED}
    assert by_case(found)[BACK].verdict is OK
    assert stock_of(sandbox) == START
    if fault["kind"] == "wrong":
        assert one.came == "{status: text, data: list}"
        assert f"`{operation}" in one.expected


@pytest.mark.usefixtures("patient", "short_writes")
def test_a_reserve_that_acts_after_its_time_is_up_is_waited_for_and_given_back(sandbox: Sandbox) -> None:
    said: list[str] = []
    sandbox.control.fault("reserve", "latency", seconds=2.0)
    found = tried(tell=said.append)
    assert "the stock shows 1 reserved" in by_case(found)[ONE].found
    assert "a call was not answered" in said[0]
    assert suggested(found)["INVENTORY_WRITE_TIMEOUT"] >= 2, "twice as long as it waited in vain"
    assert stock_of(sandbox) == START


@pytest.mark.parametrize(("at", "case", "units"), [(1, ONE, 1), (19, SIMULTANEOUS, 10)])
def test_what_cannot_be_given_back_is_named(
    sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch, at: int, case: str, units: int
) -> None:
    monkeypatch.setattr(stock_trials, "ROUNDS", 2)
    sandbox.control.honour_keys(True)
    before_reserve(monkeypatch, at, lambda: sandbox.control.fault("release", "status", status=500))
    found = tried()
    back = by_case(found)[BACK]
    assert by_case(found)[case].verdict is (WRONG if case == ONE else OPEN)
    assert (back.verdict, [order.most for order in found.left]) == (WRONG, [1] * units)
    assert f"{units} of product {A} could not be given back" in back.found
    for order in found.left:
        assert f"order {order.id} (1)" in back.found
        assert sandbox.control.movements(order_id=order.id), "by which it is found there"
    assert stock_of(sandbox) == (40 - units, units)


def test_where_the_stock_cannot_be_read_any_more_what_was_answered_is_given_back(
    sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(trial_stock, "ROUNDS", 2)
    before_reserve(monkeypatch, 10, lambda: sandbox.control.fault("stock", "status", status=500))
    sandbox.control.honour_keys(True)
    found = tried()
    assert verdicts(found)[SIMULTANEOUS] == (OPEN, None)
    assert (verdicts(found)[BACK], found.left) == ((OPEN, None), ())
    assert "the stock cannot be read" in by_case(found)[BACK].found
    assert stock_of(sandbox) == START


def test_of_a_product_that_is_gone_nothing_is_held(sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(trial_stock, "ROUNDS", 1)
    before_reserve(monkeypatch, 3, lambda: sandbox.control.room.stock.delete_one({"_id": ObjectId(A)}))
    found = by_case(tried())
    assert (found[KEY_OF_RESERVE].verdict, found[KEY_OF_RESERVE].found) == (OPEN, "no longer knows the product")
    assert (found[BACK].verdict, found[BACK].found) == (OPEN, "nothing is held any more, but the stock cannot be read")


def test_where_nothing_more_is_answered_it_is_said_that_nobody_knows(
    sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(trial_stock, "ROUNDS", 2)
    before_reserve(monkeypatch, 3, lambda: sandbox.control.fault("*", "status", status=500))
    found = tried()
    assert verdicts(found)[KEY_OF_RESERVE] == (OPEN, None)
    [order] = found.left
    assert (verdicts(found)[BACK], order.most) == ((WRONG, None), 2)
    assert "an unknown number of product" in by_case(found)[BACK].found


def test_a_failure_in_between_is_told_and_the_other_trials_go_on(
    sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    sandbox.control.honour_keys(True)
    fault = partial(sandbox.control.fault, "reserve", times=1)
    for number, kind in (
        (3, "status"),
        (5, "status"),
        (6, "drop_before"),
        (10, "drop_after"),
        (10, "status"),
        (20, "status"),
    ):
        before_reserve(monkeypatch, number, partial(fault, kind, status=503 if kind == "status" else None))
    found = by_case(tried())
    assert [(case, each.verdict, each.found) for case, each in found.items() if each.verdict is not OK] == [
        (KEY_OF_RESERVE, OPEN, f"the first: {FAILED}"),
        (KEY_OF_RELEASE, OPEN, f"not conclusive: a reserve of 2: {FAILED}; the stock shows 0 reserved"),
        (
            KEY_AFTER_LOSS,
            NOTE,
            "the call that was cut was not carried out, so that nothing can be told from the repeat",
        ),
        (SIMULTANEOUS, OPEN, found[SIMULTANEOUS].found),
        (BEYOND, OPEN, f"not conclusive: a reserve of 1: {FAILED}; the stock shows 0 reserved"),
    ]
    assert found[SIMULTANEOUS].found.startswith("2 of 10 were not carried out: ")
    assert stock_of(sandbox) == START


def test_a_refusal_without_a_word_is_told_as_one() -> None:
    def told(result: Result, detail: str = "") -> str:
        return str(trial_stock.Call(Outcome(result, detail=detail), 0, None, unanswered=False))

    assert (told(Result.REFUSED), told(Result.NOT_SENT)) == ("refused", "not sent")
    assert told(Result.REFUSED, "answered 400") == "answered 400"


def test_a_backend_that_calls_in_a_way_of_its_own_cannot_be_cut_off(
    sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    sandbox.control.honour_keys(True)
    monkeypatch.setattr(trial_stock, "hanging_up", lambda _seconds: nullcontext())
    found = tried()
    assert verdicts(found) == ALL_WELL | dict.fromkeys((KEY_AFTER_LOSS, KEY_AFTER_CUT), (SKIPPED, None))
    assert suggested(found)["INVENTORY_HONOURS_IDEMPOTENCY_KEY"] is None, "that is not known"


# --- who else is there -----------------------------------------------------------------------------------------------


def test_where_others_move_the_stock_nothing_is_concluded_and_theirs_stays(
    sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    sandbox.control.honour_keys(True)
    deliveries_and_orders = {2: (100, 0), 3: (-3, 3), 12: (-5, 5)}
    for number, (available, reserved) in deliveries_and_orders.items():
        moves = {"$inc": {"available": available, "reserved": reserved}}
        before_reserve(monkeypatch, number, partial(sandbox.control.room.stock.update_one, {"_id": ObjectId(A)}, moves))
    found = tried()
    moved = [case for case, finding in by_case(found).items() if "stock moved by others, not conc" in finding.found]
    assert moved == [TOO_MUCH, KEY_OF_RESERVE, SIMULTANEOUS]
    assert {verdicts(found)[case] for case in moved} == {(OPEN, None)}
    assert exit_code(found.findings) == 2
    assert by_case(found)[BACK].verdict is NOTE
    assert stock_of(sandbox) == (132, 8)


def test_a_product_that_never_rests_is_not_tried(sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch) -> None:
    real = inventory.stock

    def stock(*args: Any, **kwargs: Any) -> Any:
        shelve(sandbox, A, available=stock_of(sandbox)[0] + 1)
        return real(*args, **kwargs)

    monkeypatch.setattr(inventory, "stock", stock)
    with pytest.raises(CannotTry, match="is moving"):
        tried()
    assert asked(sandbox) == []


def test_a_product_that_begins_to_move_is_tried_no_further(sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(trial_stock, "ROUNDS", 1)
    real, moving = inventory.stock, threading.Event()

    def stock(*args: Any, **kwargs: Any) -> Any:
        if moving.is_set():
            sandbox.control.room.stock.update_one({"_id": ObjectId(A)}, {"$inc": {"available": 1}})
        return real(*args, **kwargs)

    monkeypatch.setattr(inventory, "stock", stock)
    before_reserve(monkeypatch, 3, moving.set)
    found = tried()
    assert {each.verdict for case, each in by_case(found).items() if case in REST[1:]} == {OPEN}
    assert sandbox.control.counts()["reserve"] == 4
    assert stock_of(sandbox)[1] == 0, "what was taken came back all the same"


@pytest.mark.parametrize(("product", "told"), [(A, "19 available, at least 20"), ("f" * 24, "knows no product")])
def test_a_product_of_which_there_is_too_little_is_not_tried(sandbox: Sandbox, product: str, told: str) -> None:
    shelve(sandbox, A, available=19)
    with pytest.raises(CannotTry, match=told):
        plan(product)


def test_where_orders_do_not_wait_nothing_is_tried_that_could_move_their_units(
    sandbox: Sandbox, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings.INVENTORY_IS_ATOMIC = True
    shelve(sandbox, A, available=40, reserved=7)
    with pytest.raises(CannotTry, match="7 units are reserved by others"):
        plan(A)
    assert asked(sandbox) == []
    shelve(sandbox, A, available=40)
    monkeypatch.setattr(stock_trials, "TRIALS", (stock_trials.TRIALS[0], stock_trials.TRIALS[-1]))
    beyond = tried().findings[1]
    assert (beyond.case, beyond.verdict) == (BEYOND, SKIPPED)
    assert len(asked(sandbox)) == 2, "one unit, there and back"


def lease() -> dict[str, Any] | None:
    leases = collection(product_leases.COLLECTION).with_options(read_concern=ReadConcern("local"))
    return leases.find_one({"_id": A, "until": {"$exists": True}})


def test_meanwhile_no_order_calls_for_the_product(sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch) -> None:
    real, refused = inventory.reserve, []

    def reserve(*args: Any, **kwargs: Any) -> int:
        with pytest.raises(ProductLocked), product_lock(A, Deadline.after(30), patient=False):
            refused.append("somebody else's turn")
        refused.append("locked")
        return real(*args, **kwargs)

    monkeypatch.setattr(product_locks, "SHORT_WAIT", 0)
    monkeypatch.setattr(stock_trials, "TRIALS", stock_trials.TRIALS[:3])
    monkeypatch.setattr(inventory, "reserve", reserve)
    tried()
    assert set(refused) == {"locked"}
    with product_lock(A, Deadline.after(30), patient=False):
        pass  # it was given back


def test_while_an_order_calls_for_the_product_nothing_is_tried(
    sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(product_locks, "LONGEST_WAIT", 0)
    with product_lock(A, Deadline.after(30)), pytest.raises(CannotTry, match="other calls for this product"):
        tried()
    assert asked(sandbox) == []


def test_the_lock_is_kept_for_longer_than_a_lease_and_without_the_database_until_it_ends(
    sandbox: Sandbox, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings.STOCK_LEASE, settings.REQUEST_DEADLINE = 20, 25
    with product_locks.product_kept(A) as kept:
        first = lease()
        before = kept.extended()
        second = lease()
        assert first
        assert second
        assert second["until"] > first["until"]
        answer_lost(monkeypatch, forever=True)
        assert kept.extended() == before, "what the database did not confirm does not count"
        monkeypatch.undo()
        product_leases.give_back(A, second["holder"])
        assert product_leases.take(A, "somebody else", 20) is None
        assert kept.extended() == before, "nor does the turn of another"


# --- how it ends -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("reserves", [0, 3, 8, 19])
def test_stopped_at_any_moment_it_gives_back_what_it_took(
    sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch, reserves: int
) -> None:
    monkeypatch.setattr(stock_trials, "ROUNDS", 2)
    sandbox.control.honour_keys(True)
    found = tried(stopped=lambda: sandbox.control.counts().get("reserve", 0) >= reserves)
    assert "stopped" in {finding.found for finding in found.findings if finding.verdict is OPEN}
    assert sandbox.control.counts().get("reserve", 0) == reserves
    assert by_case(found)[BACK].verdict is OK
    assert (stock_of(sandbox), found.left) == (START, ())


def test_a_fault_of_ours_is_told_after_everything_was_given_back(
    sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fault(stock: trial_stock.TrialStock) -> Finding:
        stock.reserve(stock.order(), 4)
        assert stock_of(sandbox) == (36, 4)
        raise ZeroDivisionError

    monkeypatch.setattr(stock_trials, "TRIALS", (("reserve", ONE, fault),))
    said: list[str] = []
    with pytest.raises(ZeroDivisionError):
        tried(tell=said.append)
    assert said == ["all given back: 40 available and 0 reserved, as at first"]
    assert stock_of(sandbox) == START
    assert lease() is None


def test_killed_amid_a_call_of_unknown_outcome_the_lock_stays_until_it_ends(
    sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    sandbox.control.fault("reserve", "drop_before", times=1)

    def interrupted(text: str) -> None:
        if "not answered" in text:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        tried(tell=interrupted)
    assert lease() is not None
