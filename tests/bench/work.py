"""The kinds of work that are measured, and the requests that they are made of."""

import random
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta
from typing import Any
from urllib.parse import quote

from bson import ObjectId

from integrations.sandbox.catalogue import CUSTOMERS, PRODUCTS
from tests.bench.bulk import order
from tests.bench.load import Request
from tests.bench.stage import Stage

ORDERS = "/api/v1/orders/"
PER_SECOND = 5000
"""Orders laid ready for each second in which every request needs one of its own."""
ALL = ("floor", "service", "drf", "fastapi")
TWINS = ("service", "drf", "fastapi")
PLACED = {
    "user_id": str(CUSTOMERS[0].user_id),
    "shipping_address": {"line1": "1 Harbour Lane", "city": "Lisbon", "postal_code": "1100", "country": "Portugal"},
}


class Samples:
    """What questions are about: orders taken at random."""

    def __init__(self, stage: Stage) -> None:
        self.stage, self.chance = stage, random.Random(17)
        fields = {"user_id": 1, "status": 1, "created_at": 1}
        shown = {"status": {"$nin": ["placing", "rejected"]}}
        found = stage.database.orders.aggregate([{"$sample": {"size": 2500}}, {"$match": shown}, {"$project": fields}])
        self.orders = list(found)
        self._users = [user for user, _ in Counter(order["user_id"] for order in self.orders).most_common(5)]

    def user(self) -> str:
        """One who has a full page of orders, however few there are of all."""
        return self.chance.choice(self._users)

    def one(self) -> dict[str, Any]:
        return self.chance.choice(self.orders)


def gets(path: Callable[[Samples], str]) -> Callable[[Samples, float], list[Request]]:
    return lambda samples, _: [("GET", ORDERS + path(samples), None) for _ in range(2000)]


def span(samples: Samples) -> str:
    day = samples.one()["created_at"]
    ends = (day - timedelta(days=7), day + timedelta(days=7))
    start, end = (quote(f"{moment:%Y-%m-%dT%H:%M:%S}+00:00") for moment in ends)
    return f"?start_date={start}&end_date={end}"


def laid_ready(samples: Samples, count: int, status: str) -> list[ObjectId]:
    """Insert orders of this status, each to be changed once."""
    made = [order(number) for number in range(count)]
    for one in made:
        one["user_id"] = PLACED["user_id"]
        for line, product in zip(one["items"], PRODUCTS, strict=False):
            line["product_id"] = product.product_id
        if status == "pending":
            one |= {"status": status, "version": 1, "history": one["history"][:2]}
    samples.stage.database.orders.insert_many(made, ordered=False)
    return [one["_id"] for one in made]


def placements(samples: Samples, _: float = 0) -> list[Request]:
    """Orders of any three products each: what sells is more than three products."""

    def items() -> list[dict[str, Any]]:
        some = samples.chance.sample(PRODUCTS, 3)
        return [{"product_id": one.product_id, "quantity": 1, "price": one.price} for one in some]

    return [("POST", ORDERS, PLACED | {"items": items()}) for _ in range(100)]


def changes(samples: Samples, seconds: float) -> list[Request]:
    ids = laid_ready(samples, int(PER_SECOND * seconds), "paid")
    return [("PUT", f"{ORDERS}{order_id}/status", {"status": "processing"}) for order_id in ids]


def cancels(samples: Samples, seconds: float) -> list[Request]:
    ids = laid_ready(samples, int(PER_SECOND / 10 * seconds), "pending")
    return [("DELETE", f"{ORDERS}{order_id}", None) for order_id in ids]


@dataclass(frozen=True)
class Work:
    """One kind.

    :ivar once: each of its requests can be made only once.
    :ivar all_connections: whether it is measured with 1 and 64 connections too, beside 8.
    :ivar beside_bare: whether the bare client does it too.
    :ivar longer: how many times the usual time it takes to see enough of them.
    """

    name: str
    requests: Callable[[Samples, float], list[Request]]
    servers: tuple[str, ...] = ALL
    once: bool = False
    all_connections: bool = False
    beside_bare: bool = False
    longer: int = 1


WORKS = (
    Work("GET one", gets(lambda samples: str(samples.one()["_id"])), all_connections=True),
    Work("list of 20", gets(lambda _: "?limit=20"), all_connections=True),
    Work("list of a status", gets(lambda samples: f"?limit=20&status={samples.one()['status']}")),
    Work("list of a user, filtered", gets(lambda samples: f"?limit=20&user_id={samples.user()}")),
    Work("list of 14 days", gets(span)),
    Work("a user's orders", gets(lambda samples: f"user/{samples.user()}?limit=20")),
    Work("create, 3 lines", placements, TWINS, all_connections=True, beside_bare=True, longer=2),
    Work("status change", changes, ALL, once=True),
    Work("cancel", cancels, TWINS, once=True),
)
