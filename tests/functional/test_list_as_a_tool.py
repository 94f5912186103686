"""The list of orders as people make it theirs: sorted, with columns and views of their own, and as a way to and fro."""

import re
from datetime import timedelta
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
from bson import Decimal128, ObjectId
from django.http import HttpResponse
from django.test import Client
from django.utils import timezone
from pymongo.database import Database

from orders.admin import list_place
from orders.models import SavedView
from orders.services import saved_views
from tests.functional.admin_helpers import (
    LIST,
    Document,
    client_of,
    find,
    insert,
    make_lists_slow,
    page,
    press,
    rows,
    said,
    stored,
    text_of,
)

VIEWS = f"{LIST}views/"


@pytest.fixture
def support(database: Database[Document]) -> Client:
    return client_of("Support")


@pytest.fixture
def ample_time(monkeypatch: pytest.MonkeyPatch) -> None:
    """For orders beside one: a busy machine leaves them out, as it should."""
    monkeypatch.setattr(list_place, "SECONDS", 30.0)


def columns(response: HttpResponse) -> list[str]:
    return [column.name for column in response.context["cl"].columns]


def heads(response: HttpResponse) -> dict[str, tuple[str, str]]:
    """By column: where its heading leads, and how the list is sorted by it."""
    return {head.column.name: (head.address, head.sorted) for head in response.context["cl"].heads}


def numbers(*orders: Document) -> list[str]:
    return [order["number"] for order in orders]


def href(response: HttpResponse, pattern: str) -> str:
    """The address of a link on a page, by what stands in or after it."""
    found = re.search(rf'href="([^"]*)"[^>]*{pattern}', response.content.decode())
    assert found, pattern
    return found[1].replace("&amp;", "&")


# --- sorting ---------------------------------------------------------------------------------------------------------


def sortable(database: Database[Document]) -> list[Document]:
    now = timezone.now()
    orders = [
        stored(number, status="paid", total_price=Decimal128(total), status_since=now - timedelta(hours=hours))
        for number, (total, hours) in enumerate([("20.00", 3), ("5.00", 9), ("20.00", 1), ("100.00", 2)])
    ]
    insert(database, *orders)
    return orders


def test_headings_sort_the_list_and_say_how_it_is_sorted(database: Database[Document], support: Client) -> None:
    a, b, c, d = sortable(database)
    response = support.get(LIST, {"status": "paid"})
    assert heads(response)["placed"] == ("?sort=oldest&status=paid", "descending")
    assert heads(response)["customer"] == ("", "")
    for sort, expected, column, (leads, is_sorted), words in (
        ("highest", (d, c, a, b), "total", ("?sort=lowest", "descending"), "highest total first"),
        ("lowest", (b, a, c, d), "total", ("?sort=highest", "ascending"), "lowest total first"),
        ("longest", (b, a, d, c), "age", ("?sort=latest", "ascending"), "longest in their status first"),
        ("latest", (c, d, a, b), "age", ("?sort=longest", "descending"), "latest change of status first"),
        ("oldest", (d, c, b, a), "placed", ("?sort=newest", "ascending"), "oldest first"),
    ):
        response = support.get(LIST, {"sort": sort})
        assert rows(response) == numbers(*expected), sort
        assert heads(response)[column] == (leads, is_sorted)
        assert [name for name, (_, how) in heads(response).items() if how] == [column]
        assert f"Orders 1–4 of 4, {words}" in text_of(response)
        assert f'aria-sort="{is_sorted}"' in response.content.decode()
        assert ("age" in columns(response)) == (column == "age"), "what the list is sorted by is in sight"


def test_pages_of_a_sorted_list_follow_each_other_and_none_of_another_order(
    database: Database[Document], support: Client
) -> None:
    at = timezone.now()
    orders = [
        stored(n, total_price=Decimal128(f"{n % 3}.00"), status_since=at - timedelta(minutes=n % 2)) for n in range(60)
    ]
    insert(database, *orders)
    following = {}
    for sort in ("highest", "lowest", "longest", "latest", "oldest"):
        first = support.get(LIST, {"sort": sort})
        following[sort] = first.context["cl"].next_address
        second = support.get(LIST + following[sort])
        assert sorted(rows(first) + rows(second)) == sorted(numbers(*orders)), sort
        assert rows(support.get(LIST + second.context["cl"].previous_address)) == rows(first)
    token = parse_qs(following["longest"][1:])["after"][0]
    for sort in ("highest", "oldest"):
        response = support.get(LIST, {"sort": sort, "after": token})
        assert rows(response) == rows(support.get(LIST, {"sort": sort}))
        assert "That page link is not valid" in text_of(response)


def test_a_sorted_list_that_takes_too_long_says_so_and_offers_the_usual_order(
    database: Database[Document], support: Client, settings: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    make_lists_slow(database, settings, monkeypatch)
    response = support.get(LIST, {"sort": "highest", "user": "1"})
    assert rows(response) == []
    assert "The search took too long" in text_of(response)
    assert href(response, ">Sort by date placed") == "?user=1"


def test_all_that_match_a_sorted_list_are_chosen_and_counted(database: Database[Document]) -> None:
    orders = [stored(number, status="paid") for number in range(60)]
    insert(database, *orders)
    fulfilment = client_of("Fulfilment")
    for sort in ("newest", "highest", "longest"):
        address = f"{LIST}?status=paid&sort={sort}"
        assert "Select all matching orders (60)" in text_of(fulfilment.get(address))
        confirmation = fulfilment.post(address, {"action": "start_processing", "across": "1"})
        assert "Start processing 60 orders?" in text_of(confirmation), sort


# --- columns ---------------------------------------------------------------------------------------------------------


def test_columns_are_chosen_once_for_all_lists_of_a_person(database: Database[Document], support: Client) -> None:
    insert(database, stored())
    usual = ["number", "customer", "placed", "contents", "total", "status_badge", "stock", "flags"]
    assert columns(support.get(LIST)) == usual
    form = {"act": "columns", "columns": ["age", "total"], "query": "status=pending&columns=stock"}
    response = support.post(VIEWS, form)
    assert (response.status_code, response.url) == (302, f"{LIST}?status=pending")
    for query in ("", "?status=pending"):
        assert columns(support.get(LIST + query)) == ["number", "total", "age"]
    assert columns(support.get(LIST, {"columns": "stock"})) == ["number", "stock"], "a view may have its own"
    assert columns(client_of("Finance").get(LIST)) == usual
    assert support.post(VIEWS, {"act": "columns", "columns": "nonsense"}).status_code == 400
    assert columns(support.get(LIST)) == ["number", "total", "age"]
    assert support.post(VIEWS, {"act": "columns", "reset": "yes", "columns": "total", "query": "x=1"}).url == LIST
    assert columns(support.get(LIST)) == usual


# --- views -----------------------------------------------------------------------------------------------------------


def test_a_view_is_saved_shown_renamed_and_deleted(database: Database[Document], support: Client) -> None:
    paid = insert(database, stored(1, status="paid"), stored(2))
    support.post(VIEWS, {"act": "columns", "columns": "total"})
    to_save = support.get(LIST, {"status": "paid", "sort": "oldest"}).context["cl"].to_save
    response = support.post(VIEWS, {"act": "save", "name": "My <paid>", "query": f"{to_save}&after=1.1.{'0' * 24}"})
    support.post(VIEWS, {"act": "columns", "reset": "yes"})
    shown = support.get(response.url)
    assert rows(shown) == numbers(paid)
    assert columns(shown) == ["number", "total"]
    [saved] = shown.context["cl"].saved_tabs
    assert saved.active
    assert "My &lt;paid&gt;" in shown.content.decode()
    assert not any(active for _, active, _ in shown.context["cl"].tabs)
    view = SavedView.objects.get()
    assert support.post(VIEWS, {"act": "change", "view": view.pk, "name": "Paid"}).url == VIEWS
    assert "Paid" in text_of(support.get(VIEWS))
    assert support.post(VIEWS, {"act": "delete", "view": view.pk}).url == VIEWS
    assert "No saved views yet" in text_of(support.get(VIEWS))


def test_a_view_that_cannot_be_saved_says_why_and_gives_back_what_was_typed(support: Client) -> None:
    for form, told in (
        ({"name": "", "query": "status=paid"}, "Enter a name."),
        ({"name": "Typed", "query": "status=nonsense"}, "This filter is not valid"),
        ({"name": "Typed", "query": "nonsense=1"}, "This filter is not valid"),
        ({"name": "Typed", "query": "q=" + "x%20y" * 900}, "This filter is not valid"),
    ):
        response = support.post(VIEWS, {"act": "save", **form})
        assert response.status_code == 400
        assert told in text_of(response)
        assert f'name="name" value="{form["name"]}"' in response.content.decode()
    for form in ({"act": "delete", "view": "x"}, {"act": "nonsense"}, {}):
        assert support.post(VIEWS, form).status_code == 400
    assert SavedView.objects.count() == 0


def test_a_view_that_can_no_longer_be_read_says_so_and_shows_no_orders(
    database: Database[Document], support: Client
) -> None:
    insert(database, stored())
    support.post(VIEWS, {"act": "save", "name": "Old", "query": "status=paid"})
    SavedView.objects.update(query="status=gone")
    response = support.get(LIST + support.get(LIST).context["cl"].saved[0].address)
    assert rows(response) == []
    assert "The filter is not valid" in text_of(response)


def test_shared_views_are_seen_by_all_and_changed_by_who_may_share(database: Database[Document]) -> None:
    manager, support = client_of("Manager"), client_of("Support")
    save = {"act": "save", "name": "Ours", "query": "status=paid", "shared": "yes"}
    assert support.post(VIEWS, save).status_code == 403
    assert "Share with everybody" not in text_of(support.get(LIST))
    assert "Share with everybody" in text_of(manager.get(LIST))
    manager.post(VIEWS, save)
    assert [saved.view.name for saved in support.get(LIST).context["cl"].saved] == ["Ours"]
    theirs = support.get(VIEWS)
    assert "Shared by Manager" in text_of(theirs)
    assert "Delete view" not in text_of(theirs)
    for act in ("change", "delete"):
        forged = {"act": act, "view": SavedView.objects.get().pk, "name": "X"}
        assert support.post(VIEWS, forged).status_code == 403
    assert saved_views.views_for(ObjectId())[0].name == "Ours"


# --- to an order and back --------------------------------------------------------------------------------------------


@pytest.mark.usefixtures("ample_time")
def test_an_order_leads_back_to_its_list_and_to_the_orders_beside_it(
    database: Database[Document], support: Client
) -> None:
    orders = [stored(number, status="paid" if number % 2 else "pending") for number in range(120)]
    insert(database, *orders)
    paid = orders[1::2]
    query = support.get(LIST, {"status": "paid"}).context["cl"].next_address
    opened = support.get(href(support.get(LIST + query), f">{paid[52]['number']}"))
    assert href(opened, "data-back") == LIST + query, "the same page of the same list"
    assert opened.content.decode().count(f'href="{LIST}{query}"'.replace("&", "&amp;")) == 2, "and by the breadcrumb"
    following = support.get(href(opened, ">Next order"))
    assert following.context["original"].number == paid[53]["number"]
    assert href(following, "data-back") == LIST + query
    assert support.get(href(following, ">Previous order")).context["original"].number == paid[52]["number"]
    first = support.get(page(orders[0]))
    assert 'rel="prev"' not in first.content.decode()
    assert support.get(href(first, ">Next order")).context["original"].number == orders[1]["number"]


def test_orders_beside_one_that_take_too_long_to_find_are_left_out(
    database: Database[Document], support: Client, settings: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    make_lists_slow(database, settings, monkeypatch)
    monkeypatch.setattr(list_place, "SECONDS", 0.04)
    order = database["orders"].find_one({}, sort=[("created_at", 1)])
    assert order is not None
    opened = support.get(page(order))
    assert href(opened, "data-back") == LIST
    assert 'rel="prev"' not in opened.content.decode()


@pytest.mark.usefixtures("ample_time")
def test_the_list_is_kept_by_what_is_done_to_an_order_even_where_that_moves_it(database: Database[Document]) -> None:
    finance, now = client_of("Finance"), timezone.now()
    orders = [stored(number, status_since=now - timedelta(hours=number + 1)) for number in range(3)]
    insert(database, *orders)
    opened = href(finance.get(LIST, {"status": "pending", "sort": "latest"}), f">{orders[1]['number']}")
    kept = urlsplit(opened).query
    form = {"transition": "pay", "version": "1", "amount": "29.80", "reason": ""}
    response = finance.post(f"{LIST}{orders[1]['_id']}/transition/?{kept}", form)
    assert response.url == opened, said(response)
    assert find(database, orders[1])["status"] == "paid"
    again = finance.get(response.url)
    assert finance.get(href(again, ">Next order")).context["original"].number == orders[2]["number"]
    assert finance.get(href(again, ">Previous order")).context["original"].number == orders[0]["number"]
    refused = finance.post(f"{LIST}{orders[1]['_id']}/transition/?{kept}", form)
    assert refused.status_code == 409
    assert parse_qs(urlsplit(href(refused, "data-back")).query) == {"status": ["pending"], "sort": ["latest"]}
    assert press(finance, orders[0], "pay").url == page(orders[0]), "who comes from no list goes back to none"


@pytest.mark.parametrize("given", ["nonsense=1", "status=nonsense", "status=paid&after=x", "%00", "q=" + "x" * 300])
def test_a_list_that_cannot_be_read_leads_to_the_plain_one(
    database: Database[Document], support: Client, given: str
) -> None:
    order = insert(database, stored())
    response = support.get(page(order), {"_changelist_filters": given, "place": "1.s.1.x"})
    assert response.status_code == 200
    if "after" not in given:
        assert href(response, "data-back") == LIST


# --- the palette -----------------------------------------------------------------------------------------------------


def palette(client: Client, text: str) -> dict[str, str]:
    """What the palette finds: the address of each result."""
    response = client.get("/admin/search/", {"s": text, "extended": "1"})
    assert response.status_code == 200
    found = re.findall(r'href="([^"]*)"\s+data-title="([^"]*)"', response.content.decode())
    return {title: address.replace("&amp;", "&") for address, title in found}


def test_the_palette_finds_orders_pages_views_and_what_can_be_done(
    database: Database[Document], support: Client
) -> None:
    somebody: Any = {"contact": {"name": "Inês Carvalho", "email": "ines@example.com", "phone": ""}}
    orders = [stored(number, **somebody) for number in range(10)]
    insert(database, *orders, stored(20))
    support.post(VIEWS, {"act": "save", "name": "Carvalho's paid", "query": "status=paid"})
    found = palette(support, "carvalho")
    assert found.pop("Search the orders for “carvalho”") == f"{LIST}?q=carvalho"
    assert found.pop("Carvalho&#x27;s paid") == f"{LIST}?status=paid"
    assert found == {order["number"]: page(order) for order in orders[:8]}, "the newest, up to a cap"
    one = palette(support, orders[3]["number"])
    assert one[f"Packing slip: {orders[3]['number']}"] == f"{LIST}{orders[3]['_id']}/packing-slip/"
    assert palette(support, "to sh")["To ship"] == f"{LIST}?sort=oldest&status=paid&status=processing"
    assert palette(support, "pass")["Change password"] == "/admin/password_change/"
    for text in ("carvalho", "to sh", "pass", "bulk", orders[3]["number"]):
        for address in palette(support, text).values():
            assert support.get(address).status_code in (200, 302), address
    insert(database, stored(0, **somebody) | {"number": "NEW-1"})
    assert "NEW-1" in palette(support, "carvalho"), "nothing is kept"


def test_the_palette_shows_nobody_what_they_may_not_see(database: Database[Document], support: Client) -> None:
    order = insert(database, stored())
    nobody = client_of("nobody")
    assert palette(nobody, order["number"]) == {}
    assert [*palette(nobody, "change")] == ["Change password"]
    assert palette(nobody, "orders") == {}
    assert not {"Webhooks", "Add webhook"} & {*palette(support, "webhook")}
    assert {"Webhooks", "Add webhook"} <= {*palette(client_of("Manager"), "webhook")}
    for text in ("", "  ", "%00\x00", "a " * 9, "x" * 5000, "<script>"):
        response = support.get("/admin/search/", {"s": text})
        assert response.status_code == 200, text
        assert "<script>" not in response.content.decode()
