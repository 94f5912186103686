"""One query says which orders: what makes no sense is refused alike, and each alert is one and the same everywhere."""

import itertools
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest
from bson import Decimal128, ObjectId
from pymongo.database import Database

from orders.models import DATED_STATUSES, LineState, Order, Status
from orders.services import access, bulk
from orders.services.order_queries import InvalidOrderQuery
from orders.services.transfer.exporting import export_orders
from orders.storage import alerts, order_lists, order_query
from orders.storage.alerts import Alert
from orders.storage.order_query import NOBODY, OrderQuery, Position, Reached
from tests.functional.admin_helpers import Document, insert, line, stored

NOW = datetime.now(UTC).replace(microsecond=0)
BOSS = access.admin("boss")
MOMENT = timedelta(milliseconds=1)

USES: dict[str, Callable[[OrderQuery], Any]] = {
    "export": lambda query: export_orders(query, actor=BOSS),
    "plan": lambda query: bulk.plan(selection=query, transition="pay", actor=BOSS),
}
SENSELESS: dict[str, OrderQuery] = {
    "span of time ends before it begins": OrderQuery(since=NOW, before=NOW - MOMENT),
    "ends before it begins": OrderQuery(since=NOW, before=NOW.replace(tzinfo=None)),
    "24 hexadecimal digits": OrderQuery(product_id="665f 1c0a 9b1e 8a0012a4 "),
}


@pytest.mark.parametrize("use", USES)
@pytest.mark.parametrize("complaint", SENSELESS)
def test_what_makes_no_sense_is_refused_by_whoever_would_act_on_it(
    database: Database[Document], use: str, complaint: str
) -> None:
    with pytest.raises(InvalidOrderQuery, match=complaint):
        USES[use](SENSELESS[complaint])


def test_totals_the_wrong_way_round_are_refused(database: Database[Document]) -> None:
    with pytest.raises(InvalidOrderQuery, match="The minimum total is higher than the maximum"):
        export_orders(OrderQuery(least=Decimal(2), most=Decimal(1)), actor=BOSS)
    with pytest.raises(InvalidOrderQuery, match="Only open orders are listed as assigned to nobody"):
        export_orders(OrderQuery(("shipped",), assignee=NOBODY), actor=BOSS)
    assert OrderQuery(least=Decimal(1), most=Decimal(1), since=NOW, before=NOW + MOMENT).problems == {}


@pytest.mark.parametrize(
    "query",
    [OrderQuery(alerts=("unknown",)), OrderQuery(least=Decimal(1)), OrderQuery(tag="vip"), OrderQuery(assignee=NOBODY)],
)
def test_a_run_is_not_started_for_what_it_cannot_look_for(database: Database[Document], query: OrderQuery) -> None:
    with pytest.raises(InvalidOrderQuery, match="cannot look for orders by"):
        USES["plan"](query)


def test_drafts_are_found_only_where_they_are_asked_for(database: Database[Document]) -> None:
    orders = insert(database, *(stored(number, status=status) for number, status in enumerate(Status)), stored(20))
    assert orders
    assert order_lists.size(OrderQuery(), 99) == 8
    assert order_lists.size(OrderQuery(("placing", "pending")), 99) == 2
    assert order_lists.size(OrderQuery(("placing",)), 99) == 0
    assert order_lists.size(OrderQuery(("placing", "pending"), drafts=True), 99) == 3
    assert order_lists.size(OrderQuery(drafts=True), 99) == 10


@pytest.fixture
def every_kind(database: Database[Document], settings: Any) -> list[Document]:
    """Orders of every status and age around each limit, with and without each thing that raises an alert."""
    limits = [settings.STOCK_OWED_TOO_LONG, settings.SHIP_WITHIN, settings.UNPAID_ORDER_TTL]
    ages = [timedelta(seconds=limit) + nudge for limit in limits for nudge in (-MOMENT, 0 * MOMENT, MOMENT)]
    lines = [
        line(),
        line("unknown", call="release"),
        line("released", discrepancy=1),
        line("releasing", call="release"),
    ]
    made = []
    for number, (status, age, item, verified) in enumerate(itertools.product(Status, ages, lines, (True, False))):
        due = {"stock_due_at": NOW} if item["stock"]["state"] == LineState.RELEASING else {}
        order = stored(number, status=status.value, created_at=NOW - age, items=[line(), item], user_verified=verified)
        order["_id"] = ObjectId()
        order["status_since"] = NOW - age if number % 7 else None
        money = {"owed": Decimal128("1.00")} if number % 5 == 0 else {}
        held = {"held_at": NOW} if number % 6 == 0 else {}
        asleep = {"alerts": ["unknown", "owed", "short", "money"], "until": NOW + (number % 11 - 5) * MOMENT}
        made.append(order | due | money | held | ({"snoozed": asleep} if number % 3 == 0 else {}))
    insert(database, *made)
    return made


def test_an_alert_is_one_whether_it_is_counted_listed_looked_for_or_seen_on_an_order(
    every_kind: list[Document],
) -> None:
    many, orders = len(every_kind), list(Order.objects.all())
    rows = order_lists.page_after(OrderQuery(drafts=True), many).orders
    for alert in Alert:
        listed = set(order_lists.first_ids(OrderQuery(alerts=(alert,), at=NOW, drafts=True), many))
        assert 0 < len(listed) < many, alert
        assert alerts.count(alert, NOW, many) == len(listed), alert
        assert {order["_id"] for order in alerts.longest_waiting(alert, NOW, many)} == listed, alert
        assert {order.pk for order in orders if alert in alerts.raised(order, NOW)} == listed, alert
        assert {order.pk for order in rows if alert in alerts.raised(order, NOW)} == listed, (alert, "a row")


@pytest.mark.parametrize("few", [order_query.FEW, 1])
@pytest.mark.parametrize("status", DATED_STATUSES)
def test_a_span_may_be_that_in_which_orders_came_to_a_status_whatever_they_are_now(
    database: Database[Document], monkeypatch: pytest.MonkeyPatch, status: str, few: int
) -> None:
    monkeypatch.setattr(order_query, "FEW", few)
    placed, at = datetime(2026, 2, 1, tzinfo=UTC), f"{status}_at"
    first, second, third, fourth = (datetime(2026, 3, day, tzinfo=UTC) for day in (1, 2, 3, 4))
    orders = [
        stored(0, created_at=placed, status="refunded") | {at: second - MOMENT},
        stored(1, created_at=placed) | {at: second},
        stored(2, created_at=placed) | {at: fourth - MOMENT},
        stored(3, created_at=placed) | {at: fourth},
        stored(4, created_at=second),
        stored(5, created_at=second) | {at: None},
        stored(6, created_at=second + timedelta(seconds=2)) | {at: second},
    ]
    insert(database, *orders)
    newest = sorted(orders, key=lambda order: (order["created_at"], order["_id"]), reverse=True)

    def found(since: datetime | None = None, before: datetime | None = None, **more: Any) -> list[int]:
        query = OrderQuery(reached=Reached(status, since, before), drafts=True, **more)
        return [
            orders.index(order) for each in order_lists.first_ids(query, 99) for order in orders if order["_id"] == each
        ]

    def of(*wanted: int) -> list[int]:
        return [orders.index(order) for order in newest if orders.index(order) in wanted]

    assert found(second, fourth) == of(1, 2, 6)
    assert found(second, third) == of(1, 6)
    assert found(fourth) == of(3)
    assert found(None, second) == of(0)
    assert found(datetime(1, 1, 1, tzinfo=UTC)) == found() == of(0, 1, 2, 3, 6)
    assert found(None, fourth, oldest_first=True) == of(0, 1, 2, 6)[::-1]
    assert found(first, fourth, statuses=("refunded",)) == of(0)


@pytest.mark.parametrize("oldest_first", [True, False])
@pytest.mark.parametrize("size", [1, 3, 50])
def test_whatever_is_asked_for_pages_and_batches_go_on_where_the_last_ended(
    database: Database[Document], size: int, oldest_first: bool
) -> None:
    moments = [NOW - timedelta(seconds=number // 4) for number in range(20)]
    insert(database, *(stored(n, created_at=at, user_verified=n % 2 == 0) for n, at in enumerate(moments)))
    places = sorted(
        (Position(order["created_at"], order["_id"]) for order in database["orders"].find()), reverse=not oldest_first
    )
    for query in (
        OrderQuery(),
        OrderQuery(alerts=(Alert.UNVERIFIED, Alert.UNCHECKED), at=NOW),
        OrderQuery(("pending",)),
    ):
        asked = OrderQuery(query.statuses, alerts=query.alerts, at=query.at, oldest_first=oldest_first)
        expected = [place.id for place in places]
        if query.alerts:
            unverified = {order["_id"] for order in database["orders"].find({"user_verified": False})}
            expected = [order_id for order_id in expected if order_id in unverified]
        paged, page = [], order_lists.page_after(asked, size)
        while page.places:
            paged += [order.pk for order in page.orders]
            page = order_lists.page_after(asked, size, page.places[-1])
        assert paged == expected
        assert [order["_id"] for batch in order_lists.batches(asked, size=size) for order in batch] == expected


def test_of_totals_that_many_have_the_index_of_all_totals_is_read(database: Database[Document]) -> None:
    insert(database, *(stored(number) for number in range(3)))
    assert OrderQuery(least=Decimal("0.01")).index(few=3) == "total_newest"
    assert OrderQuery(least=Decimal("0.01")).index(few=2) == "newest_status_total"


def test_whole_orders_come_as_their_ids_were_given_without_those_that_are_gone(database: Database[Document]) -> None:
    given = [stored(number) for number in range(3)]
    insert(database, *given)
    ids = [order["_id"] for order in given]
    assert [order.pk for order in order_lists.orders_with_ids([ids[2], ObjectId(), ids[0]])] == [ids[2], ids[0]]


def test_orders_are_found_by_who_has_them_and_by_what_they_are_called(database: Database[Document]) -> None:
    nia, kofi = ({"assignee": {"id": digit * 24, "name": digit}} for digit in "67")
    vip = {"tags": ["VIP", "gift"], "tag_keys": ["vip", "gift"]}
    made = [
        stored(number, status=status) | fields
        for number, (status, fields) in enumerate(
            [("paid", nia), ("shipped", nia | vip), ("pending", kofi), ("placing", {}), ("pending", vip), ("paid", {}),
             ("shipped", {})]
        )
    ]  # fmt: skip
    insert(database, *made)

    def found(**asked: Any) -> list[int]:
        ids = order_lists.first_ids(OrderQuery(**asked), 99)
        exported = [order["_id"] for batch in order_lists.batches(OrderQuery(**asked)) for order in batch]
        assert ids == exported
        return [next(place for place, order in enumerate(made) if order["_id"] == order_id) for order_id in ids]

    assert found(assignee="6" * 24) == [0, 1]
    assert found(assignee="6" * 24, drafts=True, statuses=("shipped",)) == [1]
    assert found(assignee="7" * 24, oldest_first=True) == [2]
    assert found(assignee="8" * 24) == []
    assert found(assignee=NOBODY) == found(assignee=NOBODY, drafts=True) == [4, 5]
    assert found(assignee=NOBODY, statuses=("paid", "shipped")) == [5]
    assert found(tag="vip") == [1, 4]
    assert found(tag="vip", assignee=NOBODY, drafts=True) == [4]
    assert found(tag="gift", statuses=("shipped",), least=Decimal(1)) == [1]
    assert found(tag="gift", user_id="1") == [1, 4]
    assert found(tag="other") == []
