"""Personal data on the order's page: who may erase it, what that says, and how an erased order reads."""

import re
from datetime import UTC, datetime
from typing import Any

import pytest
from django.http import HttpResponse
from django.test import Client
from pymongo.database import Database

from orders.admin import erasing_form
from tests.functional.admin_helpers import (
    LIST,
    WORK,
    Document,
    client_of,
    find,
    form_of,
    insert,
    line,
    main_of,
    page,
    said,
    stored,
    text_of,
)
from tests.integration.builders import act, answer_lost, read
from tests.integration.test_erasing import PERSON, erased, whole, words_in

SCRIPT = "<script>alert('x')</script>"


@pytest.fixture
def manager(database: Database[Document]) -> Client:
    return client_of("Manager")


def erase(client: Client, order: Any, **changes: Any) -> HttpResponse:
    form = {"erase": "customer", "reason": "Request 4711"} | changes
    return client.post(form_of(order, "erase"), {name: value for name, value in form.items() if value is not None})


def test_the_button_erases_every_finished_order_of_the_customer(database: Database[Document], manager: Client) -> None:
    order_id, other, waits, foreign = (
        whole(),
        whole("shipped"),
        whole("paid", number="7KQF-2M9D-XW3H"),
        whole(user_id="2"),
    )
    before = read(waits), read(foreign)
    main = main_of(manager.get(page(order_id)))
    assert words_in(main) == [word for word in PERSON if word in main]
    assert "Erase personal data of customer 1</button>" in main
    response = erase(manager, order_id)
    assert (response.status_code, response.url) == (302, page(order_id))
    assert said(response) == [
        "Personal data erased from 2 orders of customer 1. Erase again later: "
        "Order 7KQF-2M9D-XW3H is paid: its address is needed until it is shipped or cancelled."
    ]
    assert words_in(read(order_id), read(other)) == []
    assert (read(waits), read(foreign)) == before
    entry = read(order_id)["history"][-1]
    assert (entry["act"], entry["actor"], entry["via"], entry["reason"]) == (
        *("erase", "staff:Manager", "admin", "Request 4711"),
    )


def test_an_erased_order_says_so_by_whom_and_when_and_shows_nothing_else_of_a_person(
    database: Database[Document], manager: Client
) -> None:
    order_id = whole()
    erase(manager, order_id)
    at = datetime.now(UTC)
    response = manager.get(page(order_id))
    text = text_of(response)
    assert re.search(rf"Personal data erased on {at:%Y-%m-%d} [\d:]{{8}} UTC by Manager\.", text)
    assert "Shipping address Erased. Country: France" in text
    assert re.search(r"Manager erased the personal data\. [\d:]{8} UTC Request 4711", text)
    assert words_in(main_of(response)) == []
    assert "Erase personal data" not in text
    for name in ("packing-slip", "confirmation"):
        printed = manager.get(form_of(order_id, name))
        assert printed.status_code == 200
        assert words_in(printed.content.decode()) == []
    assert words_in(manager.get(LIST).content.decode()) == []


def test_the_page_names_the_last_of_several_erasures(database: Database[Document], manager: Client) -> None:
    order_id = whole()
    erased(order_id)
    manager.post(form_of(order_id, "note"), {"text": "staffsnote"})
    erased(order_id, act().actor)
    text = text_of(manager.get(page(order_id)))
    assert text.count("Personal data erased on") == 1
    assert re.search(r"Personal data erased on [^.]* by admin boss\.", text)


@pytest.mark.parametrize("role", [*WORK, "nobody"])
def test_the_button_is_for_managers_alone(database: Database[Document], role: str) -> None:
    order_id = whole()
    before = read(order_id)
    client = client_of(role)
    may = role == "Manager"
    assert ("/erase/" in client.get(page(order_id)).content.decode()) == may
    assert erase(client, order_id).status_code == (302 if may else 403)
    assert (read(order_id) == before) == (not may)


def test_where_no_order_is_finished_nothing_is_erased_and_what_was_typed_is_kept(
    database: Database[Document], manager: Client
) -> None:
    order = insert(database, stored(status="paid"))
    before = find(database, order)
    response = erase(manager, order, reason=SCRIPT)
    assert response.status_code == 409
    [told] = said(response)
    assert told.startswith(f"Nothing was changed. Order {order['number']} is paid: its address is needed")
    assert find(database, order) == before
    main = main_of(response)
    assert SCRIPT not in main
    assert "&lt;script&gt;" in main
    assert re.search(r"<details open>\s*<summary[^>]*>Erase personal data…", main)


def test_pressed_twice_it_says_that_nothing_is_left(database: Database[Document], manager: Client) -> None:
    order_id = whole()
    erase(manager, order_id)
    before = read(order_id)
    response = erase(manager, order_id)
    assert response.status_code == 409
    assert said(response)[-1] == "Nothing was changed. Nothing is left to erase."
    assert read(order_id) == before


def test_a_form_that_is_incomplete_changes_nothing(database: Database[Document], manager: Client) -> None:
    order_id = whole()
    for incomplete in (None, "", "everybody"):
        assert erase(manager, order_id, erase=incomplete).status_code == 400
        assert words_in(read(order_id)) == list(PERSON)
    assert erase(manager, order_id, reason="x" * 501).status_code == 400
    assert words_in(read(order_id)) == list(PERSON)


def test_of_a_customer_with_many_orders_the_rest_is_left_to_the_command(
    database: Database[Document], manager: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(erasing_form, "ERASED_AT_ONCE", 2)
    made = [whole() for _ in range(3)]
    response = erase(manager, made[0])
    assert said(response) == [
        "Personal data erased from 2 orders of customer 1. There may be more orders: run manage.py erase_customer."
    ]
    assert [words_in(read(order_id)) == [] for order_id in made] == [True, True, False]


def test_a_database_that_does_not_answer_is_told(
    database: Database[Document], manager: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    order_id = whole()
    answer_lost(monkeypatch, written=False)
    response = erase(manager, order_id)
    assert response.status_code == 503
    assert words_in(read(order_id)) == list(PERSON)


def test_of_stock_that_is_owed_it_says_why_it_waits(database: Database[Document], manager: Client) -> None:
    order_id = whole(items=[line("unknown", call="release")])
    response = erase(manager, order_id)
    assert response.status_code == 409
    assert "still has stock to be settled with inventory" in said(response)[0]
