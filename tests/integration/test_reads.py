"""The raw reads: what a storefront sees, page by page, and nothing that it should not."""

from datetime import UTC, datetime, timedelta

import pytest
from bson import ObjectId
from django.db import DatabaseError

from orders.models import PUBLIC_STATUSES
from orders.storage import order_reads
from orders.storage.order_query import OrderQuery, Position
from tests.integration.builders import FUTURE, PAST, answer_lost, line, now, read, store

pytestmark = pytest.mark.usefixtures("database")

START = datetime(2026, 1, 1)  # noqa: DTZ001 - naive UTC, as stored
HIDDEN = ("placing", "rejected")


def made(count: int = 9, **fields: object) -> list[ObjectId]:
    """Orders, three of each moment; their ids, newest first."""
    ids = [
        store("pending", line("reserved"), due=None, created_at=START + timedelta(hours=n // 3), **fields)
        for n in range(count)
    ]
    return sorted(ids, key=lambda order_id: (read(order_id)["created_at"], order_id), reverse=True)


def listed(query: OrderQuery, *, after: Position | None = None, skip: int = 0, limit: int = 100) -> list[ObjectId]:
    return [order["_id"] for order in order_reads.list_orders(query, after=after, skip=skip, limit=limit)]


def test_orders_come_newest_first_and_of_one_moment_by_id() -> None:
    ids = made()
    assert listed(OrderQuery()) == ids
    assert listed(OrderQuery(), skip=2, limit=3) == ids[2:5]


@pytest.mark.parametrize("size", [1, 2, 4, 9, 20])
def test_page_after_page_shows_every_order_once_even_if_new_ones_arrive(size: int) -> None:
    ids, seen, after = made(), [], None
    while page := order_reads.list_orders(OrderQuery(), after=after, limit=size):
        seen += [order["_id"] for order in page]
        after = Position(page[-1]["created_at"], page[-1]["_id"])
        store("pending", line("reserved"), due=None, created_at=START + timedelta(days=1))
    assert seen == ids


@pytest.mark.parametrize("status", HIDDEN)
def test_what_is_not_public_is_never_read(status: str) -> None:
    order_id = store(status, line("reserved"), due=None)
    assert listed(OrderQuery()) == listed(OrderQuery(user_id="1")) == []
    assert order_reads.get_order(order_id) is None
    assert order_reads.get_history(order_id) is None
    assert order_reads.get_machine(order_id) is None
    assert order_reads.get_whole(order_id) == read(order_id), "services read it all the same"


@pytest.mark.parametrize("status", PUBLIC_STATUSES)
def test_a_public_order_shows_its_public_fields_only(status: str) -> None:
    order_id = store(status, line("reserved"), due=PAST)
    order = order_reads.get_order(order_id)
    assert order is not None
    assert set(order) == {
        "_id", "number", "user_id", "status", "version", "user_verified", "total_price", "shipping_address",
        "created_at", "updated_at", "items",
    }  # fmt: skip
    assert set(order["items"][0]) == {"product_id", "quantity", "price"}
    assert order_reads.list_orders(OrderQuery(statuses=(status,)), limit=1) == [order]
    assert set(order_reads.get_history(order_id) or {}) == {"_id", "user_id", "status", "version", "history"}


def test_a_machine_is_read_with_what_it_needs() -> None:
    order_id = store("paid", line("reserved"), due=None, version=7)
    machine = order_reads.get_machine(order_id)
    assert machine is not None
    assert (machine.pk, machine.user_id, machine.status, machine.version) == (order_id, "1", "paid", 7)


def test_selections_narrow_down_together() -> None:
    ids = made(3)
    other = store("paid", line("reserved"), due=None, user_id="2", created_at=START)
    assert listed(OrderQuery(user_id="1")) == ids
    assert listed(OrderQuery(user_id="2")) == listed(OrderQuery(statuses=("paid",))) == [other]
    assert listed(OrderQuery(user_id="2", statuses=("paid",))) == [other]
    assert listed(OrderQuery(user_id="1", statuses=("paid",))) == listed(OrderQuery(user_id="3")) == []
    assert listed(OrderQuery(user_id="")) == []


@pytest.mark.parametrize("aware", [False, True])
def test_a_span_takes_its_start_and_leaves_its_end(aware: bool) -> None:
    ids = made(9)
    start, end = START + timedelta(hours=1), START + timedelta(hours=2)
    if aware:
        start, end = start.replace(tzinfo=UTC), end.replace(tzinfo=UTC)
    assert listed(OrderQuery(since=start, before=end)) == ids[3:6]
    assert listed(OrderQuery(since=start)) == ids[:6]
    assert listed(OrderQuery(before=end)) == ids[3:]


def test_a_position_within_a_span_goes_on_within_it() -> None:
    ids = made(9)
    after = Position(START + timedelta(hours=1), ids[3])
    assert listed(OrderQuery(since=START + timedelta(hours=1)), after=after) == ids[4:6]
    assert listed(OrderQuery(before=START + timedelta(hours=1)), after=after) == ids[6:]


def test_mongods_clock_is_the_one_that_counts() -> None:
    assert abs(order_reads.server_time() - now()) < timedelta(seconds=5)
    assert order_reads.server_time().tzinfo is None


def test_due_orders_come_longest_waiting_first() -> None:
    late, first = store("cancelled", line("releasing"), due=PAST), store("cancelled", line("releasing"), due=PAST * 9)
    store("cancelled", line("releasing"), due=FUTURE)
    store("pending", line("reserved"), due=None)
    assert order_reads.due_orders(order_reads.server_time(), 10) == [first, late]
    assert order_reads.due_orders(order_reads.server_time(), 1) == [first]


def test_a_database_that_does_not_answer_is_a_database_error(monkeypatch: pytest.MonkeyPatch) -> None:
    for read_it in (
        lambda: order_reads.list_orders(OrderQuery(), limit=1),
        lambda: order_reads.due_orders(START, 1),
    ):
        answer_lost(monkeypatch, "find")
        with pytest.raises(DatabaseError):
            read_it()
    for read_one in (order_reads.get_order, order_reads.get_history, order_reads.get_machine, order_reads.get_whole):
        answer_lost(monkeypatch, "find_one")
        with pytest.raises(DatabaseError):
            read_one(ObjectId())
