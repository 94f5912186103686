"""The list's export: the filter that is shown, as CSV, to whoever may."""

import csv
import io
import logging
from datetime import timedelta
from typing import Any

import pytest
from bson import Decimal128, ObjectId
from django.test import Client
from django.utils import timezone
from pymongo.database import Database
from pytest_django.fixtures import Settings

from tests.functional.admin_helpers import LIST, ROLES, WORK, Document, client_of, insert, line, profiled, said, stored

EXPORT = f"{LIST}export/"


@pytest.fixture
def finance(database: Database[Document]) -> Client:
    return client_of("Finance")


def exported(client: Client, query: str = "") -> list[dict[str, str]]:
    response: Any = client.get(EXPORT + query)
    assert response.status_code == 200
    text = b"".join(response.streaming_content).decode("utf-8-sig")
    return list(csv.DictReader(io.StringIO(text)))


def numbers(found: list[dict[str, str]]) -> list[str]:
    return [row["number"] for row in found]


def test_all_pages_of_the_filter_are_exported_newest_first(database: Database[Document], finance: Client) -> None:
    orders = [stored(number, status="paid" if number % 2 else "pending") for number in range(130)]
    insert(database, *orders)
    assert numbers(exported(finance)) == [order["number"] for order in orders]
    assert numbers(exported(finance, "?status=paid&sort=oldest")) == [order["number"] for order in orders[1::2]]


def test_each_filter_exports_what_it_lists(database: Database[Document], finance: Client) -> None:
    earlier = timezone.now() - timedelta(days=16)
    long_ago, product = timezone.now() - timedelta(days=10), "665f1c0a9b1e8a0012a4beef"
    orders = {
        "user=17": stored(1, user_id="17"),
        f"product={product}": stored(2, items=[line() | {"product_id": product}]),
        "least=99&most=100": stored(3, total_price=Decimal128("99.50")),
        "flag=unverified": stored(4, user_verified=False, status="delivered"),
        "flag=unknown&flag=owed&flag=unshipped": stored(5, status="paid", created_at=long_ago, status_since=long_ago),
        f"until={earlier:%Y-%m-%d}": stored(6, created_at=earlier, status="shipped"),
        "q=abcdefabcdefabcdefabcdef": stored(7, _id=ObjectId("abcdefabcdefabcdefabcdef")),
    }  # fmt: skip
    insert(database, *orders.values())
    for query, order in orders.items():
        assert numbers(exported(finance, f"?{query}")) == [order["number"]], query


def test_an_export_whose_index_cannot_be_chosen_in_time_leads_back_to_the_list_with_a_word(
    database: Database[Document], finance: Client, settings: Settings
) -> None:
    insert(database, stored(1, user_id="7"))
    settings.BACKOFFICE_QUERY_MS = 0.001
    response: Any = finance.get(f"{EXPORT}?least=1&status=pending")  # where orders are counted, to choose
    assert (response.status_code, response.url) == (302, f"{LIST}?least=1&status=pending")
    assert said(response) == ["Nothing was exported: the database did not answer in time."]


def test_it_is_a_file_to_be_saved(database: Database[Document], finance: Client) -> None:
    insert(database, stored())
    response: Any = finance.get(EXPORT)
    assert response.streaming
    assert response["Content-Type"] == "text/csv; charset=utf-8"
    assert response["Content-Disposition"] == f'attachment; filename="orders-{timezone.now():%Y-%m-%d}.csv"'
    assert b"".join(response.streaming_content).startswith('\ufeff"id","number","status"'.encode())


def test_the_file_is_the_same_in_whatever_language_it_is_asked_for(
    database: Database[Document], finance: Client
) -> None:
    insert(database, stored(status="pending", total_price=Decimal128("1234.50")))
    english, german = (finance.get(EXPORT, headers={"accept-language": language}) for language in ("en", "de"))
    assert "Content-Language" not in german
    assert b"".join(german.streaming_content) == b"".join(english.streaming_content)


@pytest.mark.parametrize("role", [role for role in ROLES if role != "superuser"])
def test_only_who_may_export_is_offered_it_and_gets_it(database: Database[Document], role: str) -> None:
    insert(database, stored())
    client = client_of(role)
    may = "export_orders" in WORK.get(role, set())
    assert client.get(EXPORT).status_code == (200 if may else 403)
    assert ("data-export " in client.get(LIST).content.decode()) == may


def test_nobody_who_is_not_logged_in_gets_it(database: Database[Document]) -> None:
    insert(database, stored())
    response = Client().get(EXPORT)
    assert (response.status_code, response.url) == (302, f"/admin/login/?next={EXPORT}")


def test_what_cannot_be_read_leads_to_the_list_that_says_so(database: Database[Document], finance: Client) -> None:
    insert(database, stored())
    response = finance.get(f"{EXPORT}?since=nonsense&status=paid")
    assert (response.status_code, response.url) == (302, f"{LIST}?since=nonsense&status=paid")
    assert finance.get(response.url).status_code == 200


def test_only_a_get_is_answered(database: Database[Document], finance: Client) -> None:
    assert finance.post(EXPORT).status_code == 405


def test_who_exports_what_is_logged(
    database: Database[Document], finance: Client, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.INFO, "orders.admin.order_export"):
        exported(finance, "?status=paid")
    said = [record.getMessage() for record in caplog.records if record.name == "orders.admin.order_export"]
    assert said == ["staff:Finance exports orders: status=paid"]


@pytest.mark.parametrize(
    "query",
    [
        "",
        "status=paid&status=pending",
        "flag=unknown&flag=owed&flag=short&flag=unshipped&flag=unverified",
        "least=3&most=5",
        "user=7",
    ],
)
def test_an_export_is_read_off_indexes(database: Database[Document], finance: Client, query: str) -> None:
    insert(
        database,
        *(
            stored(number, user_verified=number % 50 != 0, user_id=str(number % 9), total_price=Decimal128(f"{number}"))
            for number in range(1_200)
        ),
    )
    with profiled(database) as operations:
        assert exported(finance, f"?{query}")
    read = [operation for operation in operations if operation["ns"].endswith(".orders")]
    assert read
    for operation in read:
        assert "COLLSCAN" not in operation["planSummary"], operation
        assert operation["docsExamined"] <= operation["nreturned"] + 1, operation
