"""Changing the items of an unpaid order: one is placed and the other cancelled, both or neither."""

import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from decimal import Decimal
from functools import partial
from typing import Any

import pytest
from bson import Decimal128, ObjectId
from django.db import DatabaseError
from pymongo.client_session import ClientSession
from pymongo.errors import AutoReconnect
from pytest_django import Settings

from integrations import Deadline, PeerUnavailable
from integrations.sandbox import Sandbox
from orders.services import access
from orders.services.access import Actor, Kind, NotPermitted, OrderNotFound
from orders.services.audit import Act, ReasonMissing
from orders.services.lifecycle import (
    idempotency_keys,
    placement,
    replacement_write,
    replacing,
    reservation,
    transitions,
)
from orders.services.lifecycle.idempotency_keys import KeyReused
from orders.services.lifecycle.placement import Details, Placement, PlacementInterrupted
from orders.services.lifecycle.replacing import OrderNotReplaceable, replace_order
from orders.services.lifecycle.verification import InsufficientStock, PriceChanged
from orders.services.lifecycle.versions import StaleOrder
from orders.services.stock.claims import Claim
from orders.services.stock.worker import settle_due
from orders.services.tags import stored_tags
from orders.storage import placement_keys, turned_away
from orders.storage.order_writes import orders, write_together
from tests.integration.builders import (
    ADMIN,
    WORKER,
    A,
    B,
    act,
    address,
    asked,
    due_now,
    line,
    lines,
    now,
    place,
    read,
    shelve,
    small_sandbox,  # noqa: F401
    states,
    stock_of,
    store,
)
from tests.order_invariants import violations_of

MAY = frozenset({access.VIEW, access.PLACE_FOR_CUSTOMER, "orders.cancel_order"})
NIA = Actor(Kind.STAFF, "nia", "admin", MAY)
Document = dict[str, Any]


@pytest.fixture
def old(sandbox: Sandbox) -> Document:
    """An unpaid order of two units of A; ten of each product were there."""
    shelve(sandbox, A)
    shelve(sandbox, B)
    return place((A, 2), details=Details(metadata={"basket": "7"})).order


def changed(old: Document, *wanted: tuple[str, int], actor: Actor = NIA, **options: Any) -> Placement:
    given = {
        "expected_version": old["version"],
        "items": lines(*(wanted or ((A, 1), (B, 3)))),
        "act": Act(actor, act().at, code="customer"),
        "details": Details(reference="call 12"),
        "idempotency_key": "form-1",
    }
    return replace_order(order_id=old["_id"], shipping_address=address(), **given | options)


def finished() -> None:
    """What a worker does once all leases have ended."""
    for order in orders().find({"stock_due_at": {"$exists": True}}, {"_id": 1}):
        due_now(order["_id"])
    settle_due(actor=WORKER)


def public() -> list[Document]:
    return orders().find({"status": {"$nin": ["placing", "rejected"]}}).sort("created_at").to_list()


def untouched(sandbox: Sandbox, old: Document) -> None:
    """The old order stands, and nothing else does."""
    assert read(old["_id"]) == old
    assert [order["_id"] for order in public()] == [old["_id"]]
    assert (stock_of(sandbox, A), stock_of(sandbox, B)) == ((8, 2), (10, 0))
    assert_sound()


def replaced(sandbox: Sandbox, old: Document) -> Document:
    """The old order is cancelled and another, of one unit of A and three of B, stands instead of it. :returns: that."""
    before, after = public()
    assert before["_id"] == old["_id"]
    assert (before["status"], after["status"]) == ("cancelled", "pending")
    assert before["replaced_by"] == {"order_id": after["_id"], "number": after["number"]}
    assert after["replaces"] == {"order_id": old["_id"], "number": old["number"]}
    assert (states(before), states(after)) == (["released"], ["reserved", "reserved"])
    assert (stock_of(sandbox, A), stock_of(sandbox, B)) == ((9, 1), (7, 3))
    assert_sound()
    return after


def assert_sound() -> None:
    assert [problem for order in orders().find({}) for problem in violations_of(order)] == []


def test_the_old_order_is_cancelled_and_the_new_one_placed_and_each_names_the_other(
    sandbox: Sandbox, old: Document
) -> None:
    noted = {"assignee": {"id": 1, "name": "Max"}, **stored_tags(["Phone"])}
    orders().update_one({"_id": old["_id"]}, {"$set": noted})
    new = changed(old).order
    assert new == replaced(sandbox, old) == read(new["_id"])
    assert (new["user_id"], new["reference"], new["metadata"]) == ("1", "call 12", {"basket": "7"})
    assert {name: new[name] for name in noted} == noted
    assert noted["tag_keys"] == ["phone"], "what the list finds them by"
    [cancelled] = [entry for entry in read(old["_id"])["history"] if entry["act"] == "cancel"]
    [placed] = [entry for entry in new["history"] if entry["act"] == "place"]
    told = [(entry["actor"], entry["code"], entry["detail"]) for entry in (cancelled, placed)]
    assert told == [("staff:nia", "customer", new["number"]), ("staff:nia", "customer", old["number"])]
    assert cancelled["write_id"] == placed["write_id"]
    assert all("untold_at" in read(order) for order in (old["_id"], new["_id"])), "others hear of both"
    assert new["total_price"] == Decimal128("161.90")


def test_a_form_that_is_sent_twice_replaces_once(sandbox: Sandbox, old: Document) -> None:
    first, again = changed(old), changed(old)
    assert (first.replayed, again.replayed) == (False, True)
    assert again.order["_id"] == first.order["_id"] == replaced(sandbox, old)["_id"]
    with pytest.raises(KeyReused):
        changed(old, (A, 3))
    asked_for = {"caller": NIA.label, "key": replacing.key_of(old["_id"], "form-1")}
    assert idempotency_keys.order_under(**asked_for) == replaced(sandbox, old)


def test_the_same_key_replaces_each_order_on_its_own(sandbox: Sandbox, old: Document) -> None:
    other = place((A, 2), details=Details(metadata={"basket": "7"})).order
    first, second = changed(old), changed(other)
    assert not second.replayed
    assert second.order["replaces"]["order_id"] == other["_id"]
    assert [read(order["_id"])["status"] for order in (old, other)] == ["cancelled"] * 2
    assert (changed(old).order["_id"], changed(other).order["_id"]) == (first.order["_id"], second.order["_id"])
    assert orders().count_documents({}) == 4


def test_of_several_people_at_once_one_replaces_the_order(sandbox: Sandbox, settings: Settings, old: Document) -> None:
    settings.REQUEST_DEADLINE, settings.PEER_READ_TIMEOUT = 20, 5
    settings.INVENTORY_WRITE_TIMEOUT = settings.PEER_READ_TIMEOUT

    def one(person: int) -> str:
        try:
            return str(changed(old, idempotency_key=f"form-{person}").order["status"])
        except (StaleOrder, PlacementInterrupted) as error:
            return error.code

    with ThreadPoolExecutor(3) as threads:
        results = list(threads.map(one, range(3)))
    assert results.count("pending") == 1
    assert set(results) <= {"pending", "stale_order", "placement_interrupted"}
    finished()
    replaced(sandbox, old)


# --- refused ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("lacks", "error"),
    [(access.VIEW, OrderNotFound), (access.PLACE_FOR_CUSTOMER, NotPermitted), ("orders.cancel_order", NotPermitted)],
)
def test_it_takes_every_permission_that_it_is_made_of(
    sandbox: Sandbox, old: Document, lacks: str, error: type[Exception]
) -> None:
    before = len(sandbox.control.calls())
    with pytest.raises(error):
        changed(old, actor=Actor(Kind.STAFF, "nia", "admin", MAY - {lacks}))
    assert len(sandbox.control.calls()) == before
    untouched(sandbox, old)
    assert replacing.may_replace(NIA, "1")
    assert not replacing.may_replace(Actor(Kind.STAFF, "nia", "admin", MAY - {access.PLACE_FOR_CUSTOMER}), "1")


def test_staff_say_why(sandbox: Sandbox, old: Document) -> None:
    with pytest.raises(ReasonMissing):
        changed(old, act=act(NIA))
    untouched(sandbox, old)


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        ({"status": "paid"}, "unpaid"),
        ({"held_at": now()}, "on hold"),
        ({"charges": [{"kind": "tax", "label": "", "amount": Decimal128("1.00")}]}, "charges"),
    ],
)
def test_what_cannot_be_replaced_is_left_alone(sandbox: Sandbox, old: Document, changes: Document, told: str) -> None:
    orders().update_one({"_id": old["_id"]}, {"$set": changes})
    before = read(old["_id"])
    with pytest.raises(OrderNotReplaceable, match=told):
        changed(old)
    assert read(old["_id"]) == before
    assert orders().count_documents({}) == 1


def test_an_order_that_has_changed_since_is_left_alone(sandbox: Sandbox, old: Document) -> None:
    paid = transitions.change_status(order_id=old["_id"], transition="pay", act=act(ADMIN))
    with pytest.raises(StaleOrder):
        changed(old)
    untouched(sandbox, paid)
    with pytest.raises(OrderNotReplaceable):
        changed(paid)
    assert orders().count_documents({}) == 1


@pytest.mark.parametrize("transition", ["pay", "cancel"])
def test_an_order_that_changes_meanwhile_wins_and_what_was_reserved_is_given_back(
    sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch, old: Document, transition: str
) -> None:
    between(monkeypatch, partial(transitions.change_status, order_id=old["_id"], transition=transition, act=act(ADMIN)))
    with pytest.raises(StaleOrder):
        changed(old)
    [order] = public()
    assert order["status"] == {"pay": "paid", "cancel": "cancelled"}[transition]
    assert "replaced_by" not in order
    assert orders().find_one({"status": "rejected"}) is not None
    assert (stock_of(sandbox, A), stock_of(sandbox, B)) == ((8, 2) if transition == "pay" else (10, 0), (10, 0))
    assert_sound()


def test_a_hold_meanwhile_wins(sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch, old: Document) -> None:
    hold = partial(orders().update_one, {"_id": old["_id"]}, {"$set": {"held_at": now()}})
    between(monkeypatch, hold)
    with pytest.raises(OrderNotReplaceable):
        changed(old)
    assert [order["status"] for order in public()] == ["pending"]


def between(monkeypatch: pytest.MonkeyPatch, change: Callable[[], Any]) -> None:
    """Let something happen after the new order's stock was reserved, and before the two are written."""
    real = replacement_write.write_together

    def late(*args: Any, **kwargs: Any) -> Any:
        monkeypatch.setattr(replacement_write, "write_together", real)
        change()
        return real(*args, **kwargs)

    monkeypatch.setattr(replacement_write, "write_together", late)


def test_a_changed_price_replaces_nothing(sandbox: Sandbox, old: Document) -> None:
    sandbox.control.put_product(A, name="Thing", price=Decimal("15.90"), available=8, reserved=2)
    with pytest.raises(PriceChanged):
        changed(old)
    untouched(sandbox, old)


def test_stock_that_suffices_only_once_the_old_order_is_cancelled_is_refused_and_said(
    sandbox: Sandbox, old: Document
) -> None:
    with pytest.raises(InsufficientStock, match="What the order to be replaced holds is free only once") as refused:
        changed(old, (A, 10))
    assert refused.value.members["available"] == {"items.0": 8}
    with pytest.raises(InsufficientStock) as other:
        changed(old, (A, 1), (B, 11), idempotency_key="form-2")
    assert "holds" not in other.value.detail
    untouched(sandbox, old)
    assert turned_away.turned_away().count_documents({}) == 0, "the customer has an order"


@pytest.mark.parametrize("operation", ["product", "check", "reserve"])
def test_a_peer_that_is_away_replaces_nothing(sandbox: Sandbox, old: Document, operation: str) -> None:
    sandbox.control.fault(operation, "status", status=503)
    with pytest.raises((PeerUnavailable, PlacementInterrupted)):
        changed(old)
    sandbox.control.clear_faults()
    untouched(sandbox, old)
    changed(old, idempotency_key="form-2")
    replaced(sandbox, old)


# --- a crash at every step -------------------------------------------------------------------------------------------


class Killed(BaseException):
    """The process dies here: nothing that follows is done."""


def killed(*_args: Any, **_kwargs: Any) -> Any:
    raise Killed


def and_killed(real: Callable[..., Any]) -> Callable[..., Any]:
    def dies(*args: Any, **kwargs: Any) -> Any:
        real(*args, **kwargs)
        raise Killed

    return dies


BEFORE = {
    "before the peers are asked": (placement, "verify", killed),
    "before the draft": (placement, "claim_draft", killed),
    "with the draft, before its stock is reserved": (reservation, "call_inventory", killed),
    "with its stock reserved, before both are written": (replacement_write, "write_together", killed),
    "with both written, before that is committed": (ClientSession, "commit_transaction", killed),
}
AFTER = {
    "once both are written": (replacement_write, "write_together", None),
    "before the old order's stock is released": (replacement_write, "release_written", killed),
    "once the old order's stock is released": (replacement_write, "release_written", None),
}


def die(monkeypatch: pytest.MonkeyPatch, old: Document, where: tuple[Any, str, Any]) -> None:
    module, name, how = where
    real = getattr(module, name)

    def dies(*args: Any, **kwargs: Any) -> Any:
        if threading.current_thread() is not threading.main_thread():
            return real(*args, **kwargs)  # a transaction of the sandbox's own
        return (how or and_killed(real))(*args, **kwargs)

    with monkeypatch.context() as patch:
        patch.setattr(module, name, dies)
        with pytest.raises(Killed):
            changed(old)


@pytest.mark.parametrize("where", BEFORE)
@pytest.mark.parametrize("honours", [True, False], ids=["keys are honoured", "keys are not"])
def test_whoever_dies_before_both_are_written_leaves_the_old_order_alone(
    sandbox: Sandbox, settings: Settings, monkeypatch: pytest.MonkeyPatch, old: Document, where: str, honours: bool
) -> None:
    settings.INVENTORY_HONOURS_IDEMPOTENCY_KEY = settings.INVENTORY_IS_ATOMIC = honours
    sandbox.control.honour_keys(honours)
    die(monkeypatch, old, BEFORE[where])
    assert read(old["_id"]) == old
    assert len(public()) == 1
    finished()
    finished()
    assert read(old["_id"]) == old
    [*unfinished] = orders().find({"status": "rejected"})
    lost = [state for order in unfinished for state in states(order)]
    if honours:
        untouched(sandbox, old)
        assert set(lost) <= {"none", "released"}
    else:
        assert set(lost) <= {"none", "unknown"}, "what may have been reserved waits for a person, as with every draft"
    # The same press again, once the lease of its key has ended.
    end_lease_of_key()
    changed(old)
    assert [order["status"] for order in public()] == ["cancelled", "pending"]
    assert_sound()
    if honours:
        replaced(sandbox, old)


@pytest.mark.parametrize("where", AFTER)
def test_whoever_dies_after_both_were_written_has_replaced_the_order_and_a_worker_does_the_rest(
    sandbox: Sandbox, settings: Settings, monkeypatch: pytest.MonkeyPatch, old: Document, where: str
) -> None:
    settings.INVENTORY_HONOURS_IDEMPOTENCY_KEY = settings.INVENTORY_IS_ATOMIC = True
    sandbox.control.honour_keys(True)
    die(monkeypatch, old, AFTER[where])
    assert [order["status"] for order in public()] == ["cancelled", "pending"]
    finished()
    new = replaced(sandbox, old)
    assert changed(old).order["_id"] == new["_id"], "the same press again finds what it did"
    assert [name for name, _ in asked(sandbox, "release")] == ["release"]


def end_lease_of_key() -> None:
    placement_keys.keys().update_many({"until": {"$exists": True}}, {"$set": {"until": now()}})


# --- the transaction -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("committed", [True, False])
def test_a_commit_whose_answer_is_lost_is_found_out(
    sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch, old: Document, committed: bool
) -> None:
    real, times = ClientSession.commit_transaction, [0]

    def lost(session: ClientSession) -> None:
        ours = threading.current_thread() is threading.main_thread()  # not the sandbox's
        times[0] += ours
        if not ours or times[0] > 1:
            return real(session)
        if committed:
            real(session)
        raise AutoReconnect("the primary went away")

    monkeypatch.setattr(ClientSession, "commit_transaction", lost)
    new = changed(old).order
    assert new["_id"] == replaced(sandbox, old)["_id"]
    assert times[0] >= 1


def test_what_was_reserved_at_the_last_moment_is_written_all_the_same(
    sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch, old: Document
) -> None:
    time_is_up_once_reserved(monkeypatch)
    changed(old)
    assert [order["status"] for order in public()] == ["cancelled", "pending"]
    finished()
    replaced(sandbox, old)


def test_stock_that_is_known_to_be_reserved_is_given_back_where_both_cannot_be_written(
    sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch, old: Document
) -> None:
    time_is_up_once_reserved(monkeypatch)
    with orders().database.client.start_session() as other:
        other.start_transaction()
        orders().update_one({"_id": old["_id"]}, {"$set": {"note": "under way"}}, session=other)
        with pytest.raises(DatabaseError):
            changed(old)
        other.abort_transaction()
    finished()
    [draft] = orders().find({"_id": {"$ne": old["_id"]}})
    assert (draft["status"], states(draft)) == ("rejected", ["released", "released"])
    untouched(sandbox, old)


def time_is_up_once_reserved(monkeypatch: pytest.MonkeyPatch) -> None:
    real = reservation.call_inventory

    def late(claim: Claim, *, deadline: Deadline, **options: Any) -> Any:
        outcomes = real(claim, deadline=deadline, **options)
        object.__setattr__(deadline, "at", 0.0)
        return outcomes

    monkeypatch.setattr(reservation, "call_inventory", late)


def test_several_orders_change_together_or_not_at_all() -> None:
    one, other = store("pending", line("reserved"), due=None), store("pending", line("reserved"), due=None)

    def mark(order_id: ObjectId, version: int) -> Document:
        return {order_id: {"guard": {"version": version}, "fields": {"note": "together"}}}

    assert write_together(mark(one, 1) | mark(other, 2), write_id="a" * 32) is None
    assert [read(order_id).get("note") for order_id in (one, other)] == [None, None]
    written = write_together(mark(one, 1) | mark(other, 1), write_id="b" * 32)
    assert written is not None
    assert [order["note"] for order in written] == ["together", "together"]


def test_a_replacement_of_nothing_is_refused(sandbox: Sandbox) -> None:
    with pytest.raises(OrderNotFound):
        changed({"_id": ObjectId(), "version": 1})
    assert orders().count_documents({}) == 0
