"""Transitions of many orders from the list: chosen, planned, confirmed, carried out, and refused to whoever may not."""

import re
from datetime import UTC, datetime, timedelta
from typing import Any

import pymongo
import pytest
from bson import Decimal128
from django.contrib.auth.models import Permission
from django.test import Client
from pymongo.database import Database
from pytest_django import Settings

from integrations.sandbox import Sandbox
from orders.admin import bulk_selection
from orders.models import BulkRun
from orders.services import bulk
from orders.services.bulk import executor, planning
from orders.storage.order_query import OrderQuery
from tests.functional.admin_helpers import (
    EDGES,
    LIST,
    ROLES,
    Document,
    client_of,
    find,
    insert,
    insert_each_status,
    line,
    placed,
    profiled,
    said,
    staff,
    stored,
    text_of,
)
from tests.functional.bulk_admin import (
    BULK,
    across,
    choose,
    confirm,
    form_of,
    only_run,
    page_of,
    statuses,
    worker_pass,
)

TRANSITIONS = sorted(ROLES["Manager"])
TARGETS = {name: target for edges in EDGES.values() for name, target in edges.items()}
SOURCES = {name: [status for status, edges in EDGES.items() if name in edges] for name in TRANSITIONS}
PRINTS = {"packing-slips", "confirmations", "pick-list"}
NOTHING = "Nothing was changed."

NO_ANSWER = "The database did not answer in time. Check under Bulk runs whether a run was started before trying again."


@pytest.fixture
def manager(database: Database[Document]) -> Client:
    return client_of("Manager")


def stored_many(database: Database[Document], count: int, **changes: Any) -> list[Document]:
    orders = [stored(number, **changes) for number in range(count)]
    insert(database, *orders)
    return orders


# --- who may ---


@pytest.mark.parametrize("role", [role for role in ROLES if role != "nobody"])
def test_the_list_offers_exactly_what_its_reader_may_do(database: Database[Document], role: str) -> None:
    insert(database, stored())
    shown = client_of(role).get(LIST).content.decode()
    options = re.findall(r'<option value="([\w-]+)"', shown[shown.index('id="changelist-actions"') :])
    assert set(options) == ROLES[role] | PRINTS


def test_the_themes_script_finds_what_it_counts_ticks_in(database: Database[Document], manager: Client) -> None:
    insert(database, stored())
    shown = manager.get(LIST).content.decode()
    for found in (
        r'<table[^>]* class="[^"]*\bresult-list\b',
        r'<input type="checkbox" id="action-toggle"',
        r'<td class="action-checkbox"><input type="checkbox" name="_selected_action"[^>]*\baction-select\b',
        r'<span class="action-counter" data-actions-icnt="1"',
        r'<button type="submit" name="index"',
    ):
        assert re.search(found, shown), found


def test_staff_who_only_read_are_offered_nothing_but_prints(database: Database[Document]) -> None:
    user = staff("nobody")
    user.user_permissions.set(Permission.objects.filter(codename="view_order"))
    client = Client()
    client.force_login(user)
    insert(database, stored())
    shown = client.get(LIST).content.decode()
    options = re.findall(r'<option value="([\w-]+)"', shown[shown.index('id="changelist-actions"') :])
    assert set(options) == PRINTS


@pytest.mark.parametrize("role", ROLES)
def test_a_forged_choice_or_confirmation_without_its_permission_is_refused_and_changes_nothing(
    database: Database[Document], sandbox: Sandbox, role: str
) -> None:
    client = client_of(role)
    orders = insert_each_status(database)
    before = list(database["orders"].find())
    for name in set(TRANSITIONS) - ROLES[role]:
        ids = ",".join(str(order["_id"]) for order in orders.values())
        forged = {"transition": name, "ids": ids, "reason": "forged", "planned": "9"}
        assert choose(client, name, list(orders.values())).status_code == 403, name
        assert across(client, name, "").status_code == 403, name
        assert client.post(BULK, forged).status_code == 403, name
        assert client.post(BULK, forged | {"filter": "", "at": "2026-01-01T00:00:00Z"}).status_code == 403, name
    assert list(database["orders"].find()) == before
    assert not BulkRun.objects.exists()
    assert sandbox.control.calls() == []


@pytest.mark.parametrize("role", [role for role in ROLES if ROLES[role]])
def test_each_role_makes_its_transitions_of_every_order_that_can(
    database: Database[Document], sandbox: Sandbox, role: str
) -> None:
    client = client_of(role)
    for name in sorted(ROLES[role]):
        orders = insert_each_status(database)
        response = confirm(client, choose(client, name, list(orders.values())), reason="Month's end")
        run = BulkRun.objects.latest("created_at")
        assert (response.status_code, response.url) == (302, page_of(run))
        assert (run.state, run.done, run.total) == ("done", len(SOURCES[name]), len(EDGES)), name
        for status, order in orders.items():
            expected = TARGETS[name] if status in SOURCES[name] else status
            assert find(database, order)["status"] == expected, (name, status)
        changed = find(database, orders[SOURCES[name][0]])["history"]
        last = next(entry for entry in reversed(changed) if entry.get("line") is None)
        assert (last["act"], last["actor"], last["via"]) == (name, f"staff:{role}", "admin")
        assert (last["reason"], last["request_id"]) == ("Month's end", str(run.pk))


def test_whoever_may_not_see_orders_may_not_change_many_either(database: Database[Document]) -> None:
    user = staff("nobody")
    user.user_permissions.set(Permission.objects.filter(codename="pay_order"))
    client = Client()
    client.force_login(user)
    order = insert(database, stored())
    assert choose(client, "pay", [order]).status_code == 403
    assert client.post(BULK, {"transition": "pay", "ids": str(order["_id"])}).status_code == 403
    assert find(database, order)["status"] == "pending"


def test_a_visitor_is_sent_to_the_login(database: Database[Document]) -> None:
    order = insert(database, stored())
    response = Client().post(BULK, {"transition": "pay", "ids": str(order["_id"])})
    assert response.status_code == 302
    assert "/login/" in response.url
    assert find(database, order)["status"] == "pending"


def test_whoever_may_not_look_at_runs_is_told_on_the_list_what_became_of_it(database: Database[Document]) -> None:
    user = staff("nobody")
    user.user_permissions.set(Permission.objects.filter(codename__in=["view_order", "pay_order"]))
    client = Client()
    client.force_login(user)
    order, other = stored_many(database, 1)[0], insert(database, stored(7, status="shipped"))
    response = confirm(client, choose(client, "pay", [order, other]))
    assert response.url == LIST
    assert said(response) == [f"Run {only_run().pk} started: 1 of 2 orders done so far, 1 skipped or failed."]


# --- what the confirmation says ---


def test_the_confirmation_says_how_many_can_how_many_cannot_and_why(
    database: Database[Document], manager: Client
) -> None:
    can = stored_many(database, 3, status="processing")
    others = [stored(10 + n, status=status) for n, status in enumerate(["shipped", "pending", "pending", "placing"])]
    insert(database, *others)
    response = choose(manager, "ship", can + others)
    assert response.status_code == 200
    shown = text_of(response)
    assert "Mark 3 orders as shipped?" in shown
    assert "Selection: 7 orders." in shown
    assert "Will become shipped 3 Already shipped 1 Will be skipped 3" in shown
    assert "2 orders: Cannot ship an order that is pending." in shown
    assert "1 order: Draft or rejected, or no longer exists." in shown
    assert "Units released" not in shown
    assert statuses(database) == {"processing": 3, "shipped": 1, "pending": 2, "placing": 1}
    assert not BulkRun.objects.exists()


def test_the_confirmation_says_how_many_units_it_will_release(database: Database[Document], manager: Client) -> None:
    orders = [*stored_many(database, 2), insert(database, stored(9, items=[line(), line("unknown")]))]
    assert "Units released 6" in text_of(choose(manager, "cancel", orders))


def test_where_too_many_orders_are_chosen_their_units_are_not_counted(
    database: Database[Document], manager: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("orders.services.bulk.planning.MOST_COUNTED", 1)
    assert "Units released too many to count" in text_of(choose(manager, "cancel", stored_many(database, 2)))


def test_where_no_order_can_there_is_nothing_to_confirm(database: Database[Document], manager: Client) -> None:
    response = choose(manager, "deliver", stored_many(database, 2), query="?status=pending")
    assert "None of these orders can become delivered." in text_of(response)
    assert BULK not in response.content.decode()
    assert f'href="{LIST}?status=pending"' in response.content.decode()


@pytest.mark.parametrize("name", TRANSITIONS)
def test_cancelling_and_refunding_many_need_a_reason(
    database: Database[Document], sandbox: Sandbox, manager: Client, name: str
) -> None:
    order = insert(database, stored(status=SOURCES[name][0]))
    asked = choose(manager, name, [order])
    needs = name in {"cancel", "refund"}
    assert bool(re.search(r'<input id="bulk-reason"[^>]*\brequired\b', asked.content.decode())) is needs
    answer = confirm(manager, asked, reason="   ")
    assert answer.status_code == (200 if needs else 302)
    if needs:
        assert f"A reason is required to {name} an order" in text_of(answer)
        assert find(database, order)["status"] == SOURCES[name][0]
        assert not BulkRun.objects.exists()
        assert confirm(manager, answer, reason="Customer's wish").status_code == 302
    assert find(database, order)["status"] == TARGETS[name]


def test_a_reason_that_is_too_long_is_asked_for_again(database: Database[Document], manager: Client) -> None:
    order = insert(database, stored())
    answer = confirm(manager, choose(manager, "pay", [order]), reason="x" * 501)
    assert "At most 500 characters, please: it has 501." in text_of(answer)
    assert form_of(answer)["ids"] == str(order["_id"])
    assert find(database, order)["status"] == "pending"


# --- all that match ---


def test_all_that_match_the_lists_filter_are_meant_and_nobody_else(
    database: Database[Document], manager: Client
) -> None:
    stored_many(database, 60, status="paid")
    insert(database, *(stored(100 + n) for n in range(3)))
    asked = across(manager, "start_processing", "?status=paid&status=placing")
    assert "Start processing 60 orders?" in text_of(asked)
    assert "Selection: orders that are paid, placed before" in text_of(asked)
    assert "Drafts and rejected orders are left out." in text_of(asked)
    response = confirm(manager, asked)
    assert (only_run().state, only_run().done) == ("done", 60)
    assert response.url == page_of(only_run())
    assert statuses(database) == {"processing": 60, "pending": 3}


def test_orders_that_come_after_the_confirmation_was_shown_are_not_meant(
    database: Database[Document], manager: Client
) -> None:
    stored_many(database, 2, status="paid")
    asked = across(manager, "start_processing", "?status=paid")
    late = insert(database, stored(9, status="paid", created_at=datetime.now(UTC) + timedelta(seconds=1)))
    confirm(manager, asked)
    assert find(database, late)["status"] == "paid"
    assert statuses(database) == {"processing": 2, "paid": 1}


@pytest.mark.parametrize(
    ("query", "meant"),
    [
        ("?user=7", 1),
        ("?product={product}", 5),
        ("?since={day}&until={day}", 1),
        ("?least=100&most=200", 2),
        ("?flag=unknown", 1),
        ("?flag=unknown&flag=unverified", 2),
        ("?q=7", 1),
        ("", 5),
        ("?after=50.0.0123456789abcdef01234567&sort=oldest", 5),
    ],
)
def test_each_filter_of_the_list_chooses_what_the_list_shows(
    database: Database[Document], manager: Client, query: str, meant: int
) -> None:
    long_ago = datetime(2026, 1, 5, 23, 59, tzinfo=UTC)
    product = line()["product_id"]
    insert(
        database,
        stored(1, user_id="7", total_price=Decimal128("99.99")),
        stored(2, total_price=Decimal128("100.00"), user_verified=False),
        stored(3, total_price=Decimal128("200.00")),
        stored(4, created_at=long_ago),
        stored(5, items=[line("unknown")]),
    )
    asked = across(manager, "pay", query.format(product=product, day="2026-01-05"))
    assert f"Mark {meant} order{'s' if meant > 1 else ''} as paid?" in text_of(asked)
    confirm(manager, asked)
    assert statuses(database).get("paid", 0) == meant


def test_of_a_filter_that_only_the_list_knows_the_first_orders_are_taken_with_a_word_about_the_others(
    database: Database[Document], manager: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(bulk_selection, "MOST_NAMED", 3)
    orders = stored_many(database, 5)
    asked = across(manager, "pay", "?least=1&sort=oldest")
    assert "More than 3 orders match this filter. These are the oldest 3" in text_of(asked)
    confirm(manager, asked)
    paid = [order for order in orders if find(database, order)["status"] == "paid"]
    assert paid == orders[2:]
    assert "These are the newest 3" in text_of(across(manager, "pay", "?least=1"))


# --- carrying it out ---


def test_a_few_releases_are_done_at_once(database: Database[Document], sandbox: Sandbox, manager: Client) -> None:
    orders = [placed() for _ in range(3)]
    confirm(manager, choose(manager, "cancel", orders), reason="Flood in the warehouse")
    assert (only_run().state, only_run().done) == ("done", 3)
    for order in orders:
        after = find(database, order)
        assert (after["status"], after["items"][0]["stock"]["state"]) == ("cancelled", "released")
    assert sandbox.control.stock(orders[0]["items"][0]["product_id"]).reserved == 0


def test_many_are_left_to_the_workers(
    database: Database[Document], manager: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(executor, "FEW", 2)
    orders = stored_many(database, 3)
    response = confirm(manager, choose(manager, "pay", orders))
    run = only_run()
    assert (run.state, run.for_worker, run.finished) == ("queued", True, 0)
    assert statuses(database) == {"pending": 3}
    assert "Waiting for a worker." in text_of(manager.get(response.url))
    worker_pass()
    assert statuses(database) == {"paid": 3}
    assert "All orders are now paid." in text_of(manager.get(response.url))


def test_what_is_not_done_in_a_moment_is_left_to_the_workers(
    database: Database[Document], manager: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(executor, "MOMENT", 0.0)
    confirm(manager, choose(manager, "pay", stored_many(database, 3)))
    assert statuses(database) == {"pending": 3}
    worker_pass()
    assert (only_run().state, statuses(database)) == ("done", {"paid": 3})


def test_an_outage_of_inventory_pauses_the_run_and_the_page_says_so(
    database: Database[Document], sandbox: Sandbox, manager: Client
) -> None:
    orders = [placed() for _ in range(2)]
    asked = choose(manager, "cancel", orders)
    sandbox.control.fault("*", "status", status=503)
    response = confirm(manager, asked, reason="Flood in the warehouse")
    assert (only_run().state, statuses(database)) == ("paused", {"pending": 2})
    shown = text_of(manager.get(response.url))
    assert "Resumes automatically in" in shown
    assert "inventory does not answer" in shown
    sandbox.control.clear_faults()
    worker_pass()
    assert (only_run().state, statuses(database)) == ("done", {"cancelled": 2})


def test_a_fault_while_it_waits_is_told_on_the_page_of_the_run(
    database: Database[Document], manager: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fault(*_: object, **__: object) -> None:
        raise ZeroDivisionError

    asked = choose(manager, "pay", stored_many(database, 2))
    with monkeypatch.context() as patched:
        patched.setattr("orders.services.bulk.run_steps.Execution._execute_batches", fault)
        response = confirm(manager, asked)
    assert response.url == page_of(only_run())
    assert "internal error: ZeroDivisionError()" in text_of(manager.get(response.url))
    assert statuses(database) == {"pending": 2}


def test_a_database_that_does_not_answer_in_time_is_told_of(
    database: Database[Document], manager: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    start = bulk.start_run

    def start_in_no_time(**given: Any) -> BulkRun:
        with pymongo.timeout(0.000_001):
            return start(**given)

    asked = choose(manager, "pay", stored_many(database, 2), query="?status=pending")
    monkeypatch.setattr("orders.services.bulk.start_run", start_in_no_time)
    response = confirm(manager, asked)
    assert response.url == LIST
    assert said(response) == [NO_ANSWER]
    assert statuses(database) == {"pending": 2}


def test_an_error_of_the_database_while_it_counts_is_not_taken_for_too_many_orders(
    database: Database[Document], manager: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    stored_many(database, 2)
    monkeypatch.setattr(OrderQuery, "index", lambda *_: "an_index_that_there_is_not")
    response = across(manager, "pay", "?status=pending")
    assert (response.url, said(response)) == (f"{LIST}?status=pending", [NO_ANSWER])


def test_pressing_the_button_twice_starts_one_run(database: Database[Document], manager: Client) -> None:
    asked = choose(manager, "pay", stored_many(database, 2))
    first, second = confirm(manager, asked), confirm(manager, asked)
    assert first.url == second.url == page_of(only_run())
    assert only_run().done == 2


def test_an_id_of_another_run_starts_nothing(database: Database[Document], manager: Client) -> None:
    one, other = stored_many(database, 2)
    asked = choose(manager, "pay", [one])
    confirm(manager, asked)
    response = confirm(manager, choose(manager, "pay", [other]), run=form_of(asked)["run"])
    assert said(response)[-1].startswith(f"{NOTHING} Another run was started under this key before.")
    assert find(database, other)["status"] == "pending"


# --- bad input ---

GOOD = "0123456789abcdef01234567"


@pytest.mark.parametrize(
    "form",
    [
        {},
        {"transition": "pay"},
        {"transition": "pay", "ids": ""},
        {"transition": "pay", "ids": "1"},
        {"transition": "pay", "ids": f"{GOOD},x"},
        {"transition": "pay", "ids": "\0"},
        {"transition": "pay", "ids": ",".join(f"{n:024x}" for n in range(10_001))},
        {"transition": "place", "ids": GOOD},
        {"transition": "nonsense", "ids": GOOD},
        {"transition": "pay", "filter": ""},
        {"transition": "pay", "filter": "", "at": "yesterday"},
        {"transition": "pay", "filter": "", "at": "2026-02-30T00:00:00Z"},
        {"transition": "pay", "filter": "", "at": "2026-01-01T00:00:00"},
        {"transition": "pay", "filter": "", "at": "9999-12-31T23:59:59Z"},
        {"transition": "pay", "filter": "status=nonsense", "at": "2026-01-01T00:00:00Z"},
        {"transition": "pay", "filter": "status=placing", "at": "2026-01-01T00:00:00Z"},
        {"transition": "pay", "filter": "bogus=1", "at": "2026-01-01T00:00:00Z"},
        {"transition": "pay", "filter": "flag=unknown", "at": "2026-01-01T00:00:00Z"},
    ],
)
def test_a_confirmation_that_makes_no_sense_gets_a_message_and_changes_nothing(
    database: Database[Document], manager: Client, form: dict[str, str]
) -> None:
    insert_each_status(database)
    before = list(database["orders"].find())
    response = manager.post(BULK, {"reason": "because", "planned": "1", "run": "x"} | form)
    assert (response.status_code, response.url.partition("?")[0]) == (302, LIST)
    assert said(response)[0].startswith(NOTHING)
    assert list(database["orders"].find()) == before
    assert not BulkRun.objects.exists()


@pytest.mark.slow
@pytest.mark.parametrize("planned", ["", "x", "-1", "9" * 30])
@pytest.mark.parametrize("run", ["", "x", "\0", GOOD.upper()])
def test_odd_values_in_the_forms_hidden_fields_do_no_harm(
    database: Database[Document], manager: Client, planned: str, run: str
) -> None:
    order = insert(database, stored())
    response = confirm(manager, choose(manager, "pay", [order]), planned=planned, run=run)
    assert response.url == page_of(only_run())
    worker_pass()
    assert find(database, order)["status"] == "paid"


@pytest.mark.parametrize(
    "query", ["?status=nonsense", "?bogus=1", "?q=%2A", "?q=nobody%40shop.example", "?least=2&most=1", "?flag=unknown"]
)
def test_a_filter_that_cannot_be_read_or_finds_nothing_chooses_nothing(
    database: Database[Document], manager: Client, query: str
) -> None:
    insert(database, stored())
    response = across(manager, "pay", query)
    assert response.status_code == 302
    assert said(response)[0].startswith(NOTHING)
    assert not BulkRun.objects.exists()


def test_without_a_ticked_order_there_is_a_word_on_what_to_do(database: Database[Document], manager: Client) -> None:
    insert(database, stored())
    response = choose(manager, "pay", query="?status=pending")
    assert (response.status_code, response.url) == (302, f"{LIST}?status=pending")
    assert said(response) == [f"{NOTHING} {bulk_selection.TICK_FIRST}"]


def test_an_action_that_is_no_transition_changes_nothing(database: Database[Document], manager: Client) -> None:
    order = insert(database, stored())
    before = find(database, order)
    for action in ("", "delete_selected", "place", "\0"):
        assert choose(manager, action, [order]).status_code in (200, 302)
    assert list(database["orders"].find()) == [before]
    assert not BulkRun.objects.exists()


def test_the_address_of_the_confirmation_opened_by_itself_leads_to_the_list(
    database: Database[Document], manager: Client
) -> None:
    response = manager.get(BULK)
    assert (response.status_code, response.url) == (302, LIST)
    assert said(response) == [bulk_selection.TICK_FIRST]


def test_without_the_csrf_token_nothing_is_changed(database: Database[Document]) -> None:
    client, order = client_of("Manager", enforce_csrf_checks=True), insert(database, stored())
    assert client.post(BULK, {"transition": "pay", "ids": str(order["_id"])}).status_code == 403
    assert choose(client, "pay", [order]).status_code == 403
    assert find(database, order)["status"] == "pending"


# --- queries ---


def test_more_orders_than_can_be_counted_in_time_are_met_with_advice(
    database: Database[Document], manager: Client, settings: Settings
) -> None:
    stored_many(database, 3)
    settings.BACKOFFICE_QUERY_MS = 0.001
    response = across(manager, "pay", "?status=pending")
    assert said(response) == [f"{NOTHING} {planning.TOO_MANY}"]
    assert statuses(database) == {"pending": 3}


@pytest.mark.parametrize(
    "query", ["", "?status=paid", "?user=1", "?product={product}", "?since=2026-01-01", "?least=1", "?flag=unverified"]
)
def test_choosing_and_confirming_scan_no_collection(database: Database[Document], manager: Client, query: str) -> None:
    stored_many(database, 30, status="paid", user_verified=False)
    with profiled(database) as done:
        confirm(manager, across(manager, "start_processing", query.format(product=line()["product_id"])))
    assert statuses(database) == {"processing": 30}
    assert done
    for operation in done:
        ours = operation["ns"].rpartition(".")[2] in {"orders", "bulk_runs", "bulk_batches"}
        assert not (ours and "COLLSCAN" in operation["planSummary"]), operation
