"""Addresses and notes written through the service: who may, until when, what is kept, and what customers never see."""

from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from bson import ObjectId
from django.db import DatabaseError

from integrations.sandbox import Sandbox
from orders.models import PUBLIC_STATUSES, Address, Order, Status
from orders.services import access
from orders.services.access import NotPermitted, OrderNotFound
from orders.services.lifecycle import editing, versions
from orders.services.lifecycle.editing import (
    AddressFixed,
    InvalidAddress,
    InvalidNote,
    SameAddress,
    change_address,
    may_change_address,
    write_note,
)
from orders.services.lifecycle.transitions import change_status
from orders.services.lifecycle.versions import OrderBusy, StaleOrder
from orders.services.text_rules import ADDRESS_FIELDS
from orders.storage import order_reads
from orders.storage.order_writes import orders
from tests.integration.builders import (
    Document,
    act,
    address,
    answer_lost,
    asked,
    line,
    place,
    read,
    sent_twice,
    small_sandbox,  # noqa: F401
    store,
)
from tests.order_invariants import violations_of

CUSTOMER = access.customer("1")
PATHS = {"pending": (), "paid": ("pay",), "processing": ("pay", "start_processing")}
ELSEWHERE = {
    "name": "Rufus T. Firefly", "company": "Ministry of Ducks", "line1": "2 Short Street", "line2": "c/o Rufus",
    "city": "Sylvania", "state": "S", "postal_code": "54321", "country": "Freedonia", "phone": "555 0199",
}  # fmt: skip


def elsewhere(**changes: Any) -> Address:
    return Address(**(ELSEWHERE | changes))


def moved(order_id: ObjectId, to: Address | None = None, *, version: int = 1, **who: Any) -> Document:
    return change_address(order_id=order_id, address=to or elsewhere(), act=act(**who), expected_version=version)


def noted(order_id: ObjectId, text: str = "Called, no answer", **who: Any) -> Document:
    return write_note(order_id=order_id, text=text, act=act(**who))


def staff_with(*permissions: str) -> access.Actor:
    return access.Actor(access.Kind.STAFF, "maria", "admin", frozenset(permissions), "r-1")


# --- the address -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("status", PATHS)
def test_until_it_ships_an_order_can_be_sent_elsewhere(sandbox: Sandbox, status: str) -> None:
    order_id = place().order["_id"]
    for name in PATHS[status]:
        change_status(order_id=order_id, transition=name, act=act())
    before = read(order_id)
    calls = asked(sandbox)
    written = moved(order_id, version=before["version"], reason="The customer has moved")
    assert written == read(order_id)
    assert written["shipping_address"] == ELSEWHERE
    assert (written["version"], written["status"]) == (before["version"] + 1, status)
    assert written["updated_at"] > before["updated_at"]
    assert {name for name in before if written[name] != before[name]} == {
        *("shipping_address", "terms", "version", "updated_at", "write_id", "history"),
    }
    entry = written["history"][-1]
    assert written["history"] == [*before["history"], entry]
    assert (entry["act"], entry["from"], entry["to"], entry["reason"]) == (
        *("change_address", "", "", "The customer has moved"),
    )
    assert entry["detail"] == "1 Long Street, 12345 Springfield, Freedonia"
    assert entry["write_id"] == written["write_id"] != before["write_id"]
    assert violations_of(written) == []
    assert asked(sandbox) == calls
    assert str(Order.objects.get(pk=order_id).shipping_address) == str(elsewhere())


def test_an_order_whose_address_was_changed_goes_on_its_way(sandbox: Sandbox) -> None:
    order_id = place().order["_id"]
    moved(order_id)
    noted(order_id)
    for name in ("pay", "start_processing", "ship", "deliver", "refund"):
        assert violations_of(change_status(order_id=order_id, transition=name, act=act())) == []
    assert read(order_id)["shipping_address"] == ELSEWHERE


@pytest.mark.parametrize("status", sorted(set(Status.values) - PATHS.keys()))
def test_the_address_of_an_order_that_has_left_or_was_called_off_stays(database: object, status: str) -> None:
    order_id = store(status, line("none"), due=None, version=1)
    before = read(order_id)
    assert not may_change_address(status)
    with pytest.raises(AddressFixed, match=f"is {status}"):
        moved(order_id)
    assert read(order_id) == before


@pytest.mark.parametrize("expected", [0, 2, 10**9])
def test_somebody_who_saw_another_version_changes_nothing(database: object, expected: int) -> None:
    order_id = store("pending", line("reserved"), due=None)
    before = read(order_id)
    with pytest.raises(StaleOrder):
        moved(order_id, version=expected)
    assert read(order_id) == before


def test_who_is_late_is_told_of_notes_and_addresses_too(database: object) -> None:
    order_id = store("pending", line("reserved"), due=None)
    moved(order_id, actor=access.admin("maria"))
    noted(order_id, actor=access.admin("john"))
    with pytest.raises(StaleOrder) as refused:
        moved(order_id, address())
    assert refused.value.members["version"] == 3
    assert [(change["act"], change["actor"], change["to"]) for change in refused.value.members["changes"]] == [
        ("change_address", "admin:maria", None), ("note", "admin:john", None),
    ]  # fmt: skip
    assert read(order_id)["shipping_address"] == ELSEWHERE


def test_of_eight_at_one_version_one_changes_the_address(database: object) -> None:
    order_id = store("pending", line("reserved"), due=None)

    def attempt(number: int) -> int:
        try:
            moved(order_id, elsewhere(line2=str(number)))
        except StaleOrder:
            return 0
        return 1

    with ThreadPoolExecutor(8) as threads:
        assert sum(threads.map(attempt, range(8))) == 1
    after = read(order_id)
    assert (after["version"], len(after["history"])) == (2, 3)
    assert violations_of(after) == []


@pytest.mark.parametrize(
    ("wrong", "fields"),
    [
        ({"line1": ""}, {"line1"}), ({"line1": "   "}, {"line1"}), ({"city": "", "country": ""}, {"city", "country"}),
        ({"postal_code": "9" * 21}, {"postal_code"}), ({"line2": "x" * 201}, {"line2"}), ({"line1": None}, {"line1"}),
        ({"city": "Syl\x0bvania"}, {"city"}), ({"state": "\0"}, {"state"}), ({"city": "\u2067\u2069"}, {"city"}),
        ({"line2": "a\x9bb"}, {"line2"}), ({"name": "x" * 201, "company": "a\x00b"}, {"name", "company"}),
        ({"phone": "call me"}, {"phone"}), ({"phone": "5" * 41}, {"phone"}),
    ],
)  # fmt: skip
def test_an_address_that_is_none_is_refused_field_by_field(
    database: object, wrong: dict[str, Any], fields: set[str]
) -> None:
    order_id = store("pending", line("reserved"), due=None)
    before = read(order_id)
    with pytest.raises(InvalidAddress) as refused:
        moved(order_id, elsewhere(**wrong))
    assert refused.value.members["errors"].keys() == fields
    assert all(refused.value.members["errors"].values())
    assert read(order_id) == before


def test_the_history_keeps_the_old_address_whole_however_long_it_is(database: object) -> None:
    longest = {name: "5" * (Address._meta.get_field(name).max_length or 0) for name in ADDRESS_FIELDS}
    order_id = store("pending", line("reserved"), due=None, shipping_address=longest)
    [*_, entry] = moved(order_id)["history"]
    assert entry["detail"] == str(Address(**longest))
    assert len(entry["detail"]) == 1175


def test_blanks_around_a_field_are_taken_off_and_dollars_stay_dollars(database: object) -> None:
    order_id = store("pending", line("reserved"), due=None)
    written = moved(order_id, elsewhere(line1="  $total_price ", line2=None, state=" "))
    assert written["shipping_address"] == ELSEWHERE | {"line1": "$total_price", "line2": "", "state": ""}


def test_blanks_and_joiners_of_other_scripts_are_no_control_characters(database: object) -> None:
    for text in ("東京都\u3000千代田区", "12\u00a0bis", "می\u200cخواهم"):
        order_id = store("pending", line("reserved"), due=None)
        assert moved(order_id, elsewhere(line1=text))["shipping_address"]["line1"] == text


def test_the_same_address_again_is_no_change(sandbox: Sandbox) -> None:
    order_id = place().order["_id"]
    before = read(order_id)
    for same in (address(), address(line1=" 1 Long Street "), address(line2=None)):
        with pytest.raises(SameAddress):
            moved(order_id, same)
    assert read(order_id) == before


# --- notes -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("status", Status.values)
def test_a_note_is_written_into_the_history_whatever_the_status(database: object, status: str) -> None:
    order_id = store(status, line("none"), due=None)
    before = read(order_id)
    written = noted(
        order_id, "  $status: called,\r\nno answer “über” ", actor=staff_with(access.VIEW, access.WRITE_NOTES)
    )
    assert written == read(order_id)
    assert (written["version"], written["status"]) == (before["version"] + 1, status)
    assert written["updated_at"] > before["updated_at"]
    entry = written["history"][-1]
    assert (entry["act"], entry["from"], entry["to"]) == ("note", "", "")
    assert entry["reason"] == "$status: called,\nno answer “über”"
    assert (entry["actor"], entry["via"], entry["request_id"]) == ("staff:maria", "admin", "r-1")
    assert "line" not in entry
    assert len(written["history"]) == len(before["history"]) + 1
    assert [problem for problem in violations_of(written) if "version" in problem] == []


@pytest.mark.parametrize("text", ["", " \r\n ", "x" * 501])
def test_a_note_that_is_empty_or_too_long_is_refused_and_not_cut(database: object, text: str) -> None:
    order_id = store("pending", line("reserved"), due=None)
    before = read(order_id)
    with pytest.raises(InvalidNote, match="1 to 500 characters"):
        noted(order_id, text)
    assert read(order_id) == before
    assert noted(order_id, "ü" * 500)["history"][-1]["reason"] == "ü" * 500


def test_a_note_that_cannot_be_read_is_refused_and_not_mended(database: object) -> None:
    order_id = store("pending", line("reserved"), due=None)
    before = read(order_id)
    with pytest.raises(InvalidNote):
        noted(order_id, "called\x1b[2J")
    assert read(order_id) == before


def test_of_many_notes_at_once_none_is_lost(database: object, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(versions, "TRIES", 100)
    order_id = store("pending", line("reserved"), due=None)
    with ThreadPoolExecutor(8) as threads:
        list(threads.map(lambda number: noted(order_id, f"note {number}"), range(40)))
    after = read(order_id)
    assert {entry["reason"] for entry in after["history"][2:]} == {f"note {number}" for number in range(40)}
    assert after["version"] == 41
    assert violations_of(after) == []


# --- both ------------------------------------------------------------------------------------------------------------


def moved_or_noted(name: str) -> Any:
    return {"address": moved, "note": noted}[name]


@pytest.mark.parametrize("what", ["address", "note"])
@pytest.mark.parametrize(
    "actor", [CUSTOMER, staff_with(access.VIEW), staff_with(access.VIEW, access.RESOLVE, "orders.ship_order")]
)
def test_whoever_may_not_changes_nothing(database: object, what: str, actor: access.Actor) -> None:
    order_id = store("pending", line("reserved"), due=None)
    before = read(order_id)
    with pytest.raises(NotPermitted):
        moved_or_noted(what)(order_id, actor=actor)
    assert read(order_id) == before


@pytest.mark.parametrize("what", ["address", "note"])
def test_what_is_not_there_or_not_to_be_seen_is_not_found(database: object, what: str) -> None:
    with pytest.raises(OrderNotFound):
        moved_or_noted(what)(ObjectId())
    order_id = store("pending", line("reserved"), due=None)
    before = read(order_id)
    with pytest.raises(OrderNotFound):
        moved_or_noted(what)(order_id, actor=staff_with(access.CHANGE_ADDRESS, access.WRITE_NOTES))
    assert read(order_id) == before


@pytest.mark.parametrize("what", ["address", "note"])
def test_a_write_that_is_sent_twice_happens_once(database: object, monkeypatch: pytest.MonkeyPatch, what: str) -> None:
    order_id = store("pending", line("reserved"), due=None)
    sent_twice(monkeypatch)
    written = moved_or_noted(what)(order_id)
    assert (written["version"], len(written["history"])) == (2, 3)
    assert read(order_id) == written


@pytest.mark.parametrize("what", ["address", "note"])
@pytest.mark.parametrize("happened", [True, False])
def test_a_write_without_an_answer_is_told_as_such(
    database: object, monkeypatch: pytest.MonkeyPatch, what: str, happened: bool
) -> None:
    order_id = store("pending", line("reserved"), due=None)
    answer_lost(monkeypatch, written=happened)
    with pytest.raises(DatabaseError):
        moved_or_noted(what)(order_id)
    assert read(order_id)["version"] == 1 + happened


def overtake(monkeypatch: pytest.MonkeyPatch, field: str) -> None:
    """Let somebody change the order between our reading and our writing, each time."""
    real = order_reads.get_addressed

    def overtaken(order_id: ObjectId) -> Order | None:
        found = real(order_id)
        orders().update_one({"_id": order_id}, {"$inc": {"version": 1}} if field == "version" else {"$set": {field: 1}})
        return found

    monkeypatch.setattr(order_reads, "get_addressed", overtaken)


def test_who_is_overtaken_with_an_address_is_told(database: object, monkeypatch: pytest.MonkeyPatch) -> None:
    order_id = store("pending", line("reserved"), due=None)
    overtake(monkeypatch, "version")
    with pytest.raises(StaleOrder):
        moved(order_id)
    assert read(order_id)["shipping_address"]["line1"] == "1 Long Street"


@pytest.mark.parametrize("what", ["address", "note"])
def test_who_is_always_overtaken_is_told_to_come_back(
    database: object, monkeypatch: pytest.MonkeyPatch, what: str
) -> None:
    order_id = store("pending", line("reserved"), due=None)
    before = read(order_id)
    monkeypatch.setattr(editing, "guarded_write", lambda *_, **__: None)
    with pytest.raises(OrderBusy):
        moved_or_noted(what)(order_id)
    assert read(order_id) == before


@pytest.mark.parametrize("status", PUBLIC_STATUSES)
def test_the_last_change_is_what_a_person_saw_last(database: object, status: str) -> None:
    order_id = store(status, line("none"), due=None)
    assert order_reads.last_change(ObjectId()) is None
    noted(order_id, actor=access.admin("maria"))
    outcome = read(order_id)["history"][-1] | {"act": "stock", "line": 0, "to": "released"}
    orders().update_one({"_id": order_id}, {"$push": {"history": outcome}})
    version, entry = order_reads.last_change(order_id) or (0, None)
    assert version == 2
    assert entry
    assert (entry["act"], entry["actor"]) == ("note", "admin:maria")
    orders().update_one({"_id": order_id}, {"$push": {"history": {"$each": [outcome] * order_reads.RECENT_ENTRIES}}})
    assert order_reads.last_change(order_id) == (2, None)


def test_a_customer_who_is_late_learns_of_the_address_and_not_of_the_note(database: object) -> None:
    order_id = store("pending", line("reserved"), due=None)
    moved(order_id, actor=access.admin("maria"), reason="complained on the phone")
    noted(order_id, "a difficult customer", actor=access.admin("maria"))
    with pytest.raises(StaleOrder) as refused:
        change_status(order_id=order_id, transition="cancel", act=act(CUSTOMER), expected_version=1)
    assert [(change["act"], change["actor"]) for change in refused.value.members["changes"]] == [
        ("change_address", "admin")
    ]
    for secret in ("difficult", "complained", "maria", "Long Street"):
        assert secret not in str(refused.value.members) + refused.value.detail
