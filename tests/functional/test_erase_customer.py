"""`manage.py erase_customer` and `export_customer`: what they understand and present."""

import io
import json
import signal
from collections.abc import Callable, Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from django.core.management import CommandError, call_command
from django.db import DatabaseError
from django.utils import timezone
from pymongo.database import Database

from orders.services import access
from orders.services.access import NotPermitted
from orders.services.lifecycle import erasing_many
from orders.services.lifecycle.erasing_many import Customer
from orders.services.transfer.customer_export import export_customer
from orders.storage import personal_data
from tests.integration.builders import Document, act, line, now, read, store
from tests.integration.test_erasing import PERSON, erased, told, whole, words_in

ODD = '=1+1 "<script>alert(1)</script>"\\ \u202e\x1b[2J Ünï'
"""Older documents may hold anything."""


@pytest.fixture(autouse=True)
def alone(monkeypatch: pytest.MonkeyPatch, database: Database[Document]) -> Iterator[None]:
    """Nobody is there to ask, and pytest gets its signal handlers back."""
    monkeypatch.setattr("sys.stdin", io.StringIO(""))
    before = {number: signal.getsignal(number) for number in (signal.SIGTERM, signal.SIGINT)}
    yield
    for number, handler in before.items():
        signal.signal(number, handler)


@pytest.fixture
def typed(monkeypatch: pytest.MonkeyPatch) -> Callable[[str], None]:
    return lambda text: monkeypatch.setattr("sys.stdin", io.StringIO(text))


def run(*arguments: str, command: str = "erase_customer") -> tuple[int, str, str]:
    out, err, code = io.StringIO(newline=""), io.StringIO(), 0
    try:
        call_command(command, *arguments, stdout=out, stderr=err)
    except CommandError as error:
        code = error.returncode
        err.write(f"{error}\n")
    return code, out.getvalue(), err.getvalue()


# --- erasing ---------------------------------------------------------------------------------------------------------


def test_it_plans_asks_and_erases(typed: Callable[[str], None]) -> None:
    order_id = whole()
    assert run("1", "--dry-run") == (0, "1 orders to erase, 0 erased before\n", "")
    assert run("1") == (1, "1 orders to erase, 0 erased before\n", "nothing was erased\n")
    typed("n\n")
    assert run("1")[0] == 1
    assert words_in(read(order_id)) == list(PERSON)
    typed("y\n")
    assert run("1", "--reason", "Request 4711")[:2] == (
        *(0, "1 orders to erase, 0 erased before\n1 orders erased, 0 erased before\n"),
    )
    after = read(order_id)
    assert words_in(after) == []
    entry = after["history"][-1]
    assert (entry["actor"].partition(":")[0], entry["via"], entry["reason"]) == ("system", "command", "Request 4711")
    assert run("1") == (0, "0 orders to erase, 1 erased before\n", "")
    assert run("1", "--yes") == (0, "0 orders erased, 1 erased before\n", "")
    assert run("8", "--yes") == (0, "0 orders erased, 0 erased before\n", "")


def test_what_has_to_wait_is_named_and_not_erased() -> None:
    done, waits = whole(), whole("paid", number="7KQF-2M9D-XW3H")
    reason = "Order 7KQF-2M9D-XW3H is paid: its address is needed until it is shipped or cancelled.\n"
    before = read(waits)
    ending = f"{reason}1 orders have to wait; erase again later\n"
    assert run("1", "--dry-run") == (1, "1 orders to erase, 0 erased before\n", ending)
    assert run("amara@example.com", "--yes") == (1, "1 orders erased, 0 erased before\n", ending)
    assert words_in(read(done)) == []
    assert read(waits) == before


def test_of_many_that_have_to_wait_the_first_are_named() -> None:
    for _ in range(12):
        store("paid", line("reserved"), due=None)
    code, _, err = run("1", "--yes")
    assert (code, len(err.splitlines())) == (1, 11)
    assert err.splitlines()[-1] == "12 orders have to wait; erase again later"


def test_after_a_backup_was_restored_the_list_is_erased_again(
    tmp_path: Path, database: Database[Document], typed: Callable[[str], None]
) -> None:
    order_id, gone = whole(), whole()
    backup = read(order_id)
    run("1", "--yes")
    listed = run("--list-erased")[1]
    assert listed.splitlines() == ["# orders whose personal data was erased", str(order_id), str(gone)]
    database["orders"].delete_one({"_id": gone})
    database["orders"].replace_one({"_id": order_id}, backup)
    file = tmp_path / "erased.txt"
    file.write_text(listed)
    assert run("--orders-from", str(file), "--dry-run") == (0, "2 orders to look at\n", "")
    assert run("--orders-from", str(file)) == (1, "", "nothing was erased\n")
    typed(listed)
    assert run("--orders-from", "-") == (1, "", "nothing was erased\n")
    assert read(order_id) == backup
    typed(listed)
    assert run("--orders-from", "-", "--yes") == (0, "1 orders erased, 0 erased before, 1 not found\n", "")
    assert words_in(read(order_id)) == []
    typed("y\n")
    assert run("--orders-from", str(file)) == (0, "0 orders erased, 1 erased before, 1 not found\n", "")


def test_told_to_stop_it_says_how_to_go_on(monkeypatch: pytest.MonkeyPatch) -> None:
    made = [whole() for _ in range(4)]
    real = erasing_many.erase_order

    def told_to_stop(**options: Any) -> Document:
        signal.raise_signal(signal.SIGTERM)
        return real(**options)

    monkeypatch.setattr(erasing_many, "erase_order", told_to_stop)
    assert run("1", "--yes") == (
        *(1, "1 orders erased, 0 erased before\n", "stopped; run the command again to go on\n"),
    )
    assert [words_in(read(order_id)) == [] for order_id in made] == [True, False, False, False]
    monkeypatch.setattr(erasing_many, "erase_order", real)
    assert run("1", "--yes") == (0, "3 orders erased, 1 erased before\n", "")


@pytest.mark.parametrize(
    "arguments", [(), ("1", "--list-erased"), ("1.5",), ("",), ("1", "2"), ("--orders-from", "/nowhere")]
)
def test_what_it_does_not_understand_it_refuses(arguments: tuple[str, ...]) -> None:
    order_id = whole()
    assert run(*arguments, "--yes")[0] != 0
    assert words_in(read(order_id)) == list(PERSON)


def test_a_reason_that_cannot_be_kept_is_refused() -> None:
    order_id = whole()
    assert run("1", "--yes", "--reason", "a\x1b[2J")[0] == 2
    assert words_in(read(order_id)) == list(PERSON)


@pytest.mark.parametrize("command", ["erase_customer", "export_customer"])
def test_a_database_that_does_not_answer_is_said_so(monkeypatch: pytest.MonkeyPatch, command: str) -> None:
    def fail(*_: Any, **__: Any) -> list[Any]:
        raise DatabaseError("no primary")

    monkeypatch.setattr(personal_data, "batches", fail)
    code, _, err = run("1", command=command)
    assert code == 1
    assert err.startswith("the database does not answer: no primary; ")


# --- exporting -------------------------------------------------------------------------------------------------------


def test_everything_about_a_customer_is_exported_as_readable_json(tmp_path: Path) -> None:
    stock = told("stock", "releasing", "released", line=0, actor="system:settle_stock", reason="of the goods")
    order_id = whole(number="7KQF-2M9D-XW3H", created_at=now() - timedelta(days=2))
    draft = whole("rejected", history=[stock], metadata={})
    whole(user_id="2", contact={"email": "tom@example.com"})
    path = tmp_path / "customer.json"
    code, out, err = run("1", "--out", str(path), command="export_customer")
    assert (code, out, err) == (0, "", "2 orders exported\n")
    found = json.loads(path.read_text())
    assert (found["customer"], [order["id"] for order in found["orders"]]) == (
        *({"user_id": "1"}, [str(order_id), str(draft)]),
    )
    order = found["orders"][0]
    assert words_in(order) == [word for word in PERSON if word != "terms"]
    assert (order["number"], order["total_price"], order["note"]) == ("7KQF-2M9D-XW3H", "29.80", "ringtwice")
    assert order["contact"] == {"name": "Amara Okafor", "email": "amara@example.com", "phone": "0049 32"}
    assert order["items"] == [
        {"product_id": "665f1c0a9b1e8a0012a40001", "name": "Skillet", "quantity": 2, "price": "14.90"}
    ]
    [parcel], [payment], [refund] = order["shipments"], order["payments"], order["refunds"]
    assert (parcel["carrier"], parcel["tracking_number"]) == ("DHL", "parcel-0034")
    assert (payment["amount"], payment["reference"]) == ("29.80", "pay-ref-1")
    assert (refund["amount"], refund["code"]) == ("5.00", "other")
    assert (order["paid"], order["refunded"], order["owed"]) == ("29.80", "5.00", "24.80")
    assert order["hold"] == {"code": "fraud", "reason": "heldbackreason"}
    assert order["snoozed"] == {"reason": "snoozedreason"}
    assert [entry["code"] for entry in order["history"] if "code" in entry] == ["fraud", "customer", "other"]
    assert order["history"][2] == {
        "at": order["history"][2]["at"], "act": "change_address", "reason": "staffsreason",
        "detail": "Oldstreet 1, D-98765 Oldtown, France", "by": "staff", "via": "api",
    }  # fmt: skip
    assert "maria" not in path.read_text(), "staff are not named"
    assert found["orders"][1]["history"] == [], "what became of goods is not about a person"
    assert path.read_text().splitlines()[:3] == ["{", '  "customer": {', '    "user_id": "1"']
    assert run("1", command="export_customer")[1].count("\n") == path.read_text().count("\n")


def test_the_export_of_an_erased_customer_holds_nothing_personal() -> None:
    erased(whole())
    code, out, _ = run("1", command="export_customer")
    assert (code, words_in(out)) == (0, [])
    assert json.loads(out)["orders"][0]["erased_at"]


def test_a_customer_without_orders_has_an_empty_list() -> None:
    code, out, err = run("nobody@example.com", command="export_customer")
    assert (code, err) == (0, "0 orders exported\n")
    found = json.loads(out)
    assert found["orders"] == []
    assert found["customer"] == {"user_id": "nobody@example.com", "email": "nobody@example.com"}


def test_whatever_a_document_holds_the_export_is_json_and_shows_it_as_the_text_that_it_is() -> None:
    whole(note=ODD, contact={"name": ODD, "email": "amara@example.com", "phone": ""}, metadata={ODD[:5]: ODD})
    out = run("amara@example.com", command="export_customer")[1]
    [order] = json.loads(out)["orders"]
    assert (order["note"], order["contact"]["name"], order["metadata"]) == (ODD, ODD, {ODD[:5]: ODD})
    assert "\x1b" not in out, "a terminal would obey it"


def test_an_export_is_written_order_by_order() -> None:
    for _ in range(3):
        whole()
    counted: list[int] = []
    actor = access.system("root", via="command")
    pieces = export_customer(Customer("1"), actor=actor, at=timezone.now(), progress=counted.append)
    seen = [len(counted) for _ in pieces]
    assert seen == [0, 0, 1, 2, 3], "a piece is out before the next order is written"


def test_whoever_may_not_export_exports_nothing() -> None:
    with pytest.raises(NotPermitted):
        export_customer(Customer("1"), actor=act(access.customer("1")).actor, at=timezone.now())


def test_a_file_that_cannot_be_written_is_told() -> None:
    whole()
    code, _, err = run("1", "--out", "/nowhere/customer.json", command="export_customer")
    assert code == 2
    assert "cannot be written" in err
