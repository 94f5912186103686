"""The list of orders in the backoffice: shown, filtered, searched, paged, and read off indexes."""

import itertools
import re
from datetime import timedelta
from typing import Any
from urllib.parse import urlencode

import pytest
from bson import ObjectId
from django.test import Client
from pymongo.database import Database

from orders.admin import paging
from orders.models.states import Status
from tests.functional.admin_helpers import (
    EDGES,
    LIST,
    Document,
    client_of,
    insert,
    insert_each_status,
    line,
    profiled,
    rows,
    stored,
    text_of,
)

MANY = 2_600
"""Orders, more than are ever counted."""
PER_PAGE = 50


@pytest.fixture
def support(database: Database[Document]) -> Client:
    return client_of("Support")


def look(client: Client, **parameters: Any) -> list[str]:
    return rows(client.get(LIST, parameters))


def filters(client: Client) -> dict[str, dict[str, str]]:
    """Title of each filter of the list → its choices, each with its query string."""
    changelist = client.get(LIST).context["cl"]
    return {
        spec.title: {str(choice["display"]): choice["query_string"] for choice in spec.choices(changelist)}
        for spec in changelist.filter_specs
    }


def many() -> list[Document]:
    """Orders over some weeks in all statuses, a third of them of one user, one number each; the newest first."""
    statuses = itertools.cycle(Status.values)
    orders = [
        stored(number, status=next(statuses), user_id="7" if number % 3 == 0 else str(1000 + number % 50))
        for number in range(MANY)
    ]
    for number, order in enumerate(orders):
        order["created_at"] -= timedelta(minutes=20 * number)
    return orders


def test_a_list_without_orders_says_so(support: Client) -> None:
    response = support.get(LIST)
    assert rows(response) == []
    assert "0 orders" in text_of(response)
    for query in ({"p": "1"}, {"status__exact": "paid"}, {"q": "17"}, {"all": ""}):
        assert look(support, **query) == []


def test_orders_of_every_status_are_listed_newest_first(database: Database[Document], support: Client) -> None:
    orders = insert_each_status(database)
    response = support.get(LIST)
    assert rows(response) == [order["number"] for order in orders.values()]
    text = text_of(response)
    for status in EDGES:
        assert f" 1 {status.capitalize()} 29.80 2 in 1 line Reserved " in text
    assert f'href="{LIST}{orders["paid"]["_id"]}/change/"' in response.content.decode()


def test_orders_of_one_moment_have_a_stable_order(database: Database[Document], support: Client) -> None:
    at = stored()["created_at"]
    orders = [stored(number, created_at=at) for number in range(120)]
    insert(database, *orders)
    expected = [order["number"] for order in sorted(orders, key=lambda order: order["_id"], reverse=True)]
    assert [number for page in (1, 2, 3) for number in look(support, p=page)] == expected


def test_the_list_sums_up_lines_and_their_stock(database: Database[Document], support: Client) -> None:
    insert(
        database,
        stored(items=[line("reserved"), line("unknown", call="release"), line("reserved")], user_verified=False),
    )
    response = support.get(LIST)
    assert " 6 in 3 lines Reserved, Unknown " in text_of(response)
    assert 'alt="False"' in response.content.decode()


def test_an_order_without_lines_is_listed(database: Database[Document], support: Client) -> None:
    insert(database, stored(items=[]))
    assert " 0 in 0 lines " in text_of(support.get(LIST))


def test_the_status_filter_offers_every_status_and_shows_its_orders(
    database: Database[Document], support: Client
) -> None:
    orders = insert_each_status(database)
    choices = filters(support)["status"]
    assert list(choices) == ["All", *Status.labels]
    for status, order in orders.items():
        assert rows(support.get(LIST + choices[Status(status).label])) == [order["number"]]
    assert len(rows(support.get(LIST + choices["All"]))) == len(orders)


def test_the_date_filter_shows_the_orders_of_its_time(database: Database[Document], support: Client) -> None:
    now = stored()["created_at"]
    ages = {
        "today": timedelta(0),
        "6 days": timedelta(days=6),
        "300 days": timedelta(days=300),
        "3 years": timedelta(days=1100),
    }
    orders = {name: stored(index, created_at=now - age) for index, (name, age) in enumerate(ages.items())}
    insert(database, *orders.values())
    choices = filters(support)["created at"]
    assert list(choices) == ["Any date", "Today", "Past 7 days", "This month", "This year"]
    found = {title: rows(support.get(LIST + query)) for title, query in choices.items()}
    numbers = [order["number"] for order in orders.values()]
    assert found["Any date"] == numbers
    assert found["Today"] == numbers[:1]
    assert found["Past 7 days"] == numbers[:2]
    midnight = now.replace(hour=0, minute=0, second=0)
    for title, since in (("This month", midnight.replace(day=1)), ("This year", midnight.replace(month=1, day=1))):
        assert found[title] == [order["number"] for order in orders.values() if order["created_at"] >= since]


def test_filters_and_the_search_narrow_each_other(database: Database[Document], support: Client) -> None:
    orders = [
        stored(0, status="paid", user_id="7"),
        stored(1, status="paid", user_id="8"),
        stored(2, status="shipped", user_id="7"),
    ]
    insert(database, *orders)
    assert look(support, q="7", status__exact="paid") == [orders[0]["number"]]
    assert look(support, q="8", status__exact="shipped") == []


def test_an_address_that_was_tampered_with_never_breaks_the_list(database: Database[Document], support: Client) -> None:
    insert_each_status(database)
    for query in (
        "status__exact=nonsense", "status__exact=", "created_at__gte=nonsense", "created_at__gte=2026-13-45", "p=abc",
        "p=-1", "p=0", "p=" + "9" * 5000, "o=1.2", "o=-99", "_facets=True", "q=%00", "all=", "_popup=1",
        "created_at__lt=", "created_at__gte=99999-01-01", "e=1",
    ):  # fmt: skip
        assert support.get(f"{LIST}?{query}", follow=True).status_code == 200, query


def test_no_address_filters_by_what_has_no_index(database: Database[Document], support: Client) -> None:
    insert_each_status(database)
    for query in (
        "status__regex=(a%2B)%2B", "user_id__icontains=1", "items__product_id=1", "history__reason__icontains=x",
        "total_price__gt=1", "created_at__date=2026-01-01", "shipping_address__city=Springfield", "id__exact=nonsense",
        "status__isnull=maybe", "nosuchfield=1", "_to_field=nosuch",
    ):  # fmt: skip
        assert support.get(f"{LIST}?{query}").status_code == 400, query


def test_no_choice_is_counted(database: Database[Document], support: Client) -> None:
    insert_each_status(database)
    assert "_facets" not in support.get(LIST).content.decode()
    _, plain = operations_on_orders(database, support, "")
    _, asked = operations_on_orders(database, support, "?_facets=True")
    assert len(asked) == len(plain)


def test_a_number_is_found_however_it_is_spelt(database: Database[Document], support: Client) -> None:
    insert(database, stored(1) | {"number": "10KQ-2M9D-XW3H"}, stored(2), stored(3))
    for spelt in (
        "10KQ-2M9D-XW3H", "10kq-2m9d-xw3h", "10KQ2M9DXW3H", "IOKQ-2M9D-XW3H", "lokq 2m9d xw3h", " 10KQ-2M9D-XW3H ",
        "1-0-K-Q-2-M-9-D-X-W-3-H",
    ):  # fmt: skip
        assert look(support, q=spelt) == ["10KQ-2M9D-XW3H"], spelt


def test_an_order_is_found_by_its_id(database: Database[Document], support: Client) -> None:
    wanted = insert(database, stored(1, _id=ObjectId("abcdefabcdefabcdefabcdef")), stored(2), stored(3))
    for spelt in ("abcdefabcdefabcdefabcdef", "ABCDEFABCDEFABCDEFABCDEF", "  abcdefabcdefabcdefabcdef "):
        assert look(support, q=spelt) == [wanted["number"]]


def test_a_users_orders_are_found_by_the_users_id(database: Database[Document], support: Client) -> None:
    users = {
        "17": ["17", " 17 ", "0017"],
        "665f1c0a9b1e8a0012a4beef": ["665f1c0a9b1e8a0012a4beef", "665F1C0A9B1E8A0012A4BEEF"],
        "3f2b9c1e-8d4a-4c6b-9e2f-0a1b2c3d4e5f": [
            "3f2b9c1e-8d4a-4c6b-9e2f-0a1b2c3d4e5f",
            "3F2B9C1E8D4A4C6B9E2F0A1B2C3D4E5F",
        ],
    }
    owners = [*users, *users, "170", "1"]
    orders = [stored(number, user_id=owner) for number, owner in enumerate(owners)]
    insert(database, *orders)
    for user_id, spellings in users.items():
        for spelt in spellings:
            assert look(support, q=spelt) == [order["number"] for order in orders if order["user_id"] == user_id], spelt


def test_digits_that_are_a_number_and_a_user_find_both(database: Database[Document], support: Client) -> None:
    orders = [stored(1) | {"number": "1234-5678-9012"}, stored(2, user_id="123456789012"), stored(3)]
    insert(database, *orders)
    assert look(support, q="123456789012") == [order["number"] for order in orders[:2]]


def test_what_is_well_written_and_not_there_finds_nothing(database: Database[Document], support: Client) -> None:
    insert(database, stored(1))
    for text in ("0000-0000-9999", "f" * 24, "424242", "3f2b9c1e-8d4a-4c6b-9e2f-0a1b2c3d4e5f"):
        response = support.get(LIST, {"q": text})
        assert rows(response) == [], text
        assert "That is no" not in text_of(response)


def test_nonsense_finds_nothing_and_is_called_by_its_name(database: Database[Document], support: Client) -> None:
    insert(database, stored(1) | {"number": "10KQ-2M9D-XW3H"}, stored(2, user_id="17"))
    for text in (
        "Springfield", "10KQ-2M9D", "10KQ-2M9D-XW3U", "-17", "1.5", ".*", "$ne", '{"$gt": ""}', "%", "' OR 1=1",
        "<script>alert", "9" * 20, "x" * 5000, "ü", "\u0661\u0667", "10KQ-2M9D-XW3H extra",
    ):  # fmt: skip
        response = support.get(LIST, {"q": text})
        assert rows(response) == [], text
        assert "That is no order number, order id or user id." in text_of(response)
        assert "<script>alert" not in response.content.decode()


def test_an_empty_search_shows_all(database: Database[Document], support: Client) -> None:
    insert_each_status(database)
    for text in ("", " ", "\t"):
        assert len(look(support, q=text)) == len(EDGES)


def test_pages_follow_each_other_and_none_is_past_the_end(database: Database[Document], support: Client) -> None:
    orders = [stored(number) for number in range(120)]
    insert(database, *orders)
    numbers = [order["number"] for order in orders]
    assert look(support) == look(support, p=1) == numbers[:50]
    assert look(support, p=2) == numbers[50:100]
    assert look(support, p=3) == numbers[100:]
    assert "120 orders" in text_of(support.get(LIST))
    for past in ("4", "99999999999999", "0", "-1"):
        response = support.get(LIST, {"p": past})
        assert (response.status_code, response.url) == (302, f"{LIST}?e=1")
    assert look(support, p="abc") == numbers[:50]
    assert look(support, all="") == numbers[:50]
    assert rows(support.get(f"{LIST}?e=1")) == numbers[:50]


def test_a_narrowed_list_is_paged_by_itself(database: Database[Document], support: Client) -> None:
    orders = [stored(number, status="paid" if number % 2 else "pending") for number in range(130)]
    insert(database, *orders)
    paid = [order["number"] for order in orders[1::2]]
    assert look(support, status__exact="paid", p=2) == paid[50:]
    assert f"{len(paid)} orders" in text_of(support.get(LIST, {"status__exact": "paid"}))


def operations_on_orders(database: Database[Document], client: Client, query: str) -> tuple[Any, list[Document]]:
    with profiled(database) as operations:
        response = client.get(LIST + query)
        assert response.status_code == 200
    for operation in operations:
        if operation["ns"].endswith((".auth_user", ".django_session")):
            assert "COLLSCAN" not in operation["planSummary"], operation
    return response, [operation for operation in operations if operation["ns"].endswith(".orders")]


def test_every_filter_search_and_page_is_read_off_an_index(database: Database[Document], support: Client) -> None:
    orders = many()
    insert(database, *orders)
    choices = [query for titles in filters(support).values() for query in titles.values()]
    choices.remove("?attention=unknown")  # reads lines first: tests/functional/test_admin_resolve.py
    today = next(query for query in choices if "created_at__gte" in query).removeprefix("?")
    searches = [
        {"q": text} for text in (orders[1700]["number"], str(orders[5]["_id"]), "7", "1001", "424242", "123456789012")
    ]
    queries = {
        "",
        "?p=2",
        "?p=40",
        *choices,
        *(f"?status__exact={status}&{today}" for status in ("paid", "placing")),
        *(f"?{urlencode(search)}" for search in searches),
        "?q=7&status__exact=paid",
        f"?q=7&{today}",
        f"?q=7&status__exact=paid&{today}",
    }
    for query in sorted(queries):
        response, operations = operations_on_orders(database, support, query)
        assert len(operations) >= 2, query
        page = int((re.search(r"\bp=(\d+)", query) or [0, 1])[1])
        assert len(rows(response)) <= PER_PAGE
        for operation in operations:
            told = f"{query}: {operation}"
            assert re.match(r"IXSCAN|IDHACK|EOF", operation["planSummary"]), told
            assert "COLLSCAN" not in operation["planSummary"], told
            assert not operation.get("hasSortStage") or "q=" in query, told
            most = paging.MOST_COUNTED if counts(operation) else page * PER_PAGE
            assert operation["keysExamined"] <= most + 10, told
            assert operation["docsExamined"] <= most + 10, told


def counts(operation: Document) -> bool:
    """Tell the paginator's reads of ids from those of whole orders."""
    pipeline = operation.get("originatingCommand", operation["command"])["pipeline"]
    return {"$limit": paging.MOST_COUNTED} in pipeline


def test_the_paginator_never_counts_beyond_its_cap(database: Database[Document], support: Client) -> None:
    insert(database, *many())
    response, operations = operations_on_orders(database, support, "")
    assert response.context["cl"].paginator.count == paging.MOST_COUNTED
    count = [operation for operation in operations if counts(operation)]
    assert sum(operation["nreturned"] for operation in count) == paging.MOST_COUNTED
    assert sum(operation["keysExamined"] for operation in count) <= paging.MOST_COUNTED + 1
    assert sum(operation["docsExamined"] for operation in count) == 0
    assert len(look(support, p=paging.MOST_COUNTED // PER_PAGE)) == PER_PAGE
    assert support.get(LIST, {"p": paging.MOST_COUNTED // PER_PAGE + 1}).url == f"{LIST}?e=1"
