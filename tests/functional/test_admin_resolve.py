"""Lines whose outcome nobody knows, in the backoffice: found in the list, and settled on the order's page."""

import re
from typing import Any

import pytest
from django.http import HttpResponse
from django.test import Client
from pymongo.database import Database

from integrations.sandbox import Sandbox
from integrations.sandbox.catalogue import PRODUCTS
from tests.functional.admin_helpers import (
    LIST,
    Document,
    client_of,
    find,
    insert,
    line,
    page,
    placed,
    press,
    profiled,
    rows,
    said,
    stored,
    text_of,
)
from tests.functional.helpers import settle
from tests.integration.builders import answer_lost

MAY = ("Fulfilment", "Manager", "superuser")
MAY_NOT = ("Support", "Finance")
TOWEL = PRODUCTS[0].product_id
WHY = "Counted on the shelf"
SETTLED = {"none": "stock not reserved", "releasing": "stock to be released", "released": "stock released"}


@pytest.fixture
def warehouse(database: Database[Document]) -> Client:
    return client_of("Fulfilment")


def unknown(database: Database[Document], number: int = 0, *lines: Document, call: str = "release") -> Document:
    status = "cancelled" if call == "release" else "rejected"
    return insert(database, stored(number, status=status, items=list(lines) or [line("unknown", call=call)]))


def resolve(client: Client, order: Document, happened: str | None, **changes: Any) -> HttpResponse:
    """Post an answer as its button does, for the first line; None leaves a field out."""
    form = {"line": "0", "attempts": "1", "happened": happened, "reason": WHY} | changes
    url = f"{LIST}{order['_id']}/resolve/"
    return client.post(url, {name: value for name, value in form.items() if value is not None})


def state(database: Database[Document], order: Document, index: int = 0) -> str:
    return str(find(database, order)["items"][index]["stock"]["state"])


@pytest.mark.parametrize("role", MAY)
def test_an_unknown_line_offers_two_buttons_and_asks_how_it_is_known(database: Database[Document], role: str) -> None:
    order = unknown(database, 0, line("released"), line("unknown", call="release"), line("unknown", call="release"))
    response = client_of(role).get(page(order))
    body = response.content.decode()
    assert re.findall(r'<button type="submit" name="happened" value="(\w+)" class="order-button">([\w ]+)<', body) == [
        ("yes", "Released"), ("no", "Not released"),
    ] * 2  # fmt: skip
    assert re.findall(r'<input type="hidden" name="line" value="(\d)">', body) == ["1", "2"]
    assert len(re.findall(r'name="reason" maxlength="500" required', body)) == 2
    assert f"Item 2: was the stock released? 2 × {TOWEL} ." in text_of(response)


@pytest.mark.parametrize("role", [*MAY_NOT])
def test_whoever_may_not_say_so_sees_no_buttons_and_a_forged_answer_is_refused(
    database: Database[Document], role: str
) -> None:
    order, client = unknown(database), client_of(role)
    before = find(database, order)
    response = client.get(page(order))
    assert response.status_code == 200
    assert 'name="happened"' not in response.content.decode()
    for happened in ("yes", "no", "nonsense"):
        assert resolve(client, order, happened).status_code == 403
    assert find(database, order) == before


def test_staff_without_a_role_and_visitors_change_nothing(database: Database[Document]) -> None:
    order = unknown(database)
    before = find(database, order)
    assert resolve(client_of("nobody"), order, "yes").status_code == 403
    response = resolve(Client(), order, "yes")
    assert (response.status_code, response.url.split("?")[0]) == (302, "/admin/login/")
    assert find(database, order) == before


def test_without_a_token_against_forgery_nothing_changes(database: Database[Document]) -> None:
    order = unknown(database)
    client = client_of("Manager", enforce_csrf_checks=True)
    assert resolve(client, order, "yes").status_code == 403
    assert state(database, order) == "unknown"
    token = re.search(r'name="csrfmiddlewaretoken" value="(\w+)"', client.get(page(order)).content.decode())
    assert token
    assert resolve(client, order, "yes", csrfmiddlewaretoken=token[1]).status_code == 302
    assert state(database, order) == "released"


def test_no_line_but_an_unknown_one_offers_anything(database: Database[Document], warehouse: Client) -> None:
    for number, other in enumerate(("none", "reserving", "reserved", "used", "releasing", "released")):
        order = insert(database, stored(number, items=[line(other)]))
        before = find(database, order)
        assert 'name="happened"' not in warehouse.get(page(order)).content.decode()
        response = resolve(warehouse, order, "yes")
        assert response.status_code == 409
        assert said(response)[-1].startswith("Nothing was changed. The stock outcome of line 1")
        assert find(database, order) == before


@pytest.mark.parametrize(
    ("call", "happened", "becomes"),
    [("release", "yes", "released"), ("release", "no", "releasing"), ("reserve", "yes", "releasing"),
     ("reserve", "no", "none")],
)  # fmt: skip
def test_an_answer_settles_the_line_and_is_in_the_history(
    database: Database[Document], warehouse: Client, call: str, happened: str, becomes: str
) -> None:
    order = unknown(database, call=call)
    response = resolve(warehouse, order, happened)
    assert (response.status_code, response.url) == (302, page(order))
    assert said(response) == [f"Item 1 of order {order['number']}: {SETTLED[becomes]}."]
    after = find(database, order)
    assert state(database, order) == becomes
    assert ("stock_due_at" in after) == (becomes == "releasing")
    last = after["history"][-1]
    assert (last["act"], last["actor"], last["via"], last["reason"]) == ("resolve", "staff:Fulfilment", "admin", WHY)
    told = f"Fulfilment confirmed manually, for item 1: {SETTLED[becomes]}. "
    assert told in text_of(warehouse.get(page(order)))


def test_a_release_that_did_not_happen_is_made_by_the_worker_once(
    sandbox: Sandbox, database: Database[Document], warehouse: Client
) -> None:
    order = placed()
    sandbox.control.fault("release", "drop_before", times=1)
    press(client_of("Support"), order, "cancel")
    assert state(database, order) == "unknown"
    resolve(warehouse, order, "no")
    assert sandbox.control.counts()["release"] == 1
    settle(database)
    assert state(database, order) == "released"
    assert sandbox.control.stock(TOWEL).reserved == 0
    assert sandbox.control.counts()["release"] == 2


@pytest.mark.parametrize("reason", [None, "", "   "])
def test_without_a_reason_nothing_changes(database: Database[Document], warehouse: Client, reason: str | None) -> None:
    order = unknown(database)
    before = find(database, order)
    response = resolve(warehouse, order, "yes", reason=reason)
    assert said(response) == ["Nothing was changed. A reason is required: say how you know."]
    assert find(database, order) == before


@pytest.mark.parametrize(
    "nonsense",
    [
        {"happened": "maybe"}, {"happened": None}, {"line": None}, {"line": "-1"}, {"line": "x"}, {"line": "9" * 30},
        {"line": "7"}, {"attempts": None}, {"attempts": "x"}, {"attempts": "0"}, {"line": "٣"},
    ],
)  # fmt: skip
def test_a_form_that_was_tampered_with_changes_nothing(
    database: Database[Document], warehouse: Client, nonsense: dict[str, str | None]
) -> None:
    order = unknown(database)
    before = find(database, order)
    response = resolve(warehouse, order, **({"happened": "yes"} | nonsense))
    assert response.status_code in (400, 409)
    assert said(response)[-1].startswith("Nothing was changed.")
    assert f'required value="{WHY}"' in response.content.decode() or nonsense.keys() & {"line"}
    assert find(database, order) == before


def test_the_second_of_two_people_is_told_and_changes_nothing(database: Database[Document], warehouse: Client) -> None:
    order, manager = unknown(database), client_of("Manager")
    resolve(warehouse, order, "yes")
    between = find(database, order)
    assert said(resolve(manager, order, "no"))[0].startswith("Nothing was changed. The stock outcome of line 1")
    assert find(database, order) == between


def test_an_answer_about_an_earlier_attempt_is_not_taken_for_one_about_a_later(
    database: Database[Document], warehouse: Client
) -> None:
    order = unknown(database, 0, line("unknown", call="release", attempts=2))
    before = find(database, order)
    assert "has been tried again since. Check it again." in said(resolve(warehouse, order, "yes", attempts="1"))[0]
    assert find(database, order) == before


def test_a_write_that_the_database_does_not_confirm_is_told_as_such(
    database: Database[Document], warehouse: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    order = unknown(database)
    answer_lost(monkeypatch, written=False)
    response = resolve(warehouse, order, "yes")
    assert said(response)[0].startswith("The database did not answer in time.")
    assert state(database, order) == "unknown"


def test_only_a_post_to_an_order_that_exists_is_taken(database: Database[Document], warehouse: Client) -> None:
    order = unknown(database)
    assert warehouse.get(f"{LIST}{order['_id']}/resolve/").status_code == 405
    for given in ("0" * 24, "x", "a/b"):
        assert warehouse.post(f"{LIST}{given}/resolve/", {"line": "0", "happened": "yes"}).status_code == 404
    assert state(database, order) == "unknown"


# --- the list --------------------------------------------------------------------------------------------------------


def test_the_list_finds_the_orders_that_need_attention(database: Database[Document]) -> None:
    first = unknown(database, 1)
    second = unknown(database, 2, line("released"), line("unknown", call="release"))
    third = unknown(database, 3, call="reserve")
    insert(database, stored(4), stored(5, status="cancelled", items=[line("released")]))
    support = client_of("Support")
    assert len(rows(support.get(LIST))) == 5
    assert text_of(support.get(LIST)).count("not confirmed Unconfirmed stock") == 3
    assert rows(support.get(LIST, {"flag": "unknown"})) == [order["number"] for order in (first, second, third)]
    narrowed = support.get(LIST, {"flag": "unknown", "status": "rejected"})
    assert rows(narrowed) == [third["number"]]
    assert rows(support.get(LIST, {"flag": "unknown", "q": second["number"]})) == [second["number"]]


def test_with_nothing_unknown_nothing_needs_attention(database: Database[Document]) -> None:
    insert(database, stored())
    assert rows(client_of("Support").get(LIST, {"flag": "unknown"})) == []


def test_those_that_wait_longest_can_come_first(database: Database[Document]) -> None:
    made = [unknown(database, number) for number in range(3)]
    found = rows(client_of("Support").get(LIST, {"flag": "unknown", "sort": "oldest"}))
    assert found == [order["number"] for order in reversed(made)]


def test_the_list_of_those_reads_no_others(database: Database[Document]) -> None:
    orders = [stored(number, status="paid") for number in range(1500)]
    orders += [
        stored(number, status="cancelled", items=[line("unknown", call="release")]) for number in (50, 900, 1499)
    ]
    insert(database, *orders)
    support = client_of("Support")
    support.get(LIST)
    with profiled(database) as operations:
        assert len(rows(support.get(LIST, {"flag": "unknown"}))) == 3
    of_orders = [operation for operation in operations if operation["ns"].endswith(".orders")]
    assert of_orders
    assert any("items.stock.state" in operation["planSummary"] for operation in of_orders)
    for operation in of_orders:
        assert "COLLSCAN" not in operation["planSummary"], operation
        assert operation["docsExamined"] <= 3, operation
