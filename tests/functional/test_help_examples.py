"""Every example that `--help` gives is carried out as it stands, pipes included."""

import csv
import io
import json
import shlex
import signal
import subprocess
import threading
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pytest
from bson import ObjectId
from django.core.management import call_command, get_commands, load_command_class
from django.utils import timezone

from devtools.localhost import ROOT
from integrations.sandbox import Sandbox
from orders.models import ServiceToken
from orders.storage.order_writes import orders
from tests.fastapi_orders import fastapi_order
from tests.functional.test_import_orders import ORDER, as_object
from tests.integration.builders import A, line, shelve, store
from tests.integration.bulk_helpers import started, stored

COMMANDS = sorted(name for name, app in get_commands().items() if app == "orders")
WITHOUT = {"state_diagram"}
"""Commands that take no arguments."""


def examples(name: str) -> list[str]:
    lines = load_command_class("orders", name).help.partition("Example")[2].splitlines()
    return [line.strip() for line in lines if "manage.py" in line]


EXAMPLES = [example for name in COMMANDS for example in examples(name)]


def test_every_command_has_examples() -> None:
    assert {name for name in COMMANDS if not examples(name)} == WITHOUT


@pytest.fixture
def stage(sandbox: Sandbox, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """What the examples speak of: orders, a run that waits, and files."""
    shelve(sandbox, A, available=100)
    monkeypatch.chdir(tmp_path)
    store("pending", line("none", "665f1c0a9b1e8a0012a40001"), due=None)
    store("pending", line("none", A), due=None, terms=["lisbon", "okafor"])
    unknown = line("unknown", "665f1c0a9b1e8a0012a40001", call="release")
    store("cancelled", line("released"), unknown, due=None, number="7KQF-2M9D-XW3H")
    [picked], [arrived], _ = stored("processing", 1), stored("shipped", 1), stored("paid", 1)
    started("start_processing", keys=stored("paid", 1), run_id=ObjectId("692201d0a1b2c3d4e5f60718"))
    ServiceToken.objects.create(
        id=ObjectId("68f2c1d09b1e8a0012b70001"), name="payments", created_at=timezone.now(), created_by="tests"
    )
    orders().insert_one(fastapi_order("cancelled"))
    Path("originals.jsonl").write_text('{"_id": {"$oid": "665f1c0a9b1e8a0012a40001"}}\n')
    Path("erased-orders.txt").write_text(f"{arrived}\n")
    Path("picked.txt").write_text(f"{picked}\n")
    Path("parcels.csv").write_text(f"number,carrier,tracking_number\n{picked},DHL,77\n")
    Path("mail.txt").write_text(f"Dear all, please close {arrived}: it has arrived.\n")
    with Path("old-shop.csv").open("w", newline="") as file:
        csv.writer(file).writerows([ORDER.keys(), ORDER.values()])
    Path("old-shop.jsonl").write_text(json.dumps(as_object()))
    for name, made in {"orders_export_1": "shopify", "orders": "woocommerce"}.items():
        Path(f"{name}.csv").write_text((ROOT / "examples" / "imports" / f"{made}.csv").read_text())
    with Path("excel.csv").open("w", newline="", encoding="cp1252") as file:
        row = ORDER | {"city": "Köln", "price": "12,5", "total_price": "25,00"}
        csv.writer(file, delimiter=";").writerows([row.keys(), row.values()])
    before = {number: signal.getsignal(number) for number in (signal.SIGTERM, signal.SIGINT)}
    yield
    for number, handler in before.items():
        signal.signal(number, handler)


@pytest.mark.usefixtures("stage")
@pytest.mark.parametrize("example", EXAMPLES)
def test_an_example_of_the_help_works(example: str, monkeypatch: pytest.MonkeyPatch) -> None:
    before = signal.getsignal(signal.SIGTERM)

    def stop_once_it_listens() -> None:
        while signal.getsignal(signal.SIGTERM) is before:
            time.sleep(0.01)
        time.sleep(0.5)
        signal.raise_signal(signal.SIGTERM)

    stopper = threading.Thread(target=stop_once_it_listens, daemon=True)
    lasting = "--loop" in example or ("run_worker" in example and "--once" not in example)
    if lasting:
        stopper.start()
    piped = ""
    for stage in example.split(" | "):
        command, _, file = stage.partition(" > ")
        program, *arguments = shlex.split(command)
        if program == "manage.py":
            monkeypatch.setattr("sys.stdin", io.StringIO(piped or "y\n"))
            out = io.StringIO()
            with suppress(SystemExit):  # by which reconcile_stock says that there are differences, as there are here
                call_command(*arguments, stdout=out, stderr=io.StringIO())  # raises where it does not work
            piped = out.getvalue()
            assert piped or "--out" in arguments or lasting
        else:
            found = subprocess.run([program, *arguments], input=piped.encode(), capture_output=True, check=True)
            assert found.stdout
            piped = found.stdout.decode("latin-1")
        if file:
            Path(file).write_text(piped, encoding="latin-1")
