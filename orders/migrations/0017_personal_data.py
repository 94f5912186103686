"""Personal data can be erased: who may, when it was, and the indexes by which orders are found for it.

The orders of an e-mail address would otherwise be found by reading every order. `erasable` has the finished orders that
hold personal data: placing an order does not touch it, and erasing takes an order out of it.
"""

import datetime

from django.db import migrations, models
from pymongo.collation import Collation

from orders.migrations._permissions import make_permissions
from orders.migrations._slow import Slow, drop_index

EPOCH = datetime.datetime(1970, 1, 1, tzinfo=datetime.timezone.utc)
INDEXES = [
    {
        "keys": [("contact.email", 1), ("_id", 1)],
        "name": "contact_email",
        "partialFilterExpression": {"contact.email": {"$gt": ""}},
        "collation": Collation("en", strength=2),
    },
    {
        "keys": [("created_at", 1), ("_id", 1)],
        "name": "erasable",
        "partialFilterExpression": {
            "status": {"$in": ["shipped", "delivered", "cancelled", "refunded", "rejected"]},
            "shipping_address.line1": {"$gt": ""},
        },
    },
    {
        "keys": [("erased_at", 1), ("_id", 1)],
        "name": "erased",
        "partialFilterExpression": {"erased_at": {"$gt": EPOCH}},
    },
]


def create(apps, schema_editor):
    for options in INDEXES:
        schema_editor.connection.database["orders"].create_index(**options)


def drop(apps, schema_editor):
    for options in INDEXES:
        drop_index(schema_editor.connection.database, "orders", options["name"])


def grant(apps, schema_editor):
    make_permissions(apps)
    permission = apps.get_model("auth", "Permission").objects.get(
        content_type__app_label="orders", codename="erase_customer"
    )
    for group in apps.get_model("auth", "Group").objects.filter(name="Manager"):
        group.permissions.add(permission)


class Migration(Slow):
    dependencies = [("orders", "0016_search_terms")]
    operations = [
        migrations.AlterModelOptions(
            name="order",
            options={
                "default_permissions": ("view",),
                "permissions": [
                    ("pay_order", "Can mark orders as paid"),
                    ("start_processing_order", "Can start processing orders"),
                    ("ship_order", "Can ship orders"),
                    ("deliver_order", "Can mark orders as delivered"),
                    ("cancel_order", "Can cancel orders"),
                    ("refund_order", "Can refund orders"),
                    ("resolve_stock", "Can settle the stock of lines whose outcome is unknown"),
                    ("change_address", "Can change where orders are shipped to"),
                    ("write_notes", "Can write internal notes"),
                    ("export_orders", "Can export orders"),
                    ("erase_customer", "Can erase personal data"),
                ],
            },
        ),
        migrations.SeparateDatabaseAndState(
            state_operations=[migrations.AddField("order", "erased_at", models.DateTimeField(blank=True, null=True))]
        ),
        migrations.RunPython(grant, migrations.RunPython.noop),
        migrations.RunPython(create, drop),
    ]
