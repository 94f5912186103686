"""Demand that was turned away for lack of stock is counted by product and day, and never in the way of the refusal."""

from datetime import datetime, timedelta

import pytest
from django.utils import timezone
from pymongo.database import Database

from integrations.sandbox import Sandbox
from orders.services import access
from orders.services.errors import OrderError
from orders.services.lifecycle import lost_demand
from orders.services.lifecycle.verification import InsufficientStock
from orders.services.reporting.dashboard_figures import dashboard
from orders.services.reporting.shop_figures import Demand, Period
from orders.storage import daily_figures, turned_away
from orders.storage.order_writes import orders
from tests.conftest import UseZone
from tests.functional.admin_helpers import Document, profiled
from tests.integration.builders import A, B, C, line, place, shelve, store

BOSS = access.admin("boss")


def rows() -> dict[str, tuple[int, int]]:
    """Units and times by product, over all days."""
    return {row["_id"]["product"]: (row["units"], row["times"]) for row in turned_away.turned_away().find()}


def days(before: int = 0) -> Period:
    return Period(timezone.localdate() - timedelta(days=before), timezone.localdate())


def test_what_the_check_or_the_reservation_refuses_is_counted_and_nothing_else(
    database: Database[Document], sandbox: Sandbox
) -> None:
    shelve(sandbox, A, available=1)
    shelve(sandbox, B, available=10)
    for _ in range(2):
        with pytest.raises(InsufficientStock):
            place((A, 2), (B, 1), (A, 3))
    sandbox.control.fault("reserve", "status", status=400, product_id=B, times=1)
    with pytest.raises(InsufficientStock):
        place((A, 1), (B, 4))
    assert rows() == {A: (10, 2), B: (4, 1)}
    place((A, 1), idempotency_key="k")
    place((A, 1), idempotency_key="k")
    with pytest.raises(OrderError, match="no active user"):
        place((A, 100), user_id="404")
    assert rows() == {A: (10, 2), B: (4, 1)}
    found = dashboard(actor=BOSS, period=days())
    assert found.turned_away == [Demand(A, "Thing", 10, 2), Demand(B, "Thing", 4, 1)]
    assert found.others == 0


def test_a_refusal_is_none_the_less_for_not_being_counted(
    database: Database[Document], sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    shelve(sandbox, A, available=1)
    monkeypatch.setattr(lost_demand, "LONGEST", 0.000_001)
    with pytest.raises(InsufficientStock) as refused:
        place((A, 2))
    assert set(refused.value.members) == {"errors", "available"}, "what is counted is not part of the answer"
    assert rows() == {}
    assert orders().count_documents({}) == 0


def test_a_day_has_so_many_products_and_the_others_are_counted_together(
    database: Database[Document], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(turned_away, "MOST", 3)
    today = daily_figures.day_key(days().last)
    for wanted in ({"a": 1, "b": 2}, {"c": 3, "d": 4, "e": 5}, {"a": 10, "f": 6}):
        turned_away.add(today, wanted)
    assert rows() == {"a": (11, 2), "b": (2, 1), "c": (3, 1), turned_away.OTHERS: (15, 2)}
    turned_away.add(today - timedelta(days=1), {"f": 7})
    found = dashboard(actor=BOSS, period=days(before=1))
    assert [(demand.product_id, demand.units) for demand in found.turned_away] == [
        ("a", 11),
        ("f", 7),
        ("c", 3),
        ("b", 2),
    ]
    assert found.others == 15


def test_the_most_wanted_of_the_days_are_shown_by_what_they_are_called(database: Database[Document]) -> None:
    today = daily_figures.day_key(days().last)
    turned_away.add(today, {f"p{number}": number for number in range(1, 13)} | {C: 100})
    for day in (today - timedelta(days=2), today + timedelta(days=1)):
        turned_away.add(day, {"p1": 1000})
    store("paid", line("reserved", C) | {"name": "Lamp"})
    found = dashboard(actor=BOSS, period=days(before=1))
    assert [demand.units for demand in found.turned_away] == [100, *range(12, 3, -1)]
    assert (found.turned_away[0].name, found.turned_away[1].name) == ("Lamp", "p12")


def test_the_day_is_that_of_the_shops_clocks(database: Database[Document], use_zone: UseZone) -> None:
    use_zone("Asia/Tokyo")
    lost_demand.count_turned_away({"a": 1}, at=datetime.fromisoformat("2026-03-01T15:30:00+00:00"))
    [row] = turned_away.turned_away().find()
    assert row["_id"]["day"] == datetime(2026, 3, 2)  # noqa: DTZ001 - a key


def test_counting_and_reading_look_at_nothing_else(database: Database[Document]) -> None:
    today = daily_figures.day_key(days().last)
    for before in range(30):
        turned_away.add(today - timedelta(days=before), {f"p{number}": 1 for number in range(20)})
    with profiled(database) as done:
        turned_away.add(today, {"p1": 1, "new": 1})
        turned_away.most_wanted(today - timedelta(days=1), today, 10)
    asked = [operation for operation in done if operation["ns"].endswith(".turned_away")]
    assert len(asked) >= 4
    for operation in asked:
        assert "COLLSCAN" not in operation["planSummary"], operation
        assert operation["docsExamined"] <= 41, operation
