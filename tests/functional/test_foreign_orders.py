"""Documents of another service in the collection of orders: nothing stumbles over them, and nothing touches them."""

import io
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import pytest
from bson import ObjectId
from django.core.management import CommandError, call_command
from django.utils import timezone

from orders.models import PUBLIC_STATUSES
from orders.services import access
from orders.services.audit import Act
from orders.services.events.telling import tell
from orders.services.lifecycle.expiry import expire_unpaid
from orders.services.reporting.figures_refresh import refresh
from orders.services.stock.worker import settle_due
from orders.storage import foreign_orders, order_lists, order_reads
from orders.storage.order_query import OrderQuery
from orders.storage.order_writes import orders
from tests.fastapi_orders import STRANGE, A, fastapi_order
from tests.functional.admin_helpers import LIST, client_of, insert, page, profiled, rows, stored, text_of
from tests.functional.helpers import Api, Documents, problem, visitor_fixture  # noqa: F401

Document = dict[str, Any]
FROM, TO = "2020-01-01T00:00:00Z", "2030-01-01T00:00:00Z"


@pytest.fixture
def foreign(database: Documents) -> list[Document]:
    """One document of each kind."""
    documents = [make() for make in STRANGE.values()]
    orders().insert_many(documents)
    foreign_orders.forget()
    return raw()


@pytest.fixture
def ours(database: Documents, foreign: list[Document]) -> list[Document]:
    """One order of each public status, newest first."""
    documents = [stored(number, status=status) for number, status in enumerate(PUBLIC_STATUSES)]
    insert(database, *documents)
    return documents


def raw() -> list[Document]:
    """The foreign documents, undecoded."""
    from bson.raw_bson import RawBSONDocument

    undecoded = orders().codec_options.with_options(document_class=RawBSONDocument)
    return [document.raw for document in orders().with_options(undecoded).find({"version": None}).sort("_id", 1)]


def ids(documents: list[Document]) -> list[str]:
    return [str(document["_id"]) for document in documents]


@pytest.mark.parametrize("filters", ["", f"&start_date={FROM}&end_date={TO}", "&user_id=1"])
def test_the_lists_of_the_api_leave_them_out(ours: list[Document], visitor: Api, filters: str) -> None:
    admin, expected = visitor(admin=True), ids(ours)
    assert [order["_id"] for order in admin.get(f"orders/?limit=100{filters}").json()] == expected
    assert [order["_id"] for order in admin.get(f"orders/?skip=2&limit=3{filters}").json()] == expected[2:5]
    for sort in ("created_at", "total_price", "-total_price"):
        found = admin.get(f"orders/?limit=100&sort={sort}{filters}").json()
        assert {order["_id"] for order in found} == set(expected)
    for status, order_id in zip(PUBLIC_STATUSES, expected, strict=True):
        assert [order["_id"] for order in admin.get(f"orders/?status={status}{filters}").json()] == [order_id]
    for word in ("29.80", "Springfield", A, "1"):
        found = admin.get(f"orders/?limit=100&q={word}{filters}").json()
        assert [order["_id"] for order in found] in ([], expected), word
    own = visitor("1")
    assert [order["_id"] for order in own.get("orders/user/1?limit=100").json()] == expected
    first = own.get("orders/?limit=2")
    assert [order["_id"] for order in first.json()] == expected[:2]
    assert [order["_id"] for order in own.get(first.links["next"]["url"]).json()] == expected[2:4]
    for name, value in (("reference", "17"), ("number", "3")):
        assert admin.get(f"orders/?{name}={value}").json() == []


def test_one_of_them_is_still_with_the_other_service(foreign: list[Document], visitor: Api) -> None:
    [order_id, anothers] = orders().insert_many([fastapi_order(), fastapi_order(user_id="2")]).inserted_ids
    before = raw()
    asks: list[tuple[str, str, Document | None]] = [
        ("GET", "", None), ("GET", "/history", None), ("GET", "/transitions", None), ("DELETE", "", None),
        ("PUT", "/status", {"status": "paid"}), ("PUT", "/hold", {"reason_code": "fraud"}), ("DELETE", "/hold", None),
        ("POST", "/cancellations", {"lines": [{"line": 0, "quantity": 1}], "reason": "x"}),
        ("POST", "/shipments", {}), ("POST", "/refunds", {"amount": "1.00", "reason": "x"}),
    ]  # fmt: skip
    for method, path, body in asks:
        for caller in (visitor(admin=True), visitor("1")):
            if path in ("/hold", "/cancellations", "/shipments", "/refunds") and caller.user_id == "1":
                continue
            answer = caller.request(method, f"orders/{order_id}{path}", json=body)
            said = problem(answer, 404, "order_not_adopted")
            assert said["detail"] == f"Order {order_id} is still with the service that took it."
    problem(visitor("1").get(f"orders/{anothers}"), 404, "order_not_found")
    for document in orders().find({"version": None}, {"_id": 1}):
        if isinstance(document["_id"], ObjectId):
            problem(visitor(admin=True).get(f"orders/{document['_id']}"), 404, "order_not_adopted")
    assert raw() == before


@pytest.mark.slow
def test_the_pages_of_the_backoffice_leave_them_out(ours: list[Document], foreign: list[Document]) -> None:
    client, numbers = client_of("superuser"), [order["number"] for order in ours]
    assert rows(client.get(LIST)) == numbers
    today = date.today().isoformat()  # noqa: DTZ011
    for query in (
        "sort=oldest", "status=pending", "status=paid&status=shipped", "q=29.80", "q=Springfield", "q=1", f"q={A}",
        "user=1", f"product={A}", "least=1&most=99", "least=39.90", f"since=2026-01-01&until={today}",
        "flag=unpaid", "flag=unshipped", "flag=unchecked", "flag=unknown", "flag=money", "flag=held",
        "date=shipped&since=2026-01-01", "user=1&status=pending&least=1", "sort=oldest&q=29.80",
    ):  # fmt: skip
        assert set(rows(client.get(f"{LIST}?{query}"))) <= set(numbers), query
    exported = b"".join(client.get(f"{LIST}export/").streaming_content).decode()  # type: ignore[attr-defined]
    assert exported.count("\n") == 1 + len(ours)
    for document in orders().find({"version": None}, {"_id": 1}):
        assert client.get(page(str(document["_id"]))).status_code == 302, "to the start, with a message"
        assert client.get(f"{LIST}{document['_id']}/version/").status_code == 404
    chosen = [str(document["_id"]) for document in orders().find({}, {"_id": 1})]
    for action in ("ship", "print_packing_slips", "pick_list"):
        for across in ("0", "1"):
            form = {"action": action, "_selected_action": chosen, "select_across": across}
            assert client.post(LIST, form).status_code in (200, 302), action
    told = text_of(client.get(f"{LIST}attention/"))
    assert f"Orders of another service {len(foreign)} The database has orders of another service" in told
    assert {"name": "foreign", "title": "Orders of another service", "count": str(len(foreign))} in client.get(
        "/admin/"
    ).context["waiting"]
    assert raw() == foreign


COMMANDS: list[list[str]] = [
    ["export_orders"], ["export_orders", "--format", "jsonl", "--user", "1"], ["export_orders", "--product", A],
    ["transition_orders", "pay", "--status", "pending", "--yes"],
    ["transition_orders", "cancel", "--all", "--reason", "x", "--yes"],
    ["transition_orders", "refund", "--product", A, "--limit", "50", "--reason", "x", "--yes"],
    ["enrich_orders", "--dry-run"], ["index_search"], ["index_search", "--again"], ["expire_unpaid_orders"],
    ["export_customer", "1"], ["erase_customer", "1", "--yes", "--reason", "asked"],
    ["erase_customer", "--list-erased"],
    ["purge_old_records", "--drafts-older-than", "1s", "--runs-older-than", "1s", "--yes"], ["verify_feed"],
    ["reconcile_stock"], ["resolve_stock"],
]  # fmt: skip


def test_the_commands_leave_them_out(ours: list[Document], foreign: list[Document], api: Api) -> None:
    for command in COMMANDS:
        out, failed = io.StringIO(), ""
        try:
            call_command(*command, stdout=out, stderr=io.StringIO())
        except (CommandError, SystemExit) as error:
            failed = str(error)
        assert "database does not answer" not in failed, command
        assert raw() == foreign, command


def test_ids_that_name_them_change_nothing(ours: list[Document], foreign: list[Document], tmp_path: Path) -> None:
    named = [str(document["_id"]) for document in orders().find({"version": None}, {"_id": 1})]
    file = tmp_path / "ids"
    file.write_text("\n".join(name for name in named if ObjectId.is_valid(name)))
    report = tmp_path / "report.csv"
    with pytest.raises(CommandError):
        call_command(
            "transition_orders", "cancel", "--ids-from", str(file), "--reason", "x", "--yes", "--report", str(report),
            stdout=io.StringIO(), stderr=io.StringIO(),
        )  # fmt: skip
    assert raw() == foreign


def test_the_worker_leaves_them_alone(ours: list[Document], foreign: list[Document], api: Api) -> None:
    act = Act(access.system("tests", via="worker"), timezone.now())
    expire_unpaid(act=act, limit=100)
    settle_due(actor=act.actor)
    tell()
    refresh(seconds=5)
    waiting = order_reads.pending_before(timezone.now() + timedelta(days=1), 100)
    assert [order_id for order_id, _ in waiting] == [ours[0]["_id"]]
    assert raw() == foreign


def test_counts_know_only_orders(ours: list[Document], foreign: list[Document]) -> None:
    assert order_lists.count(OrderQuery(drafts=True)) == len(ours)
    assert order_lists.count(OrderQuery(statuses=("pending",))) == 1
    assert order_lists.count(OrderQuery(statuses=("rejected",), drafts=True)) == 0


def test_where_there_are_none_a_list_asks_for_them_once(database: Documents) -> None:
    insert(database, *(stored(number) for number in range(5)))
    with profiled(database) as done:
        for _ in range(3):
            assert len(order_lists.page_after(OrderQuery(), 50).orders) == 5
    looks = [operation for operation in done if "version: 1" in operation["planSummary"]]
    assert len(looks) == 1
    assert looks[0]["keysExamined"] == 0


def test_one_that_appears_just_then_makes_a_page_shorter_and_nothing_worse(database: Documents) -> None:
    insert(database, *(stored(number) for number in range(3)))
    assert len(order_lists.page_after(OrderQuery(), 2).orders) == 2
    orders().insert_one(STRANGE["times of today"]())  # within the second for which none are known
    found = order_lists.page_after(OrderQuery(), 2)
    assert (len(found.orders), found.later) == (1, True)
    assert len(order_lists.page_after(OrderQuery(), 2, found.places[-1]).orders) == 2
    foreign_orders.forget()
    assert len(order_lists.page_after(OrderQuery(), 2).orders) == 2
