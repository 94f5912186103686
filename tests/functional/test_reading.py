"""GET one order, its history and its transitions over real HTTP."""

import json
from decimal import Decimal
from typing import Any

import pytest
from bson import ObjectId
from django.utils import timezone

from integrations.sandbox import Sandbox
from orders.api.serializers import OrderSerializer
from orders.models import Address, Contact, Order
from orders.services import access
from orders.services.audit import Act
from orders.services.lifecycle import editing, erasing
from orders.services.public_order import public_order
from orders.storage import order_reads
from tests.api_client import order_body
from tests.factories import ROUTES, OrderFactory
from tests.functional.helpers import (
    NOBODYS_ID,
    TWO_TOWELS,
    Api,
    Documents,
    problem,
    visitor_fixture,  # noqa: F401
)

PUBLIC = ("pending", "paid", "processing", "shipped", "delivered", "cancelled", "refunded")
VIEWS = ["", "/history", "/transitions"]
MAY = {
    "pending": {"pay": "paid", "cancel": "cancelled"},
    "paid": {"start_processing": "processing", "cancel": "cancelled", "refund": "refunded"},
    "processing": {"ship": "shipped", "cancel": "cancelled", "refund": "refunded"},
    "shipped": {"deliver": "delivered", "refund": "refunded"},
    "delivered": {"refund": "refunded"},
    "cancelled": {},
    "refunded": {},
}


# --- one order ---


@pytest.mark.parametrize("slash", ["", "/"])
@pytest.mark.parametrize("spelling", [str.lower, str.upper])
def test_an_order_is_read_by_its_id(visitor: Api, slash: str, spelling: Any) -> None:
    order = OrderFactory(status="paid")
    found = visitor().get(f"orders/{spelling(str(order.pk))}{slash}")
    assert found.status_code == 200
    assert found.json()["_id"] == found.json()["id"] == str(order.pk)
    assert found.json()["status"] == "paid"
    assert found.headers["ETag"] == '"2"'


def test_an_admin_reads_anybodys_order(visitor: Api) -> None:
    assert visitor(admin=True).get(f"orders/{OrderFactory(user_id='7').pk}").json()["user_id"] == "7"


@pytest.mark.parametrize("tags", ['"1"', 'W/"1"', '"7", "1"', '"7",,W/"1"', '"1-gzip"', "*"])
def test_an_order_that_the_client_has_already_is_not_sent_again(visitor: Api, tags: str) -> None:
    answer = visitor().get(f"orders/{OrderFactory().pk}", headers={"If-None-Match": tags})
    assert (answer.status_code, answer.content) == (304, b"")
    assert answer.headers["ETag"] == '"1"'


@pytest.mark.parametrize("tags", ['"0"', '"11"', '"7,1"', '"01"', "1", ""])
def test_an_order_that_the_client_has_not_is_sent(visitor: Api, tags: str) -> None:
    assert visitor().get(f"orders/{OrderFactory().pk}", headers={"If-None-Match": tags}).status_code == 200


@pytest.mark.parametrize("view", VIEWS)
@pytest.mark.parametrize("order_id", ["1", "x" * 24, "0" * 23, "0" * 25, "%00", "٣" * 24, "0" * 23 + "%0A", "a" * 200])
def test_a_malformed_id_is_refused(visitor: Api, view: str, order_id: str) -> None:
    assert list(problem(visitor().get(f"orders/{order_id}{view}"), 400)["errors"]) == ["order_id"]


@pytest.mark.parametrize("view", VIEWS)
def test_an_unknown_order_is_not_found(visitor: Api, view: str) -> None:
    problem(visitor().get(f"orders/{NOBODYS_ID}{view}"), 404, "order_not_found")


@pytest.mark.parametrize("view", VIEWS)
def test_anothers_order_is_not_found_just_as_none(visitor: Api, view: str) -> None:
    order = OrderFactory(user_id="2")
    found = problem(visitor("1").get(f"orders/{order.pk}{view}"), 404, "order_not_found")
    none = problem(visitor("1").get(f"orders/{NOBODYS_ID}{view}"), 404)
    assert found == none | {"detail": none["detail"].replace(NOBODYS_ID, str(order.pk))}


@pytest.mark.parametrize("view", VIEWS)
@pytest.mark.parametrize("status", ["placing", "rejected"])
@pytest.mark.parametrize("admin", [False, True])
def test_a_draft_is_not_found_by_anybody(visitor: Api, view: str, status: str, admin: bool) -> None:
    problem(visitor(admin=admin).get(f"orders/{OrderFactory(status=status).pk}{view}"), 404, "order_not_found")


def with_what_follows(order: Any) -> Any:
    """An order of no parts, with the members that follow from the others."""
    whole = public_order(order_reads.get_whole(order.pk) or {})
    for item, shown in zip(order.items, whole["items"], strict=True):
        item.state = shown["state"]
    for name in ("on_hold", "paid", "refunded", "owed"):
        setattr(order, name, whole[name])
    return order


@pytest.mark.parametrize("status", PUBLIC)
def test_what_is_sent_is_what_the_documented_serializer_makes_of_the_order(visitor: Api, status: str) -> None:
    order = OrderFactory(status=status, lines=3, user_verified=status != "paid")
    order.items[0].price, order.items[1].price, order.items[2].quantity = (
        Decimal("99999999.99"),
        Decimal("0.01"),
        10_000,
    )
    order.total_price = order.total
    order.save()
    documented = json.loads(json.dumps(OrderSerializer(with_what_follows(Order.objects.get(pk=order.pk))).data))
    sent = visitor().get(f"orders/{order.pk}").json()
    assert sent == documented
    assert list(sent) == list(documented)
    assert visitor().get("orders/").json() == [documented]


# --- its history ---


def test_an_admin_sees_who_did_what_and_why(api: Api, sandbox: Sandbox) -> None:
    placed = api().post("orders/", json=_body(), headers={"X-Request-ID": "placed-1"}).json()
    staff = api(admin=True)
    told = {"status": "paid", "reason": "by bank transfer"}
    staff.put(f"orders/{placed['id']}/status", json=told, headers={"X-Request-ID": "paid-1"})
    staff.delete(f"orders/{placed['id']}", headers={"X-Request-ID": "gone-1"})
    history = staff.get(f"orders/{placed['id']}/history").json()
    assert [_essence(entry) for entry in history] == [
        ("place", None, "pending", "customer:1", "api", "", "placed-1", None),
        ("pay", "pending", "paid", "admin:staff", "api", "by bank transfer", "paid-1", None),
        ("cancel", "paid", "cancelled", "admin:staff", "api", "", "gone-1", None),
        ("stock", "", "released", "admin:staff", "api", "", "gone-1", 0),
    ]
    assert [entry["at"] for entry in history] == sorted(entry["at"] for entry in history)


def test_a_customer_sees_neither_names_nor_reasons_of_others(api: Api, sandbox: Sandbox) -> None:
    placed = api().post("orders/", json=_body(), headers={"X-Request-ID": "placed-1"}).json()
    told = {"status": "paid", "reason": "a difficult customer"}
    api(admin=True).put(f"orders/{placed['id']}/status", json=told, headers={"X-Request-ID": "paid-1"})
    own = {"status": "cancelled", "reason": "changed my mind"}
    api().put(f"orders/{placed['id']}/status", json=own, headers={"X-Request-ID": "gone-1"})
    answer = api().get(f"orders/{placed['id']}/history")
    assert [_essence(entry) for entry in answer.json()] == [
        ("place", None, "pending", "customer:1", "api", "", "placed-1", None),
        ("pay", "pending", "paid", "admin", "api", "", "", None),
        ("cancel", "paid", "cancelled", "customer:1", "api", "changed my mind", "gone-1", None),
    ]
    assert "staff" not in answer.text
    assert "difficult" not in answer.text


def test_notes_are_for_admins_and_of_a_new_address_a_customer_learns_the_moment(visitor: Api) -> None:
    order_id = ObjectId(OrderFactory().pk)
    maria = access.admin("maria", request_id="desk-1")
    address = Address(line1="2 Short Street", city="Sylvania", postal_code="1", country="Freedonia")
    editing.write_note(order_id=order_id, text="a difficult customer", act=Act(maria, timezone.now()))
    editing.change_address(
        order_id=order_id, address=address, act=Act(maria, timezone.now(), "he shouted"), expected_version=2
    )
    of_admins = visitor(admin=True).get(f"orders/{order_id}/history").json()
    assert [_essence(entry) for entry in of_admins[1:]] == [
        ("note", None, None, "admin:maria", "api", "a difficult customer", "desk-1", None),
        ("change_address", None, None, "admin:maria", "api", "he shouted", "desk-1", None),
    ]
    answer = visitor().get(f"orders/{order_id}/history")
    assert [_essence(entry) for entry in answer.json()[1:]] == [
        ("change_address", None, None, "admin", "api", "", "", None)
    ]
    stale = visitor().delete(f"orders/{order_id}", headers={"If-Match": '"1"'})
    assert [change["act"] for change in stale.json()["changes"]] == ["change_address"]
    whole = answer.text + stale.text + visitor().get(f"orders/{order_id}").text + visitor().get("orders/").text
    for secret in ("difficult", "shouted", '"act":"note"', "maria", "desk-1", 'detail":"1'):
        assert secret not in whole


def test_of_an_order_whose_personal_data_was_erased_the_rest_is_read(visitor: Api) -> None:
    order_id = ObjectId(OrderFactory(status="delivered", contact=Contact(name="Amara"), note="ring twice").pk)
    before = visitor().get(f"orders/{order_id}")
    maria = access.admin("maria", request_id="desk-1")
    erasing.erase_order(order_id=order_id, act=Act(maria, timezone.now(), "Request 4711"))
    after = visitor().get(f"orders/{order_id}", headers={"If-None-Match": before.headers["ETag"]})
    assert after.status_code == 200, "a cached copy is out of date"
    changed = {name for name, value in after.json().items() if value != before.json()[name]}
    assert changed == {"contact", "shipping_address", "note", "version", "updated_at"}
    assert set(after.json()["contact"].values()) == {""}
    assert {name for name, value in after.json()["shipping_address"].items() if value} == {"country"}
    assert visitor().get("orders/").json() == [after.json()]
    entry = ("erase", None, None, "admin", "api", "", "", None)
    assert _essence(visitor().get(f"orders/{order_id}/history").json()[-1]) == entry
    assert OrderSerializer(with_what_follows(Order.objects.get(pk=order_id))).data["note"] == ""


@pytest.mark.parametrize("admin", [False, True])
@pytest.mark.parametrize("status", PUBLIC)
def test_a_history_shows_no_internal_status(visitor: Api, status: str, admin: bool) -> None:
    order = OrderFactory(status=status)
    history = visitor(admin=admin).get(f"orders/{order.pk}/history").json()
    assert [entry["act"] for entry in history] == [name for name, _ in ROUTES[status]]
    assert {entry["from"] for entry in history} | {entry["to"] for entry in history} <= {None, *PUBLIC}


# --- what may be done now ---


@pytest.mark.parametrize("status", PUBLIC)
def test_an_admin_may_do_what_the_table_says(visitor: Api, status: str) -> None:
    answer = visitor(admin=True).get(f"orders/{OrderFactory(status=status).pk}/transitions")
    assert {move["name"]: move["to"] for move in answer.json()} == MAY[status]
    assert all(set(move) == {"name", "to", "description", "effect"} and move["description"] for move in answer.json())


@pytest.mark.parametrize("status", PUBLIC)
def test_a_customer_may_cancel_at_most(visitor: Api, status: str) -> None:
    answer = visitor().get(f"orders/{OrderFactory(status=status).pk}/transitions")
    names = [move["name"] for move in answer.json()]
    assert names == (["cancel"] if "cancel" in MAY[status] else [])


@pytest.mark.parametrize("view", VIEWS)
def test_a_slash_at_the_end_changes_nothing(visitor: Api, view: str) -> None:
    path = f"orders/{OrderFactory(status='paid').pk}{view}"
    assert visitor().get(f"{path}/").json() == visitor().get(path).json() != []


def test_reading_changes_nothing(visitor: Api, database: Documents) -> None:
    order = OrderFactory()
    before = database["orders"].find_one({"_id": ObjectId(order.pk)})
    for view in VIEWS:
        visitor().get(f"orders/{order.pk}{view}")
    assert database["orders"].find_one({"_id": ObjectId(order.pk)}) == before


def _body() -> dict[str, Any]:
    return order_body("1", TWO_TOWELS)


def _essence(entry: dict[str, Any]) -> tuple[Any, ...]:
    names = ("act", "from", "to", "actor", "via", "reason", "request_id")
    return (*(entry[name] for name in names), entry.get("line"))
