"""When an order came to its status, what staff may do beside transitions, and which role does it."""

from django.db import migrations, models

from orders.migrations._permissions import make_permissions
from orders.migrations._slow import Slow

ROLES = {
    "Support": ["change_address", "write_notes"],
    "Fulfilment": ["write_notes"],
    "Finance": ["write_notes", "export_orders"],
    "Manager": ["change_address", "write_notes", "export_orders"],
}


def grant(apps, schema_editor):
    make_permissions(apps)
    Group, Permission = apps.get_model("auth", "Group"), apps.get_model("auth", "Permission")
    for role, names in ROLES.items():
        for group in Group.objects.filter(name=role):
            group.permissions.add(
                *Permission.objects.filter(content_type__app_label="orders", codename__in=names)
            )


def date_transitions(apps, schema_editor):
    """Read the new dates off the histories of the orders that are there."""

    def when_it_became(status):
        chosen = {"$filter": {"input": "$history", "as": "entry", "cond": {"$eq": ["$$entry.to", status]}}}
        at = {"$let": {"vars": {"entry": {"$last": chosen}}, "in": "$$entry.at"}}
        return {"$ifNull": [at, "$$REMOVE"]}

    schema_editor.connection.database["orders"].update_many(
        {"version": {"$gte": 0}},  # what another service wrote into the collection stays as it is
        [
            {
                "$set": {
                    "status_since": when_it_became("$status"),
                    "paid_at": when_it_became("paid"),
                    "shipped_at": when_it_became("shipped"),
                }
            }
        ],
    )


class Migration(Slow):
    dependencies = [("orders", "0004_resolve_stock")]
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
                ],
            },
        ),
        migrations.SeparateDatabaseAndState(  # otherwise each document would get the fields, empty
            state_operations=[
                migrations.AddField("order", "status_since", models.DateTimeField(blank=True, null=True)),
                migrations.AddField("order", "paid_at", models.DateTimeField(blank=True, null=True)),
                migrations.AddField("order", "shipped_at", models.DateTimeField(blank=True, null=True)),
            ]
        ),
        migrations.AddField("historyentry", "detail", models.CharField(blank=True, default="", max_length=1000)),
        migrations.RunPython(grant, migrations.RunPython.noop),
        migrations.RunPython(date_transitions, migrations.RunPython.noop),
    ]
