"""Whatever is altered in the feed or in the histories shows, and nothing else does."""

from collections.abc import Callable
from io import StringIO
from typing import Any

import pytest
from bson import ObjectId
from django.core.management import CommandError, call_command

from integrations.sandbox import Sandbox
from orders.services import access
from orders.services.events import verifying
from orders.services.events.verifying import Verified, verify
from orders.services.lifecycle.erasing import erase_order
from orders.services.lifecycle.transitions import change_status
from orders.storage import event_feed
from orders.storage.event_feed import feed
from orders.storage.order_writes import orders
from tests.integration.builders import ADMIN, act, place
from tests.integration.bulk_helpers import carried
from tests.integration.test_telling import Death, dying, tell_all


@pytest.fixture(autouse=True)
def _small_pages(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(verifying, "PAGE", 2)


@pytest.fixture
def two_orders(sandbox: Sandbox) -> tuple[ObjectId, ObjectId]:
    """Two orders and their six events: placed, placed, paid, paid, processing, processing."""
    first, second = place().order["_id"], place().order["_id"]
    tell_all()
    for name in ("pay", "start_processing"):
        for order_id in (first, second):
            change_status(order_id=order_id, transition=name, act=act(ADMIN))
        tell_all()
    return first, second


def found() -> list[tuple[int, str]]:
    return [(finding.cursor, finding.problem) for finding in verify(Verified())]


def test_nothing_is_found_where_nothing_was_altered(two_orders: tuple[ObjectId, ObjectId]) -> None:
    progress, last = Verified(), feed().find_one({"_id": 6})
    assert list(verify(progress)) == []
    assert last is not None
    assert (progress.events, progress.cursor, progress.digest) == (6, 6, last["digest"])
    out = StringIO()
    call_command("verify_feed", stdout=out)
    assert f"6 events verified, up to 6, digest {last['digest']}" in out.getvalue()


def test_an_empty_feed_is_sound(sandbox: Sandbox) -> None:
    assert found() == []


def test_events_that_were_deleted_by_age_are_not_missed(two_orders: tuple[ObjectId, ObjectId]) -> None:
    feed().delete_many({"_id": {"$lte": 3}})
    assert found() == []


ALTERATIONS: dict[str, tuple[Callable[[], object], int, str]] = {
    "an event": (lambda: feed().update_one({"_id": 3}, {"$set": {"data.reason": "x"}}), 3, "Its actor, data or order"),
    "its time": (lambda: feed().update_one({"_id": 2}, {"$set": {"version": 9}}), 2, "not what was told"),
    "its digest": (lambda: feed().update_one({"_id": 3}, {"$set": {"digest": "0" * 64}}), 3, "not what was told"),
    "its order": (lambda: feed().update_one({"_id": 4}, {"$set": {"order": "{}"}}), 4, "Its actor, data or order"),
    "it is marked as erased": (
        lambda: feed().update_one({"_id": 3}, {"$set": {"erased": True}, "$unset": {"order": ""}}),
        3,
        "marked as erased",
    ),
    "one is gone": (lambda: feed().delete_one({"_id": 4}), 5, "The events 4 to 4 are missing"),
}


@pytest.mark.parametrize("name", ALTERATIONS)
def test_what_was_altered_in_the_feed_shows(two_orders: tuple[ObjectId, ObjectId], name: str) -> None:
    alter, cursor, problem = ALTERATIONS[name]
    alter()
    assert any(where == cursor and problem in text for where, text in found()), found()
    with pytest.raises(CommandError):
        call_command("verify_feed", stdout=StringIO())


def test_what_was_altered_in_a_history_shows(two_orders: tuple[ObjectId, ObjectId]) -> None:
    first, second = two_orders
    orders().update_one({"_id": first}, {"$set": {"history.2.actor": "customer:1"}})
    orders().update_one({"_id": second}, {"$pop": {"history": 1}})
    assert found() == [
        (3, f"The history of order {first} says something else."),
        (6, f"Order {second}: 2 entries of its history, 3 events."),
    ]


@pytest.mark.parametrize("altered", [{"to": "cancelled"}, {"reason": "x"}, {"via": "admin"}, {"act": "refund"}])
def test_whatever_an_entry_says_shows(two_orders: tuple[ObjectId, ObjectId], altered: dict[str, str]) -> None:
    changes = {f"history.2.{name}": value for name, value in altered.items()}
    orders().update_one({"_id": two_orders[0]}, {"$set": changes})
    assert (3, f"The history of order {two_orders[0]} says something else.") in found()


def test_the_end_of_a_run_is_no_event_that_can_be_erased(sandbox: Sandbox) -> None:
    carried("pay", keys=[place().order["_id"]])
    tell_all()
    feed().update_one({"type": "bulk_run.finished"}, {"$set": {"erased": True, "data.done": 5}})
    assert found() == [(3, "Its actor, data or order is not what was told.")]


def test_an_order_that_is_being_erased_is_not_taken_for_altered(
    sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    order_id = place().order["_id"]
    orders().update_one({"_id": order_id}, {"$set": {"user_id": "amara@example.com"}})
    change_status(order_id=order_id, transition="cancel", act=act(access.customer("amara@example.com"), "I am Amara"))
    tell_all()
    histories = event_feed.histories

    def then_erased(order_ids: list[ObjectId]) -> dict[ObjectId, Any]:
        read = histories(order_ids)
        monkeypatch.setattr(event_feed, "histories", histories)
        erase_order(order_id=order_id, act=act(ADMIN))
        with monkeypatch.context() as patch:
            patch.setattr(event_feed, "append", dying)
            with pytest.raises(Death):
                tell_all()
        return read

    monkeypatch.setattr(event_feed, "histories", then_erased)
    assert found() == []  # the events were erased, and the history was read before
    assert found() == []  # that it was erased is still to be told


def test_an_order_whose_events_are_still_to_be_erased_is_not_taken_for_altered(sandbox: Sandbox) -> None:
    order_id = place().order["_id"]
    orders().update_one({"_id": order_id}, {"$set": {"user_id": "amara@example.com"}})
    change_status(order_id=order_id, transition="cancel", act=act(access.customer("amara@example.com"), "I am Amara"))
    tell_all()
    erase_order(order_id=order_id, act=act(ADMIN))
    assert found() == []
    tell_all()
    assert found() == []


@pytest.mark.parametrize("read", ["events_after", "histories", "events_of", "oldest_cursor"])
def test_what_is_deleted_by_age_while_the_feed_is_verified_is_not_missed(
    two_orders: tuple[ObjectId, ObjectId], monkeypatch: pytest.MonkeyPatch, read: str
) -> None:
    for deleted in range(1, 6):
        reading = getattr(event_feed, read)

        def and_deleted(*args: Any, upto: int = deleted, reading: Any = reading, **options: Any) -> Any:
            found = reading(*args, **options)
            monkeypatch.setattr(event_feed, read, reading)
            feed().delete_many({"_id": {"$lte": upto}})
            return found

        monkeypatch.setattr(event_feed, read, and_deleted)
        assert found() == []


def test_an_entry_that_was_slipped_past_the_feed_shows(two_orders: tuple[ObjectId, ObjectId]) -> None:
    change_status(order_id=two_orders[0], transition="ship", act=act(ADMIN))
    assert found() == []
    orders().update_one({"_id": two_orders[0]}, {"$unset": {"untold_at": ""}})
    assert found() == [(0, f"Order {two_orders[0]} has entries in its history that nobody is to be told of.")]


@pytest.mark.parametrize("read", ["events_after", "histories", "events_of"])
def test_what_is_told_while_the_feed_is_verified_is_not_taken_for_an_alteration(
    two_orders: tuple[ObjectId, ObjectId], monkeypatch: pytest.MonkeyPatch, read: str
) -> None:
    reading = getattr(event_feed, read)

    def and_more(*args: Any, **options: Any) -> Any:
        found = reading(*args, **options)
        monkeypatch.setattr(event_feed, read, reading)
        change_status(order_id=two_orders[0], transition="ship", act=act(ADMIN))
        tell_all()
        return found

    monkeypatch.setattr(event_feed, read, and_more)
    monkeypatch.setattr(verifying, "PAGE", 500)
    assert found() == []
    assert feed().count_documents({}) == 7


def test_an_order_that_was_deleted_shows(two_orders: tuple[ObjectId, ObjectId]) -> None:
    orders().delete_one({"_id": two_orders[1]})
    assert found() == [(6, f"There is no order {two_orders[1]} any more.")]


def test_the_command_stops_after_so_many_findings(two_orders: tuple[ObjectId, ObjectId]) -> None:
    feed().update_many({}, {"$set": {"digest": "0" * 64}})
    out = StringIO()
    with pytest.raises(CommandError, match="2 things"):
        call_command("verify_feed", "--most", "2", stdout=out)
    assert len(out.getvalue().splitlines()) == 3
