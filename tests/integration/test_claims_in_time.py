"""A claim that the database confirms too late: time is left to disown it, and nobody is called for it."""

import time
from collections.abc import Callable
from typing import Any

import pytest
from django.db import DatabaseError
from django_mongodb_backend.query import wrap_database_errors
from pytest_django import Settings

from integrations.deadline import Deadline
from integrations.sandbox import Sandbox
from orders.models.writes import orders
from orders.services import placement, transitions
from orders.services.transitions import change_status
from tests.integration.builders import ADMIN, A, act, asked, line, place, read, shelve, stock_of, store

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


def test_the_draft_of_a_placement_is_disowned(sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch) -> None:
    shelve(sandbox)
    monkeypatch.setattr(placement, "insert_draft", confirmed_late(placement.insert_draft, 1.2))
    with pytest.raises(DatabaseError):
        place((A, 2), deadline=Deadline.after(1.2))
    assert asked(sandbox) == []
    [draft] = orders().find()
    assert "attempt" not in draft["items"][0]["stock"], "known not to have been sent"


def test_the_release_of_a_cancellation_is_disowned(
    sandbox: Sandbox, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    shelve(sandbox, available=8, reserved=2)
    order_id = store("paid", line("reserved", A), due=None)
    settings.REQUEST_DEADLINE = 0.3
    monkeypatch.setattr(transitions, "guarded_write", confirmed_late(transitions.guarded_write, 0.4))
    with pytest.raises(DatabaseError):
        change_status(order_id=order_id, transition="cancel", act=act(ADMIN))
    assert asked(sandbox) == []
    stock = read(order_id)["items"][0]["stock"]
    assert (stock["state"], "attempt" in stock) == ("releasing", False)
    assert stock_of(sandbox) == (8, 2), "a worker releases it"
