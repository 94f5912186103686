"""`manage.py ship_orders`: what it says, what it asks, and by which exit code it leaves."""

import csv
import io
import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from bson import ObjectId
from django.core.management import CommandError, call_command
from django.db import connection
from django.utils import timezone
from pymongo.database import Database

from devtools.localhost import ROOT
from orders.management.commands import ship_orders
from tests.functional.observed_service import eventually
from tests.integration.builders import answer_lost, read
from tests.integration.bulk_helpers import sound, stored

pytestmark = pytest.mark.usefixtures("database")


@pytest.fixture(autouse=True)
def nobody_there(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Nobody answers; and pytest gets its signal handlers back."""
    before = {number: signal.getsignal(number) for number in (signal.SIGTERM, signal.SIGINT)}
    monkeypatch.setattr("sys.stdin", io.StringIO(""))
    yield
    for number, handler in before.items():
        signal.signal(number, handler)


def run(*arguments: str) -> tuple[int, str, str]:
    """Run it as the shell would. :returns: exit code, stdout and stderr."""
    out, err, code = io.StringIO(), io.StringIO(), 0
    try:
        call_command("ship_orders", *arguments, stdout=out, stderr=err)
    except CommandError as error:
        code = error.returncode
        err.write(f"{error}\n")
    return code, out.getvalue(), err.getvalue()


@pytest.fixture
def file(tmp_path: Path) -> Callable[..., str]:
    """Write a file of parcels with these rows."""

    def write(*rows: object) -> str:
        path = tmp_path / "parcels.csv"
        path.write_text("\ufeffnumber,carrier,tracking_number\r\n" + "".join(f"{row}\r\n" for row in rows))
        return str(path)

    return write


def number_of(order_id: ObjectId) -> str:
    return str(read(order_id)["number"])


def statuses(ids: list[ObjectId]) -> list[str]:
    return [read(order_id)["status"] for order_id in ids]


def test_the_parcels_of_a_file_are_shipped_with_their_tracking(file: Callable[..., str]) -> None:
    ids = stored("processing", 2)
    parcels = file(f"{number_of(ids[0])},dhl paket,0034", f"{ids[1]},,")
    assert run(parcels, "--yes", "--reason", "wave 12", "--actor", "jane") == (
        0, "2 done, 0 already, 0 refused, 0 failed, of 2\n", ""
    )  # fmt: skip
    [parcel] = read(ids[0])["shipments"]
    assert (parcel["carrier"], parcel["tracking_number"]) == ("DHL Paket", "0034")
    entry = read(ids[0])["history"][-1]
    assert (entry["act"], entry["actor"], entry["reason"]) == ("ship", "system:jane", "wave 12")
    assert statuses(ids) == ["shipped"] * 2
    assert run(parcels, "--yes", "--actor", "joe")[:2] == (0, "0 done, 2 already, 0 refused, 0 failed, of 2\n")
    assert [len(read(order_id)["shipments"]) for order_id in ids] == [1, 1]


def test_a_dry_run_says_line_by_line_what_is_refused_and_ships_nothing(file: Callable[..., str]) -> None:
    free, held = stored("processing", 2), stored("processing", 1, held_at=timezone.now())
    code, out, err = run(file(*(f"{order_id},," for order_id in [*free, *held])), "--dry-run")
    assert (code, out) == (0, "3 parcels: 2 can be shipped, 0 were shipped before\n")
    why = "Cannot ship this order now. It is on hold. It can become: cancelled, refunded."
    assert err == f"line 4, order {number_of(held[0])}: refused: {why}\n"
    assert statuses([*free, *held]) == ["processing"] * 3


@pytest.mark.parametrize(
    ("answer", "code", "status"), [("y", 0, "shipped"), ("n", 1, "processing"), ("", 1, "processing")]
)
def test_it_asks_first(
    file: Callable[..., str], monkeypatch: pytest.MonkeyPatch, answer: str, code: int, status: str
) -> None:
    [order_id] = stored("processing", 1)
    monkeypatch.setattr("sys.stdin", io.StringIO(f"{answer}\n" if answer else ""))
    found = run(file(f"{order_id},,"))
    assert found[0] == code
    assert found[1].startswith("1 parcel: 1 can be shipped, 0 were shipped before\n")
    assert statuses([order_id]) == [status]


def test_some_refused_is_1_and_they_are_told(file: Callable[..., str]) -> None:
    paid, good = stored("paid", 12), stored("processing", 1)
    code, out, err = run(file(*(f"{order_id},," for order_id in [*paid, *good])), "--yes")
    assert (code, out) == (1, "1 done, 0 already, 12 refused, 0 failed, of 13\n")
    lines = err.splitlines()
    assert lines[0].startswith(f"line 2, order {number_of(paid[0])}: refused: Cannot ship an order that is paid.")
    assert lines[10:] == ["… and 2 more; --report lists them", "some parcels were not shipped"]
    assert statuses(good) == ["shipped"]


def test_an_unknown_number_stops_it_with_its_line(file: Callable[..., str]) -> None:
    [order_id] = stored("processing", 1)
    parcels = file(f"{order_id},,", "7K2M-9QWX-4HTC,,", *(["nobody,,"] * 10))
    code, out, err = run(parcels, "--yes")
    assert (code, out) == (2, "")
    assert err.splitlines()[:2] == [
        f"{parcels} has bad lines, nothing was done:",
        "line 3, number: there is no order 7K2M-9QWX-4HTC",
    ]
    assert err.splitlines()[-1] == "… and more"
    assert statuses([order_id]) == ["processing"]


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (["-"], "- leaves nobody to ask"),
        (["nowhere.csv"], "nowhere.csv cannot be read"),
        (["{empty}"], "has no parcels"),
        (["{empty}", "--report", "there.txt"], "--report there.txt: give a .csv or .json file"),
        (["{heading}"], "The column number is missing"),
    ],
)
def test_bad_usage_is_2_and_ships_nothing(tmp_path: Path, arguments: list[str], told: str) -> None:
    files = {"empty": tmp_path / "empty.csv", "heading": tmp_path / "heading.csv"}
    files["empty"].write_text("number\n")
    files["heading"].write_text("carrier\n")
    [order_id] = stored("processing", 1)
    code, _, err = run(*(argument.format(**files) for argument in arguments))
    assert code == 2
    assert told in err
    assert statuses([order_id]) == ["processing"]


def test_the_standard_input_may_name_them(monkeypatch: pytest.MonkeyPatch) -> None:
    [order_id] = stored("processing", 1)
    monkeypatch.setattr("sys.stdin", io.StringIO(f"number\n{order_id}\n"))
    assert run("-", "--yes")[0] == 0
    assert statuses([order_id]) == ["shipped"]


def test_the_report_has_a_row_for_each_parcel(file: Callable[..., str], tmp_path: Path) -> None:
    [good], [paid] = stored("processing", 1), stored("paid", 1)
    parcels = file(f"{good},,77", f"{paid},,")
    report = tmp_path / "report.csv"
    assert run(parcels, "--dry-run", "--report", str(report))[1].endswith(f"2 parcels in {report}\n")
    with report.open(newline="") as found:
        assert [row["result"] for row in csv.DictReader(found)] == ["waiting", "refused"]
    assert run(parcels, "--yes", "--report", str(tmp_path / "report.json"))[0] == 1
    first, second = json.loads((tmp_path / "report.json").read_text())
    assert first == {
        "line": 2, "order_id": str(good), "number": number_of(good), "tracking_number": "77", "result": "done",
        "reason": "",
    }  # fmt: skip
    assert (second["result"], second["line"]) == ("refused", 3)


def test_a_report_that_cannot_be_written_costs_the_report_only(file: Callable[..., str], tmp_path: Path) -> None:
    [order_id] = stored("processing", 1)
    (tmp_path / "taken.csv").mkdir()
    code, _, err = run(file(f"{order_id},,"), "--yes", "--report", str(tmp_path / "taken.csv"))
    assert (code, statuses([order_id])) == (0, ["shipped"])
    assert "the report could not be written" in err


def test_told_to_stop_it_leaves_off_between_parcels_and_goes_on_when_run_again(
    file: Callable[..., str], monkeypatch: pytest.MonkeyPatch
) -> None:
    ids = stored("processing", 3)
    parcels, real = file(*(f"{order_id},," for order_id in ids)), ship_orders.ship_parcels

    def told_after_one(*args: object, **options: object) -> Iterator[object]:
        for result in real(*args, **options):  # type: ignore[arg-type]
            yield result
            signal.raise_signal(signal.SIGTERM)

    monkeypatch.setattr(ship_orders, "ship_parcels", told_after_one)
    code, out, err = run(parcels, "--yes")
    assert (code, out) == (1, "1 done, 0 already, 0 refused, 0 failed, of 3\n")
    assert err == "stopped; what has been shipped stays so: run it again to go on\n"
    assert statuses(ids) == ["shipped", "processing", "processing"]
    monkeypatch.setattr(ship_orders, "ship_parcels", real)
    assert run(parcels, "--yes")[:2] == (0, "2 done, 1 already, 0 refused, 0 failed, of 3\n")


def test_a_database_that_does_not_answer_is_1_and_nothing_is_shipped_twice(
    file: Callable[..., str], monkeypatch: pytest.MonkeyPatch
) -> None:
    ids = stored("processing", 2)
    parcels = file(*(f"{order_id},," for order_id in ids))
    answer_lost(monkeypatch)
    code, _, err = run(parcels, "--yes")
    assert code == 1
    assert "the database does not answer" in err
    assert "run it again to go on" in err
    assert run(parcels, "--yes")[:2] == (0, "1 done, 1 already, 0 refused, 0 failed, of 2\n")
    assert [len(read(order_id)["shipments"]) for order_id in ids] == [1, 1]


@pytest.mark.no_cover
def test_killed_amid_a_list_it_goes_on_when_run_again(
    file: Callable[..., str], database: Database[dict[str, object]]
) -> None:
    ids = stored("processing", 4)
    parcels = file(*(f"{order_id},,{number}" for number, order_id in enumerate(ids)))
    command = [sys.executable, "manage.py", "ship_orders", parcels, "--yes"]
    environment = os.environ | {
        "DJANGO_SETTINGS_MODULE": "orders_project.settings.test",
        "MONGODB_URI": connection.settings_dict["HOST"],
        "MONGODB_DB": database.name,
        "MONGODB_TIMEOUT_MS": "60000",  # for as long as it may have to wait
    }
    with database.client.start_session() as session, session.start_transaction():
        third = database["orders"].find_one_and_update(
            {"_id": ids[2]}, {"$set": {"metadata.held": "by a transaction"}}, session=session
        )
        assert third
        with subprocess.Popen(command, env=environment, cwd=ROOT, stdout=subprocess.DEVNULL) as process:
            eventually(lambda: statuses(ids[:2]) == ["shipped"] * 2)
            assert process.poll() is None, "it waits for the third order"
            process.kill()
        session.abort_transaction()
    assert process.returncode == -signal.SIGKILL
    assert statuses(ids[3:]) == ["processing"]
    code, out, _ = run(parcels, "--yes")
    assert (code, out[:9]) in [(0, "2 done, 2"), (0, "1 done, 3")], "the third was sent, and may have arrived"
    assert [len(read(order_id)["shipments"]) for order_id in ids] == [1] * 4
    sound()
