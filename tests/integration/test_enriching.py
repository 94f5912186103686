"""Filling in the names, the contact and the currency of orders that were placed before orders kept them."""

from typing import Any

import pytest
from bson import ObjectId
from pymongo.database import Database

from integrations import PeerUnavailable, peer_requests, users
from integrations.sandbox import Sandbox
from orders.models import Contact
from orders.services import access
from orders.services.access import NotPermitted
from orders.services.lifecycle import enriching
from orders.services.lifecycle.enriching import Enriched, count_unnamed, enrich
from orders.services.lifecycle.placement import Details
from orders.storage import unnamed_orders
from orders.storage.order_writes import orders
from tests.functional.admin_helpers import profiled
from tests.integration.builders import (
    WORKER,
    A,
    B,
    C,
    Document,
    line,
    place,
    read,
    small_sandbox,  # noqa: F401
    store,
)
from tests.order_invariants import violations_of

NAMES = {A: "Linen tea towel, set of 2", B: "Cast iron skillet, 26 cm", C: "Pour-over coffee dripper"}
UNKNOWN = "665f1c0a9b1e8a00000000ff"
SOMEBODY = {"name": "Somebody", "email": "a@example.com", "phone": ""}


def old(*products: str, status: str = "pending", user_id: str = "1", **fields: Any) -> ObjectId:
    """An order of before, of these products."""
    lines = [{**line("reserved"), "product_id": product} for product in products or (A,)]
    return store(status, *lines, due=None, user_id=user_id, **fields)


def names(order_id: ObjectId) -> list[str | None]:
    return [item.get("name") for item in read(order_id)["items"]]


def test_what_is_missing_is_filled_in_and_nothing_else_changes(sandbox: Sandbox) -> None:
    order_id = old(A, B, A)
    before = read(order_id)
    assert count_unnamed(actor=WORKER) == 1
    assert enrich(actor=WORKER) == Enriched(filled=1)
    after = read(order_id)
    assert names(order_id) == [NAMES[A], NAMES[B], NAMES[A]]
    assert (after["contact"], after["currency"]) == (SOMEBODY, "EUR")
    for item in after["items"]:
        del item["name"]
    assert {name: value for name, value in after.items() if name not in ("contact", "currency", "terms")} == before
    assert violations_of(read(order_id)) == []
    assert count_unnamed(actor=WORKER) == 0


def test_what_an_order_says_is_never_overwritten(sandbox: Sandbox) -> None:
    named = {**line("reserved"), "name": "As it was", "sku": "OLD"}
    order_id = store(
        *("pending", named, {**line("reserved"), "product_id": B, "name": "", "sku": "KEPT"}), due=None,
        currency="CHF", contact={"name": "Bob", "email": "", "phone": "555"}, user_id="1",
    )  # fmt: skip
    enrich(actor=WORKER)
    after = read(order_id)
    assert [(item["name"], item["sku"]) for item in after["items"]] == [("As it was", "OLD"), (NAMES[B], "KEPT")]
    assert after["contact"] == {"name": "Bob", "email": "a@example.com", "phone": "555"}
    assert after["currency"] == "CHF"


def test_an_order_that_lacks_nothing_is_not_looked_at_nor_one_that_customers_never_saw(sandbox: Sandbox) -> None:
    whole = place((A, 1), details=Details(contact=Contact(name="Bob"))).order
    hidden = [old(status=status) for status in ("placing", "rejected")] + [old(erased_at=whole["created_at"])]
    before = [read(order_id) for order_id in (whole["_id"], *hidden)]
    sandbox.control._calls.clear()
    assert count_unnamed(actor=WORKER) == 0
    assert enrich(actor=WORKER) == Enriched()
    assert sandbox.control.calls() == []
    assert [read(order_id) for order_id in (whole["_id"], *hidden)] == before


def test_each_product_and_each_customer_is_asked_for_once(sandbox: Sandbox) -> None:
    for number in range(12):
        old(A, B, UNKNOWN, user_id=str(number % 3))  # 0 is nobody
    assert enrich(actor=WORKER) == Enriched(filled=12)
    assert sandbox.control.counts() == {"product": 3, "verify": 3}


def test_of_more_than_are_kept_the_oldest_answers_are_forgotten(
    sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(enriching, "MOST_KEPT", 1)
    monkeypatch.setattr(unnamed_orders, "BATCH", 1)
    for product in (A, B, A):
        old(product)
    assert enrich(actor=WORKER) == Enriched(filled=3)
    assert sandbox.control.counts() == {"product": 3, "verify": 1}


def test_what_the_peers_do_not_know_is_left_and_does_not_stand_in_the_way(
    sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(unnamed_orders, "BATCH", 3)
    known = [old() for _ in range(2)]
    unknown = [old(UNKNOWN, user_id="987", currency="EUR") for _ in range(4)]
    before = [read(order_id) for order_id in unknown]
    assert enrich(actor=WORKER, limit=1) == Enriched(filled=1, left=4)
    assert enrich(actor=WORKER, limit=9) == Enriched(filled=1, left=4)
    assert [names(order_id) for order_id in known] == [[NAMES[A]]] * 2
    assert [read(order_id) for order_id in unknown] == before


@pytest.mark.parametrize("oldest_first", [False, True])
def test_it_begins_where_it_is_told_and_goes_on_another_time(
    sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch, oldest_first: bool
) -> None:
    monkeypatch.setattr(unnamed_orders, "BATCH", 2)
    made = [old() for _ in range(5)]
    wanted = made if oldest_first else made[::-1]
    told: list[int] = []
    assert enrich(actor=WORKER, oldest_first=oldest_first, limit=3, progress=told.append) == Enriched(filled=3)
    assert [bool(names(order_id)[0]) for order_id in wanted] == [True, True, True, False, False]
    assert told == [2, 1]
    assert enrich(actor=WORKER, oldest_first=oldest_first) == Enriched(filled=2)
    assert all(names(order_id) == [NAMES[A]] for order_id in made)


@pytest.mark.parametrize("operation", ["product", "verify"])
def test_a_peer_that_is_down_ends_it_and_the_next_run_goes_on(
    sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch, operation: str
) -> None:
    monkeypatch.setattr(unnamed_orders, "BATCH", 1)
    first, last = old(B, user_id="2"), old(A)
    before = read(first)
    told: list[int] = []

    def fail_from_now_on(more: int) -> None:
        told.append(more)
        sandbox.control.fault(operation, "status", status=503)

    with pytest.raises(PeerUnavailable):
        enrich(actor=WORKER, progress=fail_from_now_on)
    assert (names(last), told) == ([NAMES[A]], [1])
    assert read(first) == before
    sandbox.control.clear_faults()
    peer_requests.reset()
    assert enrich(actor=WORKER) == Enriched(filled=1)
    assert names(first) == [NAMES[B]]


@pytest.mark.parametrize("change", [{"$inc": {"version": 1}}, {"$set": {"erased_at": 1}}])
def test_an_order_that_is_changed_meanwhile_is_left_to_the_next_run(
    sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch, change: Document
) -> None:
    order_id, verify = old(), users.verify

    def change_in_between(*args: Any, **options: Any) -> Any:
        orders().update_one({"_id": order_id}, change)
        return verify(*args, **options)

    monkeypatch.setattr(users, "verify", change_in_between)
    assert enrich(actor=WORKER) == Enriched(left=1)
    assert "contact" not in read(order_id)
    assert names(order_id) == [None]


def test_names_are_text_to_the_database(sandbox: Sandbox) -> None:
    sandbox.control.put_product(A, name="$total_price", sku="$$ROOT", price="1", available=1)
    sandbox.control.put_user(1, email="$x@example.com", full_name="$user_id")
    order_id = old()
    enrich(actor=WORKER)
    after = read(order_id)
    assert (after["items"][0]["name"], after["items"][0]["sku"]) == ("$total_price", "$$ROOT")
    assert after["contact"] == {"name": "$user_id", "email": "$x@example.com", "phone": ""}


def test_a_batch_walks_through_the_index_of_ids(sandbox: Sandbox, database: Database[Document]) -> None:
    for _ in range(3):
        old()
    with profiled(database) as done:
        enrich(actor=WORKER)
    reads = [entry for entry in done if entry["op"] == "query" and entry["ns"].endswith(".orders")]
    assert {entry["planSummary"] for entry in reads} == {"IXSCAN { _id: 1 }"}
    assert not any(entry.get("hasSortStage") for entry in reads)


def test_it_is_for_operators_alone(sandbox: Sandbox) -> None:
    old()
    for act in (count_unnamed, enrich):
        with pytest.raises(NotPermitted):
            act(actor=access.admin("boss"))
    assert sandbox.control.calls() == []
