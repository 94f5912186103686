"""Lists by total and by time in a status: the same page by page and from behind, off an index, however many match."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from bson import Decimal128, ObjectId
from pymongo.database import Database

from orders.models import Status
from orders.services.searching import meanings_of
from orders.storage import order_lists, order_query, sorted_lists
from orders.storage.order_query import CLOCKS_DIFFER, OrderQuery, Reached
from tests.functional.admin_helpers import insert, profiled, stored

Document = dict[str, Any]
AT = datetime(2026, 3, 2, 12, tzinfo=UTC)
SIZE = 7
MANY = 120
SORTS: dict[str, Callable[[Document], Any]] = {
    "lowest_first": lambda order: (order["total_price"].to_decimal(), -order["created_at"].timestamp()),
    "longest_first": lambda order: (order["status_since"], order["_id"]),
}
FILTERS: dict[str, tuple[dict[str, Any], Callable[[Document], bool]]] = {
    "all": ({}, lambda order: True),
    "a status": ({"statuses": ("paid",)}, lambda order: order["status"] == "paid"),
    "statuses": ({"statuses": ("paid", "placing")}, lambda order: order["status"] in ("paid", "placing")),
    "a user": ({"user_id": "7"}, lambda order: order["user_id"] == "7"),
    "a span": ({"since": AT - timedelta(hours=1)}, lambda order: order["created_at"] >= AT - timedelta(hours=1)),
    "a status in a span": (
        {"reached": Reached("paid", AT - timedelta(hours=1))},
        lambda order: order.get("paid_at", AT - timedelta(days=1)) >= AT - timedelta(hours=1),
    ),
    "a span without a beginning": ({"since": datetime.min.replace(tzinfo=UTC)}, lambda order: True),
    "alerts": (
        {"alerts": ("unverified", "held"), "at": AT},
        lambda order: not order["user_verified"] or "held_at" in order,
    ),
    "a search": ({"meanings": meanings_of("springfield")}, lambda order: True),
    "a search among alerts": (
        {"meanings": meanings_of("springfield"), "alerts": ("held",), "at": AT},
        lambda order: "held_at" in order,
    ),
}


def stored_orders(database: Database[Document]) -> list[Document]:
    """Some of the same total, some that came to their status at the same moment."""
    orders = [
        stored(
            number,
            _id=ObjectId(),
            status=Status.values[number % 9],
            user_id="7" if number % 2 else "8",
            total_price=Decimal128(f"{number * 7 % 20}.50"),
            created_at=AT - timedelta(minutes=number),
            status_since=AT - timedelta(minutes=number * 11 % 30),
            user_verified=bool(number % 5),
        )
        | ({"held_at": AT} if number % 6 == 0 else {})
        | ({"paid_at": AT - timedelta(minutes=number)} if number % 9 > 3 else {})
        for number in range(MANY)
    ]
    insert(database, *orders)
    return orders


@pytest.mark.slow
@pytest.mark.parametrize("few", [order_query.FEW, 3], ids=["sorted", "walked"])
@pytest.mark.parametrize("sort", SORTS)
def test_a_sorted_list_has_each_order_once_from_either_end(
    database: Database[Document], monkeypatch: pytest.MonkeyPatch, sort: str, few: int
) -> None:
    monkeypatch.setattr(order_query, "FEW", few)
    monkeypatch.setattr(sorted_lists, "FEW", few)
    orders = stored_orders(database)
    for name, (asked, meets) in FILTERS.items():
        for way in (True, False):
            query = OrderQuery(**asked, **{sort: way}, drafts=True)
            wanted = [order["_id"] for order in sorted(filter(meets, orders), key=SORTS[sort], reverse=not way)]
            assert wanted, name
            assert order_lists.first_ids(query, MANY + 1) == wanted, (name, way)
            page, found = order_lists.page_after(query, SIZE), []
            while page.later:
                found += page.orders
                page = order_lists.page_after(query, SIZE, page.places[-1])
            assert [order.pk for order in [*found, *page.orders]] == wanted, (name, way)
            before = order_lists.page_before(query, SIZE, page.places[0])
            assert [order.pk for order in before.orders] == wanted[-SIZE - len(page.orders) : -len(page.orders)]
            previous, following = order_lists.neighbours(query, before.places[-1])
            assert previous == before.places[-2]
            assert following == page.places[0]
            assert order_lists.neighbours(query, page.places[-1])[1] is None
    plain = OrderQuery(drafts=True)
    assert order_lists.page_after(plain, 1, page.places[-1]).orders[0].pk == orders[0]["_id"], "of another order: none"


def test_what_a_list_comes_to_is_the_same_however_it_is_sorted(database: Database[Document]) -> None:
    stored_orders(database)
    plain = order_lists.sums(OrderQuery(drafts=True), 50)
    assert plain[1]
    for sort in ({"lowest_first": False}, {"longest_first": True}):
        assert order_lists.sums(OrderQuery(drafts=True, **sort), 50) == plain


@pytest.mark.parametrize("deep", [False, True])
@pytest.mark.parametrize("name", ["all", "a status", "statuses"])
@pytest.mark.parametrize("longest_first", [True, False])
def test_a_list_by_time_in_a_status_reads_a_page_off_its_index(
    database: Database[Document], name: str, longest_first: bool, deep: bool
) -> None:
    stored_orders(database)
    query = OrderQuery(**FILTERS[name][0], longest_first=longest_first, drafts=True)
    place = order_lists.page_after(query, 10).places[-1] if deep else None
    with profiled(database) as done:
        order_lists.first_ids(query, 1)  # looks once for foreign documents
        found = order_lists.page_after(query, SIZE - 1, place)
    assert found.orders
    walks = [operation for operation in done if operation["command"].get("limit") == SIZE]
    [walk] = walks
    assert "status: 1, status_since: 1, _id: 1" in walk["planSummary"]
    assert not walk.get("hasSortStage")
    assert walk["docsExamined"] <= SIZE + 9, "of each status, the first"
    assert walk["keysExamined"] <= 2 * SIZE + 9 * 3


@pytest.mark.parametrize("longest_first", [True, False])
@pytest.mark.parametrize("name", ["a span", "a status in a span"])
def test_a_list_of_a_span_by_time_in_a_status_passes_by_the_orders_from_before_it(
    database: Database[Document], monkeypatch: pytest.MonkeyPatch, name: str, longest_first: bool
) -> None:
    monkeypatch.setattr(order_query, "FEW", 3)
    monkeypatch.setattr(sorted_lists, "FEW", 3)
    stored_orders(database)
    begins = AT - timedelta(hours=1)
    early, before = begins - CLOCKS_DIFFER, begins - CLOCKS_DIFFER - timedelta(days=9)
    old = {"status": "paid", "created_at": before, "paid_at": before}
    insert(
        database,
        *(stored(number, **old, status_since=early - timedelta(minutes=number + 1)) for number in range(MANY)),
        stored(MANY, **old | {"created_at": begins, "paid_at": begins}, status_since=early),
    )
    query = OrderQuery(**FILTERS[name][0], longest_first=longest_first, drafts=True)
    with profiled(database) as done:
        found = order_lists.page_after(query, 2 * MANY)
    [walk] = [operation for operation in done if operation["command"].get("limit") == 2 * MANY + 1]
    assert "status: 1, status_since: 1, _id: 1" in walk["planSummary"]
    assert walk["docsExamined"] <= MANY + 1
    assert found.orders[0 if longest_first else -1].status_since == early, "by a clock that was a day behind"
