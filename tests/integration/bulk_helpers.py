"""Runs over orders, and the orders they are about, for the tests of bulk runs."""

from collections import Counter
from typing import Any

from bson import ObjectId

from orders.models import BulkRun
from orders.services import access, bulk
from orders.services.audit import REASON_NEEDED
from orders.storage.order_query import OrderKeys, OrderQuery
from orders.storage.order_writes import orders
from tests.factories import OrderFactory
from tests.integration.builders import Document, act
from tests.order_invariants import violations_of

STAFF = access.system("jane", via="command")


def stored(status: str, count: int, **fields: Any) -> list[ObjectId]:
    """Store orders as they would have come about, the oldest first. :returns: their ids."""
    return [order.pk for order in OrderFactory.create_batch(count, status=status, **fields)]


def started(transition: str, *, reason: str = "", actor: access.Actor = STAFF, **options: Any) -> BulkRun:
    """Start a run; options of the selection and of `start_run` alike."""
    chosen = {name: options.pop(name) for name in ("for_worker", "batch_size", "run_id") if name in options}
    options.setdefault("everything", not options)
    reason = reason or ("as agreed" if transition in REASON_NEEDED else "")
    if "keys" in options:
        options["keys"] = OrderKeys(options["keys"])
    return bulk.start_run(
        selection=OrderQuery(**options),
        transition=transition,
        act=act(actor, reason),
        **({"for_worker": False} | chosen),
    )


def carried(transition: str, *, threads: int | None = None, **options: Any) -> BulkRun:
    """Start a run and execute it until it is over."""
    return bulk.execute_run(started(transition, **options).pk, threads=threads)


def figures(run: BulkRun) -> tuple[int, int, int, int]:
    """Done, already, refused, failed; they add up to the total once the run is done."""
    return run.done, run.already, run.refused, run.failed


def told(run: BulkRun, **options: Any) -> Counter[tuple[str, str]]:
    """How often each result with each reason is reported."""
    return Counter((found.result, found.reason) for found in bulk.results(run.pk, **options))


def entries(order: Document, run: BulkRun) -> int:
    """How many transitions of this run are in an order's history."""
    own = (entry for entry in order["history"] if entry["request_id"] == str(run.pk))
    return sum(entry.get("line") is None for entry in own)


def sound() -> list[Document]:
    """Every order, each of which is as an order must be."""
    found = list(orders().find().sort("_id"))
    wrong = [(violations, order) for order in found if (violations := violations_of(order))]
    assert wrong == []
    return found
