"""Indexes for what waits for staff and for the figures by day."""

from datetime import UTC, datetime

from django.db import migrations, models
from django.db.models import Q

from orders.migrations._slow import Slow, drop_index

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
INDEXES = {
    "orders": {
        # Lines of which inventory gave back less than asked.
        "keys": [("created_at", 1)],
        "name": "stock_short",
        "partialFilterExpression": {"items.stock.discrepancy": {"$gt": 0}},
    },
    "daily_figures": {"keys": [("stale", 1), ("_id", -1)], "name": "stale", "partialFilterExpression": {"stale": True}},
}


def create(apps, schema_editor):
    for collection, options in INDEXES.items():
        schema_editor.connection.database[collection].create_index(**options)


def drop(apps, schema_editor):
    drop_index(schema_editor.connection.database, "orders", "stock_short")
    schema_editor.connection.database.drop_collection("daily_figures")


def index(name, *fields, **options):
    return migrations.AddIndex("order", models.Index(fields=fields, name=name, **options))


class Migration(Slow):
    dependencies = [("orders", "0007_list_indexes")]
    operations = [
        index("stock_owed", "status_since", condition=Q(stock_due_at__gt=EPOCH)),
        index("status_since", "status", "status_since"),
        index("unverified", "user_verified", "status", "created_at", condition=Q(user_verified=False)),
        index("touched", "updated_at", "created_at", "shipped_at"),
        index("shipped", "shipped_at", "paid_at", condition=Q(shipped_at__gt=EPOCH)),
        migrations.RunPython(create, drop),
    ]
