"""`manage.py export_orders`, and the service that the backoffice streams its lists by."""

import csv
import io
import json
import os
import pty
import re
import subprocess
import sys
import termios
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from bson import Decimal128
from django.core.management import CommandError, call_command
from django.db import DatabaseError
from pymongo.database import Database
from pymongo.errors import AutoReconnect, OperationFailure

from devtools.localhost import ROOT
from orders.management import progress
from orders.models import Address, Contact, HistoryEntry, Hold, Item, Payment, Shipment, Status, Stock
from orders.services.access import Actor, Kind, NotPermitted, system
from orders.services.transfer import exporting
from orders.services.transfer.exporting import export_orders
from orders.services.transfer.file_format import (
    LINE_COLUMNS,
    ORDER_COLUMNS,
    PARTS,
    SUMMARY_COLUMN,
    Format,
    plain_cell,
    safe_cell,
)
from orders.services.transfer.import_files import KEYS, NEEDED_COLUMNS
from orders.storage import order_lists
from orders.storage.order_query import OrderQuery
from orders.storage.order_writes import orders
from tests.factories import OrderFactory

Document = dict[str, Any]
OPERATOR = system("operator", via="command")
ALL = OrderQuery(drafts=True)
START = datetime(2026, 3, 1, 12, tzinfo=UTC)
NEW_COLUMNS = (
    *(*PARTS["contact"], *PARTS["billing_address"], "shipping_name", "shipping_company", "shipping_phone"),
    *("reference", "note", "metadata", "tags", "delivered_at", "cancelled_at", "refunded_at", "erased_at", "held_at"),
    *("paid", "refunded", "owed", "hold", "charges", "shipments", "returns", "payments", "refunds"),
)
"""Of what orders did not always have; but for the currency, which is never empty."""
DANGEROUS = ('=HYPERLINK("http://evil")', "+1", "-1", "@SUM(A1)", "\tx", "\rx", "\nx", "＝1", "'=1", "''@x")


@pytest.fixture(autouse=True)
def emptied(database: Database[Document]) -> None:
    """Each test has the database to itself."""


def run(*arguments: str) -> tuple[str, str]:
    out, err = io.StringIO(newline=""), io.StringIO()
    call_command("export_orders", *arguments, stdout=out, stderr=err)
    return out.getvalue(), err.getvalue()


def rows(text: str) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(text, newline="")))


def exported(*arguments: str) -> list[str]:
    return [row["number"] for row in rows(run(*arguments)[0])]


def test_a_search_exports_what_it_finds() -> None:
    found = [
        OrderFactory(contact=Contact(name="Amara Okafor"), status=status) for status in ("paid", "rejected", "paid")
    ]
    OrderFactory(status="paid")
    assert exported("--search", "okafor am") == [order.number for order in reversed(found)]
    assert exported("--search", "okafor", "--status", "paid") == [found[2].number, found[0].number]
    assert exported("--search", "nobody") == []
    text, err = run("--search", "okafor", "--format", "jsonl")
    assert len(text.splitlines()) == 3
    assert "3 orders exported" in err
    with pytest.raises(CommandError, match="Search for a name"):
        run("--search", "=")


# --- what is in a file ------------------------------------------------------------------------------------------


def test_one_row_is_one_order_newest_first() -> None:
    first = OrderFactory(user_id="7", status="pending", lines=2, created_at=START, user_verified=False)
    second = OrderFactory(status="shipped", created_at=START + timedelta(milliseconds=1), shipped_at=START)
    text, err = run()
    assert err == "2 orders exported\n"
    assert text.splitlines()[0] == ",".join(f'"{name}"' for name in (*ORDER_COLUMNS, "products"))  # all in quotes
    newest, oldest = rows(text)
    assert newest["id"] == str(second.pk)
    assert newest["shipped_at"] == "2026-03-01T12:00:00.000Z"
    assert {name: oldest.pop(name) for name in NEW_COLUMNS} == dict.fromkeys(NEW_COLUMNS, "")
    assert oldest == {
        "id": str(first.pk),
        "number": first.number,
        "status": "pending",
        "user_id": "7",
        "user_verified": "false",
        "created_at": "2026-03-01T12:00:00.000Z",
        "placed_at": "2026-03-01T12:00:00.000Z",
        "paid_at": "",
        "shipped_at": "",
        "status_since": "2026-03-01T12:00:00.000Z",
        "updated_at": "2026-03-01T12:00:00.000Z",
        "version": "1",
        "lines": "2",
        "units": "4",
        "total_price": "59.60",
        "currency": "EUR",
        "stock": "reserved",
        "line1": "1 Long Street",
        "line2": "",
        "city": "Springfield",
        "state": "",
        "postal_code": "12345",
        "country": "Freedonia",
        "products": "2 × 665f1c0a9b1e8a0012a40001; 2 × 665f1c0a9b1e8a0012a40002",
    }


def test_a_row_tells_who_ordered_what() -> None:
    named = Item(product_id="665f1c0a9b1e8a0012a40001", quantity=3, price=Decimal("0.10"), name="Desk", sku="D-1")
    address = Address(name="Amara Okafor", company="Okafor & Co", line1="1 Way", city="Kano", country="Nigeria")
    OrderFactory(
        status="delivered",
        items=[named],
        currency="KWD",
        contact=Contact(name="Amara Okafor", email="amara@shop.example", phone="+49 30 123"),
        shipping_address=address,
        billing_address=address,
        note="Ring twice.\nThe bell is broken.",
        metadata={"channel": "app", "=1": "'"},
        tags=["=cmd", "VIP"],
        delivered_at=START,
    )
    (row,) = rows(run()[0])
    told = {
        "contact_name": "Amara Okafor", "contact_email": "amara@shop.example", "contact_phone": "'+49 30 123",
        "products": "3 × Desk", "currency": "KWD", "shipping_name": "Amara Okafor", "shipping_company": "Okafor & Co",
        "billing_name": "Amara Okafor", "billing_country": "Nigeria", "note": "Ring twice.\nThe bell is broken.",
        "tags": "'=cmd, VIP",
        "metadata": '{"channel":"app","=1":"\'"}', "delivered_at": "2026-03-01T12:00:00.000Z", "cancelled_at": "",
    }  # fmt: skip
    assert {name: row[name] for name in told} == told
    (line,) = rows(run("--lines")[0])
    assert (line["product_name"], line["sku"], line["image_url"]) == ("Desk", "D-1", "")
    (found,) = map(json.loads, run("--format", "jsonl")[0].splitlines())
    assert found["contact"] == {"name": "Amara Okafor", "email": "amara@shop.example", "phone": "+49 30 123"}
    assert found["billing_address"]["company"] == "Okafor & Co"
    assert (found["metadata"], found["items"][0]["name"]) == ({"channel": "app", "=1": "'"}, "Desk")
    assert found["tags"] == ["=cmd", "VIP"]
    assert not {"reference", "cancelled_at"} & set(found)


def test_one_row_is_one_line_where_that_is_asked_for() -> None:
    order = OrderFactory(lines=2)
    OrderFactory(status="delivered")
    text, _ = run("--lines")
    assert next(csv.reader([text.splitlines()[0]])) == [*ORDER_COLUMNS, *LINE_COLUMNS]
    assert [row["line_stock"] for row in rows(text)] == ["used", "reserved", "reserved"]
    first, second = rows(text)[1:]
    assert {first["id"], second["id"]} == {str(order.pk)}
    assert {name: second[name] for name in LINE_COLUMNS} == {
        "line": "2",
        "product_name": "",
        "sku": "",
        "image_url": "",
        "product_id": order.items[1].product_id,
        "quantity": "2",
        "price": "14.90",
        "line_total": "29.80",
        "line_stock": "reserved",
        **dict.fromkeys(("split_from", "shipment", "returned_in", "removed"), ""),
    }


def test_parcels_and_money_are_in_cells_of_json_and_the_lines_say_what_became_of_them() -> None:
    first = Item(product_id="665f1c0a9b1e8a0012a40001", quantity=3, price=Decimal("0.10"), shipment=0)
    split = Item(product_id="665f1c0a9b1e8a0012a40001", quantity=1, price=Decimal("0.10"), split_from=0)
    OrderFactory(
        status="processing",
        items=[first, split],
        shipments=[Shipment(at=START, carrier="DHL", tracking_number="0034", tracking_url="")],
        payments=[Payment(at=START, amount=Decimal("0.40"), reference="PAY-1")],
        paid=Decimal("0.40"),
        refunded=Decimal("0.00"),
        held_at=START,
        hold=Hold(code="fraud", reason="odd", actor="staff:jane"),
    )
    one, two = rows(run("--lines")[0])
    at = "2026-03-01T12:00:00.000Z"
    parcel = {"at": at, "carrier": "DHL", "tracking_number": "0034", "tracking_url": ""}
    assert json.loads(one["shipments"]) == [parcel]
    assert json.loads(one["payments"]) == [{"at": at, "amount": "0.40", "reference": "PAY-1", "method": ""}]
    assert json.loads(one["hold"]) == {"code": "fraud", "reason": "odd", "actor": "staff:jane"}
    assert (one["held_at"], one["paid"], one["refunded"], one["owed"], one["returns"]) == (at, "0.40", "0.00", "", "")
    assert (one["shipment"], one["split_from"], two["shipment"], two["split_from"]) == ("0", "", "", "0")
    (found,) = map(json.loads, run("--format", "jsonl")[0].splitlines())
    assert (found["shipments"], found["paid"], found["held_at"]) == ([parcel], "0.40", at)
    assert [found["items"][0]["shipment"], found["items"][1]["split_from"]] == [0, 0]
    assert not {"owed", "returns", "refunds"} & set(found)


def test_the_code_of_a_reason_is_in_the_history() -> None:
    coded = HistoryEntry(at=START, act="cancel", actor="staff:jane", via="admin", code="fraud", write_id="w")
    OrderFactory(status="cancelled", history=[coded])
    (found,) = map(json.loads, run("--format", "jsonl")[0].splitlines())
    assert found["history"][0]["code"] == "fraud"


def test_a_json_line_is_the_whole_order() -> None:
    stock = Stock(state="released", attempts=1, discrepancy=2)
    item = Item(product_id="665f1c0a9b1e8a0012a40001", quantity=3, price=Decimal("0.10"), stock=stock)
    order = OrderFactory(status="cancelled", items=[item], created_at=START)
    text, _ = run("--format", "jsonl")
    (found,) = map(json.loads, text.splitlines())
    assert found["id"] == str(order.pk)
    assert found["total_price"] == "0.30"
    assert found["items"] == [
        {"product_id": item.product_id, "quantity": 3, "price": "0.10", "stock": "released", "discrepancy": 2}
    ]
    assert found["shipping_address"]["city"] == "Springfield"
    assert [entry["to"] for entry in found["history"]] == ["placing", "pending", "cancelled"]
    assert found["history"][0]["at"] == "2026-03-01T12:00:00.000Z"
    assert "paid_at" not in found
    assert "discrepancy" not in json.loads(run("--format", "jsonl", "--status", "cancelled")[0])


def test_money_has_all_its_digits() -> None:
    order = OrderFactory()
    for amount, shown in (
        ("0.00", "0.00"),
        ("1E+3", "1000"),
        ("20.305", "20.305"),
        ("99999999999.99", "99999999999.99"),
    ):
        orders().update_one({"_id": order.pk}, {"$set": {"total_price": Decimal128(amount)}})
        assert rows(run()[0])[0]["total_price"] == shown
        assert json.loads(run("--format", "jsonl")[0])["total_price"] == shown
    orders().update_one({"_id": order.pk}, {"$set": {"items.0.price": Decimal128("0.125")}})
    assert rows(run("--lines")[0])[0]["line_total"] == "0.250"


@pytest.mark.parametrize("text", DANGEROUS)
def test_no_cell_can_be_taken_for_a_formula(text: str) -> None:
    address = Address(line1=text, city=text, postal_code=text, country=text)
    OrderFactory(user_id=text, number=text[:14], shipping_address=address)
    (row,) = rows(run("--lines")[0])
    assert row["line1"] == row["city"] == row["user_id"] == f"'{text}"
    assert plain_cell(row["line1"]) == text
    assert not any(cell.startswith(("=", "+", "-", "@", "\t", "\r", "\n")) for cell in row.values())


@pytest.mark.parametrize("text", ["", "Łódź, 1", "'s-Hertogenbosch", "a=b", '"quoted"', "two\nlines", "12"])
def test_a_harmless_cell_is_left_as_it_is(text: str) -> None:
    assert safe_cell(text) == plain_cell(text) == text
    order = OrderFactory(shipping_address=Address(line1=text, city="x", postal_code="x", country="x"))
    assert rows(run()[0])[0]["line1"] == order.shipping_address.line1


def test_excel_is_told_that_it_is_utf_8_where_that_is_asked_for(tmp_path: Path) -> None:
    OrderFactory()
    call_command("export_orders", "--bom", "--out", str(tmp_path / "a.csv"), stderr=io.StringIO())
    assert (tmp_path / "a.csv").read_bytes().startswith(b'\xef\xbb\xbf"id","number"')


# --- which orders -----------------------------------------------------------------------------------------------


def test_the_arguments_select() -> None:
    made = {
        status: OrderFactory(status=status, user_id=str(day), created_at=START + timedelta(days=day)).number
        for day, status in enumerate(Status.values)
    }
    names = list(made)
    assert exported() == list(reversed(made.values()))
    assert exported("--status", "paid", "rejected") == [made["rejected"], made["paid"]]
    assert exported("--user", "3") == [made[names[3]]]
    assert exported("--from", "2026-03-08") == [made[names[8]], made[names[7]]]
    assert exported("--from", "2026-03-02T12:00:00Z", "--to", "2026-03-03T14:00:00+02:00") == [made[names[1]]]
    assert exported("--product", "665F1C0A9B1E8A0012A40001", "--to", "2026-03-01") == [made[names[0]]]
    assert exported("--product", "f" * 24) == []


@pytest.mark.parametrize(
    ("arguments", "complaint"),
    [
        (["--status", "lost"], "invalid choice: 'lost'"),
        (["--from", "yesterday"], "'yesterday' is not a date"),
        (["--to", "2026-02-30"], "is not a date"),
        (["--from", "0001-01-01T00:00:00+10:00"], "is not a date"),
        (["--to", "9999-12-31T23:59:59-10:00"], "is not a date"),
        (["--user", "7.0"], "'7.0' is not a user id"),
        (["--product", "nothing"], "'nothing' is not a product id"),
        (["--from", "2026-03-02", "--to", "2026-03-01"], "The span of time ends before it begins."),
        (["--format", "xml"], "invalid choice: 'xml' (choose from 'csv', 'jsonl')"),
        (["--format", "jsonl", "--lines"], "--lines is for CSV"),
        (["--out", "/nowhere/orders.csv"], "/nowhere/orders.csv cannot be written: No such file or directory"),
        (["--out", "/"], "/ cannot be written: it is no regular file"),
        (["--out", ""], ". cannot be written: it is no regular file"),
        (["--out", "/dev/null"], "/dev/null cannot be written: it is no regular file"),
        (["--out", "x" * 300], "cannot be written: File name too long"),
    ],
)
def test_what_it_does_not_understand_it_refuses(arguments: list[str], complaint: str) -> None:
    with pytest.raises(CommandError, match=re.escape(complaint)) as refused:
        run(*arguments)
    assert refused.value.returncode in (1, 2)  # argparse's own is 2 on a command line


# --- streaming --------------------------------------------------------------------------------------------------


def test_an_order_that_is_placed_or_changed_meanwhile_disturbs_nothing() -> None:
    made = [OrderFactory(created_at=START + timedelta(seconds=second)).pk for second in range(6)]
    found = []
    for batch in order_lists.batches(ALL, {"created_at": 1}, size=2):
        OrderFactory(created_at=START + timedelta(hours=1))
        orders().update_one({"_id": made[0]}, {"$set": {"status": "paid"}})
        found += [order["_id"] for order in batch]
    assert found == made[::-1]


def test_each_batch_is_read_by_the_index(database: Database[Document]) -> None:
    for second in range(40):
        OrderFactory(created_at=START + timedelta(seconds=second), status="paid" if second % 2 else "pending")
    database.command("profile", 2)
    try:
        list(order_lists.batches(ALL, size=10))
        list(order_lists.batches(OrderQuery(("paid",)), size=10))
    finally:
        database.command("profile", 0)
    found = list(database["system.profile"].find({"op": "query", "ns": f"{database.name}.orders"}))
    database.drop_collection("system.profile")
    assert len(found) == 8
    for plan in found:
        assert "IXSCAN" in plan["planSummary"]
        assert not plan.get("hasSortStage")
        assert plan["docsExamined"] <= 11


def test_memory_holds_one_batch_at_a_time(monkeypatch: pytest.MonkeyPatch) -> None:
    for _ in range(5):
        OrderFactory()
    told: list[int] = []
    pieces = export_orders(ALL, actor=OPERATOR, progress=told.append)
    assert next(pieces).startswith('"id",')
    assert told == []
    assert next(pieces).count("\n") == 5
    assert list(pieces) == []
    assert told == [5]


def test_a_piece_has_so_many_rows_since_each_line_repeats_its_order(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(exporting, "ROWS_AT_ONCE", 2)
    OrderFactory(lines=3), OrderFactory(lines=2)
    assert [piece.count("\n") for piece in export_orders(ALL, actor=OPERATOR, by_line=True)] == [1, 2, 2, 1]


def test_who_may_not_export_gets_nothing() -> None:
    with pytest.raises(NotPermitted, match="You may not export orders"):
        export_orders(ALL, actor=Actor(Kind.STAFF, "support", "admin"))
    allowed = Actor(Kind.STAFF, "finance", "admin", frozenset({"orders.export_orders"}))
    assert len(list(export_orders(ALL, actor=allowed, format=Format.JSONL))) == 0


def test_counting_is_given_up_when_it_takes_too_long(monkeypatch: pytest.MonkeyPatch) -> None:
    OrderFactory()
    pending = OrderQuery(("pending",))
    assert order_lists.count(ALL) == order_lists.count(pending) == 1
    assert order_lists.count(OrderQuery(alerts=("unknown", "short"))) == 0
    monkeypatch.setattr(order_lists, "COUNT_TIMEOUT", 0.000_001)
    assert order_lists.count(pending) is None
    monkeypatch.setattr(order_lists, "COUNT_TIMEOUT", 5)
    monkeypatch.setattr(OrderQuery, "index", lambda *_: "an_index_that_there_is_not")
    with pytest.raises(DatabaseError) as failed:
        order_lists.count(OrderQuery(("pending",)))
    assert isinstance(failed.value.__cause__, OperationFailure)


# --- files and terminals ----------------------------------------------------------------------------------------


def test_a_file_is_there_when_it_is_complete(tmp_path: Path) -> None:
    OrderFactory()
    out = tmp_path / "orders.csv"
    out.write_text("the last one")
    assert run("--out", str(out)) == ("", "1 orders exported\n")
    assert out.read_text().startswith('"id","number"')
    assert list(tmp_path.iterdir()) == [out]


def test_of_a_link_the_file_is_written_that_it_leads_to(tmp_path: Path) -> None:
    OrderFactory()
    link, out = tmp_path / "latest.csv", tmp_path / "orders.csv"
    link.symlink_to(out)
    run("--out", str(link))
    assert out.read_text().startswith('"id","number"')
    assert link.is_symlink()


def test_a_link_to_itself_and_a_pipe_are_left_as_they_are(tmp_path: Path) -> None:
    loop, pipe = tmp_path / "loop.csv", tmp_path / "pipe.csv"
    loop.symlink_to(loop)
    os.mkfifo(pipe)
    with pytest.raises(CommandError, match="no regular file"):
        run("--out", str(pipe))
    assert pipe.is_fifo()
    run("--out", str(loop))
    assert loop.is_file()


@pytest.mark.parametrize("failure", [DatabaseError("no primary"), KeyboardInterrupt()])
def test_a_file_that_cannot_be_completed_is_not_written(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, failure: BaseException
) -> None:
    OrderFactory()
    out = tmp_path / "orders.csv"
    out.write_text("the last one")

    def fail(*_: Any) -> list[Document]:
        raise failure

    monkeypatch.setattr(order_lists, "_batch", fail)
    with pytest.raises(CommandError, match=r"no primary|stopped"):
        run("--out", str(out))
    assert out.read_text() == "the last one"
    assert list(tmp_path.iterdir()) == [out]


def test_a_batch_that_fails_is_a_database_error(monkeypatch: pytest.MonkeyPatch) -> None:
    def fail() -> None:
        raise AutoReconnect("no primary")

    monkeypatch.setattr(order_lists, "orders", fail)
    with pytest.raises(DatabaseError):
        list(order_lists.batches(ALL))


def test_it_says_now_and_then_how_far_it_is(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(progress, "REPORT_EVERY", 0)
    OrderFactory()
    assert re.fullmatch(r"1 of 1 orders exported, \d+ a second\n1 orders exported\n", run()[1])
    monkeypatch.setattr(order_lists, "COUNT_TIMEOUT", 0.000_001)
    assert re.match(r"1 orders exported, \d+ a second\n", run("--status", "pending")[1])


def manage(database: Database[Document], mongo_uri: str) -> dict[str, Any]:
    env = os.environ | {"MONGODB_URI": mongo_uri, "MONGODB_DB": database.name}
    env["DJANGO_SETTINGS_MODULE"] = "orders_project.settings.test"
    return {"args": [sys.executable, "manage.py", "export_orders"], "cwd": ROOT, "env": env}


@pytest.mark.slow
def test_a_terminal_has_a_bar(database: Database[Document], mongo_uri: str) -> None:
    OrderFactory()
    ours, theirs = pty.openpty()
    termios.tcsetwinsize(theirs, (24, 100))
    done = subprocess.run(**manage(database, mongo_uri), stdout=subprocess.PIPE, stderr=theirs, check=False)
    os.close(theirs)
    shown = os.read(ours, 65536).decode()
    os.close(ours)
    assert done.returncode == 0
    assert done.stdout.count(b"\n") == 2
    assert "100%" in shown
    assert "1/1" in shown


@pytest.mark.slow
def test_a_reader_who_leaves_early_is_no_error(database: Database[Document], mongo_uri: str) -> None:
    document = OrderFactory(lines=50)
    raw = orders().find_one({"_id": document.pk}) or {}
    orders().insert_many([{**raw, "_id": number, "created_at": START} for number in range(300)])
    ask = manage(database, mongo_uri)
    ask["args"] += ["--lines"]
    with subprocess.Popen(**ask, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
        assert process.stdout
        assert process.stdout.readline().startswith(b'"id",')
        process.stdout.close()
        assert process.stderr
        assert process.stderr.read() == b""
        assert process.wait() == 0


def test_the_page_for_operators_tells_of_every_column() -> None:
    page = (ROOT / "docs" / "import-export.md").read_text()
    told = dict(re.findall(r"^\| (`.+`) \| .* \| (yes|no|public ones) \|$", page, re.MULTILINE))
    columns = {name: kept != "no" for names, kept in told.items() for name in re.findall(r"`(\w+)`", names)}
    assert set(columns) == {*ORDER_COLUMNS, *LINE_COLUMNS, SUMMARY_COLUMN}
    assert set(NEEDED_COLUMNS) <= {name for name, kept in columns.items() if kept}
    assert all(f"`{name}`" in page.partition("## Importing")[2] for name in (*NEEDED_COLUMNS, *KEYS))
