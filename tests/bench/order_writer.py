"""Writes a million orders in a few minutes; no peer is told of them.

They are written in bulk, past the services, and each is none the less one that the services could have made: its
history is a way through the machine, and `tests.order_invariants` finds nothing wrong with it. Inventory
holds nothing for their lines.
"""

import random
import re
from collections import deque
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from datetime import datetime, timedelta
from itertools import islice

from orders.models import Document
from orders.storage.order_writes import orders
from tests.bench.order_maker import MARK, Maker

DAYS = 730
BATCH = 1000
IN_FLIGHT = 4
"""Batches made and not yet acknowledged: making the next one goes on while mongod writes."""
GROWTH = 3.0
"""How many orders a day there are at the end for one at the beginning."""
HOURS_OF_DAY = (3, 2, 1, 1, 1, 2, 4, 7, 10, 12, 13, 13, 14, 13, 12, 12, 13, 14, 16, 18, 19, 17, 12, 7)
"""How busy each hour of the day (UTC) is, beside the others."""
DAYS_OF_WEEK = (10, 9, 9, 10, 11, 13, 12)
"""Monday first."""


def has_strangers() -> bool:
    """Tell whether there is an order that was not made here. Reads every order."""
    return orders().find_one({"history.0.write_id": {"$not": re.compile(f"^{MARK}")}}, {"_id": 1}) is not None


def add_orders(
    count: int,
    *,
    now: datetime,
    days: int = DAYS,
    chance: random.Random | None = None,
    progress: Callable[[int], None] = lambda _: None,
) -> None:
    """Add orders that were placed over the last `days`, oldest first.

    :param now: naive UTC.
    :param progress: told how many more have been written, each time.
    """
    chance = chance or random.Random()
    maker = Maker(now, chance)
    under_way: deque[Future[int]] = deque()

    def write(batch: list[Document]) -> int:
        return len(orders().insert_many(batch, ordered=False).inserted_ids)

    made = (maker.order(moment) for moment in moments_of_placement(count, now, days, chance))
    with ThreadPoolExecutor(IN_FLIGHT) as threads:
        while batch := list(islice(made, BATCH)):
            under_way.append(threads.submit(write, batch))
            if len(under_way) >= IN_FLIGHT:
                progress(under_way.popleft().result())
        for future in under_way:
            progress(future.result())


def moments_of_placement(count: int, now: datetime, days: int, chance: random.Random) -> Iterator[datetime]:
    """When `count` orders were placed, ascending: more each day, and with the rhythm of days and weeks."""
    start = now - timedelta(days=days)
    hours = [start + timedelta(hours=hour) for hour in range(days * 24)]
    weights = [
        (1 + (GROWTH - 1) * position / len(hours)) * HOURS_OF_DAY[hour.hour] * DAYS_OF_WEEK[hour.weekday()]
        for position, hour in enumerate(hours)
    ]
    share, due, done = count / sum(weights), 0.0, 0
    for hour, weight in zip(hours, weights, strict=True):
        due += weight * share
        here = round(due) - done
        done += here
        for offset in sorted(chance.randrange(3_600_000) for _ in range(here)):
            yield hour + timedelta(milliseconds=offset)
