"""One measurement, in a process of its own and so with a memory of its own: `python -m tests.bench.bulk bare 100`."""

import json
import resource
import sys
import tempfile
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import django
from bson import Decimal128, ObjectId
from django.core.management import call_command

BATCH = 1000
START = datetime(2026, 1, 1, tzinfo=UTC)
PATH = (("draft", "", "placing"), ("place", "placing", "pending"), ("pay", "pending", "paid"))
Document = dict[str, Any]


def order(number: int) -> Document:
    """A paid order as placing and paying would have left it."""
    at = START + timedelta(seconds=number)
    stock = {"state": "reserved", "attempts": 1, "error": ""}
    items = [
        {"product_id": f"665f1c0a9b1e8a0012a4{line:04x}", "quantity": 2, "price": Decimal128("14.90"), "stock": stock}
        for line in range(2)
    ]
    history = [
        {
            "at": at, "act": act, "from": source, "to": target, "actor": "customer:17", "via": "api", "reason": "",
            "request_id": "4bf92f3577b34da6a3ce929d0e0e4736", "write_id": f"{number:032x}",
        }
        for act, source, target in PATH
    ]  # fmt: skip
    return {
        "_id": ObjectId(), "number": f"B{number:013d}", "user_id": str(number % 5000), "status": "paid", "version": 2,
        "user_verified": True, "items": items, "total_price": Decimal128("59.60"), "history": history,
        "shipping_address": {"line1": "1 Long Street", "city": "Springfield", "postal_code": "1", "country": "Oz"},
        "write_id": f"{number:032x}", "created_at": at, "updated_at": at, "placed_at": at, "status_since": at,
        "paid_at": at,
    }  # fmt: skip


def fill(count: int) -> None:
    """Leave just so many paid orders in the database; the indexes are made afterwards, which is faster."""
    from orders.storage import bulk_batches
    from orders.storage.order_writes import orders

    bulk_batches.batches().delete_many({})
    orders().delete_many({})
    indexes = {name: kept for name, kept in orders().index_information().items() if name != "_id_"}
    orders().drop_indexes()
    for begin in range(0, count, BATCH):
        orders().insert_many((order(number) for number in range(begin, min(count, begin + BATCH))), ordered=False)
    for name, kept in indexes.items():
        options = {"partialFilterExpression", "collation"} & set(kept)
        orders().create_index(kept["key"], name=name, **{option: kept[option] for option in options})


def bare(count: int) -> float:
    """Make the change by `update_many`, with nothing around it. :returns: seconds."""
    from orders.storage.order_writes import orders

    found = (document["_id"] for document in orders().find({"status": "paid"}, {"_id": 1}, batch_size=BATCH))
    began = time.monotonic()
    for ids in chunks(found):
        at = datetime.now(UTC)
        entry = {
            "at": at, "act": "start_processing", "from": "paid", "to": "processing", "actor": "system:bench",
            "via": "command", "reason": "", "request_id": str(ids[0]), "write_id": str(ids[0]),
        }  # fmt: skip
        fields = {"status": "processing", "updated_at": at, "status_since": at, "write_id": str(ids[0])}
        orders().update_many(
            {"_id": {"$in": ids}, "status": "paid"},
            {"$set": fields, "$inc": {"version": 1}, "$push": {"history": entry}},
        )
    return time.monotonic() - began


def engine(count: int) -> float:
    """Make the change by a run. :returns: seconds."""
    from django.utils import timezone

    from orders.services import bulk
    from orders.services.access import system
    from orders.services.audit import Act
    from orders.storage.order_query import OrderQuery

    began = time.monotonic()
    run = bulk.start_run(
        selection=OrderQuery(statuses=("paid",)),
        transition="start_processing",
        act=Act(system("bench", via="command"), timezone.now()),
        for_worker=False,
        batch_size=BATCH,
    )
    run = bulk.execute_run(run.pk)
    seconds = time.monotonic() - began
    if (run.state, run.done) != ("done", count):
        raise SystemExit(f"the run did not do it: {run}, {run.done} done")
    return seconds


def named(count: int) -> float:
    """Make the change by the command, of orders that a file names. :returns: seconds."""
    from orders.storage.order_writes import orders

    with tempfile.NamedTemporaryFile("w", suffix=".txt") as file:
        file.writelines(f"{order['_id']}\n" for order in orders().find({}, {"_id": 1}, batch_size=BATCH))
        file.flush()
        began = time.monotonic()
        call_command("transition_orders", "start_processing", "--ids-from", file.name, "--yes", stdout=sys.stderr)
        return time.monotonic() - began


def export(count: int) -> float:
    """Write every order to a file of JSON lines. :returns: seconds."""
    with tempfile.TemporaryDirectory() as directory:
        began = time.monotonic()
        call_command("export_orders", "--format", "jsonl", "--out", f"{directory}/orders.jsonl", stdout=sys.stderr)
        return time.monotonic() - began


def import_(count: int) -> float:
    """Import every order from such a file. :returns: seconds."""
    from orders.storage.order_writes import orders

    with tempfile.TemporaryDirectory() as directory:
        file = f"{directory}/orders.jsonl"
        call_command("export_orders", "--format", "jsonl", "--out", file, stdout=sys.stderr)
        orders().delete_many({})
        began = time.monotonic()
        call_command("import_orders", file, stdout=sys.stderr)
        seconds = time.monotonic() - began
    if (found := orders().estimated_document_count()) != count:
        raise SystemExit(f"{found} of {count} orders were imported")
    return seconds


WHAT = {"bare": bare, "engine": engine, "named": named, "export": export, "import": import_}


def chunks(found: Iterator[ObjectId]) -> Iterator[list[ObjectId]]:
    chunk: list[ObjectId] = []
    for order_id in found:
        chunk.append(order_id)
        if len(chunk) == BATCH:
            yield chunk
            chunk = []
    if chunk:
        yield chunk


def main() -> None:
    what, count = sys.argv[1], int(sys.argv[2])
    django.setup()
    call_command("migrate", verbosity=0)
    fill(count)
    seconds = WHAT[what](count)
    memory = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    sys.stdout.write(json.dumps({"orders": count, "seconds": seconds, "memory": memory}))


if __name__ == "__main__":
    main()
