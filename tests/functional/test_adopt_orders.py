"""`manage.py adopt_orders`: the orders of a FastAPI service become ours, each once, and nothing of them is lost."""

import io
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from itertools import pairwise
from pathlib import Path
from threading import Event, Thread
from typing import Any

import pytest
from bson import Decimal128, ObjectId, json_util
from django.core.management import CommandError, call_command
from django.db import DatabaseError
from django.utils import timezone
from pytest_django import Settings

from integrations.sandbox import Sandbox
from orders.services import access
from orders.services.adoption import adopting, following
from orders.services.adoption.documents import Choices, Stock
from orders.services.adoption.originals import Originals
from orders.services.audit import Act
from orders.services.lifecycle import transitions
from orders.storage import foreign_orders
from orders.storage.order_writes import orders
from tests.fastapi_orders import CREATED, A, B, FastApiService, fastapi_order, worth
from tests.functional.helpers import Api, Documents
from tests.order_invariants import violations_of

Document = dict[str, Any]
ACT = Act(access.system("tests", via="command"), timezone.now())
STATUSES = ("pending", "paid", "processing", "shipped", "delivered", "cancelled", "refunded")


@pytest.fixture(autouse=True)
def _empty(database: Documents) -> None:
    """Each test has a collection of its own."""


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "originals.jsonl"


def run(*arguments: Any) -> tuple[int, str]:
    """Exit code and output."""
    out = io.StringIO()
    try:
        call_command("adopt_orders", *map(str, arguments), stdout=out, stderr=io.StringIO())
    except CommandError as error:
        return error.returncode, f"{out.getvalue()}{error}"
    return 0, out.getvalue()


def adopt(file: Path, *arguments: Any, stock: str = "none") -> tuple[int, str]:
    return run("--stock", stock, "--originals", file, "--yes", *arguments)


def kept() -> dict[Any, Document]:
    return {order["_id"]: order for order in orders().find()}


def insert(*documents: Document) -> list[Any]:
    foreign_orders.forget()
    return list(orders().insert_many(documents).inserted_ids)


def hold(sandbox: Sandbox, product_id: str, units: int) -> None:
    sandbox.control.room.stock.update_one({"_id": ObjectId(product_id)}, {"$set": {"reserved": units}})


def one(document: Document, **choices: Any) -> Document:
    """What becomes of a document."""
    found = adopting.adopted(document, Choices(**choices), ACT)
    assert isinstance(found, adopting.Adopted), found
    return found.order


def reasons(document: Document, **choices: Any) -> str:
    found = adopting.adopted(document, Choices(**choices), ACT)
    assert isinstance(found, list), found
    return "; ".join(found)


# --- what a document becomes -----------------------------------------------------------------------------------------


@pytest.mark.parametrize("written", ["text", "double", "decimal"])
def test_an_order_of_each_status_is_one_of_ours(written: str, file: Path, api: Api) -> None:
    ids = insert(*(fastapi_order(status, written=written) for status in STATUSES))
    code, out = adopt(file, "--despite-shortage", stock="reserved-and-used")
    ends = ["7 adopted, 0 changes followed", "no document of another service is left"]
    assert (code, out.splitlines()[-2:]) == (0, ends)
    found = kept()
    assert list(found) == ids
    for order_id, status in zip(ids, STATUSES, strict=True):
        order = found[order_id]
        assert violations_of(order) == []
        assert (order["status"], order["total_price"], worth(order)) == (status, Decimal128("39.90"), Decimal("39.90"))
        assert (order["created_at"], order["status_since"]) == (CREATED, CREATED + timedelta(hours=1))
        assert order["updated_at"] > datetime.now(UTC).replace(tzinfo=None) - timedelta(minutes=1)
        assert order["shipping_address"]["line2"] == ""
        state = {"shipped": "used", "delivered": "used", "cancelled": "none", "refunded": "none"}.get(
            status, "reserved"
        )
        assert {item["stock"]["state"] for item in order["items"]} == {state}
        shown = api().get(f"orders/{order_id}").json()
        assert (shown["status"], shown["total_price"], shown["number"]) == (status, "39.90", order["number"])
        paid = "0.00" if status in ("pending", "cancelled") else "39.90"
        assert (shown["paid"], shown["refunded"]) == (paid, "39.90" if status == "refunded" else "0.00")
        [entry] = api().get(f"orders/{order_id}/history").json()
        assert (entry["act"], entry["to"]) == ("adopt", status)
    assert len(api().get("orders/?limit=100").json()) == len(api(admin=True).get("orders/?q=Springfield").json()) == 7


def test_what_is_missing_is_filled_in_and_said() -> None:
    bare = fastapi_order("paid")
    for name in ("total_price", "created_at", "updated_at", "shipping_address"):
        del bare[name]
    order = one(bare)
    born = bare["_id"].generation_time.replace(tzinfo=None)
    assert (order["total_price"], order["created_at"], order["paid_at"]) == (Decimal128("39.90"), born, born)
    assert set(order["shipping_address"].values()) == {""}
    assert "created_at, shipping_address.city" in order["history"][0]["detail"]


def test_times_are_utc_unless_said_otherwise() -> None:
    from zoneinfo import ZoneInfo

    berlin = ZoneInfo("Europe/Berlin")
    summer = datetime(2026, 7, 1, 12)  # noqa: DTZ001
    assert one(fastapi_order(created_at=summer), zone=berlin)["created_at"] == datetime(2026, 7, 1, 10)  # noqa: DTZ001
    texts = {"2026-07-01T12:00:00": 12, "2026-07-01T12:00:00+02:00": 10, "2026-07-01T12:00:00.123456Z": 12}
    for text, hour in texts.items():
        assert one(fastapi_order(created_at=text))["created_at"].hour == hour
    late = fastapi_order(updated_at=summer - timedelta(days=400), created_at=summer)
    assert one(late)["status_since"] == summer, "a change before the order is none"


def test_ids_of_users_and_products_are_spelt_as_ours_are() -> None:
    line = {"product_id": ObjectId(A.upper()), "quantity": 2.0, "price": 5}
    order = one(fastapi_order(user_id="007", items=[line], total_price=10))
    assert (order["user_id"], order["items"][0]["product_id"], order["items"][0]["quantity"]) == ("7", A, 2)
    sku = {"product_id": "Towel-XL", "quantity": "3", "price": "0.1"}
    assert one(fastapi_order(items=[sku], total_price=0.1 + 0.2))["items"][0]["product_id"] == "Towel-XL"


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"_id": "order-17"}, "_id: not an ObjectId: import it from a file instead, with import_orders"),
        ({"user_id": None}, "user_id: it is missing"),
        ({"user_id": " \u200b "}, "user_id: ' \\u200b ' is not a text"),
        ({"user_id": "{}"}, "user_id: '{}': A user id is"),
        ({"status": "on hold"}, "status: 'on hold' is none of pending, paid,"),
        ({"status": 4}, "status: 4 is none of"),
        ({"status": None}, "status: it is missing"),
        ({"items": []}, "items: [] is not an array of objects"),
        ({"items": [{"product_id": A, "quantity": 0, "price": 1}]}, "items.quantity: 0 is not a whole number of 1"),
        ({"items": [{"product_id": A, "quantity": True, "price": 1}]}, "items.quantity: True is not"),
        ({"items": [{"product_id": "x" * 25, "quantity": 1, "price": 1}]}, "items.product_id: 'xxxx"),
        ({"items": [{"product_id": A, "quantity": 1, "price": "ten"}]}, "items.price: 'ten' is not an amount"),
        ({"items": [{"product_id": A, "quantity": 1, "price": 1.005}]}, "items.price: 1.005 is not an amount in whole"),
        ({"items": [{"product_id": A, "quantity": 1, "price": -1}]}, "items.price: -1 is not an amount"),
        ({"items": [{"product_id": A, "quantity": 1, "price": Decimal128("NaN")}]}, "is not an amount"),
        ({"total_price": 40}, "total_price: it is 40.00, but the lines come to 39.90: see --recompute-totals"),
        ({"shipping_address": "1 Long Street"}, "shipping_address: '1 Long Street' is not an object"),
        ({"shipping_address": {"line1": ["1"]}}, "shipping_address.line1: ['1'] is not a text"),
        ({"shipping_address": {"line1": "a\x00b"}}, "Control characters are not allowed"),
        ({"created_at": "soon"}, "created_at: 'soon' is not a time"),
        ({"created_at": 20260301}, "created_at: 20260301 is not a time"),
        ({"_id": "a" * 24, "created_at": 20260301, "updated_at": None}, "created_at: 20260301 is not a time"),
        ({"created_at": "9999-12-31T23:59:59-12:00"}, "is not a time"),
        ({"created_at": datetime(2126, 3, 1)}, "in the future: see --time-zone"),  # noqa: DTZ001
        ({"_id": "a" * 24, "created_at": None, "updated_at": None}, "created_at: there is none, and its id does not"),
    ],
)  # fmt: skip
def test_what_cannot_be_an_order_stays_with_the_reason(changes: Document, reason: str) -> None:
    assert reason in reasons(fastapi_order(**changes))


def test_the_plan_names_what_cannot_be_adopted_and_the_run_leaves_it(file: Path) -> None:
    good, bad = insert(fastapi_order(extra="kept in the file"), fastapi_order("on hold", total_price=1))
    before = kept()[bad]
    code, out = run("--dry-run")
    assert code == 0
    assert "to adopt: 1 orders (1 pending)" in out
    assert "1 pending ones are older than UNPAID_ORDER_TTL" in out
    assert "kept in the originals only: extra (1)" in out
    assert f"cannot be adopted: 1\n  {bad}: status: 'on hold' is none of" in out
    assert "--stock: reserved for 3 units in open orders" in out
    assert kept()[good]["status"] == "pending"
    assert "version" not in kept()[good]
    code, out = adopt(file)
    assert (code, "some documents of another service are left" in out) == (1, True)
    assert kept()[bad] == before
    assert kept()[good]["version"] == 0
    code, out = adopt(file, "--status", "on hold=paid", "--recompute-totals")
    assert (code, kept()[bad]["status"], kept()[bad]["total_price"]) == (0, "paid", Decimal128("39.90"))


def test_a_long_list_of_reasons_ends(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(foreign_orders, "BATCH", 20)
    insert(*(fastapi_order("on hold") for _ in range(60)))
    code, out = run()
    assert code == 1
    assert "... and 40 more" in out
    assert out.count("on hold") == 20
    [order_id] = insert(fastapi_order())
    assert adopt(file)[0] == 1
    assert [order["_id"] for order in kept().values() if "version" in order] == [order_id]


def test_nothing_is_adopted_without_a_choice_or_an_answer(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    insert(fastapi_order())
    before = kept()
    for arguments in (["--yes"], ["--yes", "--stock", "none"], ["--yes", "--originals", file]):
        assert run(*arguments)[0] == 2
    assert run()[1].splitlines()[-1] == "only a plan: adopting them takes --stock and --originals"
    assert run("--stock", "none")[1].splitlines()[-1] == "only a plan: adopting them takes --originals"
    monkeypatch.setattr("builtins.input", lambda _: "n")
    code, out = run("--stock", "none", "--originals", file)
    assert (code, out.splitlines()[-1]) == (1, "nothing was changed")
    code, out = adopt(file.parent / "nowhere" / "file")
    assert (code, "No such file or directory" in out) == (1, True)
    for wrong in (["--status", "paid"], ["--time-zone", "Moon"]):
        with pytest.raises(CommandError):
            call_command("adopt_orders", *wrong)
    with pytest.raises(access.NotPermitted):
        adopting.plan(choices=Choices(), act=Act(access.admin("boss"), timezone.now()))
    assert kept() == before


# --- stock -----------------------------------------------------------------------------------------------------------


def test_reserved_lines_need_their_units_at_inventory(file: Path, sandbox: Sandbox, settings: Settings) -> None:
    insert(fastapi_order("paid"), fastapi_order("shipped"), fastapi_order("cancelled"))
    before = kept()
    code, out = adopt(file, stock="reserved-and-used")
    assert code == 1
    assert f"{A}: 4 units to adopt and 0 here, but inventory holds 0" in out
    assert "inventory holds too little of 2 products" in out
    assert (kept(), file.exists()) == (before, False)
    for product, reserved in ((A, 4), (B, 2)):
        hold(sandbox, product, reserved)
    calls = len(sandbox.control.calls("reserve")), len(sandbox.control.calls("release"))
    assert adopt(file, stock="reserved-and-used")[0] == 0
    assert calls == (len(sandbox.control.calls("reserve")), len(sandbox.control.calls("release")))
    call_command("reconcile_stock", stdout=(out := io.StringIO()))
    assert out.getvalue() == "2 products checked, 0 differ\n"
    # What is here by now counts, too, and what was shipped does not where inventory consumes it.
    insert(fastapi_order("pending"))
    code, out = adopt(file, stock="reserved")
    assert (code, f"{A}: 2 units to adopt and 4 here, but inventory holds 4" in out) == (1, True)
    settings.INVENTORY_CONSUMES = True
    assert adopt(file, stock="reserved")[0] == 0


def test_a_product_that_inventory_does_not_know_is_short(file: Path, sandbox: Sandbox) -> None:
    many = [{"product_id": f"{n:024x}", "quantity": 1, "price": 1} for n in range(30)]
    insert(fastapi_order("paid", items=many, total_price=30))
    code, out = adopt(file, stock="reserved")
    assert code == 1
    assert f"{1:024x}: 1 units to adopt and 0 here, but inventory does not know it" in out
    assert "... and 10 more products" in out
    assert adopt(file, "--despite-shortage", stock="reserved")[0] == 0


def test_what_inventory_has_consumed_is_not_asked_for(file: Path, sandbox: Sandbox, settings: Settings) -> None:
    settings.INVENTORY_CONSUMES = True
    insert(fastapi_order("shipped"))
    asked = len(sandbox.control.calls("stock"))
    assert adopt(file, stock="reserved-and-used")[0] == 0
    assert len(sandbox.control.calls("stock")) == asked


def test_an_adopted_order_lives_on(file: Path, sandbox: Sandbox) -> None:
    [order_id, other] = insert(fastapi_order("pending"), fastapi_order("processing"))
    for product, reserved in ((A, 4), (B, 2)):
        hold(sandbox, product, reserved)
    assert adopt(file, stock="reserved")[0] == 0
    act = Act(access.admin("boss"), timezone.now(), "as agreed")
    transitions.change_status(order_id=order_id, transition="cancel", act=act)
    transitions.change_status(order_id=other, transition="ship", act=act)
    assert [violations_of(order) for order in kept().values()] == [[], []]
    assert (sandbox.control.stock(A).reserved, sandbox.control.stock(B).reserved) == (2, 1)


# --- once, whatever happens ------------------------------------------------------------------------------------------


def test_a_second_run_changes_nothing(file: Path) -> None:
    insert(*(fastapi_order(status) for status in STATUSES))
    assert adopt(file)[0] == 0
    before, lines = kept(), file.read_bytes()
    assert adopt(file) == (0, "to adopt: 0 orders\nno document of another service is left\n")
    assert (kept(), file.read_bytes()) == (before, lines)


def test_a_run_that_died_is_finished_by_another(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(foreign_orders, "BATCH", 4)
    originals = [fastapi_order(STATUSES[n % 7]) for n in range(11)]
    insert(*originals)
    replace, calls = foreign_orders.replace_foreign, []

    def dies(replacements: Any) -> int:
        calls.append(len(replacements))
        if len(calls) == 2:
            with file.open("ab") as torn:
                torn.write(b'{"_id": {"$oid": "65')
            raise DatabaseError("killed")
        return replace(replacements)

    monkeypatch.setattr(adopting, "replace_foreign", dies)
    code, out = adopt(file)
    assert (code, "the same command goes on from here" in out) == (1, True)
    assert sum("version" in order for order in kept().values()) == 4
    assert adopt(file)[0] == 0
    assert sum("version" in order for order in kept().values()) == 11
    lines = file.read_text().splitlines()
    assert len(lines) == 16, "the second batch twice, and what was cut off"
    assert run("--restore", file, "--yes")[1] == "11 put back; 4 left, since they have changed or are back already\n"
    assert kept() == {order["_id"]: order for order in originals}


def test_the_way_back_gives_each_document_back_as_it_was(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    originals = [fastapi_order(written=written) for written in ("text", "double", "decimal")]
    originals.append(fastapi_order(_id="a" * 24))
    insert(*originals)
    assert adopt(file)[0] == 0
    assert json_util.loads(file.read_text().splitlines()[0])["_id"] in [order["_id"] for order in originals]
    changed = originals[0]["_id"]
    transitions.change_status(order_id=changed, transition="pay", act=Act(access.admin("boss"), timezone.now()))
    number = kept()[originals[1]["_id"]]["number"]
    monkeypatch.setattr("builtins.input", lambda _: "")
    assert run("--restore", file) == (1, "nothing was changed")
    assert run("--restore", file.parent / "other") == (2, f"{file.parent / 'other'} is no file")
    assert run("--restore", file, "--yes")[1].startswith("3 put back; 1 left")
    found = kept()
    assert found.pop(changed)["status"] == "paid"
    assert found == {order["_id"]: order for order in originals[1:]}
    assert adopt(file)[0] == 0
    assert kept()[originals[1]["_id"]]["number"] == number, "people know it by now"


def test_an_id_that_is_a_text_becomes_an_object_id(file: Path) -> None:
    first, second = ObjectId(), ObjectId()
    insert(fastapi_order(_id=str(first)), fastapi_order(_id=str(second)), fastapi_order(_id=second))
    code, out = adopt(file)
    assert code == 1
    assert "_id as text (2)" in out
    assert set(kept()) == {first, second, str(second)}, "of one order there are two documents"
    assert kept()[first]["number"]


def test_one_with_such_an_id_that_was_changed_stays_too() -> None:
    original = fastapi_order(_id=str(ObjectId()))
    insert(original | {"status": "paid"})
    replacement = foreign_orders.Replacement(original, one(original))
    assert foreign_orders.replace_foreign([replacement]) == 0
    assert kept() == {original["_id"]: original | {"status": "paid"}}


def test_what_the_other_service_changes_meanwhile_is_not_lost(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    service = FastApiService(orders())
    order_id = service.place()
    replace, changes = foreign_orders.replace_foreign, iter(["paid", "processing", "shipped", "delivered", "refunded"])

    def changed_first(replacements: Any) -> int:
        if status := next(changes, ""):
            service.change_status(order_id, status)
        return replace(replacements)

    monkeypatch.setattr(adopting, "replace_foreign", changed_first)
    done = adopting.adopt(choices=Choices(), act=ACT, originals=Originals(file))
    assert (done.adopted, done.busy, kept()[order_id]["status"]) == (0, 1, "refunded")
    assert "version" not in kept()[order_id]
    assert adopt(file)[0] == 0
    assert (kept()[order_id]["version"], violations_of(kept()[order_id])) == (0, [])


# --- while both services write ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("before", "after", "acts", "state"),
    [
        ("pending", "paid", ["pay"], "reserved"),
        ("pending", "shipped", ["pay", "start_processing", "ship"], "used"),
        ("paid", "cancelled", ["cancel"], "released"),
        ("processing", "refunded", ["refund"], "released"),
        ("shipped", "refunded", ["refund"], "used"),
        ("shipped", "delivered", ["deliver"], "used"),
    ],
)
def test_a_change_of_an_adopted_order_by_the_other_service_is_followed(
    before: str, after: str, acts: list[str], state: str, file: Path, sandbox: Sandbox, api: Api
) -> None:
    service = FastApiService(orders())
    order_id = service.place(status=before)
    assert adopt(file, "--despite-shortage", stock="reserved-and-used")[0] == 0
    service.change_status(order_id, after)
    assert api().get(f"orders/{order_id}").json()["status"] == after, "it is shown at once"
    assert violations_of(kept()[order_id]) != []
    assert "changed by the other service since they were adopted: 1" in run("--dry-run")[1]
    calls = len(sandbox.control.calls("release"))
    code, out = run("--yes")
    assert (code, "0 adopted, 1 changes followed" in out) == (0, True)
    order = kept()[order_id]
    assert violations_of(order) == []
    assert [entry["act"] for entry in order["history"]] == ["adopt", *acts]
    assert {item["stock"]["state"] for item in order["items"]} == {state}
    assert len(sandbox.control.calls("release")) == calls, "the other service has released it"
    assert run("--yes") == (0, "to adopt: 0 orders\nno document of another service is left\n")
    assert kept()[order_id] == order


def test_a_status_to_which_nothing_leads_is_reported(file: Path) -> None:
    service = FastApiService(orders())
    first, second = service.place(status="cancelled"), service.place(status="paid")
    assert adopt(file)[0] == 0
    service.change_status(first, "shipped")
    service.change_status(second, "on hold")
    code, out = run("--yes")
    assert code == 1
    assert f"{first}: status: it is 'shipped', to which nothing leads from 'cancelled'" in out
    assert f"{second}: status: it is 'on hold', to which nothing leads from 'paid'" in out
    assert [kept()[order_id]["version"] for order_id in (first, second)] == [0, 0]


def test_somebody_who_is_first_is_not_overwritten(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    service = FastApiService(orders())
    order_id = service.place(status="paid")
    assert adopt(file)[0] == 0
    service.change_status(order_id, "processing")
    write = following.guarded_write

    def late(changed: ObjectId, **options: Any) -> Document | None:
        service.change_status(order_id, "shipped")
        return write(changed, **options)

    monkeypatch.setattr(following, "guarded_write", late)
    code, out = run("--yes")
    assert (code, "1 were being changed by the other service: run it again" in out) == (1, True)
    monkeypatch.undo()
    assert run("--yes")[0] == 0
    assert (kept()[order_id]["status"], violations_of(kept()[order_id])) == ("shipped", [])


@pytest.mark.slow
def test_both_services_write_for_a_while_and_nothing_is_lost(file: Path, sandbox: Sandbox, api: Api) -> None:
    service, stop, ours = FastApiService(orders()), Event(), []
    steps = dict(pairwise(STATUSES[:5]))

    def old_service() -> None:
        number = 0
        while not stop.is_set() or number < 60:
            order_id, number = service.place(user_id="7"), number + 1
            for known in list(service.said)[-3::2]:
                if following_status := steps.get(service.said[known]):
                    service.change_status(known, following_status)
            if number % 10 == 9:
                service.change_status(order_id, "cancelled")

    writer = Thread(target=old_service)
    writer.start()
    try:
        for _ in range(4):
            ours.append(api().place((A, 1, "14.90")).json()["id"])
            adopt(file)
    finally:
        stop.set()
        writer.join()
    assert adopt(file)[0] == 0
    found = kept()
    assert {order_id: found[order_id]["status"] for order_id in service.said} == service.said
    assert len(found) == len(service.said) + len(ours)
    assert [problem for order in found.values() for problem in violations_of(order)] == []
    assert adopt(file) == (0, "to adopt: 0 orders\nno document of another service is left\n")
    assert {order["_id"] for order in api("7").get("orders/?limit=100").json()} <= set(map(str, service.said))


def test_stock_says_what_it_means_for_each_status() -> None:
    assert [Stock.RESERVED.state_of_lines(status) for status in ("paid", "shipped", "refunded")] == [
        "reserved", "none", "none",
    ]  # fmt: skip


def test_a_choice_of_stock_that_is_none_is_told_the_ones_there_are() -> None:
    with pytest.raises(CommandError, match=r"'some' \(choose from 'none', 'reserved', 'reserved-and-used'\)"):
        call_command("adopt_orders", "--stock=some")


def test_a_file_of_something_else_is_no_way_back(file: Path) -> None:
    for found in (
        "",
        "number,status",
        '{"id": "' + "a" * 24 + '"}',
        '{"_id": "order-17"}',
        '{"_id": null}',
        "[1]",
        "5",
    ):
        file.write_text(f"{found}\n")
        assert run("--restore", file, "--yes") == (2, f"{file} holds no originals; nothing was changed"), found
