"""What must be true of the feed of events and of its followers when all has been told, whatever failed before."""

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from bson import ObjectId

from orders.models import PUBLIC_STATUSES, Document, event_type
from orders.services.events.telling import tell
from orders.services.events.verifying import Verified, verify
from orders.storage.bulk_runs import runs
from orders.storage.event_feed import feed
from orders.storage.order_writes import orders

YESTERDAY = "system:yesterday"
"""Who did what histories say of the time before there were events."""
MOST_PASSES = 1000


def tell_all(limit: int = 500) -> None:
    """Tell until nothing is left; who never comes to an end leaves something untold."""
    for _ in range(MOST_PASSES):
        if not tell(limit):
            return


def problems_of_feed() -> Iterator[str]:
    """What is wrong with the feed, beside the histories of all orders; empty where nothing is."""
    by_order: dict[ObjectId, list[Document]] = defaultdict(list)
    last = 0
    for event in feed().find({}, {"order": 0}).sort("_id", 1):
        if event["_id"] != last + 1:
            yield f"feed: {event['_id']} follows {last}"
        last = event["_id"]
        if "order_id" in event:
            by_order[event["order_id"]].append(event)
    for finding in verify(Verified()):
        yield f"feed, {finding.cursor}: {finding.problem}"
    for order in orders().find({}, {"history": 1, "status": 1, "untold_at": 1}).sort("_id", 1):
        yield from _problems_of_order(order, by_order[order["_id"]])
    for run in runs().find({"finished_at": {"$ne": None}}):
        if (times := feed().count_documents({"run_id": run["_id"]})) != 1:
            yield f"run {run['_id']} was told {times} times"
        if run.get("untold"):
            yield f"run {run['_id']} is still to be told"


def _problems_of_order(order: Document, events: Sequence[Document]) -> Iterator[str]:
    """Of each order exactly what its history has for others, in its order, none twice."""
    name = order["_id"]
    history = [(number, entry) for number, entry in enumerate(order["history"], 1) if entry["actor"] != YESTERDAY]
    meant = [(number, event_type(entry), entry["act"], entry["at"]) for number, entry in history if event_type(entry)]
    if order["status"] not in PUBLIC_STATUSES:
        meant = []  # of a draft nobody is told
    told = [(event["entries"], event["type"], event["data"]["act"], event["at"]) for event in events]
    if told != meant:
        yield f"order {name}: {len(meant)} things were to be told, {len(told)} were: {told} instead of {meant}"
    if (sequence := [event["sequence"] for event in events]) != list(range(1, len(events) + 1)):
        yield f"order {name}: its events are numbered {sequence}"
    if ids := {event["id"] for event in events} ^ {f"{name}-{number}" for number in range(1, len(events) + 1)}:
        yield f"order {name}: the ids of its events are not as they should be: {sorted(ids)}"
    if "untold_at" in order:
        yield f"order {name} still has something to tell"


def problems_of_delivery(received: Sequence[Mapping[str, Any]], *, after: int = 0, up_to: int) -> Iterator[str]:
    """What is wrong with what a consumer of all events was sent: each at least once, in order, by one id.

    :param received: `cursor` and `id` of each delivery, in the order in which they came.
    :param after: the number of the event that it begins after.
    :param up_to: that of the last one that it must have.
    """
    asked = {"_id": {"$gt": after, "$lte": up_to}}
    ids = {event["_id"]: event["id"] for event in feed().find(asked, {"id": 1}).sort("_id", 1)}
    first = list(dict.fromkeys(delivery["cursor"] for delivery in received))
    if first != list(ids):
        yield f"the consumer was sent, for the first time: {first}; the feed has {list(ids)}"
    for delivery in received:
        if delivery["id"] != ids.get(delivery["cursor"]):
            yield f"event {delivery['cursor']}, {ids.get(delivery['cursor'])}, came as {delivery['id']}"
