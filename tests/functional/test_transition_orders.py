"""`manage.py transition_orders`: which orders it takes, what it says, and by which exit code it leaves."""

import csv
import io
import json
import os
import signal
import sys
import threading
import time
from collections.abc import Callable, Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from bson import ObjectId
from django.core.management import CommandError, call_command
from django.db import DatabaseError
from django.utils import timezone
from pytest_django import Settings

from integrations.sandbox import Sandbox
from orders.management import progress
from orders.models import BulkRun, Contact
from orders.services import bulk
from orders.storage.order_writes import orders
from tests.functional.helpers import dead_url
from tests.integration.builders import A, B, answer_lost, place, read, shelve, small_sandbox  # noqa: F401
from tests.integration.bulk_helpers import entries, sound, stored

pytestmark = pytest.mark.usefixtures("database")


@pytest.fixture(autouse=True)
def handlers() -> Iterator[None]:
    """Give pytest its signal handlers back."""
    before = {number: signal.getsignal(number) for number in (signal.SIGTERM, signal.SIGINT)}
    yield
    for number, handler in before.items():
        signal.signal(number, handler)


@pytest.fixture
def typed(monkeypatch: pytest.MonkeyPatch) -> Callable[[str], None]:
    return lambda text: monkeypatch.setattr("sys.stdin", io.StringIO(text))


@pytest.fixture(autouse=True)
def nobody_there(typed: Callable[[str], None]) -> None:
    typed("")


def run(*arguments: str) -> tuple[int, str, str]:
    """Run it as the shell would. :returns: exit code, stdout and stderr."""
    out, err, code = io.StringIO(), io.StringIO(), 0
    try:
        call_command("transition_orders", *arguments, stdout=out, stderr=err)
    except CommandError as error:
        code = error.returncode
        err.write(f"{error}\n")
    return code, out.getvalue(), err.getvalue()


def the_run() -> BulkRun:
    return BulkRun.objects.get()


def statuses(ids: list[ObjectId]) -> set[str]:
    return {read(order_id)["status"] for order_id in ids}


# --- doing it --------------------------------------------------------------------------------------------------------


def test_it_changes_what_is_selected_and_leaves_with_0() -> None:
    paid, pending = stored("paid", 5), stored("pending", 2)
    code, out, err = run("start_processing", "--status", "paid", "--yes", "--reason", "wave 1", "--actor", "jane")
    assert (code, err) == (0, "")
    assert out == f"run {the_run().pk}\ndone: 5 done, 0 already, 0 refused, 0 failed, of 5\n"
    assert (statuses(paid), statuses(pending)) == ({"processing"}, {"pending"})
    last = read(paid[0])["history"][-1]
    assert (last["actor"], last["via"], last["reason"]) == ("system:jane", "command", "wave 1")
    sound()


def test_some_refused_is_1_and_they_are_told() -> None:
    paid, pending = stored("paid", 1), stored("pending", 12)
    code, out, err = run("start_processing", "--all", "--yes")
    assert code == 1
    assert "done: 1 done, 0 already, 12 refused, 0 failed, of 13" in out
    assert "refused: Cannot start processing an order that is pending. It can become: paid, cancelled." in err
    assert "… and 2 more; --resume with --report lists them" in err
    assert (statuses(paid), statuses(pending)) == ({"processing"}, {"pending"})


def test_orders_on_hold_are_refused_by_the_plan_and_by_the_run_in_the_same_words() -> None:
    free, held = stored("processing", 2), stored("processing", 1, held_at=timezone.now())
    assert run("ship", "--all", "--dry-run")[1].splitlines() == [
        "3 orders selected: 2 can ship, 0 already are",
        "  1 cannot: It is on hold.",
    ]
    code, _, err = run("ship", "--all", "--yes")
    assert (code, err.splitlines()[0]) == (1, f"order {read(held[0])['number']}: refused: It is on hold.")
    assert (statuses(free), statuses(held)) == ({"shipped"}, {"processing"})


def test_the_code_of_a_reason_is_kept_and_is_reason_enough() -> None:
    [order_id] = stored("pending", 1, items=[])
    assert run("cancel", "--id", str(order_id), "--reason-code", "customer", "--yes")[0] == 0
    assert (read(order_id)["status"], read(order_id)["history"][-1]["code"]) == ("cancelled", "customer")
    assert the_run().reason_code == "customer"
    code, _, err = run("cancel", "--all", "--reason-code", "other", "--yes")
    assert (code, err) == (2, "Say in words what the other reason is.\n")
    assert BulkRun.objects.count() == 1


def test_already_so_is_no_failure() -> None:
    stored("shipped", 2)
    assert run("ship", "--status", "shipped", "--yes")[0] == 0


def test_a_dry_run_says_what_would_happen_and_changes_nothing(sandbox: Sandbox) -> None:
    shelve(sandbox, available=30)
    placed = [place((A, 2)).order["_id"] for _ in range(3)]
    stored("shipped", 2)
    before = list(orders().find())
    code, out, _ = run("cancel", "--all", "--dry-run")
    assert code == 0
    assert out.splitlines() == [
        "5 orders selected: 3 can cancel, 0 already are",
        "  2 cannot: Cannot cancel an order that is shipped. It can become: delivered, refunded.",
        "  stock released: 6 units",
    ]
    assert list(orders().find()) == before
    assert statuses(placed) == {"pending"}
    assert BulkRun.objects.count() == 0


@pytest.mark.parametrize(("answer", "code"), [("y\n", 0), ("n\n", 1), ("", 1)])
def test_it_asks_first(typed: Callable[[str], None], answer: str, code: int) -> None:
    paid = stored("paid", 2)
    typed(answer)
    found, out, err = run("start_processing", "--status", "paid")
    assert found == code
    assert "2 orders selected: 2 can start processing, 0 already are" in out
    assert statuses(paid) == ({"processing"} if code == 0 else {"paid"})
    assert ("nothing was changed" in err) == (code == 1)


def test_an_interrupt_while_it_asks_changes_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    paid = stored("paid", 1)
    monkeypatch.setattr("builtins.input", lambda _: (_ for _ in ()).throw(KeyboardInterrupt))
    code, _, err = run("start_processing", "--status", "paid")
    assert (code, err) == (1, "nothing was changed\n")
    assert statuses(paid) == {"paid"}


# --- which orders ----------------------------------------------------------------------------------------------------


def selected(*arguments: str) -> int:
    code, out, _ = run("pay", "--dry-run", *arguments)
    assert (code == 2) == out.startswith("0 orders selected")
    return int(out.split()[0])


def test_criteria_narrow_each_other_down() -> None:
    old, new = timezone.now() - timedelta(days=5), timezone.now() - timedelta(hours=1)
    ids = stored("pending", 2, created_at=old, user_id="7") + stored("pending", 3, created_at=new)
    stored("paid", 4, created_at=new)
    orders().update_one({"_id": ids[0]}, {"$set": {"items.0.product_id": B}})
    assert selected("--all") == 9
    assert selected("--status", "pending") == 5
    assert selected("--status", "pending", "--status", "paid") == 9
    assert selected("--older-than", "3d") == 2
    assert selected("--older-than", "3d", "--to", "2020-01-01") == 0
    assert selected("--from", (old + timedelta(days=1)).isoformat()) == 7
    assert selected("--to", old.date().isoformat()) == 2, "the whole day"
    assert selected("--to", (old - timedelta(days=1)).date().isoformat()) == 0
    assert selected("--user", "007") == 2
    assert selected("--product", B) == 1
    assert selected("--product", B, "--user", "1") == 0
    assert selected("--status", "pending", "--limit", "3") == 3
    assert selected("--id", str(ids[0]), "--id", read(ids[1])["number"]) == 2
    assert selected("--id", str(ids[0]), "--id", str(ids[1]), "--product", B) == 1
    assert selected("--id", str(ids[0]), "--id", str(ids[1]), "--limit", "1") == 1


def test_a_search_selects_as_it_does_in_the_backoffice() -> None:
    someone = {"contact": Contact(name="Amara Okafor", email="amara@example.com")}
    new = timezone.now() - timedelta(hours=1)
    ids = stored("pending", 3, created_at=new, **someone) + stored("paid", 2, **someone)
    ids += stored("pending", 1, **someone)
    stored("pending", 4)
    assert selected("--search", "okafor am") == selected("--search", "amara@example.com") == 6
    assert selected("--search", "okafor", "--status", "pending") == 4
    assert selected("--search", "okafor", "--status", "pending", "--older-than", "3d") == 1
    assert selected("--search", "29.80") == 10
    assert run("pay", "--search", "OKAFOR", "--status", "pending", "--limit", "2", "--yes")[0] == 0
    paid = {order_id for order_id in ids if read(order_id)["status"] == "paid"}
    assert paid == {*ids[3:5], ids[5], ids[0]}, "the oldest first"


def test_a_search_that_finds_very_many_has_to_be_narrowed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("orders.management.commands.transition_orders.MOST_FOUND", 2)
    pending = stored("pending", 3)
    code, _, err = run("pay", "--search", "springfield", "--yes")
    assert (code, "More than 2 orders have these words" in err) == (2, True)
    assert statuses(pending) == {"pending"}
    assert selected("--search", "springfield", "--limit", "1") == 1


def test_a_file_names_ids_and_numbers(tmp_path: Path) -> None:
    ids = stored("pending", 3)
    number = read(ids[1])["number"].lower().replace("-", " ")
    listed = tmp_path / "ids.txt"
    listed.write_text(f"# picked\n{ids[0]}\n\n  {number}  # by phone\n{ids[0]}\n")
    code, out, _ = run("pay", "--ids-from", str(listed), "--yes")
    assert code == 0
    assert "done: 2 done, 0 already, 0 refused, 0 failed, of 2" in out
    assert [read(order_id)["status"] for order_id in ids] == ["paid", "paid", "pending"]


def test_the_standard_input_may_name_them(typed: Callable[[str], None]) -> None:
    ids = stored("pending", 2)
    typed(f"{ids[0]}\n")
    assert run("pay", "--ids-from", "-", "--yes")[0] == 0
    assert [read(order_id)["status"] for order_id in ids] == ["paid", "pending"]


def test_bad_lines_are_named_and_nothing_is_done(tmp_path: Path) -> None:
    ids = stored("pending", 1)
    listed = tmp_path / "ids.txt"
    listed.write_text(f"{ids[0]}\nnonsense\n" + "zzz\n" * 12)
    code, _, err = run("pay", "--ids-from", str(listed), "--yes")
    assert code == 2
    assert "line 2: 'nonsense' is neither an order id (24 hex digits) nor an order number" in err
    assert "… and more" in err
    assert statuses(ids) == {"pending"}
    assert BulkRun.objects.count() == 0


def test_an_order_that_there_is_not_is_refused() -> None:
    nobody = ObjectId()
    code, _, err = run("pay", "--id", str(nobody), "--id", "order no. 7kqf–2M9D—XW3H", "--yes")
    assert code == 1
    assert f"order {nobody}: refused: There is no order {nobody}." in err
    assert "order 7kqf-2M9D-XW3H: refused: There is no order 7kqf-2M9D-XW3H." in err


def test_a_selection_of_no_order_is_no_success(tmp_path: Path) -> None:
    paid = stored("paid", 1)
    (tmp_path / "ids.txt").write_text("# none today\n #\n")
    for asked in (("--ids-from", str(tmp_path / "ids.txt")), ("--status", "pending")):
        code, _, err = run("start_processing", *asked, "--yes")
        assert (code, err) == (2, "No order is selected: nothing was changed.\n")
        assert run("start_processing", *asked)[0] == 2, "it does not even ask"
    assert statuses(paid) == {"paid"}


def test_a_file_holds_numbers_as_people_write_them(tmp_path: Path) -> None:
    """A foreign number is found as it was written, and `#` in front of a number is no comment."""
    ids = stored("pending", 4)
    for order_id, number in zip(ids, ["SO-2024-000123", "1042", "7KQF-2M9D-XW3H", "S020-2400-0124"], strict=True):
        orders().update_one({"_id": order_id}, {"$set": {"number": number}})
    listed = tmp_path / "ids.txt"
    listed.write_text("so\u20112024\u2011000123 # moved\n#1042\n\u200eOrder no. 7kqf 2m9d xw3h\u200f\r\n# 1043\n")
    code, out, _ = run("pay", "--ids-from", str(listed), "--yes")
    assert (code, "of 3" in out) == (0, True)
    assert [read(order_id)["status"] for order_id in ids] == ["paid", "paid", "paid", "pending"]


# --- bad usage -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        ([], "Which transition?"),
        (["pay"], "Which orders?"),
        (["pay", "--limit", "5"], "Which orders?"),
        (["pay", "--all", "--status", "pending"], "--all means every order"),
        (["--resume", "0" * 24, "--all"], "--resume goes on"),
        (["pay", "--resume", "0" * 24], "--resume goes on"),
        (["--resume", "0" * 24], "There is no run"),
        (["pay", "--all", "--report", "x.txt"], "a .csv or .json file"),
        (["pay", "--all", "--report", "/nowhere/at/all/x.csv"], "in a directory that exists"),
        (["pay", "--all", "--report", f"{'x' * 300}/x.csv"], "in a directory that exists"),
        (["pay", "--ids-from", "/nowhere/ids.txt", "--yes"], "cannot be read"),
        (["pay", "--ids-from", "-"], "leaves nobody to ask"),
        (["pay", "--all", "--reason", "caf\udce9"], "The reason cannot be kept."),
        (["pay", "--all", "--reason", "x" * 501, "--yes"], "At most 500 characters, please: it has 501."),
        (["pay", "--search", "a", "--id", "0" * 24], "--search looks for orders"),
        (["pay", "--search", "a", "--ids-from", "x", "--yes"], "--search looks for orders"),
        (["pay", "--all", "--search", "a"], "--all means every order"),
        (["--resume", "0" * 24, "--search", "a"], "--resume goes on"),
        (["pay", "--search", "nobody", "--yes"], "No order is selected"),
        (["cancel", "--all"], "A reason is required to cancel an order"),
        (["refund", "--all", "--yes", "--reason", " "], "A reason is required to refund an order"),
        (["pay", "--status", "paid", "--user", "2"], "No order is selected"),
        (["pay", "--status", "paid", "--yes", "--dry-run"], "No order is selected"),
    ],
)  # fmt: skip
def test_bad_usage_is_2_and_does_nothing(arguments: list[str], told: str) -> None:
    pending = stored("pending", 1)
    code, _, err = run(*arguments)
    assert code == 2
    assert told in err
    assert statuses(pending) == {"pending"}
    assert BulkRun.objects.count() == 0


@pytest.mark.parametrize(
    "arguments",
    [
        ["place", "--all"], ["pay", "--status", "placing"], ["pay", "--older-than", "3 days"],
        ["pay", "--older-than", "999999999w"], ["pay", "--from", "yesterday"],
        ["pay", "--to", "9999-12-31T23:59:59-10:00"], ["pay", "--user", "7.0"], ["pay", "--product", "1"],
        ["pay", "--all", "--limit", "0"],
        ["pay", "--all", "--jobs", "-1"], ["--resume", "1"], ["pay", "--all", "--limit", "9" * 19],
        ["pay", "--all", "--actor", "a\nb"], ["pay", "--search", ".*"], ["pay", "--search", "a " * 9],
    ],
)  # fmt: skip
def test_arguments_that_are_none_are_refused(arguments: list[str]) -> None:
    pending = stored("pending", 1)
    assert run(*arguments, "--yes")[0] != 0
    assert statuses(pending) == {"pending"}


# --- the report ------------------------------------------------------------------------------------------------------


def test_the_report_has_a_row_for_each_order(tmp_path: Path) -> None:
    ids = stored("paid", 3) + stored("processing", 1) + stored("pending", 1)
    code, out, _ = run("start_processing", "--all", "--yes", "--batch-size", "2", "--report", str(tmp_path / "r.csv"))
    assert code == 1
    assert f"5 orders in {tmp_path / 'r.csv'}" in out
    with (tmp_path / "r.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert [row["order_id"] for row in rows] == [str(order_id) for order_id in ids]
    assert [row["number"] for row in rows] == [read(order_id)["number"] for order_id in ids]
    assert [row["result"] for row in rows] == ["done", "done", "done", "already", "refused"]
    assert rows[-1]["reason"].startswith("Cannot start processing an order that is pending.")


def test_a_run_that_is_over_is_reported_again(tmp_path: Path) -> None:
    stored("paid", 2)
    run("start_processing", "--status", "paid", "--yes")
    code, out, _ = run("--resume", str(the_run().pk), "--report", str(tmp_path / "r.json"))
    assert code == 0
    rows = json.loads((tmp_path / "r.json").read_text())
    assert [(row["result"], row["reason"]) for row in rows] == [("done", "")] * 2
    assert "done: 2 done" in out
    assert {entries(order, the_run()) for order in orders().find()} == {1}


def test_an_empty_report_is_one_too(tmp_path: Path) -> None:
    assert run("pay", "--status", "pending", "--yes", "--report", str(tmp_path / "r.json"))[0] == 2
    assert json.loads((tmp_path / "r.json").read_text()) == []


def test_a_report_that_cannot_be_written_costs_the_report_only(tmp_path: Path) -> None:
    pending = stored("pending", 1)
    (tmp_path / "r.csv").mkdir()
    code, _, err = run("pay", "--status", "pending", "--yes", "--report", str(tmp_path / "r.csv"))
    assert code == 0
    assert "the report could not be written" in err
    assert statuses(pending) == {"paid"}


# --- progress, stopping, going on ------------------------------------------------------------------------------------


def test_without_a_terminal_it_says_how_far_it_is_line_by_line(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(progress, "REPORT_EVERY", 0.0)
    stored("paid", 3)
    stored("pending", 1)
    _, out, _ = run("start_processing", "--all", "--yes", "--batch-size", "2")
    assert "done: 4 of 4 orders, 1 refused\n" in out


def test_it_says_that_a_run_pauses_and_why(
    sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch, settings: Settings
) -> None:
    monkeypatch.setattr(progress, "REPORT_EVERY", 0.0)
    shelve(sandbox, available=60)
    placed = place((A, 2)).order["_id"]
    up, settings.INVENTORY_SERVICE_URL = settings.INVENTORY_SERVICE_URL, dead_url()
    back = threading.Timer(1.0, lambda: setattr(settings, "INVENTORY_SERVICE_URL", up))
    back.start()
    code, out, _ = run("cancel", "--status", "pending", "--reason", "recalled", "--yes")
    back.join()
    assert code == 0
    assert "paused: 0 of 1 orders, inventory does not answer" in out
    assert statuses([placed]) == {"cancelled"}


def test_on_a_terminal_it_shows_a_bar(monkeypatch: pytest.MonkeyPatch) -> None:
    class Terminal(io.StringIO):
        def isatty(self) -> bool:
            return True

    terminal = Terminal()
    monkeypatch.setattr(sys, "stderr", terminal)
    stored("paid", 3)
    assert run("start_processing", "--status", "paid", "--yes")[0] == 0
    assert "3/3" in terminal.getvalue()
    assert "Done" in terminal.getvalue()


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_told_to_stop_it_leaves_off_between_orders_and_says_how_to_go_on(sandbox: Sandbox, number: int) -> None:
    shelve(sandbox, available=60)
    placed = [place((A, 2)).order["_id"] for _ in range(20)]
    sandbox.control.fault("release", "latency", seconds=0.1)
    stopper = told_when(lambda: orders().count_documents({"status": "cancelled"}) >= 3, number)
    code, out, err = run("cancel", "--status", "pending", "--reason", "recalled", "--yes", "--jobs", "1")
    stopper.join()
    assert code == 1
    stopped = the_run()
    assert (stopped.state, stopped.paused_until) == ("paused", None)
    assert f"Go on with it: manage.py transition_orders --resume {stopped.pk}" in out
    assert "Stopped by" in err
    cancelled = orders().count_documents({"status": "cancelled"})
    assert 3 <= cancelled < 20
    assert {order["items"][0]["stock"]["state"] for order in orders().find()} == {"released", "reserved"}
    sandbox.control.clear_faults()
    code, out, _ = run("--resume", str(stopped.pk))
    assert (code, out.splitlines()[-1]) == (0, "done: 20 done, 0 already, 0 refused, 0 failed, of 20")
    assert {entries(order, stopped) for order in sound()} == {1}
    assert statuses(placed) == {"cancelled"}


def told_when(met: Callable[[], Any], number: int) -> threading.Thread:
    """Send this process a signal as soon as something is so."""

    def wait() -> None:
        until = time.monotonic() + 60
        try:
            while time.monotonic() < until and not met():
                time.sleep(0.01)
        finally:
            os.kill(os.getpid(), number)

    thread = threading.Thread(target=wait)
    thread.start()
    return thread


def test_a_run_that_was_cancelled_meanwhile_is_1(monkeypatch: pytest.MonkeyPatch) -> None:
    stored("paid", 2)
    real = bulk.execute_run

    def cancelled_first(run_id: ObjectId, **options: Any) -> BulkRun:
        bulk.cancel_run(run_id=run_id, actor=bulk_actor())
        return real(run_id, **options)

    monkeypatch.setattr(bulk, "execute_run", cancelled_first)
    code, out, err = run("start_processing", "--status", "paid", "--yes")
    assert code == 1
    assert "Cancelled by system:boss." in err
    assert "--resume" not in out
    assert orders().count_documents({"status": "paid"}) == 2


def bulk_actor() -> Any:
    from orders.services.access import system

    return system("boss", via="command")


def test_a_database_that_does_not_answer_is_1(monkeypatch: pytest.MonkeyPatch) -> None:
    paid = stored("paid", 1)
    answer_lost(monkeypatch, "aggregate")
    code, _, err = run("start_processing", "--status", "paid", "--dry-run")
    assert code == 1
    assert "the database does not answer: the primary went away" in err
    assert statuses(paid) == {"paid"}


def test_a_database_that_goes_away_before_the_report_is_1(monkeypatch: pytest.MonkeyPatch) -> None:
    paid = stored("paid", 1)

    def gone(*_: Any, **__: Any) -> Iterator[bulk.OrderResult]:
        raise DatabaseError("gone")

    monkeypatch.setattr(bulk, "results", gone)
    code, _, err = run("start_processing", "--status", "paid", "--yes")
    assert code == 1
    assert "the database does not answer: gone" in err
    assert statuses(paid) == {"processing"}


def test_told_to_stop_when_another_has_just_ended_the_run_is_no_bad_usage(monkeypatch: pytest.MonkeyPatch) -> None:
    paid = stored("paid", 1)
    pause, execute_run = bulk.pause_run, bulk.execute_run

    def told_to_stop(run_id: ObjectId, **_: Any) -> BulkRun:
        os.kill(os.getpid(), signal.SIGINT)
        return bulk.get_run(run_id)

    def too_late(**given: Any) -> BulkRun:
        execute_run(given["run_id"])
        return pause(**given)

    monkeypatch.setattr(bulk, "execute_run", told_to_stop)
    monkeypatch.setattr(bulk, "pause_run", too_late)
    assert run("start_processing", "--status", "paid", "--yes")[0] == 0
    assert statuses(paid) == {"processing"}
