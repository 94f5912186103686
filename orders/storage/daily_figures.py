"""Figures of each day, counted from that day's orders (`orders.storage.day_counts`), kept as one document a day.

```
figures_by_day: { _id: the day, see day_key; zone: by whose clocks (without: UTC); layout: see LAYOUT,
                  stale: true | false, attempt, computed_at, laid_out_at, retry_at,
                  statuses: [{status, currency, orders, cents}],   orders placed that day, by their status now, and
                                                         what the shop keeps of them: paid, less refunded, less owed
                  money: [{currency, paid, refunded, owed}],       of these orders, in cents
                  half_hours: [orders, …],               when they were placed, by half hours since the day began
                  stays: {status: [orders, …]},          how long they were in each, once they left it, by bucket
                  reasons: [{act, code, times}],         why they, or parts of them, were cancelled, refunded, returned
                  products: [{id, units, cents}],        sold that day: the best sellers only, if products_cut
                  products_cut,
                  shipping: [orders, …] }                orders shipped that day, by bucket of the time since payment
                { _id: "state", until, zone, lease, holder }
```

Amounts in different currencies are never added up: `cents` of products are those of orders in the shop's own. Days that
were counted before orders had a currency have no `currency`: they are the shop's.

A day that changes is marked `stale` and keeps its figures until it is counted again. Marking also removes `attempt`,
without which a count that is under way cannot write. Days that are not stale include all changes up to `until`.

Days that were counted by another `layout`, whose fields may be fewer, are counted again by themselves. Versions from
before there were layouts leave that of a day as it is when they count it anew, e.g. during a rolling update: so a day
has its layout only where `laid_out_at` is its `computed_at`.

Figures of another zone than TIME_ZONE are never read: such a day counts as not counted.
"""

from collections.abc import Iterable, Sequence
from datetime import UTC, date, datetime, time, timedelta

from django.conf import settings
from django_mongodb_backend.query import wrap_database_errors
from pymongo.collection import Collection
from pymongo.read_concern import ReadConcern
from pymongo.write_concern import WriteConcern

from orders.models import Document
from orders.storage import day_counts, leases
from orders.storage.database import collection, from_now, new_id
from orders.storage.order_reads import server_time
from orders.storage.order_writes import orders

DAY = timedelta(days=1)
EARLIEST = datetime(2000, 1, 1)  # noqa: DTZ001 - a key
"""The key of the first day that has figures."""
STATE = "state"
LAYOUT = 2
"""Raised when a count begins to tell more, or something else: days that were counted by another are counted again."""


def figures() -> Collection[Document]:
    """The collection of figures. Whatever a failover loses is counted again."""
    return collection("figures_by_day").with_options(write_concern=WriteConcern(w=1), read_concern=ReadConcern("local"))


def day_key(day: date) -> datetime:
    """What a day's figures are kept under: its midnight, whatever the zone."""
    return datetime.combine(day, time())


def is_current(kept: Document) -> bool:
    """Whether figures, or the state, are of the zone that is set now."""
    return bool(kept.get("zone", "UTC") == settings.TIME_ZONE)


def _of_this_zone() -> Document:
    return {"zone": {"$in": ["UTC", None]} if settings.TIME_ZONE == "UTC" else settings.TIME_ZONE}


# --- one process counts at a time ------------------------------------------------------------------------------------


@wrap_database_errors
def state() -> Document:
    """Up to when changes have been looked for (`until`), and by which zone; empty before the first time."""
    return figures().find_one({"_id": STATE}) or {}


@wrap_database_errors
def take_lease(seconds: float) -> str | None:
    """Claim the right to count. :returns: the holder; None if another process holds it."""
    holder = new_id()
    hold = {"holder": holder, "lease": from_now(seconds)}
    after = leases.take(figures(), STATE, free=leases.ended("lease"), hold=hold)
    return holder if after["holder"] == holder else None


@wrap_database_errors
def give_lease_back(holder: str) -> None:
    leases.give_back(figures(), {"_id": STATE, "holder": holder}, "lease", "holder")


@wrap_database_errors
def set_until(moment: datetime) -> None:
    change = {"$max": {"until": moment}, "$set": {"zone": settings.TIME_ZONE}}
    figures().update_one({"_id": STATE}, change, upsert=True)


# --- which days ------------------------------------------------------------------------------------------------------


@wrap_database_errors
def oldest_order(since: datetime) -> datetime | None:
    """When the first order since a moment was placed."""
    found = orders().find({"created_at": {"$gte": since}}, {"created_at": 1, "_id": 0}).sort("created_at", 1).limit(1)
    return next((order["created_at"].replace(tzinfo=UTC) for order in found), None)


@wrap_database_errors
def touched(since: datetime) -> list[tuple[datetime, datetime]]:
    """When orders that have changed since a moment were placed or shipped: first and last of each day in UTC."""
    fields = ("created_at", "shipped_at")
    # Of what another service wrote, the moments may be anything.
    moments = {field: {"$cond": [{"$eq": [{"$type": f"${field}"}, "date"]}, f"${field}", None]} for field in fields}
    days = {field: {"$dateTrunc": {"date": f"${field}", "unit": "day"}} for field in fields}
    first, last = ({f"{way}_{field}": {f"${way}": f"${field}"} for field in fields} for way in ("min", "max"))
    found = orders().aggregate(
        [
            {"$match": {"updated_at": {"$gte": since}}},
            {"$project": {"_id": 0, **moments}},
            {"$group": {"_id": days, **first, **last}},
        ]
    )
    spans = ((group[f"min_{field}"], group[f"max_{field}"]) for group in found for field in fields)
    return [(first.replace(tzinfo=UTC), last.replace(tzinfo=UTC)) for first, last in spans if first]


@wrap_database_errors
def mark(days: Iterable[datetime] | None = None) -> None:
    """Have these days, or all, counted again; counts that are under way are discarded."""
    which = {"$gte": EARLIEST} if days is None else {"$in": list(days)}
    figures().update_many({"_id": which}, {"$set": {"stale": True}, "$unset": {"attempt": ""}})


@wrap_database_errors
def counts(since: datetime, until: datetime) -> dict[datetime, Document]:
    """What is known about the counts of the days from `since` to `until`, both included, without their figures.

    Days that were counted in another zone, or by another layout, are stale.
    """
    fields = {"stale": 1, "computed_at": 1, "retry_at": 1, "zone": 1, "layout": 1, "laid_out_at": 1}
    found = figures().find(_days(since, until), fields)
    return {kept["_id"]: kept | {"stale": is_outdated(kept) or not is_current(kept)} for kept in found}


def is_outdated(kept: Document) -> bool:
    """Whether figures do not tell all that they should by now."""
    has_layout = kept.get("layout") == LAYOUT and kept.get("laid_out_at") == kept["computed_at"]
    return bool(kept["stale"]) or not has_layout


@wrap_database_errors
def put_off(day: datetime, until: datetime) -> None:
    """Leave a day that could not be counted alone until a moment."""
    figures().update_one({"_id": day}, {"$set": {"retry_at": until}, "$setOnInsert": _uncounted()}, upsert=True)


def _uncounted() -> Document:
    return {"stale": True, "zone": settings.TIME_ZONE}


# --- reading ---------------------------------------------------------------------------------------------------------


@wrap_database_errors
def days_kept(since: datetime, until: datetime, *, without: Sequence[str] = ()) -> list[Document]:
    """The figures of the days from `since` to `until`, both included, but for their products and what else is named."""
    left_out = dict.fromkeys(("products", *without), 0)
    return figures().find(_days(since, until) | _of_this_zone(), left_out).sort("_id", 1).to_list()


@wrap_database_errors
def days_of_another_zone(since: datetime, until: datetime) -> int:
    """How many days of a period have been counted in another zone, but not yet in this one."""
    return figures().count_documents(_days(since, until) | {"$nor": [_of_this_zone()]})


@wrap_database_errors
def best_sellers(since: datetime, until: datetime, limit: int) -> Document:
    """The products of a period with the highest `units` and those with the highest `cents`, highest first."""
    measures = ("units", "cents")
    sums = {name: {"$sum": f"$products.{name}"} for name in measures}
    [found] = figures().aggregate(
        [
            {"$match": _days(since, until) | _of_this_zone()},
            {"$unwind": "$products"},
            {"$group": {"_id": "$products.id", **sums}},
            {"$facet": {name: [{"$sort": {name: -1, "_id": 1}}, {"$limit": limit}] for name in measures}},
        ]
    )
    return found


def _days(since: datetime, until: datetime) -> Document:
    return {"_id": {"$gte": since, "$lte": until}}


# --- counting --------------------------------------------------------------------------------------------------------


@wrap_database_errors
def count(day: datetime, since: datetime, before: datetime) -> bool:
    """Count a day, which begins at `since` and ends at `before`, and keep its figures.

    :returns: False if it changed meanwhile and must be counted again.
    """
    attempt, zone = new_id(), settings.TIME_ZONE
    figures().update_one({"_id": day}, {"$set": {"attempt": attempt}, "$setOnInsert": _uncounted()}, upsert=True)
    now = server_time()
    counted = day_counts.of_day(since, before) | {"computed_at": now, "stale": False, "zone": zone}
    counted |= {"layout": LAYOUT, "laid_out_at": now}
    written = figures().update_one(
        {"_id": day, "attempt": attempt}, {"$set": counted, "$unset": {"attempt": "", "retry_at": ""}}
    )
    return written.matched_count == 1
