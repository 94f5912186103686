"""Taking a key: one request holds it, the others wait, are refused, or get what became of it."""

import threading
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from typing import Any

import pytest
from bson import ObjectId
from django.db import DatabaseError
from pytest_django import Settings

from orders.models import IdempotencyKey
from orders.services.lifecycle.idempotency_keys import KeyInUse, KeyReused, Ticket, fingerprint, give_back, take
from orders.storage import placement_keys
from orders.storage.database import collection
from tests.integration.builders import PAST, answer_lost, line, now, read, sent_twice, store

pytestmark = pytest.mark.usefixtures("database")


def taken(key: str = "k", caller: str = "customer:1", request: str = "f") -> Ticket:
    return take(caller=caller, key=key, fingerprint=request)


def kept() -> dict[str, Any]:
    [found] = placement_keys.keys().find({})
    return found


def lapse() -> None:
    placement_keys.keys().update_one({}, {"$set": {"until": now() + PAST}})


def order_of(ticket: Ticket, status: str) -> ObjectId:
    return store(status, line("reserved"), due=None, _id=ticket.order_id)


def test_a_new_key_is_taken_with_the_id_that_the_order_will_have(settings: Settings) -> None:
    settings.STOCK_LEASE, settings.IDEMPOTENCY_KEY_TTL = 60, 3600
    ticket = taken()
    found = kept()
    assert (found["order_id"], found["attempt"], found["fingerprint"]) == (ticket.order_id, ticket.attempt, "f")
    assert ticket.placed is None
    assert abs(found["until"] - now() - timedelta(seconds=60)) < timedelta(seconds=2)
    assert abs(found["expires_at"] - now() - timedelta(hours=1)) < timedelta(seconds=2)


def test_neither_key_nor_caller_is_stored_in_the_clear() -> None:
    taken(key="my secret key", caller="customer:4711")
    assert "secret" not in str(kept())
    assert "4711" not in str(kept())


@pytest.mark.parametrize("text", ["$fingerprint", "$$ROOT", "a.b", "ключ", ""])
def test_strange_texts_are_keys_like_others(text: str) -> None:
    ticket = taken(key=text, caller=text, request=text)
    assert kept()["fingerprint"] == text
    with pytest.raises(KeyInUse):
        taken(key=text, caller=text, request=text)
    give_back(ticket)


def test_a_key_means_something_only_together_with_its_caller() -> None:
    assert taken(caller="customer:1").order_id != taken(caller="customer:2").order_id
    assert taken(caller="customer:1", key="2k").order_id != taken(caller="customer:12", key="k").order_id
    assert placement_keys.keys().count_documents({}) == 4


def test_another_request_under_the_same_key_is_refused_whatever_became_of_the_first() -> None:
    ticket = taken(request="f")
    for prepare in (lambda: None, lapse, lambda: order_of(ticket, "pending")):
        prepare()
        before = kept()
        with pytest.raises(KeyReused):
            taken(request="g")
        assert kept() == before


def test_another_request_takes_over_the_key_of_a_rejected_order_with_a_new_id() -> None:
    first = taken(request="f")
    order_of(first, "rejected")
    second = taken(request="g")
    assert second.order_id != first.order_id
    assert (kept()["fingerprint"], kept()["order_id"], kept()["attempt"]) == ("g", second.order_id, second.attempt)
    with pytest.raises(KeyReused):
        taken(request="f")


def test_of_many_corrected_requests_at_once_one_takes_the_key() -> None:
    order_of(taken(request="f"), "rejected")

    def correct(number: int) -> ObjectId | None:
        try:
            return taken(request=f"corrected {number}").order_id
        except (KeyInUse, KeyReused):
            return None

    with ThreadPoolExecutor(8) as threads:
        won = [found for found in threads.map(correct, range(8)) if found]
    assert won == [kept()["order_id"]]


@pytest.mark.parametrize("status", ["placing", "pending", "cancelled"])
def test_a_corrected_request_does_not_get_the_key_of_an_order_that_is_or_may_be_placed(status: str) -> None:
    order_of(taken(request="f"), status)
    lapse()
    before = kept()
    with pytest.raises(KeyReused):
        taken(request="g")
    assert kept() == before


def test_while_an_attempt_may_be_under_way_others_wait() -> None:
    taken()
    before = kept()
    with pytest.raises(KeyInUse) as refused:
        taken()
    assert refused.value.members["retry_after"] > 0
    assert kept() == before


@pytest.mark.parametrize("status", ["pending", "paid", "shipped", "cancelled", "refunded"])
def test_a_placed_order_is_replayed_as_it_is_now(status: str) -> None:
    order_id = order_of(taken(), status)
    again = taken()
    assert (again.order_id, again.placed) == (order_id, read(order_id))


def test_a_lapsed_attempt_is_taken_over_with_the_same_order_id() -> None:
    first = taken()
    before = kept()
    lapse()
    placement_keys.keys().update_one({}, {"$set": {"expires_at": now()}})
    second = taken()
    for moment in ("until", "expires_at"):
        assert kept()[moment] >= before[moment], "it lives as long as a new one"
    assert second.order_id == first.order_id, "of two late attempts only one can insert"
    assert second.attempt != first.attempt
    with pytest.raises(KeyInUse):
        taken()


def test_a_draft_that_is_not_rejected_yet_holds_the_key_even_after_the_lease() -> None:
    order_of(taken(), "placing")
    lapse()
    with pytest.raises(KeyInUse):
        taken()


def test_a_rejected_attempt_is_taken_over_at_once_with_a_new_order_id() -> None:
    first = taken()
    order_of(first, "rejected")
    second = taken()
    assert second.order_id != first.order_id
    assert kept()["order_id"] == second.order_id


@pytest.mark.parametrize("state", ["new", "lapsed", "rejected", "freed"])
def test_of_many_at_once_one_takes_the_key(state: str) -> None:
    if state != "new":
        ticket = taken()
        {"lapsed": lapse, "rejected": lambda: order_of(ticket, "rejected"), "freed": lambda: give_back(ticket)}[state]()
    start = threading.Barrier(8)

    def one(_: int) -> Ticket | None:
        start.wait()
        try:
            return taken()
        except KeyInUse:
            return None

    with ThreadPoolExecutor(8) as threads:
        won = [ticket for ticket in threads.map(one, range(8)) if ticket]
    assert len(won) == 1
    assert kept()["attempt"] == won[0].attempt


def test_a_freed_key_may_be_used_for_a_corrected_request() -> None:
    give_back(taken(request="f"))
    assert taken(request="g").placed is None


def test_a_freed_key_keeps_its_order_id_for_a_holder_who_was_only_slow() -> None:
    """R1 is paused beyond its lease, R2 takes over and frees: R3 and R1 must not both be able to insert."""
    slow = taken()
    lapse()
    give_back(taken())
    assert taken().order_id == slow.order_id


def test_a_draft_that_was_written_after_all_is_known_to_who_uses_its_freed_key_again() -> None:
    give_back(first := taken())
    order_of(first, "placing")
    with pytest.raises(KeyInUse):
        taken()
    give_back(Ticket(first.order_id, key=kept()["_id"], attempt=kept()["attempt"]))
    collection("orders").update_one({"_id": first.order_id}, {"$set": {"status": "rejected"}})
    assert taken().order_id != first.order_id, "nobody is told that another was faster"


def test_who_lost_the_key_cannot_free_it() -> None:
    slow = taken()
    lapse()
    taken()
    before = kept()
    give_back(slow)
    assert kept() == before
    with pytest.raises(KeyInUse):
        taken()


def test_a_taking_that_was_repeated_after_a_failover_is_ones_own(monkeypatch: pytest.MonkeyPatch) -> None:
    sent_twice(monkeypatch)
    assert taken().attempt == kept()["attempt"]


@pytest.mark.parametrize("state", ["lapsed", "rejected"])
def test_a_taking_over_that_was_repeated_after_a_failover_is_ones_own(
    monkeypatch: pytest.MonkeyPatch, state: str
) -> None:
    """The first findAndModify of a taking looks for the key; the second takes it over."""
    first = taken()
    if state == "lapsed":
        lapse()
    else:
        order_of(first, "rejected")
    real = placement_keys.take_over

    def repeated(*args: Any, **kwargs: Any) -> Any:
        sent_twice(monkeypatch)
        return real(*args, **kwargs)

    monkeypatch.setattr(placement_keys, "take_over", repeated)
    assert taken().attempt == kept()["attempt"]


def test_a_database_that_fails_is_a_database_error_and_no_key_in_use(monkeypatch: pytest.MonkeyPatch) -> None:
    answer_lost(monkeypatch, written=False)
    with pytest.raises(DatabaseError):
        taken()
    assert placement_keys.keys().count_documents({}) == 0


def test_the_key_reads_for_people() -> None:
    ticket = taken()
    assert str(IdempotencyKey.objects.get(order_id=ticket.order_id)).endswith(str(ticket.order_id))


def test_a_fingerprint_tells_requests_apart_by_content_and_not_by_spelling() -> None:
    assert fingerprint({"a": "1.00", "b": [1, 2]}) == fingerprint({"b": [1, 2], "a": "1.00"})
    assert len({fingerprint(request) for request in (["a", "b"], ["b", "a"], ["ab"], ["a", ["b"]], "1", 1, None)}) == 7
