"""What customers wanted and did not get, since too little was in stock: units by product and day.

```
turned_away: { _id: {day, product}, units, times }      day: see `orders.storage.daily_figures.day_key`
```
A day has MOST products, and a few more where several come at once; what else is wanted is counted under OTHERS.
"""

from collections import Counter
from collections.abc import Mapping
from datetime import datetime

from bson import MaxKey, MinKey
from django_mongodb_backend.query import wrap_database_errors
from pymongo import UpdateOne
from pymongo.collection import Collection
from pymongo.read_concern import ReadConcern
from pymongo.write_concern import WriteConcern

from orders.models import Document
from orders.storage.database import collection

MOST = 100
"""Products of a day."""
OTHERS = ""
"""Stands for all products beyond these; no product has this id."""


def turned_away() -> Collection[Document]:
    """The collection; what a failover loses of it is lost."""
    return collection("turned_away").with_options(write_concern=WriteConcern(w=1), read_concern=ReadConcern("local"))


@wrap_database_errors
def add(day: datetime, wanted: Mapping[str, int]) -> None:
    """Count an order that was turned away. :param wanted: units by product, of those that were short."""
    known = _known(day, wanted)
    room = MOST
    if len(known) < len(wanted):
        room -= turned_away().count_documents(_days(day, day), limit=MOST)
    counted = Counter[str]()
    for product, units in wanted.items():
        is_new = product not in known
        counted[OTHERS if is_new and room <= 0 else product] += units
        room -= is_new
    turned_away().bulk_write(
        [
            UpdateOne({"_id": _key(day, product)}, {"$inc": {"units": units, "times": 1}}, upsert=True)
            for product, units in counted.items()
        ],
        ordered=False,
    )


@wrap_database_errors
def most_wanted(since: datetime, until: datetime, limit: int) -> list[Document]:
    """`product`, `units` and `times` from one day to another, both included: OTHERS first, then the most units."""
    sums = {name: {"$sum": f"${name}"} for name in ("units", "times")}
    return turned_away().aggregate(
        [
            {"$match": _days(since, until)},
            {"$group": {"_id": "$_id.product", **sums}},
            {"$set": {"others": {"$eq": ["$_id", OTHERS]}}},
            {"$sort": {"others": -1, "units": -1, "_id": 1}},
            {"$limit": limit + 1},
            {"$project": {"_id": 0, "product": "$_id", "units": 1, "times": 1}},
        ]
    ).to_list()  # fmt: skip


def _known(day: datetime, products: Mapping[str, int]) -> set[str]:
    keys = [_key(day, product) for product in products]
    return {found["_id"]["product"] for found in turned_away().find({"_id": {"$in": keys}}, {"_id": 1})}


def _key(day: datetime, product: object) -> Document:
    return {"day": day, "product": product}


def _days(since: datetime, until: datetime) -> Document:
    return {"_id": {"$gte": _key(since, MinKey()), "$lte": _key(until, MaxKey())}}
