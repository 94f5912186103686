"""The figures by day: counted by mongod from the orders of a day, and kept, one document a day.

```
daily_figures: { _id: midnight (UTC), stale: true | false, attempt, computed_at, retry_at,
                 statuses: [{status, orders, cents}],          of the orders placed that day, by what they are now
                 products: {ids, units, cents}, products_cut,  of those that count as sold; the best sellers only
                 shipping }                                    of the orders shipped that day: how many by bucket of the
                                                               time from paid to shipped
               { _id: "state", until, lease, holder }
```

A day that changes is marked `stale` and keeps its figures until it is counted anew. Marking takes the `attempt` off it,
by which a count that began earlier may write: what is not stale is as fresh as the mark's search for changes, `until`.
"""

import math
import struct
from collections.abc import Iterable, Iterator
from datetime import datetime, timedelta

from django_mongodb_backend.query import wrap_database_errors
from pymongo import UpdateOne
from pymongo.collection import Collection
from pymongo.read_concern import ReadConcern
from pymongo.write_concern import WriteConcern

from orders.models.states import EPOCH, Status
from orders.storage.database import Document, collection
from orders.storage.order_query import OrderQuery
from orders.storage.order_reads import server_time
from orders.storage.order_writes import Expression, from_now, new_id, orders

DAY = timedelta(days=1)
EARLIEST = datetime(2000, 1, 1)  # noqa: DTZ001 - naive UTC, as stored
"""No figures are kept of days before it."""
LATEST = datetime(9000, 1, 1)  # noqa: DTZ001
SOLD = (Status.PAID.value, Status.PROCESSING.value, Status.SHIPPED.value, Status.DELIVERED.value)
"""What counts as sold: paid, and neither cancelled nor refunded since."""
BEST_SELLERS = 100
"""So many products of a day are kept by their units, and as many by their revenue."""
BUCKET = 1.02
"""Times from paid to shipped are kept by powers of this many minutes: exact to one in a hundred."""
STATE = "state"


def figures() -> Collection[Document]:
    """The collection of figures. Whatever a failover loses of them is counted again."""
    return collection("daily_figures").with_options(write_concern=WriteConcern(w=1), read_concern=ReadConcern("local"))


def midnight(moment: datetime) -> datetime:
    """The day of a moment."""
    return moment.replace(hour=0, minute=0, second=0, microsecond=0)


# --- who counts, and since when --------------------------------------------------------------------------------------


@wrap_database_errors
def state() -> Document:
    """`until`: up to when changes have been looked for. Empty before the first time."""
    return figures().find_one({"_id": STATE}) or {}


@wrap_database_errors
def take_lease(seconds: float) -> str | None:
    """Be the only one to count for a while; None where somebody else is at it."""
    free = {"_id": STATE, "$expr": {"$lt": [{"$ifNull": ["$lease", EPOCH]}, "$$NOW"]}}
    holder = new_id()
    taken = [{"$set": {"lease": from_now(seconds), "holder": holder}}]
    if figures().update_one(free, taken).matched_count:
        return holder
    # An upsert cannot look at the clock: the first time of all, the document is made first.
    made = figures().update_one({"_id": STATE}, {"$setOnInsert": {"holder": ""}}, upsert=True).upserted_id
    return holder if made and figures().update_one(free, taken).matched_count else None


@wrap_database_errors
def give_lease_back(holder: str) -> None:
    figures().update_one({"_id": STATE, "holder": holder}, {"$unset": {"lease": "", "holder": ""}})


@wrap_database_errors
def set_until(moment: datetime) -> None:
    figures().update_one({"_id": STATE}, {"$max": {"until": moment}}, upsert=True)


# --- which days ------------------------------------------------------------------------------------------------------


@wrap_database_errors
def first_day() -> datetime | None:
    """The day of the oldest order."""
    found = (
        orders().find({"created_at": {"$gte": EARLIEST}}, {"created_at": 1, "_id": 0}).sort("created_at", 1).limit(1)
    )
    return next((midnight(order["created_at"]) for order in found), None)


@wrap_database_errors
def touched_days(since: datetime) -> list[datetime]:
    """The days whose figures changes since a moment may have changed: those of placement and of shipping."""

    def day_of(field: str) -> Document:
        return {"$dateTrunc": {"date": f"${field}", "unit": "day"}}

    found = orders().aggregate(
        [
            {"$match": {"updated_at": {"$gte": since}}},
            {"$project": {"_id": 0, "created_at": 1, "shipped_at": 1}},
            {"$group": {"_id": {"placed": day_of("created_at"), "shipped": day_of("shipped_at")}}},
        ]
    )
    return sorted({day for group in found for day in group["_id"].values() if day})


@wrap_database_errors
def mark(days: Iterable[datetime]) -> None:
    """Have the days that are kept counted anew, whatever counts are under way."""
    figures().update_many({"_id": {"$in": list(days)}}, {"$set": {"stale": True}, "$unset": {"attempt": ""}})


@wrap_database_errors
def mark_all() -> None:
    """Have every day that is kept counted anew."""
    figures().update_many({"_id": {"$gte": EARLIEST}}, {"$set": {"stale": True}, "$unset": {"attempt": ""}})


@wrap_database_errors
def keep(since: datetime, until: datetime) -> None:
    """Have each day from `since` to `until`, both included, counted and kept."""
    known = {kept["_id"] for kept in figures().find({"_id": {"$gte": since, "$lte": until}}, {"_id": 1})}
    wanted = [since + number * DAY for number in range((until - since).days + 1)]
    new = {"$setOnInsert": {"stale": True}}
    if missing := [UpdateOne({"_id": day}, new, upsert=True) for day in wanted if day not in known]:
        figures().bulk_write(missing, ordered=False)


@wrap_database_errors
def number_counted(since: datetime, until: datetime) -> int:
    """How many of the days from `since` to `until`, both included, are counted and have not changed since."""
    return figures().count_documents({"_id": {"$gte": since, "$lte": until}, "stale": False})


@wrap_database_errors
def stale_days(now: datetime, limit: int, since: datetime = EARLIEST, until: datetime = LATEST) -> list[datetime]:
    """The days that are to be counted, newest first."""
    query = {"stale": True, "_id": {"$gte": since, "$lte": until}, "retry_at": {"$not": {"$gt": now}}}
    return [kept["_id"] for kept in figures().find(query, {"_id": 1}).sort("_id", -1).limit(limit)]


@wrap_database_errors
def oldest_count(before: datetime, now: datetime) -> datetime | None:
    """The day that was counted longest ago, if that is before a moment, and is not put off."""
    query = {"stale": False, "computed_at": {"$lt": before}, "retry_at": {"$not": {"$gt": now}}}
    found = figures().find(query, {"_id": 1}).sort("computed_at", 1).limit(1)
    return next((kept["_id"] for kept in found), None)


@wrap_database_errors
def put_off(day: datetime, until: datetime) -> None:
    """Leave a day that could not be counted alone for a while."""
    figures().update_one({"_id": day}, {"$set": {"retry_at": until}})


@wrap_database_errors
def days_kept(since: datetime, until: datetime) -> list[Document]:
    """What is kept of the days from `since` to `until`, both included."""
    return figures().find({"_id": {"$gte": since, "$lte": until}}).sort("_id", 1).to_list()


# --- counting --------------------------------------------------------------------------------------------------------


@wrap_database_errors
def count(day: datetime) -> bool:
    """Count a day and keep the figures. :returns: False where it changed meanwhile, and is to be counted again."""
    attempt = new_id()
    figures().update_one({"_id": day}, {"$set": {"attempt": attempt}}, upsert=True)
    now = server_time()
    counted = _placed(day) | {"shipping": _shipping(day), "computed_at": now, "stale": False}
    written = figures().update_one(
        {"_id": day, "attempt": attempt}, {"$set": counted, "$unset": {"attempt": "", "retry_at": ""}}
    )
    return written.matched_count == 1


def _placed(day: datetime) -> Document:
    price = {"$multiply": ["$items.price", "$items.quantity"]}
    fields = ("status", "total_price", "items.product_id", "items.quantity", "items.price")
    [counted] = orders().aggregate(
        [
            {"$match": OrderQuery(since=day, before=day + DAY).conditions},
            {"$project": dict.fromkeys(fields, 1)},
            {
                "$facet": {
                    "statuses": [
                        {"$group": {"_id": "$status", "orders": {"$sum": 1}, "cents": _cents("$total_price")}},
                        {"$project": {"_id": 0, "status": "$_id", "orders": 1, "cents": 1}},
                    ],
                    "products": [
                        {"$match": {"status": {"$in": list(SOLD)}}},
                        {"$unwind": "$items"},
                        {
                            "$group": {
                                "_id": "$items.product_id",
                                "units": {"$sum": "$items.quantity"},
                                "cents": _cents(price),
                            }
                        },
                    ],
                }
            },
        ]
    )
    return {"statuses": counted["statuses"]} | _best_sellers(counted["products"])


def _cents(amount: Expression) -> Document:
    return {"$sum": {"$toLong": {"$round": [{"$multiply": [amount, 100]}, 0]}}}


def _best_sellers(products: list[Document]) -> Document:
    best = {
        product["_id"]: product
        for measure in ("units", "cents")
        for product in sorted(products, key=lambda product: (-product[measure], product["_id"]))[:BEST_SELLERS]
    }
    columns = {
        "ids": "\n".join(best),
        "units": pack(product["units"] for product in best.values()),
        "cents": pack(product["cents"] for product in best.values()),
    }
    return {"products": columns, "products_cut": len(best) < len(products)}


def _shipping(day: datetime) -> bytes:
    minutes = {"$divide": [{"$subtract": ["$shipped_at", "$paid_at"]}, 60_000]}
    bucket = {"$toInt": {"$floor": {"$divide": [{"$ln": {"$max": [minutes, 1]}}, math.log(BUCKET)]}}}
    found = orders().aggregate(
        [
            {"$match": {"shipped_at": {"$gte": day, "$lt": day + DAY}, "paid_at": {"$gt": EPOCH}}},
            {"$project": {"_id": 0, "shipped_at": 1, "paid_at": 1}},
            {"$group": {"_id": bucket, "orders": {"$sum": 1}}},
        ]
    )
    counts = {row["_id"]: row["orders"] for row in found}
    return pack(counts.get(number, 0) for number in range(max(counts, default=-1) + 1))


def pack(numbers: Iterable[int]) -> bytes:
    """A column of numbers as it is kept: as BSON arrays, a year of days would take half a second to read."""
    listed = list(numbers)
    return struct.pack(f"<{len(listed)}q", *listed)


def unpack(column: bytes) -> tuple[int, ...]:
    """What :func:`pack` was given."""
    return struct.unpack(f"<{len(column) // 8}q", column)


def products_of(day: Document) -> Iterator[tuple[str, int, int]]:
    """Product id, units and cents of the best sellers of a day that is kept."""
    kept = day["products"]
    ids = kept["ids"].split("\n") if kept["ids"] else []
    return zip(ids, unpack(kept["units"]), unpack(kept["cents"]), strict=True)


def shipping_of(days: Iterable[Document]) -> tuple[int, ...]:
    """How many orders were shipped on days that are kept, by bucket of the time from paid to shipped."""
    # Packed columns add up as the large numbers that their bytes are: no count comes near its eight bytes.
    total = sum(int.from_bytes(day["shipping"], "little") for day in days)
    return unpack(total.to_bytes((total.bit_length() + 63) // 64 * 8, "little"))
