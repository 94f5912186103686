"""Bulk runs in the backoffice: the list, the page of one, its results and report, and who may steer it."""

import csv
import io
import re
from datetime import timedelta
from typing import Any

import pytest
from bson import ObjectId
from django.contrib.auth.models import Permission
from django.test import Client
from django.utils import timezone
from pymongo.database import Database

from orders.admin import BulkRunAdmin, bulk_labels, bulk_run_page
from orders.models import BulkRun, Contact, edges_named, transition_names
from orders.services import access, bulk
from orders.services.audit import Act
from orders.services.bulk import report_csv
from orders.storage.bulk_runs import runs
from orders.storage.order_query import OrderKeys, OrderQuery
from tests.factories import OrderFactory
from tests.functional.admin_helpers import (
    ROLES,
    Browser,
    Document,
    client_of,
    page,
    profiled,
    said,
    staff,
    text_of,
)
from tests.functional.bulk_admin import RUNS, only_run, page_of, statuses, worker_pass

STEPS = ("cancel", "pause", "resume")


@pytest.fixture
def manager(database: Database[Document]) -> Client:
    return client_of("Manager")


def start(transition: str = "pay", *, count: int = 3, reason: str = "", **selection: Any) -> BulkRun:
    """Start a run over orders that are named, unless something else is selected."""
    selection = selection or {"keys": [order.pk for order in OrderFactory.create_batch(count)]}
    if "keys" in selection:
        selection["keys"] = OrderKeys(selection["keys"])
    actor = access.admin("boss")
    return bulk.start_run(
        selection=OrderQuery(**selection), transition=transition, act=Act(actor, timezone.now(), reason)
    )


def steer(client: Client, run: BulkRun, step: str | None) -> Any:
    return client.post(f"{RUNS}{run.pk}/steer/", {"step": step} if step is not None else {})


def change(run: BulkRun, **fields: Any) -> None:
    """Put a run into a state that a test needs, as a process that is gone would have left it."""
    runs().update_one({"_id": run.pk}, {"$set": fields})


def shown(client: Client, run: BulkRun, query: str = "") -> str:
    response = client.get(f"{page_of(run)}{query}")
    assert response.status_code == 200
    return text_of(response)


# --- the list ---


def test_the_list_tells_of_each_run_the_newest_first(database: Database[Document], manager: Client) -> None:
    start()
    worker_pass()
    start("ship", statuses=("processing", "paid"), user_id="7", limit=1200)
    told = text_of(manager.get(RUNS))
    assert told.index("Mark orders as shipped") < told.index("Mark 3 orders as paid")
    assert "orders that are processing or paid, of customer 7; at most 1,200, oldest first" in told
    assert "3 selected orders" in told
    assert "3 of 3" in told
    assert "admin boss" in told
    assert "just now" in told


def test_the_list_has_pages_and_counts_nothing(
    database: Database[Document], manager: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert "No runs yet To start a run, select orders" in text_of(manager.get(RUNS))
    monkeypatch.setattr(BulkRunAdmin, "list_per_page", 2)
    made = [start(everything=True) for _ in range(3)]
    pages = [manager.get(RUNS, {"p": number}).context["cl"].result_list for number in "12"]
    assert [[run.pk for run in runs] for runs in pages] == [[made[2].pk, made[1].pk], [made[0].pk]]
    assert "No more runs" in text_of(manager.get(RUNS, {"p": "3"}))
    for number in ("0", "x", "9" * 30):
        assert manager.get(RUNS, {"p": number}).status_code in (200, 302)


def test_a_run_is_found_by_the_id_that_a_history_tells(database: Database[Document], manager: Client) -> None:
    one, _ = start(), start()
    found = manager.get(RUNS, {"q": str(one.pk).upper()}).context["cl"].result_list
    assert [run.pk for run in found] == [one.pk]
    assert not manager.get(RUNS, {"q": str(ObjectId())}).context["cl"].result_list
    response = manager.get(RUNS, {"q": "x"})
    assert not response.context["cl"].result_list
    assert "Run not found" in text_of(response)
    assert said(response) == ["A run id has 24 hexadecimal digits."]


def test_a_run_of_a_transition_that_only_a_newer_version_knows_has_its_bare_name(
    database: Database[Document], manager: Client
) -> None:
    change(start(), transition="archive")
    assert "archive Queued 0 of 3" in text_of(manager.get(RUNS))


def test_the_sidebar_leads_to_the_runs(database: Database[Document], manager: Client) -> None:
    assert f'href="{RUNS}"' in manager.get("/admin/orders/order/").content.decode()
    assert f'href="{RUNS}"' not in client_of("nobody").get("/admin/").content.decode()


def test_nothing_of_a_run_can_be_added_edited_or_deleted(database: Database[Document]) -> None:
    client, run = client_of("superuser"), start()
    assert client.get(f"{RUNS}add/").status_code == 403
    assert client.post(f"{RUNS}{run.pk}/delete/", {"post": "yes"}).status_code == 403
    client.post(page_of(run), {"state": "done", "reason": "forged"})
    client.post(RUNS, {"action": "delete_selected", "_selected_action": str(run.pk), "post": "yes"})
    assert (only_run().state, only_run().reason) == ("queued", "")


@pytest.mark.parametrize("transition", transition_names())
def test_each_transition_has_sentences_of_its_own(transition: str) -> None:
    some, one = bulk_labels.action(transition, 1200), bulk_labels.action(transition, 1)
    assert re.sub("1,200 orders", "1 order", some) == one
    assert bulk_labels.title(BulkRun(transition=transition)) == re.sub("1,200 ", "", some)
    assert bulk_labels.target(transition) == edges_named(transition)[0].target


# --- the page of one ---


def test_the_page_says_who_wants_what_of_which_orders_and_why(database: Database[Document], manager: Client) -> None:
    run = start(reason="Bank day")
    told = shown(manager, run)
    assert "Mark 3 orders as paid" in told
    assert "3 selected orders" in told
    assert "Bank day" in told
    assert "admin boss, through the storefront’s API" in told
    assert "Waiting for a worker." in told
    assert "Processed: 0 of 3 (0 %)" in told
    assert "Started Not yet Finished Not yet" in told
    worker_pass()
    told = shown(manager, run)
    assert "All orders are now paid." in told
    assert "Processed: 3 of 3 (100 %)" in told
    assert "Not yet" not in told


def test_the_problems_come_first_with_links_to_their_orders(database: Database[Document], manager: Client) -> None:
    good, bad, gone = OrderFactory(), OrderFactory(status="shipped"), ObjectId()
    draft = OrderFactory(status="placing")
    run = start(keys=[good.pk, bad.pk, draft.pk, gone, "2222-2222-2222"])
    worker_pass()
    response = manager.get(page_of(run))
    told = text_of(response)
    assert "Not changed: 4 orders." in told
    assert f"{bad.number} Skipped Cannot pay an order that is shipped." in told
    assert f"{draft.number} Skipped Draft or rejected order." in told
    assert f"{gone} Skipped There is no order {gone}." in told
    assert "2222-2222-2222 Skipped There is no order 2222-2222-2222." in told
    assert good.number not in told
    assert f'href="{page(bad.pk)}"' in response.content.decode()
    assert page(gone) not in response.content.decode()
    told = shown(manager, run, "?show=done")
    assert f"{good.number} Done" in told
    assert bad.number not in told
    assert good.number in (everything := shown(manager, run, "?show=all"))
    assert bad.number in everything


def test_results_name_the_customer_for_those_who_see_orders(database: Database[Document], manager: Client) -> None:
    run = start(keys=[OrderFactory(status="shipped", contact=Contact(name="Amara <Okafor>")).pk, "2222-2222-2222"])
    worker_pass()
    assert "Amara <Okafor> Skipped" in shown(manager, run)
    assert "<Okafor>" not in manager.get(page_of(run)).content.decode()
    clerk = staff("nobody")
    clerk.user_permissions.add(Permission.objects.get(codename="view_bulkrun"))
    client = Client()
    client.force_login(clerk)
    told = shown(client, run)
    assert "Skipped" in told
    assert "Amara" not in told


def test_results_come_page_by_page(
    database: Database[Document], manager: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(bulk_run_page, "PAGE", 2)
    run = start(count=5)
    worker_pass()
    seen: list[str] = []
    query = "?show=all"
    for _ in range(3):
        response = manager.get(page_of(run), query_params=dict(part.split("=") for part in query[1:].split("&")))
        seen += [result.number for result, *_ in response.context["results"]]
        query = f"?show=all&after={response.context['next']}"
    assert response.context["next"] == ""
    assert seen == [result.number for result in bulk.results(run.pk)]
    assert len(seen) == 5
    assert "First page" in text_of(response)


@pytest.mark.parametrize("query", ["?after=x", "?after=1", "?after=1-2-3", "?after=-1-0", "?show=nonsense", "?show=\0"])
def test_an_address_that_names_no_results_shows_the_first_with_a_word(
    database: Database[Document], manager: Client, query: str
) -> None:
    run = start()
    response = manager.get(f"{page_of(run)}{query}")
    assert response.status_code == 200
    assert "That page link is not valid; showing the first page." in text_of(response)
    assert len(response.context["results"]) == 3


@pytest.mark.parametrize("query", ["?after=9999999-99999", "?show=failed", "?show=waiting&after=7-0"])
def test_where_there_are_no_results_the_page_says_so(database: Database[Document], manager: Client, query: str) -> None:
    run = start()
    assert "No results yet." in shown(manager, run, query)
    worker_pass()
    assert "No orders with this result." in shown(manager, run, query)
    assert "No orders were skipped or failed." in shown(manager, run, "?show=problems")


@pytest.mark.parametrize(
    ("fields", "told"),
    [
        ({"state": "selecting", "selected": False, "total": 1200}, "Finding orders: 1,200 so far."),
        ({"state": "running"}, "In progress."),
        ({"state": "paused", "last_error": "Stopped by staff:jo."}, "Stopped by jo. Resume the run to continue."),
        (
            {"state": "paused", "last_error": "no answer", "paused_until": timezone.now() + timedelta(hours=1)},
            "Resumes automatically in 3,",
        ),
        ({"state": "cancelled", "last_error": "Cancelled by x.", "done": 1}, "Not processed: 2 orders."),
        ({"state": "failed", "last_error": "Internal error: oh", "done": 3}, "Internal error: oh"),
        ({"state": "done", "total": 0}, "No orders matched."),
        ({"state": "queued", "created_at": timezone.now() - timedelta(minutes=1)}, "No worker has picked it up yet."),
        ({"state": "running", "for_worker": False}, "The command that started this run executes it."),
    ],
)
def test_every_state_is_said_in_words(
    database: Database[Document], manager: Client, fields: dict[str, Any], told: str
) -> None:
    run = start()
    change(run, **fields)
    assert told in shown(manager, run)


def test_a_run_that_is_under_way_keeps_its_page_up_to_date(database: Database[Document], manager: Client) -> None:
    run = start()
    address = f"{RUNS}{run.pk}/progress.json"
    open_page = manager.get(page_of(run)).content.decode()
    assert f'data-state="queued" data-progress="{address}"' in open_page
    assert '<noscript><meta http-equiv="refresh" content="5"></noscript>' in open_page
    before = manager.get(address)
    assert "no-store" in before["Cache-Control"]
    assert (before.json()["over"], before.json()["done"]) == (False, 0)
    assert "Processed: 0 of 3" in before.json()["html"]
    worker_pass()
    after = manager.get(address).json()
    assert (after["over"], after["state"], after["done"], after["total"]) == (True, "done", 3, 3)
    assert "data-progress" not in manager.get(page_of(run)).content.decode()


def test_the_report_has_a_line_for_every_order(database: Database[Document], manager: Client) -> None:
    good, bad = OrderFactory(), OrderFactory(status="shipped")
    run = start(keys=[good.pk, bad.pk, "=1+1"])
    worker_pass()
    response = manager.get(f"{RUNS}{run.pk}/report.csv")
    assert response.streaming
    assert response["Content-Type"] == "text/csv; charset=utf-8"
    assert response["Content-Disposition"] == f'attachment; filename="run-{run.pk}.csv"'
    rows = list(csv.reader(io.StringIO(response.getvalue().decode())))
    assert rows[0] == ["order_id", "number", "result", "reason"]
    assert rows[1] == [str(good.pk), good.number, "done", ""]
    assert rows[2][:3] == [str(bad.pk), bad.number, "refused"]
    assert rows[3] == ["'=1+1", "", "refused", "There is no order =1+1."]
    assert "".join(report_csv(run.pk)).count('"') == 4 * 4 * 2, "each cell is in quotes"


# --- steering ---


def test_a_run_is_stopped_resumed_and_cancelled(database: Database[Document], manager: Client) -> None:
    run = start()
    assert said(steer(manager, run, "pause")) == ["Run paused."]
    worker_pass()
    assert statuses(database) == {"pending": 3}
    assert "Stopped by Manager. Resume the run to continue." in shown(manager, run)
    response = steer(manager, run, "resume")
    assert response.url == page_of(run)
    worker_pass()
    assert statuses(database) == {"paid": 3}
    other = start()
    steer(manager, other, "cancel")
    worker_pass()
    assert statuses(database) == {"paid": 3, "pending": 3}
    assert "Cancelled by Manager. Not processed: 3 orders." in shown(manager, other)


@pytest.mark.parametrize("state", ["queued", "paused", "done"])
@pytest.mark.parametrize("role", ["Finance", "Support"])
def test_the_page_has_the_buttons_that_its_reader_may_press(
    database: Database[Document], role: str, state: str
) -> None:
    run = start()
    change(run, state=state)
    content = client_of(role).get(page_of(run)).content.decode()
    offered = {step for step in STEPS if f'name="step" value="{step}"' in content}
    allowed = {"queued": {"pause", "cancel"}, "paused": {"resume", "cancel"}, "done": set()}[state]
    assert offered == (allowed if "pay" in ROLES[role] else set())


@pytest.mark.parametrize("role", ROLES)
def test_a_forged_step_without_the_transitions_permission_is_refused_and_changes_nothing(
    database: Database[Document], role: str
) -> None:
    client = client_of(role)
    for transition in ROLES["Manager"] - ROLES[role]:
        run = start(transition)
        before = runs().find_one({"_id": run.pk})
        for step in STEPS:
            assert steer(client, run, step).status_code == 403, (transition, step)
        assert runs().find_one({"_id": run.pk}) == before


def test_who_may_not_see_runs_sees_nothing_of_them(database: Database[Document]) -> None:
    client, run = client_of("nobody"), start(reason="A secret")
    for address in (RUNS, page_of(run), f"{RUNS}{run.pk}/progress.json", f"{RUNS}{run.pk}/report.csv"):
        response = client.get(address)
        assert response.status_code == 403
        assert b"A secret" not in response.content
    assert Client().get(f"{RUNS}{run.pk}/progress.json").status_code == 302


@pytest.mark.parametrize("step", [None, "", "nonsense", "start"])
def test_a_step_that_there_is_not_changes_nothing(
    database: Database[Document], manager: Client, step: str | None
) -> None:
    run = start()
    assert said(steer(manager, run, step))[0].startswith("Nothing was changed.")
    assert only_run().state == "queued"


def test_a_run_that_is_over_is_left_as_it_is(database: Database[Document], manager: Client) -> None:
    run = start()
    worker_pass()
    assert said(steer(manager, run, "cancel"))[0].startswith("Nothing was changed. This run is done")
    assert only_run().state == "done"


def test_steering_is_a_post(database: Database[Document], manager: Client) -> None:
    run = start()
    response = manager.get(f"{RUNS}{run.pk}/steer/?step=cancel")
    assert (response.status_code, response["Allow"]) == (405, "POST")
    client = Client(enforce_csrf_checks=True)
    client.force_login(staff("Finance"))
    assert steer(client, run, "cancel").status_code == 403
    assert only_run().state == "queued"


@pytest.mark.parametrize("run_id", ["x", "0" * 23, "0" * 24, "%00"])
def test_a_run_that_is_not_there_is_not_found(database: Database[Document], manager: Client, run_id: str) -> None:
    for name in ("change/", "progress.json", "report.csv"):
        assert manager.get(f"{RUNS}{run_id}/{name}").status_code == 404
    assert manager.post(f"{RUNS}{run_id}/steer/", {"step": "cancel"}).status_code == 404


def test_over_http_the_pages_scripts_and_styles_are_served(
    running_sandbox: Any, live_server_url: str, database: Database[Document]
) -> None:
    staff("Manager")
    run = start()
    with Browser(live_server_url) as browser:
        browser.log_in("Manager")
        content = browser.get(page_of(run)).text
        for asset in ("/static/orders/bulk.css", "/static/orders/bulk_run.js"):
            assert asset in content
            assert browser.get(asset).status_code == 200


# --- queries ---


def test_the_pages_scan_no_collection(database: Database[Document], manager: Client) -> None:
    run = start(count=120, keys=[order.pk for order in OrderFactory.create_batch(120, status="shipped")])
    start(statuses=("pending",))
    worker_pass()
    with profiled(database) as done:
        assert "Mark 120 orders as paid" in text_of(manager.get(RUNS))
        manager.get(RUNS, {"q": str(run.pk)})
        for query in ("", "?show=all", "?show=done", "?show=problems&after=0-60"):
            assert shown(manager, run, query)
        manager.get(f"{RUNS}{run.pk}/progress.json")
        assert manager.get(f"{RUNS}{run.pk}/report.csv").getvalue().count(b"\n") == 121
    plans = [(operation["ns"].rpartition(".")[2], operation["planSummary"]) for operation in done]
    assert {"bulk_runs", "bulk_batches", "orders"} <= {collection for collection, _ in plans}
    assert not [plan for plan in plans if "COLLSCAN" in plan[1] and not plan[0].startswith(("auth_", "django_"))]
