"""Documents of another service in the collection of orders are found off an index that has nothing else."""

from django.db import migrations

from orders.migrations._slow import Slow, drop_index

INDEX = {
    "keys": [("version", 1), ("_id", 1)],
    "name": "foreign",
    "partialFilterExpression": {"version": None},
}


def create(apps, schema_editor):
    schema_editor.connection.database["orders"].create_index(**INDEX)


def drop(apps, schema_editor):
    drop_index(schema_editor.connection.database, "orders", INDEX["name"])


class Migration(Slow):
    dependencies = [("orders", "0025_charges")]
    operations = [migrations.RunPython(create, drop)]
