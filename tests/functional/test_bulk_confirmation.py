"""A confirmation binds to what it showed: more orders, or a page open for long, are shown and asked about anew."""

from datetime import UTC, datetime, timedelta

import pytest
from django.test import Client
from pymongo.database import Database

from orders.models import BulkRun
from orders.storage import bulk_runs
from tests.functional.admin_helpers import Document, client_of, find, insert, stored, text_of
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
