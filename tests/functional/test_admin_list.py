"""The list of orders in the backoffice: its columns, views, pages and addresses."""

import re
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import parse_qs

import pytest
from bson import Decimal128, ObjectId
from django.http import HttpResponse
from django.test import Client
from django.utils import timezone
from pymongo.database import Database

from orders.admin import list_sums
from orders.admin.list_columns import in_words
from orders.models import Status
from orders.services.search_terms import terms_of
from orders.storage import order_lists, term_index
from tests.functional.admin_helpers import (
    EDGES,
    LIST,
    Document,
    client_of,
    insert,
    insert_each_status,
    line,
    make_lists_slow,
    rows,
    stored,
    text_of,
)

PER_PAGE = 50
LONG = timedelta(days=10)


@pytest.fixture
def support(database: Database[Document]) -> Client:
    return client_of("Support")


def look(client: Client, query: str = "") -> list[str]:
    return rows(client.get(LIST + query))


def row_of(response: HttpResponse, order: Document) -> str:
    """The words of an order's row."""
    body = response.content.decode()
    [found] = re.findall(rf'<tr class="data-row(?:(?!</tr>).)*?{order["number"]}.*?</tr>', body, flags=re.S)
    return " ".join(re.sub(r"<[^>]+>", " ", found).split())


def links(response: HttpResponse, rel: str) -> list[str]:
    return [
        address.replace("&amp;", "&")
        for address in re.findall(rf'rel="{rel}" href="([^"]+)"', response.content.decode())
    ]


def walk(client: Client, query: str, rel: str) -> list[list[str]]:
    """The pages from an address on, as their links lead."""
    pages = []
    while True:
        response = client.get(LIST + query)
        pages.append(rows(response))
        if not (found := links(response, rel)):
            return pages
        query = found[0]


# --- rows ------------------------------------------------------------------------------------------------------------


def test_a_list_without_orders_says_so(support: Client) -> None:
    response = support.get(LIST)
    assert rows(response) == []
    assert "No orders yet" in text_of(response)
    for query in ("?status=paid", "?q=17", "?flag=unshipped"):
        assert look(support, query) == []


def test_orders_of_every_status_are_listed_newest_first(database: Database[Document], support: Client) -> None:
    orders = insert_each_status(database)
    response = support.get(LIST)
    assert rows(response) == [order["number"] for order in orders.values()]
    for status, order in orders.items():
        assert str(Status(status).label) in row_of(response, order)
    assert f'href="{LIST}{orders["paid"]["_id"]}/change/"' in response.content.decode()


def test_a_row_tells_what_staff_look_for(database: Database[Document], support: Client) -> None:
    at = timezone.now() - timedelta(hours=3, minutes=5)
    order = insert(
        database,
        stored(items=[line(), line("unknown", call="release"), line()], created_at=at, user_id="17"),
    )
    response = support.get(LIST)
    product = order["items"][0]["product_id"]
    assert row_of(response, order) == (
        f"{order['number']} 17 3 hours ago 2 × {product} and 2 more items, 6 units €29.80 Pending Reserved "
        "Release not confirmed Unconfirmed stock"
    )
    body = response.content.decode()
    assert f'title="{at:%Y-%m-%d %H:%M:%S} UTC">3 hours ago</time>' in body
    assert 'href="?user=17"' in body
    assert f'href="?product={product}"' in body


def test_lines_are_counted_in_words(database: Database[Document], support: Client) -> None:
    none, one, two = (stored(count, items=[line() for _ in range(count)]) for count in range(3))
    insert(database, none, one, two)
    response = support.get(LIST)
    product = one["items"][0]["product_id"]
    assert "no items" in row_of(response, none)
    assert f"2 × {product} €29.80" in row_of(response, one)
    assert f"2 × {product} and 1 more item, 4 units" in row_of(response, two)


def test_a_row_names_its_customer_and_product_and_has_its_currency(
    database: Database[Document], support: Client
) -> None:
    towel = line() | {"name": "Bath towel, 70 × 140 cm"}
    person = {"name": "Amara Okafor", "email": "amara@example.com", "phone": "+44 20 7946 0958"}
    orders = [
        stored(0, user_id="17", contact=person, currency="JPY", items=[towel, line()]),
        stored(1, user_id="18", contact=person | {"name": ""}, items=[line(), towel]),
        stored(2, user_id="19", contact={"name": "", "email": "", "phone": ""}, currency="CHF", items=[towel]),
    ]
    insert(database, *orders)
    response = support.get(LIST)
    product = line()["product_id"]
    for order, told in zip(
        orders,
        (
            "Amara Okafor amara@example.com id 17 just now 2 × Bath towel, 70 × 140 cm and 1 more item, 4 units ¥29.80",
            f"amara@example.com id 18 1 minute ago 2 × {product} and 1 more item, 4 units €29.80",
            "19 2 minutes ago 2 × Bath towel, 70 × 140 cm CHF 29.80",
        ),
        strict=True,
    ):
        assert row_of(response, order).startswith(f"{order['number']} {told} Pending")
    assert '<a class="order-link" href="?user=17" title="All orders of this customer">' in response.content.decode()


# --- what it comes to ------------------------------------------------------------------------------------------------


@pytest.fixture
def time_to_add(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nobody is to run out of time who is not meant to."""
    monkeypatch.setattr(list_sums, "SECONDS", 5.0)


def worth(number: int, total: str, currency: str | None = None, **more: Any) -> Document:
    return stored(number, total_price=Decimal128(total), **({"currency": currency} if currency else {}), **more)


@pytest.mark.usefixtures("time_to_add")
def test_the_list_says_how_many_orders_it_has_and_what_they_come_to(
    database: Database[Document], support: Client
) -> None:
    insert(database, worth(1, "10.00"), worth(2, "0.05", "EUR"), worth(3, "99.00", status="cancelled"))
    assert "Orders 1–3 of 3, newest first 3 orders come to €109.05." in text_of(support.get(LIST))
    assert "1 order comes to €99.00." in text_of(support.get(LIST, {"status": "cancelled"}))
    assert "2 orders come to €10.05." in text_of(support.get(LIST, {"status": "pending", "sort": "oldest"}))
    assert "come to" not in text_of(support.get(LIST, {"status": "refunded"}))


@pytest.mark.usefixtures("time_to_add")
def test_currencies_are_not_added_to_each_other(database: Database[Document], support: Client) -> None:
    insert(
        database, worth(1, "10.00"), worth(2, "1.00", "EUR"), worth(3, "7.00", "CHF"), worth(4, "900.00", "JPY"),
        worth(5, "100.50", "JPY"), worth(6, "3.00", ""),
    )  # fmt: skip
    assert "6 orders come to €14.00, ¥1,000.50 and CHF 7.00." in text_of(support.get(LIST))


@pytest.mark.usefixtures("time_to_add")
def test_an_order_that_several_alerts_find_is_added_once(database: Database[Document], support: Client) -> None:
    insert(database, worth(1, "10.00", items=[line("unknown", call="release")], user_verified=False))
    response = support.get(LIST, {"flag": ["unknown", "unverified", "unchecked"]})
    assert "1 order comes to €10.00." in text_of(response)


@pytest.mark.usefixtures("time_to_add")
@pytest.mark.parametrize(("query", "which", "total"), [("", "newest", "60.00"), ("?sort=oldest", "oldest", "120.00")])
def test_of_many_orders_the_first_are_added(
    database: Database[Document], support: Client, monkeypatch: pytest.MonkeyPatch, query: str, which: str, total: str
) -> None:
    monkeypatch.setattr(list_sums, "MOST", 3)
    insert(database, *(worth(number, f"{10 * (number + 1)}.00") for number in range(3)))
    assert "3 orders come to €60.00." in text_of(support.get(LIST + query))
    insert(database, *(worth(number, f"{10 * (number + 1)}.00") for number in range(3, 5)))
    assert f"More than 3 orders; the {which} 3 come to €{total}." in text_of(support.get(LIST + query))


def test_what_takes_long_to_add_is_not_waited_for(
    database: Database[Document], support: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(list_sums, "SECONDS", 0.000_001)
    order = insert(database, worth(1, "10.00"))
    response = support.get(LIST)
    assert rows(response) == [order["number"]]
    assert "Orders 1–1 of 1, newest first" in text_of(response)
    assert "comes to" not in text_of(response)


@pytest.mark.parametrize(
    ("passed", "words"),
    [
        (timedelta(seconds=-5), "just now"),
        (timedelta(seconds=59), "just now"),
        (timedelta(minutes=59), "59 minutes ago"),
        (timedelta(hours=23, minutes=59), "23 hours ago"),
        (timedelta(days=6, hours=23), "6 days ago"),
        (timedelta(days=29), "4 weeks ago"),
    ],
)
def test_a_time_is_told_by_how_long_ago_it_was(passed: timedelta, words: str) -> None:
    now = timezone.now()
    assert in_words(now - passed, now) == words


def test_what_is_long_ago_is_told_by_its_day() -> None:
    now = timezone.now()
    moment = now.replace(year=now.year - 1, month=3, day=9)
    assert in_words(moment, now) == f"{now.year - 1}-03-09"


def test_flags_stand_in_words_on_the_orders_that_have_them(database: Database[Document], support: Client) -> None:
    long_ago = timezone.now() - LONG
    flagged = {
        "Unverified customer": stored(1, user_verified=False),
        "Unconfirmed stock": stored(2, items=[line("unknown", call="reserve")]),
        "Paid, not shipped": stored(3, status="processing", created_at=long_ago, status_since=long_ago),
        "Stock release overdue": stored(
            4, status="cancelled", items=[line("releasing")], stock_due_at=timezone.now(), status_since=long_ago
        ),
    }
    plain = stored(5, status="delivered", created_at=long_ago, status_since=long_ago)
    insert(database, *flagged.values(), plain)
    response = support.get(LIST)
    for words, order in flagged.items():
        told = row_of(response, order)
        assert [flag for flag in flagged if flag in told] == [words]
    assert not any(flag in row_of(response, plain) for flag in flagged)


# --- views -----------------------------------------------------------------------------------------------------------


def tabs(response: HttpResponse) -> dict[str, tuple[bool, str]]:
    return {view.title: (active, size) for view, active, size in response.context["cl"].tabs}


def test_each_view_shows_its_orders_and_how_many_there_are(database: Database[Document], support: Client) -> None:
    orders = insert_each_status(database)
    insert(database, stored(20, items=[line("unknown", call="release")], status="cancelled"))
    owed = [stored(number, status="cancelled", owed=Decimal128("5.00")) for number in (21, 22)]
    held = stored(23, status="paid", held_at=datetime.now(UTC))
    insert(database, *owed, held)
    response = support.get(LIST)
    assert tabs(response) == {
        "All": (True, ""), "To ship": (False, "3"), "Needs attention": (False, "3"), "On hold": (False, "1"),
        "Money owed": (False, "2"), "Unpaid": (False, "1"),
    }  # fmt: skip
    shown = {view.title: rows(support.get(LIST + view.address)) for view, _, _ in response.context["cl"].tabs}
    assert len(shown["All"]) == 13
    of_status = [orders["processing"]["number"], orders["paid"]["number"]]
    assert shown["To ship"] == [held["number"], *of_status]  # the oldest first
    assert shown["On hold"] == [held["number"]]
    assert shown["Money owed"] == [order["number"] for order in reversed(owed)]
    for view, _, size in response.context["cl"].tabs:
        assert size in ("", str(len(shown[view.title]))), view.title
    assert shown["Unpaid"] == [orders["pending"]["number"]]
    assert len(shown["Needs attention"]) == 3


def test_the_view_that_is_shown_is_marked(database: Database[Document], support: Client) -> None:
    for query, expected in {
        "": "All",
        "?status=processing&status=paid&sort=oldest": "To ship",
        "?status=pending&since=": "Unpaid",
        "?status=paid": None,
        "?status=pending&q=17": None,
    }.items():
        response = support.get(LIST + query)
        active = [title for title, (is_active, _) in tabs(response).items() if is_active]
        assert active == ([expected] if expected else []), query
        assert response.content.decode().count('aria-current="page"') == len(active)


def test_views_are_counted_up_to_a_hundred(database: Database[Document], support: Client) -> None:
    insert(database, *(stored(number, status="paid") for number in range(101)), *(stored(n) for n in range(100)))
    found = tabs(support.get(LIST))
    assert (found["To ship"][1], found["Unpaid"][1]) == ("100+", "100")


def test_an_unverified_users_order_needs_attention_until_it_is_shipped(
    database: Database[Document], support: Client
) -> None:
    orders = [stored(number, status=status, user_verified=False) for number, status in enumerate(EDGES)]
    insert(database, *orders)
    attention = support.get(LIST).context["cl"].tabs[2][0].address
    assert look(support, attention) == [
        order["number"] for order in reversed(orders) if order["status"] in ("pending", "paid", "processing")
    ]
    assert len(look(support, "?flag=unverified")) == len(EDGES)


# --- pages -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("query", ["", "?sort=oldest"])
def test_pages_follow_each_other_in_both_directions(database: Database[Document], support: Client, query: str) -> None:
    orders = [stored(number) for number in range(120)]
    insert(database, *orders)
    numbers = [order["number"] for order in orders]
    numbers = numbers[::-1] if query else numbers
    pages = [numbers[:50], numbers[50:100], numbers[100:]]
    assert walk(support, query, "next") == pages
    last = links(support.get(LIST + links(support.get(LIST + query), "next")[0]), "next")[0]
    assert walk(support, last, "prev") == pages[::-1]


def test_the_page_says_which_rows_it_shows(database: Database[Document], support: Client) -> None:
    insert(database, *(stored(number) for number in range(70)))
    first = support.get(LIST)
    assert "Orders 1–50, newest first" in text_of(first)
    second = support.get(LIST + links(first, "next")[0])
    assert "Orders 51–70 of 70, newest first" in text_of(second)
    assert "Orders 1–50, newest first" in text_of(support.get(LIST + links(second, "prev")[0]))


def test_orders_of_one_moment_have_a_stable_order(database: Database[Document], support: Client) -> None:
    at = stored()["created_at"]
    orders = [stored(number, created_at=at) for number in range(120)]
    insert(database, *orders)
    expected = [order["number"] for order in sorted(orders, key=lambda order: order["_id"], reverse=True)]
    assert [number for page in walk(support, "", "next") for number in page] == expected


def test_orders_that_come_meanwhile_shift_no_page(database: Database[Document], support: Client) -> None:
    orders = [stored(number) for number in range(1, 121)]
    insert(database, *orders)
    following = links(support.get(LIST), "next")[0]
    insert(database, *(stored(200 + number, created_at=timezone.now()) for number in range(7)))
    assert look(support, following) == [order["number"] for order in orders[50:100]]


def test_an_order_that_several_flags_find_stands_once(database: Database[Document], support: Client) -> None:
    long_ago = timezone.now() - LONG
    orders = [
        stored(
            number, created_at=long_ago - timedelta(minutes=number), status_since=long_ago,
            user_verified=bool(number % 2),
            items=[line("unknown", call="release")],
        )
        for number in range(60)
    ]  # fmt: skip
    insert(database, *orders)
    query = "?flag=unknown&flag=unshipped&flag=unverified&flag=unchecked"
    assert walk(support, query, "next") == [
        [order["number"] for order in orders[:50]],
        [order["number"] for order in orders[50:]],
    ]


def test_a_narrowed_list_is_paged_by_itself(database: Database[Document], support: Client) -> None:
    orders = [stored(number, status="paid" if number % 2 else "pending") for number in range(130)]
    insert(database, *orders)
    paid = [order["number"] for order in orders[1::2]]
    response = support.get(LIST + "?status=paid")
    [following] = links(response, "next")
    assert parse_qs(following[1:])["status"] == ["paid"]
    assert look(support, following) == paid[50:]


def test_a_place_beyond_the_last_order_has_a_way_back(database: Database[Document], support: Client) -> None:
    insert(database, stored(1))
    response = support.get(f"{LIST}?after=50.0.{'0' * 24}")
    assert rows(response) == []
    assert links(response, "prev") == ["?"]


def test_the_page_before_a_place_with_little_before_it_is_the_first(
    database: Database[Document], support: Client
) -> None:
    orders = [stored(number) for number in range(60)]
    insert(database, *orders)
    at = int(orders[3]["created_at"].timestamp() * 1000)
    response = support.get(f"{LIST}?before=4.{at}.{orders[3]['_id']}")
    assert rows(response) == [order["number"] for order in orders[:50]]
    assert "Orders 1–50" in text_of(response)


# --- addresses -------------------------------------------------------------------------------------------------------


@pytest.mark.slow
def test_an_address_that_was_tampered_with_never_breaks_the_list(database: Database[Document], support: Client) -> None:
    insert_each_status(database)
    for query in (
        "status=nonsense", "status=", "since=nonsense", "since=2026-13-45", "until=9999-12-31", "until=99999-01-01",
        "since=0001-01-01", "since=2026-02-01&until=2026-01-01", "least=abc", "least=NaN", "least=1e999999999",
        "least=0e99999999999999999999", "least=1e-99999999999999999999", "most=0e9999999",
        "least=-1", "most=9999999999999999", "most=1.234", "least=2&most=1", "product=x", "product=%00", "user=%00",
        "user=x", "flag=nonsense", "sort=nonsense", "p=abc", "p=-1", "p=0", "p=" + "9" * 5000, "o=1.2", "o=-99",
        "_facets=True", "q=%00", "q=" + "x" * 5000, "all=", "_popup=1", "e=1", "after=x", "before=", "before=1.2.3",
        "after=1.99999999999999.ffffffffffffffffffffffff", "after=1.-99999999999999.ffffffffffffffffffffffff",
        "after=999999999.0.ffffffffffffffffffffffff", "before=0.0.ffffffffffffffffffffffff", "status=paid&status=paid",
        "sort=oldest&sort=newest", "q=1&q=2", "date=paid_at", "date=paid&until=9998-12-31",
        "date=paid&since=0001-01-01",
    ):  # fmt: skip
        assert support.get(f"{LIST}?{query}", follow=True).status_code == 200, query


def test_what_cannot_be_read_is_named_and_shows_no_orders(database: Database[Document], support: Client) -> None:
    insert_each_status(database)
    for query, told in {
        "since=2026-13-45": "From: Enter a date as YYYY-MM-DD, for example 2026-03-31.",
        "since=2026-02-01&until=2026-01-01": "From: The start date is after the end date.",
        "least=abc": "Total from: Enter a number.",
        "least=2&most=1": "Total from: The minimum total is higher than the maximum.",
        "product=x": "Product id: A product id has 24 hexadecimal digits.",
        "user=7.0": "Customer (user id): A user id is an integer, an ObjectId (24 hex digits), a UUID, or other",
        "date=placed": "Date: Select a valid choice. placed is not one of the available choices.",
        "date=paid&since=2026-02-01&until=2026-01-01": "From: The start date is after the end date.",
        "status=nonsense": "Status: Select a valid choice. nonsense is not one of the available choices.",
        "flag=nonsense&status=paid": "nonsense is not one of the available choices.",
    }.items():
        response = support.get(f"{LIST}?{query}")
        assert rows(response) == [], query
        assert told in text_of(response), query
        assert "The filter is not valid" in text_of(response)


def test_a_place_that_cannot_be_read_is_the_beginning(database: Database[Document], support: Client) -> None:
    order = insert(database, stored())
    response = support.get(f"{LIST}?after=nonsense")
    assert rows(response) == [order["number"]]
    assert "That page link is not valid" in text_of(response)


def test_no_address_filters_by_what_has_no_index(database: Database[Document], support: Client) -> None:
    insert_each_status(database)
    for query in (
        "status__regex=(a%2B)%2B", "user_id__icontains=1", "items__product_id=1", "history__reason__icontains=x",
        "total_price__gt=1", "created_at__date=2026-01-01", "shipping_address__city=Springfield", "id__exact=nonsense",
        "status__isnull=maybe", "nosuchfield=1", "_to_field=nosuch", "status__exact=paid",
    ):  # fmt: skip
        assert support.get(f"{LIST}?{query}").status_code == 400, query


def test_a_list_that_takes_too_long_stops_and_says_what_to_do(
    database: Database[Document], support: Client, settings: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    make_lists_slow(database, settings, monkeypatch)
    response = support.get(LIST)
    assert rows(response) == []
    assert "The search took too long" in text_of(response)
    assert "choose a range of 31 days or less" in text_of(response)


def test_nobody_without_the_permission_sees_the_list(database: Database[Document]) -> None:
    insert(database, stored())
    assert client_of("nobody").get(LIST).status_code == 403


def test_an_order_is_found_again_by_its_place_after_a_look_at_its_page(
    database: Database[Document], support: Client
) -> None:
    orders = [stored(number, status="paid", _id=ObjectId()) for number in range(60)]
    insert(database, *orders)
    query = links(support.get(LIST + "?status=paid"), "next")[0]
    body = support.get(LIST + query).content.decode()
    [address] = re.findall(rf'href="({LIST}{orders[55]["_id"]}/change/[^"]*)"', body)
    assert "_changelist_filters=" in address


def test_actions_never_reach_beyond_what_was_ticked(database: Database[Document], support: Client) -> None:
    from django.test import RequestFactory

    insert_each_status(database)
    admin = support.get(LIST).context["cl"].model_admin
    for form, count in (({"select_across": "1"}, 0), ({"select_across": "0"}, len(EDGES))):
        request: Any = RequestFactory().post(LIST, form)
        request.user = support.get(LIST).wsgi_request.user
        changelist = admin.get_changelist_instance(request)
        assert len(changelist.get_queryset(request)) == count


def test_a_page_whose_orders_are_deleted_while_it_is_read_is_empty(
    database: Database[Document], support: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    insert(database, *(stored(number) for number in range(120)))
    monkeypatch.setattr(order_lists, "_orders", lambda ids: [])
    place = "60.1.0123456789abcdef01234567"
    for query in ("", f"?after={place}&sort=oldest", f"?before={place}"):
        assert rows(support.get(LIST + query)) == [], query


@pytest.mark.parametrize("hits", [(0, 11), (0, 1)])
@pytest.mark.parametrize(("sort", "left", "lead"), [("", "since", "older"), ("&sort=oldest", "up to", "newer")])
def test_a_search_that_has_not_looked_to_the_end_says_so_and_leads_on(
    database: Database[Document], support: Client, monkeypatch: pytest.MonkeyPatch,
    sort: str, left: str, lead: str, hits: tuple[int, int],
) -> None:  # fmt: skip
    said = [
        stored(number, contact={"name": f"Amara {'Okafor' if number in hits else 'Silva'}"}) for number in range(12)
    ]
    insert(database, *(order | {"terms": terms_of(order)} for order in said))
    monkeypatch.setattr(order_lists, "MOST_LOOKED_AT", 4)
    monkeypatch.setattr(term_index, "FEW", 1)
    query, pages = f"?q=amara okafor{sort}", []
    while query:
        response = support.get(LIST + query)
        text = text_of(response)
        pages.append(rows(response))
        [query] = links(response, "next") or [""]
        assert (f"Only orders placed {left} 2" in text) == bool(query)
        assert (f"Search {lead} orders" in text) == bool(query)
        told = ("No results" in text, "Nothing found so far" in text, "No more orders" in text)
        assert told == (False, bool(query) and not pages[-1], not query and not pages[-1])
        assert ("2 orders come to" in text) == (not query and bool(pages[-1])), (
            "what has not been looked at is not added up"
        )
    expected = [said[hit]["number"] for hit in hits]
    assert [number for page in pages for number in page] == (expected[::-1] if sort else expected)
    assert len(pages) > 2


def test_links_of_the_list_bear_any_product_id(database: Database[Document], support: Client) -> None:
    insert(database, stored(1, items=[line() | {"product_id": "a&user=1#%"}]))
    assert 'href="?product=a%26user%3D1%23%25"' in support.get(LIST).content.decode()
