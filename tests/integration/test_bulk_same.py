"""A batch leaves the very documents that its orders would have become one by one."""

from typing import Any

import pytest
from django.utils import timezone

from orders.models import edges, edges_named, transition_names
from orders.services import bulk
from orders.services.audit import Act
from orders.services.lifecycle.transitions import change_status
from orders.storage.order_writes import CONDITIONS, guard_of, orders
from tests.integration.builders import A, B, Document, line, read, store
from tests.integration.bulk_helpers import STAFF, carried, entries, stored

pytestmark = pytest.mark.usefixtures("database")
REASON = "$status {$gt: 1} $$NOW"
TOGETHER = [name for name in transition_names() if bulk.is_batchable(name)]


def told(document: Document) -> Any:
    """The document with what tells one order, one moment or one write from another replaced by its part in it."""
    moment, write = document["updated_at"], document["write_id"]

    def plain(value: Any) -> Any:
        if isinstance(value, dict):
            return [(name, plain(part)) for name, part in value.items()]
        if isinstance(value, list):
            return [plain(part) for part in value]
        return (
            {moment: "the moment", write: "the write"}.get(value, value)
            if isinstance(value, str | type(moment))
            else value
        )

    document = document | {"_id": "", "number": "", "untold_at": "untold_at" in document}
    document["history"][-1]["request_id"] = ""
    return plain(document)


def test_these_go_in_batches_and_the_others_do_not() -> None:
    assert set(TOGETHER) == {"pay", "start_processing", "ship", "deliver"}


@pytest.mark.parametrize("transition", TOGETHER)
def test_a_batch_leaves_what_one_by_one_leaves(transition: str) -> None:
    source = edges_named(transition)[0].source
    lines = [line("reserved", A, 2, attempts=3), line("none", B, 1, attempts=0), line("reserved", B, 5)]
    mixed = [store(source, *lines, due=None, created_at=timezone.now(), notes=["$x"]) for _ in range(2)]
    alone, together = zip(mixed, stored(source, 2), strict=True)  # one of each kind for either way
    for first, second in zip(alone, together, strict=True):
        copy = read(first) | {"_id": second, "number": read(second)["number"]}
        orders().replace_one({"_id": second}, copy)
    for order_id in alone:
        change_status(order_id=order_id, transition=transition, act=Act(STAFF, timezone.now(), REASON))
    run = carried(transition, keys=together, reason=REASON)
    assert run.done == 2
    for first, second in zip(alone, together, strict=True):
        assert entries(read(second), run) == 1
        assert read(second)["history"][-1]["write_id"] == read(second)["write_id"] == f"{run.pk}:0"
        assert told(read(second)) == told(read(first))


def test_every_condition_of_the_machine_is_known_as_a_query() -> None:
    conditions = {condition for edge in edges() for condition in edge.conditions}
    assert conditions == set(CONDITIONS)
    assert conditions, "otherwise this tests nothing"


def test_the_query_of_a_condition_says_what_the_condition_says() -> None:
    edge = next(edge for edge in edges() if edge.name == "place")
    good = store("placing", line("reserved"), line("reserved", B))
    for bad in ([], [line("reserved"), line("reserving")], [line("none")]):
        store("placing", *bad)
    store("pending", line("reserved"))
    assert [order["_id"] for order in orders().find(guard_of(edge))] == [good]
