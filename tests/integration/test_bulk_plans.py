"""What runs ask of the database goes by an index, whatever is selected: asserted on what mongod really did."""

from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from bson import ObjectId

from orders.models import BulkRun, OrderOutcome, edges_named, transition_names
from orders.services.bulk.batches import change_together
from orders.services.bulk.jobs import job_of
from orders.storage import bulk_batches, bulk_runs
from orders.storage.bulk_orders import count_by_status, named, reserved_units, select_page, unmet
from orders.storage.order_query import OrderKeys, OrderQuery, Position
from orders.storage.order_writes import orders
from tests.integration.builders import A, Document, now
from tests.integration.bulk_helpers import started
from tests.integration.test_query_plans import START, UNIT, Plans, by_index, many, plans  # noqa: F401

RARE = "665f1c0a9b1e8a00ffffffff"
SELECTIONS: dict[str, OrderQuery] = {
    "everything": OrderQuery(everything=True),
    "a status": OrderQuery(statuses=("paid",)),
    "two statuses": OrderQuery(statuses=("paid", "pending")),
    "a user": OrderQuery(user_id="7"),
    "a user and a status": OrderQuery(user_id="7", statuses=("paid",)),
    "a span": OrderQuery(since=START + 300 * UNIT, before=START + 330 * UNIT),
    "a status and an age": OrderQuery(statuses=("paid",), before=START + 400 * UNIT),
    "a user and a span": OrderQuery(user_id="7", since=START + 300 * UNIT),
    "a product": OrderQuery(product_id=RARE),
    "a product and a status": OrderQuery(product_id=RARE, statuses=("paid", "pending")),
    "a product, a user and a span": OrderQuery(product_id=RARE, user_id="20", since=START),
}


@pytest.fixture
def rare(many: list[Document]) -> Iterator[list[ObjectId]]:  # noqa: F811
    """A product that every 60th order has."""
    ids = [order["_id"] for order in many[::60]]
    orders().update_many({"_id": {"$in": ids}}, {"$set": {"items.0.product_id": RARE}})
    yield ids
    orders().update_many({"_id": {"$in": ids}}, {"$set": {"items.0.product_id": A}})


def pages(selection: OrderQuery, size: int) -> list[Position]:
    found, after = select_page(selection, after=None, size=size)
    while after is not None:
        more, after = select_page(selection, after=after, size=size)
        found += more
    return found


@pytest.mark.parametrize("name", SELECTIONS)
def test_the_orders_are_found_page_by_page_by_an_index(plans: Plans, rare: list[ObjectId], name: str) -> None:  # noqa: F811
    selection, size = SELECTIONS[name], 20
    found: list[Position] = []
    entries = plans(lambda: found.extend(pages(selection, size)))
    by_index([entry for entry in entries if "find" in entry["command"]], most=size * 3)
    assert [order.id for order in found] == [
        order["_id"] for order in orders().find(selection.conditions).sort([("created_at", 1), ("_id", 1)])
    ]
    assert len(set(found)) == len(found) > 1
    if selection.product_id is None:
        assert {entry["docsExamined"] for entry in entries} == {0}, "from the index alone"
    assert max(entry["keysExamined"] for entry in entries if "find" in entry["command"]) <= size * 4 + 20


def test_few_orders_of_a_status_are_found_among_the_many_of_a_product(plans: Plans, rare: list[ObjectId]) -> None:  # noqa: F811
    orders().update_many({"_id": {"$in": rare[:3]}}, {"$set": {"items.0.product_id": A}})
    everything = {order["_id"]: order["status"] for order in orders().find({}, {"status": 1})}
    one = rare[5]
    try:
        orders().update_one({"_id": one}, {"$set": {"status": "refunded", "items.0.product_id": A}})
        before = sum(status == "refunded" for status in everything.values())
        found: list[Position] = []
        selection = OrderQuery(product_id=A, statuses=("refunded",))
        entries = plans(lambda: found.extend(pages(selection, 20)))
    finally:
        orders().update_one({"_id": one}, {"$set": {"status": everything[one]}})
    assert one in {order.id for order in found}
    examined = [entry["docsExamined"] for entry in entries if "find" in entry["command"]]
    assert max(examined) <= before + 1 < len(everything) / 4


def test_a_page_reads_no_more_orders_however_few_are_selected(plans: Plans, many: list[Document]) -> None:  # noqa: F811
    selection = OrderQuery(product_id=RARE, statuses=("paid", "pending", "processing", "shipped", "delivered"))
    entries = plans(lambda: pages(replace(selection, user_id="7"), 10))
    assert max(entry["docsExamined"] for entry in entries if "find" in entry["command"]) <= 11


@pytest.mark.parametrize("name", SELECTIONS)
def test_a_plan_reads_the_selected_orders_and_no_other(plans: Plans, rare: list[ObjectId], name: str) -> None:  # noqa: F811
    selection = SELECTIONS[name]
    total = orders().count_documents(selection.conditions)
    most = max(total, len(rare), orders().count_documents({"user_id": selection.user_id}))
    by_index(plans(lambda: count_by_status(selection)), most=most)
    by_index(plans(lambda: reserved_units(selection, edges_named("cancel"))), most=most)


@pytest.fixture
def held_back(many: list[Document]) -> Iterator[list[ObjectId]]:  # noqa: F811
    """Every 40th order is on hold, and has a first parcel on its way."""
    ids = [order["_id"] for order in many[::40]]
    orders().update_many({"_id": {"$in": ids}}, {"$set": {"held_at": now(), "shipments": [{"at": now()}]}})
    yield ids
    orders().update_many({"_id": {"$in": ids}}, {"$unset": {"held_at": "", "shipments": ""}})


@pytest.mark.parametrize("transition", ["start_processing", "ship", "cancel"])
@pytest.mark.parametrize("name", SELECTIONS)
def test_a_plan_reads_of_the_orders_that_a_condition_refuses_no_other(
    plans: Plans,  # noqa: F811
    held_back: list[ObjectId],
    name: str,
    transition: str,
) -> None:
    by_index(plans(lambda: list(unmet(SELECTIONS[name], transition))), most=len(held_back))
    limited = replace(SELECTIONS[name], limit=50)
    rows = orders().count_documents({"user_id": limited.user_id} if limited.user_id else limited.conditions)
    by_index(plans(lambda: list(unmet(limited, transition))), most=max(rows, len(held_back)))


def test_named_orders_are_found_by_id_and_number(plans: Plans, many: list[Document]) -> None:  # noqa: F811
    run = BulkRun(transition="pay", actor_kind="admin", actor_id="1", via="api")
    ids = [order["_id"] for order in many[:20]]
    numbers = [order["number"] for order in many[20:40]]
    chosen = OrderQuery(statuses=("paid",), keys=OrderKeys([*ids, *numbers]))
    by_index(plans(lambda: list(named(chosen))), most=40)
    by_index(plans(lambda: count_by_status(OrderQuery(), ids)), most=20)
    by_index(plans(lambda: reserved_units(OrderQuery(), edges_named("cancel"), ids)), most=20)
    for name in transition_names():
        if entries := plans(lambda name=name: list(unmet(OrderQuery(), name, ids))):
            by_index(entries, most=20)
    by_index(plans(lambda: bulk_runs.changed_by(run, ids)), most=20)
    by_index(plans(lambda: bulk_runs.orders_after(run, ids)), most=20)
    by_index(plans(lambda: bulk_runs.reserved_products(ids)), most=20)
    by_index(plans(lambda: bulk_runs.order_numbers(ids)), most=20)


@pytest.fixture
def some_runs(many: list[Document]) -> Iterator[list[BulkRun]]:  # noqa: F811
    """Thirty runs of twenty batches each."""
    ids = [order["_id"] for order in many[:40]]
    yield [started("refund", keys=ids, batch_size=2, for_worker=True) for _ in range(30)]
    bulk_runs.runs().delete_many({})
    bulk_batches.batches().delete_many({})


def test_batches_are_claimed_kept_and_added_up_by_an_index(plans: Plans, some_runs: list[BulkRun]) -> None:  # noqa: F811
    run = some_runs[7]
    held: list[Any] = []
    by_index(plans(lambda: held.append(bulk_batches.claim_batch(run.pk, "me", 60))), most=1)
    by_index(plans(lambda: bulk_batches.renew_batch(held[0], 60)), most=1)
    by_index(plans(lambda: bulk_batches.release_batch(held[0])), most=1)
    by_index(plans(lambda: bulk_batches.release_batches(run.pk)), most=1)
    by_index(plans(lambda: bulk_batches.last_batch(run.pk)), most=1)
    by_index(plans(lambda: bulk_batches.batches_with(run.pk, OrderOutcome.values, after=3, limit=5)), most=5)
    by_index(plans(lambda: bulk_batches.tally(run.pk)), most=0)
    by_index(plans(lambda: bulk_runs.state_of(run.pk)), most=1)


def test_the_next_batch_is_found_past_those_that_are_done(plans: Plans, some_runs: list[BulkRun]) -> None:  # noqa: F811
    run = some_runs[3]
    for _ in range(15):
        batch = bulk_batches.claim_batch(run.pk, "me", 60)
        assert batch is not None
        bulk_batches.finish_batch(batch, [])
    by_index(plans(lambda: bulk_batches.claim_batch(run.pk, "me", 60)), most=1)


def test_the_runs_that_workers_carry_on_are_found_by_an_index(plans: Plans, some_runs: list[BulkRun]) -> None:  # noqa: F811
    over = [run.pk for run in some_runs[:27]]
    bulk_runs.runs().update_many({"_id": {"$in": over}}, {"$set": {"state": "done"}})
    paused = {"state": "paused", "paused_until": now() + timedelta(seconds=-1)}
    bulk_runs.runs().update_one({"_id": some_runs[27].pk}, {"$set": paused})
    found: list[ObjectId] = []
    entries = plans(lambda: found.extend(bulk_runs.runs_for_workers()))
    assert found == [run.pk for run in some_runs[27:]]
    assert [entry for entry in entries if "COLLSCAN" in entry["planSummary"]] == []
    assert max(entry["docsExamined"] for entry in entries) <= 6
    by_index(plans(lambda: list(BulkRun.objects.order_by("-created_at", "-pk")[:5])), most=5)


def test_a_batch_is_carried_out_by_the_ids_of_its_orders(plans: Plans, many: list[Document]) -> None:  # noqa: F811
    ids = [order["_id"] for order in many if order["status"] == "paid"][:10]
    run = started("start_processing", keys=ids)
    batch = bulk_batches.claim_batch(run.pk, "me", 60)
    assert batch is not None
    by_index(plans(lambda: change_together(job_of(run), batch)), most=10)
    orders().update_many({"_id": {"$in": ids}}, {"$set": {"status": "paid"}})
    bulk_runs.runs().delete_many({})
    bulk_batches.batches().delete_many({})
