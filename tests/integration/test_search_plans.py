"""Searches are read off the index of their rarest word, and look at about as many orders as they show."""

from collections.abc import Iterator
from datetime import datetime, timedelta
from typing import Any

import pytest
from bson import Decimal128, ObjectId
from pymongo.database import Database

from orders.services.search_terms import terms_of
from orders.services.searching import meanings_of
from orders.storage import order_lists, order_reads, term_index
from orders.storage.order_query import OrderQuery
from orders.storage.order_writes import orders
from tests.functional.admin_helpers import profiled
from tests.integration.builders import Document

pytestmark = pytest.mark.no_cover

MANY = 2_400
PAGE = 51
START = datetime(2026, 1, 1)  # noqa: DTZ001 - naive UTC, as stored


@pytest.fixture(scope="module", autouse=True)
def many(module_database: Database[Document]) -> Iterator[None]:
    documents = []
    for n in range(MANY):
        document = {
            "_id": ObjectId(), "number": f"N{n:011d}", "user_id": f"u{n}", "status": "pending", "version": 1,
            "contact": {"name": f"{('Amara', 'Andrea')[n % 2]} {('Okafor', 'Lindqvist', 'Rossi')[n % 3]}"},
            "shipping_address": {"city": "Lisbon" if n % 600 == 5 else "Lyon"},
            "items": [{"sku": f"{n % 30}"}],
            "total_price": Decimal128(f"{n % 100}.00"), "created_at": START + timedelta(seconds=n),
        }  # fmt: skip
        documents.append(document | {"terms": terms_of(document)})
    orders().insert_many(documents)
    yield
    orders().delete_many({})


@pytest.fixture
def look(django_db_blocker: Any) -> Iterator[Any]:
    """Search, and return how many orders were found and what mongod did for it."""
    with django_db_blocker.unblock():

        def search(text: str, **conditions: Any) -> tuple[int, list[Document]]:
            query = OrderQuery(meanings=meanings_of(text), **conditions)
            with profiled(orders().database) as done:
                found = order_lists.first_ids(query, PAGE)
            for operation in done:
                told = f"{operation['planSummary']}: {operation['command']}"
                assert operation["planSummary"].startswith(("IXSCAN", "EOF")), told
                assert "$regex" not in str(operation["command"].get("filter", "")) or "hint" in operation["command"]
            return len(found), done

        yield search


def total(operations: list[Document], what: str) -> int:
    return sum(operation.get(what, 0) for operation in operations)


@pytest.mark.parametrize(
    ("text", "found", "keys", "looked_at"),
    [
        ("amara", PAGE, PAGE, 0),  # one term begins so: its orders stand in the order of the list
        ("amar", PAGE, PAGE, 0),
        ("am", PAGE, PAGE, 0),
        ("a", PAGE, MANY, 0),
        ("lisbon", 4, 8, 0),
        ("lisbon andr", 4, 4 + MANY // 2 + 8, 4),
        ("andr lisb", 4, 4 + MANY // 2 + 8, 4),
        ("amara lind", PAGE, MANY // 2 + 2 * MANY // 3 + 64 * PAGE, 32 * PAGE),
        ("nobody", 0, 1, 0),
        ("amara nobody", 0, MANY // 2, 0),
        ("17", PAGE, PAGE, 0),
        ("lyon 17", PAGE, MANY + 2 * MANY // 30 + 8 * PAGE, 4 * PAGE),
        ("64.00", 24, 2 * MANY // 100 + 2, 0),
        ("N00000000077", 1, 15, 2),
    ],
)
def test_a_search_looks_at_about_what_it_shows(look: Any, text: str, found: int, keys: int, looked_at: int) -> None:
    count, operations = look(text, drafts=True)
    assert count == found
    assert total(operations, "keysExamined") <= keys + 12
    assert total(operations, "docsExamined") <= looked_at


def test_a_storefronts_search_looks_at_the_newest_of_a_word_for_their_status(look: Any) -> None:
    count, operations = look("amara")
    assert count == PAGE
    assert total(operations, "docsExamined") <= 4 * PAGE


def test_of_common_words_the_newest_orders_are_walked_through(look: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(term_index, "FEW_TERMS", 0)
    monkeypatch.setattr(term_index, "FEW_OF_SEVERAL", 100)
    count, operations = look("amara lind", drafts=True)
    assert count == PAGE
    walks = [operation for operation in operations if "IXSCAN { created_at: -1, _id: -1 }" in operation["planSummary"]]
    [bound] = [operation for operation in walks if "skip" in operation["command"]]
    [walk] = [operation for operation in walks if "skip" not in operation["command"]]
    assert (bound["docsExamined"], bound["command"]["skip"]) == (0, order_lists.MOST_WALKED)
    assert walk["docsExamined"] <= 6 * PAGE
    assert not walk.get("hasSortStage")
    counted = [operation for operation in operations if "aggregate" in operation["command"]]
    assert max(operation["keysExamined"] for operation in counted) <= 110


def test_a_walk_in_vain_ends_early(look: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(term_index, "FEW_TERMS", 0)
    monkeypatch.setattr(term_index, "FEW_OF_SEVERAL", 3)
    monkeypatch.setattr(order_lists, "MOST_WALKED", 200)
    count, operations = look("lisbon okaf", drafts=True)
    assert count == 0
    walked = [operation for operation in operations if operation["planSummary"].startswith("IXSCAN { created_at")]
    assert total(walked, "docsExamined") <= 202
    rest = [operation for operation in operations if operation not in walked]
    assert total(rest, "docsExamined") <= 4, "the longer word, not the one that more orders have"


def test_of_words_that_never_meet_a_page_looks_at_some_orders(
    django_db_blocker: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(order_lists, "MOST_LOOKED_AT", 250)
    with django_db_blocker.unblock(), profiled(orders().database) as done:
        page = order_lists.page_after(OrderQuery(meanings=meanings_of("okafor rossi"), drafts=True), 5)
    assert (page.orders, page.later) == ([], True)
    assert page.reached is not None
    assert page.reached.created_at == START + timedelta(seconds=MANY - 3 * 250), "every third, from the newest"
    assert total(done, "docsExamined") <= 250
    assert total(done, "keysExamined") <= 2 * MANY // 3 + 4 * 250
    by_terms = [operation for operation in done if "terms" in str(operation["command"].get("filter"))]
    assert not any(operation.get("hasSortStage") for operation in by_terms), "one term begins so"


def test_a_page_of_the_storefronts_search_is_read_by_ids(django_db_blocker: Any) -> None:
    with django_db_blocker.unblock(), profiled(orders().database) as done:
        found = order_reads.list_orders(OrderQuery(meanings=meanings_of("lisbon")), limit=10)
    assert len(found) == 4
    assert done[-1]["planSummary"] == "IXSCAN { _id: 1 }"
    assert done[-1]["docsExamined"] == 4
