"""The least that placing costs: the peers' calls and an insert. `python -m tests.bench.twins.bare_client 8 3 [{…}]`."""

import itertools
import json
import os
import sys
import threading
import time
from datetime import UTC, datetime
from multiprocessing import get_context
from typing import Any

from bson import Decimal128
from pymongo import MongoClient

from tests.bench.twins import peers

PROCESSES = 2


def place(orders: Any, body: dict[str, Any]) -> None:
    peers.require(body["user_id"], body["items"])
    now = datetime.now(UTC)
    items = [item | {"price": Decimal128(item["price"]), "stock": {"state": "reserved"}} for item in body["items"]]
    orders.insert_one(
        {
            "number": "BARE-BARE-BARE",
            "user_id": body["user_id"],
            "user_verified": True,
            "status": "pending",
            "version": 1,
            "items": items,
            "total_price": Decimal128("0"),
            "shipping_address": body["shipping_address"],
            "history": [],
            "created_at": now,
            "updated_at": now,
        }
    )


def work(threads: int, seconds: float, bodies: list[dict[str, Any]]) -> int:
    """Place orders from so many threads for so long. :returns: how many were placed by then, as wrk counts."""
    client: MongoClient[dict[str, Any]] = MongoClient(os.environ["MONGODB_URI"], w="majority")
    orders = client[os.environ["MONGODB_DB"]]["orders"]
    counts = [0] * threads
    end = time.monotonic() + seconds

    def loop(number: int) -> None:
        for body in itertools.cycle(bodies[number:] + bodies[:number]):
            if time.monotonic() >= end:
                break
            place(orders, body)
            counts[number] += time.monotonic() < end

    running = [threading.Thread(target=loop, args=(number,)) for number in range(threads)]
    for thread in running:
        thread.start()
    for thread in running:
        thread.join()
    client.close()
    return sum(counts)


def main() -> None:
    connections, seconds, bodies = int(sys.argv[1]), float(sys.argv[2]), json.loads(sys.argv[3])
    processes = min(PROCESSES, connections)
    with get_context("spawn").Pool(processes) as pool:
        pool.starmap(work, [(1, 0.0, bodies)] * processes)  # the imports are not to be measured
        done = pool.starmap(work, [(connections // processes, seconds, bodies)] * processes)
    print(json.dumps({"requests": sum(done), "seconds": seconds}))  # noqa: T201


if __name__ == "__main__":
    main()
