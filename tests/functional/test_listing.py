"""GET /orders/ and GET /orders/user/{user_id} over real HTTP."""

from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any
from urllib.parse import quote

import pytest
import requests

from orders.models import Address, Contact
from tests.api_client import ApiClient
from tests.factories import OrderFactory
from tests.functional.helpers import (
    Api,
    problem,
    visitor_fixture,  # noqa: F401
)

NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)
PUBLIC = ("pending", "paid", "processing", "shipped", "delivered", "cancelled", "refunded")
UUID = "7d9f3a52-1f0e-4a53-9a53-0c8f0b5f7a11"


def ids(answer: requests.Response) -> list[str]:
    assert answer.status_code == 200, answer.text
    return [order["id"] for order in answer.json()]


def made(*moments: datetime, **fields: Any) -> list[str]:
    """Make orders of customer 1 created at these moments; return their ids, in that order."""
    return [str(OrderFactory(created_at=moment, **fields).pk) for moment in moments]


# --- what is listed, and in which order ---


@pytest.mark.parametrize("path", ["orders/", "orders", "orders/user/1", "orders/user/1/"])
def test_a_list_is_bare_and_newest_first(visitor: Api, path: str) -> None:
    old, new, middle = made(NOON, NOON + timedelta(days=2), NOON + timedelta(milliseconds=1))
    answer = visitor().get(path)
    assert isinstance(answer.json(), list)
    assert ids(answer) == [new, middle, old]
    assert answer.json()[0] == visitor().get(f"orders/{new}").json()
    assert "Link" not in answer.headers


@pytest.mark.parametrize("path", ["orders/", "orders/user/1"])
def test_a_list_may_be_empty(visitor: Api, path: str) -> None:
    answer = visitor().get(path)
    assert (answer.status_code, answer.json()) == (200, [])


def test_orders_of_one_moment_are_listed_by_id(visitor: Api) -> None:
    orders = made(*[NOON] * 5)
    assert ids(visitor().get("orders/")) == sorted(orders, reverse=True)


@pytest.mark.parametrize("path", ["orders/", "orders/user/1", "orders/?user_id=1"])
def test_drafts_are_listed_for_nobody(visitor: Api, path: str) -> None:
    for status in ("placing", "rejected"):
        made(NOON, status=status)
    [shown] = made(NOON)
    assert ids(visitor().get(path)) == ids(visitor(admin=True).get(path)) == [shown]


def test_an_admin_lists_everybodys_orders_and_a_customer_his_own(visitor: Api) -> None:
    [own], [other] = made(NOON), made(NOON, user_id="2")
    assert ids(visitor().get("orders/")) == [own]
    assert ids(visitor().get("orders/?user_id=1")) == [own]
    assert set(ids(visitor(admin=True).get("orders/"))) == {own, other}


@pytest.mark.parametrize("path", ["orders/?user_id=2", "orders/user/2"])
def test_anothers_orders_are_not_listed(visitor: Api, path: str) -> None:
    made(NOON, user_id="2")
    problem(visitor("1").get(path), 403, "not_permitted")


@pytest.mark.parametrize("path", ["orders/?user_id={}", "orders/user/{}"])
@pytest.mark.parametrize(
    ("stored", "asked"), [("7", "007"), (UUID, UUID.replace("-", "").upper()), ("a" * 24, "A" * 24)]
)
def test_a_user_is_found_by_any_spelling_of_his_id(visitor: Api, path: str, stored: str, asked: str) -> None:
    [order] = made(NOON, user_id=stored)
    assert ids(visitor(admin=True).get(path.format(asked))) == [order]
    assert ids(visitor(stored).get(path.format(asked))) == [order]


# --- filters ---


@pytest.mark.parametrize("path", ["orders/", "orders/user/1"])
@pytest.mark.parametrize("status", PUBLIC)
def test_a_list_is_filtered_by_status(visitor: Api, path: str, status: str) -> None:
    orders = {each: made(NOON, status=each)[0] for each in PUBLIC}
    assert ids(visitor().get(path, params={"status": status})) == [orders[status]]


@pytest.mark.parametrize(
    ("start", "expected"),
    [
        ("2026-03-01", [0, 1, 2, 3]),
        ("2026-03-02", [2, 3]),
        ("2026-03-01T12:00:00Z", [0, 1, 2, 3]),
        ("2026-03-01T12:00:00.001Z", [1, 2, 3]),
        ("2026-03-01T12:00:00", [0, 1, 2, 3]),
        ("2026-03-01 12:00:01", [1, 2, 3]),
        ("2026-03-01T12:00", [0, 1, 2, 3]),
        ("2026-03-01T14:00:00+02:00", [0, 1, 2, 3]),
        ("2026-03-01T14:00:01+02:00", [1, 2, 3]),
        ("2026-03-01T10:00:01-02:00", [1, 2, 3]),
        ("0001-01-01", [0, 1, 2, 3]),
        ("0001-01-01T00:00:00+05:00", [0, 1, 2, 3]),
        ("9999-12-31", []),
        ("9999-12-31T23:59:59-05:00", []),
    ],
)
def test_a_list_may_start_at_a_date_or_a_moment(visitor: Api, start: str, expected: list[int]) -> None:
    assert _selected(visitor(), {"start_date": start}) == expected


@pytest.mark.parametrize(
    ("end", "expected"),
    [
        ("2026-03-01", [0, 1]),
        ("2026-03-02", [0, 1, 2, 3]),
        ("2026-02-28", []),
        ("2026-03-01T23:59:59.999Z", [0, 1]),
        ("2026-03-01T12:00:00Z", [0]),
        ("2026-03-01T11:59:59.999Z", []),
        ("2026-03-01T14:00:00+02:00", [0]),
        ("2026-03-02T00:00:00", [0, 1, 2]),
        ("9999-12-31", [0, 1, 2, 3]),
    ],
)
def test_a_list_may_end_with_a_whole_day_or_at_a_moment(visitor: Api, end: str, expected: list[int]) -> None:
    assert _selected(visitor(), {"end_date": end}) == expected


def test_a_plus_sign_need_not_be_escaped(visitor: Api) -> None:
    [_, late] = made(NOON, NOON + timedelta(seconds=1))
    assert ids(visitor().get("orders/?start_date=2026-03-01T14:00:01+02:00")) == [late]
    assert ids(visitor().get("orders/?start_date=2026-03-01T14:00:01%2B02:00")) == [late]


def test_filters_combine(visitor: Api) -> None:
    [wanted] = made(NOON, status="paid", user_id="2")
    made(NOON, status="paid", user_id="3")
    made(NOON, status="pending", user_id="2")
    made(NOON - timedelta(days=1), NOON + timedelta(days=1), status="paid", user_id="2")
    params = {"status": "paid", "user_id": "2", "start_date": "2026-03-01", "end_date": "2026-03-01"}
    assert ids(visitor(admin=True).get("orders/", params=params)) == [wanted]


def test_a_span_that_ends_before_it_begins_is_refused(visitor: Api) -> None:
    made(NOON)
    refused = visitor().get("orders/?start_date=2026-03-02&end_date=2026-03-01")
    assert refused.status_code == 400
    assert refused.json()["errors"] == {"end_date": ["The span of time ends before it begins."]}
    assert visitor().get("orders/?start_date=2026-03-01T12:00:00&end_date=2026-03-01T12:00:00").status_code == 200


# --- pages ---


@pytest.mark.parametrize("path", ["orders/", "orders/user/1"])
def test_ten_orders_are_a_page_unless_told_otherwise(visitor: Api, path: str) -> None:
    newest_first = made(*(NOON + timedelta(seconds=n) for n in range(12)))[::-1]
    assert ids(visitor().get(path)) == newest_first[:10]
    assert ids(visitor().get(path, params={"skip": 10})) == newest_first[10:]
    assert ids(visitor().get(path, params={"skip": 3, "limit": 2})) == newest_first[3:5]
    assert ids(visitor().get(path, params={"skip": 12})) == []
    assert ids(visitor().get(path, params={"skip": 2**31 - 1, "limit": 100})) == []
    assert ids(visitor().get(path, params={"limit": 100})) == newest_first


@pytest.mark.parametrize("path", ["orders/", "orders/?status=pending&user_id=1&start_date=2026-03-01T13:00:00+01:00"])
@pytest.mark.parametrize("limit", [1, 7, 10, 34, 35, 36])
def test_links_lead_through_all_pages_without_gaps_or_repeats(visitor: Api, path: str, limit: int) -> None:
    orders = [str(OrderFactory(created_at=NOON + timedelta(milliseconds=n // 6)).pk) for n in range(35)]
    pages = _pages(visitor(), f"{path}{'&' if '?' in path else '?'}limit={limit}")
    assert [len(page) for page in pages] == [limit] * (35 // limit) + ([35 % limit] if 35 % limit else [])
    newest_first = [order_id for n in range(30, -1, -6) for order_id in sorted(orders[n : n + 6], reverse=True)]
    assert [order_id for page in pages for order_id in page] == newest_first


@pytest.mark.parametrize("path", ["orders/user/1?", "orders?skip=3&"])
def test_links_keep_what_else_was_asked_for(visitor: Api, path: str) -> None:
    newest_first = made(*(NOON + timedelta(seconds=n) for n in range(8)))[::-1]
    made(NOON, status="paid")
    pages = _pages(visitor(), f"{path}limit=3&status=pending")
    skipped = 3 if "skip" in path else 0
    assert [order_id for page in pages for order_id in page] == newest_first[skipped:]


def test_orders_that_come_in_meanwhile_do_not_shift_the_next_page(visitor: Api) -> None:
    newest_first = made(*(NOON + timedelta(seconds=n) for n in range(6)))[::-1]
    client = visitor()
    first = client.get("orders/?limit=3")
    made(*(NOON + timedelta(days=1, seconds=n) for n in range(3)))
    assert ids(first) + ids(client.get(first.links["next"]["url"])) == newest_first


def test_a_cursor_shows_nobody_anothers_orders(visitor: Api) -> None:
    made(NOON, NOON, user_id="2")
    foreign = visitor("2").get("orders/?limit=1").headers["Next-Cursor"]
    assert ids(visitor("1").get("orders/", params={"cursor": foreign})) == []


# --- bad input ---


@pytest.mark.parametrize(
    "query",
    [
        "status=lost", "status=placing", "status=rejected", "status=%20", "status=PENDING",
        "skip=-1", "skip=x", "skip=1.5", f"skip={2**31}", f"skip={'9' * 30}",
        "limit=0", "limit=-1", "limit=101", "limit=x", "limit=1.5", "limit=1_0", f"limit={'9' * 30}",
        "start_date=yesterday", "start_date=2026-02-30", "start_date=2026-13-01",
        "start_date=01/03/2026",
        "start_date=2026-03-01T25:00", "start_date=1772366400",  "end_date=tomorrow", "end_date=2026-02-29",
        "end_date=2026-03-01T12:00:00%2B99:00",
        "user_id=-1", f"user_id={'9' * 20}", f"user_id={'a' * 129}", "user_id=%20a",
        "cursor=garbage", "cursor=MTox", "cursor=%C3%BC", f"cursor={'A' * 3000}",
        "cursor=99999999999999-0123456789abcdef01234567", "cursor=1-0", "cursor=1772366400000-0123456789ABCDEF01234567",
        "unknown=1", "order_by=status", "Status=paid", "status[]=paid", "status%00=paid",
        "status=paid&status=paid", "limit=1&limit=2", "user_id=1&user_id=2",
    ],
)  # fmt: skip
def test_what_is_not_understood_is_refused(visitor: Api, query: str) -> None:
    refused = problem(visitor(admin=True).get(f"orders/?{query}"), 400)
    if refused["code"] != "malformed_user_id":
        assert list(refused["errors"]) == [query.partition("=")[0].replace("%00", "\0")]


@pytest.mark.parametrize(
    "query",
    ["status=lost", "limit=0", "limit=101", "skip=-1", "user_id=1", "start_date=2026-03-01", "x=1", "skip=1&skip=1"],
)
def test_what_is_not_understood_is_refused_for_one_user_too(visitor: Api, query: str) -> None:
    problem(visitor().get(f"orders/user/1?{query}"), 400, "invalid")


@pytest.mark.parametrize("user_id", ["-1", "%00", "1" * 20, "a" * 129, "%20a", "a%0A"])
def test_a_malformed_user_id_is_refused(visitor: Api, user_id: str) -> None:
    problem(visitor(admin=True).get(f"orders/user/{user_id}"), 400)


@pytest.mark.parametrize(
    "name", ["status", "user_id", "start_date", "end_date", "skip", "limit", "cursor", "number", "reference", "sort"]
)
def test_an_empty_value_asks_for_nothing(visitor: Api, name: str) -> None:
    made(NOON, NOON + timedelta(seconds=1))
    client = visitor(admin=True)
    assert client.get(f"orders/?{name}=").json() == client.get("orders/").json() != []
    assert len(client.get(f"orders/?{name}=&limit=1" if name != "limit" else "orders/?limit=&skip=1").json()) == 1
    problem(client.get(f"orders/?{name}=&{name}="), 400, "invalid")
    problem(client.get("orders/?unknown="), 400, "invalid")


@pytest.mark.parametrize(
    "user_id", ["auth0|5f7c8ec7c33c6c004bbafe82", "Alice+shop@Example.com", "田中", "a%2fb?c#d&e;f='g'"]
)
def test_the_orders_of_a_user_with_any_id_are_found(visitor: Api, user_id: str) -> None:
    order = OrderFactory(user_id=user_id)
    OrderFactory(user_id=user_id.swapcase() + "x")
    customer = visitor(user_id)
    for asked in (f"orders/user/{quote(user_id, safe='')}", f"orders/user/{quote(user_id, safe='')}/", "orders/"):
        assert ids(customer.get(asked)) == [str(order.pk)]
    assert ids(visitor(admin=True).get("orders/", params={"user_id": user_id})) == [str(order.pk)]
    assert customer.get(f"orders/{order.pk}").status_code == 200
    assert customer.get(f"orders/{order.pk}/history").status_code == 200
    assert customer.delete(f"orders/{order.pk}").status_code == 204


def test_skip_counts_from_the_cursor_on(visitor: Api) -> None:
    newest_first = made(*(NOON + timedelta(seconds=n) for n in range(4)))[::-1]
    cursor = visitor().get("orders/?limit=1").headers["Next-Cursor"]
    assert ids(visitor().get("orders/", params={"cursor": cursor, "skip": 1})) == newest_first[2:]


def test_every_wrong_parameter_is_named(visitor: Api) -> None:
    refused = problem(visitor().get("orders/?status=lost&limit=0&colour=red"), 400)
    assert set(refused["errors"]) == {"status", "limit", "colour"}


def _selected(client: ApiClient, params: dict[str, str]) -> list[int]:
    """Which of four orders the parameters select: two on the first of March at noon, two on the second."""
    midnight = NOON.replace(hour=0) + timedelta(days=1)
    orders = made(NOON, NOON + timedelta(seconds=1), midnight, midnight + timedelta(hours=23, minutes=59))
    return sorted(orders.index(order_id) for order_id in ids(client.get("orders/", params=params)))


def _pages(client: ApiClient, path: str) -> list[list[str]]:
    """Follow the links from a path until there is none."""
    answer = client.get(path)
    pages = [ids(answer)]
    while "next" in answer.links:
        assert len(pages) < 40
        answer = client.get(answer.links["next"]["url"])
        pages.append(ids(answer))
    return pages


# --- searching ---


def _somebody(**fields: Any) -> str:
    """An order of Inês Carvalho, in Lisbon. :returns: its id."""
    return str(
        OrderFactory(
            **{
                "contact": Contact(name="Inês Carvalho", email="ines.carvalho@example.com", phone="+351 210 000 123"),
                "shipping_address": Address(line1="1", city="Lisboa", postal_code="1100-053", country="Portugal"),
                "user_id": "5",
                **fields,
            }
        ).pk
    )


@pytest.mark.parametrize(
    "text",
    ["ines", "CARVALHO in", "ines.carvalho@example.com", "lisboa", "1100-053", "29.80", "29,80", "210 000 123", "5"],
)
def test_an_admin_finds_orders_by_what_people_know_of_them(visitor: Api, text: str) -> None:
    order = _somebody()
    made(NOON, shipping_address=Address(line1="1", city="X", country="Y"), total_price=Decimal("1.00"), user_id="77")
    assert ids(visitor(admin=True).get("orders/", params={"q": text})) == [order]


def test_a_search_shows_what_a_list_shows_and_is_narrowed_by_its_parameters(visitor: Api) -> None:
    client, order = visitor(admin=True), _somebody(status="paid")
    _somebody()
    _somebody(status="rejected")
    [found] = client.get("orders/", params={"q": "carvalho", "status": "paid"}).json()
    assert found == client.get(f"orders/{order}").json()
    assert ids(client.get("orders/", params={"q": "carvalho", "user_id": "6"})) == []
    assert len(ids(client.get("orders/", params={"q": "carvalho", "end_date": "2026-03-02"}))) == 2
    assert len(ids(client.get("orders/", params={"q": ""}))) == 2, "an empty value is ignored, as everywhere"


def test_what_a_search_finds_is_paged_as_a_list_is(visitor: Api) -> None:
    client, orders = visitor(admin=True), [_somebody() for _ in range(7)][::-1]
    answer, found = client.get("orders/", params={"q": "carvalho lis", "limit": 3}), []
    while True:
        found += ids(answer)
        if "next" not in answer.links:
            break
        answer = client.get(answer.links["next"]["url"])
    assert found == orders
    assert ids(client.get("orders/", params={"q": "carvalho", "skip": 5})) == orders[5:]


def test_a_search_is_for_admins(visitor: Api) -> None:
    _somebody()
    refused = problem(visitor("5").get("orders/", params={"q": "carvalho"}), 403, "not_permitted")
    assert refused["detail"] == "Searching orders is for admins."
    problem(visitor("5").get("orders/", params={"q": "carvalho", "user_id": "5"}), 403, "not_permitted")
    problem(visitor("5").get("orders/user/5", params={"q": "carvalho"}), 400, "invalid")


@pytest.mark.parametrize(
    ("text", "told"),
    [
        (".*", "Search for a name, e-mail address"),
        ("a " * 9, "Search for 8 words at most"),
        ("x" * 201, "no more than 200 characters"),
        ("a\x00b", "Null characters are not allowed"),
    ],
)
def test_a_search_that_cannot_be_made_is_refused(visitor: Api, text: str, told: str) -> None:
    answer = visitor(admin=True).get("orders/", params={"q": text})
    assert told in problem(answer, 400, "invalid")["detail"]


@pytest.mark.parametrize("text", ["$ne", '{"$gt":""}', "(carv)+", "carv.*", "^carvalho$"])
def test_signs_of_queries_and_patterns_in_a_search_mean_nothing(visitor: Api, text: str) -> None:
    order = _somebody()
    answer = visitor(admin=True).get("orders/", params={"q": text})
    assert ids(answer) == ([order] if "carv" in text else [])


def test_a_search_that_takes_too_long_says_what_to_do(visitor: Api, settings: Any) -> None:
    _somebody()
    settings.BACKOFFICE_QUERY_MS = 0
    answer = visitor(admin=True).get("orders/", params={"q": "carvalho"})
    assert "Too many orders have these words" in problem(answer, 400, "invalid")["detail"]
