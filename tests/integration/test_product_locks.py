"""An inventory that is not atomic: one call at a time for each product, whoever makes it, and none without its turn."""

import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from datetime import timedelta
from typing import Any

import pytest
from bson import ObjectId
from pymongo.read_concern import ReadConcern
from pytest_django import Settings

from integrations import Deadline, OutcomeUnknown, PeerRefused, PeerUnavailable
from integrations.sandbox import Sandbox
from orders.services.lifecycle.placement import PlacementInterrupted
from orders.services.lifecycle.transitions import change_status
from orders.services.lifecycle.verification import InsufficientStock
from orders.services.stock import product_locks
from orders.services.stock.product_locks import product_lock
from orders.services.stock.worker import settle_due
from orders.storage import product_leases
from orders.storage.database import collection
from orders.storage.order_writes import orders
from tests.integration.builders import (
    WORKER,
    A,
    B,
    act,
    answer_lost,
    asked,
    due_now,
    line,
    place,
    read,
    shelve,
    small_sandbox,  # noqa: F401
    states,
    stock_of,
    store,
)
from tests.integration.bulk_helpers import carried, figures

PAUSE = 0.03
"""Seconds between inventory's look at a product and its change of it."""


@pytest.fixture(autouse=True)
def published_inventory(sandbox: Sandbox, settings: Settings) -> None:
    """Inventory as it is published, and time enough for whoever waits."""
    settings.REQUEST_DEADLINE, settings.PEER_READ_TIMEOUT, settings.INVENTORY_WRITE_TIMEOUT = 40, 10, 10
    settings.INVENTORY_IS_ATOMIC = False
    sandbox.control.be_atomic(False, PAUSE)


@pytest.fixture
def crowded(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whoever wants a turn waits as long as it takes, on a slow machine too."""
    monkeypatch.setattr(product_locks, "LONGEST_WAIT", 30.0)
    monkeypatch.setattr(product_locks, "SHORT_WAIT", 30.0)


def lease_of(product: str = A) -> dict[str, Any] | None:
    """The lease on a product, if anybody holds it; what was given back is not known to a majority at once."""
    leases = collection(product_leases.COLLECTION).with_options(read_concern=ReadConcern("local"))
    return leases.find_one({"_id": product, "until": {"$exists": True}})


def lapse() -> None:
    """Let every lease on a product end, as if the time had passed."""
    collection(product_leases.COLLECTION).update_many({}, [{"$set": {"until": {"$subtract": ["$$NOW", 1]}}}])


def outcomes_of_placing(count: int, clients: int) -> list[str]:
    def one(_: int) -> str:
        try:
            return str(place((A, 1)).order["status"])
        except InsufficientStock:
            return "short"

    with ThreadPoolExecutor(clients) as crowd:
        return list(crowd.map(one, range(count)))


# --- what is lost without it -----------------------------------------------------------------------------------------


@pytest.mark.usefixtures("crowded")
def test_of_five_units_five_are_sold_to_forty_who_want_one(sandbox: Sandbox) -> None:
    shelve(sandbox, available=5)
    told = outcomes_of_placing(40, clients=10)
    assert (told.count("pending"), told.count("short")) == (5, 35)
    assert stock_of(sandbox) == (0, 5)
    assert lease_of() is None


def test_without_turns_units_are_sold_twice(sandbox: Sandbox, settings: Settings) -> None:
    settings.INVENTORY_IS_ATOMIC = True  # which this one is not
    sandbox.control.be_atomic(False, 10 * PAUSE)
    shelve(sandbox, available=15)
    told = outcomes_of_placing(20, clients=10)
    assert told.count("pending") > stock_of(sandbox)[1], "so the stand-in can be as bad as the real one"


@pytest.mark.parametrize("atomic", [False, True])
def test_lines_of_one_product_are_called_for_one_after_the_other(
    sandbox: Sandbox, settings: Settings, atomic: bool
) -> None:
    settings.INVENTORY_IS_ATOMIC = atomic
    shelve(sandbox, A)
    shelve(sandbox, B)
    placed = place((A, 1), (B, 2), (A, 3), (A, 1)).order
    assert states(placed) == ["reserved"] * 4
    assert (stock_of(sandbox, A), stock_of(sandbox, B)) == ((5, 5), (8, 2))
    change_status(order_id=placed["_id"], transition="cancel", act=act())
    assert (stock_of(sandbox, A), stock_of(sandbox, B)) == ((10, 0), (10, 0))
    assert states(read(placed["_id"])) == ["released"] * 4


@pytest.mark.usefixtures("crowded")
def test_cancellations_side_by_side_leak_nothing(sandbox: Sandbox) -> None:
    shelve(sandbox)
    placed = [place((A, 2)).order["_id"] for _ in range(4)]
    with ThreadPoolExecutor(4) as crowd:
        list(crowd.map(lambda one: change_status(order_id=one, transition="cancel", act=act()), placed))
    assert stock_of(sandbox) == (10, 0)


@pytest.mark.usefixtures("crowded")
def test_a_bulk_cancellation_with_four_jobs_leaks_nothing(sandbox: Sandbox) -> None:
    shelve(sandbox, available=30)
    for _ in range(20):
        place((A, 1))
    assert stock_of(sandbox) == (10, 20)
    run = carried("cancel", statuses=("pending",), threads=4, batch_size=5)
    assert figures(run) == (20, 0, 0, 0)
    assert stock_of(sandbox) == (30, 0)


def test_a_bulk_run_goes_on_though_an_answer_is_lost_and_the_rest_is_released_later(sandbox: Sandbox) -> None:
    shelve(sandbox, available=30)
    for _ in range(14):
        place((A, 1))
    sandbox.control.fault("release", "drop_after", times=1)
    run = carried("cancel", statuses=("pending",), threads=2, batch_size=5)
    assert (run.state, figures(run)) == ("done", (14, 0, 0, 0))
    lapse()
    for _ in range(3):
        orders().update_many({"stock_due_at": {"$exists": True}}, [{"$set": {"stock_due_at": "$$NOW"}}])
        settle_due(actor=WORKER)
    final = Counter(state for order in orders().find() for state in states(order))
    assert final["unknown"] == 1
    assert final["released"] == 13
    assert stock_of(sandbox) == (30, 0)


# --- whose turn it is ------------------------------------------------------------------------------------------------


def test_a_call_of_unknown_outcome_keeps_its_turn_until_the_lease_ends(sandbox: Sandbox, settings: Settings) -> None:
    settings.INVENTORY_WRITE_TIMEOUT = 0.5
    shelve(sandbox)
    sandbox.control.fault("reserve", "stall_inside", seconds=2, times=1)
    with pytest.raises(PlacementInterrupted):
        place((A, 2))  # which inventory carries out later
    assert [order["items"][0]["stock"]["state"] for order in orders().find()] == ["unknown"]
    with pytest.raises(PlacementInterrupted) as refused:
        place((A, 3))
    assert refused.value.members["retry_after"] > 0
    assert "same product" in refused.value.detail
    assert len(asked(sandbox, "reserve")) == 1, "nothing was sent for the second"
    assert orders().find_one({"items.quantity": 3}, {"status": 1})["status"] == "rejected"  # type: ignore[index]
    until = Deadline.after(20)
    while stock_of(sandbox) != (8, 2) and until.remaining():
        time.sleep(0.05)
    lapse()
    settings.INVENTORY_WRITE_TIMEOUT = 10
    place((A, 3))
    assert stock_of(sandbox) == (5, 5)


def test_once_an_answer_is_lost_the_other_lines_of_the_product_are_not_called_for(
    sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(product_locks, "LONGEST_WAIT", 25)
    shelve(sandbox, A)
    shelve(sandbox, B)
    sandbox.control.fault("reserve", "drop_after", product_id=A, times=1)
    began = time.monotonic()
    with pytest.raises(PlacementInterrupted):
        place((A, 1), (A, 2), (B, 1))
    assert time.monotonic() - began < product_locks.LONGEST_WAIT, "nobody waits for a turn that is not given back"
    [order] = orders().find()
    assert states(order) == ["unknown", "none", "released"]
    assert stock_of(sandbox, A) == (9, 1)


@pytest.mark.parametrize(
    ("error", "kept"),
    [
        (PeerRefused("inventory", "no", status=400), False),
        (PeerUnavailable("inventory", "busy"), False),
        (OutcomeUnknown("inventory", "lost"), True),
        (ValueError("a fault of ours"), True),
        (SystemExit("killed"), True),
    ],
    ids=lambda value: type(value).__name__,
)
def test_a_turn_is_given_back_where_it_is_sure_what_became_of_the_call(
    sandbox: Sandbox, error: BaseException, kept: bool
) -> None:
    def call() -> None:
        with product_lock(A, Deadline.after(30)):
            assert lease_of() is not None
            raise error

    with pytest.raises(type(error)):
        call()
    assert (lease_of() is not None) == kept


def test_a_repetition_that_was_not_sent_gives_its_turn_back(sandbox: Sandbox) -> None:
    def call() -> None:
        with product_lock(A, Deadline.after(20)):
            raise OutcomeUnknown("inventory", "an earlier one may have acted") from PeerUnavailable("inventory", "down")

    with pytest.raises(OutcomeUnknown):
        call()
    assert lease_of() is None


def test_no_turn_is_taken_that_leaves_no_time_for_a_call(sandbox: Sandbox, settings: Settings) -> None:
    with pytest.raises(PeerUnavailable), product_lock(A, Deadline.after(settings.INVENTORY_WRITE_TIMEOUT)):
        pytest.fail("there is no time to call in")
    assert lease_of() is None


def test_a_turn_is_ended_by_its_holder_alone(sandbox: Sandbox) -> None:
    with product_lock(A, Deadline.after(20)):
        product_leases.give_back(A, "who had it before")
        assert lease_of() is not None


def test_a_turn_is_measured_from_before_it_was_taken(
    sandbox: Sandbox, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings.STOCK_LEASE, take = 20.0, product_leases.take

    def slow(*args: Any) -> Any:
        time.sleep(0.5)
        return take(*args)

    monkeypatch.setattr(product_leases, "take", slow)
    with product_lock(A, Deadline.after(60)) as until:
        assert until.remaining() < 19.6


def test_a_name_like_an_expression_is_a_name(sandbox: Sandbox) -> None:
    with product_lock("$$NOW", Deadline.after(20)):
        assert lease_of("$$NOW") is not None


def test_a_turn_lasts_a_lease_by_the_clock_of_the_database_and_leaves_time_for_the_call(
    sandbox: Sandbox, settings: Settings
) -> None:
    settings.STOCK_LEASE, settings.INVENTORY_WRITE_TIMEOUT = 7, 1
    before = collection("orders").database.command("hello")["localTime"]
    with product_lock(A, Deadline.after(60)) as until:
        lease = lease_of()
        assert lease is not None
        assert timedelta(seconds=7) <= lease["until"] - before < timedelta(seconds=8)
        assert until.remaining() < 7
    with product_lock(A, Deadline.after(6)) as until:
        assert until.remaining() < 6, "the caller's own time, where that ends first"


def test_nobody_waits_longer_for_a_turn_than_leaves_time_for_the_call(sandbox: Sandbox, settings: Settings) -> None:
    settings.PEER_CONNECT_TIMEOUT, settings.INVENTORY_WRITE_TIMEOUT = 0.5, 3.5
    with suppress(OutcomeUnknown), product_lock(A, Deadline.after(30)):
        raise OutcomeUnknown("inventory", "lost")
    began = time.monotonic()
    with pytest.raises(PeerUnavailable) as refused, product_lock(A, Deadline.after(4.6)):
        pytest.fail("it is somebody else's turn")
    assert 0.3 < time.monotonic() - began < 2.5
    assert refused.value.retry_after
    with product_lock(B, Deadline.after(30)):
        pass  # another product has turns of its own


def test_nobody_waits_for_a_turn_that_was_held_for_longer_than_a_call_takes(
    sandbox: Sandbox, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(product_locks, "LONGEST_WAIT", 60)
    with suppress(OutcomeUnknown), product_lock(A, Deadline.after(30)):
        raise OutcomeUnknown("inventory", "lost")
    held = timedelta(seconds=settings.PEER_CONNECT_TIMEOUT + settings.INVENTORY_WRITE_TIMEOUT + 1)
    lease = lease_of()
    assert lease is not None
    leases = collection(product_leases.COLLECTION)
    leases.update_one({"_id": A}, {"$set": {"until": lease["until"] - held}})
    began = time.monotonic()
    with pytest.raises(PeerUnavailable), product_lock(A, Deadline.after(90)):
        pytest.fail("it is somebody else's turn")
    assert time.monotonic() - began < product_locks.LONGEST_WAIT / 2


def test_a_turn_that_may_not_have_been_had_is_none_and_holds_up_nobody(
    sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    answer_lost(monkeypatch)
    with pytest.raises(PeerUnavailable), product_lock(A, Deadline.after(30)):
        pytest.fail("nobody knows whose turn it is")
    assert lease_of() is None


def test_a_turn_that_cannot_be_given_back_ends_with_its_lease(
    sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    shelve(sandbox)
    with monkeypatch.context() as patched:
        answer_lost(patched, "update_one", skip=1, written=False)  # the first is the draft's
        placed = place((A, 2)).order
    assert states(placed) == ["reserved"]
    assert lease_of() is not None
    lapse()
    assert states(place((A, 1)).order) == ["reserved"]


def test_a_release_that_had_no_turn_is_settled_later(sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(product_locks, "LONGEST_WAIT", 25)
    shelve(sandbox)
    order_id = place((A, 2)).order["_id"]
    with suppress(OutcomeUnknown), product_lock(A, Deadline.after(30)):
        raise OutcomeUnknown("inventory", "lost")
    began = time.monotonic()
    cancelled = change_status(order_id=order_id, transition="cancel", act=act())
    assert time.monotonic() - began < product_locks.LONGEST_WAIT, "a release can wait, whoever cancels need not"
    assert (cancelled["status"], states(cancelled)) == ("cancelled", ["releasing"])
    assert cancelled["items"][0]["stock"]["attempts"] == 0, "it was no attempt"
    assert "stock_due_at" in cancelled
    assert asked(sandbox, "release") == []
    lapse()
    due_now(order_id)
    settle_due(actor=WORKER)
    assert states(read(order_id)) == ["released"]
    assert stock_of(sandbox) == (10, 0)


def test_what_is_lost_is_not_repeated_at_once_where_it_may_still_be_at_work(
    sandbox: Sandbox, settings: Settings
) -> None:
    settings.INVENTORY_HONOURS_IDEMPOTENCY_KEY, settings.MAX_RETRIES = True, 3
    sandbox.control.honour_keys(True)
    shelve(sandbox)
    sandbox.control.fault("reserve", "drop_after", times=1)
    with pytest.raises(PlacementInterrupted):
        place((A, 2))
    assert len(asked(sandbox, "reserve")) == 1
    [order] = orders().find()
    assert states(order) == ["reserving"]


def test_an_atomic_inventory_is_called_without_turns(sandbox: Sandbox, settings: Settings) -> None:
    settings.INVENTORY_IS_ATOMIC = True
    place((A, 2))
    assert collection(product_leases.COLLECTION).count_documents({}) == 0


def test_a_product_whose_turn_is_taken_holds_up_no_other(sandbox: Sandbox) -> None:
    shelve(sandbox, B)
    order_id: ObjectId = store("cancelled", line("releasing", A), line("releasing", B))
    sandbox.control.room.stock.update_many({}, {"$set": {"reserved": 2}})
    with suppress(OutcomeUnknown), product_lock(A, Deadline.after(30)):
        raise OutcomeUnknown("inventory", "lost")
    settle_due(actor=WORKER)
    assert states(read(order_id)) == ["releasing", "released"]
