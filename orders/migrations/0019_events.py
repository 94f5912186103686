"""The feed of events: its numbers, one event for each entry of a history, and the orders with something to tell."""

from datetime import UTC, datetime

from django.db import migrations, models
from django.db.models import Q

from orders.migrations._slow import Slow, drop_index

EVENTS = {
    "order_sequence": {"keys": [("order_id", 1), ("sequence", 1)], "unique": True, "partialFilterExpression": {"sequence": {"$gt": 0}}},
    "run": {"keys": [("run_id", 1)], "unique": True, "partialFilterExpression": {"run_id": {"$exists": True}}},
    "order": {"keys": [("order_id", 1), ("_id", 1)]},
    "user": {"keys": [("user_id", 1), ("_id", 1)]},
    "type": {"keys": [("type", 1), ("_id", 1)]},
}
RUNS = {"keys": [("finished_at", 1)], "name": "bulk_untold", "partialFilterExpression": {"untold": True}}


def create(apps, schema_editor):
    database = schema_editor.connection.database
    for name, options in EVENTS.items():
        database["events"].create_index(name=name, **options)
    database["bulk_runs"].create_index(**RUNS)


def drop(apps, schema_editor):
    drop_index(schema_editor.connection.database, "bulk_runs", RUNS["name"])
    schema_editor.connection.database.drop_collection("events")
    schema_editor.connection.database.drop_collection("event_leases")


def count(name):
    return migrations.AddField("order", name, models.PositiveIntegerField(blank=True, editable=False, null=True))


class Migration(Slow):
    dependencies = [("orders", "0018_reached_indexes")]
    operations = [
        migrations.SeparateDatabaseAndState(
            state_operations=[
                migrations.AddField("order", "untold_at", models.DateTimeField(blank=True, editable=False, null=True)),
                count("told"),
                count("events_told"),
            ]
        ),
        migrations.AddIndex(
            "order",
            models.Index(
                fields=["untold_at"], name="untold", condition=Q(untold_at__gt=datetime(1970, 1, 1, tzinfo=UTC))
            ),
        ),
        migrations.RunPython(create, drop),
    ]
