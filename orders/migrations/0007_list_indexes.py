"""Indexes of the backoffice's list: each filter is read off one of them in the order of the orders' creation."""

import datetime

import pymongo
from django.db import migrations, models
from django.db.models import Q

EPOCH = datetime.datetime(1970, 1, 1, tzinfo=datetime.timezone.utc)
INTO_LINES = [
    {
        # Another migration makes this one too; it is the same to MongoDB whichever comes first.
        "keys": [("items.product_id", 1), ("created_at", -1), ("_id", -1)],
        "name": "product_newest",
    },
    {
        "keys": [("items.stock.state", 1), ("created_at", -1), ("_id", -1)],
        "name": "unknown_newest",
        "partialFilterExpression": {"items.stock.state": "unknown"},
    },
]
REPLACED = {
    "keys": [("items.stock.state", 1), ("created_at", 1)],
    "name": "stock_unknown",
    "partialFilterExpression": {"items.stock.state": "unknown"},
}
"""By `unknown_newest`, which serves both directions and breaks ties by `_id`."""


def create(apps, schema_editor):
    orders = schema_editor.connection.database["orders"]
    for options in INTO_LINES:
        orders.create_index(**options)
    if REPLACED["name"] in orders.index_information():
        orders.drop_index(REPLACED["name"])


def drop(apps, schema_editor):
    orders = schema_editor.connection.database["orders"]
    orders.create_index(**REPLACED)
    for options in INTO_LINES:
        orders.drop_index(options["name"])


def add(name, fields, condition=None):
    return migrations.AddIndex("order", models.Index(fields=fields, name=name, condition=condition))


class Migration(migrations.Migration):
    dependencies = [("orders", "0006_bulk_runs")]
    operations = [
        add("total_newest", ["total_price", "-created_at", "-id"]),
        add("newest_status_total", ["-created_at", "-id", "status", "total_price"]),
        add("unverified_newest", ["user_verified", "-created_at", "-id", "status"], Q(user_verified=False)),
        add("owed_newest", ["-created_at", "-id", "status_since", "stock_due_at"], Q(stock_due_at__gt=EPOCH)),
        migrations.RunPython(create, drop),
    ]

    def apply(self, *args, **kwargs):
        # An index over a million orders takes longer than MONGODB_TIMEOUT_MS gives an operation.
        with pymongo.timeout(24 * 3600):
            return super().apply(*args, **kwargs)
