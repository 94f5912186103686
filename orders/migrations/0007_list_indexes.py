"""Indexes of the backoffice's list: each filter is read off one of them in the order of the orders' creation."""

import datetime

from django.db import migrations, models
from django.db.models import Q

from orders.migrations._slow import Slow, drop_index

EPOCH = datetime.datetime(1970, 1, 1, tzinfo=datetime.timezone.utc)
INTO_LINES = [
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
    drop_index(schema_editor.connection.database, "orders", REPLACED["name"])


def drop(apps, schema_editor):
    orders = schema_editor.connection.database["orders"]
    orders.create_index(**REPLACED)
    for options in INTO_LINES:
        drop_index(schema_editor.connection.database, "orders", options["name"])


def add(name, fields, condition=None):
    return migrations.AddIndex("order", models.Index(fields=fields, name=name, condition=condition))


class Migration(Slow):
    dependencies = [("orders", "0006_bulk_runs")]
    operations = [
        add("total_newest", ["total_price", "-created_at", "-id"]),
        add("newest_status_total", ["-created_at", "-id", "status", "total_price"]),
        add("unverified_newest", ["user_verified", "-created_at", "-id", "status"], Q(user_verified=False)),
        add("owed_newest", ["-created_at", "-id", "status_since", "stock_due_at"], Q(stock_due_at__gt=EPOCH)),
        migrations.RunPython(create, drop),
    ]
