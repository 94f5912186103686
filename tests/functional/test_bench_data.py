"""`make bench-data`: orders to measure with, each of them as the services would have made it."""

import random
import re
from collections import Counter
from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any

import pytest
from django.contrib.auth.models import User
from pymongo.database import Database

from integrations.sandbox import Sandbox
from orders.models import Status
from orders.services.lifecycle import transitions
from tests.bench import data, order_writer
from tests.bench.order_maker import Maker
from tests.factories import OrderFactory
from tests.integration.builders import ADMIN, A, B, act, place, read
from tests.order_invariants import violations_of

pytestmark = pytest.mark.slow

Document = dict[str, Any]
NOW = datetime(2026, 11, 20, 15, 30)  # noqa: DTZ001 - naive UTC, as stored
DAYS = 60
MANY = 6000
Run = Callable[..., str]


@pytest.fixture(scope="module")
def made() -> list[Document]:
    chance = random.Random(5)
    maker = Maker(NOW, chance)
    return [maker.order(moment) for moment in order_writer.moments_of_placement(MANY, NOW, DAYS, chance)]


@pytest.fixture
def run(database: Database[Document], capsys: pytest.CaptureFixture[str]) -> Run:
    """Has that many orders made, and returns what is printed."""

    def fill(count: int, days: int = DAYS, **how: bool) -> str:
        data.fill(count, days, **how)
        return capsys.readouterr().out

    return fill


def seen(order: Document) -> list[Document]:
    return [entry for entry in order["history"] if "line" not in entry]


def test_nothing_is_wrong_with_any_order(made: list[Document]) -> None:
    assert len(made) == MANY
    assert [problem for order in made for problem in violations_of(order)] == []
    assert len({order["_id"] for order in made}) == len({order["number"] for order in made}) == MANY
    for order in made:
        assert re.fullmatch(r"([0-9A-HJKMNP-TV-Z]{4}-){2}[0-9A-HJKMNP-TV-Z]{4}", order["number"])
        cost = sum(item["price"].to_decimal() * item["quantity"] for item in order["items"])
        assert order["total_price"].to_decimal() == cost
        assert 5 <= cost <= 5000
        assert 1 <= len(order["items"]) <= 5


def test_its_moments_are_those_of_its_history(made: list[Document]) -> None:
    for order in made:
        times = [entry["at"] for entry in order["history"]]
        became = {entry["to"]: entry["at"] for entry in seen(order)}
        assert times == sorted(times)
        assert order["created_at"] == times[0]
        assert times[-1] <= NOW
        assert order["updated_at"] == order["status_since"] == seen(order)[-1]["at"]
        assert order.get("placed_at") == became.get("pending")
        assert order.get("paid_at") == became.get("paid")
        assert order.get("shipped_at") == became.get("shipped")
        assert order["write_id"] == order["history"][-1]["write_id"]


def test_they_are_as_varied_as_those_of_a_shop(made: list[Document]) -> None:
    count = Counter(order["status"] for order in made)
    assert set(count) == set(Status.values) - {"placing"}
    assert count["delivered"] > MANY * 0.6
    assert count["cancelled"] + count["refunded"] > MANY * 0.05
    lines = Counter(item["stock"]["state"] for order in made for item in order["items"])
    assert set(lines) == {"none", "reserved", "used", "released", "unknown"}
    assert 0 < sum(not order["user_verified"] for order in made) < MANY * 0.02
    for key, most in (("user_id", MANY * 0.05), ("product_id", MANY * 0.2)):
        values = Counter(item[key] for order in made for item in ([order] if key == "user_id" else order["items"]))
        assert len(values) > 1000
        assert 10 < values.most_common(1)[0][1] < most


def test_they_are_placed_over_the_whole_time_and_by_day_and_growing_in_number() -> None:
    placed = list(order_writer.moments_of_placement(20_000, NOW, 700, random.Random(1)))
    assert len(placed) == 20_000
    assert placed == sorted(placed)
    assert NOW - timedelta(days=700) <= placed[0] < NOW - timedelta(days=690)
    assert NOW - timedelta(days=1) < placed[-1] < NOW
    half = NOW - timedelta(days=350)
    assert 1.4 < sum(moment > half for moment in placed) / sum(moment <= half for moment in placed) < 2.2
    hours = Counter(moment.hour for moment in placed)
    assert hours[19] > 8 * hours[3]


def shape(value: Any) -> Any:
    """The names and types in a document; a list has the shapes of what is in it."""
    if isinstance(value, dict):
        return {name: shape(inner) for name, inner in value.items()}
    if isinstance(value, list):
        return {str(shape(inner)) for inner in value}
    return type(value).__name__


def test_they_are_stored_as_the_services_store_theirs(database: Database[Document], sandbox: Sandbox) -> None:
    real: dict[str, Document] = {}
    for path in ((), ("pay",), ("cancel",), ("pay", "start_processing", "ship"), ("pay", "refund")):
        order = place((A, 1), (B, 1)).order
        for transition in path:
            transitions.change_status(order_id=order["_id"], transition=transition, act=act(ADMIN))
        stored = {name: value for name, value in read(order["_id"]).items() if name not in ("untold_at", "told")}
        real[stored["status"]] = stored
    order_writer.add_orders(4000, now=NOW, days=DAYS, chance=random.Random(2))
    for status, order in real.items():
        path = [entry["act"] for entry in seen(order)]
        other = next(
            made
            for made in database["orders"].find({"status": status, "history.0.write_id": {"$regex": "^bench"}})
            if [entry["act"] for entry in seen(made)] == path and "discrepancy" not in str(made)
        )
        assert shape(other) == shape(order)


def test_it_tops_up_to_as_many_as_are_asked_for(database: Database[Document], sandbox: Sandbox, run: Run) -> None:
    assert run(1500).endswith(f"1500 orders in {database.name}\n")
    first = {order["_id"] for order in database["orders"].find({}, {"_id": 1})}
    assert len(first) == 1500
    assert run(1400) == f"1500 orders in {database.name}\n"
    assert database["orders"].count_documents({}) == 1500
    assert "201 written in" in run(1701, 20)
    assert database["orders"].count_documents({"_id": {"$in": list(first)}}) == 1500
    assert database["orders"].count_documents({}) == 1701
    assert sandbox.control.counts() == {}
    assert User.objects.get(username="admin").is_superuser


def test_it_reports_how_far_it_is(database: Database[Document], run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(data, "REPORT_EVERY", 0)
    assert re.search(r"^1000 of 1200 written, \d+ a second$", run(1200), re.MULTILINE)


def test_it_refuses_a_database_with_orders_of_others(database: Database[Document], run: Run) -> None:
    run(10)
    OrderFactory()
    with pytest.raises(SystemExit, match=f"the database {database.name} holds orders that were not made here"):
        run(100)
    assert database["orders"].count_documents({}) == 11
    run(100, among_others=True)
    assert database["orders"].count_documents({}) == 100


def test_it_knows_its_own_orders_even_after_staff_have_changed_them(
    database: Database[Document], sandbox: Sandbox, run: Run
) -> None:
    run(50, 1)
    order = database["orders"].find_one({"status": {"$in": ["pending", "paid"]}}) or {}
    name = "pay" if order["status"] == "pending" else "start_processing"
    transitions.change_status(order_id=order["_id"], transition=name, act=act(ADMIN))
    assert not order_writer.has_strangers()


def test_where_something_is_real_it_writes_nothing(
    database: Database[Document], run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("REAL_SYSTEMS", "MONGODB_URI")
    with pytest.raises(SystemExit, match="what MONGODB_URI names may be real; nothing was written"):
        run(10)
    assert database["orders"].count_documents({}) == 0
    assert not User.objects.exists()
