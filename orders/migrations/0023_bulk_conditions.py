"""Runs over many orders say beforehand which orders a condition refuses, and keep the code of their reason.

`partly_shipped` has the orders of which a part has left and another has not: few at any time.
"""

import datetime

from django.db import migrations, models

from orders.migrations._slow import Slow, drop_index

EPOCH = datetime.datetime(1970, 1, 1, tzinfo=datetime.timezone.utc)


def create(apps, schema_editor):
    schema_editor.connection.database["orders"].create_index(
        [("created_at", 1), ("_id", 1)],
        name="partly_shipped",
        partialFilterExpression={
            "status": {"$in": ["pending", "paid", "processing"]},
            "shipments.at": {"$gt": EPOCH},
        },
    )


def drop(apps, schema_editor):
    drop_index(schema_editor.connection.database, "orders", "partly_shipped")


class Migration(Slow):
    dependencies = [("orders", "0022_parts_and_money")]
    operations = [
        migrations.SeparateDatabaseAndState(
            state_operations=[
                migrations.AddField("bulkrun", "reason_code", models.CharField(blank=True, default="", max_length=12))
            ]
        ),
        migrations.RunPython(create, drop),
    ]
