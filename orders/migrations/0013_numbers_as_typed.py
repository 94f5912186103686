"""An index of order numbers that knows no case, blanks or hyphens, which Django's migrations cannot express.

The index `number` stays for the version before, which asks by it while this migration runs.
"""

from django.db import migrations

from orders.migrations._slow import Slow, drop_index

INDEX = {
    "keys": [("number", 1)],
    "name": "number_as_typed",
    "collation": {"locale": "en", "strength": 2, "alternate": "shifted", "maxVariable": "punct"},
}


def create(apps, schema_editor):
    schema_editor.connection.database["orders"].create_index(**INDEX)


def drop(apps, schema_editor):
    drop_index(schema_editor.connection.database, "orders", INDEX["name"])


class Migration(Slow):
    dependencies = [("orders", "0012_short_newest")]
    operations = [migrations.RunPython(create, drop)]
