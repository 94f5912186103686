"""A list of parcels: what it is read as, what its plan says, and that each parcel leaves once."""

import io
from decimal import Decimal
from typing import Any

import pytest
from bson import ObjectId
from django.db import DatabaseError
from django.utils import timezone

from integrations.sandbox import Sandbox
from orders.models import Item, Stock
from orders.services import access
from orders.services.access import NotPermitted
from orders.services.fulfilment import parcel_list
from orders.services.fulfilment.parcel_list import Parcel, ParcelResult, plan_parcels, ship_parcels
from orders.services.fulfilment.parts import LineRequest
from orders.services.fulfilment.shipping import ship
from orders.services.lifecycle.tracking import Tracking
from orders.services.transfer.import_files import UnreadableFile
from orders.services.transfer.parcel_files import read_parcels, report_csv, report_json
from orders.storage.order_writes import orders
from tests.integration.builders import A, B, Document, act, answer_lost, asked, line, read, small_sandbox, store  # noqa: F401
from tests.integration.bulk_helpers import STAFF, sound, stored

pytestmark = pytest.mark.usefixtures("database")


def processing(*quantities: int, **fields: Any) -> ObjectId:
    """An order that is being packed, with a line for each quantity."""
    lines = [
        Item(product_id=product, quantity=quantity, price=Decimal("14.90"), stock=Stock(state="reserved", attempts=1))
        for quantity, product in zip(quantities, (A, B), strict=False)
    ]
    return stored("processing", 1, items=lines, **fields)[0]


def parcels(text: str) -> list[Parcel]:
    found, problems = read_parcels(io.StringIO(text))
    assert problems == []
    return found


def told(results: Any) -> list[tuple[str, str]]:
    return [(found.result, found.reason) for found in results]


def results_of(results: Any) -> list[str]:
    return [found.result for found in results]


# --- reading ---------------------------------------------------------------------------------------------------------


def test_a_row_is_a_parcel_of_an_order_by_number_or_id() -> None:
    first, second = processing(1), processing(1)
    number = read(first)["number"]
    text = f'number,carrier,tracking_number,lines\n{number.lower()},dhl,\'-77,0:1\n\n"{second}",,,\n'
    one, two = parcels(text)
    assert one == Parcel(2, first, number, (LineRequest(0, 1),), Tracking("dhl", "-77"))
    assert two == Parcel(4, second, read(second)["number"], None, Tracking())
    assert parcels(f"lines,number\n0:2 3,{number}\n")[0].lines == (LineRequest(0, 2), LineRequest(3))


@pytest.mark.parametrize(
    ("row", "problem"),
    [
        (",DHL,,", "number: it is missing"),
        ("hello,,,", "number: 'hello' is not the id of an order (24 hex digits) or its number (7K2M-9QWX-4HTC)"),
        ("7K2M-9QWX-4HTC,,,", "number: there is no order 7K2M-9QWX-4HTC"),
        ("665f1c0a9b1e8a0012a40001,,,", "number: there is no order 665f1c0a9b1e8a0012a40001"),
        ("{number},,,", "number: 2 orders have the number {number}: give the id of one"),
        ("{id},,,0:2:3", "lines: '0:2:3' is not a list of lines, e.g. 0:2 3"),
        ("{id},,,first", "lines: 'first' is not a list of lines, e.g. 0:2 3"),
        ("{id},,3.40434E+17,", "tracking_number: 3.40434E+17 was rounded by a spreadsheet: keep the column as text"),
        ("{id}," + "x" * 41 + ",,", "carrier: At most 40 characters, please: it has 41."),
        ("{id},,1", "it has 3 cells, the heading 4"),
        ('{id},"a"b,,', "no CSV: ',' expected after '\"'"),
    ],
)
def test_a_bad_row_is_named_with_its_line(row: str, problem: str) -> None:
    order_id, twin = processing(1), processing(1)
    number = read(order_id)["number"]
    orders().update_one({"_id": twin}, {"$set": {"number": number}})
    values = {"id": str(order_id), "number": number}
    text = f"number,carrier,tracking_number,lines\n{order_id},,,\n{row.format(**values)}\n"
    found, problems = read_parcels(io.StringIO(text))
    separator = ": " if problem.startswith(("it has", "no CSV")) else ", "
    assert [str(problem) for problem in problems] == [f"line 3{separator}{problem.format(**values)}"]
    assert len(found) == 1


def test_an_address_that_is_none_is_named_too() -> None:
    text = f"number,tracking_url\n{processing(1)},javascript:alert(1)\n"
    _, [problem] = read_parcels(io.StringIO(text))
    assert (problem.line, problem.field) == (2, "tracking_url")


def test_the_same_parcel_twice_is_a_bad_row() -> None:
    order_id = processing(5)
    text = f"number,tracking_number,lines\n{order_id},77,0:1\n{order_id},78,0:1\n{order_id},77,0:2\n{order_id},,0:1\n"
    found, problems = read_parcels(io.StringIO(f"{text}{order_id},,0:1\n"))
    assert [str(problem) for problem in problems] == [
        "line 4: it is the parcel of line 2 again", "line 6: it is the parcel of line 5 again"
    ]  # fmt: skip
    assert len(found) == 5


@pytest.mark.parametrize("heading", ["", "carrier,lines", "number,colour", "number,number", 'number,"a"b'])
def test_a_heading_that_is_not_understood_is_no_file_of_parcels(heading: str) -> None:
    with pytest.raises(UnreadableFile):
        read_parcels(io.StringIO(f"{heading}\n"))


# --- planning and shipping -------------------------------------------------------------------------------------------


def test_a_plan_says_what_shipping_then_does(sandbox: Sandbox) -> None:
    packed, parts, held, paid = (
        processing(2),
        processing(5, 1),
        processing(1, held_at=timezone.now()),
        stored("paid", 1),
    )
    draft, done = stored("placing", 1), stored("shipped", 1)
    rows = [
        f"{packed},1,",
        *(f"{parts},{number},{lines}" for number, lines in ((2, "0:2"), (3, "0:4"), (4, "0:3 1"), (5, ""))),
        *(f"{key},{number}," for number, key in enumerate([held, *paid, *draft, *done], 6)),
        f"{packed},10,9",
    ]
    found = parcels("number,tracking_number,lines\n" + "\n".join(rows))
    before = list(orders().find())
    planned = told(plan_parcels(found, act=act(STAFF)))
    assert list(orders().find()) == before, "nothing is done"
    final = "Cannot ship an order that is shipped. It can become: delivered, refunded."
    assert planned == [
        ("waiting", ""),
        ("waiting", ""),
        ("refused", "Line 0 has 3 units."),
        ("waiting", ""),
        ("refused", final),
        ("refused", "Cannot ship this order now. It is on hold. It can become: cancelled, refunded."),
        ("refused", "Cannot ship an order that is paid. It can become: processing, cancelled, refunded."),
        ("refused", f"There is no order {draft[0]}."),
        ("refused", final),
        ("refused", final),
    ]
    done_now = told(ship_parcels(found, act=act(STAFF, "wave 12")))
    assert done_now == [("done", "") if result == "waiting" else (result, reason) for result, reason in planned]
    assert [read(order_id)["status"] for order_id in (packed, parts, held)] == ["shipped", "shipped", "processing"]
    assert [parcel["tracking_number"] for parcel in read(parts)["shipments"]] == ["2", "4"]
    entry = read(packed)["history"][-1]
    assert (entry["actor"], entry["via"], entry["reason"]) == ("system:jane", "command", "wave 12")
    assert entry["request_id"]
    assert not asked(sandbox, "release")
    orders().delete_one({"_id": draft[0]})  # as the factory stores it, it is no sound one
    sound()


def test_a_list_that_was_cut_off_is_finished_by_anybody_who_ships_it_again(monkeypatch: pytest.MonkeyPatch) -> None:
    ids = [processing(6) for _ in range(4)]
    rows = [f"{order_id},{tracking},0:2" for order_id in ids for tracking in ("", f"T{order_id}")]
    found = parcels("number,tracking_number,lines\n" + "\n".join(rows))
    cut = ship_parcels(found, act=act(STAFF))
    assert results_of([next(cut), next(cut), next(cut)]) == ["done"] * 3
    answer_lost(monkeypatch)
    with pytest.raises(DatabaseError):
        next(cut)
    joe = act(access.system("joe", via="command"))
    assert results_of(plan_parcels(found, act=joe)) == ["already"] * 4 + ["waiting"] * 4
    assert results_of(ship_parcels(found, act=joe)) == ["already"] * 4 + ["done"] * 4
    assert results_of(ship_parcels(found, act=joe)) == ["already"] * 8
    for order in sound():
        assert [item["quantity"] for item in order["items"]] == [2, 2, 2]
        assert [parcel["tracking_number"] for parcel in order["shipments"]] == ["", f"T{order['_id']}"]
        assert (order["status"], order["version"]) == ("processing", 5)


def test_a_parcel_that_was_shipped_is_not_shipped_again_with_other_lines() -> None:
    order_id = processing(6)
    heading = "number,tracking_number,tracking_url,lines\n"
    assert results_of(ship_parcels(parcels(f"{heading}{order_id},77,,0:2"), act=act(STAFF))) == ["done"]
    for row in (f"{order_id},77,,0:3", f"{order_id},77,https://x.example/77,0:2"):
        again = parcels(heading + row)
        for results in (plan_parcels(again, act=act(STAFF)), ship_parcels(again, act=act(STAFF))):
            assert told(results) == [("refused", parcel_list.SHIPPED_OTHERWISE)]
    assert len(read(order_id)["shipments"]) == 1


def test_told_to_stop_it_leaves_the_rest_waiting() -> None:
    ids = [processing(1) for _ in range(3)]
    found = parcels("number\n" + "\n".join(map(str, ids)))
    results = ship_parcels(found, act=act(STAFF), stopping=lambda: read(ids[1])["status"] == "shipped")
    assert results_of(results) == ["done", "done", "waiting"]
    assert read(ids[2])["status"] == "processing"


def test_an_order_that_mongod_refuses_to_change_does_not_stop_the_rest() -> None:
    broken, sane = processing(1), processing(1)
    orders().update_one({"_id": broken}, {"$set": {"history": "none"}})
    first, second = ship_parcels(parcels(f"number\n{broken}\n{sane}\n"), act=act(STAFF))
    assert first.result == "failed"
    assert first.reason.startswith("The database refused: ")
    assert (second.result, read(sane)["status"], read(broken)["status"]) == ("done", "shipped", "processing")
    orders().delete_one({"_id": broken})


def test_only_who_may_ship_many_orders_ships_a_list() -> None:
    found = parcels(f"number\n{processing(1)}\n")
    for way in (plan_parcels, ship_parcels):
        with pytest.raises(NotPermitted):
            way(found, act=act(access.customer("1")))


def test_a_parcel_of_the_backoffice_is_another_one() -> None:
    order_id = processing(4)
    ship(order_id=order_id, lines=[LineRequest(0, 1)], tracking=Tracking(), act=act(STAFF), idempotency_key="k")
    assert results_of(ship_parcels(parcels(f"number,lines\n{order_id},0:1\n"), act=act(STAFF))) == ["done"]
    assert len(read(order_id)["shipments"]) == 2


def test_a_report_has_a_row_for_each_parcel() -> None:
    order_id = ObjectId()
    results = [ParcelResult(Parcel(2, order_id, "=1+1", None, Tracking("", "77")), "refused", "It is on hold.")]
    heading, row, _ = report_csv(results).split("\r\n")
    assert heading == '"line","order_id","number","tracking_number","result","reason"'
    assert row == f'"2","{order_id}","\'=1+1","77","refused","It is on hold."'
    assert '"number": "=1+1"' in report_json(results)
    assert report_json([]) == "[]\n"
