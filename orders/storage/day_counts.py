"""What mongod counts of the orders of one day; :mod:`orders.storage.daily_figures` keeps it."""

import math
from collections.abc import Iterable
from datetime import datetime
from typing import Any

from django.conf import settings

from orders.models import EPOCH, PUBLIC_STATUSES, Document, Status
from orders.storage import ledger
from orders.storage.database import Expression
from orders.storage.order_lists import currency
from orders.storage.order_query import OrderQuery
from orders.storage.order_writes import OURS, orders

SOLD = (Status.PAID.value, Status.PROCESSING.value, Status.SHIPPED.value, Status.DELIVERED.value)
"""Statuses that count as sold: paid, and neither cancelled nor refunded since."""
BEST_SELLERS = 100
"""How many products of a day are kept by units, and how many by revenue."""
BUCKET = 1.02
"""Bucket n counts times of BUCKET ** n minutes or more, so a time is known to one per cent."""
STAY_BUCKET = 1.1
"""The same for the time in each status, which is known to five per cent."""
TIMED = (Status.PENDING.value, Status.PAID.value, Status.PROCESSING.value, Status.SHIPPED.value)
"""The statuses that orders pass through."""
SLOT_MINUTES = 30
"""Orders are counted by half hours since the day began: clocks differ by whole ones, so each lies in one clock hour."""
REASONED = {"cancel": "cancel", "cancel_part": "cancel", "refund": "refund", "refund_part": "refund",
            "open_return": "return"}  # fmt: skip
"""Acts of histories whose reasons are counted, and as what."""


def of_day(since: datetime, before: datetime) -> Document:
    """The figures of a day, which begins at `since` and ends at `before`: see `orders.storage.daily_figures`."""
    return placed(since, before) | {"shipping": _shipping(since, before)}


def placed(since: datetime, before: datetime) -> Document:
    """What is known of the orders placed on a day."""
    fields = (
        *("status", "currency", "total_price", "created_at", "paid_at", "paid", "refunded", "owed"),
        *("items.product_id", "items.quantity", "items.price", "items.removed"),
        *("history.act", "history.code", "history.at", "history.from", "history.to"),
    )
    kinds = {
        "statuses": _by_status(),
        "money": _money(),
        "half_hours": _by_half_hour(since),
        "stays": _stays(),
        "reasons": _reasons(),
        "products": _products(),
    }
    [counted] = orders().aggregate(
        [
            {"$match": OrderQuery(since=since, before=before).conditions | OURS},
            {"$project": dict.fromkeys(fields, 1)},
            {"$facet": kinds},
        ]
    )
    best = _best_sellers(counted["products"])
    stays = {status: [row for row in counted["stays"] if row["status"] == status] for status in TIMED}
    return counted | {
        "half_hours": _by_bucket(counted["half_hours"]),
        "stays": {status: _by_bucket(rows) for status, rows in stays.items()},
        "products": best,
        "products_cut": len(best) < len(counted["products"]),
    }


def _by_status() -> list[Document]:
    kept = {"$subtract": [{"$subtract": [ledger.SUMS["paid"], ledger.SUMS["refunded"]]}, ledger.SUMS["owed"]]}
    return _grouped({"status": "$status", "currency": currency()}, orders={"$sum": 1}, cents=_cents(kept))


def _money() -> list[Document]:
    return _grouped({"currency": currency()}, **{name: _cents(amount) for name, amount in ledger.SUMS.items()})


def _by_half_hour(since: datetime) -> list[Document]:
    return _grouped(
        {"bucket": {"$toInt": {"$floor": {"$divide": [_minutes("$created_at", since), SLOT_MINUTES]}}}},
        orders={"$sum": 1},
    )


def _stays() -> list[Document]:
    """How long orders were in each status, of those that have left it: from one change of status to the next."""
    statuses = [Status.PLACING.value, *PUBLIC_STATUSES]
    changes = {"$and": [{"$in": ["$$entry.from", statuses]}, {"$ne": ["$$entry.from", "$$entry.to"]}]}
    stay = {
        "$let": {
            "vars": {
                "came": {"$arrayElemAt": ["$changes", {"$subtract": ["$$number", 1]}]},
                "left": {"$arrayElemAt": ["$changes", "$$number"]},
            },
            "in": {"status": "$$left.from", "bucket": _bucket(_minutes("$$left.at", "$$came.at"), STAY_BUCKET)},
        }
    }
    numbers = {"$range": [1, {"$max": [1, {"$size": "$changes"}]}]}
    return [
        {"$project": {"changes": {"$filter": {"input": "$history", "as": "entry", "cond": changes}}}},
        {"$project": {"stay": {"$map": {"input": numbers, "as": "number", "in": stay}}}},
        {"$unwind": "$stay"},
        {"$match": {"stay.status": {"$in": list(TIMED)}}},
        *_grouped({"status": "$stay.status", "bucket": "$stay.bucket"}, orders={"$sum": 1}),
    ]


def _reasons() -> list[Document]:
    given = {"history.act": {"$in": list(REASONED)}}
    code = {"$ifNull": ["$history.code", ""]}
    return [
        {"$match": given},
        {"$unwind": "$history"},
        {"$match": given},
        *_grouped({"act": "$history.act", "code": code}, times={"$sum": 1}),
    ]


def _products() -> list[Document]:
    price: Expression = {"$multiply": ["$items.price", "$items.quantity"]}
    ours: Expression = {"$cond": [{"$eq": [currency(), settings.CURRENCY]}, price, 0]}
    return [
        {"$match": {"status": {"$in": list(SOLD)}}},
        {"$unwind": "$items"},
        {"$match": {"items.removed": None}},
        *_grouped({"id": "$items.product_id"}, units={"$sum": "$items.quantity"}, cents=_cents(ours)),
    ]


def _best_sellers(products: list[Document]) -> list[Document]:
    best = {
        product["id"]: product
        for measure in ("units", "cents")
        for product in sorted(products, key=lambda product: (-product[measure], product["id"]))[:BEST_SELLERS]
    }
    return list(best.values())


def _shipping(since: datetime, before: datetime) -> list[int]:
    bucket = _bucket(_minutes("$shipped_at", "$paid_at"), BUCKET)
    found = orders().aggregate(
        [
            {"$match": {"shipped_at": {"$gte": since, "$lt": before}, "paid_at": {"$gt": EPOCH}}},
            {"$project": {"_id": 0, "shipped_at": 1, "paid_at": 1}},
            *_grouped({"bucket": bucket}, orders={"$sum": 1}),
        ]
    )
    return _by_bucket(list(found))


def _grouped(by: dict[str, Expression], **sums: Expression) -> list[Document]:
    """The stages that make rows: those fields, and these sums."""
    return [{"$group": {"_id": by, **sums}}, {"$replaceWith": {"$mergeObjects": ["$$ROOT", "$_id"]}}, {"$unset": "_id"}]


def _cents(amount: Expression) -> Document:
    return {"$sum": {"$toLong": {"$round": [{"$multiply": [amount, 100]}, 0]}}}


def _minutes(end: Any, begin: Any) -> Document:
    return {"$divide": [{"$subtract": [end, begin]}, 60_000]}


def _bucket(minutes: Expression, width: float) -> Document:
    return {"$toInt": {"$floor": {"$divide": [{"$ln": {"$max": [minutes, 1]}}, math.log(width)]}}}


def _by_bucket(rows: Iterable[Document]) -> list[int]:
    counted = {row["bucket"]: row["orders"] for row in rows}
    return [counted.get(number, 0) for number in range(max(counted, default=-1) + 1)]
