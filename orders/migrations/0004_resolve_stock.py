"""A permission of its own for saying what became of a line's stock; managers and the warehouse have it."""

from django.db import migrations

from orders.migrations._permissions import make_permissions

ROLES = ("Fulfilment", "Manager")


def grant(apps, schema_editor):
    make_permissions(apps)
    permission = apps.get_model("auth", "Permission").objects.get(
        content_type__app_label="orders", codename="resolve_stock"
    )
    for group in apps.get_model("auth", "Group").objects.filter(name__in=ROLES):
        group.permissions.add(permission)


class Migration(migrations.Migration):
    dependencies = [("orders", "0003_staff_groups")]
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
                ],
            },
        ),
        migrations.RunPython(grant, migrations.RunPython.noop),
    ]
