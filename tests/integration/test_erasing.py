"""Personal data erased through the service: what goes, what stays, which orders have to wait, and who meets whom."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from typing import Any

import pytest
from bson import Decimal128, ObjectId
from django.db import DatabaseError
from django.utils import timezone
from pymongo.database import Database
from pytest_django import Settings

from integrations.sandbox import Sandbox
from orders.models import Address, Contact, Order, Status
from orders.services import access, search_index
from orders.services.access import NotPermitted, OrderNotFound
from orders.services.lifecycle.drafts import Details
from orders.services.lifecycle.editing import AddressFixed, change_address, may_change_address, write_note
from orders.services.lifecycle.erasing import NothingToErase, OrderUnfinished, erase_order, is_finished
from orders.services.lifecycle.erasing_many import (
    Customer,
    Erasure,
    customer_typed,
    erase_customer,
    erase_named,
    erase_old,
    erased_orders,
    plan_erasure,
    retention_reason,
)
from orders.services.lifecycle.late_verification import verify_user
from orders.services.lifecycle.transitions import change_status
from orders.services.lifecycle.versions import OrderBusy, StaleOrder
from orders.services.search_terms import terms_of
from orders.storage import order_reads, personal_data
from orders.storage.order_query import OrderKeys
from orders.storage.order_writes import orders
from tests.integration.builders import (
    WORKER,
    Document,
    act,
    answer_lost,
    line,
    now,
    place,
    read,
    sent_twice,
    small_sandbox,  # noqa: F401
    store,
)
from tests.order_invariants import violations_of

OPEN = ("placing", "pending", "paid", "processing")
FINISHED = sorted(set(Status.values) - set(OPEN))
STAFF = access.Actor(access.Kind.STAFF, "maria", "admin", access.every_permission(), "r-1")
PERSON = (
    *("Okafor", "amara@", "0049 3", "Elmstreet", "Rearbuilding", "Sylvania", "Billingroad", "ringtwice", "giftcard"),
    *("Oldstreet", "customersreason", "staffsreason", "staffsnote", "D-98765"),
    *("parcel-0034", "track.example", "pay-ref-1", "back-ref-2", "heldbackreason", "returnreason", "trackedbefore"),
    "snoozedreason",
)
"""A word of each thing that is to go."""


AT = now()
PARCEL = {"at": AT, "carrier": "DHL", "tracking_number": "", "tracking_url": ""}
PAYMENT = {"at": AT, "amount": Decimal128("29.80"), "reference": "", "method": "card"}
REFUND = {"at": AT, "amount": Decimal128("5.00"), "reference": "", "code": "other"}
HOLD = {"code": "fraud", "reason": "", "actor": "staff:maria"}
SNOOZED = {"until": AT, "reason": "", "actor": "staff:maria", "alerts": ["money"]}
SNOOZED |= {"status": "cancelled", "stock": ["released"], "owed": Decimal128("24.80")}
"""What stays of each."""


def whole(status: str = "cancelled", **fields: Any) -> ObjectId:
    """An order with personal data in every place that there is."""
    history = [
        told("draft", "", "placing"),
        told("place", "placing", "pending"),
        told(
            "change_address", actor="staff:maria", reason="staffsreason", detail="Oldstreet 1, D-98765 Oldtown, France"
        ),
        told("note", actor="staff:maria", reason="staffsnote: Mrs Okafor called"),
        told("ship_part", actor="staff:maria", detail="2 × Skillet"),
        told("track", actor="staff:maria", detail="Shipment 1: trackedbefore"),
        told("hold", actor="staff:maria", reason="heldbackreason", code="fraud"),
        told("open_return", actor="staff:maria", reason="returnreason", code="customer", detail="2 × Skillet"),
        told("refund_part", actor="staff:maria", detail="5.00 back-ref-2", code="other"),
        told("cancel", "pending", "cancelled", reason="customersreason"),
    ]
    address = {"name": "Amara Okafor", "line1": "Elmstreet 2", "line2": "Rearbuilding", "city": "Sylvania"}
    address |= {"postal_code": "D-98765", "country": "France", "phone": "0049 31", "state": "Oldstreet"}
    kept = {"paid": Decimal128("29.80"), "refunded": Decimal128("5.00"), "owed": Decimal128("24.80")}
    kept |= {
        "held_at": now(),
        "reference": "SHOP-1",
        "currency": "EUR",
        "paid_at": now(),
        "status_since": now() - timedelta(days=9),
    }
    personal = {
        "contact": {"name": "Amara Okafor", "email": "amara@example.com", "phone": "0049 32"},
        "shipping_address": address,
        "billing_address": address | {"line1": "Billingroad 3", "company": "Okafor Ltd"},
        "note": "ringtwice",
        "metadata": {"giftcard": "for Okafor"},
        "shipments": [{**PARCEL, "tracking_number": "parcel-0034", "tracking_url": "https://track.example/0034"}],
        "payments": [{**PAYMENT, "reference": "pay-ref-1"}],
        "refunds": [{**REFUND, "reference": "back-ref-2"}],
        "hold": {**HOLD, "reason": "heldbackreason"},
        "snoozed": {**SNOOZED, "reason": "snoozedreason"},
        "terms": ["okafor", "amara@example.com", "pay-ref-1"],
        "history": history,
        "version": len(history) - 1,
    }
    items = fields.pop("items", [line("released") | {"name": "Skillet"}])
    return store(status, *items, due=None, **kept | personal | fields)


def told(name: str, source: str = "", target: str = "", **more: Any) -> Document:
    entry = {"at": now(), "act": name, "from": source, "to": target, "actor": "customer:1", "via": "api"}
    return entry | {"reason": "", "request_id": "r-9", "write_id": "w"} | more


def erased(order_id: ObjectId, actor: access.Actor = STAFF, reason: str = "Request 4711") -> Document:
    return erase_order(order_id=order_id, act=act(actor, reason))


def words_in(*documents: Any) -> list[str]:
    return [word for word in PERSON if word.lower() in repr(documents).lower()]


# --- one order -------------------------------------------------------------------------------------------------------


def test_personal_data_goes_and_money_goods_stock_and_history_stay(database: object) -> None:
    order_id = whole()
    before = read(order_id)
    assert words_in(before) == list(PERSON), "the test looks for what is there"
    after = erased(order_id)
    assert after == read(order_id)
    assert words_in(after) == []
    assert before.keys() - after.keys() == {"contact", "billing_address", "note", "metadata"}
    changed = {"shipping_address", "terms", "history", "version", "updated_at", "write_id"}
    changed |= {"shipments", "payments", "refunds", "hold", "snoozed"}
    parts = (after["shipments"], after["payments"], after["refunds"], after["hold"], after["snoozed"])
    assert parts == ([PARCEL], [PAYMENT], [REFUND], HOLD, SNOOZED), "amounts, dates, carrier and code stay"
    assert {name for name in after if after[name] != before.get(name)} == changed | {
        "erased_at",
        "terms",
        "untold_at",
        "told",
    }
    assert {name: value for name, value in after["shipping_address"].items() if value} == {"country": "France"}
    assert (after["version"], after["status"]) == (before["version"] + 1, "cancelled")
    assert after["updated_at"] == after["erased_at"] > before["updated_at"]
    *earlier, entry = after["history"]
    for now_told, then in zip(earlier, before["history"], strict=True):
        texts = {"reason"} if then["act"] in ("ship_part", "open_return") else {"reason", "detail"}
        assert now_told == {name: value for name, value in then.items() if name not in texts} | {"reason": ""}
    assert (entry["act"], entry["from"], entry["to"]) == ("erase", "", "")
    assert (entry["actor"], entry["reason"], entry["write_id"]) == ("staff:maria", "Request 4711", after["write_id"])
    assert violations_of(after) == []
    order = Order.objects.get(pk=order_id)
    assert (str(order.contact), order.billing_address, order.note, order.metadata) == ("", None, "", {})
    assert str(order.shipping_address) == "France"


@pytest.mark.parametrize(
    ("entry", "stays"),
    [
        (told("cancel", reason="words"), False),
        (told("refund", actor="staff:maria", reason="words"), False),
        (told("cancel", actor="admin:shop", reason="words"), False),
        (told("note", actor="system:import", reason="words"), False),
        (told("verify_user", actor="staff:maria", detail="words"), False),
        (told("cancel", actor="system:settle_stock", reason="words"), True),
        (told("resolve", actor="staff:maria", line=0, reason="words"), True),
        (told("accept_shortage", actor="staff:maria", line=0, reason="words", detail="words"), True),
        (told("import", actor="system:root", detail="words"), True),
        (told("erase", actor="staff:maria", reason="words"), True),
    ],
)
def test_of_the_history_go_the_texts_that_people_wrote_about_a_person(
    database: object, entry: Document, stays: bool
) -> None:
    after = erased(whole(history=[entry]))
    assert ("words" in repr(after["history"])) == stays
    if stays:
        assert after["history"][0] == entry


@pytest.mark.parametrize(
    "said",
    [
        {"shipments": [{**PARCEL, "tracking_number": "parcel-0034"}]},
        {"shipments": [PARCEL, {**PARCEL, "tracking_url": "https://track.example/"}]},
        {"payments": [{**PAYMENT, "reference": "pay-ref-1"}]},
        {"refunds": [{**REFUND, "reference": "back-ref-2"}]},
        {"hold": {**HOLD, "reason": "heldbackreason"}},
        {"snoozed": {**SNOOZED, "reason": "snoozedreason"}},
    ],
)
def test_what_is_said_of_parcels_and_money_after_an_erasure_is_erased_by_another(
    database: object, said: Document
) -> None:
    order_id = whole()
    after = erased(order_id)
    with pytest.raises(NothingToErase):
        erased(order_id)
    orders().update_one({"_id": order_id}, {"$set": said})
    assert words_in(read(order_id)) != []
    assert words_in(erased(order_id)) == []
    assert read(order_id)["version"] == after["version"] + 1


@pytest.mark.parametrize("status", FINISHED)
def test_an_order_that_has_left_or_was_called_off_is_erased(database: object, status: str) -> None:
    order_id = whole(status)
    assert is_finished(status)
    assert not may_change_address(status)
    assert words_in(erased(order_id)) == []
    with pytest.raises(AddressFixed):
        moved(order_id, read(order_id)["version"])
    assert words_in(read(order_id)) == []


@pytest.mark.parametrize("status", OPEN)
def test_an_order_that_is_still_to_be_shipped_keeps_its_address(database: object, status: str) -> None:
    order_id = whole(status)
    before = read(order_id)
    assert not is_finished(status)
    with pytest.raises(OrderUnfinished, match=f"is {status}: its address is needed"):
        erased(order_id)
    assert read(order_id) == before


@pytest.mark.parametrize("state", ["reserving", "releasing", "unknown"])
def test_an_order_whose_stock_is_owed_has_to_wait(database: object, state: str) -> None:
    order_id = whole(items=[line("released"), line(state, call="release")])
    before = read(order_id)
    with pytest.raises(OrderUnfinished, match="still has stock to be settled"):
        erased(order_id)
    assert read(order_id) == before


def test_an_order_that_is_due_has_to_wait(database: object) -> None:
    order_id = whole(stock_due_at=now())
    with pytest.raises(OrderUnfinished):
        erased(order_id)
    assert words_in(read(order_id)) == list(PERSON)


def test_erasing_again_changes_nothing_unless_somebody_wrote_something_since(database: object) -> None:
    order_id = whole()
    before = erased(order_id)
    with pytest.raises(NothingToErase):
        erased(order_id)
    assert read(order_id) == before
    write_note(order_id=order_id, text="staffsnote: Okafor wants her refund", act=act())
    after = erased(order_id)
    assert words_in(after) == []
    assert [entry["act"] for entry in after["history"][-3:]] == ["erase", "note", "erase"]
    assert violations_of(after) == []


def test_an_erased_order_that_was_imported_is_not_erased_again(database: object) -> None:
    """The import leaves out fields of the address that a file says nothing of."""
    order_id = whole()
    erased(order_id)
    address = {"line1": "", "line2": "", "city": "", "state": "", "postal_code": "", "country": "France"}
    orders().update_one({"_id": order_id}, {"$set": {"shipping_address": address}})
    before = read(order_id)
    assert plan_erasure(customer=Customer("1"), act=act()) == Erasure(already=1)
    with pytest.raises(NothingToErase):
        erased(order_id)
    assert read(order_id) == before


def test_a_user_id_that_is_an_e_mail_address_gets_a_pseudonym_the_same_for_all_orders(database: object) -> None:
    mail = "amara@example.com"
    by_them, by_staff = told("draft", actor=f"customer:{mail}"), told("pay", actor="staff:maria")
    first, second, other = (
        erased(whole(user_id=user_id, history=[by_them, by_staff])) for user_id in (mail, mail, "tom@example.com")
    )
    assert words_in(first, second) == []
    assert first["user_id"] == second["user_id"] != other["user_id"]
    assert first["user_id"].startswith("erased-")
    actors = [entry["actor"] for entry in first["history"]]
    assert actors == [f"customer:{first['user_id']}", "staff:maria", "staff:maria"]
    with pytest.raises(NothingToErase):
        erased(first["_id"])
    assert erased(whole(user_id="auth0|8"))["user_id"] == "auth0|8"


def test_an_order_of_before_there_were_contacts_is_erased(database: object) -> None:
    order_id = store("delivered", line("used"), due=None)
    after = erased(order_id)
    assert "Long Street" not in repr(after)
    assert after["shipping_address"]["country"] == "X"


def test_whoever_may_not_erases_nothing(database: object) -> None:
    order_id = whole()
    before = read(order_id)
    everything_else = access.every_permission() - {access.ERASE}
    for actor in (access.customer("1"), access.Actor(access.Kind.STAFF, "tom", "admin", everything_else)):
        with pytest.raises(NotPermitted, match="You may not erase personal data"):
            erased(order_id, actor)
        for whose in ({"customer": Customer("1")}, {"keys": OrderKeys([order_id])}):
            with pytest.raises(NotPermitted):
                (erase_customer if "customer" in whose else erase_named)(**whose, act=act(actor))  # type: ignore[operator]
        with pytest.raises(NotPermitted):
            plan_erasure(customer=Customer("1"), act=act(actor))
        with pytest.raises(NotPermitted):
            erased_orders(act=act(actor))
    with pytest.raises(OrderNotFound):
        erased(order_id, access.Actor(access.Kind.STAFF, "tom", "admin", frozenset({access.ERASE})))
    with pytest.raises(OrderNotFound):
        erased(ObjectId())
    assert read(order_id) == before


def test_nothing_is_left_of_a_real_order_in_any_collection(
    sandbox: Sandbox, database: Database[Document], settings: Settings
) -> None:
    sandbox.control.put_user(1, email="amara@example.com", full_name="Amara Okafor")
    street = Address(line1="Billingroad 1", city="Sylvania", postal_code="D-98765", country="France", phone="0049 30 1")
    details = Details(
        contact=Contact(phone="0049 30 2"), note="ringtwice", metadata={"giftcard": "Okafor"}, billing_address=street,
    )  # fmt: skip
    customer = access.customer("1")
    order_id = place(actor=customer, idempotency_key="k", details=details).order["_id"]
    moved(order_id, 1)
    write_note(order_id=order_id, text="staffsnote on Okafor", act=act())
    change_status(order_id=order_id, transition="cancel", act=act(customer, "customersreason"))
    dump = [list(database[name].find()) for name in database.list_collection_names() if name != "system.profile"]
    looked_for = {"Okafor", "amara@", "0049 3", "Billingroad", "ringtwice", "giftcard", "Elmstreet", "staffsnote"}
    assert looked_for <= set(words_in(dump))
    assert words_in(erased(order_id)) == []
    dump = [list(database[name].find()) for name in database.list_collection_names() if name != "system.profile"]
    assert words_in(dump) == []
    assert "Long Street" not in repr(dump)
    assert violations_of(read(order_id)) == []


# --- who meets whom --------------------------------------------------------------------------------------------------


def moved(order_id: ObjectId, version: int) -> Document:
    to = Address(line1="Elmstreet 2", city="Sylvania", postal_code="D-98765", country="France")
    return change_address(order_id=order_id, address=to, act=act(), expected_version=version)


def between(monkeypatch: pytest.MonkeyPatch, what: Callable[[], Any]) -> None:
    """Let something happen between the first reading of an order to be erased and its writing."""
    real = order_reads.get_whole

    def overtaken(order_id: ObjectId) -> Document | None:
        found = real(order_id)
        monkeypatch.setattr(order_reads, "get_whole", real)
        what()
        return found

    monkeypatch.setattr(order_reads, "get_whole", overtaken)


def test_of_eight_who_erase_at_once_one_does(database: object) -> None:
    order_id = whole()

    def attempt(_: int) -> int:
        try:
            erased(order_id)
        except NothingToErase:
            return 0
        return 1

    with ThreadPoolExecutor(8) as threads:
        assert sum(threads.map(attempt, range(8))) == 1
    after = read(order_id)
    assert [entry["act"] for entry in after["history"]].count("erase") == 1
    assert violations_of(after) == []


def test_a_note_that_is_written_meanwhile_is_erased_too(database: object, monkeypatch: pytest.MonkeyPatch) -> None:
    order_id = whole()
    between(monkeypatch, lambda: write_note(order_id=order_id, text="staffsnote on Okafor", act=act()))
    after = erased(order_id)
    assert words_in(after) == []
    assert [entry["act"] for entry in after["history"][-2:]] == ["note", "erase"]
    assert violations_of(after) == []


def test_an_outcome_of_stock_that_arrives_meanwhile_is_not_lost(
    database: object, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Outcomes are written at any version."""
    order_id = whole()
    outcome = told("stock", "releasing", "released", line=0, actor="system:settle_stock")
    between(monkeypatch, lambda: orders().update_one({"_id": order_id}, {"$push": {"history": outcome}}))
    after = erased(order_id)
    assert words_in(after) == []
    assert [entry["act"] for entry in after["history"][-2:]] == ["stock", "erase"]


def test_whoever_edits_the_address_of_an_order_that_is_cancelled_and_erased_meanwhile_brings_nothing_back(
    database: object, monkeypatch: pytest.MonkeyPatch
) -> None:
    order_id = store("pending", line("none"), due=None)
    real = order_reads.get_addressed

    def overtaken(asked: ObjectId) -> Order | None:
        found = real(asked)
        monkeypatch.setattr(order_reads, "get_addressed", real)
        change_status(order_id=order_id, transition="cancel", act=act())
        erased(order_id)
        return found

    monkeypatch.setattr(order_reads, "get_addressed", overtaken)
    with pytest.raises(StaleOrder):
        moved(order_id, 1)
    after = read(order_id)
    assert words_in(after) == []
    assert violations_of(after) == []


def test_words_that_were_made_of_an_order_before_it_was_erased_are_not_written_afterwards(
    database: object, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As its terms lacked the name so far, they are the same before the erasure and after it."""
    order_id = whole()
    bare = terms_of({name: read(order_id)[name] for name in ("number", "user_id", "reference", "items")})
    orders().update_one({"_id": order_id}, {"$set": {"terms": bare}})
    real = search_index.save_terms

    def overtaken(wanted: Any) -> int:
        erased(order_id)
        return real(wanted)

    monkeypatch.setattr(search_index, "save_terms", overtaken)
    assert search_index.index_these([order_id]) == 0
    assert read(order_id)["terms"] == bare
    assert words_in(read(order_id)) == []


def test_a_customer_who_is_verified_after_all_does_not_get_back_into_an_erased_order(sandbox: Sandbox) -> None:
    order_id = whole(user_verified=False)
    terms = erased(order_id)["terms"]
    after = verify_user(order_id=order_id, act=act())
    assert (after["user_verified"], after["terms"]) == (True, terms)
    assert "contact" not in after
    assert words_in(after) == []
    assert violations_of(after) == []


def test_an_erasure_of_an_order_whose_address_is_edited_meanwhile_waits_for_the_order(
    database: object, monkeypatch: pytest.MonkeyPatch
) -> None:
    order_id = store("pending", line("reserved"), due=None)
    between(monkeypatch, lambda: moved(order_id, 1))
    with pytest.raises(OrderUnfinished):
        erased(order_id)
    assert read(order_id)["shipping_address"]["line1"] == "Elmstreet 2"


def test_an_order_that_is_erased_goes_on_its_way(sandbox: Sandbox) -> None:
    order_id = place().order["_id"]
    for name in ("pay", "start_processing", "ship"):
        change_status(order_id=order_id, transition=name, act=act())
    erased(order_id)
    for name in ("deliver", "refund"):
        assert violations_of(change_status(order_id=order_id, transition=name, act=act())) == []


def test_an_erasure_that_is_sent_twice_happens_once(database: object, monkeypatch: pytest.MonkeyPatch) -> None:
    order_id = whole()
    sent_twice(monkeypatch)
    written = erased(order_id)
    assert [entry["act"] for entry in written["history"]].count("erase") == 1
    assert read(order_id) == written


@pytest.mark.parametrize("happened", [True, False])
def test_an_erasure_without_an_answer_is_told_as_such_and_can_be_repeated(
    database: object, monkeypatch: pytest.MonkeyPatch, happened: bool
) -> None:
    order_id = whole()
    answer_lost(monkeypatch, written=happened)
    with pytest.raises(DatabaseError):
        erase_customer(customer=Customer("1"), act=act())
    assert (words_in(read(order_id)) == []) == happened
    assert erase_customer(customer=Customer("1"), act=act()) == Erasure(erased=not happened, already=happened)


def test_who_is_always_overtaken_is_told_to_come_back(database: object, monkeypatch: pytest.MonkeyPatch) -> None:
    order_id = whole()
    before = read(order_id)
    monkeypatch.setattr(personal_data, "guarded_write", lambda *_, **__: None)
    with pytest.raises(OrderBusy):
        erased(order_id)
    done = erase_customer(customer=Customer("1"), act=act())
    assert (done.erased, len(done.waiting)) == (0, 1)
    assert read(order_id) == before


# --- all orders of a customer ----------------------------------------------------------------------------------------


def test_all_finished_orders_of_a_customer_are_erased_and_nobody_elses(database: object) -> None:
    done = [whole(status) for status in FINISHED]
    still = whole("paid", shipments=[], number="1111-1111-1111")
    owed = whole(items=[line("unknown", call="release")], number="2222-2222-2222")
    others = {order_id: read(order_id) for order_id in (whole(user_id="11"), whole(user_id="2"), still, owed)}
    again = whole()
    erased(again)
    plan = plan_erasure(customer=Customer("1"), act=act())
    assert {order_id: read(order_id) for order_id in others} == others
    found = erase_customer(customer=Customer("1"), act=act())
    assert plan == found
    assert (found.erased, found.already, found.total) == (len(done), 1, len(done) + 3)
    assert [("1111" in reason, "2222" in reason) for reason in found.waiting] == [(True, False), (False, True)]
    assert words_in(*map(read, done)) == []
    assert {order_id: read(order_id) for order_id in others} == others
    change_status(order_id=still, transition="cancel", act=act())
    assert erase_customer(customer=Customer("1"), act=act()).erased == 1, "it has to wait no longer"


def test_by_an_e_mail_address_in_any_case_the_orders_with_that_contact_are_erased(database: object) -> None:
    contact = {"name": "", "phone": ""}
    guest = whole(user_id="77", contact=contact | {"email": "Amara@Example.com"})
    exact = whole(user_id="78")
    by_id = whole(user_id="amara@example.com", contact=contact | {"email": ""})
    of_capitals = whole(user_id="AMARA@example.com")
    others = [
        whole(user_id="79", contact=contact | {"email": email})
        for email in ("amara@example.co", "xamara@example.com", "", "àmara@example.com")
    ]
    found = erase_customer(customer=customer_typed(" amara@example.com "), act=act())
    assert (found.erased, found.total) == (4, 4)
    assert all("erased_at" in read(order_id) for order_id in (guest, exact, by_id, of_capitals))
    assert not any("erased_at" in read(order_id) for order_id in others)


@pytest.mark.parametrize(
    ("typed", "meant"),
    [
        ("8", Customer("8")),
        (" 0008 ", Customer("8")),
        ("auth0|5f7c", Customer("auth0|5f7c")),
        ("amara@example.com", Customer("amara@example.com", "amara@example.com")),
        (f"{'a' * 60}@{'b' * 60}.{'c' * 60}.com", Customer(None, f"{'a' * 60}@{'b' * 60}.{'c' * 60}.com")),
    ],
)
def test_a_customer_is_named_by_user_id_or_e_mail_address(typed: str, meant: Customer) -> None:
    assert customer_typed(typed) == meant


def test_an_erasure_that_is_stopped_goes_on_where_it_was(database: object, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(personal_data, "BATCH", 2)
    made = [whole(user_id="77") for _ in range(7)]
    told_of: list[int] = []
    mail = Customer(email="amara@example.com")
    first = erase_customer(customer=mail, act=act(), stopping=lambda: len(told_of) == 3, progress=told_of.append)
    assert (first.erased, told_of) == (3, [1, 1, 1])
    second = erase_customer(customer=Customer("77"), act=act(), limit=4)
    assert (second.erased, second.already) == (1, 3)
    third = erase_customer(customer=mail, act=act())
    assert (third.erased, third.already) == (3, 0), "an erased order has no e-mail address to be found by"
    assert words_in(*map(read, made)) == []
    assert erase_customer(customer=mail, act=act()) == Erasure()


def test_orders_can_be_named_and_what_a_backup_brought_back_is_erased_again(
    database: Database[Document], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(personal_data, "BATCH", 2)
    made = [whole(user_id=str(user)) for user in range(5)]
    backup = list(orders().find())
    moment = timezone.now()
    for order_id in made:  # all at one moment
        erase_order(order_id=order_id, act=access_at(moment))
    kept = whole(user_id="6")
    listed = list(erased_orders(act=act()))
    assert listed == made
    orders().delete_many({"_id": {"$in": made[1:]}})
    orders().insert_many(backup[1:-1])
    found = erase_named(keys=OrderKeys([*listed, "9999-9999-9999"]), act=act())
    assert (found.erased, found.already, found.missing) == (3, 1, 2)
    assert words_in(*map(read, made[:-1])) == []
    assert words_in(read(kept)) == list(PERSON)


def access_at(moment: Any) -> Any:
    return act(STAFF).__class__(STAFF, moment, "")


# --- when it was kept long enough ------------------------------------------------------------------------------------


def aged(status: str, days: float, *, since: float | None = None, **fields: Any) -> ObjectId:
    at = now() - timedelta(days=days)
    return whole(status, **{"created_at": at, "status_since": now() - timedelta(days=since or days)} | fields)


def test_what_was_kept_long_enough_is_erased_and_nothing_younger_or_open(database: object, settings: Settings) -> None:
    settings.PERSONAL_DATA_DAYS = 30
    old = [aged(status, 31) for status in FINISHED]
    dateless = aged("delivered", 31)
    orders().update_one({"_id": dateless}, {"$unset": {"status_since": 1}})
    waiting = [
        *(aged(status, 400) for status in OPEN),
        aged("delivered", 29),
        aged("refunded", 400, since=29),
        aged("cancelled", 400, items=[line("unknown", call="release")]),
        aged("cancelled", 400, items=[line("releasing", call="release")], stock_due_at=now()),
    ]
    done = erase_old(act=act(WORKER, retention_reason()), limit=100)
    assert done == Erasure(erased=len(old) + 1)
    assert words_in(*map(read, [*old, dateless])) == []
    assert all(words_in(read(order_id)) == list(PERSON) for order_id in waiting)
    entry = read(old[0])["history"][-1]
    assert (entry["actor"], entry["reason"]) == ("system:settle_stock", "Kept for 30 days.")


def test_retention_goes_on_where_it_stopped_and_those_that_wait_hold_up_nobody(
    database: object, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(personal_data, "BATCH", 2)
    settings.PERSONAL_DATA_DAYS = 30
    for _ in range(5):
        aged("cancelled", 400, items=[line("unknown", call="release")])
    old = [aged("delivered", 100) for _ in range(5)]
    assert [erase_old(act=act(WORKER), limit=3).erased for _ in range(3)] == [3, 2, 0]
    assert words_in(*map(read, old)) == []


# --- how they are found ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("find", "index"),
    [
        (lambda: list(personal_data.orders_of(Customer("7"))), "user_newest"),
        (lambda: list(personal_data.orders_of(Customer(email="B7@example.com"))), "contact_email"),
        (lambda: list(personal_data.erasable(now() - timedelta(days=50))), "erasable"),
        (lambda: list(personal_data.erased()), "erased"),
    ],
)
def test_orders_are_found_by_an_index(database: Database[Document], find: Callable[[], list[Any]], index: str) -> None:
    for number in range(120):
        user, at = str(number % 20), now() - timedelta(number)
        contact = {"email": f"b{user}@example.com"}
        whole("delivered", user_id=user, contact=contact, created_at=at, status_since=at)
    for order_id in [order["_id"] for order in orders().find({"user_id": "3"})]:
        erased(order_id)
    database.command("profile", 2)
    try:
        found = find()
    finally:
        database.command("profile", 0)
    told = list(database["system.profile"].find({"ns": f"{database.name}.orders"}))
    database.drop_collection("system.profile")
    assert len(found) >= 6
    assert told
    for plan in told:
        assert plan["planSummary"].startswith("IXSCAN"), plan["planSummary"]
        assert plan["command"].get("hint") == index
        assert plan["docsExamined"] <= len(found)
        assert not plan.get("hasSortStage")
