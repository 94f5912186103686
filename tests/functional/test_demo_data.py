"""`manage.py load_demo_data`: a shop that has been busy, whose stock adds up."""

import contextlib
import io
import time
from collections import Counter
from collections.abc import Iterator
from datetime import datetime, timedelta
from functools import reduce
from typing import Any

import pytest
from django.contrib.auth import authenticate
from django.contrib.auth.models import User
from django.core.management import CommandError, call_command
from django.test import RequestFactory
from django.utils import timezone
from pymongo.database import Database
from pytest_django import Settings

from devtools import demo_data, demo_orders, demo_stories
from integrations.sandbox import Sandbox
from integrations.sandbox.catalogue import CUSTOMERS, PRODUCTS
from orders.models import PART_ACTS, PUBLIC_STATUSES
from orders.services.lifecycle import reservation
from tests.functional.admin_helpers import EDGES, ROLES, WORK, Document
from tests.functional.helpers import dead_url, settle
from tests.order_invariants import violations_of


@pytest.fixture
def shop(sandbox: Sandbox, settings: Settings) -> Iterator[Sandbox]:
    """The sandbox, emptied, at the place where the demo data look for it."""
    database = sandbox.control.products.database
    settings.SANDBOX_MONGODB_DB = database.name
    sandbox.control.reset()
    database["demo"].delete_many({})
    yield sandbox
    database["demo"].delete_many({})


@pytest.fixture
def small(monkeypatch: pytest.MonkeyPatch) -> int:
    """Where how many there are is not the point."""
    monkeypatch.setattr(demo_stories, "ORDERS", 24)
    return demo_stories.ORDERS


def load() -> str:
    out = io.StringIO()
    call_command("load_demo_data", stdout=out)
    return out.getvalue().strip()


def all_orders(database: Database[Document]) -> list[Document]:
    return list(database["orders"].find().sort("created_at", 1))


def check_stock(database: Database[Document], sandbox: Sandbox) -> None:
    """Inventory's reserved are our reserved and used lines, per product, and available is what was there less that."""
    held: Counter[str] = Counter()
    for order in all_orders(database):
        for item in order["items"]:
            if item["stock"]["state"] in ("reserved", "used"):
                held[item["product_id"]] += item["quantity"]
    levels = {level["product_id"]: level for level in sandbox.control.stocks()}
    assert {product: level["reserved"] for product, level in levels.items() if level["reserved"]} == dict(held)
    for product in PRODUCTS:
        assert levels[product.product_id]["available"] == product.available - held[product.product_id]


@pytest.mark.slow
def test_it_loads_orders_of_the_last_sixty_days_and_their_stock_adds_up(
    database: Database[Document], shop: Sandbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert demo_stories.ORDERS == 300  # the quickstart's own test loads them all
    monkeypatch.setattr(demo_stories, "ORDERS", 120)
    before = timezone.now().replace(tzinfo=None)
    assert load() == "loaded 120 demo orders"
    orders = all_orders(database)
    assert len(orders) == 120
    assert {order["status"] for order in orders} == set(PUBLIC_STATUSES)
    assert len({order["number"] for order in orders}) == 120
    assert len({order["user_id"] for order in orders}) == sum(customer.active for customer in CUSTOMERS)
    check_stock(database, shop)
    assert not [order["_id"] for order in orders if order.get("stock_due_at")]
    unpaid = [order for order in orders if order["status"] == "pending"]
    assert unpaid
    assert all(before - order["created_at"] < timedelta(days=3, minutes=1) for order in unpaid)
    check_times(orders, before)
    check_histories(orders)
    check_names(orders)
    assert [order for order in orders if order["status"] == "processing" and order.get("shipments")]
    assert [order for order in orders if order.get("held_at")]
    assert [order for order in orders if order.get("refunds") and order["status"] == "delivered"]
    assert [order for order in orders if order.get("returns")]
    assert [found for order in orders if (found := violations_of(order))] == []
    assert load() == "demo data is there already"
    assert all_orders(database) == orders
    check_stock(database, shop)


def check_times(orders: list[Document], now: datetime) -> None:
    first, last = orders[0]["created_at"], orders[-1]["created_at"]
    assert timedelta(days=57) < now - first <= timedelta(days=60, minutes=1)
    assert now - last < timedelta(days=2)
    per_week = Counter((now - order["created_at"]).days // 10 for order in orders)
    assert all(per_week[week] >= 8 for week in range(6))
    latest = timezone.now().replace(tzinfo=None)
    for order in orders:
        moments = [entry["at"] for entry in order["history"]]
        assert moments == sorted(moments)
        assert order["created_at"] == order["placed_at"] == moments[0]
        assert max(*moments, order["updated_at"]) <= latest
        assert order["updated_at"] == [entry["at"] for entry in order["history"] if "line" not in entry][-1]


def check_names(orders: list[Document]) -> None:
    people = {str(customer.user_id): (customer.full_name, customer.email) for customer in CUSTOMERS}
    called = {product.product_id: (product.name, product.sku) for product in PRODUCTS}
    for order in orders:
        assert (order["contact"]["name"], order["contact"]["email"]) == people[order["user_id"]]
        assert all((item["name"], item["sku"]) == called[item["product_id"]] for item in order["items"])
        assert (order["currency"], order["reference"][:4]) == ("EUR", "WEB-")
    for said in ("note", "contact.phone", "shipping_address.name", "shipping_address.company"):
        found = {str(reduce(lambda part, name: part[name], said.split("."), order)) for order in orders}
        assert "" in found, f"every order has a {said}"
        assert len(found) > 2, f"hardly any order has a {said}"


def check_histories(orders: list[Document]) -> None:
    for order in orders:
        status = "placing"
        for entry in order["history"][1:]:
            if "line" in entry or entry["act"] in (*PART_ACTS, "hold"):
                continue
            assert entry["from"] == status
            if status != "placing":
                assert EDGES[status][entry["act"]] == entry["to"]
                expired = entry["reason"].startswith("Not paid within")
                assert entry["actor"].startswith("system:" if expired else "staff:")
                assert bool(entry["reason"]) == (entry["act"] in ("cancel", "refund"))
            status = entry["to"]
        assert status == order["status"]
        assert order["user_verified"] is True
        assert order["version"] == len([entry for entry in order["history"] if "line" not in entry]) - 1


def test_a_second_call_does_nothing_even_where_customers_went_on(
    database: Database[Document], shop: Sandbox, small: int
) -> None:
    assert load() == f"loaded {small} demo orders"
    shop.control.put_product(PRODUCTS[0].product_id, name="Sold out", price="1.00", available=0)
    User.objects.get(username="support").delete()
    database["orders"].delete_one({})
    assert load() == "demo data is there already"
    assert database["orders"].count_documents({}) == small - 1
    assert shop.control.stock(PRODUCTS[0].product_id).available == 0
    assert User.objects.filter(username="support").exists()


def test_an_interrupted_load_is_finished_without_doubles(
    database: Database[Document], shop: Sandbox, small: int
) -> None:
    demo_data.prepare()
    now = timezone.now() - timedelta(minutes=10)
    for story in list(demo_stories.stories(now))[:10:2]:
        demo_orders.replay(story, now)
    early = {order["_id"]: order for order in all_orders(database)}
    assert len(early) == 5
    assert not demo_data.is_loaded()
    assert load() == f"loaded {small} demo orders"
    after = all_orders(database)
    assert len(after) == small
    for order in after:
        if order["_id"] in early:
            assert order["number"] == early[order["_id"]]["number"]
            assert order["history"][: len(early[order["_id"]]["history"])] == early[order["_id"]]["history"]
    check_histories(after)
    check_stock(database, shop)
    assert shop.control.counts()["reserve"] == sum(len(order["items"]) for order in after)


@pytest.mark.slow
def test_a_load_that_was_killed_while_placing_can_be_finished(
    database: Database[Document], shop: Sandbox, small: int, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Killed(BaseException):
        """Nothing runs after it, as after kill -9."""

    def die(*args: Any, **kwargs: Any) -> Any:
        raise Killed

    demo_data.prepare()
    now = timezone.now()
    first = next(demo_stories.stories(now))
    lease, settings.STOCK_LEASE = settings.STOCK_LEASE, 2.0
    with monkeypatch.context() as patch:
        patch.setattr(reservation, "call_inventory", die)
        with pytest.raises(Killed):
            demo_orders.replay(first, now)
    settings.STOCK_LEASE = lease
    assert [order["status"] for order in all_orders(database)] == ["placing"]
    with contextlib.suppress(CommandError):  # it may ask for patience until the lease has lapsed …
        load()
    time.sleep(2.1)
    load()  # … and needs no worker then: `make run` starts that only after the data are there
    assert load() == "demo data is there already"
    placed = [order for order in all_orders(database) if order["status"] not in ("placing", "rejected")]
    assert len(placed) == small
    settle(database)
    check_stock(database, shop)


@pytest.mark.parametrize("peer", ["PRODUCT", "INVENTORY"])
def test_without_the_sandbox_the_command_says_so(
    database: Database[Document], shop: Sandbox, small: int, settings: Settings, peer: str
) -> None:
    alive = getattr(settings, f"{peer}_SERVICE_URL")
    setattr(settings, f"{peer}_SERVICE_URL", dead_url())
    with pytest.raises(CommandError, match=r"the sandbox does not answer .*make run"):
        load()
    assert all_orders(database) == []
    assert not demo_data.is_loaded()
    setattr(settings, f"{peer}_SERVICE_URL", alive)
    assert load() == f"loaded {small} demo orders"
    check_stock(database, shop)


def test_what_answers_in_the_sandboxs_place_is_not_taken_for_it(
    database: Database[Document], shop: Sandbox, settings: Settings, live_server_url: str
) -> None:
    settings.INVENTORY_SERVICE_URL = f"{live_server_url}/api/v1"
    with pytest.raises(CommandError, match=r"the sandbox does not answer \(.* is something else\)"):
        load()
    assert not User.objects.exists()
    assert shop.control.stocks() == []


@pytest.mark.parametrize("name", ["MONGODB_URI", "USER_SERVICE_URL", "PRODUCT_SERVICE_URL", "INVENTORY_SERVICE_URL"])
def test_where_something_is_real_nothing_is_loaded(
    database: Database[Document], shop: Sandbox, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    monkeypatch.setenv("REAL_SYSTEMS", name)
    with pytest.raises(CommandError, match=f"what {name} names may be real; nothing was written"):
        load()
    assert not User.objects.exists()
    assert shop.control.counts() == {}
    assert shop.control.stocks() == []


def test_each_login_works_and_may_do_what_its_role_may(database: Database[Document], shop: Sandbox) -> None:
    demo_data.prepare()
    demo_data.prepare()
    assert User.objects.count() == 5
    for login, role in demo_data.STAFF.items():
        user = authenticate(RequestFactory().get("/"), username=login, password=login)
        assert user is not None
        assert (user.is_staff, user.is_superuser) == (True, False)
        expected = {"view", *ROLES[role]}
        work = {f"orders.{name}" for name in {*WORK[role], "view_bulkrun"}}
        work |= {"orders.view_webhookendpoint"} if "manage_webhooks" in WORK[role] else set()
        work |= {"orders_project.manage_staff"} if role == "Manager" else set()
        assert user.get_all_permissions() == {f"orders.{name}_order" for name in expected} | work
    admin = authenticate(RequestFactory().get("/"), username=demo_data.SUPERUSER, password=demo_data.SUPERUSER)
    assert admin is not None
    assert admin.is_superuser
    assert authenticate(RequestFactory().get("/"), username="support", password="wrong") is None


def test_what_somebody_changed_of_a_login_is_kept(database: Database[Document], shop: Sandbox) -> None:
    demo_data.prepare()
    user = User.objects.get(username="support")
    user.set_password("another")
    user.save()
    user.groups.clear()
    demo_data.prepare()
    user = User.objects.get(username="support")
    assert user.check_password("another")
    assert not user.groups.exists()
