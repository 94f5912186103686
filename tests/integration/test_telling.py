"""Telling: the feed has every public entry of every history, once, in the order of each history, without gaps."""

import json
import threading
from datetime import timedelta
from hashlib import sha256
from typing import Any

import pytest
from bson import ObjectId
from django.db import DatabaseError, connections
from django.utils import timezone
from pytest_django import Settings

from integrations.sandbox import Sandbox
from orders.models import EVENT_TYPES, Document, event_type
from orders.services import access
from orders.services.access import Actor
from orders.services.events import browsing, reading, telling
from orders.services.events.public_event import public_event
from orders.services.events.publishing import cloud_event
from orders.services.events.telling import START, Teller, purge, tell
from orders.services.events.verifying import Verified, verify
from orders.services.lifecycle.editing import change_address, write_note
from orders.services.lifecycle.erasing import erase_order
from orders.services.lifecycle.transitions import change_status
from orders.services.public_order import public_order
from orders.storage import event_feed
from orders.storage.order_writes import orders
from tests.integration.builders import ADMIN, act, address, line, place, read, store
from tests.integration.bulk_helpers import carried


def tell_all(limit: int = 500) -> None:
    while tell(limit):
        pass


def told() -> list[Document]:
    return event_feed.feed().find({}, sort=[("_id", 1)]).to_list()


def names() -> list[tuple[int, str, int | None]]:
    return [(event["_id"], event["type"], event.get("sequence")) for event in told()]


def go(order_id: ObjectId, *transitions: str) -> None:
    for name in transitions:
        change_status(order_id=order_id, transition=name, act=act(ADMIN, "because"))


def assert_whole(*order_ids: ObjectId) -> None:
    """The feed has no gap and no event twice, and of each order just what its history says, in its order."""
    events = told()
    assert [event["_id"] for event in events] == list(range(1, len(events) + 1))
    for order_id in order_ids:
        of_order = [event for event in events if event.get("order_id") == order_id]
        assert [event["sequence"] for event in of_order] == list(range(1, len(of_order) + 1))
        told_acts = [(event["at"], event["data"]["act"]) for event in of_order]
        history = read(order_id)["history"]
        assert told_acts == [(e["at"], e["act"]) for e in history if event_type(e)]
        assert "untold_at" not in read(order_id)


def test_what_happens_to_an_order_is_told_in_its_order(sandbox: Sandbox) -> None:
    order_id = place().order["_id"]
    go(order_id, "pay", "start_processing", "cancel")
    tell_all()
    types = ["order.placed", "order.paid", "order.processing", "order.cancelled"]
    assert names() == [(number, kind, number) for number, kind in enumerate(types, 1)]
    assert_whole(order_id)
    assert tell() == 0


def test_an_event_says_who_did_what_and_what_the_order_is_now(sandbox: Sandbox) -> None:
    order_id = place().order["_id"]
    go(order_id, "pay")
    tell_all()
    (placed, paid), order = told(), read(order_id)
    assert placed["data"] == {"act": "place", "to": "pending", "via": "api"}
    assert (paid["id"], paid["number"], paid["version"]) == (f"{order_id}-2", order["number"], order["version"])
    assert (paid["at"], paid["actor"]) == (order["history"][-1]["at"], "admin:boss")
    assert paid["data"] == {"act": "pay", "from": "pending", "to": "paid", "reason": "because", "via": "api"}
    assert json.loads(paid["order"]) == json.loads(telling.canonical(public_order(order)))


def test_what_comes_later_is_told_later(sandbox: Sandbox) -> None:
    first, second = place().order["_id"], place().order["_id"]
    tell_all()
    go(second, "pay")
    tell_all()
    go(first, "pay", "start_processing")
    tell_all()
    assert [number for number, _, _ in names()] == [1, 2, 3, 4, 5]
    assert_whole(first, second)


def test_notes_drafts_and_settled_stock_stay_in_the_shop(sandbox: Sandbox) -> None:
    order_id = place().order["_id"]
    write_note(order_id=order_id, text="Call before delivery.", act=act())
    assert "untold_at" in read(order_id)  # since it was placed
    tell_all()
    write_note(order_id=order_id, text="Called.", act=act())
    assert "untold_at" not in read(order_id)
    go(order_id, "cancel")
    tell_all()
    assert [kind for _, kind, _ in names()] == ["order.placed", "order.cancelled"]
    assert_whole(order_id)


def test_a_new_address_is_told(sandbox: Sandbox) -> None:
    order = place().order
    change_address(
        order_id=order["_id"], address=address(line1="2 Short Street"), act=act(), expected_version=order["version"]
    )
    tell_all()
    assert [kind for _, kind, _ in names()] == ["order.placed", "order.address_changed"]


def test_of_a_draft_that_was_rejected_nothing_is_told(sandbox: Sandbox) -> None:
    order_id = store("rejected", line("unknown", call="reserve"), due=None, untold_at=timezone.now(), told=1)
    tell_all()
    assert told() == []
    assert "untold_at" not in read(order_id)


def test_of_the_time_before_there_were_events_nothing_is_told(sandbox: Sandbox) -> None:
    order_id = place().order["_id"]
    orders().update_one({"_id": order_id}, {"$unset": {"untold_at": "", "told": ""}})
    go(order_id, "pay")
    tell_all()
    assert names() == [(1, "order.paid", 1)]


def test_many_orders_are_told_page_by_page(sandbox: Sandbox) -> None:
    placed = [place().order["_id"] for _ in range(5)]
    for order_id in placed:
        go(order_id, "pay")
    tell_all(limit=2)
    assert len(told()) == 10
    assert_whole(*placed)


def test_a_finished_run_is_told_after_its_orders(sandbox: Sandbox) -> None:
    placed = [place().order["_id"] for _ in range(3)]
    run = carried("pay", keys=placed)
    tell_all(limit=2)
    last = told()[-1]
    assert (last["type"], last["run_id"], last["data"]["done"]) == ("bulk_run.finished", run.pk, 3)
    assert [event["type"] for event in told()].count("order.paid") == 3
    assert tell() == 0
    assert_whole(*placed)


def test_a_run_that_finishes_while_orders_are_looked_for_is_told_after_them_too(
    sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    placed = [place().order["_id"] for _ in range(3)]
    tell_all()
    untold_orders = event_feed.untold_orders

    def and_then(limit: int) -> list[Document]:
        found = untold_orders(limit)
        monkeypatch.setattr(event_feed, "untold_orders", untold_orders)
        carried("pay", keys=placed)
        return found

    monkeypatch.setattr(event_feed, "untold_orders", and_then)
    tell()
    tell_all()
    assert [kind for _, kind, _ in names()][3:] == ["order.paid"] * 3 + ["bulk_run.finished"]


# --- deaths and rivals -----------------------------------------------------------------------------------------------


class Death(BaseException):
    """The process ends here."""


def dying(*_args: Any, **_options: Any) -> None:
    raise Death


@pytest.mark.parametrize("step", ["append", "mark_told", "mark_runs_told"])
def test_who_dies_leaves_everything_to_the_next(sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch, step: str) -> None:
    placed = [place().order["_id"] for _ in range(3)]
    with monkeypatch.context() as patch:
        patch.setattr(event_feed, step, dying)
        with pytest.raises(Death):
            tell()
    go(placed[1], "pay")
    tell_all()
    assert len(told()) == 4
    assert_whole(*placed)


def test_events_of_which_only_the_first_were_appended_are_completed(
    sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    placed = [place().order["_id"] for _ in range(3)]
    for order_id in placed:
        go(order_id, "pay")
    append = event_feed.append

    def half(events: list[Document]) -> None:
        append(events[:3])
        raise DatabaseError("the primary is gone")

    with monkeypatch.context() as patch:
        patch.setattr(event_feed, "append", half)
        with pytest.raises(DatabaseError):
            tell()
    assert len(told()) == 3
    tell_all()
    assert_whole(*placed)


def test_a_writer_that_was_overtaken_tells_nothing_twice(sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch) -> None:
    placed = [place().order["_id"] for _ in range(3)]
    append = event_feed.append

    def overtaken(events: list[Document]) -> None:
        with monkeypatch.context() as patch:
            patch.setattr(event_feed, "append", append)
            assert tell() == 3  # by another
        append(events)

    with monkeypatch.context() as patch:
        patch.setattr(event_feed, "append", overtaken)
        assert tell() == 3
    tell_all()
    assert len(told()) == 3
    assert_whole(*placed)


def test_what_happens_while_it_is_told_is_told_next(sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch) -> None:
    order_id = place().order["_id"]
    append = event_feed.append

    def and_more(events: list[Document]) -> None:
        append(events)
        go(order_id, "pay")

    with monkeypatch.context() as patch:
        patch.setattr(event_feed, "append", and_more)
        tell()
    assert "untold_at" in read(order_id)
    tell_all()
    assert_whole(order_id)


def test_two_who_tell_at_once_leave_one_feed(sandbox: Sandbox) -> None:
    placed = [place().order["_id"] for _ in range(8)]

    def work() -> None:
        try:
            tell_all(limit=2)
        finally:
            connections.close_all()

    for transition in ("pay", "start_processing"):
        for order_id in placed:
            go(order_id, transition)
        threads = [threading.Thread(target=work) for _ in range(3)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    assert len(told()) == 24
    assert_whole(*placed)


def test_only_one_has_the_turn(sandbox: Sandbox) -> None:
    first, second = Teller(), Teller()
    place()
    assert first.run(seconds=5) == 1
    place()
    assert second.run(seconds=5) == 0
    first.leave()
    assert second.run(seconds=5) == 1
    assert len(told()) == 2


# --- the chain, and what is kept -------------------------------------------------------------------------------------


def sha(value: object) -> str:
    text = json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    return sha256(text.encode()).hexdigest()


def test_each_event_is_linked_to_the_one_before(sandbox: Sandbox) -> None:
    order_id = place().order["_id"]
    go(order_id, "pay")
    tell_all()
    previous = START
    for event in map(public_event, told()):
        shown = json.loads(telling.canonical(event))
        assert shown["content_digest"] == sha({name: shown[name] for name in ("actor", "data", "order")})
        members = ("cursor", "id", "type", "sequence", "order_id", "number", "version", "at", "content_digest")
        assert shown["digest"] == sha({name: shown[name] for name in members} | {"previous": previous})
        previous = shown["digest"]


def test_personal_data_is_taken_out_of_what_was_told(sandbox: Sandbox) -> None:
    order_id = place().order["_id"]
    orders().update_one({"_id": order_id}, {"$set": {"user_id": "amara@example.com"}})  # so are users known elsewhere
    change_status(order_id=order_id, transition="cancel", act=act(access.customer("amara@example.com"), "I am Amara"))
    other = place().order["_id"]
    tell_all()
    assert "amara" in str(told()).lower()
    erase_order(order_id=order_id, act=act(ADMIN))
    tell_all()
    assert [kind for _, kind, _ in names()][-1] == "order.personal_data_erased"
    assert "amara" not in str([event for event in told() if event["order_id"] == order_id]).lower()
    assert all(event["order"] for event in told() if event["order_id"] == other)
    assert list(verify(Verified())) == []
    assert_whole(order_id, other)


def test_who_dies_before_it_is_told_that_data_was_erased_leaves_that_to_the_next(
    sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    order_id = place().order["_id"]
    go(order_id, "cancel")
    tell_all()
    erase_order(order_id=order_id, act=act(ADMIN))
    with monkeypatch.context() as patch:
        patch.setattr(event_feed, "forget_personal_data", dying)
        with pytest.raises(Death):
            tell()
    tell_all()
    assert not any("reason" in event["data"] for event in told())


def test_old_events_go_but_the_newest_stays_to_count_from(sandbox: Sandbox, settings: Settings) -> None:
    settings.EVENTS_RETENTION_DAYS = 30
    order_id = place().order["_id"]
    go(order_id, "pay")
    tell_all()
    assert purge(at=timezone.now() + timedelta(days=29)) == 0
    assert purge(at=timezone.now() + timedelta(days=31)) == 1
    assert purge(at=timezone.now() + timedelta(days=31)) == 0
    go(order_id, "start_processing")
    tell_all()
    assert names() == [(2, "order.paid", 2), (3, "order.processing", 3)]


def test_an_empty_feed_has_nothing_to_purge(sandbox: Sandbox) -> None:
    assert purge(at=timezone.now()) == 0


def test_a_cursor_that_is_too_old_is_refused_with_where_the_feed_begins(sandbox: Sandbox) -> None:
    order_id = place().order["_id"]
    go(order_id, "pay", "start_processing")
    tell_all()
    event_feed.feed().delete_one({"_id": 1})
    with pytest.raises(reading.CursorExpired) as refused:
        found(0)
    assert refused.value.members == {"oldest": 2}
    assert numbers(1) == numbers() == [2, 3]
    assert numbers(3) == []


def test_a_cursor_to_which_the_feed_has_not_come_is_refused_with_where_it_ends(sandbox: Sandbox) -> None:
    assert numbers(0) == numbers() == []
    place()
    tell_all()
    with pytest.raises(reading.CursorUnknown) as refused:
        found(2)
    assert refused.value.members == {"newest": 1}
    assert numbers(1) == []


def test_events_that_are_deleted_while_they_are_looked_for_are_missed_by_nobody(
    sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    for _ in range(3):
        place()
    tell_all()
    look = event_feed.events_after

    def purged_before(*args: Any, **how: Any) -> list[Document]:
        event_feed.feed().delete_many({"_id": {"$lte": 2}})
        return look(*args, **how)

    monkeypatch.setattr(event_feed, "events_after", purged_before)
    with pytest.raises(reading.CursorExpired):
        found(0)


def test_no_gap_is_made_where_the_clocks_of_those_who_told_differ(sandbox: Sandbox) -> None:
    for _ in range(4):
        place()
    tell_all()
    event_feed.feed().update_one({"_id": 2}, {"$set": {"told_at": timezone.now() + timedelta(hours=1)}})
    assert purge(at=timezone.now() + timedelta(days=30, minutes=1)) == 1
    assert numbers() == [2, 3, 4]


# --- who reads which -------------------------------------------------------------------------------------------------


def found(after: int | None = None, actor: Actor = ADMIN, **asked: Any) -> list[Document]:
    return reading.events_after(actor, after, **asked).events


def numbers(after: int | None = None, **asked: Any) -> list[int]:
    return [event["_id"] for event in found(after, **asked)]


@pytest.fixture
def two_customers(sandbox: Sandbox) -> tuple[ObjectId, ObjectId]:
    mine, theirs = place(user_id="1").order["_id"], place(user_id="2").order["_id"]
    go(mine, "pay")
    go(theirs, "cancel")
    tell_all()
    return mine, theirs


def test_events_are_read_by_type_and_by_order(two_customers: tuple[ObjectId, ObjectId]) -> None:
    mine, theirs = two_customers
    assert len(found()) == 4
    assert numbers(1, limit=1) == [2]
    assert {event["order_id"] for event in found(types=("order.placed",))} == {mine, theirs}
    assert [event["type"] for event in found(order_id=theirs)] == ["order.placed", "order.cancelled"]
    assert [event["type"] for event in found(order_id=theirs, types=("order.cancelled",))] == ["order.cancelled"]
    assert found(types=EVENT_TYPES) == found()


def test_who_asks_for_few_goes_on_after_all_that_was_looked_at(two_customers: tuple[ObjectId, ObjectId]) -> None:
    cancelled = ("order.cancelled",)
    first = reading.events_after(ADMIN, types=cancelled, limit=1)
    assert ([event["_id"] for event in first.events], first.next, first.more) == ([4], 4, True)
    none = reading.events_after(ADMIN, 0, types=("order.refunded",))
    assert (none.events, none.next, none.more) == ([], 4, False)
    assert (reading.events_after(access.customer("3"), 0).next, reading.events_after(ADMIN, 4).next) == (4, 4)
    page = reading.events_after(ADMIN, 0, limit=2)
    assert ([event["_id"] for event in page.events], page.next, page.more) == ([1, 2], 2, True)


def test_customers_read_what_they_may_know_of_their_own_orders(two_customers: tuple[ObjectId, ObjectId]) -> None:
    mine, theirs = two_customers
    event_feed.feed().insert_one({"_id": 99, "type": "order.stock_unknown", "order_id": mine, "user_id": "1"})
    customer = access.customer("1")
    assert [event["type"] for event in found(actor=customer)] == ["order.placed", "order.paid"]
    assert found(actor=customer, order_id=theirs) == []
    assert found(actor=customer, types=("order.stock_unknown",)) == []
    assert len(found(actor=customer, types=("order.paid", "order.stock_unknown"))) == 1


def test_what_cannot_be_stored_is_no_rivals_doing(sandbox: Sandbox) -> None:
    with pytest.raises(DatabaseError):
        event_feed.append([{"_id": [1]}])
    assert told() == []


def test_a_cloud_event_of_a_run_is_about_no_order(sandbox: Sandbox) -> None:
    carried("pay", keys=[place().order["_id"]])
    tell_all()
    event = json.loads(cloud_event(told()[-1]))
    assert (event["type"], "subject" in event, event["data"]["order"]) == ("bulk_run.finished", False, None)


def test_only_those_who_see_all_orders_look_through_the_feed(two_customers: tuple[ObjectId, ObjectId]) -> None:
    event = browsing.get_event(1, ADMIN)
    assert event is not None
    assert event["_id"] == 1
    with pytest.raises(access.NotPermitted):
        browsing.get_event(1, access.customer("1"))


def test_a_run_that_changed_nothing_is_told_alone(sandbox: Sandbox) -> None:
    order_id = place().order["_id"]
    go(order_id, "cancel")
    tell_all()
    carried("pay", keys=[order_id])
    assert tell() == 1
    assert told()[-1]["type"] == "bulk_run.finished"
    assert tell() == 0
