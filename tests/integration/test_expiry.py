"""Orders that nobody pays are cancelled, and nothing else is."""

import time
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from threading import Barrier
from typing import Any

import pytest
from bson import ObjectId
from django.utils import timezone
from pytest_django import Settings

from integrations.sandbox import Sandbox
from orders.models import Status
from orders.services.audit import Act
from orders.services.lifecycle import expiry
from orders.services.lifecycle.allowed_transitions import TransitionRefused
from orders.services.lifecycle.expiry import Expiry, expire_unpaid
from orders.services.lifecycle.transitions import change_status
from orders.services.lifecycle.versions import StaleOrder
from orders.storage import order_reads
from orders.storage.order_writes import orders
from tests.integration.builders import (
    WORKER,
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
from tests.order_invariants import violations_of

TTL = 3600


@pytest.fixture(autouse=True)
def ttl(settings: Settings) -> None:
    settings.UNPAID_ORDER_TTL = TTL


def unpaid(age: float = TTL + 60, **fields: Any) -> ObjectId:
    """Store a pending order of so many seconds."""
    return store("pending", line("reserved"), due=None, created_at=timezone.now() - timedelta(seconds=age), **fields)


def expire(limit: int = 100, **options: Any) -> Expiry:
    return expire_unpaid(act=act(WORKER, expiry.reason()), limit=limit, **options)


def pay(order_id: ObjectId) -> None:
    change_status(order_id=order_id, transition="pay", act=act())


def test_an_old_unpaid_order_is_cancelled_and_its_stock_released(sandbox: Sandbox) -> None:
    shelve(sandbox, available=0, reserved=2)
    order_id = unpaid()
    done = expire()
    assert done == Expiry(cancelled=1)
    assert done.summary == "1 cancelled, 0 paid or changed meanwhile, 0 failed"
    document = read(order_id)
    assert (document["status"], states(document)) == ("cancelled", ["released"])
    assert stock_of(sandbox) == (2, 0)
    assert violations_of(document) == []
    cancelled = document["history"][2]
    assert (cancelled["act"], cancelled["actor"], cancelled["reason"]) == (
        "cancel", "system:settle_stock", "Not paid within 3600 seconds.",
    )  # fmt: skip


def test_only_what_is_older_than_the_limit_expires(sandbox: Sandbox) -> None:
    at = timezone.now().replace(microsecond=0)
    ages = [timedelta(seconds=TTL, milliseconds=off) for off in (1, 0, -1)]
    older, same, younger = (store("pending", line("none"), due=None, created_at=at - age) for age in ages)
    assert expire_unpaid(act=Act(WORKER, at, "late"), limit=10) == Expiry(cancelled=1)
    assert [read(order_id)["status"] for order_id in (older, same, younger)] == ["cancelled", "pending", "pending"]


def test_the_limit_is_a_setting(sandbox: Sandbox, settings: Settings) -> None:
    order_id = unpaid(age=120)
    assert expire() == Expiry()
    settings.UNPAID_ORDER_TTL = 60
    assert expire() == Expiry(cancelled=1)
    assert read(order_id)["history"][2]["reason"] == "Not paid within 60 seconds."


@pytest.mark.parametrize("status", [status.value for status in Status if status != Status.PENDING])
def test_an_order_that_is_not_pending_never_expires(sandbox: Sandbox, status: str) -> None:
    order_id = store(status, line("reserved"), due=None, created_at=timezone.now() - timedelta(days=400))
    before = read(order_id)
    assert expire() == Expiry()
    assert read(order_id) == before
    assert asked(sandbox) == []


def test_the_oldest_come_first_and_no_more_than_asked_for(sandbox: Sandbox) -> None:
    new, old, older = unpaid(TTL + 10), unpaid(TTL + 20), unpaid(TTL + 30)
    assert [order_id for order_id, _ in order_reads.pending_before(timezone.now(), 10)] == [older, old, new]
    assert expire(limit=2) == Expiry(cancelled=2)
    assert [read(order_id)["status"] for order_id in (new, old, older)] == ["pending", "cancelled", "cancelled"]
    assert expire(limit=2) == Expiry(cancelled=1)


def test_each_order_is_cancelled_at_its_own_moment(sandbox: Sandbox) -> None:
    made = [unpaid(TTL + 20), unpaid(TTL + 10)]
    began = act(WORKER, expiry.reason())
    assert expire_unpaid(act=began, limit=10, progress=lambda _: time.sleep(0.01)) == Expiry(cancelled=2)
    first, second = (read(order_id)["history"][2]["at"] for order_id in made)
    assert began.at.replace(tzinfo=None) - timedelta(milliseconds=1) <= first < second


def test_told_to_stop_it_leaves_the_rest(sandbox: Sandbox) -> None:
    made, told = [unpaid() for _ in range(3)], []
    expire(stopping=lambda: len(told) == 1, progress=lambda done: told.append(done.total))
    assert told == [1]
    assert sorted(read(order_id)["status"] for order_id in made) == ["cancelled", "pending", "pending"]


def test_an_order_that_is_paid_after_it_was_listed_stays_paid(sandbox: Sandbox) -> None:
    unpaid(TTL + 20)
    second = unpaid(TTL + 10)
    done = expire(progress=lambda done: pay(second) if done.total == 1 else None)
    assert done == Expiry(cancelled=1, overtaken=1)
    document = read(second)
    assert (document["status"], states(document)) == ("paid", ["reserved"])
    assert len(asked(sandbox, "release")) == 1, "the first one's"


def test_an_order_that_is_gone_meanwhile_is_no_failure(sandbox: Sandbox) -> None:
    unpaid(TTL + 20)
    second = unpaid(TTL + 10)
    done = expire(progress=lambda done: orders().delete_one({"_id": second}))
    assert done == Expiry(cancelled=1, overtaken=1)


def test_a_payment_at_the_same_moment_wins_or_loses_cleanly(sandbox: Sandbox) -> None:
    shelve(sandbox, available=0, reserved=1000)
    paid = 0
    with ThreadPoolExecutor(2) as threads:
        for _ in range(50):
            order_id, start = unpaid(), Barrier(2)

            def customer(order_id: ObjectId = order_id, start: Barrier = start) -> bool:
                start.wait(60)
                try:
                    pay(order_id)
                except (TransitionRefused, StaleOrder):
                    return False
                return True

            def worker(start: Barrier = start) -> Expiry:
                start.wait(60)
                return expire()

            pays, expires = threads.submit(customer), threads.submit(worker)
            won, done, document = pays.result(), expires.result(), read(order_id)
            paid += won
            expected = ("paid", ["reserved"]) if won else ("cancelled", ["released"])
            assert (document["status"], states(document)) == expected
            assert (done.cancelled, done.failed) == (0 if won else 1, 0)
            assert violations_of(document) == []
    assert len(asked(sandbox, "release")) == 50 - paid
    assert stock_of(sandbox) == (2 * (50 - paid), 1000 - 2 * (50 - paid))


def test_one_bad_order_never_stops_the_rest(sandbox: Sandbox, caplog: pytest.LogCaptureFixture) -> None:
    shelve(sandbox, available=0, reserved=10)
    untold, formless = unpaid(TTL + 40, history="none"), unpaid(TTL + 30, items=None)
    good = [unpaid(TTL + 20), unpaid(TTL + 10)]
    told: list[int] = []
    assert expire(progress=lambda done: told.append(done.total)) == Expiry(cancelled=2, failed=2)
    assert told == [1, 2, 3, 4]
    assert [read(order_id)["status"] for order_id in good] == ["cancelled", "cancelled"]
    assert read(untold)["status"] == "pending"
    assert {str(untold), str(formless)} <= set(" ".join(caplog.messages).replace(":", " ").split())


def test_a_write_that_the_database_does_not_confirm_is_a_failure_for_the_next_run(
    sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    shelve(sandbox, available=0, reserved=10)
    first, second = unpaid(TTL + 20), unpaid(TTL + 10)
    answer_lost(monkeypatch, written=False)
    assert expire() == Expiry(cancelled=1, failed=1)
    assert [read(order_id)["status"] for order_id in (first, second)] == ["pending", "cancelled"]
    assert expire() == Expiry(cancelled=1)


def test_while_inventory_is_down_they_are_cancelled_all_the_same(sandbox: Sandbox) -> None:
    shelve(sandbox, available=0, reserved=10)
    sandbox.control.fault("release", "status", status=503)
    order_id = unpaid()
    assert expire() == Expiry(cancelled=1)
    document = read(order_id)
    assert (document["status"], states(document)) == ("cancelled", ["releasing"])
    assert document["stock_due_at"]
