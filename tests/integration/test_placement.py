"""Placing an order through the service: what is kept, what is undone, and what a crash at any step leaves behind."""

import threading
import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from decimal import Decimal
from typing import Any

import pytest
from bson import Decimal128, ObjectId
from django.db import DatabaseError
from pytest_django import Settings

from integrations import Deadline, PeerUnavailable, inventory
from integrations.sandbox import Sandbox
from orders.models import Contact, Item
from orders.services import access
from orders.services.identifiers import new_number
from orders.services.lifecycle import placement, reservation, transitions
from orders.services.lifecycle.idempotency_keys import KeyInUse, KeyReused, Ticket, give_back
from orders.services.lifecycle.placement import (
    Details,
    InvalidOrder,
    PlacementInterrupted,
    TooManyOpenOrders,
    place_order,
)
from orders.services.lifecycle.verification import InsufficientStock, PriceChanged, UnknownProduct, UnknownUser
from orders.services.stock.worker import settle_due
from orders.services.text_rules import ADDRESS_FIELDS
from orders.storage import placement_keys
from orders.storage.order_writes import orders
from tests.integration.builders import (
    ADMIN,
    PRICES,
    WORKER,
    A,
    B,
    C,
    act,
    address,
    answer_lost,
    asked,
    due_now,
    line,
    lines,
    now,
    place,
    read,
    sent_twice,
    shelve,
    small_sandbox,  # noqa: F401
    states,
    stock_of,
    store,
)

DEAD = "http://127.0.0.1:9/api/v1"
FAILURES = [
    pytest.param("status", {"status": 500}, id="answers-500"),
    pytest.param("status", {"status": 503, "retry_after": 7}, id="answers-503"),
    pytest.param("stall_before", {"seconds": 30}, id="is-slow"),
    pytest.param("drop_before", {}, id="hangs-up"),
    pytest.param("garbage", {}, id="answers-garbage"),
    pytest.param("wrong", {}, id="answers-another-shape"),
]
"""How a peer may fail."""
SAID = {"name": "Amara Okafor", "email": "amara@example.com", "phone": "555"}
"""What a contact may say."""
FINGERPRINT_OF_OLD = "a1904e6832b98c461dec2fa404181c3f39019f2be4c5cb4dab90f7e04c62a93d"
"""What the version that knew no contact, currency and so on made of two units of A for customer 1."""


def only_order() -> dict[str, Any]:
    [order] = orders().find({})
    return order


def nothing_kept(sandbox: Sandbox) -> None:
    assert orders().count_documents({}) == 0
    assert asked(sandbox) == []
    assert placement_keys.keys().count_documents({"fingerprint": {"$exists": True}}) == 0


# --- placed ----------------------------------------------------------------------------------------------------------


def test_an_order_is_placed_with_every_line_reserved_and_nothing_owed(sandbox: Sandbox) -> None:
    shelve(sandbox, A)
    shelve(sandbox, B)
    placed = place((A, 2), (B, 3)).order
    assert placed == read(placed["_id"])
    assert (placed["status"], placed["version"], placed["user_verified"]) == ("pending", 1, True)
    assert states(placed) == ["reserved", "reserved"]
    assert [entry["act"] for entry in placed["history"]] == ["draft", "place"]
    assert placed["total_price"] == Decimal128("176.80")
    assert placed["placed_at"] == placed["created_at"]
    assert "stock_due_at" not in placed
    assert (stock_of(sandbox, A), stock_of(sandbox, B)) == ((8, 2), (7, 3))


def test_the_history_says_who_placed_it_how_and_for_which_request(sandbox: Sandbox) -> None:
    customer = access.customer("1", request_id="r-1")
    entries = place(actor=customer).order["history"]
    assert {(entry["actor"], entry["via"], entry["request_id"]) for entry in entries} == {("customer:1", "api", "r-1")}


def test_lines_of_one_product_are_seen_as_one_however_it_is_spelt(sandbox: Sandbox) -> None:
    shelve(sandbox, available=3)
    items = lines((A, 2), (A, 2))
    items[1].product_id = A.upper()
    with pytest.raises(InsufficientStock) as refused:
        place_order(user_id="1", items=items, shipping_address=address(), act=act())
    assert set(refused.value.members["errors"]) == {"items.0.quantity", "items.1.quantity"}
    assert [call["quantity"] for call in sandbox.control.calls("check")] == [4]
    nothing_kept(sandbox)


def test_numbers_are_readable_and_do_not_repeat() -> None:
    numbers = {new_number() for _ in range(2000)}
    assert len(numbers) == 2000
    assert {len(number) for number in numbers} == {14}
    assert not set("".join(numbers)) & set("ILOU")


def test_no_more_is_placed_than_there_is(sandbox: Sandbox, settings: Settings) -> None:
    settings.REQUEST_DEADLINE, settings.PEER_READ_TIMEOUT = 20, 5
    settings.INVENTORY_WRITE_TIMEOUT = settings.PEER_READ_TIMEOUT
    shelve(sandbox, available=10)

    def one(_: int) -> str:
        try:
            return str(place((A, 1)).order["status"])
        except InsufficientStock as error:
            return error.code

    with ThreadPoolExecutor(8) as threads:
        results = Counter(threads.map(one, range(30)))
    assert results == {"pending": 10, "insufficient_stock": 20}
    assert stock_of(sandbox) == (0, 10)
    assert orders().count_documents({"stock_due_at": {"$exists": True}}) == 0


# --- refused before anybody is asked ---------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("items", "named"),
    [
        ([], "items"),
        ([Item(product_id=A, quantity=0, price=Decimal("14.90"))], "items.0.quantity"),
        ([Item(product_id=A, quantity=-1, price=Decimal("14.90"))], "items.0.quantity"),
        ([Item(product_id=A, quantity=10_001, price=Decimal("14.90"))], "items.0.quantity"),
        ([Item(product_id=A, quantity=1, price=Decimal("0.00"))], "items.0.price"),
        ([Item(product_id=A, quantity=1, price=Decimal("0.004"))], "items.0.price"),
        ([Item(product_id="", quantity=1, price=Decimal("14.90"))], "items.0.product_id"),
        ([Item(product_id="İ" * 24, quantity=1, price=Decimal("14.90"))], "items.0.product_id"),
        ([Item(product_id=A, quantity=10_000, price=Decimal("99999999.99"))], "items"),
    ],
    ids=["no lines", "none", "minus one", "too many", "free", "next to free", "no product", "no id", "too dear"],
)
def test_what_breaks_a_rule_of_ours_asks_nobody(sandbox: Sandbox, items: list[Item], named: str) -> None:
    with pytest.raises(InvalidOrder) as refused:
        place_order(user_id="1", items=items, shipping_address=address(), act=act(), idempotency_key="k")
    assert named in refused.value.members["errors"]
    assert sandbox.control.calls() == []
    nothing_kept(sandbox)


def test_more_lines_than_allowed_are_refused(sandbox: Sandbox, settings: Settings) -> None:
    settings.MAX_ORDER_LINES = 2
    with pytest.raises(InvalidOrder):
        place((A, 1), (A, 1), (A, 1))
    assert sandbox.control.calls() == []


@pytest.mark.parametrize("field", ["line1", "city", "country"])
def test_an_address_without_what_it_needs_is_refused(sandbox: Sandbox, field: str) -> None:
    with pytest.raises(InvalidOrder) as refused:
        place_order(user_id="1", items=lines((A, 1)), shipping_address=address(**{field: ""}), act=act())
    assert set(refused.value.members["errors"]) == {f"shipping_address.{field}"}
    nothing_kept(sandbox)


def test_an_order_in_anothers_name_is_refused(sandbox: Sandbox) -> None:
    with pytest.raises(access.NotPermitted):
        place(actor=access.customer("2"), user_id="1")
    assert sandbox.control.calls() == []


# --- a customer's unpaid orders --------------------------------------------------------------------------------------

CUSTOMER = access.customer("1")


@pytest.fixture
def limit(settings: Settings) -> int:
    settings.MAX_OPEN_ORDERS_PER_USER = 3
    return 3


@pytest.mark.parametrize("status", ["pending", "placing"])
def test_a_customer_with_too_many_unpaid_orders_places_no_more_and_asks_nobody(
    sandbox: Sandbox, limit: int, status: str
) -> None:
    for _ in range(limit):
        store(status, line("reserved"), due=None)
    before = list(orders().find())
    with pytest.raises(TooManyOpenOrders) as refused:
        place(actor=CUSTOMER, idempotency_key="k")
    assert refused.value.members == {"limit": limit}
    assert sandbox.control.calls() == []
    assert list(orders().find()) == before
    assert placement_keys.keys().count_documents({"fingerprint": {"$exists": True}}) == 0, "the key is free again"


def test_orders_that_are_paid_or_over_and_those_of_others_do_not_count(sandbox: Sandbox, limit: int) -> None:
    for status in ("rejected", "paid", "processing", "shipped", "delivered", "cancelled", "refunded"):
        store(status, line("used"), due=None)
    for _ in range(limit):
        store("pending", line("reserved"), due=None, user_id="2")
    for _ in range(limit):
        assert place((A, 1), actor=CUSTOMER).order["status"] == "pending"
    with pytest.raises(TooManyOpenOrders):
        place((A, 1), actor=CUSTOMER)


@pytest.mark.parametrize("way_out", ["pay", "cancel"])
def test_paying_or_cancelling_one_makes_room_for_the_next(sandbox: Sandbox, limit: int, way_out: str) -> None:
    placed = [place((A, 1), actor=CUSTOMER).order for _ in range(limit)]
    with pytest.raises(TooManyOpenOrders):
        place((A, 1), actor=CUSTOMER, idempotency_key="k")
    transitions.change_status(order_id=placed[0]["_id"], transition=way_out, act=act())
    assert not place((A, 1), actor=CUSTOMER, idempotency_key="k").replayed
    assert orders().count_documents({"status": "pending"}) == limit


def test_a_placed_order_is_replayed_to_who_has_too_many(sandbox: Sandbox, limit: int) -> None:
    first, *_ = [place((A, 1), actor=CUSTOMER, idempotency_key=f"k-{number}") for number in range(limit)]
    again = place((A, 1), actor=CUSTOMER, idempotency_key="k-0")
    assert (again.replayed, again.order["_id"]) == (True, first.order["_id"])


def test_admins_place_for_a_customer_who_has_too_many(sandbox: Sandbox, limit: int) -> None:
    for _ in range(limit + 1):
        place((A, 1), actor=ADMIN)
    with pytest.raises(TooManyOpenOrders):
        place((A, 1), actor=CUSTOMER)


def test_without_a_limit_there_is_none(sandbox: Sandbox, settings: Settings) -> None:
    settings.MAX_OPEN_ORDERS_PER_USER = 0
    for _ in range(3):
        place((A, 1), actor=CUSTOMER)


def test_a_burst_passes_the_limit_by_no_more_than_is_handled_at_one_moment(
    sandbox: Sandbox, settings: Settings, limit: int
) -> None:
    settings.REQUEST_DEADLINE, settings.PEER_READ_TIMEOUT = 20, 5
    shelve(sandbox, available=100)
    at_once = 8

    def one(_: int) -> str:
        try:
            return str(place((A, 1), actor=CUSTOMER).order["status"])
        except TooManyOpenOrders as error:
            return error.code

    with ThreadPoolExecutor(at_once) as threads:
        results = Counter(threads.map(one, range(40)))
    assert results.total() == 40
    assert limit <= results["pending"] < limit + at_once
    assert results["too_many_open_orders"] == 40 - results["pending"]
    assert stock_of(sandbox)[1] == results["pending"]


# --- refused by a peer, before anything is kept ----------------------------------------------------------------------


def test_an_unknown_user_places_nothing(sandbox: Sandbox) -> None:
    with pytest.raises(UnknownUser):
        place(user_id="99", idempotency_key="k")
    nothing_kept(sandbox)


def test_an_unknown_product_places_nothing(sandbox: Sandbox) -> None:
    items = [Item(product_id="f" * 24, quantity=1, price=Decimal(1)), *lines((A, 1))]
    with pytest.raises(UnknownProduct) as refused:
        place_order(user_id="1", items=items, shipping_address=address(), act=act(), idempotency_key="k")
    assert set(refused.value.members["errors"]) == {"items.0.product_id"}
    nothing_kept(sandbox)


def test_a_changed_price_places_nothing_and_is_told(sandbox: Sandbox) -> None:
    items = lines((A, 1), (B, 1))
    items[1].price += Decimal("0.01")
    with pytest.raises(PriceChanged) as refused:
        place_order(user_id="1", items=items, shipping_address=address(), act=act(), idempotency_key="k")
    assert set(refused.value.members["errors"]) == {"items.1.price"}
    assert refused.value.members["current_prices"] == {"items.1": "49.00"}
    nothing_kept(sandbox)


@pytest.mark.usefixtures("short_reads")
@pytest.mark.parametrize("operation", ["product", "check"])
@pytest.mark.parametrize(("kind", "options"), FAILURES)
def test_a_peer_that_is_needed_and_fails_places_nothing(
    sandbox: Sandbox, operation: str, kind: str, options: dict[str, Any]
) -> None:
    sandbox.control.fault(operation, kind, product_id=B, **options)
    with pytest.raises(PeerUnavailable):
        place((A, 1), (B, 1), idempotency_key="k")
    nothing_kept(sandbox)


@pytest.mark.parametrize("peer", ["PRODUCT_SERVICE_URL", "INVENTORY_SERVICE_URL"])
def test_a_peer_that_is_needed_and_not_there_places_nothing(sandbox: Sandbox, settings: Settings, peer: str) -> None:
    setattr(settings, peer, DEAD)
    with pytest.raises(PeerUnavailable):
        place(idempotency_key="k")
    nothing_kept(sandbox)


@pytest.mark.parametrize("operation", ["verify", "product", "check"])
def test_a_peer_that_stumbles_once_is_asked_again(sandbox: Sandbox, operation: str) -> None:
    sandbox.control.fault(operation, "status", status=500, times=1)
    placed = place().order
    assert (placed["status"], placed["user_verified"]) == ("pending", True)


def test_no_number_of_retries_outlasts_the_deadline(sandbox: Sandbox, settings: Settings) -> None:
    settings.MAX_RETRIES, settings.REQUEST_DEADLINE = 20, 3.0
    settings.PEER_READ_TIMEOUT, settings.INVENTORY_WRITE_TIMEOUT = 1.0, 0.1
    settings.PEER_CONNECT_TIMEOUT = 0.5
    sandbox.control.fault("*", "stall_before", seconds=30)
    began = time.monotonic()
    with pytest.raises(PeerUnavailable):
        place((A, 1), (B, 1), idempotency_key="k")
    assert time.monotonic() - began < 15, "all the retries would take 20 s"
    nothing_kept(sandbox)


@pytest.mark.usefixtures("short_reads")
@pytest.mark.parametrize(("kind", "options"), FAILURES)
def test_a_user_service_that_fails_lets_the_order_through_unverified(
    sandbox: Sandbox, kind: str, options: dict[str, Any]
) -> None:
    sandbox.control.fault("verify", kind, **options)
    placed = place().order
    assert (placed["status"], placed["user_verified"]) == ("pending", False)
    assert read(placed["_id"])["user_verified"] is False


def test_a_user_service_that_hangs_leaves_time_to_reserve_in_productions_proportions(
    sandbox: Sandbox, settings: Settings
) -> None:
    """The defaults, three times as fast: 15 s in all, 1 + 3 s a read, 1 + 6 s a write, 3 retries after 1 s and more."""
    settings.REQUEST_DEADLINE, settings.PEER_CONNECT_TIMEOUT, settings.PEER_READ_TIMEOUT = 5.0, 1 / 3, 1.0
    settings.INVENTORY_WRITE_TIMEOUT = 2.0
    settings.MAX_RETRIES, settings.RETRY_DELAY = 3, 1 / 3
    sandbox.control.fault("verify", "stall_before", seconds=30)
    placed = place().order
    assert (placed["status"], placed["user_verified"]) == ("pending", False)


@pytest.mark.usefixtures("short_reads")
@pytest.mark.parametrize(("kind", "options"), FAILURES[:3])
def test_a_user_service_that_fails_stops_it_where_the_setting_says_so(
    sandbox: Sandbox, settings: Settings, kind: str, options: dict[str, Any]
) -> None:
    settings.ALLOW_UNVERIFIED_USERS = False
    sandbox.control.fault("verify", kind, **options)
    with pytest.raises(PeerUnavailable):
        place(idempotency_key="k")
    nothing_kept(sandbox)


def test_a_user_service_that_says_no_is_believed_even_if_the_rest_is_down(sandbox: Sandbox) -> None:
    sandbox.control.fault("check", "status", status=503)
    with pytest.raises(UnknownUser):
        place(user_id="99")


def test_with_no_time_left_to_reserve_in_no_draft_is_made(sandbox: Sandbox) -> None:
    with pytest.raises((PlacementInterrupted, PeerUnavailable)):
        place(deadline=Deadline.after(6.5), idempotency_key="k")
    nothing_kept(sandbox)


def test_what_is_slow_to_verify_leaves_no_draft_and_the_key_free(
    sandbox: Sandbox, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = placement.verify

    def slow(*args: Any, **kwargs: Any) -> bool:
        verified = real(*args, **kwargs)
        settings.INVENTORY_WRITE_TIMEOUT = 60  # as if so much time had passed that one call does not fit in
        return verified

    monkeypatch.setattr(placement, "verify", slow)
    with pytest.raises(PlacementInterrupted):
        place(deadline=Deadline.after(60), idempotency_key="k")
    nothing_kept(sandbox)


# --- the reservation fails -------------------------------------------------------------------------------------------


@pytest.mark.parametrize("status", [400, 404, 409, 422])
def test_a_refused_line_rejects_the_draft_and_releases_the_others(sandbox: Sandbox, status: int) -> None:
    for product in (A, B, C):
        shelve(sandbox, product)
    sandbox.control.fault("reserve", "status", status=status, product_id=B)
    with pytest.raises(InsufficientStock) as refused:
        place((A, 1), (B, 1), (C, 1))
    assert set(refused.value.members["errors"]) == {"items.1.quantity"}
    assert refused.value.members["available"] == {"items.1": None}
    order = only_order()
    assert (order["status"], order["version"]) == ("rejected", 1)
    assert states(order) == ["released", "none", "released"]
    assert "stock_due_at" not in order
    assert [stock_of(sandbox, product) for product in (A, B, C)] == [(10, 0)] * 3
    assert sorted(call["product_id"] for call in sandbox.control.calls("release")) == [A, C]
    reject = next(entry for entry in order["history"] if entry["act"] == "reject")
    assert str(status) in reject["reason"]


@pytest.mark.parametrize("status", [429, 503])
def test_inventory_that_does_not_act_is_asked_again_and_places_nothing(sandbox: Sandbox, status: int) -> None:
    shelve(sandbox)
    sandbox.control.fault("reserve", "status", status=status)
    with pytest.raises(PlacementInterrupted):
        place((A, 1))
    order = only_order()
    assert (order["status"], states(order)) == ("rejected", ["none"])
    assert stock_of(sandbox) == (10, 0)
    assert len(sandbox.control.calls("reserve")) == 2
    assert sandbox.control.calls("release") == []


def test_inventory_that_acts_when_asked_again_places_the_order(sandbox: Sandbox) -> None:
    sandbox.control.fault("reserve", "status", status=503, times=1)
    assert place().order["status"] == "pending"


@pytest.mark.parametrize(
    ("kind", "options", "acted"),
    [
        *(("status", {"status": status}, False) for status in (500, 502, 504)),
        ("drop_before", {}, False),
        ("stall_before", {"seconds": 1}, False),
        ("drop_after", {}, True),
        ("stall_after", {"seconds": 1}, True),
        ("garbage", {}, True),
        ("wrong", {}, True),
    ],
)
def test_a_reserve_whose_answer_is_lost_rejects_the_draft_and_waits_for_a_person(
    sandbox: Sandbox, kind: str, options: dict[str, Any], acted: bool
) -> None:
    shelve(sandbox, A)
    shelve(sandbox, B)
    sandbox.control.fault("reserve", kind, product_id=B, **options)
    with pytest.raises(PlacementInterrupted):
        place((A, 1), (B, 1))
    order = only_order()
    assert order["status"] == "rejected"
    assert states(order) == ["released", "unknown"], "a line is never released while its reserve is unknown"
    assert order["items"][1]["stock"]["call"] == "reserve"
    assert "stock_due_at" not in order
    assert [call["product_id"] for call in sandbox.control.calls("release")] == [A]
    assert len([call for call in sandbox.control.calls("reserve") if call["product_id"] == B]) == 1
    assert stock_of(sandbox, A) == (10, 0)
    assert stock_of(sandbox, B) == ((9, 1) if acted else (10, 0))


def test_with_keys_a_lost_answer_is_asked_for_again(sandbox: Sandbox, settings: Settings) -> None:
    settings.INVENTORY_HONOURS_IDEMPOTENCY_KEY = True
    sandbox.control.honour_keys(True)
    shelve(sandbox)
    sandbox.control.fault("reserve", "drop_after", times=1)
    placed = place((A, 2)).order
    assert (placed["status"], states(placed)) == ("pending", ["reserved"])
    assert [call["key"] for call in sandbox.control.calls("reserve")] == [f"{placed['_id']}:0:reserve"] * 2
    assert stock_of(sandbox) == (8, 2)


def test_a_refusal_beside_an_unknown_outcome_is_no_answer_about_the_stock(sandbox: Sandbox) -> None:
    """What became of the other line is not known: the customer may try again, which "insufficient stock" would deny."""
    for product in (A, B, C):
        shelve(sandbox, product)
    sandbox.control.fault("reserve", "status", status=400, product_id=A)
    sandbox.control.fault("reserve", "drop_after", product_id=B)
    with pytest.raises(PlacementInterrupted, match="Inventory could not be reached"):
        place((A, 1), (B, 1), (C, 1))
    order = only_order()
    assert (order["status"], states(order)) == ("rejected", ["none", "unknown", "released"])
    assert (stock_of(sandbox, A), stock_of(sandbox, C)) == ((10, 0), (10, 0))


def test_with_keys_a_lost_reserve_keeps_the_draft_until_it_is_known(sandbox: Sandbox, settings: Settings) -> None:
    settings.INVENTORY_HONOURS_IDEMPOTENCY_KEY = True
    sandbox.control.honour_keys(True)
    shelve(sandbox, A)
    shelve(sandbox, B)
    sandbox.control.fault("reserve", "drop_after", product_id=B, times=2)
    with pytest.raises(PlacementInterrupted):
        place((A, 1), (B, 1), idempotency_key="k")
    order = only_order()
    assert (order["status"], states(order)) == ("placing", ["reserved", "reserving"])
    assert order["stock_due_at"] > now()
    assert sandbox.control.calls("release") == []
    with pytest.raises(KeyInUse):
        place((A, 1), (B, 1), idempotency_key="k")
    due_now(order["_id"])
    settle_due(actor=WORKER)
    order = only_order()
    assert (order["status"], states(order)) == ("rejected", ["released", "released"])
    assert (stock_of(sandbox, A), stock_of(sandbox, B)) == ((10, 0), (10, 0))
    assert place((A, 1), (B, 1), idempotency_key="k").order["status"] == "pending"


def test_a_release_that_fails_after_a_rejection_is_the_workers(sandbox: Sandbox) -> None:
    shelve(sandbox, A)
    shelve(sandbox, B, available=10)
    sandbox.control.fault("reserve", "status", status=400, product_id=B)
    sandbox.control.fault("release", "status", status=503, times=1)
    with pytest.raises(InsufficientStock):
        place((A, 2), (B, 1))
    order = only_order()
    assert (order["status"], states(order)) == ("rejected", ["releasing", "none"])
    due_now(order["_id"])
    settle_due(actor=WORKER)
    assert states(only_order()) == ["released", "none"]
    assert stock_of(sandbox, A) == (10, 0)


# --- the database fails, or the process does -------------------------------------------------------------------------


def recovered(sandbox: Sandbox) -> dict[str, Any]:
    """Let every lease lapse and the worker do its part; the draft must be gone, and nothing owed."""
    due_now(only_order()["_id"])
    settle_due(actor=WORKER)
    order = only_order()
    assert order["status"] in ("rejected", "pending")
    assert "stock_due_at" not in order
    held = sum(i["quantity"] for i in order["items"] if i["stock"]["state"] in ("reserved", "unknown"))
    assert stock_of(sandbox)[1] <= held, "inventory holds nothing that no order knows of"
    return order


@pytest.mark.parametrize("written", [True, False])
def test_without_an_acknowledged_draft_nobody_is_called(
    sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch, written: bool
) -> None:
    shelve(sandbox)
    answer_lost(monkeypatch, "update_one", written=written)
    with pytest.raises(DatabaseError):
        place((A, 2))
    assert asked(sandbox) == []
    assert orders().count_documents({}) == int(written)
    if written:
        order = recovered(sandbox)
        assert (order["status"], states(order)) == ("rejected", ["none"]), "never sent, and known to be"
    assert stock_of(sandbox) == (10, 0)


@pytest.mark.parametrize("written", [True, False])
def test_the_key_of_an_unacknowledged_draft_is_free_before_its_lease_lapses(
    sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch, written: bool
) -> None:
    shelve(sandbox)
    answer_lost(monkeypatch, "update_one", written=written)
    with pytest.raises(DatabaseError):
        place((A, 2), idempotency_key="k")
    if written:  # the draft is there, and nobody may place it: whoever asks again waits for a worker to reject it
        with pytest.raises(KeyInUse):
            place((A, 2), idempotency_key="k")
        assert asked(sandbox) == []
        recovered(sandbox)
    placed = place((A, 2), idempotency_key="k")
    assert not placed.replayed
    assert orders().count_documents({"status": "pending"}) == 1
    assert stock_of(sandbox) == (8, 2)


@pytest.mark.usefixtures("short_writes")
@pytest.mark.parametrize("written", [True, False])
def test_a_placing_of_unknown_end_is_told_and_found_out(
    sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch, written: bool
) -> None:
    shelve(sandbox)
    with monkeypatch.context() as outage:
        answer_lost(outage, written=written, forever=True)
        with pytest.raises(DatabaseError):
            place((A, 2), deadline=Deadline.after(3.5))
    assert stock_of(sandbox) == (8, 2)
    assert sandbox.control.calls("release") == []
    order = only_order()
    assert order["status"] == ("pending" if written else "placing")
    if not written:
        assert states(recovered(sandbox)) == ["unknown"]


@pytest.mark.parametrize("written", [True, False])
def test_a_placing_whose_acknowledgement_is_lost_is_tried_again_and_made_once(
    sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch, written: bool
) -> None:
    shelve(sandbox)
    answer_lost(monkeypatch, written=written)
    place((A, 2))
    order = only_order()
    assert (order["status"], order["version"], states(order)) == ("pending", 1, ["reserved"])
    assert [entry["act"] for entry in order["history"]] == ["draft", "place"]
    assert stock_of(sandbox) == (8, 2)


@pytest.mark.parametrize("step", ["settle", "reject", "settle the release"])
@pytest.mark.parametrize("written", [True, False])
def test_a_rejection_that_meets_a_failing_database_is_finished_by_the_worker(
    sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch, step: str, written: bool
) -> None:
    shelve(sandbox, A)
    shelve(sandbox, B)
    sandbox.control.fault("reserve", "status", status=400, product_id=B)
    answer_lost(monkeypatch, skip=["settle", "reject", "settle the release"].index(step), written=written)
    with pytest.raises(InsufficientStock):
        place((A, 2), (B, 1))
    order = recovered(sandbox)
    assert order["status"] == "rejected"
    assert stock_of(sandbox, A) == (10, 0)
    assert len(sandbox.control.calls("release")) == 1


def test_a_placing_that_was_repeated_after_a_failover_sees_its_own_success(
    sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    sent_twice(monkeypatch)
    placed = place().order
    assert (placed["status"], placed["version"]) == ("pending", 1)


@pytest.mark.parametrize("step", ["call_inventory", "guarded_write"])
@pytest.mark.parametrize("honours", [False, True])
def test_a_process_that_dies_on_the_way_leaves_a_draft_that_is_turned_away(
    sandbox: Sandbox, settings: Settings, monkeypatch: pytest.MonkeyPatch, step: str, honours: bool
) -> None:
    settings.INVENTORY_HONOURS_IDEMPOTENCY_KEY = honours
    sandbox.control.honour_keys(honours)
    shelve(sandbox)

    def die(*_: Any, **__: Any) -> None:
        raise SystemExit

    monkeypatch.setattr(reservation, step, die)
    with pytest.raises(SystemExit):
        place((A, 2), idempotency_key="k")
    order = only_order()
    assert (order["status"], states(order)) == ("placing", ["reserving"])
    settle_due(actor=WORKER)
    assert only_order() == order, "not before its lease has lapsed"
    with pytest.raises(KeyInUse):
        place((A, 2), idempotency_key="k")
    order = recovered(sandbox)
    assert (order["status"], states(order)) == ("rejected", ["released" if honours else "unknown"])
    monkeypatch.undo()
    assert place((A, 2), idempotency_key="k").order["status"] == "pending", "the key is free again"


def test_a_placement_that_stalls_beyond_its_lease_loses_to_the_worker(
    sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It reserved, then slept; the worker has given its draft up. It must not place it any more."""
    shelve(sandbox)
    real = reservation.call_inventory

    def stalled(*args: Any, **kwargs: Any) -> Any:
        outcomes = real(*args, **kwargs)
        due_now(only_order()["_id"])
        settle_due(actor=WORKER)
        return outcomes

    monkeypatch.setattr(reservation, "call_inventory", stalled)
    with pytest.raises(PlacementInterrupted):
        place((A, 2))
    order = only_order()
    assert (order["status"], states(order)) == ("rejected", ["unknown"])
    assert sandbox.control.calls("release") == []
    assert stock_of(sandbox) == (8, 2), "and a person is told of them"


def test_a_failing_placement_that_stalls_beyond_its_lease_releases_nothing(
    sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    shelve(sandbox, A)
    shelve(sandbox, B)
    sandbox.control.fault("reserve", "status", status=400, product_id=B)
    real = reservation.call_inventory

    def stalled(*args: Any, **kwargs: Any) -> Any:
        outcomes = real(*args, **kwargs)
        due_now(only_order()["_id"])
        settle_due(actor=WORKER)
        return outcomes

    monkeypatch.setattr(reservation, "call_inventory", stalled)
    with pytest.raises(InsufficientStock):
        place((A, 2), (B, 1))
    assert states(only_order()) == ["unknown", "unknown"]
    assert sandbox.control.calls("release") == []


# --- with an idempotency key -----------------------------------------------------------------------------------------


def test_a_replay_is_the_order_as_it_is_now_and_asks_nobody(sandbox: Sandbox) -> None:
    first = place(idempotency_key="k")
    orders().update_one({"_id": first.order["_id"]}, {"$set": {"status": "paid", "version": 2}})
    before = len(sandbox.control.calls())
    again = place(idempotency_key="k")
    assert (first.replayed, again.replayed) == (False, True)
    assert again.order == read(first.order["_id"])
    assert len(sandbox.control.calls()) == before
    assert orders().count_documents({}) == 1


@pytest.mark.parametrize(
    "changed",
    [
        {"user_id": "2"},
        {"items": [Item(product_id=B, quantity=2, price=PRICES[A])]},
        {"items": lines((A, 3))},
        {"items": [Item(product_id=A, quantity=2, price=PRICES[A] + 1)]},
        {"items": lines((A, 2), (B, 1))},
        *({"shipping_address": address(**{name: "555"})} for name in ADDRESS_FIELDS),
        *({"details": Details(contact=Contact(**{name: text}))} for name, text in SAID.items()),
        {"details": Details(currency="CHF")},
        {"details": Details(reference="WEB-1")},
        {"details": Details(note="Ring twice.")},
        {"details": Details(metadata={"a": "b"})},
        {"details": Details(billing_address=address())},
    ],
    ids=[
        *("user", "product", "quantity", "price", "lines", *ADDRESS_FIELDS, *(f"contact.{name}" for name in SAID)),
        *("currency", "reference", "note", "metadata", "billing_address"),
    ],
)
def test_a_key_is_refused_for_a_request_that_differs_in_anything(
    sandbox: Sandbox, settings: Settings, changed: dict[str, Any]
) -> None:
    settings.CURRENCIES = ["EUR", "CHF"]
    request = {"user_id": "1", "items": lines((A, 2)), "shipping_address": address()}
    place_order(**request, act=act(), idempotency_key="k")
    calls = len(sandbox.control.calls())
    with pytest.raises(KeyReused):
        place_order(**(request | changed), act=act(), idempotency_key="k")
    assert only_order()["version"] == 1
    assert len(sandbox.control.calls()) == calls, "no peer is asked"


@pytest.mark.parametrize("details", [None, Details(), Details(currency="EUR"), Details(contact=Contact(name=" "))])
def test_a_request_that_says_nothing_new_means_the_same_to_the_version_before(
    sandbox: Sandbox, details: Details | None
) -> None:
    place((A, 2), idempotency_key="k", details=details)
    [key] = placement_keys.keys().find()
    assert key["fingerprint"] == FINGERPRINT_OF_OLD


def test_many_requests_with_one_key_place_one_order(sandbox: Sandbox, settings: Settings) -> None:
    settings.REQUEST_DEADLINE, settings.PEER_READ_TIMEOUT = 20, 5
    settings.INVENTORY_WRITE_TIMEOUT = settings.PEER_READ_TIMEOUT
    shelve(sandbox, available=100)

    def one(_: int) -> object:
        try:
            return place((A, 1), idempotency_key="k").order["_id"]
        except KeyInUse:
            return None

    with ThreadPoolExecutor(8) as threads:
        ids = set(threads.map(one, range(24))) - {None}
    assert ids == {only_order()["_id"]}
    assert stock_of(sandbox) == (99, 1)


def test_a_holder_that_was_paused_beyond_its_lease_does_not_make_a_second_order(
    sandbox: Sandbox, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    """R1 takes the key and is paused; R2 takes it over and is refused; R3 places; R1 goes on."""
    settings.REQUEST_DEADLINE = 60
    lease, settings.STOCK_LEASE = settings.STOCK_LEASE, 0.05
    real, reached, goes_on = placement.verify, threading.Event(), threading.Event()

    def verify(*args: Any, **kwargs: Any) -> bool:
        if threading.current_thread() is paused:
            reached.set()
            goes_on.wait(60)
        return real(*args, **kwargs)

    monkeypatch.setattr(placement, "verify", verify)
    paused = threading.Thread(target=_try_to_place)
    paused.start()
    assert reached.wait(60)
    time.sleep(0.1)
    settings.STOCK_LEASE = lease
    sandbox.control.fault("product", "status", status=404, times=1)
    with pytest.raises(UnknownProduct):
        place((A, 1), idempotency_key="k")
    with suppress(PlacementInterrupted, KeyInUse):
        place((A, 1), idempotency_key="k")
    goes_on.set()
    paused.join()
    assert orders().count_documents({"status": "pending"}) == 1


def test_a_key_that_cannot_be_freed_frees_itself_with_its_lease(
    sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    answer_lost(monkeypatch, "update_one", written=False)
    with pytest.raises(UnknownUser):
        place(user_id="99", idempotency_key="k")
    with pytest.raises(KeyInUse):
        place(user_id="99", idempotency_key="k")
    placement_keys.keys().update_one({}, {"$set": {"until": now()}})
    with pytest.raises(UnknownUser):
        place(user_id="99", idempotency_key="k")


def _try_to_place() -> None:
    with suppress(Exception):  # what became of it is read from the database
        place((A, 1), idempotency_key="k")


def test_a_ticket_without_a_key_has_nothing_to_free(database: object) -> None:
    give_back(Ticket(ObjectId()))
    assert placement_keys.keys().count_documents({}) == 0


def test_a_fault_of_ours_in_one_call_keeps_what_is_known_of_the_others(
    sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    reserve = inventory.reserve

    def broken(product_id: str, *args: Any, **kwargs: Any) -> Any:
        if product_id == B:
            raise RuntimeError("x" * 600)
        return reserve(product_id, *args, **kwargs)

    monkeypatch.setattr(inventory, "reserve", broken)
    before = stock_of(sandbox, A)
    with pytest.raises(PlacementInterrupted):
        place((A, 2), (B, 3))
    [order] = orders().find()
    assert (order["status"], states(order)) == ("rejected", ["released", "unknown"])
    assert stock_of(sandbox, A) == before
