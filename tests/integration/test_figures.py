"""The figures by day equal what a straight count over the orders says, whatever happens to the orders in between."""

import random
import threading
import time
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest
from bson import Decimal128
from django.conf import settings
from django.db import DatabaseError
from django.utils import timezone
from pymongo.database import Database

from orders.models import PUBLIC_STATUSES
from orders.services import access
from orders.services.access import NotPermitted
from orders.services.audit import Act
from orders.services.days import day_bounds
from orders.services.lifecycle import transitions
from orders.services.reporting import dashboard_figures as dashboards
from orders.services.reporting import figures_refresh as refreshing
from orders.services.reporting.dashboard_figures import dashboard
from orders.services.reporting.figures_refresh import Refresh, refresh
from orders.services.reporting.shop_figures import Day, InvalidPeriod, Money, Period, Spread, period
from orders.storage import daily_figures, day_counts
from orders.storage.daily_figures import DAY
from tests.conftest import UseZone
from tests.functional.admin_helpers import Document, entry, line, profiled, stored
from tests.integration.plain_figures import same, straight

BOSS = access.admin("boss")
NOW = datetime.now(UTC).replace(microsecond=0, tzinfo=None)
TODAY = NOW.date()
ALL = Period(TODAY - timedelta(days=44), TODAY)
CHANCE = random.Random(11)
STEPS = ("pending", "paid", "processing", "shipped", "delivered")
REASONS: list[Document] = [{"code": "customer"}, {"code": "fraud"}, {}]
STOCK: list[Document] = [*[{}] * 8, {"state": "unknown"}, {"state": "released", "discrepancy": 1}]


def order(at: datetime, **changes: Any) -> Document:
    """An order that was placed at a moment (naive UTC) and went on from there, over a few products."""
    status = changes.get("status") or CHANCE.choice(["placing", "rejected", *PUBLIC_STATUSES])
    items = [
        {
            "product_id": f"{CHANCE.randrange(30):024x}",
            "quantity": CHANCE.randint(1, 4),
            "price": Decimal128(f"{CHANCE.randint(1, 9999) / 100:.2f}"),
            "stock": {"state": "reserved", "attempts": 1, "error": ""} | CHANCE.choice(STOCK),
        }
        for _ in range(CHANCE.randint(1, 3))
    ]
    for item in items:
        if CHANCE.random() < 0.5:
            item["name"] = f"Product {item['product_id'][-3:]} as it was called then, {CHANCE.randrange(9)}"
    total = sum(item["price"].to_decimal() * item["quantity"] for item in items)
    made = stored(CHANCE.randrange(10**9), status=status, items=items, total_price=Decimal128(total))
    made |= {"created_at": at, "updated_at": at, "placed_at": at, "status_since": at, "history": way_to(status, at)}
    if status in (*STEPS[1:], "refunded"):
        made["paid_at"] = at + timedelta(hours=1)
    if status in ("shipped", "delivered"):
        made["shipped_at"] = min(NOW, made["paid_at"] + timedelta(minutes=CHANCE.randint(0, 6000)))
    if "paid_at" in made and CHANCE.random() < 0.5:
        made |= with_parts(items, total, made["history"])
    return made | changes


def way_to(status: str, at: datetime) -> list[Document]:
    """The history of an order that was placed at a moment, and came to a status."""
    names = ("pay", "start_processing", "ship", "deliver")
    way = [("draft", "", "placing"), ("place", "placing", "pending"), *zip(names, STEPS, STEPS[1:], strict=False)]
    if status in ("cancelled", "refunded"):
        way = [*way[:4], (status, STEPS[2], status)]
    history = []
    for act, source, target in way:
        history.append(entry(act, at=at, source=source, target=target))
        at += timedelta(seconds=CHANCE.randint(0, 400_000)) if history[1:] else timedelta(0)
        if target == status:
            break
    return history


def with_parts(items: list[Document], total: Decimal, history: list[Document]) -> Document:
    """The ledger and the reasons of an order of which a line was cancelled, and a part of its price given back."""
    items[-1]["removed"] = "cancelled"
    worth = items[-1]["price"].to_decimal() * items[-1]["quantity"]
    acts = CHANCE.sample(["cancel_part", "refund_part", "open_return", "retry"], 2)
    return {
        **{
            name: Decimal128(amount) for name, amount in (("paid", total), ("refunded", worth / 2), ("owed", worth / 2))
        },
        "history": history + [entry(name, at=NOW, **CHANCE.choice(REASONS)) for name in acts],
    }


LATER = ("layout", "laid_out_at", "money", "reasons", "stays", "half_hours")
"""What days did not tell that were counted by an earlier layout."""


def counted_at(moment: datetime) -> Document:
    return {"computed_at": moment, "laid_out_at": moment}


def key(moment: datetime) -> datetime:
    return daily_figures.day_key(moment.date())


def fill(database: Database[Document], number: int, days: int = 45) -> list[Document]:
    start = datetime.combine(TODAY - timedelta(days=days - 1), datetime.min.time())
    span = (NOW - start).total_seconds()
    currencies: list[Document] = [{}, {"currency": settings.CURRENCY}, {"currency": "CHF"}, {"currency": "JPY"}]
    made = [
        order(start + timedelta(seconds=int(CHANCE.random() * span)), **CHANCE.choice(currencies))
        for _ in range(number)
    ]
    database["orders"].insert_many(made)
    return made


def refreshed() -> None:
    while refresh(seconds=30).more:
        pass


@pytest.fixture(autouse=True)
def patience(monkeypatch: pytest.MonkeyPatch) -> None:
    """What is looked at here must not depend on how busy the machine is."""
    monkeypatch.setattr(dashboards, "COUNTING", 20.0)
    monkeypatch.setattr(dashboards, "READING", 60.0)


@pytest.fixture
def old_news(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whoever looks finds the figures fresh enough: only what the worker does counts."""
    monkeypatch.setattr(settings, "FIGURES_EVERY", 3600.0)


@pytest.mark.slow
def test_the_figures_equal_a_straight_count_also_after_changes(database: Database[Document], old_news: None) -> None:
    made = fill(database, 3000)
    refreshed()
    same(dashboard(actor=BOSS, period=ALL), straight(database, ALL))
    for _ in range(4):
        for chosen in CHANCE.sample(made, 60):
            status = CHANCE.choice(PUBLIC_STATUSES)
            changes: Document = {"status": status, "updated_at": datetime.now(UTC)}
            if status == "shipped" and "shipped_at" not in chosen:  # no order is shipped twice
                changes |= {"paid_at": chosen["created_at"], "shipped_at": NOW}
            database["orders"].update_one({"_id": chosen["_id"]}, {"$set": changes})
        fill(database, 20, days=1)
        refreshed()
        for wanted in (ALL, Period(TODAY, TODAY), Period(TODAY - timedelta(days=20), TODAY - timedelta(days=7))):
            same(dashboard(actor=BOSS, period=wanted), straight(database, wanted))


def test_a_transition_made_by_the_service_is_in_the_next_figures(database: Database[Document], old_news: None) -> None:
    today, old = order(NOW, status="paid"), order(NOW - timedelta(days=40), status="pending")
    database["orders"].insert_many([today, old])
    refreshed()
    assert dashboard(actor=BOSS, period=ALL).sold == 1
    transitions.change_status(order_id=old["_id"], transition="pay", act=Act(BOSS, timezone.now()))
    refreshed()
    same(dashboard(actor=BOSS, period=ALL), straight(database, ALL))
    assert dashboard(actor=BOSS, period=ALL).sold == 2


def test_days_that_were_counted_before_there_was_a_ledger_are_stale_and_counted_again(
    database: Database[Document], old_news: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    database["orders"].insert_one(order(NOW, status="paid"))
    refreshed()
    database["figures_by_day"].update_many({}, {"$unset": dict.fromkeys(LATER, "")})
    with monkeypatch.context() as patch:
        patch.setattr(dashboards, "refresh", lambda **_: None)
        shown = dashboard(actor=BOSS, period=ALL)
    assert (shown.orders, shown.ours.paid, shown.stays["pending"].orders, shown.stale) == (1, 0, 0, 1)
    refreshed()
    same(dashboard(actor=BOSS, period=ALL), straight(database, ALL))


def test_a_day_that_an_earlier_version_counts_anew_during_an_update_is_stale_and_counted_again(
    database: Database[Document], old_news: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = order(NOW, status="pending")
    database["orders"].insert_one(made)
    refreshed()
    price, part = made["total_price"], Decimal128(made["total_price"].to_decimal() / 2)
    changes = {"status": "paid", "paid_at": NOW, "paid": price, "refunded": part, "owed": Decimal128("0.00")}
    database["orders"].update_one({"_id": made["_id"]}, {"$set": changes | {"updated_at": NOW - DAY}})
    statuses = [{"status": "paid", "currency": settings.CURRENCY, "orders": 1, "cents": 100}]
    counted = {"statuses": statuses, "products": [], "stale": False, "computed_at": NOW + timedelta(seconds=1)}
    database["figures_by_day"].update_one({"_id": key(NOW)}, {"$set": counted})  # as it does: nothing but its own
    with monkeypatch.context() as patch:
        patch.setattr(dashboards, "refresh", lambda **_: None)
        assert dashboard(actor=BOSS, period=ALL).stale == 1
    refreshed()
    same(dashboard(actor=BOSS, period=ALL), straight(database, ALL))


def test_days_are_shown_as_missing_until_they_are_counted_and_as_stale_until_they_are_counted_anew(
    database: Database[Document], monkeypatch: pytest.MonkeyPatch
) -> None:
    made = fill(database, 200)
    database["orders"].insert_one(order(datetime.combine(ALL.first, datetime.min.time())))
    monkeypatch.setattr(dashboards, "COUNTING", 0.000_001)  # whoever looks has no time to count
    found = dashboard(actor=BOSS, period=ALL)
    assert (found.as_of, found.missing, found.orders) == (None, 45, 0)
    assert {day.orders for day in found.days} == {None}
    refreshed()
    whole = dashboard(actor=BOSS, period=ALL)
    assert (whole.missing, whole.stale) == (0, 0)
    daily_figures.mark([datetime.combine(day.date, datetime.min.time()) for day in whole.days[:3]])
    marked = dashboard(actor=BOSS, period=ALL)
    assert (marked.missing, marked.stale, marked.orders) == (0, 3, whole.orders)
    assert len(made) == 200


def test_without_a_worker_whoever_looks_counts_a_little_each_time(
    database: Database[Document], monkeypatch: pytest.MonkeyPatch
) -> None:
    fill(database, 100)
    monkeypatch.setattr(refreshing, "AT_ONCE", 10)
    first = dashboard(actor=BOSS, period=ALL)
    assert first.days[-1].orders is not None  # the newest first
    assert 0 < first.missing < 45
    for _ in range(6):
        found = dashboard(actor=BOSS, period=ALL)
    same(found, straight(database, ALL))


def test_days_before_the_first_order_are_empty_and_not_missing(database: Database[Document]) -> None:
    database["orders"].insert_one(order(NOW, status="paid"))
    refreshed()
    found = dashboard(actor=BOSS, period=ALL)
    assert (found.missing, found.orders, found.days[0]) == (0, 1, Day(ALL.first, 0, Money()))
    earlier = Period(ALL.first - timedelta(days=400), ALL.first)
    assert (dashboard(actor=BOSS, period=earlier).missing, dashboard(actor=BOSS, period=earlier).orders) == (0, 0)


def test_a_period_stands_beside_the_one_before_if_that_has_figures(
    database: Database[Document], monkeypatch: pytest.MonkeyPatch, old_news: None
) -> None:
    fill(database, 200, days=9)
    refreshed()
    chosen = Period(TODAY - timedelta(days=3), TODAY)
    found, wanted = dashboard(actor=BOSS, period=chosen), straight(database, chosen.before)
    assert found.earlier
    assert found.earlier.period == Period(TODAY - timedelta(days=7), TODAY - timedelta(days=4))
    for name in ("days", "orders", "statuses", "sold", "money", "average"):
        assert getattr(found.earlier, name) == getattr(wanted, name), name
    assert found.earlier.to_ship.orders == wanted.to_ship.orders
    partly = dashboard(actor=BOSS, period=Period(TODAY - timedelta(days=4), TODAY)).earlier
    assert partly, "of a shop that was new then, the days before it are empty"
    assert partly.days[0].orders == 0
    assert dashboard(actor=BOSS, period=Period(TODAY - timedelta(days=9), TODAY)).earlier is None
    database["figures_by_day"].delete_one({"_id": key(NOW) - 5 * DAY})
    monkeypatch.setattr(dashboards, "COUNTING", 0.000_001)
    found = dashboard(actor=BOSS, period=chosen)
    assert (found.earlier, found.missing) == (None, 0), "a period that is not counted to the end is not compared"


def test_a_shop_without_orders_has_figures_too(database: Database[Document]) -> None:
    assert refresh(seconds=1) == Refresh()
    found = dashboard(actor=BOSS, period=ALL)
    assert (found.orders, found.ours, found.average, found.to_ship, found.missing) == (0, Money(), None, Spread(), 0)
    assert (found.by_units, found.hours, found.earlier) == ([], [0] * 24, None)


@pytest.mark.slow
def test_days_long_ago_are_counted_for_whoever_asks_and_kept_from_then_on(
    database: Database[Document], old_news: None
) -> None:
    old = order(NOW - timedelta(days=600), status="paid")
    database["orders"].insert_one(old)
    refreshed()
    long_ago = Period(TODAY - timedelta(days=601), TODAY - timedelta(days=599))
    same(dashboard(actor=BOSS, period=long_ago), straight(database, long_ago))
    transitions.change_status(order_id=old["_id"], transition="start_processing", act=Act(BOSS, timezone.now()))
    refreshed()
    same(dashboard(actor=BOSS, period=long_ago), straight(database, long_ago))


def test_a_count_that_began_before_a_change_was_noticed_is_thrown_away(
    database: Database[Document], monkeypatch: pytest.MonkeyPatch
) -> None:
    database["orders"].insert_one(order(NOW, status="paid"))
    refreshed()
    day = key(NOW)
    straight_count = day_counts.placed

    def slow(since: datetime, before: datetime) -> Document:
        counted = straight_count(since, before)
        monkeypatch.setattr(day_counts, "placed", straight_count)
        database["orders"].insert_one(order(NOW, status="paid"))
        daily_figures.mark([day])
        return counted

    monkeypatch.setattr(day_counts, "placed", slow)
    assert not daily_figures.count(day, day, day + DAY)
    [kept] = daily_figures.days_kept(day, day)
    assert kept["stale"]
    refreshed()
    assert dashboard(actor=BOSS, period=Period(TODAY, TODAY)).sold == 2


def test_of_several_that_count_at_once_one_does_it(database: Database[Document]) -> None:
    fill(database, 50)
    assert daily_figures.take_lease(30)
    assert daily_figures.take_lease(30) is None
    assert refresh(seconds=5) == Refresh()
    assert dashboard(actor=BOSS, period=ALL).as_of is None
    daily_figures.give_lease_back("somebody else")
    assert refresh(seconds=5) == Refresh()


def test_a_lease_lapses_and_is_given_back(database: Database[Document]) -> None:
    fill(database, 5)
    assert daily_figures.take_lease(0)
    time.sleep(0.01)  # mongod's clock counts milliseconds
    assert refresh(seconds=5).counted > 0
    assert daily_figures.take_lease(30)


def test_all_who_look_at_the_same_moment_get_an_answer_and_the_figures_are_right(
    database: Database[Document], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(dashboards, "COUNTING", 0.25)
    fill(database, 300)
    failed: list[BaseException] = []

    def look() -> None:
        try:
            for _ in range(4):
                dashboard(actor=BOSS, period=ALL)
        except BaseException as error:
            failed.append(error)

    lookers = [threading.Thread(target=look) for _ in range(6)]
    for looker in lookers:
        looker.start()
    for looker in lookers:
        looker.join()
    assert failed == []
    time.sleep(4 * dashboards.COUNTING)  # so long the lease of one that ran out of time may last
    refreshed()
    same(dashboard(actor=BOSS, period=ALL), straight(database, ALL))


def test_a_refresh_stops_when_its_time_is_up_or_it_is_told_to(database: Database[Document]) -> None:
    database["orders"].insert_one(order(NOW - timedelta(days=20)))
    assert refresh(seconds=0) == Refresh(1, more=True)
    assert refresh(seconds=5, stopping=lambda: True) == Refresh(0, more=True)
    assert refresh(seconds=30) == Refresh(20)


def test_a_day_that_cannot_be_counted_does_not_hold_up_the_others(
    database: Database[Document], monkeypatch: pytest.MonkeyPatch, old_news: None
) -> None:
    fill(database, 20, days=3)
    database["orders"].insert_one(order(NOW - timedelta(days=4)))
    count, bad = daily_figures.count, key(NOW)

    def failing(day: datetime, *bounds: datetime) -> bool:
        if day == bad:
            raise DatabaseError("too slow")
        return count(day, *bounds)

    monkeypatch.setattr(daily_figures, "count", failing)
    assert refresh(seconds=30) == Refresh(4)
    assert refresh(seconds=30) == Refresh(0)
    found = dashboard(actor=BOSS, period=Period(TODAY - timedelta(days=4), TODAY))
    assert (found.missing, found.days[-1].orders) == (1, None)


def test_a_mistake_in_the_figures_lasts_a_day_at_most(database: Database[Document], old_news: None) -> None:
    database["orders"].insert_one(order(NOW - timedelta(days=2), status="paid"))
    refreshed()
    past = {"$set": {"statuses": [], **counted_at(NOW - timedelta(days=1, minutes=1))}}
    database["figures_by_day"].update_one({"_id": key(NOW - timedelta(days=2))}, past)
    assert dashboard(actor=BOSS, period=ALL).orders == 0
    refreshed()
    same(dashboard(actor=BOSS, period=ALL), straight(database, ALL))


@pytest.mark.slow
def test_in_a_shop_where_orders_change_all_the_time_old_days_are_counted_again_too(
    database: Database[Document], old_news: None
) -> None:
    busy, old = order(NOW, status="pending"), order(NOW - timedelta(days=500), status="paid")
    database["orders"].insert_many([busy, old])
    long_ago = Period(TODAY - timedelta(days=500), TODAY - timedelta(days=500))
    dashboard(actor=BOSS, period=long_ago)
    refreshed()
    past = {"statuses": [], **counted_at(NOW - timedelta(days=1, minutes=1))}
    database["figures_by_day"].update_one({"_id": key(old["created_at"])}, {"$set": past})
    database["orders"].update_one({"_id": busy["_id"]}, {"$set": {"updated_at": datetime.now(UTC)}})
    assert dashboard(actor=BOSS, period=long_ago).orders == 0
    refreshed()
    same(dashboard(actor=BOSS, period=long_ago), straight(database, long_ago))


def test_a_day_that_could_not_be_counted_again_is_left_alone_for_a_while(
    database: Database[Document], monkeypatch: pytest.MonkeyPatch
) -> None:
    database["orders"].insert_one(order(NOW - timedelta(days=2), status="paid", updated_at=NOW - timedelta(days=1)))
    refreshed()
    old = [NOW - timedelta(days=1, minutes=minutes) for minutes in (9, 5)]
    days = [key(NOW - timedelta(days=number)) for number in (2, 1)]
    for day, at in zip(days, old, strict=True):
        database["figures_by_day"].update_one({"_id": day}, {"$set": counted_at(at)})
    asked: list[datetime] = []

    def failing(day: datetime, *bounds: datetime) -> bool:
        asked.append(day)
        raise DatabaseError("too slow")

    monkeypatch.setattr(daily_figures, "count", failing)
    for _ in range(3):
        assert refresh(seconds=30) == Refresh(0)
    assert asked == days


def test_where_looking_for_changes_takes_too_long_every_day_is_counted_anew(
    database: Database[Document], monkeypatch: pytest.MonkeyPatch, old_news: None
) -> None:
    made = order(NOW - timedelta(days=3), status="pending")
    database["orders"].insert_one(made)
    refreshed()
    before = daily_figures.state()["until"]
    database["orders"].update_one({"_id": made["_id"]}, {"$set": {"status": "paid", "updated_at": datetime.now(UTC)}})
    monkeypatch.setattr(refreshing, "LOOKING", 0.000_001)
    assert refresh(seconds=30) == Refresh(4)
    assert daily_figures.state()["until"] > before
    assert dashboard(actor=BOSS, period=ALL).sold == 1


def test_another_failure_to_look_for_changes_marks_nothing(
    database: Database[Document], monkeypatch: pytest.MonkeyPatch
) -> None:
    database["orders"].insert_one(order(NOW, status="paid"))
    refreshed()
    before = daily_figures.state()["until"]

    def failing(since: datetime) -> None:
        raise DatabaseError("no primary")

    monkeypatch.setattr(daily_figures, "touched", failing)
    with pytest.raises(DatabaseError, match="no primary"):
        refresh(seconds=30)
    assert (daily_figures.state()["until"], database["figures_by_day"].count_documents({"stale": True})) == (before, 0)


def test_any_product_id_is_shown_as_it_is(database: Database[Document]) -> None:
    stock = {"state": "none", "attempts": 0, "error": ""}
    strange = {"product_id": "a\u2028b\x85c", "quantity": 1, "price": Decimal128("2.00"), "stock": stock}
    made = order(NOW, status="paid", items=[strange], total_price=Decimal128("2.00"))
    database["orders"].insert_one(made)
    refreshed()
    same(dashboard(actor=BOSS, period=ALL), straight(database, ALL))


def test_an_order_at_midnight_counts_on_the_day_that_begins_and_on_no_other(database: Database[Document]) -> None:
    midnight = key(NOW) - timedelta(days=2)
    earlier = midnight - timedelta(days=1)
    database["orders"].insert_many(
        [
            order(midnight - timedelta(milliseconds=1), status="pending"),
            order(
                midnight, status="shipped", paid_at=midnight - timedelta(hours=1), shipped_at=midnight, items=[line()]
            ),
        ]
    )
    refreshed()
    shown = {
        day: (found.orders, found.to_ship.orders, sum(product.units > 0 for product in found.by_units) > 0)
        for day in (earlier, midnight, midnight + timedelta(days=1))
        if (found := dashboard(actor=BOSS, period=Period(day.date(), day.date())))
    }
    assert list(shown.values()) == [(1, 0, False), (1, 1, True), (0, 0, False)]
    both = dashboard(actor=BOSS, period=Period(earlier.date(), midnight.date()))
    assert (both.orders, both.to_ship.orders, [day.orders for day in both.days]) == (2, 1, [1, 1])


@pytest.mark.parametrize(
    ("zone", "day"),
    [
        ("Europe/Berlin", date(2026, 3, 29)),
        ("Europe/Berlin", date(2026, 10, 25)),
        ("America/Sao_Paulo", date(2018, 11, 4)),  # at whose midnight clocks were put forward
        ("America/Sao_Paulo", date(2018, 2, 18)),  # and back
        ("Pacific/Apia", date(2011, 12, 30)),  # which was skipped
    ],
)
def test_days_on_which_clocks_change_count_each_order_once(
    database: Database[Document], use_zone: UseZone, zone: str, day: date
) -> None:
    use_zone(zone)
    chosen = Period(day - DAY, day + DAY)
    starts = [bound.replace(tzinfo=None) for one in (day, day + DAY) for bound in day_bounds(one)]
    moments = [start - timedelta(milliseconds=early) for start in starts for early in (0, 1)]
    moments += [starts[0] + timedelta(minutes=45 * number) for number in range(-20, 60)]
    database["orders"].insert_many([order(moment) for moment in moments])
    found = dashboard(actor=BOSS, period=chosen)
    same(found, straight(database, chosen))
    assert found.orders > 0


def test_the_days_of_a_change_are_those_of_the_zone(
    database: Database[Document], use_zone: UseZone, old_news: None
) -> None:
    use_zone("Asia/Kathmandu")
    noon = NOW.replace(hour=12, minute=0, second=0)
    evening = noon - timedelta(days=9, hours=-7)  # 19:00 in UTC is 00:45 there
    placed = order(evening, status="paid")
    database["orders"].insert_one(placed)
    refreshed()
    changes = {"status": "shipped", "shipped_at": evening + timedelta(days=3), "updated_at": datetime.now(UTC)}
    database["orders"].update_one({"_id": placed["_id"]}, {"$set": changes})
    assert refresh(seconds=30).counted == 2
    found = dashboard(actor=BOSS, period=ALL)
    same(found, straight(database, ALL))
    assert (found.to_ship.orders, [day.date for day in found.days if day.orders]) == (1, [evening.date() + DAY])


def test_another_time_zone_has_the_figures_counted_anew_and_until_then_shows_none_of_the_old(
    database: Database[Document], use_zone: UseZone, monkeypatch: pytest.MonkeyPatch
) -> None:
    fill(database, 300)
    database["orders"].insert_one(order(datetime.combine(ALL.first, datetime.min.time())))
    refreshed()
    use_zone("Asia/Tokyo")
    chosen = Period(ALL.first + 2 * DAY, TODAY)
    with monkeypatch.context() as hurry:
        hurry.setattr(dashboards, "COUNTING", 0.000_001)
        found = dashboard(actor=BOSS, period=chosen)
    assert (found.recounting, found.missing, found.orders, found.by_units) == (43, 43, 0, [])
    daily_figures.count(key(NOW), *day_bounds(TODAY))
    assert dashboards.daily_figures.days_of_another_zone(key(NOW) - DAY, key(NOW)) == 1
    refreshed()
    found = dashboard(actor=BOSS, period=chosen)
    same(found, straight(database, chosen))
    assert found.recounting == 0


def test_a_day_that_is_before_the_first_order_in_another_zone_is_counted_anew_too(
    database: Database[Document], use_zone: UseZone, old_news: None
) -> None:
    """It would be told as being recounted for ever."""
    evening = NOW.replace(hour=20) - timedelta(days=5)  # the next day in Tokyo
    made = order(evening, status="paid")
    database["orders"].insert_one(made)
    refreshed()
    use_zone("Asia/Tokyo")
    refreshed()
    found = dashboard(actor=BOSS, period=ALL)
    assert (found.recounting, found.orders) == (0, 1)
    database["orders"].delete_one({"_id": made["_id"]})
    use_zone("UTC")
    refreshed()
    found = dashboard(actor=BOSS, period=ALL)
    assert (found.recounting, found.orders) == (0, 0)


def test_figures_of_a_zone_that_is_set_again_do_not_miss_what_changed_meanwhile(
    database: Database[Document], use_zone: UseZone, monkeypatch: pytest.MonkeyPatch, old_news: None
) -> None:
    evening = NOW.replace(hour=20) - timedelta(days=5)  # the next day in Tokyo
    made = order(evening, status="pending")
    database["orders"].insert_many([made, order(NOW, status="paid")])
    refreshed()
    use_zone("Asia/Tokyo")
    monkeypatch.setattr(refreshing, "SLACK", timedelta(0))
    assert refresh(seconds=0) == Refresh(1, more=True)  # the old days are still those of UTC
    database["orders"].update_one({"_id": made["_id"]}, {"$set": {"status": "paid", "updated_at": datetime.now(UTC)}})
    refresh(seconds=0)
    use_zone("UTC")
    refreshed()
    same(dashboard(actor=BOSS, period=ALL), straight(database, ALL))


def test_a_day_that_is_counted_by_a_process_of_the_former_zone_is_counted_anew(
    database: Database[Document], use_zone: UseZone, old_news: None
) -> None:
    fill(database, 50, days=5)
    use_zone("Asia/Tokyo")
    refreshed()
    chosen, day = Period(TODAY - 3 * DAY, TODAY), key(NOW - DAY)
    use_zone("UTC")
    assert daily_figures.count(day, day, day + DAY)
    use_zone("Asia/Tokyo")
    same(dashboard(actor=BOSS, period=chosen), straight(database, chosen))


def test_figures_from_before_zones_were_recorded_are_of_utc(database: Database[Document], old_news: None) -> None:
    fill(database, 20, days=3)
    refreshed()
    database["figures_by_day"].update_many({}, {"$unset": {"zone": ""}})
    assert refresh(seconds=30) == Refresh(0)
    found = dashboard(actor=BOSS, period=ALL)
    same(found, straight(database, ALL))
    assert (found.orders > 0, found.recounting) == (True, 0)


def test_a_day_that_cannot_be_counted_in_a_new_zone_is_left_alone_for_a_while_and_not_shown(
    database: Database[Document], use_zone: UseZone, monkeypatch: pytest.MonkeyPatch
) -> None:
    database["orders"].insert_one(order(NOW, status="paid"))
    refreshed()
    use_zone("Asia/Tokyo")
    asked: list[datetime] = []

    def failing(day: datetime, *bounds: datetime) -> bool:
        asked.append(day)
        raise DatabaseError("too slow")

    monkeypatch.setattr(daily_figures, "count", failing)
    for _ in range(3):
        assert refresh(seconds=30) == Refresh(0)
    assert len(asked) == len(set(asked)) > 0
    assert dashboard(actor=BOSS, period=ALL).orders == 0


def test_only_the_best_sellers_of_a_day_are_kept_and_that_is_told(
    database: Database[Document], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(day_counts, "BEST_SELLERS", 5)
    fill(database, 100, days=1)
    refreshed()
    found, wanted = dashboard(actor=BOSS, period=Period(TODAY, TODAY)), straight(database, Period(TODAY, TODAY))
    assert found.cut
    assert found.by_units[:5] == wanted.by_units[:5]
    assert found.by_revenue[:5] == wanted.by_revenue[:5]
    assert found.ours == wanted.ours


def test_whoever_does_not_see_all_orders_sees_no_figures(database: Database[Document]) -> None:
    with pytest.raises(NotPermitted):
        dashboard(actor=access.customer("1"), period=ALL)
    assert database["figures_by_day"].count_documents({}) == 0


@pytest.mark.parametrize(
    ("first", "last", "problem"),
    [(0, -1, "after the end date"), (0, 1, "in the future"), (-400, 0, "at most 366 days"),
     (-20000, -19990, "no figures before")],
)  # fmt: skip
def test_a_period_that_makes_no_sense_is_refused(first: int, last: int, problem: str) -> None:
    with pytest.raises(InvalidPeriod, match=problem):
        period(TODAY + timedelta(days=first), TODAY + timedelta(days=last), today=TODAY)
    assert period(TODAY - timedelta(days=365), TODAY, today=TODAY).days == 366


def test_no_query_of_the_figures_reads_orders_that_it_does_not_need(
    database: Database[Document], old_news: None
) -> None:
    made = fill(database, 2000, days=40)
    refreshed()
    touched = made[0]
    database["orders"].update_many({}, {"$set": {"updated_at": NOW - timedelta(days=1)}})
    database["orders"].update_one({"_id": touched["_id"]}, {"$set": {"updated_at": NOW}})
    today = key(touched["created_at"])
    with profiled(database) as looking:
        daily_figures.touched(NOW - timedelta(minutes=1))
        refreshing.first_day()
    with profiled(database) as counting:
        daily_figures.count(today, today, today + DAY)
    of_orders = [operation for operation in [*looking, *counting] if operation["ns"].endswith(".orders")]
    assert len(of_orders) == 4
    for operation in of_orders:
        assert "IXSCAN" in operation["planSummary"], operation
        assert "COLLSCAN" not in operation["planSummary"]
    assert sum(operation["docsExamined"] for operation in of_orders if operation in looking) == 0  # covered
    placed = database["orders"].count_documents({"created_at": {"$gte": today, "$lt": today + timedelta(days=1)}})
    assert sum(operation["docsExamined"] for operation in counting if operation["ns"].endswith(".orders")) <= placed
    with profiled(database) as reading:
        dashboard(actor=BOSS, period=Period(TODAY - timedelta(days=6), TODAY))
    assert all("COLLSCAN" not in operation["planSummary"] for operation in reading), reading
    read = [operation for operation in reading if operation["ns"].endswith(".orders")]
    week = {"created_at": {"$gte": datetime.combine(TODAY - timedelta(days=6), datetime.min.time())}}
    for index, trouble in (
        ("unknown_newest", {"items.stock.state": "unknown"}), ("short_newest", {"items.stock.discrepancy": {"$gt": 0}}),
    ):  # fmt: skip
        [looked] = [operation for operation in read if operation["command"].get("hint") == index]
        assert not looked.get("hasSortStage")
        assert looked["docsExamined"] == database["orders"].count_documents(week | trouble) > 20
        read.remove(looked)
    assert sum(operation["docsExamined"] for operation in read) <= 1 + 20, "what each best seller is called"
    assert all(operation["docsExamined"] <= 1 for operation in read), read


def test_a_change_that_shows_later_than_it_says_is_noticed(database: Database[Document], old_news: None) -> None:
    made = order(NOW - timedelta(days=3), status="pending")
    database["orders"].insert_one(made)
    refreshed()
    late = datetime.now(UTC) - timedelta(minutes=4)
    database["orders"].update_one({"_id": made["_id"]}, {"$set": {"status": "paid", "updated_at": late}})
    refreshed()
    assert dashboard(actor=BOSS, period=ALL).sold == 1


def test_a_refresh_without_time_for_old_days_does_not_ask_for_another(
    database: Database[Document], monkeypatch: pytest.MonkeyPatch
) -> None:
    database["orders"].insert_many([order(NOW, status="pending"), order(NOW - timedelta(days=3), status="paid")])
    refreshed()
    old = key(NOW - timedelta(days=3))
    a_day_ago = NOW - timedelta(days=1, minutes=1)
    daily_figures.figures().update_one({"_id": old}, {"$set": counted_at(a_day_ago)})
    count = daily_figures.count

    def slow(day: datetime, *bounds: datetime) -> bool:
        time.sleep(0.05)
        return count(day, *bounds)

    monkeypatch.setattr(daily_figures, "count", slow)
    database["orders"].update_one({"status": "pending"}, {"$set": {"updated_at": datetime.now(UTC)}})
    assert refresh(seconds=0.01) == Refresh(counted=1, more=False)
