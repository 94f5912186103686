"""Indexes that Django's migrations cannot express: into arrays, and one that lets expired keys go."""

from django.db import migrations

from orders.migrations._slow import Slow, drop_index

INDEXES = {
    "orders": [
        {
            # Lines whose stock waits for a person: few, and found without reading the others.
            "keys": [("items.stock.state", 1), ("created_at", 1)],
            "name": "stock_unknown",
            "partialFilterExpression": {"items.stock.state": "unknown"},
        },
    ],
    "idempotency_keys": [{"keys": [("expires_at", 1)], "name": "expired", "expireAfterSeconds": 0}],
}


def create(apps, schema_editor):
    for collection, indexes in INDEXES.items():
        for options in indexes:
            schema_editor.connection.database[collection].create_index(**options)


def drop(apps, schema_editor):
    for collection, indexes in INDEXES.items():
        for options in indexes:
            drop_index(schema_editor.connection.database, collection, options["name"])


class Migration(Slow):
    dependencies = [("orders", "0001_initial")]
    operations = [migrations.RunPython(create, drop)]
