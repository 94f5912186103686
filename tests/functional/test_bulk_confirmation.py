"""A confirmation binds to what it showed: more orders, or a page open for long, are shown and asked about anew."""

import html
import re
from datetime import UTC, datetime, timedelta

import pytest
from django.http import HttpResponse
from django.test import Client
from pymongo.database import Database

from orders.models import BulkRun
from orders.storage import bulk_runs
from tests.functional.admin_helpers import LIST, Document, client_of, find, insert, stored, text_of
from tests.functional.bulk_admin import BULK, across, choose, confirm, form_of, only_run


@pytest.fixture
def manager(database: Database[Document]) -> Client:
    return client_of("Manager")


def asked_again(response: object, sentence: str) -> None:
    assert sentence in text_of(response)  # type: ignore[arg-type]
    assert not BulkRun.objects.exists()


def test_more_orders_than_were_shown_are_asked_about_anew(database: Database[Document], manager: Client) -> None:
    first, second = stored(1, status="paid"), stored(2, status="pending")
    insert(database, first, second)
    shown = choose(manager, "start_processing", [first, second])
    database["orders"].update_one({"_id": second["_id"]}, {"$set": {"status": "paid"}})
    response = confirm(manager, shown)
    asked_again(response, "This would now change 1 more order.")
    assert find(database, first)["status"] == "paid"
    assert confirm(manager, response).status_code == 302
    assert only_run().done == 2


def test_fewer_orders_than_were_shown_need_no_second_question(database: Database[Document], manager: Client) -> None:
    first, second = stored(1, status="paid"), stored(2, status="paid")
    insert(database, first, second)
    shown = choose(manager, "start_processing", [first, second])
    database["orders"].update_one({"_id": second["_id"]}, {"$set": {"status": "cancelled"}})
    assert confirm(manager, shown).status_code == 302
    assert only_run().done == 1


@pytest.mark.parametrize(
    "forged",
    [
        {"shown": (datetime.now(UTC) - timedelta(minutes=16)).isoformat()},
        {"shown": (datetime.now(UTC) + timedelta(days=800)).isoformat()},
        {"shown": ""},
        {"can": ""},
        {"can": "-1"},
    ],
)
def test_a_page_that_was_open_for_long_is_shown_anew(
    database: Database[Document], manager: Client, forged: dict[str, str]
) -> None:
    order = stored(1, status="paid")
    insert(database, order)
    response = confirm(manager, choose(manager, "start_processing", [order]), **forged)
    asked_again(response, "This page was open for too long.")
    assert find(database, order)["status"] == "paid"


@pytest.mark.parametrize(
    "at", ["0001-01-01T00:00:00+14:00", "0001-01-01T00:00:00Z", "9999-12-31T23:59:59-14:00", "1999-12-31T23:00:00Z"]
)
@pytest.mark.parametrize("query", ["", "flag=late"])
def test_a_moment_at_which_nobody_can_have_chosen_is_refused(
    database: Database[Document], manager: Client, at: str, query: str
) -> None:
    order = stored(1, status="paid")
    insert(database, order)
    form = form_of(across(manager, "start_processing", "?status=paid"))
    response = manager.post(BULK, form | {"at": at, "filter": query}, follow=True)
    assert response.status_code == 200
    asked_again(response, "The form is incomplete.")


def test_a_second_click_leaves_a_run_alone_whose_orders_are_being_taken_down(
    database: Database[Document], manager: Client
) -> None:
    order = stored(1, status="paid")
    insert(database, order)
    shown = choose(manager, "start_processing", [order])
    confirm(manager, shown)
    held = {"id": "first", "until": datetime.now(UTC) + timedelta(minutes=1)}
    bulk_runs.runs().update_one({}, {"$set": {"state": "selecting", "attempt": held}})
    assert confirm(manager, shown).status_code == 302
    assert (only_run().state, only_run().last_error) == ("selecting", "")


@pytest.mark.parametrize("choice", ["named", "filter", "search"])
def test_the_address_of_a_confirmation_shows_it_again_with_its_selection_and_starts_nothing(
    database: Database[Document], manager: Client, choice: str
) -> None:
    orders = [stored(number, status="paid", user_id="8") for number in range(3)]
    insert(database, *orders, stored(3, status="paid"))
    query = "?q=8&status=paid" if choice == "search" else "?user=8"
    ask = choose(manager, "cancel", orders, query) if choice == "named" else across(manager, "cancel", query)
    address = address_of(ask)
    again = manager.get(address)
    assert again.status_code == 200
    asked_again(again, "Cancel 3 orders?")
    chosen = ("ids", "filter")
    assert {name: form_of(again).get(name) for name in chosen} == {name: form_of(ask).get(name) for name in chosen}
    assert address_of(again) == address
    assert f'href="{LIST}{query.replace("&", "&amp;")}">Go back' in again.content.decode()
    refused = manager.post(address, form_of(again))
    asked_again(refused, "reason")
    assert address_of(refused) == address
    assert manager.post(address, form_of(again) | {"reason": "The shop closes"}).status_code == 302
    assert only_run().total == 3


@pytest.mark.parametrize(
    ("query", "told"),
    [
        ("filter=status%3Dpaid", "Select orders first"),
        ("transition=cancel", "Select orders first"),
        ("transition=cancel&ids=", "Select orders first"),
        ("transition=cancel&ids=nonsense", "something other than orders"),
        ("transition=cancel&filter=since%3Dnonsense", "The filter is not valid."),
        ("transition=erase&filter=", "Unknown action."),
    ],
)
def test_an_address_that_chooses_nothing_leads_to_the_list(
    database: Database[Document], manager: Client, query: str, told: str
) -> None:
    insert(database, stored(1, status="paid"))
    response = manager.get(f"{BULK}?{query}", follow=True)
    assert response.redirect_chain[-1][0].startswith(LIST)
    asked_again(response, told)


def test_a_selection_too_long_for_an_address_leads_back_to_its_list(
    database: Database[Document], manager: Client
) -> None:
    orders = [stored(number, status="paid") for number in range(200)]
    insert(database, *orders)
    address = address_of(choose(manager, "start_processing", orders, "?status=paid"))
    assert manager.get(address).url == f"{LIST}?status=paid"


def address_of(response: HttpResponse) -> str:
    """Where a confirmation page posts to."""
    [found] = re.findall(rf'action="({BULK}[^"]*)"', response.content.decode())
    return html.unescape(found)
