"""The attention page: what waits, to whom it shows which buttons, and what they do."""

import itertools
import re
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from bson import ObjectId
from django.contrib.auth.models import Permission, User
from django.http import HttpResponse
from django.test import Client
from django.utils import timezone
from pymongo.database import Database

from integrations.sandbox import Sandbox
from orders.admin import attention_counter
from orders.models import transition_names
from orders.services.days import day_bounds
from orders.services.reporting import attention
from orders.storage import order_reads
from tests.functional.admin_helpers import (
    LIST,
    Document,
    client_of,
    find,
    insert,
    line,
    page,
    placed,
    profiled,
    rows,
    said,
    stored,
    text_of,
)
from tests.integration.builders import answer_lost

PAGE = f"{LIST}attention/"
LONG_AGO = datetime.now(UTC).replace(microsecond=0) - timedelta(days=9)
HOUR = timedelta(hours=1)


def waiting(database: Database[Document]) -> dict[str, Document]:
    """An order of each kind that waits."""
    due = {
        "stock_due_at": datetime.now(UTC).replace(microsecond=0) + HOUR,
        "created_at": LONG_AGO,
        "status_since": LONG_AGO,
    }
    owing = line("releasing", call="release", attempts=7, error="503")
    orders = {
        "unknown": stored(1, status="cancelled", items=[line("released"), line("unknown", call="release")]),
        "owed": stored(2, status="cancelled", items=[owing], **due),
        "short": stored(3, status="cancelled", items=[line("released", discrepancy=2, error="gave 0 of 2")]),
        "unchecked": stored(4, status="pending", user_verified=False),
        "unshipped": stored(5, status="processing", created_at=LONG_AGO, status_since=LONG_AGO),
    }
    insert(database, *orders.values())
    return orders


def counter(response: HttpResponse) -> str:
    """The number beside the page in the navigation; empty where there is none."""
    found = re.search(r'<span class="nav-count">([^<]*)</span>', response.content.decode())
    return found[1] if found else ""


def post(client: Client, waits: Document, act: str, /, **form: Any) -> HttpResponse:
    return client.post(PAGE, {"act": act, "order": str(waits["_id"]), "section": "unknown"} | form)


GOOD: dict[str, tuple[str, dict[str, str]]] = {
    "unknown": ("resolve", {"line": "1", "attempts": "1", "happened": "yes", "reason": "Counted"}),
    "owed": ("retry", {}),
    "short": ("accept", {"line": "0", "discrepancy": "2", "reason": "Found them"}),
    "unchecked": ("transition", {"transition": "cancel", "version": "1", "reason": "No such person"}),
    "unshipped": ("transition", {"transition": "ship", "version": "1"}),
}
"""What the buttons of each kind post."""
MAY = {"Support": {"unchecked"}, "Fulfilment": {"unknown", "owed", "short", "unshipped"}, "Finance": set(),
       "Manager": set(GOOD), "superuser": set(GOOD)}  # fmt: skip


def buttons(response: HttpResponse) -> dict[str, set[str]]:
    """Section → what the forms of its rows do."""
    sections = re.split(r'<section id="(\w+)" class="waiting"', response.content.decode())
    return {
        name: set(re.findall(r'name="act" value="(\w+)"', body)) - {"snooze"}
        | {f"transition:{name}" for name in re.findall(r'name="transition" value="(\w+)"', body)}
        for name, body in zip(sections[1::2], sections[2::2], strict=True)
    }


@pytest.mark.parametrize("role", MAY)
def test_each_kind_is_shown_with_just_the_buttons_that_its_reader_may_press(
    database: Database[Document], role: str
) -> None:
    orders = waiting(database)
    response = client_of(role).get(PAGE)
    assert response.status_code == 200
    resolves = ships = role not in ("Support", "Finance")
    cancels = role not in ("Fulfilment", "Finance")
    cancel = {"transition", "transition:cancel"} if cancels else set()
    assert buttons(response) == {
        "unknown": {"resolve"} if resolves else set(),
        "owed": {"retry"} if resolves else set(),
        "short": {"accept"} if resolves else set(),
        "unchecked": cancel | ({"verify"} if cancels else set()),
        "unshipped": cancel | ({"transition", "transition:ship"} if ships else set()),
    }
    for order in orders.values():
        assert f'href="{page(order)}"' in response.content.decode()


def test_the_page_says_what_is_known_of_each(database: Database[Document]) -> None:
    waiting(database)
    told = text_of(client_of("Manager").get(PAGE))
    product = line()["product_id"]
    for words in (
        f"Item 2: release of 2 × {product} , 1 attempt , unconfirmed for",
        "Last error: 503", "7 attempts", "next attempt", "2 of 2", "Inventory: gave 0 of 2",
        "Unconfirmed stock 1", "Processing Customer 1 1 week ago", "Pending Customer 1 4 minutes ago",
        f"€29.80 2 × {product}",
    ):  # fmt: skip
        assert words.replace(" ,", ",") in told.replace(" ,", ","), words


@pytest.mark.parametrize(
    ("items", "told"),
    [
        ([line() | {"name": "Mug <old>"}], "2 × Mug <old>"),
        ([line() | {"name": "Mug"}, line()], "2 × Mug and 1 more item"),
        ([line() | {"name": "Mug"}, line(), line()], "2 × Mug and 2 more items"),
        ([], "no items"),
    ],
)
def test_an_order_that_waits_as_a_whole_names_what_was_ordered(
    database: Database[Document], items: list[Document], told: str
) -> None:
    insert(database, stored(status="paid", created_at=LONG_AGO, status_since=LONG_AGO, items=items))
    assert f"€29.80 {told} – Nobody is on it Start processing" in text_of(client_of("Manager").get(PAGE))


@pytest.mark.parametrize("role", MAY)
def test_a_forged_act_without_its_permission_is_refused_and_changes_nothing(
    database: Database[Document], sandbox: Sandbox, role: str
) -> None:
    orders, client = waiting(database), client_of(role)
    for name, (act, form) in GOOD.items():
        before = find(database, orders[name])
        response = post(client, orders[name], act, **form)
        assert response.status_code == (302 if name in MAY[role] else 403), name
        assert (find(database, orders[name]) == before) == (name not in MAY[role]), name
    if "unchecked" not in MAY[role]:
        assert post(client, orders["unchecked"], "verify").status_code == 403


def test_whoever_may_not_act_is_refused_before_the_form_is_looked_at(database: Database[Document]) -> None:
    order, client = waiting(database)["unchecked"], client_of("nobody")
    nobody = User.objects.get(username="nobody")
    nobody.user_permissions.add(Permission.objects.get(codename="view_order"))
    assert client.get(PAGE).status_code == 200
    before = find(database, order)
    for act in ("resolve", "retry", "accept", "verify"):
        assert post(client, order, act, order="nonsense").status_code == 403, act
    for name in transition_names():
        assert post(client, order, "transition", transition=name).status_code == 403, name
        assert post(client, order, "transition", transition=name, order="nonsense").status_code == 403, name
    assert post(client, order, "transition", transition="nonsense").status_code == 302
    assert find(database, order) == before


def test_strangers_and_staff_without_a_role_see_and_do_nothing(database: Database[Document]) -> None:
    orders = waiting(database)
    nobody = client_of("nobody")
    assert nobody.get(PAGE).status_code == 403
    assert Client().get(PAGE).url.startswith("/admin/login/")
    for name, (act, form) in GOOD.items():
        before = find(database, orders[name])
        assert post(nobody, orders[name], act, **form).status_code == 403
        assert post(Client(), orders[name], act, **form).status_code == 302
        assert find(database, orders[name]) == before


def test_without_a_token_against_forgery_nothing_changes(database: Database[Document]) -> None:
    order, client = waiting(database)["owed"], client_of("Manager", enforce_csrf_checks=True)
    assert post(client, order, "retry").status_code == 403
    token = re.search(r'name="csrfmiddlewaretoken" value="(\w+)"', client.get(PAGE).content.decode())
    assert token
    assert post(client, order, "retry", csrfmiddlewaretoken=token[1]).status_code == 302
    assert find(database, order)["history"][-1]["act"] == "retry"


def test_each_way_out_comes_back_to_its_section_and_says_what_it_did(
    database: Database[Document], sandbox: Sandbox
) -> None:
    orders, manager = waiting(database), client_of("Manager")
    for name, (act, form) in GOOD.items():
        response = post(manager, orders[name], act, section=name, **form)
        assert response.url == f"{PAGE}#{name}"
        told = said(response)[-1]
        assert orders[name]["number"] in told
        assert find(database, orders[name])["history"][-1]["actor"] == "staff:Manager"
    assert find(database, orders["unchecked"])["status"] == "cancelled"
    assert find(database, orders["unshipped"])["status"] == "shipped"
    assert find(database, orders["unknown"])["items"][1]["stock"]["state"] == "released"
    assert order_reads.due_orders(order_reads.server_time(), 9)[:1] == [orders["owed"]["_id"]]
    database["orders"].delete_many({})
    assert "All caught up" in text_of(manager.get(PAGE))


def test_a_user_is_asked_about_again(database: Database[Document], sandbox: Sandbox) -> None:
    order, support = placed(), client_of("Support")
    database["orders"].update_one({"_id": order["_id"]}, {"$set": {"user_verified": False}})
    assert said(post(support, order, "verify")) == [f"Customer 1 of order {order['number']} is verified."]
    assert find(database, order)["user_verified"] is True
    database["orders"].update_one({"_id": order["_id"]}, {"$set": {"user_verified": False}})
    sandbox.control.fault("verify", "status", status=503)
    assert "does not answer" in said(post(support, order, "verify"))[-1]
    assert find(database, order)["user_verified"] is False


NONSENSE: list[dict[str, str]] = [
    {"act": "nonsense"}, {"order": "x"}, {"order": "0" * 24}, {"order": ""}, {"line": "x"}, {"line": "-1"},
    {"line": "9" * 30}, {"line": "7"}, {"attempts": "5"}, {"happened": "maybe"}, {"reason": " "}, {"line": "٣"},
    {"act": "transition"}, {"act": "transition", "transition": "place"}, {"act": "accept"},
    {"act": "transition", "transition": "cancel", "version": "x"},
    {"act": "transition", "transition": "cancel", "version": "9" * 40},
    {"act": "transition", "transition": "ship", "version": "1"}, {"act": "accept", "discrepancy": "3"},
]  # fmt: skip


@pytest.mark.parametrize("nonsense", NONSENSE)
def test_a_form_that_was_tampered_with_changes_nothing(database: Database[Document], nonsense: dict[str, str]) -> None:
    order = waiting(database)["unknown"]
    before, (act, form) = find(database, order), GOOD["unknown"]
    response = post(client_of("Manager"), order, act, **(form | nonsense))
    assert response.status_code == 302
    assert said(response)[0].startswith("Nothing was changed.")
    assert find(database, order) == before


@pytest.mark.parametrize("section", ["https://evil.example", "//evil.example", "x", ""])
def test_nobody_is_sent_elsewhere(database: Database[Document], section: str) -> None:
    order = waiting(database)["owed"]
    assert post(client_of("Manager"), order, "retry", section=section, next="//evil.example").url == PAGE


def test_a_line_that_is_being_tried_offers_no_retry(database: Database[Document]) -> None:
    live = {"id": "a" * 32, "until": datetime.now(UTC) + HOUR}
    items = [line("releasing", call="release", attempt=live)]
    insert(database, stored(status="cancelled", items=items, status_since=LONG_AGO, stock_due_at=LONG_AGO))
    response = client_of("Manager").get(PAGE)
    assert buttons(response) == {"owed": set()}
    assert "being retried right now" in text_of(response)


def test_only_so_many_are_shown_and_the_rest_is_said_to_be_there(
    database: Database[Document], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(attention, "SHOWN", 2)
    monkeypatch.setattr(attention, "COUNTED", 4)
    insert(database, *(stored(number, status="paid", status_since=LONG_AGO) for number in range(5)))
    insert(
        database, *(stored(number, status="cancelled", items=[line("released", discrepancy=1)]) for number in (7, 8, 9))
    )
    response = client_of("Manager").get(PAGE)
    told = text_of(response)
    assert "Paid, not shipped 4 or more" in told
    assert told.count("Showing the 2 that have waited longest.") == 2
    assert f'{LIST}?flag=unshipped&amp;sort=oldest">All 4 or more in the list' in response.content.decode()


def test_each_number_is_how_many_orders_its_link_shows(database: Database[Document]) -> None:
    waiting(database)
    numbers = itertools.count(10)
    insert(
        database,
        *(stored(next(numbers), status="paid", status_since=LONG_AGO, created_at=LONG_AGO) for _ in range(30)),
        *(
            stored(next(numbers), status="pending", created_at=LONG_AGO) for _ in range(3)
        ),  # late, and nobody's business
        *(stored(next(numbers), status="shipped", user_verified=False) for _ in range(2)),
        stored(next(numbers), status="paid", user_verified=False, items=[line("unknown", call="release")]),
    )
    manager = client_of("Manager")
    response = manager.get(PAGE)
    told = {section.name: int(section.count) for section in response.context["sections"]}
    assert told == {"unknown": 2, "owed": 1, "short": 1, "unchecked": 2, "unshipped": 31}
    assert f'{LIST}?flag=unshipped&amp;sort=oldest">All 31 in the list' in response.content.decode()
    assert {name: len(rows(manager.get(LIST, {"flag": name}))) for name in told} == told
    assert {section.name: len(rows(manager.get(section.address))) for section in response.context["sections"]} == told
    assert counter(response) == counter(manager.get(LIST)) == "36"
    dashboard = manager.get("/admin/").content.decode()
    linked = re.findall(r'<a href="/admin/orders/order/attention/#(\w+)"><strong>(\d+)</strong>', dashboard)
    assert {name: int(number) for name, number in linked} == told
    tabs = {view.title: (view, size) for view, _, size in manager.get(LIST).context["cl"].tabs}
    view, size = tabs["Needs attention"]
    assert len(rows(manager.get(LIST + view.address))) == int(size) == 36, "one of them twice above"


def test_an_older_order_without_a_date_of_its_status_is_shown_too(database: Database[Document]) -> None:
    order = stored(1, status="rejected", items=[line("unknown", call="release")])
    del order["status_since"]
    insert(database, order)
    response = client_of("Manager").get(PAGE)
    assert order["number"] in text_of(response)


def test_a_database_that_does_not_answer_is_told_as_such(
    database: Database[Document], monkeypatch: pytest.MonkeyPatch
) -> None:
    orders, manager = waiting(database), client_of("Manager")
    with monkeypatch.context() as patch:
        patch.setattr(attention, "READING", 0.000_001)
        patch.setattr(attention_counter, "WITHIN", 0.000_001)
        response = manager.get(PAGE)
        assert counter(response) == "", "nor is a number that nobody knows"
    assert response.status_code == 503
    assert "did not answer in time" in text_of(response)
    assert "All caught up" not in text_of(response)
    answer_lost(monkeypatch, written=False)
    assert said(post(manager, orders["owed"], "retry"))[0].startswith("The database did not answer in time.")


def test_the_page_is_for_looking_and_posting_alone(database: Database[Document]) -> None:
    manager = client_of("Manager")
    assert manager.put(PAGE).status_code == 405
    assert manager.head(PAGE).status_code == 200
    assert manager.get(f"{PAGE}x/").status_code in (302, 404)


def test_the_page_has_one_heading_and_a_label_for_each_input(database: Database[Document]) -> None:
    waiting(database)
    body = client_of("Manager").get(PAGE).content.decode()
    assert len(re.findall("<h1", body)) == 1
    fields = re.findall(r'<(?:input|select) id="([\w-]+)" name="(?:reason|for|date)"', body)
    assert len(fields) == len(set(fields)) == 4 + 3 * 5
    for field in fields:
        assert f'<label for="{field}">' in body


# --- several orders at a time ----------------------------------------------------------------------------------------

SELECTED = "_selected_action"
BULK = {
    "Support": {"unchecked": ["cancel"], "unshipped": ["cancel"]},
    "Fulfilment": {"unshipped": ["start_processing", "ship"]},
    "Finance": {},
    "Manager": {"unchecked": ["cancel"], "unshipped": ["start_processing", "ship", "cancel"]},
}
"""Section → the transitions of many orders that are offered there."""


@pytest.mark.parametrize("role", BULK)
def test_selected_orders_go_to_the_bulk_actions_of_the_list_with_what_fits_their_alert(
    database: Database[Document], role: str
) -> None:
    orders, client = waiting(database), client_of(role)
    sections = {section.name: section for section in client.get(PAGE).context["sections"]}
    offered = {name: [action for action, _ in section.transitions] for name, section in sections.items()}
    assert {name: actions for name, actions in offered.items() if actions} == BULK[role]
    for name, actions in BULK[role].items():
        for action in actions:
            asked = {"action": action, SELECTED: str(orders[name]["_id"]), "section": name}
            shown = client.post(sections[name].address, asked)
            assert shown.context["plan"].total == 1
            assert shown.context["back"] == sections[name].address.partition("?")[2]
    assert database["bulk_runs"].count_documents({}) == 0


def snoozing(client: Client, *orders: Document, **form: Any) -> HttpResponse:
    ids = [str(order["_id"]) for order in orders]
    form = {"act": "snooze", "section": "unshipped", "for": "4", "reason": "On holiday", SELECTED: ids} | form
    return client.post(PAGE, form)


@pytest.mark.parametrize("role", MAY)
def test_each_role_snoozes_and_wakes_what_waits(database: Database[Document], role: str) -> None:
    orders, client = waiting(database), client_of(role)
    late, unknown, before = orders["unshipped"], orders["unknown"], timezone.now()
    response = snoozing(client, late, unknown, stored(99))
    assert response.url == f"{PAGE}#unshipped"
    [told] = said(response)
    assert re.fullmatch(r"2 orders are snoozed until [\d-]{10} [\d:]{8} UTC\. 1 was skipped: it does not exist\.", told)
    until = find(database, late)["snoozed"]["until"].replace(tzinfo=UTC)
    assert before + 4 * HOUR - timedelta(seconds=1) <= until <= timezone.now() + 4 * HOUR
    page_now = client.get(PAGE)
    assert {section.name for section in page_now.context["sections"]} == {"owed", "short", "unchecked"}
    asleep = page_now.context["asleep"]
    assert (asleep.count, len(rows(client.get(asleep.address)))) == ("2", 2)
    assert f"On holiday Paid, not shipped. Snoozed by {role}." in text_of(page_now)
    of_order = text_of(client.get(page(late)))
    assert f"Snoozed until {until:%Y-%m-%d %H:%M:%S} UTC by {role}: On holiday" in of_order
    assert f"Until {until:%Y-%m-%d %H:%M} UTC: Paid, not shipped" in of_order, "in the timeline"
    woken = client.post(PAGE, {"act": "wake", "section": "snoozed", SELECTED: str(late["_id"])})
    assert (said(woken), woken.url) == (["1 order is awake again."], f"{PAGE}#snoozed")
    assert "snoozed" not in find(database, late)


def test_orders_sleep_until_the_beginning_of_a_day(database: Database[Document], settings: Any) -> None:
    settings.TIME_ZONE = "Europe/Berlin"
    order, day = waiting(database)["unshipped"], (timezone.now() + timedelta(days=30)).date()
    snoozing(client_of("Support"), order, **{"for": "date", "date": day.isoformat()})
    assert find(database, order)["snoozed"]["until"].replace(tzinfo=UTC) == day_bounds(day)[0]


@pytest.mark.parametrize(
    "nonsense",
    [
        {"for": ""}, {"for": "5"}, {"for": "date"}, {"for": "date", "date": "2026-02-30"}, {"reason": " \t"},
        {"for": "date", "date": "20260230"}, {"for": "date", "date": "2020-01-01"}, {"reason": "x" * 501},
        {"for": "date", "date": "9999-12-31"}, {SELECTED: []}, {SELECTED: ["x"]}, {SELECTED: [str(ObjectId())]},
        {"act": "wake"}, {"reason": "\x07"},
    ],
)  # fmt: skip
def test_a_snooze_that_makes_no_sense_changes_nothing(database: Database[Document], nonsense: dict[str, Any]) -> None:
    order = waiting(database)["unshipped"]
    before = find(database, order)
    response = snoozing(client_of("Manager"), order, **nonsense)
    assert said(response)[0].startswith("Nothing was changed.")
    assert response.url == f"{PAGE}?unsent=refused#unshipped"
    assert find(database, order) == before


def test_who_is_on_it_stands_beside_an_order(database: Database[Document]) -> None:
    insert(database, late_of(1) | {"assignee": {"id": 7, "name": "maria <m>"}}, late_of(2))
    told = text_of(client_of("Support").get(PAGE))
    assert "Who is on it: maria <m>" in told
    assert told.count("Nobody is on it") == 1


def late_of(number: int) -> Document:
    return stored(number, status="paid", created_at=LONG_AGO, status_since=LONG_AGO)


def test_nothing_left_to_do_says_what_was_looked_for_and_when(database: Database[Document]) -> None:
    order = insert(database, late_of(1))
    client = client_of("Support")
    snoozing(client, order)
    told = text_of(client.get(PAGE))
    assert "All caught up Nothing needs your attention." in told
    assert "This page looks for: Unconfirmed stock; " in told
    assert f"Last looked at: {timezone.now():%Y-%m-%d %H:}" in told
    assert "Snoozed (1)" in told, "and what sleeps is not forgotten"


# --- the number in the navigation ------------------------------------------------------------------------------------


def test_the_number_in_the_navigation_costs_one_capped_read_once_in_some_seconds(
    database: Database[Document], monkeypatch: pytest.MonkeyPatch
) -> None:
    insert(database, *(late_of(number) for number in range(4)))
    monkeypatch.setattr(attention_counter, "MOST", 3)
    attention_counter.forget()
    client, events = client_of("Fulfilment"), f"{LIST}events/"
    with profiled(database) as operations:
        assert [counter(client.get(events)) for _ in range(3)] == ["2+"] * 3
    assert len([operation for operation in operations if "snoozed.until" in str(operation["command"])]) == 1
    database["orders"].delete_many({})
    assert counter(client.get(events)) == "2+", "for some seconds"
    assert counter(client.get(PAGE)) == counter(client.get(events)) == "", "but not beside the page itself"


def test_the_number_is_not_for_those_who_may_not_see_orders_and_keeps_nobody_from_a_page(
    database: Database[Document], monkeypatch: pytest.MonkeyPatch
) -> None:
    insert(database, late_of(1))
    attention_counter.forget()
    assert counter(client_of("nobody").get("/admin/password_change/")) == ""
    client = client_of("Support")
    monkeypatch.setattr(attention_counter, "WITHIN", 0.000_001)
    response = client.get("/admin/password_change/")
    assert (response.status_code, counter(response)) == (200, "")
    monkeypatch.undo()
    attention_counter.forget()
    assert counter(client.get("/admin/password_change/")) == "1"
