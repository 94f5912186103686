"""Every page of the list is read off an index, and reads about as much as it shows: asserted on what mongod did."""

import itertools
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest
from bson import Decimal128
from django.test import Client
from pymongo.database import Database

from orders.admin.list_views import token_of
from orders.models import DATED_STATUSES, Status
from orders.storage import order_lists, order_query
from orders.storage.order_query import OrderQuery, Position, Reached
from tests.functional.admin_helpers import LIST, Document, client_of, insert, line, profiled, rows, stored

pytestmark = pytest.mark.no_cover

MANY = 2_600
PER_PAGE = 50
PRODUCTS = [f"665f1c0a9b1e8a0012a4{number:04x}" for number in range(10)]
NOW = datetime.now(UTC).replace(microsecond=0)
MONTH = f"since={NOW - timedelta(days=30):%Y-%m-%d}&until={NOW:%Y-%m-%d}"
COLLEAGUE = "6" * 24
ALERTS = 6
"""So many reads a view may be made of: one for each alert that needs attention."""
COUNTER = 1
"""The number beside the page of what needs attention, in the navigation: at most one read, once in some seconds."""

FILTERS = {
    "status": "status=paid",
    "statuses": "status=paid&status=processing&status=cancelled",
    "to ship": "status=paid&status=processing&sort=oldest",
    "ever paid": "date=paid",
    "paid on days": f"date=paid&since={NOW - timedelta(days=9):%Y-%m-%d}&until={NOW - timedelta(days=2):%Y-%m-%d}",
    "refunded on days": f"date=refunded&until={NOW - timedelta(days=9):%Y-%m-%d}",
    "refunded and paid": f"date=refunded&status=paid&until={NOW - timedelta(days=9):%Y-%m-%d}",
    "days": f"until={NOW - timedelta(days=9):%Y-%m-%d}",
    "total": "least=20&most=40",
    "product": f"product={PRODUCTS[3]}",
    "user": "user=7",
    "user and status": "user=7&status=placing&status=processing",
    "unknown": "flag=unknown",
    "owed": "flag=owed",
    "short": "flag=short",
    "unshipped": "flag=unshipped",
    "unpaid": "flag=unpaid",
    "unverified": "flag=unverified",
    "unchecked": "flag=unchecked&sort=oldest",
    "money": "flag=money",
    "held": "flag=held&sort=oldest",
    "assigned": f"assigned={COLLEAGUE}",
    "assigned, to ship": f"assigned={COLLEAGUE}&status=paid&status=processing&sort=oldest",
    "assigned, held": f"assigned={COLLEAGUE}&flag=held",
    "assigned and paid": f"assigned={COLLEAGUE}&date=paid",
    "nobody": "assigned=nobody",
    "nobody, paid": "assigned=nobody&status=paid&sort=oldest",
    "tag": "tag=vip",
    "tag and status": "tag=Vip&status=paid",
    "attention": "flag=unknown&flag=owed&flag=short&flag=unchecked&flag=unshipped&flag=money&sort=oldest",
}
SEARCHES = {
    "number": "q=000000001700",
    "user id": "q=7",
    "another user's id": "q=1001",
    "nobody's id": "q=424242",
    "number or user id": "q=123456789012",
    "product id": f"q={PRODUCTS[3]}",
    "nothing's id": f"q={'f' * 24}",
    "town": "q=Springfield&least=0",
    "town and customer": "q=springf+7",
    "total": "q=64.00",
    "total, as a word too": "q=64,00+springfield",
    "nobody": "q=nobody+springfield",
}


@pytest.fixture(scope="module")
def many(module_database: Database[Document]) -> Iterator[list[Document]]:
    """Orders over some weeks in all statuses, a third of them of one user, a few with each flag; the newest first."""
    statuses = itertools.cycle(Status.values)
    orders = [
        stored(
            number,
            status=next(statuses),
            user_id="7" if number % 3 == 0 else str(1000 + number % 50),
            user_verified=number % 40 != 0,
            total_price=Decimal128(f"{number % 100}.00"),
            items=[
                line("unknown" if number % 250 == 0 else "reserved", discrepancy=1 if number % 200 == 3 else None)
                | {"product_id": PRODUCTS[number % 10]},
            ],
            created_at=NOW - timedelta(minutes=20 * number),
            status_since=NOW - timedelta(minutes=20 * number),
        )
        | ({"stock_due_at": NOW} if number % 100 == 1 else {})
        | ({"paid_at": NOW - timedelta(minutes=20 * number - 10)} if number % 2 else {})
        | ({"owed": Decimal128("1.00")} if number % 80 == 7 else {})
        | ({"held_at": NOW} if number % 90 == 5 else {})
        | ({"assignee": {"id": COLLEAGUE if number % 23 == 1 else "7" * 24, "name": "Nia"}} if number % 13 else {})
        | ({"tags": ["VIP", "Gift"], "tag_keys": ["vip", "gift"]} if number % 17 == 1 else {})
        | ({"refunded_at": NOW - timedelta(minutes=19 * number)} if number % 20 == 0 else {})
        for number in range(MANY)
    ]
    insert(module_database, *orders)
    yield orders
    module_database["orders"].delete_many({})


OF_FOREIGN = "IXSCAN { version: 1, _id: 1 }"


@pytest.fixture
def look(many: list[Document], django_db_blocker: Any) -> Iterator[Any]:
    """Ask for a page and return it with what mongod did for it."""
    with django_db_blocker.unblock():
        from django.contrib.auth.models import User
        from django.db import connection

        database: Database[Document] = connection.database
        support: Client = client_of("Support")

        def ask(query: str) -> tuple[Any, list[Document]]:
            with profiled(database) as done:
                response = support.get(f"{LIST}?{query}")
            # Once a second, whatever is asked, somebody looks whether there are documents of another service.
            operations = [operation for operation in done if operation["planSummary"] != OF_FOREIGN]
            for operation in operations:
                if operation["ns"].endswith((".auth_user", ".django_session")):
                    assert "COLLSCAN" not in operation["planSummary"], operation
            return response, [operation for operation in operations if operation["ns"].endswith(".orders")]

        yield ask
        User.objects.all().delete()
        database["django_session"].delete_many({})


def test_who_has_orders_and_how_they_are_tagged_each_has_an_index(look: Any, many: list[Document]) -> None:
    """Nine in ten of the open orders belong to a colleague, so that a walk would meet those that do not late."""
    for query, index, wanted in (
        (f"assigned={COLLEAGUE}", "{ assignee.id: 1, status: 1, created_at: -1, _id: -1 }",
         lambda order: order.get("assignee", {}).get("id") == COLLEAGUE),
        ("assigned=nobody", "{ status: 1, created_at: -1, _id: -1 }",
         lambda order: "assignee" not in order and order["status"] in ("pending", "paid", "processing")),
        ("tag=VIP", "{ tag_keys: 1, status: 1, created_at: -1, _id: -1 }",
         lambda order: "vip" in order.get("tag_keys", ())),
    ):  # fmt: skip
        response, [ids, *_] = look(query)
        assert rows(response) == [order["number"] for order in many if wanted(order)][:PER_PAGE]
        assert ids["planSummary"].count(index), ids["planSummary"]
        assert (ids["command"]["limit"], ids["docsExamined"] <= PER_PAGE + 2) == (PER_PAGE + 1, True), query
        assert not ids.get("hasSortStage")


def read_off_indexes(operations: list[Document], most: int, most_added: int = 1_200) -> None:
    """:param most_added: what adding up the totals of the first thousand may read, which is more than a page."""
    assert len(operations) >= 2
    for operation in operations:
        adds = "aggregate" in operation["command"] or operation["command"].get("limit") == 1_001
        allowed = most_added if adds else most
        told = f"{operation['planSummary']}, {operation.get('keysExamined')} keys: {operation['command']}"
        assert operation["planSummary"].startswith(("IXSCAN", "IDHACK", "COUNT_SCAN", "EOF")), told
        assert "COLLSCAN" not in operation["planSummary"], told
        assert operation.get("keysExamined", 0) <= allowed, told
        assert operation.get("docsExamined", 0) <= allowed, told


@pytest.mark.parametrize(
    ("name", "days"),
    [(name, days) for name in FILTERS for days in ("", MONTH) if not (days and FILTERS[name].count("until"))],
)
def test_a_filter_reads_about_what_it_shows(look: Any, name: str, days: str) -> None:
    response, operations = look(f"{FILTERS[name]}&{days}")
    assert rows(response)
    sparse = name in {"total", "unchecked", "attention", "unshipped"}  # filtered within the index
    of_span = "date=" in FILTERS[name]  # sorted within memory, up to FEW
    most = MANY // 2 if of_span else 600 if sparse else 3 * PER_PAGE
    read_off_indexes(operations, most, max(most, 1_200))
    if not of_span and name not in {"total"}:
        assert not any(operation.get("hasSortStage") for operation in operations), operations


@pytest.mark.parametrize("few", [order_query.FEW, 10])
def test_a_range_of_totals_is_sorted_or_walked_through(look: Any, monkeypatch: pytest.MonkeyPatch, few: int) -> None:
    monkeypatch.setattr(order_query, "FEW", few)
    response, operations = look("least=20&most=29.99")
    assert len(rows(response)) == PER_PAGE
    read_off_indexes(operations, 600, most_added=MANY)
    ids = [operation for operation in operations if "find" in operation["command"]]
    assert (ids[0].get("docsExamined"), bool(ids[0].get("hasSortStage"))) == (0, few > 10)


@pytest.mark.parametrize("name", SEARCHES)
def test_a_search_reads_about_what_it_shows(look: Any, name: str) -> None:
    response, operations = look(SEARCHES[name])
    assert response.status_code == 302 or name not in {"number"}
    of_words = [operation for operation in operations if operation["planSummary"].startswith("IXSCAN { terms: 1")]
    others = [operation for operation in operations if operation not in of_words]
    adding = [operation for operation in others if "getMore" in operation["command"]]  # up the totals, page after page
    read_off_indexes([operation for operation in others if operation not in adding], 10 * PER_PAGE)
    assert all(operation["planSummary"] == "IXSCAN { _id: 1 }" for operation in adding)
    assert sum(operation["keysExamined"] for operation in adding) <= MANY + PER_PAGE
    assert all(operation["docsExamined"] <= 3 * PER_PAGE for operation in of_words), "their keys are counted and sorted"
    assert all("hint" in operation["command"] for operation in of_words)


@pytest.mark.parametrize("way", ["after", "before"])
@pytest.mark.parametrize("query", ["", "status=paid&status=processing", "flag=unverified", f"product={PRODUCTS[3]}"])
def test_a_deep_page_reads_no_more_than_the_first(look: Any, many: list[Document], way: str, query: str) -> None:
    order = many[1300]
    token = token_of(1300, Position(order["created_at"].replace(tzinfo=None), order["_id"]))
    response, operations = look(f"{query}&{way}={token}")
    assert rows(response)
    read_off_indexes(operations, 3 * PER_PAGE)


def test_the_plain_list_reads_ids_from_the_index_and_a_page_of_orders(look: Any) -> None:
    response, operations = look("")
    assert len(rows(response)) == PER_PAGE
    page_of_ids, page_of_orders, *_ = operations
    assert (page_of_ids["keysExamined"], page_of_ids["docsExamined"]) == (PER_PAGE + 1, 0)
    assert page_of_orders["docsExamined"] == PER_PAGE
    assert len(operations) <= 2 + 2 + 4 + ALERTS + COUNTER


def test_the_views_are_counted_off_an_index_each_and_look_at_no_more_orders_than_they_count(look: Any) -> None:
    _, operations = look("q=424242")
    counted = [operation for operation in operations if operation["command"].get("limit") == 101]
    assert len(counted) == 4 + ALERTS
    off_the_index = [operation for operation in counted if not operation["docsExamined"]]
    assert len(off_the_index) == 3, "of those that need attention it does not tell whether they are snoozed"
    assert all(operation["docsExamined"] <= 101 for operation in counted)
    assert all(operation["keysExamined"] <= 600 for operation in counted)


@pytest.mark.parametrize("status", DATED_STATUSES)
@pytest.mark.parametrize("before", [None, NOW])
def test_each_moment_that_orders_keep_is_counted_off_an_index_of_its_own(
    look: Any, status: str, before: datetime | None
) -> None:
    from django.db import connection

    with profiled(connection.database) as operations:
        assert OrderQuery(reached=Reached(status, before=before), drafts=True).reads
    [counted] = operations
    assert counted["planSummary"] == f"IXSCAN {{ {status}_at: 1, created_at: -1, _id: -1 }}"
    assert counted["docsExamined"] == 0


def test_a_walk_for_orders_of_a_span_begins_where_they_may_be(look: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(order_query, "FEW", 10)
    monkeypatch.setattr(order_lists, "MOST_WALKED", 250)
    days_ago = 12
    response, operations = look(f"date=paid&until={NOW - timedelta(days=days_ago + 1):%Y-%m-%d}")
    assert len(rows(response)) == PER_PAGE
    page = next(operation for operation in operations if operation["command"].get("limit") == PER_PAGE + 1)
    assert page["planSummary"] == "IXSCAN { created_at: -1, _id: -1 }"
    assert page["nreturned"] == PER_PAGE + 1
    assert page["docsExamined"] <= 2 * PER_PAGE + 80, "a day of orders, and every second of those after it"


def test_a_walk_in_vain_for_orders_of_a_span_ends_early(
    look: Any, many: list[Document], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(order_query, "FEW", 10)
    monkeypatch.setattr(order_lists, "MOST_WALKED", 100)
    order = many[1300]
    token = token_of(1300, Position(order["created_at"].replace(tzinfo=None), order["_id"]))
    response, operations = look(f"date=paid&since={order['created_at'] + timedelta(days=7):%Y-%m-%d}&after={token}")
    assert rows(response) == []
    walked = [operation for operation in operations if operation["planSummary"] == "IXSCAN { created_at: -1, _id: -1 }"]
    assert sum(operation["docsExamined"] for operation in walked) <= 3 * 102, "of the page, its count and its sum"
    by_day = [operation for operation in operations if operation["planSummary"].startswith("IXSCAN { paid_at: 1")]
    assert by_day
    assert all(operation["docsExamined"] == 0 for operation in by_day)


PRODUCT, STATUSES = {"product_id": PRODUCTS[3]}, {"statuses": ("paid",)}
RARE, COMMON = {"least": Decimal(7), "most": Decimal(7)}, {"least": Decimal(1)}
SHORT = {"since": NOW - timedelta(days=30), "before": NOW}
PAID, REFUNDED = {"reached": Reached("paid")}, {"reached": Reached("refunded", before=NOW)}


@pytest.mark.parametrize(
    ("asked", "few", "index"),
    [
        ({}, 1_000, "newest"),
        (STATUSES, 1_000, "status_newest"),
        (RARE, 1_000, "total_newest"),
        (COMMON, 1_000, "newest_status_total"),
        (RARE | SHORT, 1_000, "total_newest"),
        (COMMON | SHORT, 1_000, "newest_status_total"),
        (STATUSES | COMMON, 1_000, "status_newest"),
        (STATUSES | RARE, 1_000, "total_newest"),
        (STATUSES | COMMON, 100, "newest_status_total"),
        (PRODUCT | RARE, 1_000, "total_newest"),
        (PRODUCT | COMMON, 1_000, "product_newest"),
        (PRODUCT | COMMON, 100, "product_newest"),
        (PRODUCT | STATUSES | COMMON | SHORT, 1_000, "product_newest"),
        (STATUSES | SHORT, 1_000, "status_newest"),
        (PRODUCT | STATUSES | {"user_id": "7"}, 1_000, "user_status_newest"),
        ({"user_id": "7"}, 1_000, "user_newest"),
        (PAID, 2_000, "paid_newest"),
        (PAID, 1_000, "newest"),
        (PAID | STATUSES, 1_000, "status_newest"),
        (PAID | STATUSES | COMMON, 100, "newest_status_total"),
        (PAID | COMMON, 1_000, "newest_status_total"),
        (PAID | PRODUCT, 1_000, "product_newest"),
        (REFUNDED, 1_000, "refunded_newest"),
        (REFUNDED | STATUSES, 1_000, "refunded_newest"),
        (REFUNDED | PRODUCT | COMMON, 1_000, "refunded_newest"),
        (REFUNDED | {"user_id": "7"}, 1_000, "user_newest"),
        ({"assignee": COLLEAGUE} | STATUSES | COMMON, 100, "assigned_newest"),
        ({"assignee": "nobody"} | PAID, 100, "unassigned_newest"),
        ({"assignee": COLLEAGUE, "user_id": "7"}, 1_000, "user_status_newest"),
        ({"tag": "vip"} | STATUSES, 1_000, "tagged_newest"),
        ({"tag": "vip"} | COMMON, 10, "tagged_newest"),
        ({"tag": "vip"} | RARE, 1_000, "total_newest"),
    ],
)
def test_of_several_filters_the_one_with_the_fewest_orders_leads(
    look: Any, monkeypatch: pytest.MonkeyPatch, asked: dict[str, Any], few: int, index: str
) -> None:
    monkeypatch.setattr(order_query, "FEW", few)
    [read] = OrderQuery(**asked, drafts=True).reads
    assert read.index == index
