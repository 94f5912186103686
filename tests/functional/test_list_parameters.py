"""What lists are asked for beside users and dates: numbers, references, several statuses, and in which order."""

from datetime import UTC, datetime, timedelta
from decimal import Decimal
from itertools import product
from typing import Any

import pytest
import requests
from pytest_django import Settings

from orders.models import Contact
from orders.storage import sorted_lists
from tests.api_client import ApiClient, order_body
from tests.dose import dose
from tests.factories import OrderFactory
from tests.functional.helpers import (
    TWO_TOWELS,
    Api,
    Documents,
    problem,
    visitor_fixture,  # noqa: F401
)

NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)
PATHS = ["orders/", "orders/user/1"]
SORTS = ["-created_at", "created_at", "total_price", "-total_price"]
WALKED = [
    "orders/?", "orders/user/1?", "orders/?reference=WEB-1&", "orders/?end_date=2026-03-01&status=pending,paid&",
]  # fmt: skip


def ids(answer: requests.Response) -> list[str]:
    assert answer.status_code == 200, answer.text
    return [order["id"] for order in answer.json()]


def made(**fields: Any) -> str:
    """Make an order of customer 1; return its id."""
    return str(OrderFactory(**{"created_at": NOON, **fields}).pk)


# --- by number ---


@pytest.mark.parametrize("path", PATHS)
@pytest.mark.parametrize(
    "typed",
    ["7KQF-2M9D-XW3H", "7kqf2m9dxw3h", " #7KQF 2M9D XW3H ", "order no. 7kqf-2m9d-xw3h", "7KQF‐2M9D‐XW3H"],
)
def test_an_order_is_found_by_its_number_however_it_is_typed(visitor: Api, path: str, typed: str) -> None:
    order = made(number="7KQF-2M9D-XW3H")
    made(number="7KQF-2M9D-XW3J")
    assert ids(visitor().get(path, params={"number": typed})) == [order]


def test_look_alikes_and_the_numbers_of_an_old_shop_are_read_as_everywhere(visitor: Api) -> None:
    ours, foreign, wordy = made(number="1KQF-0M9D-XW3H"), made(number="2019/00451"), made(number="HARBOUR")
    client = visitor()
    assert ids(client.get("orders/", params={"number": "IKQF-OM9D-XW3H"})) == [ours]
    assert ids(client.get("orders/", params={"number": "201900451"})) == [foreign]
    assert ids(client.get("orders/", params={"number": "harbour"})) == [wordy]
    assert ids(client.get("orders/", params={"number": ours.upper()})) == [ours], "an id, as in lists of orders"


@pytest.mark.parametrize("typed", ["7KQF-2M9D-XW3J", "#", "x" * 200, "$ne", ".*", "0" * 24, "a b c d e f g h i j"])
def test_a_number_that_no_order_has_finds_none(visitor: Api, typed: str) -> None:
    made(number="7KQF-2M9D-XW3H")
    for path in PATHS:
        assert ids(visitor().get(path, params={"number": typed})) == []


def test_by_its_number_nobody_finds_anothers_order_or_a_draft(visitor: Api) -> None:
    other, draft = OrderFactory(user_id="2"), OrderFactory(status="rejected")
    for order in (other, draft):
        assert ids(visitor("1").get("orders/", params={"number": order.number})) == []
        assert ids(visitor("1").get("orders/user/1", params={"number": str(order.pk)})) == []
    assert ids(visitor(admin=True).get("orders/", params={"number": other.number})) == [str(other.pk)]
    assert ids(visitor(admin=True).get("orders/", params={"number": draft.number})) == []


# --- by reference ---


@pytest.mark.parametrize("path", PATHS)
def test_a_reference_is_exact(visitor: Api, path: str) -> None:
    first, second = made(reference="WEB-1"), made(reference="WEB-1", created_at=NOON + timedelta(days=1))
    for other in ("WEB-10", "web-1", "WEB", "", "WEB 1"):
        made(reference=other)
    made(reference="WEB-1", user_id="2")
    client = visitor()
    assert ids(client.get(path, params={"reference": "WEB-1"})) == [second, first]
    assert ids(client.get(path, params={"reference": "WEB-1", "sort": "created_at"})) == [first, second]
    assert ids(client.get(path, params={"reference": ".*"})) == []
    assert len(ids(client.get(path, params={"reference": ""}))) == 7, "an empty value is ignored, as everywhere"
    assert len(ids(visitor(admin=True).get("orders/", params={"reference": "WEB-1"}))) == 3


def test_an_order_is_found_by_the_reference_that_was_sent_with_it(api: Api) -> None:
    client, sent = api(), " ＷＥＢ\u200b é–1\n2 "
    placed = client.post("orders/", json=order_body("1", TWO_TOWELS) | {"reference": sent}).json()
    for reference in (sent, placed["reference"]):
        assert ids(client.get("orders/", params={"reference": reference})) == [placed["id"]]


@pytest.mark.parametrize("reference", ["x" * 65, "a\x00b", "a\x1bb", "\u200b"])
def test_what_is_no_reference_is_refused(visitor: Api, reference: str) -> None:
    for path in PATHS:
        refused = problem(visitor().get(path, params={"reference": reference}), 400, "invalid")
        assert list(refused["errors"]) == ["reference"]


# --- several statuses ---


@pytest.mark.parametrize("path", PATHS)
def test_a_list_may_be_of_several_statuses(visitor: Api, path: str) -> None:
    paid, _, shipped = (made(status=status) for status in ("paid", "pending", "shipped"))
    client = visitor()
    assert set(ids(client.get(path, params={"status": "shipped,paid"}))) == {paid, shipped}
    assert ids(client.get(path, params={"status": "paid,paid"})) == [paid]
    every = "pending,paid,processing,shipped,delivered,cancelled,refunded"
    assert len(ids(client.get(path, params={"status": every}))) == 3


@pytest.mark.parametrize(
    "given", ["status=paid,lost", "status=paid,", "status=,paid", "status=paid, shipped", "status=paid;shipped",
              "status=paid,placing", "status=paid&status=shipped", "status=" + ",".join(["paid"] * 8)],
)  # fmt: skip
@pytest.mark.parametrize("path", PATHS)
def test_a_status_among_others_that_there_is_not_is_refused(visitor: Api, path: str, given: str) -> None:
    refused = problem(visitor().get(f"{path}?{given}"), 400, "invalid")
    assert list(refused["errors"]) == ["status"]


# --- in which order ---


@pytest.fixture(params=[sorted_lists.FEW, 3], ids=["few", "many"])
def few(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """Orders are few enough to be sorted, or so many that totals are walked along."""
    monkeypatch.setattr(sorted_lists, "FEW", request.param)


def _orders() -> dict[str, list[str]]:
    """35 orders of customer 1, of which several have one total, one moment or both. :returns: ids by `sort`."""
    orders = [
        OrderFactory(
            created_at=NOON + timedelta(milliseconds=n // 3),
            total_price=Decimal(["9.90", "10.00", "0.01", "100000.00"][n % 4]),
            contact=Contact(name="Inês Carvalho"),
            reference="WEB-1",
        )
        for n in range(35)
    ]
    newest = sorted(orders, key=lambda order: (order.created_at, order.pk), reverse=True)
    lowest = sorted(newest, key=lambda order: order.total_price)
    found = {"-created_at": newest, "created_at": newest[::-1], "total_price": lowest, "-total_price": lowest[::-1]}
    return {sort: [str(order.pk) for order in each] for sort, each in found.items()}


@pytest.mark.usefixtures("few")
@pytest.mark.parametrize(("path", "sort"), dose(product(WALKED, SORTS), 3, "walks"))
def test_links_lead_through_a_list_in_its_order_without_gaps_or_repeats(visitor: Api, path: str, sort: str) -> None:
    expected = _orders()[sort]
    OrderFactory(user_id="2")
    client = visitor()
    for limit in dose((1, 4, 34, 35), 4, f"{path} {sort}"):
        pages = _pages(client, f"{path}sort={sort}&limit={limit}")
        assert [len(page) for page in pages] == [limit] * (35 // limit) + ([35 % limit] if 35 % limit else [])
        assert [order_id for page in pages for order_id in page] == expected
    assert ids(client.get(f"{path}sort={sort}&skip=5&limit=3")) == expected[5:8]


@pytest.mark.usefixtures("few")
@pytest.mark.parametrize("sort", SORTS)
def test_what_a_search_finds_is_listed_in_any_order(visitor: Api, sort: str) -> None:
    expected = _orders()[sort]
    OrderFactory(contact=Contact(name="Amara Okafor"))
    pages = _pages(visitor(admin=True), f"orders/?q=carvalho&sort={sort}&limit=10")
    assert [order_id for page in pages for order_id in page] == expected


def test_a_search_for_a_common_word_is_sorted_by_a_walk_along_the_totals(
    visitor: Api, monkeypatch: pytest.MonkeyPatch
) -> None:
    expected = _orders()["total_price"]
    monkeypatch.setattr("orders.storage.order_query.FEW", 3)
    OrderFactory(contact=Contact(name="Amara Okafor"))
    pages = _pages(visitor(admin=True), "orders/?q=carvalho&sort=total_price&limit=10")
    assert [order_id for page in pages for order_id in page] == expected


@pytest.mark.parametrize("path", PATHS)
@pytest.mark.parametrize("of", SORTS)
def test_a_cursor_of_another_order_is_refused(visitor: Api, path: str, of: str) -> None:
    made()
    made()
    client = visitor()
    cursor = client.get(path, params={"sort": of, "limit": 1}).headers["Next-Cursor"]
    for sort in SORTS:
        answer = client.get(path, params={"sort": sort, "cursor": cursor})
        if sort == of:
            assert len(ids(answer)) == 1
        else:
            assert problem(answer, 400, "invalid")["errors"] == {"cursor": [f"It is of a list with sort={of}."]}
    if of != "-created_at":
        problem(client.get(path, params={"cursor": cursor}), 400, "invalid")


@pytest.mark.parametrize(
    "given",
    [
        "sort=number", "sort=--created_at", "sort=created_at,total_price", "sort=CREATED_AT", "sort=%2Bcreated_at",
        "cursor=total_price.1-0123456789abcdef01234567&sort=total_price", "updated_since=2026-03-01",
        "cursor=created_at.1-1-0123456789abcdef01234567&sort=created_at", f"number={'x' * 201}",
        f"cursor=total_price.{'9' * 15}-1-0123456789abcdef01234567&sort=total_price",
    ],
)  # fmt: skip
@pytest.mark.parametrize("path", PATHS)
def test_what_is_not_understood_is_refused(visitor: Api, path: str, given: str) -> None:
    refused = problem(visitor().get(f"{path}?{given}"), 400, "invalid")
    assert list(refused["errors"]) == [given.partition("=")[0]]


def test_a_cursor_at_the_ends_of_what_there_can_be_is_read(visitor: Api) -> None:
    order, last = made(), f"{'9' * 14}-{'9' * 13}-{'f' * 24}"
    client = visitor()
    assert ids(client.get(f"orders/?sort=-total_price&cursor=-total_price.{last}")) == [order]
    assert ids(client.get(f"orders/?sort=total_price&cursor=total_price.{last}")) == []
    assert ids(client.get(f"orders/?sort=total_price&cursor=total_price.0-0-{'0' * 24}")) == [order]


def test_sorting_that_takes_too_long_says_what_to_do(visitor: Api, settings: Settings) -> None:
    made()
    settings.BACKOFFICE_QUERY_MS = 0
    answer = visitor(admin=True).get("orders/", params={"sort": "total_price"})
    assert "Too many orders to sort by total. Add a filter" in problem(answer, 400, "invalid")["detail"]
    assert visitor(admin=True).get("orders/", params={"sort": "created_at"}).status_code == 200


def _pages(client: ApiClient, path: str) -> list[list[str]]:
    """Follow the links from a path until there is none."""
    answer = client.get(path)
    pages = [ids(answer)]
    while "next" in answer.links:
        assert len(pages) < 40
        answer = client.get(answer.links["next"]["url"])
        pages.append(ids(answer))
    return pages


# --- as the caller has it already ---


@pytest.mark.parametrize(
    "path", ["orders/", "orders/user/1", "orders/?limit=1", "orders/?sort=total_price&reference=WEB-1"]
)
def test_a_list_that_the_client_has_already_is_not_sent_again(visitor: Api, path: str) -> None:
    _orders()
    client = visitor()
    first = client.get(path)
    tag = first.headers["ETag"]
    codings = (tag, f"W/{tag}", f'"7", W/{tag}', f'{tag[:-1]}-gzip"', "*")  # as intermediaries have it
    for known in codings:
        again = client.get(path, headers={"If-None-Match": known})
        assert (again.status_code, again.content) == (304, b"")
        for name in ("ETag", "Link", "Next-Cursor", "Cache-Control"):
            assert again.headers.get(name) == first.headers.get(name)
        assert "Content-Type" not in again.headers
    assert first.headers["Cache-Control"] == "private, no-cache"
    for other in (tag[:-2] + '"', '"1"', tag.strip('"'), ""):
        assert client.get(path, headers={"If-None-Match": other}).content == first.content


def test_an_empty_list_has_a_tag_too(visitor: Api) -> None:
    client = visitor()
    tag = client.get("orders/").headers["ETag"]
    assert client.get("orders/", headers={"If-None-Match": tag}).status_code == 304
    made()
    assert client.get("orders/", headers={"If-None-Match": tag}).status_code == 200


def test_whatever_changes_on_a_page_changes_its_tag(visitor: Api, database: Documents, settings: Settings) -> None:
    orders = [made(created_at=NOON + timedelta(days=n)) for n in range(3)]
    client, tags = visitor(), set()

    def seen() -> int:
        answer = client.get("orders/?limit=2")
        tags.add(answer.headers["ETag"])
        for tag in tags - {answer.headers["ETag"]}:
            assert client.get("orders/?limit=2", headers={"If-None-Match": tag}).content == answer.content
        return len(tags)

    assert seen() == seen() == 1
    visitor(admin=True).put(f"orders/{orders[2]}/status", json={"status": "paid"})
    assert seen() == 2
    client.delete(f"orders/{orders[0]}")
    assert seen() == 2, "it is on the next page"
    made(created_at=NOON - timedelta(days=1), user_id="2")
    assert seen() == 2, "it is another's"
    made(created_at=NOON + timedelta(days=9))
    assert seen() == 3
    database["orders"].delete_many({"user_id": "1", "created_at": {"$lt": NOON + timedelta(days=2)}})
    assert seen() == 4, "of the same two orders, but there is no next page"
    settings.CURRENCY = "CHF"
    database["orders"].update_many({}, {"$unset": {"currency": ""}})
    assert seen() == 5, "what is shown, whatever of it is stored"


def test_nobody_learns_from_a_tag_what_another_has(visitor: Api) -> None:
    made()
    tag = visitor("1").get("orders/").headers["ETag"]
    problem(visitor("2").get("orders/user/1", headers={"If-None-Match": tag}), 403, "not_permitted")
    assert visitor("2").get("orders/", headers={"If-None-Match": tag}).json() == []
    problem(visitor().get("orders/?limit=0", headers={"If-None-Match": "*"}), 400, "invalid")


def test_the_tag_of_a_list_is_no_version_of_an_order(visitor: Api) -> None:
    order, client = made(), visitor()
    tag = client.get("orders/").headers["ETag"]
    assert client.get(f"orders/{order}", headers={"If-None-Match": tag}).status_code == 200
    problem(client.delete(f"orders/{order}", headers={"If-Match": tag}), 412, "stale_order")
    assert client.get(f"orders/{order}").json()["status"] == "pending"
