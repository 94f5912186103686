"""`manage.py import_orders` of what other shop systems export: their columns, statuses, sums and spellings."""

import csv
import io
import sqlite3
from collections.abc import Callable
from datetime import datetime
from decimal import Decimal
from pathlib import Path

import pytest
from django.core.management import CommandError, call_command
from pymongo.database import Database

from devtools.localhost import ROOT
from orders.models import Document
from orders.services.public_order import public_order
from orders.services.transfer import import_csv
from orders.storage.ledger import sums_of
from orders.storage.order_numbers import ids_by_number
from orders.storage.order_writes import orders
from tests.order_invariants import violations_of

SAMPLES = ROOT / "examples" / "imports"
Cells = dict[str, str]


@pytest.fixture(autouse=True)
def emptied(database: Database[Document]) -> None:
    """Each test has the database to itself."""


def run(*arguments: str | Path) -> tuple[int, str, str]:
    """:returns: exit code, stdout and stderr."""
    out, err, code = io.StringIO(), io.StringIO(), 0
    try:
        call_command("import_orders", *map(str, arguments), stdout=out, stderr=err)
    except CommandError as error:
        code = error.returncode
        err.write(f"{error}\n")
    return code, out.getvalue(), err.getvalue()


def sample(shop: str) -> list[Cells]:
    with (SAMPLES / f"{shop}.csv").open(newline="") as file:
        return list(csv.DictReader(file))


Write = Callable[..., Path]


@pytest.fixture
def file_of(tmp_path: Path) -> Write:
    """Writes rows as CSV."""

    def write(rows: list[Cells], delimiter: str = ",", encoding: str = "utf-8") -> Path:
        path = tmp_path / "orders.csv"
        with path.open("w", newline="", encoding=encoding) as file:
            writer = csv.DictWriter(file, rows[0], delimiter=delimiter)
            writer.writeheader()
            writer.writerows(rows)
        return path

    return write


def stored() -> dict[str, Document]:
    """By number; all of them as the invariants have it."""
    found = {order["number"]: order for order in orders().find()}
    assert {number: problems for number, order in found.items() if (problems := violations_of(order))} == {}
    return found


def one() -> Document:
    (found,) = stored().values()
    return found


def charged(order: Document) -> list[tuple[str, str, str]]:
    return [(charge["kind"], charge["label"], str(charge["amount"])) for charge in order.get("charges", ())]


def at(*numbers: int) -> datetime:
    """A moment in UTC, as it is stored."""
    return datetime(*numbers)  # type: ignore[arg-type] # noqa: DTZ001


def sums(order: Document) -> tuple[str, str, str]:
    """Paid, refunded, owed."""
    return tuple(map(str, sums_of(order)))  # type: ignore[return-value]


SHOPIFY = sample("shopify")
FIRST = SHOPIFY[2]
"""An order of one line, whose prices contain its taxes."""
WOO = sample("woocommerce")
LISBON = ("--format", "woocommerce", "--time-zone", "Europe/Lisbon")


def numbered(changes: list[Cells], like: Cells = FIRST, name: str = "Name", key: str = "Id") -> list[Cells]:
    """A row for each of these changes, each an order of its own."""
    return [like | {name: f"#{number}", key: str(900 + number)} | change for number, change in enumerate(changes, 2)]


# --- Shopify ---------------------------------------------------------------------------------------------------------


def test_orders_of_shopify_come_with_their_numbers_people_sums_and_charges() -> None:
    code, out, err = run(SAMPLES / "shopify.csv", "--format", "shopify")
    assert (code, out) == (0, "5 orders read: 5 imported, 0 there already, 0 bad\n")
    assert err.startswith("Columns that are not imported: Accepts Marketing, Subtotal, Lineitem compare at price, ")
    assert err.count("\n") == 1, "although the file is read twice"
    found = stored()
    assert {
        number: (order["status"], str(order["total_price"]), order["currency"], order["user_id"], sums(order))
        for number, order in found.items()
    } == {
        "#1001": ("shipped", "63.32", "USD", "amara@example.com", ("63.32", "0.00", "0.00")),
        "#1002": ("paid", "34.90", "EUR", "sophie.martin@example.com", ("34.90", "0.00", "0.00")),
        "#1003": ("cancelled", "24.90", "EUR", "jonas@example.com", ("24.90", "24.90", "0.00")),
        "#1004": ("processing", "58.50", "GBP", "mei@example.com", ("58.50", "15.00", "0.00")),
        "#1005": ("pending", "12.50", "EUR", "guest:#1005", ("0.00", "0.00", "0.00")),
    }
    first = found["#1001"]
    assert charged(first) == [
        ("shipping", "Standard", "5.00"), ("tax", "Oregon Tax 8%", "4.32"), ("discount", "SPRING10", "-6.00")
    ]  # fmt: skip
    assert [(item["product_id"], item["quantity"], item["sku"]) for item in first["items"]] == [
        ("wdo-01", 2, "WDO-01"), ("lamp-br-s", 1, "LAMP-BR-S")
    ]  # fmt: skip
    assert first["shipping_address"]["postal_code"] == "97201"
    assert first["contact"]["phone"] == "+15035550147"
    assert first["reference"] == "7410991464701"
    assert first["metadata"] == {"tags": "spring, vip"}
    created = at(2025, 3, 4, 17, 12, 31)
    assert (first["created_at"], first["paid_at"]) == (created, created)
    assert first["payments"][0]["reference"] == "rX41aa0QpLm2"
    assert charged(found["#1002"]) == []
    assert found["#1002"]["metadata"] == {"taxes_included": "5.82 TVA 20%"}
    assert found["#1003"]["cancelled_at"] == at(2025, 3, 7, 9, 30)
    assert [item.get("shipment") for item in found["#1004"]["items"]] == [0, None, 0]
    assert [item["product_id"] for item in found["#1004"]["items"][1:]] == ["f3602ae070c0b70ae20b0776", "sample card"]
    assert str(found["#1004"]["items"][2]["price"]) == "0.00"
    assert public_order(first)["charges"][2] == {"kind": "discount", "label": "SPRING10", "amount": "-6.00"}


def test_they_are_imported_once_and_found_by_their_numbers_as_they_are_written() -> None:
    run(SAMPLES / "shopify.csv", "--format", "shopify")
    before = stored()
    assert run(SAMPLES / "shopify.csv", "--format", "shopify")[1] == (
        "5 orders read: 0 imported, 5 there already, 0 bad\n"
    )
    run(SAMPLES / "woocommerce.csv", *LISBON)
    assert "0 imported, 3 there already" in run(SAMPLES / "woocommerce.csv", *LISBON)[1]
    found = stored()
    assert {number: found[number] for number in before} == before
    for typed, number in {"#1001": "#1001", "1001": "#1001", "so-2024-000123": "SO-2024-000123"}.items():
        assert ids_by_number([typed]) == {typed: [found[number]["_id"]]}


def test_an_order_of_another_shop_that_has_the_same_id_is_not_taken_for_the_same(file_of: Write) -> None:
    run(SAMPLES / "woocommerce.csv", *LISBON)
    before = stored()
    elsewhere = [row | {"order_date": "2023-01-01 10:00:00", "order_number_formatted": ""} for row in WOO[-1:]]
    code, out, err = run(file_of(elsewhere), *LISBON)
    assert (code, out) == (1, "1 orders read: 0 imported, 0 there already, 1 bad\n")
    assert err.splitlines()[1] == (
        "line 2, order_date: an order with this id was made at 2024-11-02T12:00:00.000Z: is the file of another shop, "
        "or --time-zone another?"
    )
    assert stored() == before


SHOPIFY_STATUSES = [
    ("paid", "fulfilled", "", "shipped", ("34.90", "0.00", "0.00")),
    ("paid", "", "", "paid", ("34.90", "0.00", "0.00")),
    ("Partially Refunded", "fulfilled", "", "shipped", ("34.90", "10.00", "0.00")),
    ("partially_refunded", "unfulfilled", "", "paid", ("34.90", "10.00", "0.00")),
    ("refunded", "fulfilled", "", "refunded", ("34.90", "34.90", "0.00")),
    ("paid", "partial", "", "processing", ("34.90", "0.00", "0.00")),
    ("pending", "fulfilled", "", "shipped", ("0.00", "0.00", "0.00")),
    ("pending", "unfulfilled", "", "pending", ("0.00", "0.00", "0.00")),
    ("authorized", "unfulfilled", "", "pending", ("0.00", "0.00", "0.00")),
    ("expired", "unfulfilled", "", "pending", ("0.00", "0.00", "0.00")),
    ("partially_paid", "unfulfilled", "", "pending", ("30.00", "0.00", "0.00")),
    ("voided", "unfulfilled", "", "cancelled", ("0.00", "0.00", "0.00")),
    ("paid", "unfulfilled", "2025-03-07 09:00:00 +0100", "cancelled", ("34.90", "0.00", "34.90")),
    ("refunded", "restocked", "2025-03-07 09:00:00 +0100", "cancelled", ("34.90", "34.90", "0.00")),
]


def test_what_shopify_says_of_payment_and_fulfilment_is_one_of_our_statuses(file_of: Write) -> None:
    rows = numbered(
        [
            {"Financial Status": financial, "Fulfillment Status": fulfilment, "Cancelled at": cancelled}
            | {"Refunded Amount": "10.00" if "efunded" in financial and financial != "refunded" else "0.00"}
            | {"Outstanding Balance": "4.90" if financial == "partially_paid" else "0.00"}
            | ({} if financial in ("paid", "refunded") else {"Paid at": ""})
            for financial, fulfilment, cancelled, *_ in SHOPIFY_STATUSES
        ]
    )
    assert run(file_of(rows), "--format", "shopify")[0] == 0
    found = stored()
    for number, (financial, fulfilment, cancelled, status, expected) in enumerate(SHOPIFY_STATUSES, 2):
        order = found[f"#{number}"]
        assert (order["status"], sums(order)) == (status, expected), (financial, fulfilment, cancelled)


SHOPIFY_SUMS: list[tuple[Cells, list[tuple[str, str, str]]]] = [
    ({"Taxes": "6.98", "Total": "41.88", "Tax 1 Value": "6.98"}, [("tax", "TVA 20%", "6.98")]),
    ({"Taxes": "6.98", "Total": "41.88", "Tax 1 Value": "5.00", "Tax 2 Name": "City", "Tax 2 Value": "1.98"},
     [("tax", "TVA 20%", "5.00"), ("tax", "City", "1.98")]),
    ({"Taxes": "6.98", "Total": "41.88", "Tax 1 Value": "5.00"}, [("tax", "", "6.98")]),
    ({"Taxes": "6.98", "Total": "41.89", "Tax 1 Value": "6.98"},
     [("tax", "TVA 20%", "6.98"), ("tax", "Rounding", "0.01")]),
    ({"Total": "34.89"}, [("tax", "Rounding", "-0.01")]),
    ({"Shipping": "4.9", "Duties": "2", "Total": "41.80"},
     [("shipping", "Colissimo", "4.90"), ("fee", "Duties", "2.00")]),
    ({"Lineitem discount": "4.90", "Total": "30"}, [("discount", "", "-4.90")]),
    ({"Discount Amount": "34.90", "Discount Code": "X" * 300, "Total": "0.00"}, [("discount", "X" * 200, "-34.90")]),
    ({"Lineitem price": "0.00", "Taxes": "0", "Tax 1 Value": "", "Total": "0"}, []),
]  # fmt: skip


def test_the_charges_are_those_that_make_the_total(file_of: Write) -> None:
    code, _, err = run(file_of(numbered([changes for changes, _ in SHOPIFY_SUMS])), "--format", "shopify")
    assert code == 0, err
    found = stored()
    for number, (changes, expected) in enumerate(SHOPIFY_SUMS, 2):
        order = found[f"#{number}"]
        assert charged(order) == expected, changes
        assert order["total_price"].to_decimal() == Decimal(changes["Total"])


def test_an_order_paid_after_it_was_shipped_says_so_by_its_payment(file_of: Write) -> None:
    late = {
        "Fulfillment Status": "fulfilled",
        "Fulfilled at": "2025-03-06 20:00:00 UTC",
        "Paid at": "2025-04-01 10:00Z",
    }
    assert run(file_of([FIRST | late]), "--format", "shopify")[0] == 0
    order = one()
    assert "paid_at" not in order
    assert order["shipped_at"] == at(2025, 3, 6, 20)
    assert order["payments"][0]["at"] == at(2025, 4, 1, 10)


def test_an_address_is_the_other_one_and_a_city_the_province_where_there_is_none(file_of: Write) -> None:
    nowhere = {name: "" for name in FIRST if name.startswith("Shipping ") and name != "Shipping Method"}
    city_state = {"Shipping City": "", "Shipping Country": "SG", "Billing Country": ""}
    street = {"Shipping Address1": "", "Shipping Street": "1 Way", "Payment Reference": "p" * 65}
    rows = numbered([nowhere | {"Shipping": "0.00", "Billing Name": "B"}, city_state, street])
    bare = {name: "" if name.startswith("Lineitem") else cell for name, cell in rows[0].items()}
    assert run(file_of([*rows, bare]), "--format", "shopify")[0] == 0
    billed, state, streets = stored().values()
    assert (billed["shipping_address"]["line1"], billed["shipping_address"]["name"]) == ("8 rue des Lilas", "B")
    assert (state["shipping_address"]["city"], state.get("billing_address")) == ("SG", None)
    assert streets["shipping_address"]["line1"] == "1 Way"
    assert streets["payments"][0]["reference"] == "", "one that is cut would be another"


def test_a_number_too_long_for_one_is_the_reference(file_of: Write) -> None:
    named = [{"Name": "NORTHWIND-2025-000123"}, {"Id": ""}, {"Name": "N" * 65, "Email": "n@example.com"}]
    code, _, err = run(file_of(numbered(named)), "--format", "shopify", "--skip-bad")
    assert (code, err.splitlines()[1]) == (
        1, "line 4, Name: it has 65 characters, 64 at most are allowed beside an id",
    )  # fmt: skip
    long, short = sorted(stored().values(), key=lambda order: len(order.get("reference", "")), reverse=True)
    assert (long["reference"], len(long["number"])) == ("NORTHWIND-2025-000123", 14)
    assert (short["number"], "reference" in short) == ("#3", False)
    code, out, err = run(file_of(numbered([{}, {}])), "--format", "shopify")
    assert "line 3, Name: #3 is that of another order" in err, "the same one, and this time with its id"
    assert out == "2 orders read: 0 imported, 1 there already, 1 bad\n"


# --- WooCommerce -----------------------------------------------------------------------------------------------------


def test_orders_of_woocommerce_come_with_their_numbers_people_sums_and_charges() -> None:
    assert run(SAMPLES / "woocommerce.csv", *LISBON)[:2] == (0, "3 orders read: 3 imported, 0 there already, 0 bad\n")
    found = stored()
    assert {
        number: (order["status"], str(order["total_price"]), order["user_id"], order["reference"], sums(order))
        for number, order in found.items()
    } == {
        "SO-2024-000123": ("delivered", "33.21", "amara@example.com", "4711", ("33.21", "0.00", "0.00")),
        "SO-2024-000124": ("processing", "21.50", "guest@example.com", "4712", ("21.50", "0.00", "0.00")),
        "SO-2024-000125": ("cancelled", "8.00", "rita@example.com", "4713", ("0.00", "0.00", "0.00")),
    }
    first, second = found["SO-2024-000123"], found["SO-2024-000124"]
    assert charged(first) == [
        ("shipping", "CTT Expresso", "4.00"),
        ("discount", "SPRING10", "-3.00"),
        ("tax", "", "6.21"),
    ]
    units = [(item["product_id"], item["quantity"], str(item["price"])) for item in first["items"]]
    assert units == [("93", 2, "3.33"), ("93", 1, "3.34"), ("94", 1, "16.00")]
    assert first["created_at"] == at(2024, 5, 1, 9)
    assert first["note"] == "Ring twice."
    assert (first["shipping_address"]["name"], first["shipping_address"]["line2"]) == ("Amara Okafor", "2.º Esq.")
    assert charged(second) == [("fee", "", "1.50")]
    assert second["items"][0]["product_id"] == "engraving"
    assert second["created_at"] == at(2024, 10, 27, 0, 30), "of an hour that comes twice, the first"


WOO_STATUSES = [
    ("pending", "pending", "0.00"), ("wc-on-hold", "pending", "0.00"), ("processing", "processing", "8.00"),
    ("Completed", "delivered", "8.00"), ("cancelled", "cancelled", "0.00"), ("failed", "cancelled", "0.00"),
    ("refunded", "refunded", "8.00"), ("wc-packed", "paid", "8.00"),
]  # fmt: skip


def test_what_woocommerce_calls_a_status_is_one_of_ours_and_a_shop_says_what_its_own_mean(file_of: Write) -> None:
    given = [{"status": status} for status, *_ in WOO_STATUSES]
    path = file_of(numbered(given, WOO[-1], "order_number_formatted", "order_id"))
    code, _, err = run(path, *LISBON)
    assert (code, err.splitlines()[1]) == (
        1,
        "line 9, status: 'wc-packed' is none of: pending, on-hold, processing, completed, cancelled, failed, refunded: "
        "say what it means by --map-status",
    )
    assert stored() == {}
    assert run(path, *LISBON, "--map-status", "wc-packed=paid")[0] == 0
    found = stored()
    for number, (status, ours, paid) in enumerate(WOO_STATUSES, 2):
        assert (found[f"#{number}"]["status"], sums(found[f"#{number}"])[0]) == (ours, paid), status


def test_other_extensions_name_some_columns_otherwise(file_of: Write) -> None:
    other = {"order_date": "date", "discount_total": "cart_discount", "shipping_full_name": "x", "item_subtotal": "y"}
    row = {other.get(name, name): cell for name, cell in WOO[-1].items()}
    row |= {"paid_date": "2024-11-02 12:05:00", "completed_date": "2024-11-04 08:00:00", "status": "completed"}
    row |= {"shipping_tax_total": "0.23", "shipping_total": "1.00", "tax_total": "1.84", "order_total": "11.07"}
    row |= {
        "shipping_first_name": "Rita",
        "shipping_last_name": "Alves",
        "shipping_address_1": "Rua 1",
        "x": "",
        "y": "",
    }
    row |= {"shipping_city": "Lisboa", "shipping_country": "PT", "order_number_formatted": "", "cart_discount": "1.00"}
    row |= {"payment_method_title": "Visa", "transaction_id": "ch_1", "item_product_id": "0", "item_sku": ""}
    assert run(file_of([row]), *LISBON)[0] == 0
    order = one()
    assert order["number"] == "125"
    assert order["shipping_address"]["name"] == "Rita Alves"
    assert charged(order) == [("shipping", "", "1.00"), ("tax", "", "2.07")], "what is left after a discount is charged"
    assert order["payments"][0]["reference"] == "ch_1"
    assert order["delivered_at"] == at(2024, 11, 4, 8)
    assert order["items"][0]["product_id"] == "tile"


# --- as spreadsheets leave them --------------------------------------------------------------------------------------


def test_a_file_is_read_however_a_spreadsheet_wrote_it(file_of: Write) -> None:
    forms: list[tuple[dict[str, str], list[str]]] = [
        ({"delimiter": ";"}, []),
        ({"delimiter": "\t", "encoding": "utf-16"}, []),
        ({"encoding": "utf-8-sig"}, []),
        ({"encoding": "utf-16-le"}, ["--encoding", "utf-16-le"]),
        ({"encoding": "cp1252", "delimiter": ";"}, ["--encoding", "cp1252", "--delimiter", ";"]),
        ({"encoding": "latin-1"}, ["--encoding", "latin-1", "--delimiter", ","]),
    ]
    run(SAMPLES / "shopify.csv", "--format", "shopify")
    expected = {number: order | {"updated_at": 0, "history": 0, "write_id": 0} for number, order in stored().items()}
    for written, options in forms:
        orders().delete_many({})
        code, _, err = run(file_of(SHOPIFY, **written), "--format", "shopify", *options)  # type: ignore[arg-type]
        assert code == 0, (written, err)
        found = {number: order | {"updated_at": 0, "history": 0, "write_id": 0} for number, order in stored().items()}
        assert found == expected, written


def test_cells_are_read_however_a_spreadsheet_wrote_them(file_of: Write) -> None:
    odd = {
        "Lineitem quantity": "'1.0", "Lineitem price": " '34,9 ", "Total": "34,90",
        "Taxes": "5,82", "Tax 1 Value": "5,82", "Shipping Zip": '="01067"', "Shipping City": "'s-Hertogenbosch",
        "Created at": "'2025-03-06 18:20:10", "Paid at": "",
        "Name": "'#1002", "Notes": "=1+1", "Shipping Name": "<b>&'\"Ŝ</b>", "Email": "",
    }  # fmt: skip
    rows = [{name.upper(): cell for name, cell in row.items()} | {"": ""} for row in [FIRST | odd]]
    path = file_of(rows)
    path.write_text(path.read_text().replace("\n", ",\n,,,\n"))
    code, _, err = run(path, "--format", "shopify", "--decimal-comma", "--time-zone", "Europe/Paris")
    assert code == 0, err
    order = one()
    assert (order["items"][0]["quantity"], str(order["items"][0]["price"])) == (1, "34.90")
    assert (order["shipping_address"]["postal_code"], order["shipping_address"]["city"]) == (
        "01067",
        "'s-Hertogenbosch",
    )
    assert order["created_at"] == at(2025, 3, 6, 17, 20, 10)
    assert (order["note"], order["shipping_address"]["name"]) == ("=1+1", "<b>&'\"Ŝ</b>")
    exported = io.StringIO()
    call_command("export_orders", stdout=exported, stderr=io.StringIO())
    assert ',"\'=1+1",' in exported.getvalue(), "no formula goes out"


def test_the_rows_of_an_order_may_stand_apart_in_any_order(file_of: Write) -> None:
    rows = [row | {"item_id": row["item_id"] or "1"} for row in WOO]
    assert run(file_of([rows[0], rows[2], rows[4], rows[1], rows[3]]), *LISBON)[0] == 0
    assert {number: len(order["items"]) for number, order in stored().items()} == {
        "SO-2024-000123": 3, "SO-2024-000124": 3, "SO-2024-000125": 1,
    }  # fmt: skip


def test_customers_get_the_ids_that_they_have_here(file_of: Write, tmp_path: Path) -> None:
    users = tmp_path / "users.csv"
    users.write_text("user_id;email\n17;AMARA@example.com\n0018; rita@example.com\n")
    assert run(SAMPLES / "woocommerce.csv", *LISBON, "--users", users)[0] == 0
    assert {order["user_id"] for order in stored().values()} == {"17", "18", "guest@example.com"}
    for text, complaint in {
        "email\na@example.com\n": "the columns email and user_id are needed.",
        "email,user_id\na@example.com\n": "line 2: an e-mail address and a user id are needed.",
        "email,user_id\na@example.com,-1\n": "line 2: '-1': A user id is an integer",
    }.items():
        users.write_text(text)
        code, _, err = run(SAMPLES / "woocommerce.csv", *LISBON, "--users", users)
        assert (code, complaint in err) == (2, True), err
    users.unlink()
    assert run(SAMPLES / "woocommerce.csv", *LISBON, "--users", users)[2] == (
        f"{users} cannot be read: No such file or directory\n"
    )


def test_of_woocommerce_each_wrong_row_is_told_and_a_billing_address_without_a_street_is_left_out(
    file_of: Write,
) -> None:
    wrong = [{"item_quantity": "none"}, {"item_subtotal": "free", "item_total": ""}]
    moved = {"shipping_address_1": "Av. da Liberdade 1", "shipping_city": "Lisboa", "shipping_country": "PT"}
    moved |= {"billing_country": ""}
    rows = numbered([*wrong, moved], WOO[-1], "order_number_formatted", "order_id")
    _, out, err = run(file_of(rows), *LISBON, "--skip-bad")
    assert err.splitlines()[1:3] == [
        "line 2, item_quantity: 'none' is not a whole number from 1 to 10000",
        "line 3, item_subtotal: 'free' is not an amount from 0: write it like 12.50, without a currency and without a "
        "sign between thousands",
    ]
    assert out == "3 orders read: 1 imported, 0 there already, 2 bad\n"
    assert (one()["shipping_address"]["line1"], "billing_address" in one()) == ("Av. da Liberdade 1", False)


def test_a_sku_is_the_product_on_demand(file_of: Write) -> None:
    assert run(SAMPLES / "woocommerce.csv", *LISBON, "--sku-as-product")[0] == 0
    found = {item["product_id"] for order in stored().values() for item in order["items"]}
    assert found == {"sard-3", "94", "engraving", "tile-1"}


# --- what is refused -------------------------------------------------------------------------------------------------

REFUSED: list[tuple[Cells, str]] = [
    ({"Total": "35.00"}, "Total: it is 35.00, but the lines come to 34.90, and with the charges (tax 5.82) to 40.72"),
    ({"Total": "€35"}, "Total: '€35' is not an amount from 0: write it like 12.50, without a currency and without a"),
    ({"Total": ""}, "Total: it is missing"),
    ({"Lineitem price": "100000000"}, "Lineitem price: '100000000' is more than 99999999.99"),
    ({"Shipping": "4,90"}, "Shipping: '4,90' is not an amount from 0: say --decimal-comma if the file writes amounts"),
    ({"Lineitem price": "x"}, "Lineitem price: 'x' is not an amount from 0"),
    ({"Lineitem quantity": "1.5"}, "Lineitem quantity: '1.5' is not a whole number from 1 to"),
    ({"Lineitem name": "n" * 301}, "Lineitem name: it has 301 characters, 300 at most are allowed"),
    ({"Lineitem sku": "s" * 65}, "Lineitem sku: it has 65 characters, 64 at most are allowed"),
    ({"Lineitem name": "", "Lineitem sku": ""}, "Lineitem sku: it is missing"),
    ({"Created at": "06/03/2025"}, "Created at: '06/03/2025' is not a moment with its zone, e.g. 2026"),
    ({"Created at": "2025-03-06"}, "Created at: '2025-03-06' is not a moment with its zone, e.g. 2026-03"),
    ({"Created at": ""}, "Created at: it is missing"),
    ({"Paid at": "soon"}, "Paid at: 'soon' is not a moment with its zone"),
    ({"Financial Status": "gone"}, "Financial Status: 'gone' is none of: paid, partially_refunded, refunded, "),
    ({"Financial Status": ""}, "Financial Status: '' is none of: paid"),
    ({"Fulfillment Status": "gone"}, "Fulfillment Status: 'gone' is none of: fulfilled, partial"),
    ({"Refunded Amount": "99.00"}, "Refunded Amount: 99.00 is more than was paid, 34.90"),
    ({"Email": "nobody"}, "Email: 'nobody': An email address is expected, e.g. amara@example.com."),
    ({"Currency": "EURO"}, "Currency: 'EURO' is not the code of a currency (ISO 4217), e.g. EUR"),
    ({"Notes": "n" * 501}, "Notes: it has 501 characters, 500 at most are allowed"),
    ({"Notes": "a\0b"}, "Notes: 'a\\x00b' is not a text in UTF-8 without control characters"),
    ({"Notes": "n" * 10_000_000}, "no CSV: a cell has more than 131072 characters: shorten it"),
    ({"Tags": "t" * 501}, "Tags: 'tags': A text has at most 500 characters; this one has 501."),
    (dict.fromkeys([f"{part} {line}" for part in ("Shipping", "Billing") for line in ("Address1", "Street")], ""),
     "Billing Address1: it is missing"),
    ({"Name": ""}, "Name is missing: which order is it of?"),
]  # fmt: skip


def test_a_refusal_names_the_row_the_column_what_was_found_and_how_to_say_it(file_of: Write) -> None:
    rows = numbered([changes for changes, _ in REFUSED])
    code, out, err = run(file_of(rows), "--format", "shopify", "--skip-bad")
    assert (code, out) == (1, f"{len(rows)} orders read: 0 imported, 0 there already, {len(rows)} bad\n")
    told = [line for line in err.splitlines() if line.startswith("line ")]
    assert len(told) == len(rows), f"each has one problem, told once: {told}"
    for number, ((changes, complaint), line) in enumerate(zip(REFUSED, told, strict=True), 2):
        place = f"line {number}: " if complaint.startswith(("no CSV", "Name is")) else f"line {number}, "
        assert line.startswith(f"{place}{complaint}"), (changes, line)
        assert len(line) < 260
    assert stored() == {}


def test_bytes_of_another_encoding_are_refused_with_the_option(file_of: Write) -> None:
    code, _, err = run(file_of(SHOPIFY, encoding="cp1252"), "--format", "shopify")
    assert code == 1
    assert (
        "line 4, Lineitem name: 'Masque au collag\\udce8ne' is not a text in UTF-8 without control characters: say"
        in err
    )
    code, _, err = run(SAMPLES / "shopify.csv", "--format", "shopify", "--encoding", "utf-16")
    told = "It is not utf-16: say its --encoding, one of utf-8, utf-16, utf-16-le, utf-16-be, latin-1, cp1252.\n"
    assert (code, err.partition("shopify.csv: ")[2]) == (2, told)


def test_rows_of_one_order_that_contradict_each_other_are_refused(file_of: Write) -> None:
    twice = [WOO[0], WOO[1] | {"order_total": "40.00"}, WOO[0] | {"billing_email": "x@example.com"}]
    _, _, err = run(file_of(twice), *LISBON)
    assert err.splitlines()[1:4] == [
        "line 3, order_total: '40.00' is not '33.21' as in line 2, the order's too",
        "line 4, billing_email: 'x@example.com' is not 'amara@example.com' as in line 2, the order's too",
        "line 4, item_id: 47110 is that of line 2 too",
    ]
    _, _, err = run(file_of([row | {"item_name": "", "item_sku": "", "item_product_id": "", "item_quantity": "",
                                    "item_subtotal": "", "item_total": ""} for row in WOO[-1:]]), *LISBON)  # fmt: skip
    assert "line 2, order_total: it is 8.00, but the lines come to 0.00, and with the charges (none) to 0.00" in err
    assert stored() == {}


HEADINGS = [
    (
        "shopify",
        "order_id,status",
        "It is no file of Shopify: these columns are missing: Name, Email, Financial Status, ",
    ),
    ("shopify", "Name,name", "these columns are missing: Email"),
    ("shopify", "", "In Shopify's admin, choose Orders, Export, and CSV; leave the heading as it is."),
    ("woocommerce", "order_id,line_items", "missing: status, order_date or date, order_total, "),
    ("woocommerce", "order_id,line_items", "item_subtotal or item_total, "),
    ("woocommerce", "order_id,line_items", "Choose the CSV format with one row per item."),
]


def test_a_heading_of_another_file_is_refused_in_one_sentence(tmp_path: Path) -> None:
    path = tmp_path / "orders.csv"
    for shop, heading, complaint in HEADINGS:
        path.write_text(f"{heading}\n")
        code, out, err = run(path, "--format", shop)
        assert (code, out, err.count("\n")) == (2, "", 1)
        assert complaint in err
    path.write_text(",".join([*FIRST, "total"]))
    assert run(path, "--format", "shopify")[2] == f"{path}: A column is there twice: Total.\n"
    path.write_text(f'"Name"x,{",".join(FIRST)}')
    assert run(path, "--format", "shopify")[2].startswith(f"{path}: Line 1 is not CSV: ")


def test_a_file_of_another_system_is_told_as_such() -> None:
    for shop, column in {"shopify": "Lineitem name", "woocommerce": "item_name"}.items():
        path = SAMPLES / f"{shop}.csv"
        told = f"{path}: It has the column {column}, as files of another system have: say --format {shop}.\n"
        assert run(path) == (2, "", told)


def test_options_that_make_no_sense_are_refused() -> None:
    for options, complaint in (
        (["--time-zone", "Lisbon"], "'Lisbon' is no time zone, e.g. Europe/Lisbon"),
        (["--time-zone", "../x"], "'../x' is no time zone"),
        (["--map-status", "packed"], "'packed' is not THEIRS=OURS, where OURS is one of pending, paid"),
        (["--map-status", "packed=placing"], "is not THEIRS=OURS"),
    ):
        assert complaint in run(SAMPLES / "shopify.csv", *options)[2]


def test_a_disk_that_is_full_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: object) -> None:
        raise sqlite3.OperationalError("database or disk is full")

    monkeypatch.setattr(import_csv, "grouped", full)
    code, _, err = run(SAMPLES / "shopify.csv", "--format", "shopify")
    assert (code, err.splitlines()[-1]) == (
        1, "the file does not fit on the disk for temporary files (database or disk is full): set TMPDIR"
    )  # fmt: skip
