"""A claim that the database confirms too late: time is left to clear its attempt, and nobody is called for it."""

import time
from collections.abc import Callable
from typing import Any

import pytest
from django.db import DatabaseError
from django_mongodb_backend.query import wrap_database_errors
from pytest_django import Settings

from integrations import Deadline
from integrations.sandbox import Sandbox
from orders.services.lifecycle import reservation, transitions
from orders.services.lifecycle.transitions import change_status
from orders.services.lifecycle.verification import InsufficientStock
from orders.services.stock import claims
from orders.storage import time_limit
from orders.storage.order_writes import orders
from tests.integration.builders import ADMIN, A, B, act, asked, line, place, read, shelve, stock_of, store

Write = Callable[..., Any]


def confirmed_late(write: Write, seconds: float) -> Write:
    """The write as it is, and then so long without an answer."""

    @wrap_database_errors
    def late(*args: Any, **kwargs: Any) -> Any:
        written = write(*args, **kwargs)
        time.sleep(seconds)
        orders().find_one({})  # whatever is asked now is out of time
        return written

    return late


@pytest.mark.usefixtures("short_writes")
def test_the_draft_of_a_placement_loses_its_attempt(sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch) -> None:
    shelve(sandbox)
    monkeypatch.setattr(reservation, "insert_draft", confirmed_late(reservation.insert_draft, 3.0))
    with pytest.raises(DatabaseError):
        place((A, 2), deadline=Deadline.after(3.0))
    assert asked(sandbox) == []
    [draft] = orders().find()
    assert "attempt" not in draft["items"][0]["stock"], "known not to have been sent"


def test_the_release_of_a_cancellation_loses_its_attempt(
    sandbox: Sandbox, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    shelve(sandbox, available=8, reserved=2)
    order_id = store("paid", line("reserved", A), due=None)
    settings.REQUEST_DEADLINE = 1.5
    monkeypatch.setattr(transitions, "guarded_write", confirmed_late(transitions.guarded_write, 1.6))
    with pytest.raises(DatabaseError):
        change_status(order_id=order_id, transition="cancel", act=act(ADMIN))
    assert asked(sandbox) == []
    held = read(order_id)["items"][0]["stock"]
    assert (held["state"], "attempt" in held) == ("releasing", False)
    assert stock_of(sandbox) == (8, 2), "a worker releases it"


@pytest.mark.usefixtures("short_writes")
def test_the_release_of_a_rejected_draft_loses_its_attempt(
    sandbox: Sandbox, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    shelve(sandbox, A)
    shelve(sandbox, B)
    sandbox.control.fault("reserve", "status", status=400, product_id=B)
    settings.REQUEST_DEADLINE, settings.DATABASE_DEADLINE = 4.0, 6.0
    write = claims.guarded_write
    late = confirmed_late(write, 3.1)

    def reject_late(*args: Any, **kwargs: Any) -> Any:
        return (late if "status" in kwargs.get("fields", {}) else write)(*args, **kwargs)

    monkeypatch.setattr(claims, "guarded_write", reject_late)
    with time_limit(settings.DATABASE_DEADLINE), pytest.raises(InsufficientStock):
        place((A, 2), (B, 1), deadline=Deadline.after(settings.REQUEST_DEADLINE))
    [rejected] = orders().find()
    held = rejected["items"][0]["stock"]
    assert (rejected["status"], held["state"], "attempt" in held) == ("rejected", "releasing", False)
    assert sandbox.control.calls("release") == [], "a worker releases it"
