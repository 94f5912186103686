"""Orders of which inventory gave back less than asked are listed like any other: in the order of their creation."""

from django.db import migrations

from orders.migrations._slow import Slow, drop_index

SHORT: dict = {"partialFilterExpression": {"items.stock.discrepancy": {"$gt": 0}}}
OLD = {"keys": [("created_at", 1)], "name": "stock_short"} | SHORT
NEW = {"keys": [("created_at", -1), ("_id", -1)], "name": "short_newest"} | SHORT


def create(apps, schema_editor):
    replace(schema_editor.connection.database, OLD, NEW)


def drop(apps, schema_editor):
    replace(schema_editor.connection.database, NEW, OLD)


def replace(database, old, new):
    database["orders"].create_index(**new)
    drop_index(database, "orders", old["name"])


class Migration(Slow):
    dependencies = [("orders", "0011_figures_in_plain_numbers")]
    operations = [migrations.RunPython(create, drop)]
