"""Every query of the storefront, the worker and the backoffice goes by an index: asserted on what mongod really did.

The plans are those of the profiler, which records each operation as it was carried out, whoever sent it: the raw reads,
the ORM, or the admin. Each must have examined about as many documents as it returned, of 2,400 that there are.
"""

import inspect
import random
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

import pytest
from bson import Decimal128, ObjectId
from django.contrib.auth.models import User
from django.contrib.sessions.models import Session
from django_mongodb_backend.query import MongoQuery
from pymongo.database import Database

from orders.models import EPOCH, EVENT_TYPES, PUBLIC_STATUSES, Order, Status
from orders.services.events.reading import CUSTOMER_TYPES
from orders.services.lifecycle import idempotency_keys
from orders.services.stock.worker import settle_order
from orders.storage import bulk_runs, event_feed, order_reads, sorted_lists
from orders.storage.bulk_runs import runs
from orders.storage.event_feed import FeedPage
from orders.storage.order_query import OrderQuery, Position, TotalPosition
from orders.storage.order_writes import orders
from tests.integration.builders import WORKER, A, Document, act, line

MANY = 2400
START = datetime(2026, 1, 1)  # noqa: DTZ001 - naive UTC, as stored
UNIT = timedelta(seconds=1)


@pytest.fixture(scope="module")
def many(module_database: Database[Document]) -> Iterator[list[Document]]:
    """2,400 orders in every status, of 40 users, every hundredth of them due, every 300th with an unknown line.

    80 of each total, and each eighth has a reference that 30 have.
    """
    choose = random.Random(7)
    statuses = [status.value for status in Status]
    made = []
    for number in range(MANY):
        state = "unknown" if number % 300 == 0 else "releasing" if number % 100 == 1 else "reserved"
        made.append(
            {
                "_id": ObjectId(),
                "number": f"N{number:011d}",
                "user_id": str(number % 40),
                "status": "cancelled" if state != "reserved" else choose.choice(statuses),
                "version": 1,
                "user_verified": True,
                "items": [line(state, A, call="release" if state != "reserved" else None)],
                "total_price": Decimal128(f"{number // 2 % 30}.80"),
                "reference": f"R{number % 10}" if number % 8 == 0 else "",
                "shipping_address": {"line1": "1", "city": "2", "postal_code": "3", "country": "4"},
                "history": [],
                "created_at": START + number // 2 * UNIT,  # always two of one moment
                "updated_at": START,
            }
            | ({"stock_due_at": START + number * UNIT} if state == "releasing" else {})
        )
    orders().insert_many(made)
    yield made
    orders().delete_many({})


Plans = Callable[[Callable[[], Any]], list[Document]]


@pytest.fixture
def plans(many: list[Document], django_db_blocker: Any) -> Iterator[Plans]:
    """Carry something out and return what mongod's profiler recorded of it."""
    with django_db_blocker.unblock():
        database: Database[Document] = orders().database

        def record(run: Callable[[], Any]) -> list[Document]:
            database.command("profile", 2)
            try:
                run()
            finally:
                database.command("profile", 0)
            found = list(database["system.profile"].find({"planSummary": {"$exists": True}}))
            database.drop_collection("system.profile")
            return [entry for entry in found if not entry["ns"].endswith("system.profile")]

        yield record


def by_index(found: list[Document], *, most: int) -> None:
    assert found, "nothing was asked"
    for entry in found:
        told = f"{entry['planSummary']}, {entry.get('docsExamined')} documents examined: {entry['command']}"
        assert "COLLSCAN" not in entry["planSummary"], told
        assert any(word in entry["planSummary"] for word in ("IXSCAN", "COUNT_SCAN", "IDHACK", "DISTINCT_SCAN")), told
        assert entry.get("docsExamined", 0) <= most, told
        assert not entry.get("hasSortStage"), f"sorted in memory: {told}"


# --- the storefront --------------------------------------------------------------------------------------------------

MIDDLE = START + MANY // 4 * UNIT
DEEP = Position(MIDDLE, ObjectId("f" * 24))
LISTS: dict[str, tuple[OrderQuery, Position | None]] = {
    "all": (OrderQuery(), None),
    "a status": (OrderQuery(("paid",)), None),
    "a user": (OrderQuery(user_id="7"), None),
    "a user and a status": (OrderQuery(("paid",), user_id="7"), None),
    "a span": (OrderQuery(since=MIDDLE - 100 * UNIT, before=MIDDLE), None),
    "a span and a status": (OrderQuery(("paid",), since=MIDDLE - 500 * UNIT, before=MIDDLE), None),
    "a user and a span": (OrderQuery(since=MIDDLE - 500 * UNIT, before=MIDDLE, user_id="7"), None),
    "an old span": (OrderQuery(before=START + 50 * UNIT), None),
    "the next page": (OrderQuery(), DEEP),
    "the next page of a status": (OrderQuery(("paid",)), DEEP),
    "the next page of a user": (OrderQuery(user_id="7"), DEEP),
    "the next page of a user and a status": (OrderQuery(("paid",), user_id="7"), DEEP),
    "statuses": (OrderQuery(("paid", "shipped")), None),
    "a user and statuses": (OrderQuery(("paid", "shipped"), user_id="7"), DEEP),
    "a reference": (OrderQuery(reference="R8"), None),
    "a user's reference": (OrderQuery(user_id="8", reference="R8"), DEEP),
    "a reference, a status and a span": (OrderQuery(("paid",), reference="R0", before=MIDDLE), None),
}


@pytest.mark.parametrize("oldest_first", [False, True])
@pytest.mark.parametrize("name", LISTS)
def test_a_list_reads_about_a_page(plans: Plans, name: str, oldest_first: bool) -> None:
    found: list[Any] = []
    query, after = LISTS[name]
    query = replace(query, oldest_first=oldest_first)
    by_index(plans(lambda: found.extend(order_reads.list_orders(query, after=after, limit=11))), most=11 * 8)
    assert found
    assert [(order["created_at"], order["_id"]) for order in found] == sorted(
        ((order["created_at"], order["_id"]) for order in found), reverse=not oldest_first
    )


def test_named_orders_are_read_by_their_ids(plans: Plans, many: list[Document]) -> None:
    found: list[Document] = []
    query = OrderQuery(PUBLIC_STATUSES, ids=tuple(order["_id"] for order in many[:3]))
    [plan] = plans(lambda: found.extend(order_reads.list_orders(query, limit=11)))
    assert plan["planSummary"] == "IXSCAN { _id: 1 }"
    assert (plan["docsExamined"], len(found)) == (3, sum(order["status"] in PUBLIC_STATUSES for order in many[:3]))


FEW_BY_TOTAL: dict[str, tuple[OrderQuery, int]] = {
    "a user": (OrderQuery(user_id="7"), MANY // 40),
    "a user and a status": (OrderQuery(("paid",), user_id="7"), MANY // 40),
    "a user and statuses": (OrderQuery(("paid", "shipped"), user_id="7"), MANY // 40),
    "a user and a span": (OrderQuery(since=MIDDLE - 500 * UNIT, before=MIDDLE, user_id="7"), MANY // 40),
    "a status": (OrderQuery(("paid",)), 300),
    "a span": (OrderQuery(since=MIDDLE - 20 * UNIT, before=MIDDLE), 40),
    "a span and a status": (OrderQuery(("paid",), since=MIDDLE - 100 * UNIT, before=MIDDLE), 60),
    "a reference": (OrderQuery(reference="R8"), MANY // 40),
}


@pytest.mark.parametrize("lowest_first", [True, False])
@pytest.mark.parametrize("name", FEW_BY_TOTAL)
def test_a_list_by_total_looks_at_what_few_it_is_of(
    plans: Plans, many: list[Document], name: str, lowest_first: bool
) -> None:
    (query, most), found = FEW_BY_TOTAL[name], []
    query = replace(query, lowest_first=lowest_first)
    wanted = _ids_by_total(many, query)
    after = _place(many, wanted[3])
    recorded = plans(lambda: found.extend(order_reads.list_orders(query, after=after, skip=1, limit=11)))
    for plan in recorded:
        assert plan["planSummary"].startswith(("IXSCAN", "COUNT_SCAN")), plan["planSummary"]
        assert "total_price" not in plan["planSummary"]
        assert plan.get("docsExamined", 0) <= most
    assert [order["_id"] for order in found] == wanted[5:16]


MANY_BY_TOTAL: dict[str, OrderQuery] = {
    "all": OrderQuery(),
    "a user": OrderQuery(user_id="7"),
    "a status": OrderQuery(("paid",)),
    "statuses": OrderQuery(("paid", "shipped")),
    "a span": OrderQuery(since=MIDDLE - 500 * UNIT),
    "a span and a status": OrderQuery(("paid",), before=MIDDLE),
    "a reference": OrderQuery(reference="R8"),
}


@pytest.mark.parametrize("deep", [False, True])
@pytest.mark.parametrize("lowest_first", [True, False])
@pytest.mark.parametrize("name", MANY_BY_TOTAL)
def test_a_list_by_total_of_many_orders_is_a_walk_along_the_totals(
    plans: Plans, many: list[Document], monkeypatch: pytest.MonkeyPatch, name: str, lowest_first: bool, deep: bool
) -> None:
    monkeypatch.setattr(sorted_lists, "FEW", 20)
    query = replace(MANY_BY_TOTAL[name], lowest_first=lowest_first)
    wanted, found = _ids_by_total(many, query), []
    start = len(wanted) // 2 if deep else 0
    while deep and _place(many, wanted[start]).total == _place(many, wanted[start - 1]).total:
        start += 1  # behind all of one total
    after = _place(many, wanted[start - 1]) if start else None
    *counts, walk = plans(lambda: found.extend(order_reads.list_orders(query, after=after, limit=4)))
    assert [order["_id"] for order in found] == wanted[start : start + 4]
    assert "total_price: 1" in walk["planSummary"]
    assert not walk.get("hasSortStage")
    passed = 4 * MANY / len(wanted)
    for examined in ("docsExamined", "keysExamined"):
        assert walk[examined] <= 4 * passed + 10, "what stands before the page is not looked at"
    assert all(plan["planSummary"].startswith(("IXSCAN", "COUNT_SCAN")) for plan in counts)
    assert len(counts) == (name != "all")


def _ids_by_total(many: list[Document], query: OrderQuery) -> list[ObjectId]:
    """What the query finds, by hand."""
    found = [
        order
        for order in many
        if order["status"] in (query.statuses or PUBLIC_STATUSES)
        and query.user_id in (None, order["user_id"])
        and query.reference in ("", order["reference"])
        and (query.since or START) <= order["created_at"] < (query.before or START + MANY * UNIT)
    ]
    found.sort(key=lambda order: (order["created_at"], order["_id"]), reverse=bool(query.lowest_first))
    found.sort(key=lambda order: order["total_price"].to_decimal(), reverse=not query.lowest_first)
    return [order["_id"] for order in found]


def _place(many: list[Document], order_id: ObjectId) -> TotalPosition:
    [order] = [order for order in many if order["_id"] == order_id]
    return TotalPosition(order["total_price"].to_decimal(), order["created_at"], order_id)


def test_a_list_further_down_reads_what_it_skips_and_no_more(plans: Plans) -> None:
    by_index(plans(lambda: order_reads.list_orders(OrderQuery(user_id="7"), skip=20, limit=10)), most=60)


def test_a_customers_unpaid_orders_are_counted_in_the_index(plans: Plans) -> None:
    counted: list[int] = []
    by_index(plans(lambda: counted.append(order_reads.count_open("7", most=5))), most=0)
    assert counted == [5], "there are more"


def test_one_order_is_read_by_its_id(plans: Plans, many: list[Document]) -> None:
    order_id = many[1]["_id"]
    for read in (
        order_reads.get_order,
        order_reads.get_history,
        order_reads.get_machine,
        order_reads.get_addressed,
        order_reads.get_whole,
        order_reads.last_change,
    ):
        by_index(plans(lambda read=read: read(order_id)), most=1)
    by_index(plans(lambda: order_reads.changes_since(order_id, 0)), most=1)


# --- the worker, placement -------------------------------------------------------------------------------------------


def test_what_is_due_is_found_without_reading_what_is_not(plans: Plans, many: list[Document]) -> None:
    found: list[ObjectId] = []
    by_index(plans(lambda: found.extend(order_reads.due_orders(START + MANY * UNIT, 10))), most=10)
    assert found == [order["_id"] for order in many if "stock_due_at" in order][:10]


def test_what_is_to_be_told_is_found_without_reading_what_is_not(plans: Plans, many: list[Document]) -> None:
    """However many orders there are, the index has those alone of which something is to be told."""
    waiting = [order["_id"] for order in many[5:500:100]]
    for number, order_id in enumerate(waiting):
        orders().update_one({"_id": order_id}, {"$set": {"untold_at": START + number * UNIT}})
    try:
        found: list[Document] = []
        [plan] = recorded = plans(lambda: found.extend(event_feed.untold_orders(3)))
        by_index(recorded, most=3)
        assert plan["planSummary"] == "IXSCAN { untold_at: 1 }"
        assert [order["_id"] for order in found] == waiting[:3]
        by_index(plans(event_feed.untold_since), most=1)
        [size] = orders().aggregate([{"$indexStats": {}}, {"$match": {"name": "untold"}}])
        assert size["spec"]["partialFilterExpression"] == {"untold_at": {"$gt": EPOCH.replace(tzinfo=None)}}
    finally:
        orders().update_many({}, {"$unset": {"untold_at": ""}})
    [plan] = plans(lambda: event_feed.untold_orders(3))
    assert (plan["planSummary"], plan["keysExamined"], plan["docsExamined"]) == ("IXSCAN { untold_at: 1 }", 0, 0)


def test_runs_to_be_told_of_are_found_by_an_index_of_their_own(plans: Plans) -> None:
    bulk_runs.runs().insert_many([{"untold": True, "finished_at": START}, *({"finished_at": START} for _ in range(9))])
    try:
        [plan] = recorded = plans(lambda: event_feed.untold_runs(3))
        by_index(recorded, most=1)
        assert plan["planSummary"] == "IXSCAN { finished_at: 1 }"
    finally:
        bulk_runs.runs().delete_many({})


def test_a_claim_and_its_settling_go_by_id(plans: Plans, many: list[Document]) -> None:
    draft = dict(many[1], _id=ObjectId(), status="placing", items=[line("none", A)])
    orders().insert_one(draft)
    try:
        found = plans(lambda: settle_order(order_id=draft["_id"], act=act(WORKER)))
        assert orders().find_one({"_id": draft["_id"]}, {"status": 1, "_id": 0}) == {"status": "rejected"}
    finally:
        orders().delete_one({"_id": draft["_id"]})
    assert len(found) >= 3
    by_index(found, most=1)


def test_lines_that_wait_for_a_person_are_found_by_an_index_of_their_own(plans: Plans) -> None:
    found: list[Document] = []
    query = {"items.stock.state": "unknown"}
    by_index(plans(lambda: found.extend(orders().find(query).sort("created_at", 1))), most=MANY // 300)
    assert len(found) == MANY // 300


LINES: dict[str, dict[str, Any]] = {
    "all": {},
    "a call": {"call": "release"},
    "a product": {"product_id": A},
    "the first few": {"limit": 3},
}


@pytest.mark.parametrize("name", LINES)
def test_unknown_lines_are_read_by_that_index_the_oldest_first(plans: Plans, name: str) -> None:
    found: list[Document] = []
    [plan] = recorded = plans(lambda: found.extend(order_reads.unknown_lines(**LINES[name])))
    by_index(recorded, most=MANY // 300)
    assert "items.stock.state" in plan["planSummary"]
    assert len(found) == LINES[name].get("limit", MANY // 300)
    assert [order["created_at"] for order in found] == sorted(order["created_at"] for order in found)


def test_the_unknown_lines_of_one_order_are_read_by_an_index(plans: Plans, many: list[Document]) -> None:
    found: list[Document] = []
    [plan] = plans(lambda: found.extend(order_reads.unknown_lines(order_id=many[300]["_id"])))
    # By its id or by the lines' index, whichever the planner finds shorter.
    assert "IXSCAN" in plan["planSummary"]
    assert plan["docsExamined"] <= MANY // 300
    assert [order["_id"] for order in found] == [many[300]["_id"]]


def test_unpaid_orders_are_read_oldest_first_without_reading_others(plans: Plans, many: list[Document]) -> None:
    found: list[tuple[ObjectId, int]] = []
    by_index(plans(lambda: found.extend(order_reads.pending_before(MIDDLE, 10))), most=10)
    pending = [order["_id"] for order in many if order["status"] == "pending" and order["created_at"] < MIDDLE]
    assert len(found) == 10
    assert {order_id for order_id, _ in found} <= set(pending[:11])


def test_an_idempotency_key_is_taken_by_its_id(plans: Plans) -> None:
    taken = {"caller": "customer:1", "key": "k", "fingerprint": "f"}
    by_index(plans(lambda: idempotency_keys.give_back(idempotency_keys.take(**taken))), most=1)


# --- the backoffice --------------------------------------------------------------------------------------------------

ORM: dict[str, Callable[[], Any]] = {
    "newest": lambda: Order.objects.order_by("-created_at", "-id")[:20],
    "newest of a status": lambda: Order.objects.filter(status="paid").order_by("-created_at", "-id")[:20],
    "newest of a user": lambda: Order.objects.filter(user_id="7").order_by("-created_at", "-id")[:20],
    "newest of a user and a status": lambda: Order.objects.filter(user_id="7", status="paid").order_by(
        "-created_at", "-id"
    )[:20],
    "newest, a few fields": lambda: Order.objects.order_by("-created_at", "-id").values("id", "number", "created_at")[
        :20
    ],
    "of a span": lambda: Order.objects.filter(created_at__lt=MIDDLE.replace(tzinfo=order_reads.EPOCH.tzinfo)).order_by(
        "-created_at", "-id"
    )[:20],
    "by number": lambda: Order.objects.filter(number="N00000000077"),
    "by id": lambda: Order.objects.filter(pk=ObjectId("0" * 24)),
}


@pytest.mark.parametrize("name", ORM)
def test_a_query_of_the_orm_goes_by_an_index(plans: Plans, name: str) -> None:
    by_index(plans(lambda: list(ORM[name]())), most=20 * 8)


def test_without_our_patch_the_orms_order_by_reads_the_whole_collection(
    plans: Plans, monkeypatch: pytest.MonkeyPatch
) -> None:
    original = inspect.getclosurevars(MongoQuery.get_pipeline).nonlocals["build"]
    monkeypatch.setattr(MongoQuery, "get_pipeline", original)
    [entry] = plans(lambda: list(ORM["newest"]()))
    assert "COLLSCAN" in entry["planSummary"], (
        "django-mongodb-backend now sorts by an index by itself: orders_project/indexed_sort.py can go"
    )
    assert entry["docsExamined"] >= MANY


def test_the_patch_changes_no_result(many: list[Document], plans: Plans, monkeypatch: pytest.MonkeyPatch) -> None:
    patched = [[*query()] for query in ORM.values()]
    monkeypatch.setattr(MongoQuery, "get_pipeline", inspect.getclosurevars(MongoQuery.get_pipeline).nonlocals["build"])
    assert [[*query()] for query in ORM.values()] == patched


# --- the feed of events ----------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def told(many: list[Document]) -> Iterator[list[ObjectId]]:
    """2,400 events of 60 orders of 20 customers, of all types; the rarest ones are of one customer and at the end."""
    order_ids = [ObjectId() for _ in range(60)]
    kinds = EVENT_TYPES[:-1]
    events = [
        {
            "_id": number,
            "id": str(number),
            "type": kinds[-1] if number > MANY - 3 else kinds[number % 3],
            "order_id": order_ids[number % 60],
            "sequence": number,
            "entries": number,
            "user_id": str(number % 20),
            "told_at": START,
        }
        for number in range(1, MANY + 1)
    ]
    event_feed.feed().insert_many(events)
    yield order_ids
    event_feed.feed().delete_many({})


WAYS: dict[str, tuple[str, dict[str, Any], int]] = {
    "all": ("_id_", {}, 10),
    "a common type": ("type", {"types": ["order.placed"]}, 10),
    "a rare type": ("type", {"types": [EVENT_TYPES[-2]]}, 3),
    "several types": ("type", {"types": ["order.placed", "order.customer_verified", EVENT_TYPES[-2]]}, 10),
    "a customer": ("user", {"user_id": "7", "types": CUSTOMER_TYPES}, 10),
    "a customer's order": ("order", {"user_id": "7", "types": CUSTOMER_TYPES, "order_id": 7}, 10),
    "an order": ("order", {"order_id": 7}, 10),
    "an order and a type": ("order", {"order_id": 7, "types": ["order.address_changed"]}, 10),
}


@pytest.mark.parametrize("name", WAYS)
def test_events_are_read_by_the_index_of_what_is_asked_for(plans: Plans, told: list[ObjectId], name: str) -> None:
    index, asked, expected = WAYS[name]
    if "order_id" in asked:
        asked = asked | {"order_id": told[asked["order_id"]]}
    pages: list[FeedPage] = []
    found = plans(lambda: pages.append(event_feed.page_after(100, limit=10, **asked)))
    by_index(found, most=40)
    assert len(pages[0].events) == expected
    [events] = [entry for entry in found if entry["command"].get("hint")]
    assert events["command"]["hint"] == index
    ends = [entry for entry in found if not entry["command"].get("hint")]
    assert len(ends) == 2, "where the feed ends and begins"
    assert {entry["docsExamined"] for entry in ends} <= {0, 1}


def test_the_ends_of_the_feed_are_read_in_its_index(plans: Plans, told: list[ObjectId]) -> None:
    for read in (
        event_feed.last_event,
        event_feed.oldest_cursor,
        event_feed.newest_cursor,
        event_feed.newest_appended,
        event_feed.untold_since,
    ):
        by_index(plans(read), most=1)


def test_what_was_told_of_orders_is_read_in_the_index_of_their_events(plans: Plans, told: list[ObjectId]) -> None:
    by_index(plans(lambda: event_feed.told_of(told[:3])), most=3 * MANY // 60)


def test_orders_with_something_to_tell_are_found_among_all(plans: Plans, many: list[Document]) -> None:
    waiting = [order["_id"] for order in many[100:110]]
    found: list[Document] = []
    orders().update_many({"_id": {"$in": waiting}}, {"$set": {"untold_at": START}})
    try:
        by_index(plans(lambda: found.extend(event_feed.untold_orders(5))), most=5)
    finally:
        orders().update_many({}, {"$unset": {"untold_at": ""}})
    assert len(found) == 5
    by_index(plans(lambda: event_feed.untold_orders(5)), most=0)


def test_runs_to_be_told_of_are_found_among_all(plans: Plans, many: list[Document]) -> None:
    done = [{"finished_at": START + number * UNIT, "state": "done"} for number in range(500)]
    waiting = [run | {"untold": True} for run in done[:7]]
    runs().insert_many([*done, *[dict(run) for run in waiting]])
    found: list[Document] = []
    try:
        by_index(plans(lambda: found.extend(event_feed.untold_runs(5))), most=5)
        by_index(plans(lambda: event_feed.told_runs([ObjectId()])), most=0)
    finally:
        runs().delete_many({})
    assert len(found) == 5


# --- Django's own tables ---------------------------------------------------------------------------------------------


@pytest.fixture
def visitors(database: Database[Document]) -> None:
    """Two thousand logins and sessions."""
    database["auth_user"].insert_many([{"username": f"user{number}"} for number in range(2000)])
    database["django_session"].insert_many(
        [{"_id": f"key{number}", "session_key": f"key{number}"} for number in range(2000)]
    )


@pytest.mark.usefixtures("visitors")
def test_a_login_is_found_by_its_name(plans: Plans) -> None:
    by_index(plans(lambda: list(User.objects.filter(username="user77").values_list("username"))), most=1)


@pytest.mark.usefixtures("visitors")
def test_a_session_is_found_by_its_key(plans: Plans) -> None:
    by_index(plans(lambda: list(Session.objects.filter(session_key="key77").values_list("session_key"))), most=1)


def test_forgotten_keys_expire(database: Database[Document]) -> None:
    indexes = database["idempotency_keys"].index_information()
    assert any(index.get("expireAfterSeconds") == 0 for index in indexes.values())
