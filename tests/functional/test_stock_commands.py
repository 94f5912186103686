"""What operators do about stock by commands: settle unknown lines, compare with inventory, expire unpaid orders."""

import io
import json
import os
import signal
import threading
import time
from collections.abc import Callable, Iterator
from datetime import timedelta
from typing import Any

import pytest
from bson import ObjectId
from django.core.management import CommandError, call_command
from django.db import DatabaseError
from django.utils import timezone
from pymongo.database import Database
from pytest_django import Settings

from devtools import demo_stories
from integrations.sandbox import Sandbox
from orders.management import arguments, progress
from orders.services.lifecycle import expiry
from orders.services.stock.resolution import resolve_line
from orders.storage.order_writes import orders
from tests.functional.helpers import dead_url
from tests.integration.builders import (
    A,
    B,
    Document,
    act,
    answer_lost,
    asked,
    line,
    read,
    shelve,
    small_sandbox,  # noqa: F401
    states,
    stock_of,
    store,
)

WHY = "counted in the warehouse"


@pytest.fixture(autouse=True)
def handlers() -> Iterator[None]:
    """Give pytest its signal handlers back."""
    before = {number: signal.getsignal(number) for number in (signal.SIGTERM, signal.SIGINT)}
    yield
    for number, handler in before.items():
        signal.signal(number, handler)


def run(*arguments: str) -> tuple[int, str, str]:
    """Run a command as the shell would. :returns: exit code, stdout and stderr."""
    out, err, code = io.StringIO(), io.StringIO(), 0
    try:
        call_command(*arguments, stdout=out, stderr=err)
    except CommandError as error:
        code = error.returncode
        err.write(f"{error}\n")
    except SystemExit as left:
        code = int(left.code or 0)
    return code, out.getvalue(), err.getvalue()


@pytest.fixture
def typed(monkeypatch: pytest.MonkeyPatch) -> Callable[[str], None]:
    """Say what the operator types; nothing at all is the end of the input."""
    return lambda text: monkeypatch.setattr("sys.stdin", io.StringIO(text))


@pytest.fixture(autouse=True)
def nobody_there(typed: Callable[[str], None]) -> None:
    typed("")


def unknown(call: str = "release", quantity: int = 2, product: str = A) -> ObjectId:
    status = "cancelled" if call == "release" else "rejected"
    return store(status, line("unknown", product, quantity, call=call), due=None)


def everything() -> list[Document]:
    return list(orders().find().sort("_id"))


# --- resolve_stock -------------------------------------------------------------------------------------------------


def test_without_an_answer_it_lists_what_is_unknown_and_changes_nothing(sandbox: Sandbox) -> None:
    first, second = unknown("release", 2), unknown("reserve", 3)
    store("cancelled", line("released"), due=None)
    before = everything()
    code, out, err = run("resolve_stock")
    assert (code, err) == (0, "")
    assert out.endswith("2 unknown\n")
    assert f"{first}  0000-0000-0000  cancelled   line 1: release of 2 × {A}" in out
    assert f"{second}  0000-0000-0000  rejected    line 1: reserve of 3 × {A}" in out
    assert everything() == before
    assert sandbox.control.counts() == {}


def test_with_nothing_unknown_it_says_so(sandbox: Sandbox) -> None:
    assert run("resolve_stock") == (0, "0 unknown\n", "")
    assert run("resolve_stock", "--happened", "--reason", WHY) == (
        2,
        "",
        "nothing is unknown there: nothing was settled\n",
    )


def test_the_filters_narrow_each_other_down(sandbox: Sandbox) -> None:
    order = store(
        "cancelled", line("unknown", A, call="release"), line("unknown", B, call="release"), line("released", A)
    )
    unknown("reserve", product=A)

    def listed(*arguments: str) -> int:
        return int(run("resolve_stock", *arguments)[1].splitlines()[-1].split()[0])

    assert listed() == 3
    assert listed("--call", "release") == 2
    assert listed("--call", "reserve") == 1
    assert listed("--product", A) == 2
    assert listed("--product", A, "--call", "release") == 1
    assert listed("--order", str(order)) == 2
    assert listed("--order", str(order), "--line", "2") == 1
    assert listed("--order", str(order), "--line", "3") == 0
    assert listed("--order", str(order), "--call", "reserve") == 0
    assert listed("--product", "f" * 24) == 0


def test_an_order_is_found_however_many_older_ones_wait(sandbox: Sandbox) -> None:
    for _ in range(3):
        unknown()
    last = unknown()
    orders().update_one({"_id": last}, {"$set": {"created_at": timezone.now()}})
    assert run("resolve_stock", "--limit", "1")[1].endswith("1 unknown\n")
    assert str(last) in run("resolve_stock", "--limit", "1", "--order", str(last))[1]


def test_one_line_is_settled_without_asking(sandbox: Sandbox) -> None:
    order_id, other = unknown(), unknown()
    code, out, err = run("resolve_stock", "--order", str(order_id), "--line", "1", "--happened", "--reason", WHY)
    assert (code, err) == (0, "")
    assert out.endswith("1 settled, 0 not\n")
    assert (states(read(order_id)), states(read(other))) == (["released"], ["unknown"])
    entry = read(order_id)["history"][-1]
    assert entry["actor"] == f"system:{arguments.actor_name()}"
    assert (entry["act"], entry["via"], entry["reason"]) == ("resolve", "command", WHY)


def test_what_did_not_happen_is_owed_again(sandbox: Sandbox) -> None:
    shelve(sandbox, available=0, reserved=2)
    order_id = unknown()
    assert run("resolve_stock", "--not-happened", "--reason", WHY)[0] == 0
    assert states(read(order_id)) == ["releasing"]
    assert asked(sandbox) == []
    assert run("run_worker", "--once")[1] == "1 orders settled, 0 failed\n"
    assert stock_of(sandbox) == (2, 0)


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (("--happened",), "A reason is required"),
        (("--happened", "--reason", "  "), "A reason is required"),
        (("--happened", "--reason", "x" * 501), "At most 500 characters"),
        (("--line", "1"), "--line needs --order"),
        (("--order", "nonsense"), "neither an order id"),
        (("--order", "7KQF-2M9D-XW3H"), "There is no order 7KQF-2M9D-XW3H."),
        (("--order", "0" * 24, "--happened", "--reason", WHY), "nothing is unknown there"),
        (("--happened", "--not-happened", "--reason", WHY), "not allowed with"),
        (("--call", "sell"), "invalid choice"),
        (("--line", "0"), "not a whole number"),
    ],
)
def test_what_makes_no_sense_is_refused_and_changes_nothing(
    sandbox: Sandbox, arguments: tuple[str, ...], told: str
) -> None:
    unknown()
    before = everything()
    code, _, err = run("resolve_stock", *arguments)
    assert code in (1, 2)  # argparse's own is 2 on a command line
    assert told in err
    assert everything() == before


@pytest.mark.parametrize("answer", ["", "\n", "n\n", "no\n", "what?\n"])
def test_many_lines_are_left_alone_unless_the_operator_says_yes(
    sandbox: Sandbox, typed: Callable[[str], None], answer: str
) -> None:
    unknown()
    unknown()
    before = everything()
    typed(answer)
    code, _, err = run("resolve_stock", "--happened", "--reason", WHY)
    assert (code, err) == (1, "nothing was changed\n")
    assert everything() == before


@pytest.mark.parametrize("answer", ["y\n", "YES\n", None])
def test_many_lines_are_settled_when_the_operator_says_yes(
    sandbox: Sandbox, typed: Callable[[str], None], answer: str | None
) -> None:
    made = [unknown(), unknown()]
    typed(answer or "")
    code, out, _ = run("resolve_stock", "--happened", "--reason", WHY, *(() if answer else ("--yes",)))
    assert (code, out.splitlines()[-1]) == (0, "2 settled, 0 not")
    assert [states(read(order_id)) for order_id in made] == [["released"], ["released"]]


def test_a_line_that_somebody_settled_while_the_operator_thought_is_told_and_the_rest_settled(
    sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    first, second = unknown(), unknown()

    def think(question: str) -> str:
        assert "2 lines" in question
        resolve_line(order_id=first, line=0, happened=False, act=act(reason=WHY))
        return "y"

    monkeypatch.setattr("builtins.input", think)
    code, out, err = run("resolve_stock", "--happened", "--reason", WHY)
    assert code == 1
    assert out.endswith("1 settled, 1 not\n")
    assert "The stock outcome of line 1" in err
    assert (states(read(first)), states(read(second))) == (["releasing"], ["released"])


def test_a_write_that_fails_does_not_stop_the_rest(sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch) -> None:
    made = [unknown(), unknown()]
    answer_lost(monkeypatch, written=False)
    code, out, err = run("resolve_stock", "--happened", "--reason", WHY, "--yes")
    assert (code, out.splitlines()[-1]) == (1, "1 settled, 1 not")
    assert "the database does not answer" in err
    assert sorted(states(read(order_id))[0] for order_id in made) == ["released", "unknown"]


def test_a_login_that_has_no_name_is_the_operator(monkeypatch: pytest.MonkeyPatch) -> None:
    def nameless() -> str:
        raise KeyError("uid not found")

    monkeypatch.setattr("getpass.getuser", nameless)
    assert arguments.actor_name() == "operator"


# --- reconcile_stock -----------------------------------------------------------------------------------------------


@pytest.mark.slow
def test_demo_data_differ_in_nothing(
    sandbox: Sandbox, database: Database[Document], settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    kept = sandbox.control.products.database
    settings.SANDBOX_MONGODB_DB = kept.name
    monkeypatch.setattr(demo_stories, "ORDERS", 60)
    sandbox.control.reset()
    kept["demo"].delete_many({})
    try:
        call_command("load_demo_data", stdout=io.StringIO())
        code, out, err = run("reconcile_stock")
    finally:
        kept["demo"].delete_many({})
    assert (code, err) == (0, "")
    checked, _, rest = out.partition(" ")
    assert int(checked) >= 10
    assert rest == "products checked, 0 differ\n"


def test_differences_are_a_table_and_exit_code_1(sandbox: Sandbox) -> None:
    shelve(sandbox, reserved=5)
    store("paid", line("reserved"), due=None)
    store("paid", line("reserved") | {"product_id": "f" * 24}, due=None)
    store("cancelled", line("releasing", B))
    shelve(sandbox, B, reserved=1)
    code, out, _ = run("reconcile_stock")
    assert code == 1
    assert [row.split() for row in out.splitlines()[:-1]] == [
        ["product", "ours", "inventory", "surplus", "unknown"],
        [A, "2", "5", "+3", "0"],
        ["f" * 24, "2", "none", "-2", "0"],
        [B, "not", "yet:", "its", "stock", "is", "moving"],
    ]
    assert out.splitlines()[-1] == f"2 products checked, 2 differ, 1 not yet, not known to inventory: {'f' * 24}"


def test_the_report_is_json_for_machines(sandbox: Sandbox) -> None:
    shelve(sandbox, reserved=3)
    unknown(quantity=3)
    unknown(product=B)
    code, out, _ = run("reconcile_stock", "--json", "f" * 24)
    assert code == 1
    assert json.loads(out) == {
        "checked": 2,
        "differences": [{"product_id": A, "expected": 0, "actual": 3, "unknown": 3, "surplus": 3}],
        "waiting": [{"product_id": B, "expected": 0, "actual": 0, "unknown": 2}],
        "moving": [],
        "not_known": ["f" * 24],
    }


def test_an_agreement_as_json_is_exit_code_0(sandbox: Sandbox) -> None:
    code, out, _ = run("reconcile_stock", "--json")
    assert (code, json.loads(out)) == (
        0,
        {"checked": 0, "differences": [], "waiting": [], "moving": [], "not_known": []},
    )


def test_an_inventory_that_does_not_answer_is_exit_code_2(sandbox: Sandbox, settings: Settings) -> None:
    store("paid", line("reserved"), due=None)
    settings.INVENTORY_SERVICE_URL = dead_url()
    code, out, err = run("reconcile_stock", "--json")
    assert (code, out) == (2, "")
    assert "inventory does not answer" in err


def test_a_database_that_does_not_answer_is_exit_code_2(sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch) -> None:
    answer_lost(monkeypatch, "aggregate")
    code, out, err = run("reconcile_stock")
    assert (code, out) == (2, "")
    assert "the database does not answer" in err


def test_a_plan_is_shown_and_only_a_yes_carries_it_out(sandbox: Sandbox, typed: Callable[[str], None]) -> None:
    shelve(sandbox, reserved=3)
    reserved, released = unknown("reserve", 2), unknown("release", 3)
    other = store("paid", line("none", B), due=None)
    before = everything()
    for answer in ("", "n\n"):
        typed(answer)
        code, out, err = run("reconcile_stock", "--fix")
        assert (code, err) == (1, "nothing was changed\n")
        assert f"order 0000-0000-0000, line 1: the reserve of 2 × {A} did not happen" in out
        assert f"order 0000-0000-0000, line 1: the release of 3 × {A} did not happen" in out
        assert everything() == before
    typed("y\n")
    code, out, _ = run("reconcile_stock", "--fix")
    assert "2 settled\n" in out
    assert (states(read(reserved)), states(read(released))) == (["none"], ["releasing"])
    assert read(released)["history"][-1]["reason"].startswith("The figures of inventory leave no other possibility")
    assert read(other) == next(order for order in before if order["_id"] == other)
    assert sandbox.control.counts().keys() == {"stock"}, "nothing was reserved or released"
    assert code == 0, "what is left is moving"
    assert out.endswith("2 products checked, 0 differ, 1 not yet\n")
    assert run("run_worker", "--once")[1] == "1 orders settled, 0 failed\n"
    assert run("reconcile_stock") == (0, "2 products checked, 0 differ\n", "")


def test_with_yes_it_does_not_ask_and_json_stays_json(sandbox: Sandbox) -> None:
    shelve(sandbox, reserved=0)
    order_id = unknown("release", 3)
    code, out, err = run("reconcile_stock", "--fix", "--yes", "--json")
    assert (code, json.loads(out)["waiting"]) == (0, [])
    assert "the release of 3" in err
    assert "1 settled" in err
    assert states(read(order_id)) == ["released"]


def test_json_without_yes_cannot_ask(sandbox: Sandbox) -> None:
    before = everything()
    code, out, err = run("reconcile_stock", "--fix", "--json")
    assert (code, out) == (2, "")
    assert "--yes" in err
    assert everything() == before


def test_what_the_figures_do_not_decide_is_left_and_stays_a_difference(sandbox: Sandbox) -> None:
    shelve(sandbox, reserved=1)
    unknown("release", 3)
    before = everything()
    code, out, _ = run("reconcile_stock", "--fix", "--yes")
    assert code == 1
    assert "nothing can be settled from the figures alone" in out
    assert everything() == before


# --- expire_unpaid_orders ------------------------------------------------------------------------------------------


def unpaid(age: timedelta = timedelta(days=4), **fields: Any) -> ObjectId:
    return store("pending", line("reserved"), due=None, created_at=timezone.now() - age, **fields)


def test_unpaid_orders_are_cancelled_with_a_summary(sandbox: Sandbox) -> None:
    shelve(sandbox, available=0, reserved=4)
    old, young = unpaid(), unpaid(timedelta(days=2))
    assert run("expire_unpaid_orders", "--yes") == (0, "1 cancelled, 0 paid or changed meanwhile, 0 failed\n", "")
    assert (read(old)["status"], read(young)["status"]) == ("cancelled", "pending")
    assert stock_of(sandbox) == (2, 2)
    cancelled = read(old)["history"][2]
    assert (cancelled["actor"], cancelled["via"]) == ("system:expire_unpaid_orders", "command")
    assert cancelled["code"] == "payment"
    assert run("expire_unpaid_orders", "--yes")[1].startswith("0 cancelled")


def test_another_code_of_the_reason_is_in_the_history_of_each_order(sandbox: Sandbox) -> None:
    shelve(sandbox, available=0, reserved=4)
    ids = [unpaid(), unpaid()]
    assert run("expire_unpaid_orders", "--yes", "--reason-code", "fraud")[0] == 0
    assert [read(order_id)["history"][2]["code"] for order_id in ids] == ["fraud"] * 2


def test_a_dry_run_says_how_many_unpaid_orders_would_be_cancelled(sandbox: Sandbox) -> None:
    ids = [unpaid(), unpaid(), unpaid(timedelta(days=2))]
    assert run("expire_unpaid_orders", "--dry-run", "--yes") == (0, "2 orders to cancel\n", "")
    assert run("expire_unpaid_orders", "--dry-run", "--limit", "1") == (0, "1 order to cancel\n", "")
    assert [read(order_id)["status"] for order_id in ids] == ["pending"] * 3
    assert asked(sandbox) == []


@pytest.mark.parametrize(
    ("answer", "code", "status"), [("y\n", 0, "cancelled"), ("n\n", 1, "pending"), ("", 1, "pending")]
)
def test_it_asks_before_unpaid_orders_are_cancelled(
    sandbox: Sandbox, typed: Callable[[str], None], answer: str, code: int, status: str
) -> None:
    shelve(sandbox, available=0, reserved=4)
    order_id = unpaid()
    typed(answer)
    assert run("expire_unpaid_orders")[0] == code
    assert read(order_id)["status"] == status
    assert len(asked(sandbox)) == (code == 0)


def test_it_does_not_ask_where_there_is_nothing_to_cancel(sandbox: Sandbox) -> None:
    unpaid(timedelta(days=2))
    assert run("expire_unpaid_orders") == (0, "0 orders to cancel\n", "")


def test_a_limit_leaves_the_rest_for_the_next_run(sandbox: Sandbox) -> None:
    for _ in range(3):
        unpaid()
    assert run("expire_unpaid_orders", "--yes", "--limit", "2")[1].startswith("2 cancelled")
    assert run("expire_unpaid_orders", "--yes", "--limit", "2")[1].startswith("1 cancelled")


def test_one_bad_order_is_exit_code_1_and_never_stops_the_rest(sandbox: Sandbox) -> None:
    shelve(sandbox, available=0, reserved=4)
    bad, good = unpaid(timedelta(days=9), history="none"), unpaid()
    code, out, err = run("expire_unpaid_orders", "--yes")
    assert (code, out) == (1, "1 cancelled, 0 paid or changed meanwhile, 1 failed\n")
    assert "they stay for the next run" in err
    assert (read(bad)["status"], read(good)["status"]) == ("pending", "cancelled")


def test_progress_is_told_on_the_way(sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(progress, "REPORT_EVERY", 0)
    unpaid()
    unpaid()
    _, out, err = run("expire_unpaid_orders", "--yes")
    assert [row.split(",")[0] for row in err.splitlines()] == ["1 orders dealt with", "2 orders dealt with"]
    assert out.startswith("2 cancelled")


def test_a_database_that_does_not_answer_is_told_in_a_line(sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch) -> None:
    order_id = unpaid()
    answer_lost(monkeypatch, "find")
    code, out, err = run("expire_unpaid_orders", "--yes")
    assert (code, out) == (1, "")
    assert "the database does not answer" in err
    assert read(order_id)["status"] == "pending"


def stop_when(met: Callable[[], bool]) -> threading.Thread:
    """Send this process SIGTERM as soon as something is so."""

    def wait() -> None:
        until = time.monotonic() + 60
        try:
            while time.monotonic() < until and not met():
                time.sleep(0.01)
        finally:
            os.kill(os.getpid(), signal.SIGTERM)

    thread = threading.Thread(target=wait)
    thread.start()
    return thread


def pending() -> int:
    return orders().count_documents({"status": "pending"})


def test_told_to_stop_it_ends_after_the_order_it_is_at(sandbox: Sandbox) -> None:
    shelve(sandbox, available=0, reserved=100)
    sandbox.control.fault("release", "latency", seconds=0.1)
    for _ in range(30):
        unpaid()
    stopper = stop_when(lambda: pending() < 30)
    code, out, _ = run("expire_unpaid_orders", "--yes")
    stopper.join()
    assert code == 0
    assert 0 < int(out.split()[0]) < 30
    assert pending() == 30 - int(out.split()[0])


# --- run_worker, on a schedule ------------------------------------------------------------------------------


def test_the_worker_expires_unpaid_orders_on_its_schedule(sandbox: Sandbox, settings: Settings) -> None:
    settings.EXPIRE_UNPAID_EVERY = 0.1
    shelve(sandbox, available=0, reserved=4)
    made = [unpaid()]

    def both_expired() -> bool:
        if pending():
            return False
        if len(made) < 2:
            made.append(unpaid())
        return pending() == 0

    stopper = stop_when(both_expired)
    code, out, err = run("run_worker")
    stopper.join()
    assert (code, err) == (0, "")
    assert out == "unpaid orders: 1 cancelled, 0 paid or changed meanwhile, 0 failed\n" * 2
    assert [states(read(order_id)) for order_id in made] == [["released"]] * 2
    cancelled = read(made[0])["history"][2]
    assert (cancelled["act"], cancelled["actor"], cancelled["via"]) == ("cancel", "system:settle_stock", "worker")
    assert (cancelled["reason"], cancelled["code"]) == ("Not paid within 259200 seconds.", "payment")


def test_more_than_a_pass_takes_is_not_left_until_the_next_time(sandbox: Sandbox, settings: Settings) -> None:
    settings.EXPIRE_UNPAID_EVERY = 3600
    settings.WORKER_INTERVAL = 90
    for _ in range(5):
        unpaid()
    stopper = stop_when(lambda: pending() == 0)
    run("run_worker", "--limit", "2")
    stopper.join()
    assert pending() == 0


def test_without_a_schedule_the_worker_lets_them_be(sandbox: Sandbox) -> None:
    order_id = unpaid()
    until = time.monotonic() + 0.4
    stopper = stop_when(lambda: time.monotonic() > until)
    assert run("run_worker") == (0, "", "")
    stopper.join()
    assert read(order_id)["status"] == "pending"


@pytest.mark.parametrize("fault", [DatabaseError("the primary went away"), RuntimeError("a fault of ours")])
def test_a_bad_pass_never_ends_the_loop(
    sandbox: Sandbox, settings: Settings, monkeypatch: pytest.MonkeyPatch, fault: Exception
) -> None:
    settings.EXPIRE_UNPAID_EVERY = 0.05
    order_id = unpaid()
    real = expiry.order_reads.pending_before

    def fail(*_: object) -> list[tuple[ObjectId, int]]:
        monkeypatch.setattr(expiry.order_reads, "pending_before", real)
        raise fault

    monkeypatch.setattr(expiry.order_reads, "pending_before", fail)
    stopper = stop_when(lambda: pending() == 0)
    code, _, err = run("run_worker")
    stopper.join()
    assert code == 0
    assert f"could not be expired, trying again later: {fault}" in err
    assert read(order_id)["status"] == "cancelled"
