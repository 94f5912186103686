"""`manage.py import_orders`: historical orders out of files, all or none of them, and none twice."""

import csv
import io
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from bson import Decimal128, Int64, ObjectId
from django.core.management import CommandError, call_command
from django.db import DatabaseError
from django.utils import timezone
from pymongo.database import Database
from pymongo.errors import AutoReconnect
from pytest_django import Settings

from devtools.localhost import ROOT
from integrations.sandbox import Sandbox
from orders.models import (
    PUBLIC_STATUSES,
    Address,
    Charge,
    Contact,
    Hold,
    Item,
    Order,
    Payment,
    Refund,
    Return,
    Shipment,
    Stock,
)
from orders.services.access import NotPermitted, admin, system
from orders.services.audit import Act
from orders.services.lifecycle.drafts import Details, InvalidOrder, new_draft
from orders.services.lifecycle.erasing import erase_order
from orders.services.public_order import public_order
from orders.services.search_terms import terms_of
from orders.services.tags import stored_tags
from orders.services.transfer import import_files, importing
from orders.services.transfer.file_format import safe_cell
from orders.services.transfer.import_csv import read_csv
from orders.storage import imported_orders
from orders.storage.imported_orders import insert_orders
from orders.storage.order_writes import orders
from tests.factories import OrderFactory
from tests.functional.hostile.values import UNREADABLE, UNSEEN
from tests.order_invariants import violations_of

Document = dict[str, Any]
P, Q = "665f1c0a9b1e8a0012a40001", "665f1c0a9b1e8a0012a40002"
ORDER: dict[str, str] = {
    "reference": "old-1",
    "status": "delivered",
    "user_id": "17",
    "created_at": "2024-05-01T10:00:00+02:00",
    "total_price": "25.00",
    "line1": "1 Long Street",
    "city": "Springfield",
    "postal_code": "12345",
    "country": "Freedonia",
    "product_id": P,
    "quantity": "2",
    "price": "12.50",
}
LINE = ("product_id", "quantity", "price")
ADDRESS = ("line1", "line2", "city", "state", "postal_code", "country")
ALL = len(ORDER)


@pytest.fixture(autouse=True)
def emptied(database: Database[Document]) -> None:
    """Each test has the database to itself."""


@pytest.fixture
def csv_file(tmp_path: Path) -> Callable[..., Path]:
    """A CSV file with a row for each set of changes to ORDER; None takes a cell away, not its column."""

    def write(*changes: dict[str, str], name: str = "orders.csv") -> Path:
        found = [ORDER | change for change in changes]
        with (tmp_path / name).open("w", newline="") as file:
            writer = csv.DictWriter(file, list(dict.fromkeys(column for row in found for column in row)))
            writer.writeheader()
            writer.writerows(found)
        return tmp_path / name

    return write


@pytest.fixture
def jsonl_file(tmp_path: Path) -> Callable[..., Path]:
    """A file of JSON lines; each is an order as :func:`as_object` makes it, or the text itself."""

    def write(*orders: Document | str) -> Path:
        path = tmp_path / "orders.jsonl"
        path.write_text("".join((o if isinstance(o, str) else json.dumps(o)) + "\n" for o in orders))
        return path

    return write


def as_object(**changes: Any) -> Document:
    plain: Document = {name: value for name, value in ORDER.items() if name not in (*LINE, *ADDRESS)}
    plain["items"] = [{"product_id": P, "quantity": 2, "price": "12.50"}]
    plain["shipping_address"] = {name: ORDER[name] for name in ADDRESS if name in ORDER}
    return plain | changes


def run(*arguments: str | Path) -> tuple[int, str, str]:
    """:returns: exit code, stdout and stderr."""
    out, err, code = io.StringIO(), io.StringIO(), 0
    try:
        call_command("import_orders", *map(str, arguments), stdout=out, stderr=err)
    except CommandError as error:
        code = error.returncode
        err.write(f"{error}\n")
    return code, out.getvalue(), err.getvalue()


def stored() -> list[Document]:
    return list(imported_orders.orders().find().sort("created_at"))


def one() -> Document:
    (found,) = stored()
    return found


# --- what an imported order is like -----------------------------------------------------------------------------


def test_an_order_has_lines_that_hold_no_stock_and_one_entry_in_its_history(
    csv_file: Callable[..., Path], sandbox: Sandbox
) -> None:
    before = timezone.now().replace(tzinfo=None) - timedelta(milliseconds=1)
    path = csv_file(
        {"total_price": "26.01"}, {"total_price": "26.01", "product_id": Q, "quantity": "1", "price": "1.01"}
    )
    assert run(path) == (0, "1 orders read: 1 imported, 0 there already, 0 bad\n", "")
    order = one()
    assert violations_of(order) == []
    assert order["updated_at"] >= before
    entry = order["history"][0]
    assert entry["at"] <= order["updated_at"]
    created = datetime(2024, 5, 1, 8)  # noqa: DTZ001 - naive UTC, as stored
    stock = {"state": "none", "attempts": 0, "error": ""}
    assert order == {
        "_id": order["_id"],
        "number": order["number"],
        "user_id": "17",
        "status": "delivered",
        "version": Int64(0),
        "user_verified": True,
        "items": [
            {"product_id": P, "quantity": 2, "price": Decimal128("12.50"), "stock": stock},
            {"product_id": Q, "quantity": 1, "price": Decimal128("1.01"), "stock": stock},
        ],
        "total_price": Decimal128("26.01"),
        "shipping_address": {name: ORDER.get(name, "") for name in ADDRESS},
        "history": [
            {
                "at": entry["at"],
                "act": "import",
                "from": "",
                "to": "delivered",
                "actor": entry["actor"],
                "via": "command",
                "detail": "reference old-1",
                "reason": "Imported from orders.csv",
                "request_id": "",
                "write_id": order["write_id"],
            }
        ],
        "write_id": order["write_id"],
        "terms": terms_of(order),
        "reference": "old-1",
        "created_at": created,
        "placed_at": created,
        "status_since": created,
        "updated_at": order["updated_at"],
    }
    assert entry["actor"].startswith("system:")
    assert sandbox.control.counts() == {}


def test_each_public_status_can_be_imported_and_nothing_is_wrong_with_it(csv_file: Callable[..., Path]) -> None:
    path = csv_file(*({"reference": status, "status": status} for status in PUBLIC_STATUSES))
    assert run(path)[0] == 0
    assert {order["status"] for order in stored()} == set(PUBLIC_STATUSES)
    assert [problem for order in stored() for problem in violations_of(order)] == []


def test_what_is_given_beside_the_needed_is_kept(csv_file: Callable[..., Path]) -> None:
    given = {
        "reference": "", "id": "665F1C0A9B1E8A0012A4FFFF", "number": "OLD-4711", "user_verified": "false",
        "line2": "Flat 2",
        "state": "NY", "placed_at": "2024-05-01T08:00:01Z", "paid_at": "2024-05-02T00:00:00Z",
        "shipped_at": "2024-05-03T00:00:00.1239Z", "user_id": "0017",
    }  # fmt: skip
    assert run(csv_file(given), "--reason", "The old shop's")[0] == 0
    order = one()
    assert order["_id"] == ObjectId("665f1c0a9b1e8a0012a4ffff")
    assert (order["number"], order["user_verified"], order["user_id"]) == ("OLD-4711", False, "17")
    assert order["shipping_address"]["line2"] == "Flat 2"
    assert order["shipped_at"] == order["status_since"] == datetime(2024, 5, 3, microsecond=123_000)  # noqa: DTZ001
    assert order["paid_at"] == datetime(2024, 5, 2)  # noqa: DTZ001
    assert order["history"][0]["reason"] == "The old shop's"


def test_an_address_is_tidied_as_one_that_is_typed(csv_file: Callable[..., Path]) -> None:
    path = csv_file({"line1": "1 Long Street\r\nRear\x85building", "city": "\u2067\u05ea\u05dc\u2069\u200b"})
    assert run(path)[0] == 0
    assert {one()["shipping_address"][name] for name in ("line1", "city")} == {
        "1 Long Street Rear building",
        "\u05ea\u05dc",
    }


def test_an_address_may_be_without_a_postal_code_and_a_user_id_any_text(csv_file: Callable[..., Path]) -> None:
    assert run(csv_file({"postal_code": "", "user_id": "auth0|5F7c"}))[0] == 0
    assert (one()["shipping_address"]["postal_code"], one()["user_id"]) == ("", "auth0|5F7c")


def test_a_json_line_is_an_order(jsonl_file: Callable[..., Path]) -> None:
    numbers = as_object(reference=None, number=1002, user_id=18, user_verified=False)
    bare = json.dumps(as_object(reference="bare")).replace('"25.00"', "25").replace('"12.50"', "12.5")
    assert run(jsonl_file(as_object(), "", numbers, bare)) == (
        0, "3 orders read: 3 imported, 0 there already, 0 bad\n", "",
    )  # fmt: skip
    found = {order["number"]: order for order in stored()}
    assert found["1002"]["user_id"] == "18"
    assert found["1002"]["user_verified"] is False
    assert "detail" not in found["1002"]["history"][0]
    assert {str(order["total_price"]) for order in stored()} == {"25.00"}


FORMS = pytest.mark.parametrize("form", [("--lines",), ("--format", "jsonl"), ("--lines", "--bom")])
HOURS = {"paid_at": 1, "shipped_at": 2, "delivered_at": 3, "cancelled_at": 4, "refunded_at": 5}
REACHED: dict[str, tuple[str, ...]] = {
    "paid": ("paid_at",), "processing": ("paid_at",), "shipped": ("paid_at", "shipped_at"),
    "delivered": ("paid_at", "shipped_at", "delivered_at"), "cancelled": ("paid_at", "cancelled_at"),
    "refunded": ("paid_at", "shipped_at", "delivered_at", "refunded_at"),
}  # fmt: skip
ANEW = {"history", "version", "write_id", "updated_at", "assignee", "snoozed", "replaces", "replaced_by"}
"""What an imported order has anew, or not at all; and the stock of its lines, of which it holds none."""


WORK = {"stock_due_at", "untold_at", "told", "events_told"}
"""What workers have still to do, or have done."""


def rich_order(status: str, number: int) -> Order:
    """An order of which every field says something, and most of them something that a file could spoil."""
    created = datetime(2026, 3, 1, 12, tzinfo=UTC) + timedelta(days=number)
    moments = {name: created + timedelta(hours=HOURS[name], milliseconds=7) for name in REACHED.get(status, ())}
    item = Item(
        product_id=P, quantity=3, price=Decimal("0.10"), stock=Stock(state="none"),
        name='+10 % "extra", größer; 東京', sku="@SUM(A1)", image_url="https://shop.example/desk.jpg?w=1,2&h='=3'",
    )  # fmt: skip
    bare = Item(
        product_id=Q, quantity=1, price=Decimal("99999999.99"), stock=Stock(state="none"), split_from=0, shipment=1,
        returned_in=0, removed="returned",
    )  # fmt: skip
    later = created + timedelta(hours=30, milliseconds=3)
    place = {"line1": '\'=1+1, "Łódź"', "line2": "-2", "city": "＝Kano", "state": "@NG", "postal_code": "+700001"}
    return OrderFactory(
        status=status,
        number=f"=OLD-{number}",
        user_id="auth0|+7",
        user_verified=bool(number % 2),
        created_at=created,
        placed_at=created + timedelta(seconds=1),
        status_since=max([created + timedelta(seconds=2), *moments.values()]),
        items=[item, bare],
        charges=[
            Charge(kind="tax", label='=VAT "20" %', amount=Decimal("7.77")),
            Charge(kind="discount", label="+SPRING", amount=Decimal("-5.00")),
            Charge(kind="shipping", amount=Decimal("0.10")),
        ],
        currency="KWD",
        contact=Contact(name="=Amara Okafor", email="+amara@shop.example", phone="+49 (30) 1234-5"),
        shipping_address=Address(
            name="'+Amara", company='-"Okafor" & Söhne, Ltd', phone="+234 803 000 0000", country="=Nigeria", **place
        ),
        billing_address=Address(
            name="''=B", company="@x", phone="＋1 212 555 0100", country="<b>Oz</b>", **place | {"city": "a,b;c"}
        ),
        reference="-WEB/17",
        note='=Ring "twice",\n\n+the bell; is\tbroken\n\'-1',
        metadata={
            "=name": "=1+1",
            'quo"te': "a\nb, 'c' \\ \"d\"",
            "ünï 🏴": "東京\t!",
            "empty": "",
            "json": '{"a": [1]}',
        },
        **stored_tags(["=VIP", "-1; 'x'", 'a "b"']),
        shipments=[
            Shipment(at=later, carrier="=DHL", tracking_number="-0034", tracking_url="https://x.example/?a=1,2"),
            Shipment(at=later),
        ],
        returns=[Return(at=later, code="customer", received_at=later, restocked=False), Return(at=later)],
        payments=[
            Payment(at=later, amount=Decimal("7.50"), reference='=PAY "1"', method="+card"),
            Payment(at=later, amount=Decimal("0.00")),
        ],
        refunds=[Refund(at=later, amount=Decimal("1.10"), reference="@R", code="other")],
        paid=Decimal("7.50"),
        refunded=Decimal("1.10"),
        owed=Decimal("6.40") if status in ("cancelled", "refunded") else Decimal("6.00"),
        held_at=later if number % 2 else None,
        hold=Hold(code="fraud", reason='=Looks\n"odd"', actor="staff:jane") if number % 2 else None,
        erased_at=created + timedelta(days=1) if status == "refunded" else None,
        **moments,
    )  # type: ignore[return-value]


def there_and_back(tmp_path: Path, form: tuple[str, ...]) -> list[tuple[Document, Document]]:
    """Export every order, import them into this database and into an empty one. :returns: each before and after."""
    first, path = stored(), tmp_path / "all.export"
    call_command("export_orders", *form, "--out", str(path), stderr=io.StringIO())
    format, many = "jsonl" if "jsonl" in form else "csv", len(first)
    assert run(path, "--format", format) == (
        0, f"{many} orders read: 0 imported, {many} there already, 0 bad\n", "",
    )  # fmt: skip
    assert stored() == first
    imported_orders.orders().delete_many({})
    assert run(path, "--format", format) == (
        0, f"{many} orders read: {many} imported, 0 there already, 0 bad\n", "",
    )  # fmt: skip
    return [(lasting(before), lasting(after)) for before, after in zip(first, stored(), strict=True)]


def lasting(order: Document) -> Document:
    """What an order has that a file carries; what is not set is left out."""
    items = [_set({name: value for name, value in item.items() if name != "stock"}) for item in order["items"]]
    kept = {name: _set(value) for name, value in order.items() if name not in ANEW}
    return {name: value for name, value in kept.items() if value not in (None, [])} | {"items": items}


def _set(value: Any) -> Any:
    """A part of an order, or a list of parts, without what is not set."""
    if isinstance(value, list):
        return [_set(part) for part in value]
    return {name: part for name, part in value.items() if part is not None} if isinstance(value, dict) else value


@FORMS
def test_an_order_that_says_everything_comes_back_field_by_field(tmp_path: Path, form: tuple[str, ...]) -> None:
    for number, status in enumerate(PUBLIC_STATUSES):
        rich_order(status, number)
    ever = {name for order in stored() for name, value in lasting(order).items() if value not in ("", {}, [])}
    fields = {field.column for field in Order._meta.concrete_fields}
    assert ever == fields - ANEW - WORK, "a new field is to be carried, or to be said not to be"
    for before, after in there_and_back(tmp_path, form):
        before["items"][1] = {name: value for name, value in before["items"][1].items() if value != ""}
        assert after == before


@FORMS
def test_an_order_of_before_there_was_more_to_say_comes_back_as_it_was_with_its_currency(
    tmp_path: Path, form: tuple[str, ...], settings: Settings
) -> None:
    new = ["contact", "currency", "billing_address", "reference", "note", "metadata", "items.0.name", "items.0.sku"]
    new += ["delivered_at", "cancelled_at", "refunded_at", "items.0.image_url"]
    new += [f"shipping_address.{name}" for name in ("name", "company", "phone")]
    for number, status in enumerate(PUBLIC_STATUSES):
        OrderFactory(status=status, user_id=str(number + 1), user_verified=number > 2)
    orders().update_many({}, {"$unset": dict.fromkeys(new, "")})
    settings.CURRENCY = "CHF"
    for before, after in there_and_back(tmp_path, form):
        assert after == before | {"currency": "CHF"}


@FORMS
def test_an_order_that_says_little_reads_the_same_afterwards(tmp_path: Path, form: tuple[str, ...]) -> None:
    for number in range(3):
        OrderFactory(status="delivered", lines=number + 1, contact=Contact(email="a@b.example"))
    said = [public_order(order) for order in stored()]
    there_and_back(tmp_path, form)
    for before, after in zip(said, map(public_order, stored()), strict=True):
        for anew in ("version", "updated_at"):
            before.pop(anew), after.pop(anew)
        assert after == before


@FORMS
def test_an_order_whose_personal_data_was_erased_comes_back_without_any(tmp_path: Path, form: tuple[str, ...]) -> None:
    order = OrderFactory(status="delivered", contact=Contact(name="Amara Okafor"))
    erase_order(order_id=order.pk, act=Act(system("test", via="command"), timezone.now()))
    [(before, after)] = there_and_back(tmp_path, form)
    assert (after["erased_at"], after["shipping_address"]["line1"]) == (before["erased_at"], "")
    assert "Amara" not in str(after)


# --- never twice ------------------------------------------------------------------------------------------------


def test_the_same_file_again_imports_nothing(csv_file: Callable[..., Path]) -> None:
    path = csv_file({}, {"reference": "", "number": "4711"}, {"reference": "", "id": P})
    assert run(path)[1] == "3 orders read: 3 imported, 0 there already, 0 bad\n"
    first = stored()
    assert run(path) == (0, "3 orders read: 0 imported, 3 there already, 0 bad\n", "")
    assert stored() == first


def test_an_order_placed_here_is_left_as_it_is(csv_file: Callable[..., Path]) -> None:
    placed = OrderFactory(status="pending")
    assert "1 there already" in run(csv_file({"reference": "", "id": str(placed.pk)}))[1]
    assert "1 there already" in run(csv_file({"reference": "", "number": placed.number}))[1]
    assert "1 there already" in run(csv_file({"reference": "", "number": placed.number.replace("-", "").lower()}))[1]
    assert one()["status"] == "pending"
    code, _, err = run(csv_file({"number": placed.number}))
    assert (code, err.splitlines()[0]) == (
        1, f"line 2, number: {placed.number} is that of another order, {placed.pk}",
    )  # fmt: skip
    assert one()["_id"] == placed.pk


def test_an_order_that_comes_twice_in_a_file_is_bad(csv_file: Callable[..., Path]) -> None:
    path = csv_file({}, {"reference": "b", "number": "4711"}, {"reference": "c", "number": "4711"}, {})
    code, out, err = run(path, "--skip-bad")
    assert (code, out) == (1, "3 orders read: 1 imported, 0 there already, 2 bad\n")
    assert "line 4, number: 4711 is that of line 3 too\n" in err
    assert "line 2, total_price: it is 25.00, but the lines come to 50.00\n" in err
    assert len(stored()) == 1


def test_an_order_with_an_id_is_known_by_that_and_its_reference_need_not_be_unique(
    csv_file: Callable[..., Path],
) -> None:
    path = csv_file({"id": P}, {"id": Q})
    assert run(path)[1] == "2 orders read: 2 imported, 0 there already, 0 bad\n"
    assert [(str(order["_id"]), order["reference"]) for order in stored()] == [(P, "old-1"), (Q, "old-1")]
    assert run(path)[1] == "2 orders read: 0 imported, 2 there already, 0 bad\n"
    err = run(csv_file({"id": P[::-1], "reference": "x" * 65}))[2]
    assert err.startswith("line 2, reference: it has 65 characters, 64 at most are allowed beside an id\n")
    assert len(stored()) == 2


def test_a_reference_too_long_for_an_order_identifies_it_and_is_kept_in_the_history(
    csv_file: Callable[..., Path],
) -> None:
    path = csv_file({"reference": "x" * 200})
    assert run(path)[0] == 0
    assert "reference" not in one()
    assert one()["history"][0]["detail"] == f"reference {'x' * 200}"
    assert "1 there already" in run(path)[1]


def test_an_order_in_files_of_our_own_has_charges_free_lines_and_products_known_by_their_sku(
    csv_file: Callable[..., Path],
) -> None:
    charges = [{"kind": "shipping", "amount": "4.90"}, {"kind": "tax", "label": "VAT", "amount": 5}]
    charges += [{"kind": "discount", "amount": "-2.5"}]
    more = {"total_price": "'32,40", "user_id": "'17", "product_id": f"'{P}", "sku": "Ü-1"}
    more |= {"charges": json.dumps(charges)}
    free = {"product_id": "", "price": "0", "sku": "S" * 30, "quantity": "'1,0"}
    code, _, err = run(csv_file(more | {"price": "12,50"}, more | free), "--decimal-comma")
    assert code == 0, err
    order = one()
    assert violations_of(order) == []
    assert [item["product_id"] for item in order["items"]] == [P, "3318269966472345190daf50"]
    assert [str(item["price"]) for item in order["items"]] == ["12.50", "0.00"]
    assert order["user_id"] == "17"
    assert public_order(order)["charges"] == [
        {"kind": "shipping", "label": "", "amount": "4.90"},
        {"kind": "tax", "label": "VAT", "amount": "5.00"},
        {"kind": "discount", "label": "", "amount": "-2.50"},
    ]
    assert [str(charge) for charge in Order.objects.get().charges] == [
        "Shipping: 4.90", "Tax (VAT): 5.00", "Discount: -2.50"
    ]  # fmt: skip
    assert run(csv_file({"unnamed": ""}))[0] == 2, "a column of another name is refused as ever"


@pytest.mark.parametrize("number", ["SO-2024-000123", "so_2024.000123", "Käse 17", "7kqf2m9dxw3h", "#1042"])
def test_a_number_stays_as_it_is_written_and_is_one_number_in_any_case(
    csv_file: Callable[..., Path], number: str
) -> None:
    path = csv_file({"number": number}, {"reference": "b", "number": number.swapcase()})
    assert f"number: {number.swapcase()} is that of line 2 too" in run(path)[2]
    assert run(path, "--skip-bad")[0] == 1
    assert one()["number"] == number
    assert "0 imported, 1 there already" in run(csv_file({"number": number.upper()}))[1]
    assert "number" in run(csv_file({"reference": "c", "number": number.upper()}))[2], "of another order"
    assert one()["number"] == number


def test_numbers_that_an_earlier_version_rewrote_are_known_again(csv_file: Callable[..., Path]) -> None:
    path = csv_file({"number": "SO-2024-000123"})
    run(path)
    orders().update_one({}, {"$set": {"number": "S020-2400-0123"}})
    assert "0 imported, 1 there already" in run(path)[1]


@pytest.mark.parametrize("status", ["pending", "paid", "processing", "cancelled"])
def test_what_is_not_shipped_has_not_been_shipped_some_day(csv_file: Callable[..., Path], status: str) -> None:
    err = run(csv_file({"status": status, "shipped_at": "2024-05-03T00:00:00Z"}))[2]
    assert err.startswith(f"line 2, shipped_at: an order that is {status} has not been shipped\n")
    assert stored() == []


def test_an_order_is_not_shipped_before_it_is_paid(csv_file: Callable[..., Path]) -> None:
    moments = {"paid_at": "2024-05-04T00:00:00Z", "shipped_at": "2024-05-03T00:00:00Z"}
    assert run(csv_file(moments))[2].startswith(
        "line 2, shipped_at: 2024-05-03T00:00:00.000Z is before paid_at, 2024-05-04T00:00:00.000Z\n"
    )
    assert stored() == []
    assert run(csv_file(moments | {"paid_at": moments["shipped_at"]}))[0] == 0


def test_an_order_has_the_moments_of_the_statuses_that_it_has_been_in(csv_file: Callable[..., Path]) -> None:
    may = {
        "shipped_at": {"shipped", "delivered", "refunded"},
        "delivered_at": {"delivered", "refunded"},
        "cancelled_at": {"cancelled"},
        "refunded_at": {"refunded"},
    }
    asked = [(status, name) for status in PUBLIC_STATUSES for name in may]
    path = csv_file(
        *({"reference": f"{status} {name}", "status": status, name: "2024-05-03T00:00:00Z"} for status, name in asked)
    )
    _, out, err = run(path, "--skip-bad")
    for line, (status, name) in enumerate(asked, start=2):
        complaint = f"line {line}, {name}: an order that is {status} has not been {name.removesuffix('_at')}\n"
        assert (complaint in err) == (status not in may[name]), complaint
    assert f"{sum(map(len, may.values()))} imported" in out
    at = datetime(2024, 5, 3)  # noqa: DTZ001
    assert {order[order["reference"].split()[1]] for order in stored()} == {at}
    assert {order["status_since"] for order in stored()} == {at}


@pytest.mark.parametrize("later", ["delivered_at", "refunded_at"])
def test_the_moments_of_an_order_follow_one_another(csv_file: Callable[..., Path], later: str) -> None:
    moments = {"status": "refunded", "shipped_at": "2024-05-04T00:00:00Z", later: "2024-05-03T00:00:00Z"}
    assert f"line 2, {later}: 2024-05-03T00:00:00.000Z is before shipped_at, 2024-05-04T00" in run(csv_file(moments))[2]
    assert stored() == []
    cancelled = {"status": "cancelled", "paid_at": "2024-05-04T00:00:00Z", "cancelled_at": "2024-05-03T00:00:00Z"}
    assert "line 2, cancelled_at: 2024-05-03T00:00:00.000Z is before paid_at" in run(csv_file(cancelled))[2]
    assert stored() == []


def test_however_long_an_import_takes_an_order_is_updated_when_it_is_written(
    csv_file: Callable[..., Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    began = datetime(2026, 3, 1, 12, tzinfo=UTC)
    monkeypatch.setattr(timezone, "now", lambda: began)

    def slow(documents: Any, line: Any) -> Any:
        monkeypatch.setattr(timezone, "now", lambda: began + timedelta(hours=1))
        return examine(documents, line)

    examine = importing.examine
    monkeypatch.setattr(importing, "examine", slow)
    assert run(csv_file({}))[0] == 0
    assert one()["updated_at"] - one()["history"][0]["at"] == timedelta(hours=1)


def test_two_imports_at_once_import_each_order_once(
    csv_file: Callable[..., Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    path = csv_file(*({"reference": str(number)} for number in range(20)))
    other = csv_file(*({"reference": str(number)} for number in range(0, 20, 2)), name="other.csv")

    def overtaken(documents: list[Document]) -> int:
        monkeypatch.setattr(importing, "insert_orders", insert_orders)
        assert "10 imported" in run(other)[1]
        return insert_orders(documents)

    monkeypatch.setattr(importing, "insert_orders", overtaken)
    assert run(path) == (0, "20 orders read: 10 imported, 0 there already, 0 bad\n", "")
    assert len(stored()) == 20


@pytest.mark.slow
def test_killed_half_way_and_run_again_it_is_complete(
    csv_file: Callable[..., Path], database: Database[Document], mongo_uri: str
) -> None:
    many = 3000
    path = csv_file(*({"reference": str(number), "user_id": str(number + 1)} for number in range(many)))
    env = os.environ | {"MONGODB_URI": mongo_uri, "MONGODB_DB": database.name}
    env["DJANGO_SETTINGS_MODULE"] = "orders_project.settings.test"
    ask = [sys.executable, "manage.py", "import_orders", str(path)]
    process = subprocess.Popen(ask, cwd=ROOT, env=env, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    until = time.monotonic() + 90
    while database["orders"].estimated_document_count() < many // 10:
        assert process.poll() is None
        assert time.monotonic() < until
        time.sleep(0.005)
    process.send_signal(signal.SIGKILL)
    assert process.wait() == -signal.SIGKILL
    half = database["orders"].count_documents({})
    assert half < many
    code, out, _ = run(path)
    assert code == 0
    there = int(out.split(" there already")[0].split()[-1])
    assert max(half, 1) <= there < many
    assert f"{many} orders read: {many - there} imported" in out
    assert database["orders"].count_documents({}) == many
    assert len(database["orders"].distinct("user_id")) == many
    assert [bad for order in database["orders"].find().limit(2000) for bad in violations_of(order)] == []


# --- what is refused --------------------------------------------------------------------------------------------

WRONG = [
    ("status", "", "it is missing"),
    ("status", "placing", "'placing' is none of: pending, paid"),
    ("status", "rejected", "'rejected' is none of"),
    ("user_id", "", "it is missing"),
    ("user_id", "-7", "'-7': A user id is an integer"),
    ("user_verified", "maybe", "'maybe' is neither true nor false"),
    ("created_at", "", "it is missing"),
    ("created_at", "2024-05-01T10:00:00", "is not a moment with its zone"),
    ("created_at", "2024-05-01", "12:00:00Z: say --time-zone if all times of the file are of one zone"),
    ("created_at", "yesterday", "is not a moment with its zone"),
    ("created_at", "0001-01-01T00:00:00+10:00", "is not a moment with its zone"),
    ("created_at", "2999-01-01T00:00:00Z", "is not between 1970-01-01T00:00:00+00:00 and 20"),
    ("created_at", "1969-12-31T23:59:59Z", "is not between"),
    ("paid_at", "2024-05-01T07:59:59Z", "is not between 2024-05-01T08:00:00+00:00 and 20"),
    ("status_since", "2999-01-01T00:00:00Z", "is not between"),
    ("total_price", "", "it is missing"),
    ("total_price", "25.000", "'25.000' is not an amount from 0: write it like 12.50, without a currency"),
    ("total_price", "1,025.00", "without a sign between thousands"),
    ("total_price", "€ 25.00", "without a currency"),
    ("total_price", "25,00", "'25,00' is not an amount from 0: say --decimal-comma if the file writes amounts like"),
    ("total_price", "-25.00", "is not an amount from 0"),
    ("total_price", "1234567890123.00", "is not an amount"),
    ("total_price", "25.01", "it is 25.01, but the lines come to 25.00"),
    ("line1", "", "it is missing"),
    ("line1", "x" * 201, "it has 201 characters, 200 at most are allowed"),
    ("city", "\u2067\u2069", "it is missing"),
    ("country", "a\x9bb", "is not a text in UTF-8 without control characters"),
    ("shipped_at", "2024-05-01T07:59:59Z", "is not between"),
    ("reference", "\x7f", "is not a text in UTF-8 without control characters"),
    ("country", "\udcff", "is not a text in UTF-8 without control characters: say --encoding if the file has another"),
    ("product_id", "", "it is missing"),
    ("product_id", "x" * 25, "24 at most"),
    ("quantity", "", "it is missing"),
    ("quantity", "0", "'0' is not a whole number from 1 to 10000"),
    ("quantity", "10001", "from 1 to 10000"),
    ("quantity", "1.5", "is not a whole number"),
    ("quantity", "1.000", "is not a whole number"),
    ("price", "", "it is missing"),
    ("price", "-0.01", "is not an amount from 0"),
    ("price", "100000000.00", "'100000000.00' is more than 99999999.99"),
    ("price", "12.505", "is not an amount"),
    ("id", "123", "'123' is not an order id"),
    ("number", "x" * 15, "14 at most"),
    ("reference", "x" * 201, "200 at most"),
    ("contact_email", "amara", "'amara': An email address is expected"),
    ("contact_phone", "12", "'12': A telephone number has at least three digits."),
    ("contact_name", "x" * 201, "200 at most"),
    ("shipping_phone", "+", "'+': A telephone number has at least three digits."),
    ("shipping_company", "a\x1bb", "without control characters"),
    ("currency", "eur", "'eur' is not the code of a currency (ISO 4217), e.g. EUR"),
    ("currency", "EURO", "'EURO' is not the code of a currency"),
    ("note", "x" * 501, "it has 501 characters, 500 at most are allowed"),
    ("note", "a\x07b", "without control characters"),
    ("tags", "x" * 41, "At most 40 characters"),
    ("tags", "a\x07b", "Control characters are not allowed."),
    ("tags", ",".join(map(str, range(21))), "An order has 20 tags at most."),
    ("metadata", "spring", "'spring' is not a JSON object"),
    ("metadata", "[1]", "'[1]' is not a JSON object"),
    ("metadata", "[" * 100_000, "is not a JSON object"),
    ("metadata", "{'size': 1}", "'size': 1 is not a text"),
    ("metadata", "{'a.b': 'c'}", "'a.b': A name has 1 to 40 characters, no dot"),
    ("metadata", f"{{'a': '{'x' * 501}'}}", "'a': A text has at most 500 characters; this one has 501."),
    ("metadata", "{'a': '\\u0007'}", "'a': Control characters are not allowed."),
    ("metadata", "{" + ",".join(f"'{n}': ''" for n in range(51)) + "}", "it has 51 entries, 50 at most are allowed"),
    ("product_name", "x" * 301, "300 at most"),
    ("sku", "x" * 65, "64 at most"),
    ("image_url", "javascript:alert(1)", "'javascript:alert(1)' is not the address of an image, e.g. https://"),
    ("image_url", "https://shop.example/a b.jpg", "is not the address of an image"),
    ("paid", "1.555", "'1.555' is not an amount"),
    ("charges", "5.00", "5.0 is not a list of up to 1000 JSON objects"),
    ("held_at", "yesterday", "is not a moment with its zone"),
    ("shipment", "0", "'0' is the place of no shipment: of these there are 0, counted from 0"),
    ("returned_in", "-1", "'-1' is the place of no return"),
    ("split_from", "0", "is the place of no line before it"),
    ("removed", "lost", "'lost' is none of: cancelled, returned"),
    ("shipments", "2 parcels", "'2 parcels' is not a list of up to 1000 JSON objects"),
    ("hold", "fraud", "'fraud' is not a JSON object"),
]


AT = "2026-01-05T12:00:00Z"
WRONG_PARTS: list[tuple[dict[str, Any], str, str]] = [
    ({"shipments": [{"at": AT}, {}]}, "shipments.1.at", "it is missing"),
    ({"shipments": [{"at": AT, "weight": 3}]}, "shipments.0.weight", "there is no such field"),
    ({"shipments": [{"at": AT, "tracking_url": "ftp://x"}]}, "shipments.0.tracking_url", "'ftp://x' is not an address"),
    ({"shipments": {"at": AT}}, "shipments", "is not a list"),
    ({"shipments": ["x"]}, "shipments", "is not a list"),
    ({"returns": [{"at": AT, "code": "weather"}]}, "returns.0.code", "'weather' is none of: customer, "),
    ({"returns": [{"at": AT, "restocked": True}]}, "returns.0.restocked", "it is given, but not received_at"),
    ({"payments": [{"at": AT}]}, "payments.0.amount", "it is missing"),
    (
        {"charges": [{"kind": "tip", "amount": "1.00"}]},
        "charges.0.kind",
        "'tip' is none of: shipping, tax",
    ),
    ({"charges": [{"kind": "tax"}]}, "charges.0.amount", "it is missing"),
    (
        {"charges": [{"kind": "discount", "amount": "1.00"}]},
        "charges.0.amount",
        "1.00 for discount: a discount",
    ),
    (
        {"charges": [{"kind": "shipping", "amount": "-1"}]},
        "charges.0.amount",
        "-1.00 for shipping: a discount",
    ),
    ({"charges": [{"kind": "fee", "amount": "1", "label": "x" * 201}]}, "charges.0.label", "200 at most"),
    (
        {"charges": [{"kind": "tax", "amount": "0.99"}]},
        "total_price",
        "it is 25.00, but the lines come to 25.00 and the charges to 0.99, together 25.99",
    ),
    (
        {"payments": [{"at": AT, "amount": "1.00", "reference": "x" * 65}]},
        "payments.0.reference",
        "it has 65 characters",
    ),
    ({"refunds": [{"at": "2999-01-01T00:00:00Z", "amount": "1.00"}]}, "refunds.0.at", "is not between"),
    ({"paid": "5.00"}, "refunded", "paid and refunded are given together, or neither"),
    ({"paid": "5.00", "refunded": "5.01"}, "refunded", "5.01 is more than was paid, 5.00"),
    ({"held_at": AT}, "hold", "held_at and hold are given together, or neither"),
    ({"held_at": AT, "hold": {"code": "rain"}}, "hold.code", "'rain' is none of"),
    ({"hold": 3, "held_at": AT}, "hold", "3 is not a JSON object"),
]


@pytest.mark.parametrize(("fields", "place", "complaint"), WRONG_PARTS)
def test_a_wrong_part_of_an_order_is_named_with_its_place(
    tmp_path: Path, fields: dict[str, Any], place: str, complaint: str
) -> None:
    path = tmp_path / "orders.jsonl"
    path.write_text(json.dumps(as_object() | fields))
    code, _, err = run(path, "--format", "jsonl")
    assert code == 1
    assert err.startswith(f"line 1, {place}: ")
    assert complaint in err.splitlines()[0]
    assert stored() == []


def test_what_is_owed_follows_from_what_was_paid_given_back_and_kept(tmp_path: Path) -> None:
    path = tmp_path / "orders.jsonl"
    whole = as_object()
    line = whole["items"][0]
    removed = [{**line, "removed": "cancelled"}, *whole["items"][1:]]
    total = whole["total_price"]
    records = [
        {"status": "cancelled", "paid": total, "refunded": "0.10"},
        {"status": "shipped", "paid": total, "refunded": "0.00"},
        {"status": "shipped", "paid": total, "refunded": "0.00", "items": removed},
        {"status": "cancelled"},
    ]
    bare = {name: value for name, value in whole.items() if name not in ("id", "number") and not name.endswith("_at")}
    bare = {name: value for name, value in bare.items() if name != "status_since"} | {"created_at": AT}
    path.write_text("\n".join(json.dumps(bare | {"reference": f"R{n}"} | more) for n, more in enumerate(records)))
    assert run(path, "--format", "jsonl")[0] == 0
    found = {order["reference"]: order.get("owed") for order in stored()}
    worth = Decimal(str(line["price"])) * int(line["quantity"])
    assert found["R0"].to_decimal() == Decimal(total) - Decimal("0.10")
    assert found["R2"].to_decimal() == worth
    assert (found["R1"], found["R3"]) == (None, None)


@pytest.mark.parametrize(("name", "value", "complaint"), WRONG)
def test_a_wrong_value_is_named_with_its_line_and_field(
    csv_file: Callable[..., Path], tmp_path: Path, name: str, value: str, complaint: str
) -> None:
    path = csv_file({}, {"reference": "bad", "user_verified": "", "paid_at": "", "status_since": "", "id": "",
                         "number": "", name: "PLACEHOLDER"}, {"reference": "good"})  # fmt: skip
    value = value.replace("'", '""') if name == "metadata" else value  # JSON in a quoted cell
    path.write_bytes(path.read_bytes().replace(b"PLACEHOLDER", f'"{value}"'.encode(errors="surrogateescape")))
    code, out, err = run(path)
    assert code == 1
    assert out == "3 orders read: 0 imported, 0 there already, 1 bad\n"
    assert err.startswith(f"line 3, {name}: ")
    assert complaint in err.splitlines()[0]
    assert len(err.splitlines()[0]) < 250, "however long the value is"
    assert err.endswith("because of the bad rows nothing was imported\n")
    assert stored() == []
    assert run(path, "--skip-bad")[:2] == (1, "3 orders read: 2 imported, 0 there already, 1 bad\n")
    assert {order["history"][0]["detail"] for order in stored()} == {"reference old-1", "reference good"}


def test_a_billing_address_is_whole_or_absent(csv_file: Callable[..., Path]) -> None:
    _, _, err = run(csv_file({"billing_city": "Kano"}))
    assert err.splitlines()[:2] == ["line 2, billing_line1: it is missing", "line 2, billing_country: it is missing"]
    assert stored() == []
    assert run(csv_file({"billing_city": " ", "billing_phone": ""}))[0] == 0
    assert "billing_address" not in one()


def test_an_order_may_be_in_a_currency_that_the_shop_does_not_take_or_that_has_gone(
    csv_file: Callable[..., Path], settings: Settings
) -> None:
    settings.CURRENCY, settings.CURRENCIES = "EUR", ["EUR"]
    assert run(csv_file({"currency": "DEM"}, {"reference": "b", "currency": "JPY"}))[0] == 0
    assert {order["currency"] for order in stored()} == {"DEM", "JPY"}


TEXT_COLUMNS = {
    "contact_name": "contact.name", "contact_email": "contact.email", "contact_phone": "contact.phone",
    "shipping_name": "shipping_address.name", "shipping_company": "shipping_address.company",
    "line1": "shipping_address.line1", "postal_code": "shipping_address.postal_code",
    "shipping_phone": "shipping_address.phone", "note": "note", "reference": "reference",
}  # fmt: skip
ODD = [
    *UNREADABLE.values(), *UNSEEN.values(), "a@b.example", "a@b", "\u2067a@b.example\u2069", "12", "1 2-3", "+49 30 12",
    "=1+1", "'=1", "''@x", "-1\n=2", "two\r\nlines\u2028three", "\ta\tb", "<b>bold</b>", "x" * 20, "x" * 21, "x" * 40,
    "1" * 41, "x" * 64, "x" * 65, "x" * 200, "x" * 201, "x" * 500, "x" * 501, "\u00a0Łódź\u3000", '"quoted", {json}',
]  # fmt: skip


@pytest.mark.parametrize(("column", "path"), TEXT_COLUMNS.items())
def test_a_text_is_refused_or_kept_as_it_is_at_placement(csv_file: Callable[..., Path], column: str, path: str) -> None:
    part, _, name = path.partition(".")
    order_ids = [f"{number:024x}" for number in range(1, len(ODD) + 1)]
    cells = ({"id": order_id, "reference": "", column: text} for order_id, text in zip(order_ids, ODD, strict=True))
    written = [row | {column: safe_cell(row[column])} for row in cells]
    run(csv_file(*written), "--skip-bad")
    imported = {str(order["_id"]): order for order in stored()}
    place = {"line1": "1 Way", "city": "Oz", "postal_code": "1", "country": "Oz"}
    for order_id, text in zip(order_ids, ODD, strict=True):
        address = Address(**place | ({name: text} if part == "shipping_address" else {}))
        details = Details(**{part: Contact(**{name: text}) if name else text} if part != "shipping_address" else {})  # type: ignore[arg-type]
        item = Item(product_id=P, quantity=1, price=Decimal("1.00"))
        try:
            placed = new_draft("7", [item], address, timezone.now(), details)
        except InvalidOrder:
            assert order_id not in imported, repr(text)
        else:
            kept = imported[order_id].get(part) or {}
            here = kept.get(name, "") if name else kept or ""
            assert here == (getattr(getattr(placed, part), name) if name else getattr(placed, part)), repr(text)


def test_an_order_must_be_known_again(csv_file: Callable[..., Path]) -> None:
    _, _, err = run(csv_file({"reference": " "}, {"reference": " "}))
    assert err.splitlines()[:2] == [
        f"line {line}: an id, a reference or a number is needed, to know the order again" for line in (2, 3)
    ]
    assert stored() == []


def test_the_rows_of_an_order_must_agree(csv_file: Callable[..., Path]) -> None:
    _, _, err = run(csv_file({}, {"city": "Shelbyville", "user_id": "18"}))
    assert err.startswith("line 3, user_id, city: not as in line 2, where the order begins\n")


def test_the_rows_of_an_order_may_stand_apart(csv_file: Callable[..., Path]) -> None:
    total = {"total_price": "50.00"}
    path = csv_file(total | {"line": "2"}, {"reference": "other"}, total | {"line": "1"})
    assert run(path) == (0, "2 orders read: 2 imported, 0 there already, 0 bad\n", "")
    assert {order["reference"]: len(order["items"]) for order in stored()} == {"old-1": 2, "other": 1}


def test_a_line_that_comes_twice_is_bad_even_if_it_costs_nothing(csv_file: Callable[..., Path]) -> None:
    free = {"price": "0.00", "total_price": "0.00", "line": "1"}
    _, _, err = run(csv_file(free, {"reference": "other", "line": "1"}, free))
    assert err.startswith("line 4, line: 1 is that of line 2 too\n")
    assert stored() == []


def test_an_order_has_a_bounded_number_of_lines(csv_file: Callable[..., Path], settings: Settings) -> None:
    settings.MAX_ORDER_LINES = 2
    _, _, err = run(csv_file(*[{"total_price": "75.00"}] * 3))
    assert err.startswith("line 2, items: an order has 1 to 2 lines\n")
    _, _, err = run(csv_file(*[{"total_price": "75.00"}] * (import_files.ROW_LIMIT + 2)))
    assert err.startswith("line 2, items: an order has 1 to 2 lines\n")


BROKEN_JSON: list[tuple[Any, str]] = [
    ("{", "line 1: not JSON: "),
    ("[" * 100_000, "line 1: not JSON: "),
    ('{"total_price": NaN}', "line 1: not JSON: NaN is not a number"),
    ("[1]", "line 1: not a JSON object"),
    (as_object(items=3), "line 1, items: not a list"),
    (as_object(items=[]), "line 1, items: an order has 1 to 100 lines"),
    (as_object(items=[3]), "line 1, items.0: not an object"),
    (as_object(shipping_address="home"), "line 1, shipping_address: not an object"),
    (as_object(colour="red"), "line 1, colour: there is no such field"),
    (as_object(stock="none"), "line 1, stock: there is no such field"),
    (as_object(shipping_address={"street": "x"}), "line 1, shipping_address.street: there is no such field"),
    (as_object(items=[{"product_id": P, "quantity": True, "price": "12.50"}]), "line 1, items.0.quantity: True is not"),
    (
        as_object(items=[{"product_id": P, "quantity": 2, "price": True}]),
        "items.0.price: 'True' is not an amount",
    ),
    (as_object(items=[{"product_id": P, "quantity": 2, "cost": 1}]), "line 1, items.0.cost: there is no such field"),
    (as_object(total_price=25.555), "line 1, total_price: '25.555' is not an amount"),
    (as_object(total_price=1e300), "line 1, total_price: "),
    (json.dumps(as_object(total_price=1.5)).replace("1.5", "1e999999999"), "total_price: '1E+999999999' is not"),
    (json.dumps(as_object(total_price=1.5)).replace("1.5", "1e-999999999"), "total_price: '1E-999999999' is not"),
    (json.dumps(as_object(total_price=1.5)).replace("1.5", "1e" + "9" * 30), "line 1: not JSON: "),
    (as_object(status=["paid"]), "line 1, status: ['paid'] is none of"),
    (as_object(user_id=True), "line 1, user_id: True is not a text"),
    (as_object(user_verified=1), "line 1, user_verified: 1 is neither true nor false"),
    (as_object(user_verified=[]), "line 1, user_verified: [] is neither true nor false"),
    (as_object(created_at=1714550400), "line 1, created_at: 1714550400 is not a moment"),
    (
        as_object(shipping_address=as_object()["shipping_address"] | {"city": "\ud800"}),
        "line 1, shipping_address.city: '\\ud800' is not",
    ),
    (as_object(contact=3), "line 1, contact: not an object"),
    (as_object(contact={"email": "amara"}), "line 1, contact.email: 'amara': An email address is expected"),
    (as_object(contact={"fax": "1"}), "line 1, contact.fax: there is no such field"),
    (as_object(contact_email="a@b.example"), "line 1, contact_email: there is no such field"),
    (as_object(billing_address=[]), "line 1, billing_address: not an object"),
    (as_object(billing_address={"city": "Kano"}), "line 1, billing_address.line1: it is missing"),
    (as_object(tags=["VIP", 1]), "line 1, tags: ['VIP', 1] is not a list of texts"),
    (as_object(tags={"VIP": 1}), "line 1, tags: {'VIP': 1} is not a list of texts"),
    (as_object(tags=["x"] * 1001), "line 1, tags: ['x', "),
    (as_object(metadata={"size": 1}), "line 1, metadata: 'size': 1 is not a text"),
    (as_object(metadata={"\ud800": "x"}), "line 1, metadata: '\\ud800': Line breaks, control characters"),
    (as_object(metadata={"x": "y" * 10_000_000}), "line 1, metadata: 'x': A text has at most 500 characters"),
    (as_object(metadata="y" * 10_000_000), f"line 1, metadata: '{'y' * 99}… is not a JSON object"),
    (
        as_object(items=[{"product_id": P, "quantity": 2, "price": "12.50", "name": "a\x1bb"}]),
        "line 1, items.0.name: 'a\\x1bb' is not",
    ),
    (
        as_object(items=[{"product_id": P, "quantity": 2, "price": "12.50", "product_name": "a"}]),
        "line 1, items.0.product_name: there is no such field",
    ),
]


@pytest.mark.parametrize(("line", "complaint"), BROKEN_JSON)
def test_a_json_line_that_is_no_order_is_refused(
    jsonl_file: Callable[..., Path], line: Document | str, complaint: str
) -> None:
    code, out, err = run(jsonl_file(line, as_object(reference="good")))
    assert (code, out) == (1, "2 orders read: 0 imported, 0 there already, 1 bad\n")
    assert complaint in err
    assert stored() == []


def test_rows_that_are_no_csv_are_refused(csv_file: Callable[..., Path]) -> None:
    path = csv_file({}, {"reference": "c"})
    first, second, third = path.read_text().splitlines()
    path.write_text(f'{first}\n{second}\n"a"b,1\n\n , \n{second},more\nonly\n{third}\n')
    code, out, err = run(path, "--skip-bad")
    assert (code, out) == (1, "5 orders read: 2 imported, 0 there already, 3 bad\n")
    told = err.splitlines()
    assert told[0].startswith("line 3: no CSV: ")
    assert told[1] == f"line 6: it has {ALL + 1} cells, the heading {ALL}"
    assert told[2] == f"line 7: it has 1 cells, the heading {ALL}"
    assert len(stored()) == 2


def test_columns_without_a_name_are_empty(csv_file: Callable[..., Path]) -> None:
    path = csv_file({}, {"reference": "c"})
    first, second, third = path.read_text().splitlines()
    path.write_text(f"{first},\n{second},\n{third},stray\n")
    assert run(path)[2].startswith("line 3: 'stray' stands in a column without a name\n")
    assert run(path, "--skip-bad")[1] == "2 orders read: 1 imported, 0 there already, 1 bad\n"


def test_a_row_that_is_no_csv_has_the_line_at_which_it_begins(csv_file: Callable[..., Path]) -> None:
    path = csv_file({}, {"reference": "c"})
    first, second, third = path.read_text().splitlines()
    broken = second.replace("Springfield", '"two')
    path.write_text(f'{first}\n{broken}\nlines"{third}\n{third}\n')
    assert run(path)[2].startswith("line 2: no CSV: ")


HEADINGS = [
    ("id,colour", "These columns are not known: 'colour'. Known are: id, number"),
    ("id,id", "A column is there twice: id."),
    ("status\0,id", "Its heading has NUL bytes: if it is UTF-16, say --encoding utf-16-le or utf-16-be."),
    ("", "These columns are missing: status, "),
    ("id,lines", "A row is needed for each line of an order (export_orders --lines)."),
    (",".join(name for name in ORDER if name != "reference"), "These columns are missing: id or reference or number."),
    ('"id"x', "Line 1 is not CSV"),
]


@pytest.mark.parametrize(("heading", "complaint"), HEADINGS)
def test_a_heading_that_is_not_understood_is_refused(tmp_path: Path, heading: str, complaint: str) -> None:
    path = tmp_path / "orders.csv"
    path.write_text(f"{heading}\n" if heading else "")
    code, out, err = run(path)
    assert (code, out) == (2, "")
    assert complaint in err


def test_a_file_without_orders_is_no_error(csv_file: Callable[..., Path], jsonl_file: Callable[..., Path]) -> None:
    path = csv_file({})
    path.write_text(path.read_text().splitlines()[0])
    for empty in (path, jsonl_file()):
        assert run(empty) == (0, "0 orders read: 0 imported, 0 there already, 0 bad\n", "")


def test_a_file_that_cannot_be_read_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    code, _, err = run(tmp_path / "nothing.csv")
    assert (code, err) == (2, f"{tmp_path / 'nothing.csv'} cannot be read: No such file or directory\n")
    monkeypatch.setattr(import_files, "LONGEST_LINE", 50)
    (tmp_path / "long.jsonl").write_text("x" * 100)
    assert run(tmp_path / "long.jsonl")[0::2] == (
        2, f"{tmp_path / 'long.jsonl'}: Line 1 has more than 50 characters.\n",
    )  # fmt: skip


def test_what_can_be_read_only_once_is_refused(csv_file: Callable[..., Path], tmp_path: Path) -> None:
    text, pipe = csv_file({}).read_text(), tmp_path / "pipe"
    os.mkfifo(pipe)
    code, _, err = run(pipe)
    assert (code, err) == (2, f"{pipe} is no regular file: it is read twice; write it to one first\n")
    records = read_csv(io.StringIO(text))
    with pytest.raises(importing.FileChanged, match=r"1 orders were read first, and then 0: .* 0 were imported"):
        importing.import_orders(lambda: records, act=Act(system("me", via="command"), datetime.now(UTC)))
    assert stored() == []


def test_only_so_many_problems_are_listed(csv_file: Callable[..., Path]) -> None:
    path = csv_file(*({"reference": str(number), "status": "lost", "quantity": "0"} for number in range(5)))
    _, out, err = run(path, "--problems", "3")
    assert out == "5 orders read: 0 imported, 0 there already, 5 bad\n"
    assert err.splitlines()[3:] == ["... and 7 more problems", "some rows are bad"]


def test_a_dry_run_says_what_would_be_and_writes_nothing(csv_file: Callable[..., Path]) -> None:
    assert run(csv_file({}), "--dry-run") == (0, "1 orders read: 1 to import, 0 there already, 0 bad\n", "")
    code, out, err = run(csv_file({}, {"reference": "b", "status": "x"}), "--dry-run")
    assert (code, out) == (1, "2 orders read: 1 to import, 0 there already, 1 bad\n")
    assert err.endswith("some rows are bad\n")
    assert stored() == []


# --- failures ---------------------------------------------------------------------------------------------------


def test_only_operators_import() -> None:
    with pytest.raises(NotPermitted, match="You may not import orders"):
        importing.import_orders(list, act=Act(admin("boss"), datetime.now(UTC)))


@pytest.mark.parametrize("failure", [DatabaseError("no primary"), KeyboardInterrupt()])
def test_an_import_that_is_cut_off_says_how_to_go_on(
    csv_file: Callable[..., Path], monkeypatch: pytest.MonkeyPatch, failure: BaseException
) -> None:
    path = csv_file(*({"reference": str(number)} for number in range(5)))
    monkeypatch.setattr(importing, "BATCH", 2)

    def fail(documents: list[Document]) -> int:
        if len(stored()) >= 4:
            raise failure
        return insert_orders(documents)

    with monkeypatch.context() as patch:
        patch.setattr(importing, "insert_orders", fail)
        code, out, err = run(path)
    assert (code, out) == (1, "")
    assert err.endswith("the same command goes on from here\n")
    assert len(stored()) == 4
    assert run(path) == (0, "5 orders read: 1 imported, 4 there already, 0 bad\n", "")


def test_a_write_that_the_database_refuses_is_an_error(database: Database[Document]) -> None:
    documents = [{"_id": ObjectId(), "status": status} for status in ("paid", "x")]
    database.command("collMod", "orders", validator={"status": "paid"})
    try:
        with pytest.raises(DatabaseError):
            insert_orders(documents)
    finally:
        database.command("collMod", "orders", validator={})
    assert [order["_id"] for order in stored()] == [documents[0]["_id"]]
    assert insert_orders(documents) == 1
    assert insert_orders([]) == 0


def test_a_lost_connection_is_a_database_error(monkeypatch: pytest.MonkeyPatch) -> None:
    def fail() -> None:
        raise AutoReconnect("no primary")

    monkeypatch.setattr(imported_orders, "orders", fail)
    with pytest.raises(DatabaseError):
        imported_orders.known_orders([ObjectId()], [])
