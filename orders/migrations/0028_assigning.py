"""Who takes care of an order, and what staff call it; orders of before have neither and are read as they are."""

import django_mongodb_backend.fields
from django.db import migrations, models

import orders.models.parts
from orders.migrations._permissions import make_permissions
from orders.migrations._slow import Slow, drop_index

ROLES = ("Support", "Fulfilment", "Finance", "Manager")
PERMISSIONS = ("assign_order", "tag_order")
OPEN = ["pending", "paid", "processing"]
BY_CREATION = [("created_at", -1), ("_id", -1)]
INDEXES = {
    "assigned_newest": {
        "keys": [("assignee.id", 1), ("status", 1), *BY_CREATION],
        "partialFilterExpression": {"assignee.id": {"$gt": ""}},
    },
    "unassigned_newest": {
        "keys": [("status", 1), *BY_CREATION],
        "partialFilterExpression": {"assignee": None, "status": {"$in": OPEN}},
    },
    "tagged_newest": {
        "keys": [("tag_keys", 1), ("status", 1), *BY_CREATION],
        "partialFilterExpression": {"tag_keys": {"$gt": ""}},
    },
}
OF_STAFF = "staff"
"""Logins of the backoffice, which the pages name."""


def create(apps, schema_editor):
    database = schema_editor.connection.database
    for name, index in INDEXES.items():
        database["orders"].create_index(name=name, **index)
    database["auth_user"].create_index([("is_staff", 1)], name=OF_STAFF)


def drop(apps, schema_editor):
    database = schema_editor.connection.database
    for name in INDEXES:
        drop_index(database, "orders", name)
    drop_index(database, "auth_user", OF_STAFF)


def grant(apps, schema_editor):
    """To the roles as far as they are still there; the shop may have renamed them."""
    make_permissions(apps)
    Group, Permission = apps.get_model("auth", "Group"), apps.get_model("auth", "Permission")
    found = list(Permission.objects.filter(content_type__app_label="orders", codename__in=PERMISSIONS))
    for group in Group.objects.filter(name__in=ROLES):
        group.permissions.add(*found)


class Migration(Slow):
    dependencies = [("orders", "0027_saved_views")]
    operations = [
        migrations.SeparateDatabaseAndState(
            state_operations=[
                migrations.CreateModel(
                    name="Assignee",
                    fields=[
                        ("id", models.CharField(max_length=24, primary_key=True, serialize=False)),
                        ("name", models.CharField(max_length=301)),
                    ],
                    options={"abstract": False, "default_permissions": ()},
                ),
                migrations.AlterModelOptions(
                    name="order",
                    options={"default_permissions": ("view",), "permissions": [('pay_order', 'Can mark orders as paid'), ('start_processing_order', 'Can start processing orders'), ('ship_order', 'Can ship orders'), ('deliver_order', 'Can mark orders as delivered'), ('cancel_order', 'Can cancel orders'), ('refund_order', 'Can refund orders'), ('return_order', 'Can take back shipped goods'), ('hold_order', 'Can hold orders back, and lift holds'), ('resolve_stock', 'Can settle the stock of lines whose outcome is unknown'), ('change_address', 'Can change where orders are shipped to'), ('write_notes', 'Can write internal notes'), ('export_orders', 'Can export orders'), ('erase_customer', 'Can erase personal data'), ('assign_order', 'Can assign orders to colleagues'), ('tag_order', 'Can tag orders')]},
                ),
                migrations.AddField(
                    "order",
                    "assignee",
                    django_mongodb_backend.fields.EmbeddedModelField(blank=True, embedded_model=orders.models.parts.Assignee, null=True),
                ),
                *(
                    migrations.AddField(
                        "order",
                        name,
                        django_mongodb_backend.fields.ArrayField(
                            base_field=models.CharField(max_length=longest), blank=True, default=list, **options
                        ),
                    )
                    for name, longest, options in (("tags", 40, {}), ("tag_keys", 120, {"editable": False}))
                ),
            ]
        ),
        migrations.RunPython(create, drop),
        migrations.RunPython(grant, migrations.RunPython.noop),
    ]
